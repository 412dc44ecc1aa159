"""What the form holds: texts as they were typed, what they mean, what is wrong, and what they change.

Pure values: the form shows them, and the tests try them without a screen.
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
    Field,
    Kind,
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
"""A choice that is left to the kind."""
VAULT, KEYRING, FILE, ENV, COMMAND = "vault", "keyring", "file", "env", "command"
PLACES = (VAULT, KEYRING, FILE, ENV, COMMAND)
"""Where a password can be: the first two are kept by Muniment, the others are somebody's own."""
OURS = (VAULT, KEYRING)
SECRETS = "secrets/"
"""What the path of a password begins with that Muniment keeps in the vault."""


@dataclass
class Draft:
    """A profile in the making: one that is new, or changes to one that is there."""

    kind: Kind
    name: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    """The fields as vault.toml has them; those at their defaults may be missing."""
    new: bool = True
    version: str = ""
    """Which vault.toml `base` was read from."""
    typed: dict[str, str] = field(default_factory=dict)
    """Only what differs from how `base` is shown."""
    place: str = VAULT
    where: str = ""
    """For a place that is somebody's own: path, name or command."""
    password: str = field(default="", repr=False)
    runs: bool | None = None
    """A person's word whether it runs by itself though it was not tested; None where none was asked for."""

    def __post_init__(self) -> None:
        self.base = {name: tuple(v) if isinstance(v, list) else v for name, v in self.base.items()}
        self.place, self.where = place_of(self.base.get("password"))

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field of the kind, in the order of the form."""
        return (*asked(self.kind), *folded(self.kind))

    # --- texts ------------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """A field as the form shows it."""
        return self.typed.get(name, self.original(name))

    def original(self, name: str) -> str:
        """A field as the form showed it at first."""
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
        """Take what was typed into a field."""
        if text == self.original(name):
            self.typed.pop(name, None)
        else:
            self.typed[name] = text

    # --- meanings -----------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        """The fields that are not at their defaults, as vault.toml has them."""
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
        """Where the password is, unless one was typed: then the service says."""
        if self.password:
            return None
        kept: dict[str, Any] | None = self.base.get("password")
        if (self.place, self.where) == place_of(kept):
            return kept
        return None if self.place in OURS or not self.where.strip() else {self.place: self.where.strip()}

    def changes(self) -> dict[str, Any]:
        """What PutProfile is to change: None takes a field out."""
        values = self.values()
        before = {} if self.new else {n: v for n, v in self.base.items() if v is not None}
        changed: dict[str, Any] = {n: v for n, v in values.items() if before.get(n, _Missing) != v}
        changed |= {n: None for n in before if n not in values and not (n == "password" and self.password)}
        if self.runs is not None:
            changed["enabled"] = self.runs
        return changed | ({"source": self.kind.name} if self.new else {})

    @property
    def enabled(self) -> bool:
        """Whether it is to run by itself."""
        return self.text("enabled") == YES

    @property
    def deletes(self) -> bool:
        """Whether what is kept is deleted at the source."""
        return self.text("delete") == YES

    @property
    def changed(self) -> bool:
        """Whether anything would be lost."""
        return bool(
            self.typed or self.password or (self.place, self.where) != place_of(self.base.get("password"))
        )

    @property
    def keep(self) -> str:
        """Where the service is to keep the password, as PutProfile says it."""
        return "keyring" if self.place == KEYRING else "file"

    def source_fields(self) -> dict[str, Any]:
        """The whole profile, as CheckProfile and TestProfile take it."""
        return self.values() | {"source": self.kind.name}

    # --- what is wrong ----------------------------------------------------------------------

    def problems(self) -> dict[str, str]:
        """A sentence by field, "name" among them."""
        found = {"name": name_problem(self.name)} if name_problem(self.name) else {}
        if not self.name:
            found["name"] = "give it a name, such as headquarters"
        for name, text in self.typed.items():
            if FIELD[name].type == "number" and text.strip() and _number(text.strip()) is None:
                found[name] = "write a whole number"
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
            VAULT: "type the password, or choose where else it is",
            KEYRING: "type the password, or choose where else it is",
            FILE: "write the file's path on the machine that archives",
            ENV: "write the variable's name",
            COMMAND: "write the command that prints it, such as pass show gateway",
        }[self.place]

    def warnings(self) -> dict[str, str]:
        """What should be known, by field."""
        return warnings(self.kind, self.values())


class _Missing:
    """No value, not even None."""


def place_of(spec: Mapping[str, Any] | None) -> tuple[str, str]:
    """Where a password is, and what of that is shown to be edited."""
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
        return "nowhere yet"
    place, where = place_of(spec)
    kept = {VAULT: "kept in the vault", KEYRING: "kept in the keyring"}
    return kept.get(place) or f"{place} {where}"


def _line(items: Sequence[str]) -> str:
    """Names on a line, with commas between them; one that has a comma itself stands in quotes."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(items)
    return out.getvalue().replace(",", ", ") if not any("," in item for item in items) else out.getvalue()


def _items(text: str) -> tuple[str, ...]:
    """The names on a line."""
    rows = list(csv.reader([text], skipinitialspace=True))
    return tuple(item.strip() for item in (rows[0] if rows else []) if item.strip())


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _command_problem(text: str) -> str:
    try:
        return "" if shlex.split(text) else "write the command that prints it"
    except ValueError:
        return "a quote is not closed"
