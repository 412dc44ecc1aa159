"""The state of the form: the typed texts, the values they mean, what is wrong, and what they change.

Plain values only. The form shows them, and tests use them without a screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from muniment.profiles.fields import FIELD, ProfileField, name_problem
from muniment.profiles.source_kind import (
    SourceKind,
    asked,
    default,
    folded,
    in_form,
    problems,
    tidied,
    warnings,
)
from muniment_tui.widgets.typed_values import (
    COMMAND,
    ENV,
    FILE,
    KEYRING,
    NO,
    OURS,
    SECRETS,
    VAULT,
    YES,
    command_problem,
    items_of,
    line_of,
    number_of,
    place_of,
)

USUAL = ""
"""The choice that means the kind's default."""


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
    typed: dict[str, str] = field(default_factory=dict, repr=False)
    """The texts of the fields that differ from `base`."""
    suggested: Mapping[str, str] = field(default_factory=dict)
    """Texts that another screen has entered. They are no changes of the user's own."""
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
    def entered(self) -> tuple[object, ...]:
        """All that the user has entered, to find out later whether it has changed."""
        return (self.kind.name, self.name, dict(self.typed), self.place, self.where, self.password)

    def of_kind(self, kind: SourceKind) -> ProfileDraft:
        """The same draft for another kind of source. What was typed stays where that kind has the field."""
        draft = ProfileDraft(kind, self.name, self.base, version=self.version)
        for one in draft.fields:
            if one.name in self.typed:
                draft.type(one.name, self.typed[one.name])
        if self.typed == self.suggested:
            draft.suggest(self.suggested)
        draft.place, draft.where, draft.password = self.place, self.where, self.password
        return draft

    def go_on(self, saved: Mapping[str, Any], version: str, password: str) -> None:
        """Keep what was typed while `saved` was being saved, as changes to it.

        `password` is the one that was saved with it.
        """
        self.new, self.version, self.runs, self.suggested = False, version, None, {}
        if self.password == password:
            self.password = ""
        self.rebase(saved)

    def rebase(self, now: Mapping[str, Any]) -> None:
        """Keep what was typed, as changes to the fields that vault.toml has now."""
        moved = (self.place, self.where) != place_of(self.base.get("password"))
        self.base = {name: tuple(v) if isinstance(v, list) else v for name, v in now.items()}
        if not moved:
            self.place, self.where = place_of(self.base.get("password"))
        for name, text in tuple(self.typed.items()):
            self.type(name, text)  # which may be what the file has now

    @property
    def fields(self) -> tuple[ProfileField, ...]:
        """All fields of the kind, in the order of the form."""
        return (*asked(self.kind), *folded(self.kind))

    @property
    def _imported_once(self) -> bool:
        """Whether it is a new profile of a kind that is usually imported once, so it runs by hand."""
        return self.new and not self.base and self.kind.once

    # --- texts ------------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """The text that the form shows for a field."""
        return self.typed.get(name, self.original(name))

    def original(self, name: str) -> str:
        """The text that the form showed at first."""
        value = self.base.get(name)
        shown = FIELD[name]
        if name == "enabled" and self._imported_once:
            return NO
        if value is None:
            value = default(self.kind, name)
        if shown.type == "flag":
            return YES if value else NO
        if shown.type == "list":
            return line_of(value)
        return USUAL if value is None else str(value)

    def type(self, name: str, text: str) -> None:
        """Set the text of a field."""
        if text == self.original(name):
            self.typed.pop(name, None)
        else:
            self.typed[name] = text

    def suggest(self, texts: Mapping[str, str]) -> None:
        """Set the texts of fields of this kind, as a beginning."""
        names = {field.name for field in self.fields}
        for name, text in texts.items():
            if name in names:
                self.type(name, text)
        self.suggested = dict(self.typed)

    # --- meanings -----------------------------------------------------------------------------

    def values(self) -> dict[str, Any]:
        """The fields that are not at their defaults, in the format of vault.toml."""
        found = {name: value for name, value in self.base.items() if name != "password" and value is not None}
        if self._imported_once:
            found["enabled"] = False
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
            return number_of(text)
        if shown.type == "list":
            return items_of(text)
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
        moved = (self.place, self.where) != place_of(self.base.get("password"))
        return self.typed != self.suggested or bool(self.password) or moved

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
            if FIELD[name].type == "number" and text.strip() and number_of(text.strip()) is None:
                found[name] = "enter a whole number"
        values = self.values()
        if self.password:
            values["password"] = {"file": SECRETS}
        found = problems(self.kind, values, in_form) | found
        if "password" in found:
            found["password"] = self._missing_password()
        elif self.place == COMMAND and (wrong := command_problem(self.where)):
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
