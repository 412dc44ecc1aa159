"""The state of the form: the typed texts, the values they mean, what is wrong, and what they change.

Plain values only. The form shows them, and tests use them without a screen.
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from muniment.profiles.fields import (
    FIELD,
    ProfileField,
    SourceKind,
    asked,
    default,
    folded,
    name_problem,
    problems,
    tidied,
    warnings,
)

YES, NO = "yes", "no"
USUAL = ""
"""The choice that means the kind's default."""
VAULT, KEYRING, FILE, ENV, COMMAND = "vault", "keyring", "file", "env", "command"
PLACES = (VAULT, KEYRING, FILE, ENV, COMMAND)
"""Where a password can be kept. Muniment keeps the first two; the user provides the others."""
OURS = (VAULT, KEYRING)
SECRETS = "secrets/"
"""Prefix of the path of a password that Muniment keeps in the vault."""


@dataclass
class ProfileDraft:
    """A new profile, or changes to an existing one."""

    kind: SourceKind
    name: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    """The fields in vault.toml. Fields at their defaults may be missing."""
    new: bool = True
    version: str = ""
    """The version of vault.toml that `base` was read from."""
    typed: dict[str, str] = field(default_factory=dict)
    """The texts of the fields that differ from `base`."""
    place: str = VAULT
    where: str = ""
    """The path, variable or command, if the user provides the password."""
    password: str = field(default="", repr=False)
    runs: bool | None = None
    """The user's decision whether an untested profile runs automatically; None if not asked."""

    def __post_init__(self) -> None:
        self.base = {name: tuple(v) if isinstance(v, list) else v for name, v in self.base.items()}
        self.place, self.where = place_of(self.base.get("password"))

    @property
    def fields(self) -> tuple[ProfileField, ...]:
        """All fields of the kind, in the order of the form."""
        return (*asked(self.kind), *folded(self.kind))

    # --- texts ------------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """The text that the form shows for a field."""
        return self.typed.get(name, self.original(name))

    def original(self, name: str) -> str:
        """The text that the form showed at first."""
        value = self.base.get(name)
        shown = FIELD[name]
        if value is None:
            value = default(self.kind, name)
        if shown.type == "flag":
            return YES if value else NO
        if shown.type == "list":
            return _line(value)
        return USUAL if value is None else str(value)

    def type(self, name: str, text: str) -> None:
        """Set the text of a field."""
        if text == self.original(name):
            self.typed.pop(name, None)
        else:
            self.typed[name] = text

    # --- meanings -----------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        """The fields that are not at their defaults, in the format of vault.toml."""
        found = {name: value for name, value in self.base.items() if name != "password" and value is not None}
        for name in self.typed:
            value = self._value(name)
            if value is None or value == default(self.kind, name):
                found.pop(name, None)
            else:
                found[name] = value
        password = self.password_spec()
        return found if password is None else found | {"password": password}

    def _value(self, name: str) -> Any:
        text, shown = self.typed[name].strip(), FIELD[name]
        if shown.type == "flag":
            return text == YES
        if shown.type == "number":
            return _number(text)
        if shown.type == "list":
            return _items(text)
        return tidied(self.kind, name, text) or None

    def password_spec(self) -> dict[str, Any] | None:
        """Where the password is. None if the service keeps a typed password, or if nothing is set."""
        if self.password:
            return None
        kept: dict[str, Any] | None = self.base.get("password")
        if (self.place, self.where) == place_of(kept):
            return kept
        return None if self.place in OURS or not self.where.strip() else {self.place: self.where.strip()}

    def changes(self) -> dict[str, Any]:
        """The changes for PutProfile. None removes a field."""
        values = self.values()
        before = {} if self.new else {n: v for n, v in self.base.items() if v is not None}
        changed: dict[str, Any] = {n: v for n, v in values.items() if before.get(n, _Missing) != v}
        changed |= {n: None for n in before if n not in values and not (n == "password" and self.password)}
        if self.runs is not None:
            changed["enabled"] = self.runs
        return changed | ({"source": self.kind.name} if self.new else {})

    @property
    def enabled(self) -> bool:
        """Whether the profile runs automatically."""
        return self.text("enabled") == YES

    @property
    def deletes(self) -> bool:
        """Whether archived mail is deleted at the source."""
        return self.text("delete") == YES

    @property
    def changed(self) -> bool:
        """Whether there are unsaved changes."""
        return bool(
            self.typed or self.password or (self.place, self.where) != place_of(self.base.get("password"))
        )

    @property
    def keep(self) -> str:
        """Where the service keeps the password, in the format of PutProfile."""
        return "keyring" if self.place == KEYRING else "file"

    def source_fields(self) -> dict[str, Any]:
        """The complete profile, in the format of CheckProfile and TestProfile."""
        return self.values() | {"source": self.kind.name}

    # --- what is wrong ----------------------------------------------------------------------

    def problems(self) -> dict[str, str]:
        """A sentence for each wrong field, "name" included."""
        found = {"name": name_problem(self.name)} if name_problem(self.name) else {}
        if not self.name:
            found["name"] = "enter a name, such as headquarters"
        for name, text in self.typed.items():
            if FIELD[name].type == "number" and text.strip() and _number(text.strip()) is None:
                found[name] = "enter a whole number"
        values = self.values()
        if self.password:
            values["password"] = {"file": SECRETS}
        found = problems(self.kind, values) | found
        if "password" in found:
            found["password"] = self._missing_password()
        elif self.place == COMMAND and (wrong := _command_problem(self.where)):
            found["password"] = wrong
        return found

    def _missing_password(self) -> str:
        return {
            VAULT: "enter the password, or choose another place for it",
            KEYRING: "enter the password, or choose another place for it",
            FILE: "enter the path of the file on the archive server",
            ENV: "enter the name of the variable",
            COMMAND: "enter the command that prints it, such as pass show gateway",
        }[self.place]

    def warnings(self) -> dict[str, str]:
        """A warning for each field that has one."""
        return warnings(self.kind, self.values())


class _Missing:
    """Marks a missing value, which differs from None."""


def place_of(spec: Mapping[str, Any] | None) -> tuple[str, str]:
    """Where a password is, and the path, variable or command that the form shows."""
    if not spec:
        return VAULT, ""
    ((way, what),) = spec.items()
    if way == FILE and str(what).startswith(SECRETS):
        return VAULT, ""
    if way == KEYRING:
        return KEYRING, ""
    return way, shlex.join(what) if isinstance(what, list | tuple) else str(what)


def described(spec: Mapping[str, Any] | None) -> str:
    """Where a password is, in a few words."""
    if not spec:
        return "not set"
    place, where = place_of(spec)
    kept = {VAULT: "kept in the vault", KEYRING: "kept in the keyring"}
    return kept.get(place) or f"{place} {where}"


def _line(items: Sequence[str]) -> str:
    """Names separated by commas. A name that contains a comma is quoted."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(items)
    return out.getvalue().replace(",", ", ") if not any("," in item for item in items) else out.getvalue()


def _items(text: str) -> tuple[str, ...]:
    """The names on a line that `_line` made."""
    rows = list(csv.reader([text], skipinitialspace=True))
    return tuple(item.strip() for item in (rows[0] if rows else []) if item.strip())


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _command_problem(text: str) -> str:
    try:
        return "" if shlex.split(text) else "enter the command that prints it"
    except ValueError:
        return "a quote is not closed"
