"""Changes of the directory of users: the JSON of the ledger's DIRECTORY records.

A change is an object with `v` (1), `op`, and the fields of its operation; fields without a value are left
out. Times are seconds since 1970 UTC. A domain may have any spelling (see mail.headers.domains), since older
versions did not normalise it.

    add-user        user, name, primary [, since] [, origin]
                    A new user, or another name or primary address of a user. The primary address is
                    given to the user as by add-address.
    add-address     user, address [, since] [, valid_from] [, valid_to] [, origin]
                    The address is the user's from `valid_from` until just before `valid_to`; without
                    them, at all times. If another person has the address, their period ends where
                    this one begins: at `valid_from`, else at `since`, else at the time of the change.
                    `since` has no meaning if no other person had the address. `origin` says where
                    the address comes from: "hand" or "csv"; older versions did not record it.
    remove-address  user, address         The address never was the user's.
    remove-user     user                  The user never existed.
    set-domains     domains               All of the organisation's own domains.
    set-login       login, address [, user]
                    An administrator lets a login of the operating system read the mail of `user`, who
                    has `address`. Without `user` the login is recorded, and reads nothing. Removing
                    the user removes `user` here as well.
    remove-login    login                 The login no longer reads mail.
    join-group      group, user | address [, valid_from] [, valid_to] [, origin]
                    The user, or the address that is no user's, is a member of the group from `valid_from`
                    until just before `valid_to`; without them, at all times. It adds to the times in
                    which they were a member. Names of groups differ by more than case.
    leave-group     group, user | address [, valid_to]
                    The member leaves: at `valid_to`, else at the time of the change. What was so until
                    the change is not forgotten (see `groups`).
    set-id-key      key                   The secret key for the ids of messages that plain users see, 32
                    bytes in hex. A vault has one as soon as a login reads mail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from muniment.errors import ConfigError
from muniment.mail.headers.addresses import normalise, usable
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
    "join-group": {"group": str},
    "leave-group": {"group": str},
    "set-id-key": {"key": str},
}
_TIMES = {
    "add-user": ("since",),
    "add-address": ("since", "valid_from", "valid_to"),
    "join-group": ("valid_from", "valid_to"),
    "leave-group": ("valid_to",),
}
_OF_MEMBERS = ("join-group", "leave-group")


def add_user(user: str, name: str, primary: str, *, since: int | None = None) -> Change:
    """Make the change that adds a user, or gives an existing one another name or primary address."""
    return _change("add-user", user=user, name=name, primary=primary, since=since)


def add_address(
    user: str,
    address: str,
    *,
    since: int | None = None,
    valid_from: int | None = None,
    valid_to: int | None = None,
) -> Change:
    """Make the change that gives a user an address; the module says what the times mean."""
    return _change(
        "add-address", user=user, address=address, since=since, valid_from=valid_from, valid_to=valid_to
    )


HAND, CSV = "hand", "csv"
"""Origins of addresses."""


def with_origin(made: Iterable[Change], origin: str) -> list[Change]:
    """Return changes that say where their users and addresses come from."""
    return [
        change | {"origin": origin} if change["op"] in ("add-user", "add-address", "join-group") else change
        for change in made
    ]


def remove_address(user: str, address: str) -> Change:
    """Make the change that takes an address from a user, as if it had never been theirs."""
    return _change("remove-address", user=user, address=address)


def remove_user(user: str) -> Change:
    """Make the change that removes a user and their addresses; the mail stays."""
    return _change("remove-user", user=user)


def set_domains(domains: Iterable[str]) -> Change:
    """Make the change that replaces the organisation's own domains."""
    return _change("set-domains", domains=sorted({canonical(d.strip()) for d in domains}))


def set_login(login: str, address: str, user: str | None) -> Change:
    """Make the change that lets a login read the mail of a user, who has the address; None for no user."""
    return _change("set-login", login=login, address=address, user=user)


def remove_login(login: str) -> Change:
    """Make the change that lets a login read no mail."""
    return _change("remove-login", login=login)


def join_group(
    group: str, member: Mapping[str, str], *, valid_from: int | None = None, valid_to: int | None = None
) -> Change:
    """Make the change that makes someone a member of a group; `member` has `user` or `address`."""
    return _change("join-group", group=group, **member, valid_from=valid_from, valid_to=valid_to)


def leave_group(group: str, member: Mapping[str, str], *, valid_to: int | None = None) -> Change:
    """Make the change by which a member leaves a group; `member` has `user` or `address`."""
    return _change("leave-group", group=group, **member, valid_to=valid_to)


def set_id_key(key: bytes) -> Change:
    """Make the change that sets the secret key of public ids."""
    return _change("set-id-key", key=key.hex())


def encode(change: Change) -> str:
    """Encode a change as canonical JSON: sorted keys, no blanks."""
    return json.dumps(change, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def decode(text: str) -> Change:
    """Decode a change from JSON.

    Raises:
        ConfigError: The text is not a change that this program knows.
    """
    try:
        change = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"A change of the directory is not JSON: {error}.") from error
    return check(change)


def check(change: Any) -> Change:
    """Return `change` if its form is right.

    Raises:
        ConfigError: It is not a change that this program knows; the text says what is wrong.
    """
    if not isinstance(change, dict):
        raise ConfigError("A change of the directory must be a JSON object.")
    if change.get("v") != VERSION:
        raise ConfigError(f"A change of the directory has version {change.get('v')!r}; update Muniment.")
    op = change.get("op")
    if not isinstance(op, str) or op not in _FIELDS:
        raise ConfigError(f"A change of the directory asks for {op!r}, which this program does not know.")
    for field, kind in _FIELDS[op].items():
        if not isinstance(change.get(field), kind):
            raise ConfigError(f"A change of the directory ({op}) lacks {field}.")
    for field in _TIMES.get(op, ()):
        if not isinstance(change.get(field), int | None):
            raise ConfigError(f"A change of the directory ({op}) has a {field} that is not a time.")
    if not isinstance(change.get("origin", ""), str):
        raise ConfigError(f"A change of the directory ({op}) has an origin that is not a text.")
    if not isinstance(change.get("user", ""), str):
        raise ConfigError(f"A change of the directory ({op}) has a user that is not an id.")
    if op in _OF_MEMBERS and ("user" in change) == isinstance(change.get("address"), str):
        raise ConfigError(f"A change of the directory ({op}) must name either a user or an address.")
    if not all(_is_unicode(text) for text in change.values() if isinstance(text, str)):
        # The ledger would keep it, and the catalog could not be made from the ledger any more.
        raise ConfigError("A name or an address has bytes that are not UTF-8: type it again in UTF-8.")
    return change


def spelling(address: str) -> str:
    """Return an address as it was written, but for case and blanks around it."""
    return address.strip().lower()


def checked_address(address: str) -> str:
    """Return a normalised address.

    Raises:
        ConfigError: It is not a mail address.
    """
    folded = normalise(address)
    if "@" not in folded or not folded.isprintable() or not usable(folded):
        raise ConfigError(f"{address!r} is not a mail address; it needs a name, an @ and a domain.")
    return folded


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can encode a text: it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _change(op: str, **fields: Any) -> Change:
    return {"v": VERSION, "op": op} | {k: v for k, v in fields.items() if v is not None}
