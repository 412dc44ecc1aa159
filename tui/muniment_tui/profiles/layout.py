"""Makes the form's fields from the table of profile fields and a draft."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from textual.content import Content

from muniment.profiles.fields import FIELD, ProfileField, SourceKind, choices, default
from muniment_tui.profiles.draft import (
    COMMAND,
    ENV,
    FILE,
    KEYRING,
    NO,
    OURS,
    PLACES,
    USUAL,
    VAULT,
    YES,
    ProfileDraft,
)
from muniment_tui.profiles.editors import MailboxField
from muniment_tui.terminal.safe_text import joined
from muniment_tui.widgets.field import ChoiceField, FormField, TextField

PLACE, SECRET, WHERE = "place", "secret", "where"
"""Fields of the form that vault.toml does not have. Together they make the password field."""
_PLACE_NAMES = {VAULT: "vault", KEYRING: "keyring", FILE: "file", ENV: "env", COMMAND: "cmd"}
WHERE_LABELS = {FILE: "Path of the file", ENV: "Name of the variable", COMMAND: "Command"}

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
    kept = "saved; enter a new one to replace it" if draft.base.get("password") is not None else ""
    yield TextField(
        SECRET, "Password", draft.password, placeholder=kept, secret=True, check=_check(SECRET, problem)
    )
    yield ChoiceField(PLACE, "Password kept in", [(p, _PLACE_NAMES[p]) for p in PLACES], draft.place)
    yield TextField(WHERE, WHERE_LABELS.get(draft.place, ""), draft.where, check=_check(WHERE, problem))


def needed(name: str, draft: ProfileDraft) -> bool:
    """Whether a field is shown. The fields for the password depend on where it is kept."""
    return {SECRET: draft.place in OURS, WHERE: draft.place not in OURS}.get(name, True)


def help_of(name: str) -> str:
    """A sentence that explains a field."""
    own = {
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
