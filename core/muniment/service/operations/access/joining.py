"""Joining a group, where a grant refers to it: that gives a right to read, as a grant does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.people.changes import HAND, Change, with_origin
from muniment.people.directory import Directory
from muniment.people.group_planning import WantedMember, join_changes, member_named
from muniment.service.access.audit_trail import directory_events
from muniment.service.access.rights import person as bound_person
from muniment.service.host.session import ClientSession


def joining(group: str, wanted: Sequence[WantedMember], reason: str) -> dict[str, Any]:
    """The exact arguments of joining a group, for an approval."""
    members = [{"name": one.name, "since": one.since, "until": one.until} for one in wanted]
    return {"join": group, "members": members, "reason": reason}


def says_joining(of: dict[str, Any]) -> str:
    """What the arguments of joining do."""
    names = ", ".join(one["name"] for one in of["members"])
    return f"let {names} join the group {of['join']}, by which rights to read are granted"


def join(session: ClientSession, vault: Vault, request: api.Request, of: dict[str, Any]) -> list[Change]:
    """Record that people join a group; returns the changes. It may be repeated.

    Raises:
        NotFound, ConfigError: they can't.
    """
    wanted, now = [WantedMember(**one) for one in of["members"]], int(time.time())

    def plan(directory: Directory) -> list[Change]:
        return with_origin(join_changes(directory, of["join"], wanted, now), HAND)

    changed = vault.change_directory(plan, now, lambda made: directory_events(session, request, made))
    return list(changed.made)


def joins_oneself(session: ClientSession, vault: Vault, of: dict[str, Any]) -> bool:
    """Whether the caller is one of those who would join."""
    caller = session.caller.name
    address = session.settings().access.users.get(caller, "")
    own = bound_person(vault.directory, caller, address) if address else None
    members = (member_named(vault.directory, one["name"]).user for one in of["members"])
    return own is not None and own.id in members
