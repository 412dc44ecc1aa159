"""Changes vault.toml; comments, order and blank lines stay as people wrote them.

Every change is checked as a whole before it is written. The file is replaced in one step, so a reader sees
either the old text or the new one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tomlkit.exceptions import TOMLKitError

from muniment.config.blocks import Place, has_header, literal, renamed, with_values, without
from muniment.config.check import check_name
from muniment.config.file import FORMAT, interpret, read, version_of
from muniment.config.model import Settings
from muniment.config.text import parse
from muniment.errors import ConfigError, NotFound, SettingsChanged, VaultError
from muniment.system.atomic_files import write_file

Tables = dict[str, Any]

_DEMO = """
# `muniment demo` made this vault, with made-up mail. The app and status say so.
demo = true
"""
_NEW = """\
# Muniment's settings for this vault. Changes take effect from the next run on.
version = {version}

# The organisation's name.
name = {name}

# Its mail domains: users with an address there are made automatically.
domains = {domains}
{demo}
# The embedded SMTP mailbox that journal reports can be sent to; off without `listen`.
# [gateway]
# listen = "0.0.0.0:25"
# addresses = ["journal@archive.example.org"]
# networks = ["192.0.2.0/24"]
# certificate = "/etc/ssl/private/archive.pem"

# Signed states of the ledger, by which strangers notice a change of it, and where they go (docs/proof.md).
{sign}[checkpoints]
{sign}sign = true
# folder = "/mnt/elsewhere/checkpoints"
# witnesses = ["https://witness.example.org/"]
# witness_keys = ["witness.example.org/w1+..."]

# Who is notified of problems: by mail, by an Apprise URL, by a program (docs/service.md).
# [notify]
# urls = [{{ file = "/etc/muniment/ntfy.url" }}]
# daily = "07:30"
# [notify.mail]
# host = "smtp.example.org"
# login = "archive"
# password = {{ file = "/etc/muniment/smtp.secret" }}
# to = ["admin@example.org"]

