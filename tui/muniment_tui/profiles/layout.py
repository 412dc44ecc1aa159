"""Makes the form's fields from the table of profile fields and a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from textual.content import Content

from muniment.profiles.fields import FIELD, ProfileField
from muniment.profiles.source_kind import SourceKind, choices, default
from muniment_tui.profiles.draft import USUAL, ProfileDraft
from muniment_tui.profiles.form_parts import MailboxField
from muniment_tui.terminal.safe_text import joined
from muniment_tui.widgets.field import ChoiceField, FormField, TextField
from muniment_tui.widgets.typed_values import NO, OURS, PLACE_NAMES, PLACES, WHERE_LABELS, YES, place_of

KIND_FIELD = "source"
"""The field for the kind of a new profile, where several kinds fit."""
PLACE, SECRET, WHERE = "place", "secret", "where"
"""Fields of the form that vault.toml does not have. Together they make the password field."""

Problem = Callable[[str], str]
"""Returns what is wrong with a field of the form, by its name."""


def form_fields(
    draft: ProfileDraft, fields: tuple[ProfileField, ...], problem: Problem
) -> Iterator[FormField]:
    """The form's widgets for fields of the table."""
    for field in fields:
        if field.type == "password":
            yield from _password(draft, problem)
        else:
            yield _form_field(draft, field, problem)


def name_field(draft: ProfileDraft, problem: Problem) -> FormField:
    """The widget for the profile's name."""
    return TextField(
        "name", "Name", draft.name, placeholder="such as headquarters", check=_check("name", problem)
    )


def _check(name: str, problem: Problem) -> Callable[[str], str]:
    return lambda _: problem(name)


def _form_field(draft: ProfileDraft, field: ProfileField, problem: Problem) -> FormField:
    text, check = draft.text(field.name), _check(field.name, problem)
    if field.type == "flag":
        says = list(zip((YES, NO), field.says, strict=True))
        return ChoiceField(field.name, field.label, says, text, check=check)
    if field.type == "choice":
        usual = [] if default(draft.kind, field.name) is not None else [(USUAL, "default")]
        offered = [*usual, *((choice, choice) for choice in choices(draft.kind, field))]
        return ChoiceField(field.name, field.label, offered, text, check=check)
    sample = _placeholder(draft.kind, field)
    if (draft.kind.name, field.name) == ("gateway", "mailbox"):
        return MailboxField(field.name, field.label, text, sample, check=check)
    return TextField(field.name, field.label, text, placeholder=sample, check=check)


def _placeholder(kind: SourceKind, field: ProfileField) -> str:
    if field.name == "mailbox":
        return "mbx-..." if kind.name == "gateway" else "login name"
    samples = {
        "host": "mail.example.org",
        "port": "default",
        "owner": "name@example.org",
        "folders": "all; or names, separated by commas",
        "exclude": "none",
        "mailboxes": "names, separated by commas; * for all",
    }
    usual = default(kind, field.name)
    return samples.get(field.name) or ("" if usual in (None, "", ()) else str(usual))


def _password(draft: ProfileDraft, problem: Problem) -> Iterator[FormField]:
    """The place first: the field below it depends on the place, so Tab always reaches that."""
    yield ChoiceField(
        PLACE, f"{secret_label(draft)} kept in", [(p, PLACE_NAMES[p]) for p in PLACES], draft.place
    )
    yield TextField(
        SECRET,
        secret_label(draft),
        draft.password,
        placeholder=place_hint(draft),
        secret=True,
        check=_check(SECRET, problem),
    )
    yield TextField(WHERE, WHERE_LABELS.get(draft.place, ""), draft.where, check=_check(WHERE, problem))


def secret_label(draft: ProfileDraft) -> str:
    """What the secret is called: a client secret, as Microsoft says, for an application; else a password."""
    by = draft.text("auth") if "auth" in {field.name for field in draft.fields} else "password"
    return "Client secret" if by == "app" else "Password"


def place_hint(draft: ProfileDraft) -> str:
    """What an empty password field means: that one is kept, if it is, where the form says."""
    kept = draft.base.get("password")
    here = kept is not None and place_of(kept)[0] == draft.place
    return "saved; enter a new one to replace it" if here else ""


def kind_field(draft: ProfileDraft, kinds: tuple[str, ...]) -> FormField:
    """The choice of the kind of a new profile."""
    return ChoiceField(KIND_FIELD, "Kind", [(kind, kind) for kind in kinds], draft.kind.name)


def needed(name: str, draft: ProfileDraft) -> bool:
    """Whether a field is shown. The fields for the password depend on where it is kept."""
    return {SECRET: draft.place in OURS, WHERE: draft.place not in OURS}.get(name, True)


def help_of(name: str) -> str:
    """A sentence that explains a field."""
    own = {
        KIND_FIELD: "How the mailbox is reached.",
        "name": "The profile's name: letters, digits, - _ and .",
        SECRET: "Shown as dots, and never written to vault.toml or a log.",
        PLACE: "In the vault: a file that only its owner can read. Never in vault.toml.",
        WHERE: "On the archive server.",
    }
    return own.get(name) or FIELD[name].help


def field_of(name: str) -> str:
    """The field of vault.toml that a field of the form belongs to."""
    return "password" if name in (PLACE, SECRET, WHERE) else name


def title(draft: ProfileDraft) -> Content:
    """The title of the form."""
    what = "New profile" if draft.new else f"Profile {draft.name}"
    return joined((what, "bold"), ("  ", ""), (draft.kind.title, "$secondary"))
