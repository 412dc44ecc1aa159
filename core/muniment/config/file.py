"""Reads vault.toml and checks it."""

from __future__ import annotations

import difflib
import functools
import hashlib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from muniment.config.check import check, check_settings
from muniment.config.model import (
    PROFILE_KEYS,
    AccessSection,
    ApprovalsSection,
    AuditFeedSection,
    CheckpointsSection,
    ContentsSection,
    EvidenceSection,
    GatewaySection,
    JournalingSection,
    NotifyCommand,
    NotifyMail,
    NotifySection,
    Profile,
    RestoreSection,
    RetentionSection,
    Settings,
)
from muniment.config.text import decode, parse
from muniment.errors import ConfigError, VaultError
from muniment.profiles.registry import KIND, KINDS

__all__ = ["FORMAT", "interpret", "load", "profile_of", "read", "version_of"]

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

FORMAT = 1
"""The newest version of vault.toml that this program knows."""
_TOP = (
    "version",
    "name",
    "domains",
    "demo",
    "gateway",
    "access",
    "approvals",
    "notify",
    "audit_feed",
    "checkpoints",
    "evidence",
    "contents",
    "journaling",
    "retention",
    "restore",
    "profile",
)
_TYPES: dict[type[Any], str] = {
    int: "a whole number",
    bool: "true or false",
    str: 'text in quotes, such as "example"',
    dict: 'a table, such as { file = "secret" }',
    tuple: 'a list of texts, such as ["example"]',
}
_NOT_HERE = (
    "the password itself must not be in the file; say where it is stored, "
    'such as password = { file = "secret" } (or keyring, env, command)'
)


def load(path: Path) -> Settings:
    """Read and check vault.toml.

    Raises:
        ConfigError: It is wrong; the message says where.
        VaultError: It is missing, can't be read, or was written by a newer Muniment.
    """
    return interpret(read(path), path.name)


def read(path: Path) -> str:
    """The text of vault.toml. It raises like `load`."""
    try:
        return decode(path.read_bytes(), path.name)
    except FileNotFoundError:
        raise VaultError(f"there is no {path}; make a vault with `muniment init`") from None
    except OSError as error:
        raise VaultError(f"{path} can't be read: {error.strerror}") from error


def version_of(text: str) -> str:
    """A hash of a text of vault.toml, which shows whether it has changed."""
    return hashlib.sha256(text.encode()).hexdigest()


@functools.lru_cache(maxsize=16)
def interpret(text: str, where: str) -> Settings:
    """The settings in a TOML text. Results are cached, since a service needs them for each request.

    Args:
        text: The text.
        where: The file's name, for messages.

    Raises:
        ConfigError: As for `load`.
        VaultError: As for `load`.
    """
    tables = parse(text, where)
    try:
        _check_version(tables.get("version", FORMAT))
        _check_keys(tables, _TOP, "")
        settings = Settings(
            gateway=_convert(GatewaySection, _table(tables, "gateway"), "gateway: "),
            access=_convert(AccessSection, _table(tables, "access"), "access: "),
            approvals=_convert(ApprovalsSection, _table(tables, "approvals"), "approvals: "),
            notify=_notify(_table(tables, "notify")),
            audit_feed=_convert(AuditFeedSection, _table(tables, "audit_feed"), "audit_feed: "),
            checkpoints=_convert(CheckpointsSection, _table(tables, "checkpoints"), "checkpoints: "),
            evidence=_convert(EvidenceSection, _table(tables, "evidence"), "evidence: "),
            contents=_convert(ContentsSection, _table(tables, "contents"), "contents: "),
            journaling=_convert(JournalingSection, _table(tables, "journaling"), "journaling: "),
            retention=_convert(RetentionSection, _table(tables, "retention"), "retention: "),
            restore=_convert(RestoreSection, _table(tables, "restore"), "restore: "),
            profiles=_profiles(_table(tables, "profile")),
            **_values(Settings, {key: tables[key] for key in _TOP[:4] if key in tables}, ""),
        )
        settings = msgspec.structs.replace(settings, domains=tuple(d.lower() for d in settings.domains))
        check_settings(settings)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return settings