# A table for each mailbox to archive; `muniment profile add` also writes them.
# The password itself is never here, only the place where it is stored:
# {{ file = ... }}, {{ env = ... }}, {{ keyring = "service/user" }} or {{ command = [...] }}.
# [profile.headquarters]
# source = "gateway"
# host = "gateway.example.org"
# mailbox = "0123456789"
# password = {{ file = "/etc/muniment/headquarters.secret" }}
"""


def create(
    path: Path, *, name: str = "", domains: Iterable[str] = (), demo: bool = False, sign: bool = False
) -> Settings:
    """Write a new vault.toml, with comments that explain it.

    Args:
        path: The file.
        name: The organisation's name.
        domains: The organisation's mail domains.
        demo: Whether this is the vault of `muniment demo`.
        sign: Whether the service signs checkpoints.

    Raises:
        ConfigError: A value is wrong.
        VaultError: The file exists already, or it can't be written.
    """
    wanted = [domain.lower() for domain in domains]
    text = _NEW.format(
        version=FORMAT,
        name=literal(name),
        domains=literal(wanted),
        demo=_DEMO if demo else "",
        sign="" if sign else "# ",
    )
    settings = interpret(text, path.name)
    if path.exists():
        raise VaultError(f"{path} exists already: nothing was changed")
    _replace(path, text, before=None)
    return settings


def put_profile(
    path: Path, name: str, fields: Mapping[str, Any], new: bool = False, version: str = ""
) -> Settings:
    """Add a profile, or change fields of one.

    Args:
        path: vault.toml.
        name: The profile's name.
        fields: The fields to set; None removes a field.
        new: Whether the profile is a new one.
        version: The expected version of the file (`config.file.version_of`); "" for any.

    Returns:
        The new settings.

    Raises:
        NotFound: There is no such profile to change.
        SettingsChanged: The file has another version.
        ConfigError: There already is such a profile, the result would be wrong, or the file was changed by
            someone else at the same time.
        VaultError: The file can't be read or written.
    """
    check_name(name)
    place = ("profile", name)

    def change(text: str, tables: Tables) -> str:
        known = name in tables.get("profile", {})
        if new and known:
            raise ConfigError(f"there already is a profile {name!r}; change it with `muniment profile edit`")
        if not new and not known:
            raise _unknown(name)
        return _put(text, tables, place, fields)

    return _edit(path, change, version)


def rename_profile(path: Path, name: str, to: str, version: str = "") -> Settings:
    """Rename a profile. It raises like `put_profile`."""
    check_name(to)

    def change(text: str, tables: Tables) -> str:
        profiles = tables.get("profile", {})
        if name not in profiles:
            raise _unknown(name)
        if to in profiles:
            raise ConfigError(f"there already is a profile {to!r}; choose another name")
        profiles[to] = profiles.pop(name)
        return renamed(text, ("profile", name), to)

    return _edit(path, change, version)


def remove_profile(path: Path, name: str, version: str = "") -> Settings:
    """Remove a profile. It raises like `put_profile`."""

    def change(text: str, tables: Tables) -> str:
        if name not in tables.get("profile", {}):
            raise _unknown(name)
        del tables["profile"][name]
        return without(text, ("profile", name))

    return _edit(path, change, version)


def set_values(path: Path, values: Mapping[str, Any]) -> Settings:
    """Set values outside of profiles. It raises like `put_profile`.

    Args:
        path: vault.toml.
        values: Values by dotted key, such as "name" or "gateway.listen"; None removes a key.

    Returns:
        The new settings.
    """
    places: dict[Place, dict[str, Any]] = {}
    for dotted, value in values.items():
        *place, key = dotted.split(".")
        places.setdefault(tuple(place), {})[key] = value

    def change(text: str, tables: Tables) -> str:
        for place, fields in places.items():
            text = _put(text, tables, place, fields)
        return text

    return _edit(path, change)


def set_settings(path: Path, values: Mapping[Place, Any], version: str = "") -> Settings:
    """Set values anywhere in the file. It raises like `put_profile`.

    Args:
        path: vault.toml.
        values: Values by their keys from the top; None removes a key. A table in place of a table changes
            only the entries that differ, so that comments beside the others stay.
        version: The expected version of the file; "" for any.

    Returns:
        The new settings.
    """

    def change(text: str, tables: Tables) -> str:
        for place, value in values.items():
            if isinstance(value, Mapping) and has_header(text, place):
                old = _table_at(tables, place)
                changes = {key: None for key in old if key not in value} | dict(value)
                kept = {key: new for key, new in changes.items() if old.get(key, _MISSING) != new}
                text = _put(text, tables, place, kept)
            else:
                text = _put(text, tables, place[:-1], {place[-1]: value})
        return text

    return _edit(path, change, version)


_MISSING = object()


def _table_at(tables: Tables, place: Place) -> Tables:
    for key in place:
        tables = tables[key]
    return tables


def _put(text: str, tables: Tables, place: Place, fields: Mapping[str, Any]) -> str:
    """Set fields of the table at `place`, both in `tables` and in the text; returns the text."""
    table = tables
    for key in place:
        table = table.setdefault(key, {})
    plain = {key: _plain(value) for key, value in fields.items()}
    table.update(plain)
    for key in [key for key, value in plain.items() if value is None]:
        del table[key]
    return with_values(text, place, plain)


def _edit(path: Path, change: Callable[[str, Tables], str], version: str = "") -> Settings:
    """Change the file.

    `change` gets the text and its tables. It changes the tables, and returns the changed text. The file is
    written only if the text then means the same as the tables, so that no mistake in the text reaches the
    file.
    """
    before = read(path)
    if version and version != version_of(before):
        raise SettingsChanged(
            f"{path} was changed by someone else since it was read: nothing was written; look at it again"
        )
    wanted = parse(before, path.name)
    try:
        text = change(before, wanted)
        settings = interpret(text, path.name)
    except TOMLKitError as error:
        raise ConfigError(f"{path} can't be changed by the program ({error}); edit it by hand") from None
    if _without_empty(tomllib.loads(text)) != _without_empty(wanted):
        raise ConfigError(f"{path} has a form that the program can't change; edit it by hand")
    _replace(path, text, before)
    return settings


def _without_empty(tables: Tables) -> Tables:
    """The tables without empty ones at the top: no profiles and an empty [profile] mean the same."""
    return {key: value for key, value in tables.items() if value != {}}


def _plain(value: Any) -> Any:
    """The value with lists in place of tuples, as TOML returns them."""
    return [_plain(element) for element in value] if isinstance(value, tuple | list) else value


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no profile {name!r}: `muniment profile list` shows them")


def _replace(path: Path, text: str, before: str | None) -> None:
    """Replace the file in one step, durably; `before` is its expected present text, None for no file."""
    path = path.resolve()
    try:
        write_file(path, text.encode(), durable=True, last_check=lambda: _require_unchanged(path, before))
    except OSError as error:
        if _holds(path, text):
            raise VaultError(
                f"{path} is written, but may not survive a power failure ({error.strerror}): check the disk"
            ) from error
        raise VaultError(f"{path} can't be written ({error.strerror}): nothing was changed") from error


def _holds(path: Path, text: str) -> bool:
    """Whether a file has this content; the last step of a durable write can fail after it was replaced."""
    with suppress(OSError):
        return path.read_bytes() == text.encode()
    return False


def _require_unchanged(path: Path, before: str | None) -> None:
    now = read(path) if path.exists() else None
    if now != before:
        raise ConfigError(f"{path} was changed by someone else at the same time; try again")
