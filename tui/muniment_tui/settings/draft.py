"""The state of a form of settings: the typed texts, the values they mean, what is wrong, what they change.

Plain values only. The service says which settings there are, and of which kind.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from muniment.api import SettingsGroup, SettingWord
from muniment_tui.terminal.safe_text import clean
from muniment_tui.widgets.file_changes import FileChange
from muniment_tui.widgets.typed_values import (
    COMMAND,
    KEYRING,
    NO,
    OURS,
    VAULT,
    YES,
    command_problem,
    described,
    items_of,
    line_of,
    number_of,
    pairs_line,
    pairs_of,
    place_of,
)

NOWHERE = "none"
"""The choice that means that there is no password."""


def text_of_value(word: SettingWord, value: Any) -> str:
    """A value as the text of a form's field."""
    if value is None:
        return ""
    if word.kind == "flag":
        return YES if value else NO
    if word.kind in ("list", "urls"):
        return line_of([str(item) for item in value])
    if word.kind == "words":
        return shlex.join(value)
    if word.kind in ("pairs", "counts"):
        return pairs_line(value)
    return str(value)


def _without_secrets(address: str) -> str:
    """An address that was typed as a label shows it: only its scheme."""
    scheme, typed, _ = address.partition("://")
    return f"{scheme.rpartition(' ')[2]}:…" if typed else address


def value_text(word: SettingWord, value: Any) -> str:
    """A value as a person reads it; "not set" for none."""
    if word.kind == "password":
        return described(value)
    if word.kind == "flag" and word.says:
        return word.says[0 if value else 1]
    if word.kind == "choice" and value in word.choices:
        return word.says[word.choices.index(value)]
    if word.kind == "number" and isinstance(value, int):
        return f"{value:,}"
    if word.kind == "urls" and value:
        value = [_without_secrets(str(item)) for item in value]
    return text_of_value(word, value) or "not set"


@dataclass
class SettingsDraft:
    """Changes to the settings of one group."""

    group: SettingsGroup
    version: str = ""
    """The version of vault.toml that `group` was read from."""
    typed: dict[str, str] = field(default_factory=dict, repr=False)
    """The texts of the settings that differ from the file's."""
    place: str = NOWHERE
    """Where the password is kept."""
    where: str = ""
    """The path, variable or command, if the user provides the password."""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.place, self.where = self._place()

    @property
    def entered(self) -> tuple[object, ...]:
        """All that the user has entered, to find out later whether it has changed."""
        return (dict(self.typed), self.place, self.where, self.password)

    def go_on(self, saved: SettingsGroup, version: str, password: str) -> None:
        """Keep what was typed while `saved` was being saved, as changes to it.

        `password` is the one that was saved with it.
        """
        moved = self._moved
        self.group, self.version = saved, version
        if not moved:
            self.place, self.where = self._place()
        if self.password == password:
            self.password = ""
        for key, text in tuple(self.typed.items()):
            self.type(key, text)

    @property
    def words(self) -> dict[str, SettingWord]:
        """The settings by key."""
        return {word.key: word for word in self.group.settings}

    @property
    def secret(self) -> SettingWord | None:
        """The setting that says where a password is; None if the group has none."""
        return next((word for word in self.group.settings if word.kind == "password"), None)

    def _place(self) -> tuple[str, str]:
        spec = self.secret.value if self.secret else None
        return place_of(spec) if spec else (NOWHERE, "")

    # --- texts ------------------------------------------------------------------------------

    def text(self, key: str) -> str:
        """The text that the form shows for a setting."""
        return self.typed.get(key, self.original(key))

    def original(self, key: str) -> str:
        """The text that the form showed at first."""
        word = self.words[key]
        return text_of_value(word, word.value)

    def type(self, key: str, text: str) -> None:
        """Set the text of a setting. A field shows a text without control characters; that is no change."""
        if text in (self.original(key), clean(self.original(key))):
            self.typed.pop(key, None)
        else:
            self.typed[key] = text

    # --- meanings -----------------------------------------------------------------------------

    def changes(self) -> dict[str, Any]:
        """The changes in the form of PutSettings. None means the default."""
        found = {key: self._value(self.words[key], text.strip()) for key, text in self.typed.items()}
        if self.secret is not None and self._moved and not (self.password and self.place in OURS):
            given = {self.place: self.where.strip()}
            found[self.secret.key] = None if self.place in (NOWHERE, *OURS) else given
        return found

    def _value(self, word: SettingWord, text: str) -> Any:
        value = _meant(word, text)
        return None if value in ("", word.default) or _plain(value) == _plain(word.default) else value

    @property
    def _moved(self) -> bool:
        return (self.place, self.where) != self._place()

    @property
    def keep(self) -> str:
        """Where the service keeps a typed password, as in PutSettings."""
        return "keyring" if self.place == KEYRING else "file"

    @property
    def changed(self) -> int:
        """How many settings are changed and not saved."""
        return len(self.typed) + bool(self.password or (self.secret is not None and self._moved))

    # --- what is wrong ----------------------------------------------------------------------

    def problems(self) -> dict[str, str]:
        """A sentence for each setting whose text has no meaning. The service checks the meanings."""
        found = {}
        for key, text in self.typed.items():
            if sentence := _problem(self.words[key], text.strip()):
                found[key] = sentence
        if self.secret is not None and self._moved and not self.password:
            if self.place in OURS:
                found[self.secret.key] = "enter the password, or choose another place for it"
            elif self.place != NOWHERE and not self.where.strip():
                found[self.secret.key] = "enter where it is"
            elif self.place == COMMAND and (wrong := command_problem(self.where)):
                found[self.secret.key] = wrong
        return found

    def against(self, now: Iterable[SettingWord]) -> list[FileChange]:
        """What the file has otherwise than this form at its start."""
        mine = self.changes()
        found = []
        before = self.words
        for word in now:
            old = before.get(word.key)
            if old is None or _plain(old.value) == _plain(word.value):
                continue
            typed = ""
            if word.key in mine:
                typed = value_text(word, word.default if mine[word.key] is None else mine[word.key])
            found.append(
                FileChange(word.label, value_text(old, old.value), value_text(word, word.value), typed)
            )
        return found


def _plain(value: Any) -> Any:
    """A value that can be compared: a list and a tuple are the same."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _meant(word: SettingWord, text: str) -> Any:
    if word.kind == "flag":
        return text == YES
    if word.kind == "number":
        return number_of(text) if text else None
    if word.kind in ("list", "urls"):
        return list(items_of(text))
    if word.kind == "words":
        return shlex.split(text)
    if word.kind in ("pairs", "counts"):
        pairs = pairs_of(text) or {}
        return pairs if word.kind == "pairs" else {name: number_of(value) for name, value in pairs.items()}
    return text


def _problem(word: SettingWord, text: str) -> str:
    if word.kind == "number" and text:
        number = number_of(text)
        if number is None:
            return "enter a whole number"
        if word.most and not word.least <= number <= word.most:
            return f"enter a number from {word.least:,} to {word.most:,}"
    if word.kind == "words":
        try:
            shlex.split(text)
        except ValueError:
            return "a quote is not closed"
    if word.kind in ("pairs", "counts"):
        pairs = pairs_of(text)
        if pairs is None:
            return "write NAME = VALUE, with commas between entries, and each name once"
        if word.kind == "counts" and any(number_of(value) is None for value in pairs.values()):
            return "write a whole number for each name"
    return ""


__all__ = ["NOWHERE", "VAULT", "SettingsDraft", "text_of_value", "value_text"]
