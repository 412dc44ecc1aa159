"""The keys by which audit events are found: who read, whose mail it was, and what kind of act it was.

They follow from an event's record alone, so a rebuilt catalog has the same ones.
"""

from __future__ import annotations

import json
from typing import Any

from muniment.mail.headers.addresses import normalise

READ, LIST, SEARCH, EXPORT, CHANGE, REFUSED = "read", "list", "search", "export", "change", "refused"
KINDS = (READ, LIST, SEARCH, EXPORT, CHANGE, REFUSED)
"""What events are about, as the audit trail is filtered."""
_SEARCHES = (
    "Search", "ListHeld", "CountHold", "ReportHeld", "SimulateRetention", "ListSubjectMessages",
)  # fmt: skip
_EXPORTS = ("Export", "PackageSubject", "Restore")
_READ_KINDS = {"ListMessages": LIST} | dict.fromkeys(_EXPORTS, EXPORT) | dict.fromkeys(_SEARCHES, SEARCH)
"""Kinds of the requests that read mail; any other request reads a message."""
_OF_MANY = "ImportUsers"
"""The request that changes users whom it does not name; nor does its event, if they are too many."""
NUMBERED, PRODUCED = "numbered", "produced"
"""Events of productions: Bates numbers were reserved, or a production is complete (productions.bates)."""
RESTORED = "restored"
"""The event of messages that were given back into a mailbox."""
WHO, KIND, PERSON, ADDRESS, BATES = "who:", "kind:", "person:", "address:", "bates:"
"""Beginnings of keys: a login name, a kind, the id of a user, an address that a request named, the prefix of
Bates numbers in capitals."""
EVERYBODY = f"{PERSON}*"
"""The key of events that concern everybody's mail, such as a search in all of it, or an import of too many
users to name them."""
UNKNOWN = f"{PERSON}?"
"""The key of events that name messages, but not whose they are: they are of older versions, or there were too
many people."""


def decoded(event: str) -> dict[str, Any]:
    """Return the object in an event's record; an empty one if it can't be read."""
    try:
        value = json.loads(event)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def kind_of(event: dict[str, Any]) -> str:
    """Return the kind of an event, one of KINDS."""
    if event.get("event") == "refused":
        return REFUSED
    if event.get("event") in (NUMBERED, PRODUCED, RESTORED):
        return EXPORT
    if event.get("event") == "read":
        return _READ_KINDS.get(str(event.get("word", "")), READ)
    return CHANGE


def event_keys(event: dict[str, Any]) -> set[str]:
    """Return all keys of an event, with lone surrogates escaped."""
    kind = kind_of(event)
    keys = {KIND + kind, *_concerned(event, kind)}
    who, prefix = event.get("who"), event.get("prefix")
    if isinstance(who, str) and who:
        keys.add(WHO + who)
    if event.get("event") in (NUMBERED, PRODUCED) and isinstance(prefix, str):
        keys.add(BATES + prefix.upper())
    return {key.encode("utf-8", "backslashreplace").decode() for key in keys}


def _concerned(event: dict[str, Any], kind: str) -> set[str]:
    """Return the keys of the people whose mail or login an event is about."""
    ids = {PERSON + one for one in ids_in(event)}
    if ids and kind != CHANGE:
        return ids
    typed = ids | {ADDRESS + normalise(one) for one in named_in(event)}
    if typed:
        return typed
    if event.get("messages"):
        return {UNKNOWN}
    of_many = kind == CHANGE and event.get("word") == _OF_MANY
    return {EVERYBODY} if of_many or kind in (SEARCH, EXPORT) else set()


def ids_in(event: dict[str, Any]) -> list[str]:
    """Return the ids of the users that an event names."""
    people = event.get("people")
    ids = list(people) if isinstance(people, list) else []
    ids += [event.get("user")] if _is_of_login(event) else []
    return [one for one in ids if isinstance(one, str) and one]


def _is_of_login(event: dict[str, Any]) -> bool:
    """Whether an event is about a login. Its `user` is an id, not an address."""
    return str(event.get("event", "")).startswith("login ")


def named_in(event: dict[str, Any]) -> list[str]:
    """Return the users that a request named, as they were typed."""
    named = [event.get("address"), event.get("alias")]
    named += [] if _is_of_login(event) else [event.get("user")]
    addresses = event.get("addresses")
    named += addresses if isinstance(addresses, list) else []
    return [one for one in named if isinstance(one, str) and one]