def _check_version(version: object) -> None:
    if type(version) is not int or version < 1:
        raise ConfigError(f"version must be a whole number (this program writes {FORMAT})")
    if version > FORMAT:
        raise VaultError(
            f"this vault was written by a newer Muniment (format {version}, this program knows {FORMAT}); "
            "install that version"
        )


def _profiles(tables: Mapping[str, Any]) -> tuple[Profile, ...]:
    found = []
    for name, table in tables.items():
        prefix = f"profile {name!r}: "
        if not isinstance(table, dict):
            raise ConfigError(f"{prefix}must be a table of its own, [profile.{name}]")
        if "source" not in table:
            raise ConfigError(f'{prefix}source is missing; write, for example, source = "gateway"')
        _check_keys(table, PROFILE_KEYS, prefix)
        values = _typed(table, _PROFILE_TYPES, prefix)
        found.append(Profile.of(name, values.pop("source"), **values))
    return tuple(found)


def profile_of(name: str, fields: Mapping[str, Any], checked: bool = True) -> Profile:
    """Make a profile that is not in the file.

    Args:
        name: Its name.
        fields: Its fields, in the form of vault.toml; None means that a field is left out.
        checked: Whether to check that the fields fit together. Their types are checked in any case.

    Raises:
        ConfigError: A field is wrong; the message names it.
    """
    (profile,) = _profiles({name: {key: value for key, value in fields.items() if value is not None}})
    if checked:
        check(profile)
    return profile


def _notify(table: dict[str, Any]) -> NotifySection:
    """The table [notify], whose tables `mail` and `command` are structs of their own."""
    mail = _convert(NotifyMail, _table(table, "mail", "notify.mail"), "notify.mail: ")
    command = _convert(NotifyCommand, _table(table, "command", "notify.command"), "notify.command: ")
    _check_keys(table, [field.name for field in msgspec.structs.fields(NotifySection)], "notify: ")
    rest = {key: value for key, value in table.items() if key not in ("mail", "command")}
    return NotifySection(mail=mail, command=command, **_values(NotifySection, rest, "notify: "))


def _table(tables: Mapping[str, Any], key: str, name: str = "") -> dict[str, Any]:
    table = tables.get(key, {})
    if not isinstance(table, dict):
        raise ConfigError(
            f"{name or key} must be a table, [{name or key}{'.NAME' if key == 'profile' else ''}]"
        )
    return table


def _convert(struct: type[_Struct], table: Mapping[str, Any], prefix: str, **given: Any) -> _Struct:
    keys = [field.name for field in msgspec.structs.fields(struct) if field.name not in given]
    _check_keys(table, keys, prefix)
    return struct(**given, **_values(struct, table, prefix))


def _check_keys(table: Mapping[str, Any], known: typing.Sequence[str], prefix: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
            raise ConfigError(f"{prefix}unknown key {key[:80]!r}; {hint}")


def _values(struct: type[msgspec.Struct], table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return _typed(table, _types(struct), prefix)


def _types(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(struct)}


_PROFILE_STRUCTS: tuple[type[msgspec.Struct], ...] = (Profile, *(kind.settings for kind in KINDS))
_PROFILE_TYPES: dict[str, Any] = {"source": typing.Literal[tuple(KIND)]} | {
    key: expected for struct in _PROFILE_STRUCTS for key, expected in _types(struct).items()
}
"""The types of the keys of a table [profile.NAME]. A key has the same type for every kind of source."""


def _typed(table: Mapping[str, Any], expected: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    values = {}
    for key, value in table.items():
        try:
            values[key] = msgspec.convert(value, expected[key])
        except msgspec.ValidationError:
            if key == "password":
                raise ConfigError(prefix + _NOT_HERE) from None
            raise ConfigError(f"{prefix}{key} must be {_described(expected[key])}") from None
    return values


def _described(expected: Any) -> str:
    """The values of a field's type, in words."""
    origin = typing.get_origin(expected) or expected
    arguments = [argument for argument in typing.get_args(expected) if argument is not type(None)]
    if origin in (typing.Union, types.UnionType):
        return _described(arguments[0])
    if origin is typing.Literal:
        return "one of " + ", ".join(arguments)
    return _TYPES[origin]
