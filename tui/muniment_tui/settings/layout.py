"""Makes the fields of a form from the settings that the service has named."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from muniment.api import SettingWord
from muniment_tui.settings.draft import NOWHERE, SettingsDraft, text_of_value
from muniment_tui.widgets.field import ChoiceField, FormField, TextField
from muniment_tui.widgets.typed_values import NO, OURS, PLACE_NAMES, PLACES, WHERE_LABELS, YES

PLACE, SECRET, WHERE = "place", "secret", "where"
"""Fields of the form that vault.toml does not have. Together they make the password."""
Problem = Callable[[str], str]
"""Returns what is wrong with a field of the form, by its name."""
HINTS = {
    PLACE: "In the vault: a file that only its owner can read. Never in vault.toml.",
    SECRET: "Shown as dots, and never written to vault.toml or a log.",
    WHERE: "On the archive server.",
}
_SAMPLES = {
    "list": "separated by commas",
    "urls": "separated by commas",
    "pairs": "NAME = VALUE, separated by commas",
    "counts": "NAME = NUMBER, separated by commas",
}


def form_fields(draft: SettingsDraft, more: bool, problem: Problem) -> Iterator[FormField]:
    """The widgets for the settings that are shown at first, or for the others."""
    for word in draft.group.settings:
        if word.more is not more:
            continue
        if word.kind == "password":
            yield from _password(draft, word, problem)
        else:
            yield _field(draft, word, problem)


def _field(draft: SettingsDraft, word: SettingWord, problem: Problem) -> FormField:
    text = draft.text(word.key)

    def check(_: str) -> str:
        return problem(word.key)

    if word.kind == "flag":
        says = list(zip((YES, NO), word.says or ("yes", "no"), strict=True))
        return ChoiceField(word.key, word.label, says, text, check=check)
    if word.kind == "choice":
        offered = list(zip(word.choices, word.says or word.choices, strict=True))
        return ChoiceField(word.key, word.label, offered, text, check=check)
    return TextField(word.key, word.label, text, placeholder=_sample(word), check=check)


def _sample(word: SettingWord) -> str:
    usual = text_of_value(word, word.default)
    kind = _SAMPLES.get(word.kind, "")
    if word.sample:
        return f"such as {word.sample}"
    return usual or kind


def _password(draft: SettingsDraft, word: SettingWord, problem: Problem) -> Iterator[FormField]:
    """The place first: the field below it depends on the place."""

    def check(_: str) -> str:
        return problem(word.key)

    offered = [(NOWHERE, "none"), *((place, PLACE_NAMES[place]) for place in PLACES)]
    yield ChoiceField(PLACE, f"{word.label} kept in", offered, draft.place)
    saved = "saved; enter a new one to replace it" if word.value else ""
    yield TextField(SECRET, word.label, draft.password, placeholder=saved, secret=True, check=check)
    yield TextField(WHERE, WHERE_LABELS.get(draft.place, ""), draft.where, check=check)


def needed(name: str, draft: SettingsDraft) -> bool:
    """Whether a field is shown. The fields for the password depend on where it is kept."""
    if name == SECRET:
        return draft.place in OURS
    return name != WHERE or draft.place not in (NOWHERE, *OURS)


def key_of(name: str, draft: SettingsDraft) -> str:
    """The setting that a field of the form belongs to."""
    return draft.secret.key if name in HINTS and draft.secret is not None else name


def help_of(name: str, draft: SettingsDraft) -> str:
    """A sentence that explains a field."""
    return HINTS.get(name) or draft.words[name].help
