"""Changes to the directory of users: the JSON that the ledger keeps as DIRECTORY records.

A change is an object with `v` (1), `op`, and the fields of its operation; fields without a value
are left out. Times are seconds since 1970 UTC. A domain may have any spelling (see mail.headers.domains):
older versions took them for different ones.

    add-user        user, name, primary [, since]
                    A new user, or another name or primary address for one. The primary address
                    becomes theirs as by add-address.
    add-address     user, address [, since] [, valid_from] [, valid_to]
                    The address is theirs from `valid_from` up to, not including, `valid_to`;
                    without them, always. Taking it over from another person ends that person's
                    time where this one's begins: at `valid_from`, else at `since`, else when the
                    change was made. `since` has no meaning where nobody held the address before.
    remove-address  user, address         As if it had never been theirs.
    remove-user     user                  As if they had never been.
    set-domains     domains               The organisation's own domains, all of them.
    set-login       login, address [, user]
                    An administrator lets a login of the operating system read the mail of the
                    user who holds `address`, who is `user`; without `user` the login is known and
                    reads nothing. Removing the user takes `user` away as well.
    remove-login    login                 The login reads nobody's mail any more.
    set-id-key      key                   The secret of which the ids of messages for plain users are made, in
                    hex: 32 bytes. A vault has one as soon as a login reads mail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from muniment.errors import ConfigError
from muniment.mail.headers.domains import canonical

VERSION = 1

Change = dict[str, Any]

_FIELDS: dict[str, dict[str, type]] = {
    "add-user": {"user": str, "name": str, "primary": str},
    "add-address": {"user": str, "address": str},
    "remove-address": {"user": str, "address": str},
    "remove-user": {"user": str},
    "set-domains": {"domains": list},
    "set-login": {"login": str, "address": str},
    "remove-login": {"login": str},
    "set-id-key": {"key": str},
}
_TIMES = {"add-user": ("since",), "add-address": ("since", "valid_from", "valid_to")}


def add_user(user: str, name: str, primary: str, *, since: int | None = None) -> Change:
    """A new user with the id `user`, or another name or primary address for an old one."""
    return _change("add-user", user=user, name=name, primary=primary, since=since)


def add_address(
    user: str,
    address: str,
    *,
    since: int | None = None,
    valid_from: int | None = None,
    valid_to: int | None = None,
) -> Change:
    """One more address for a user; see the module for what the times mean."""
    return _change(
        "add-address", user=user, address=address, since=since, valid_from=valid_from, valid_to=valid_to
    )


def remove_address(user: str, address: str) -> Change:
    """The address is no longer the user's, as if it had never been."""
    return _change("remove-address", user=user, address=address)


def remove_user(user: str) -> Change:
    """The user and all their addresses go; the mail stays."""
    return _change("remove-user", user=user)


def set_domains(domains: Iterable[str]) -> Change:
    """The organisation's own domains, in place of those before."""
    return _change("set-domains", domains=sorted({canonical(d.strip()) for d in domains}))


def set_login(login: str, address: str, user: str | None) -> Change:
    """The login reads the mail of `user`, who holds the address; None lets it read nothing."""
    return _change("set-login", login=login, address=address, user=user)


def remove_login(login: str) -> Change:
    """The login reads nobody's mail."""
    return _change("remove-login", login=login)


def set_id_key(key: bytes) -> Change:
    """The secret that public ids are made with."""
    return _change("set-id-key", key=key.hex())


def encode(change: Change) -> str:
    """Canonical JSON of a change: sorted keys, no blanks."""
    return json.dumps(change, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def decode(text: str) -> Change:
    """The change that `encode` made `text` of.

    Raises:
        ConfigError: not a change that this program knows.
    """
    try:
        change = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"A change of the directory is not JSON: {error}.") from error
    return check(change)


def check(change: Any) -> Change:
    """`change` itself, when its form is right.

    Raises:
        ConfigError: not a change that this program knows; says what is wrong.
    """
    if not isinstance(change, dict):
        raise ConfigError("A change of the directory must be a JSON object.")
    if change.get("v") != VERSION:
        raise ConfigError(f"A change of the directory has version {change.get('v')!r}; update this program.")
    op = change.get("op")
    if not isinstance(op, str) or op not in _FIELDS:
        raise ConfigError(f"A change of the directory asks for {op!r}, which this program does not know.")
    for field, kind in _FIELDS[op].items():
        if not isinstance(change.get(field), kind):
            raise ConfigError(f"A change of the directory ({op}) lacks {field}.")
    for field in _TIMES.get(op, ()):
        if not isinstance(change.get(field), int | None):
            raise ConfigError(f"A change of the directory ({op}) has a {field} that is no time.")
    if not isinstance(change.get("user", ""), str):
        raise ConfigError(f"A change of the directory ({op}) has a user that is no id.")
    return change


def _change(op: str, **fields: Any) -> Change:
    return {"v": VERSION, "op": op} | {k: v for k, v in fields.items() if v is not None}
