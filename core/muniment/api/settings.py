"""Requests about the settings of vault.toml outside of profiles, as a form shows them."""

from __future__ import annotations

from typing import Any

from muniment.api.base import Request, WireWord
from muniment.system.discreet import Discreet


class GetSettings(Request, frozen=True):
    """Ask for all settings, by section, with what a form needs to show them.

    Role: administrator.
    Reply: VaultSettings.
    """


class SettingWord(WireWord, frozen=True):
    """One setting. Part of SettingsGroup."""

    key: str
    """Its dotted path in vault.toml, such as "notify.mail.host", or "profile.NAME.every"."""
    label: str
    kind: str
    """"text", "number", "flag", "choice", "path", "list" (texts), "words" (a command and its arguments),
    "pairs" (texts by name), "counts" (numbers by name), "password" (where it is stored) or "urls"."""
    help: str
    """One sentence that says what to enter."""
    value: Any
    """Its value, with the type of vault.toml. A secret is never in it: of a password only the place, such as
    {"file": PATH}, and of "urls" a list of labels, one for each address."""
    default: Any = None
    """Its value if it is left out."""
    sample: str = ""
    """A value as an example."""
    choices: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    """For a flag: the words for true and false; for a choice: the words for its choices."""
    least: int = 0
    most: int = 0
    """For a number: its smallest and its largest value."""
    more: bool = False
    """Whether it is rarely changed."""


class SettingsGroup(WireWord, frozen=True):
    """Settings that belong together. Part of VaultSettings."""

    id: str
    title: str
    help: str
    settings: tuple[SettingWord, ...]


class VaultSettings(WireWord, frozen=True):
    """All settings, in the order of a form."""

    groups: tuple[SettingsGroup, ...]
    version: str
    """The version of vault.toml, for PutSettings."""


class CheckSettings(Discreet, Request, frozen=True):
    """Check changed settings together with the others, and write nothing.

    Role: administrator.
    Reply: Problems, by the keys of settings, in the words of a form.

    Raises:
        NotFound: there is no such setting.
        SettingsChanged: vault.toml has another version.
    """

    values: dict[str, Any]
    """The changed settings by key, with the types of SettingWord.value; None means the default. A new
    address in "urls" is given in full, the others by their labels."""
    password: str = ""
    """A typed password, for notify.mail.password; "" for none."""
    version: str = ""
    """The version of vault.toml that the form shows; "" for any."""


class PutSettings(Discreet, Request, frozen=True):
    """Write changed settings to vault.toml; comments and order stay. The audit trail records their keys.

    Role: administrator.
    Reply: Done.

    Raises:
        NotFound: there is no such setting.
        ConfigError: a value is wrong.
        SettingsChanged: vault.toml has another version; nothing was written.
    """

    values: dict[str, Any]
    """As in CheckSettings. New addresses in "urls" are kept in files of the vault that only its owner can
    read."""
    password: str = ""
    """As in CheckSettings. It is kept as `keep` says, and vault.toml gets the place."""
    keep: str = "file"
    """"file" (in the vault) or "keyring"."""
    version: str = ""
    """The version of vault.toml that the form shows; "" for any."""
