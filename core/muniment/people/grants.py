"""Rights to read the mail of others, as the ledger's grant records state them.

A grant lets a login read one person's mail until a day. A seal leaves a person's mail to a few named logins,
even where others may read everything, as for a works council or a company doctor. A roles record repeats
who could do and read everything by vault.toml. Nothing is ever changed: a later record ends an earlier one,
so the rights of any day can be computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol


class RecordedDecision(Protocol):
    """A grant record, as the catalog lists it."""

    @property
    def time(self) -> int:
        """When it was recorded, in seconds since 1970 UTC."""

    @property
    def content(self) -> str:
        """Its content, as JSON (docs/ledger-format.md, grant)."""


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """The right of a login to read one person's mail."""

    id: str
    login: str
    user: str
    """The person's id in the directory, so that the grant does not move with an address."""
    person: str
    """The person's label when it was granted."""
    since: int
    """When it was granted, in seconds since 1970 UTC."""
    until: int | None
    """The first second at which it is over; None if it has no end."""
    reason: str
    by: str
    """Login of the administrator who granted it."""
    ended: int | None = None
    """When it was revoked; None if it was not."""
    ended_by: str = ""

    def holds(self, time: int) -> bool:
        """Return whether it is in force at a time."""
        ends = [end for end in (self.until, self.ended) if end is not None]
        return self.since <= time and all(time < end for end in ends)


@dataclass(frozen=True, slots=True)
class MailSeal:
    """A person whose mail only named logins may open."""

    user: str
    person: str
    """The person's label when it was sealed."""
    logins: frozenset[str]
    since: int
    reason: str
    by: str
    ended: int | None = None
    """When it was lifted or replaced; None if it is in force."""

    def holds(self, time: int) -> bool:
        """Return whether it is in force at a time."""
        return self.since <= time and (self.ended is None or time < self.ended)


@dataclass(frozen=True, slots=True)
class RecordedRoles:
    """Who could do and read everything by vault.toml, from a time on."""

    since: int
    administrators: tuple[str, ...]
    auditors: tuple[str, ...]


@dataclass(slots=True)
class AccessBook:
    """All grants, seals and roles, with the times in which each was in force."""

    grants: dict[str, AccessGrant] = field(default_factory=dict)
    """By id, oldest first."""
    seals: list[MailSeal] = field(default_factory=list)
    """Oldest first."""
    roles: list[RecordedRoles] = field(default_factory=list)
    """Oldest first."""

    def grants_of(self, login: str, time: int) -> list[AccessGrant]:
        """Return the grants of a login that are in force at a time."""
        return [one for one in self.grants.values() if one.login == login and one.holds(time)]

    def seals_on(self, time: int) -> dict[str, MailSeal]:
        """Return the seals that are in force at a time, by the person's id."""
        return {one.user: one for one in self.seals if one.holds(time)}

    def closed_to(self, login: str, time: int) -> frozenset[str]:
        """Return the ids of the people whose mail a login may not open at a time, in any role."""
        return frozenset(user for user, seal in self.seals_on(time).items() if login not in seal.logins)

    def roles_on(self, time: int) -> RecordedRoles | None:
        """Return the roles at a time; None if none was recorded by then."""
        known = [one for one in self.roles if one.since <= time]
        return known[-1] if known else None

    def _apply(self, value: Mapping[str, Any], time: int) -> None:
        match value.get("op"):
            case "grant":
                self.grants[value["id"]] = AccessGrant(
                    value["id"], value["login"], value["user"], value["person"], time, value.get("until"),
                    value["reason"], value["who"],
                )  # fmt: skip
            case "revoke":
                known = self.grants[value["id"]]
                if known.ended is None:
                    self.grants[known.id] = replace(known, ended=time, ended_by=value["who"])
            case "seal":
                self._lift(value["user"], time)
                logins = frozenset(value["logins"])
                self.seals.append(
                    MailSeal(value["user"], value["person"], logins, time, value["reason"], value["who"])
                )
            case "unseal":
                self._lift(value["user"], time)
            case "roles":
                administrators, auditors = tuple(value["administrators"]), tuple(value["auditors"])
                self.roles.append(RecordedRoles(time, administrators, auditors))
            case other:
                raise ValueError(f"a grant record has the operation {other!r}, which this program lacks")

    def _lift(self, user: str, time: int) -> None:
        self.seals = [
            replace(one, ended=time) if one.user == user and one.ended is None else one for one in self.seals
        ]


def access_book(rows: Iterable[RecordedDecision]) -> AccessBook:
    """Return what grant records say together.

    Args:
        rows: All grant records, oldest first.

    Raises:
        ValueError: A record is not one that this program writes; no right may be computed without it.
    """
    book = AccessBook()
    for row in rows:
        try:
            book._apply(json.loads(row.content), row.time)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a grant record lacks a field, or has it in another form: {error}") from error
    return book


# --- the values of grant records --------------------------------------------------------------------


def grant_value(
    id_: str, login: str, user: str, person: str, until: int | None, reason: str, who: str, uid: int
) -> dict[str, Any]:
    """Return the value of the record that grants a right; the fields are those of `AccessGrant`."""
    value: dict[str, Any] = {"op": "grant", "id": id_, "login": login, "user": user, "person": person}
    value |= {"until": until} if until is not None else {}
    return {**value, "reason": reason, "who": who, "uid": uid}


def revoke_value(id_: str, reason: str, who: str, uid: int) -> dict[str, Any]:
    """Return the value of the record that ends a grant."""
    return {"op": "revoke", "id": id_, "reason": reason, "who": who, "uid": uid}


def seal_value(
    user: str, person: str, logins: Iterable[str], reason: str, who: str, uid: int
) -> dict[str, Any]:
    """Return the value of the record that leaves a person's mail to some logins."""
    names = sorted(set(logins))
    return {
        "op": "seal", "user": user, "person": person, "logins": names, "reason": reason, "who": who,
        "uid": uid,
    }  # fmt: skip


def unseal_value(user: str, person: str, reason: str, who: str, uid: int) -> dict[str, Any]:
    """Return the value of the record that lifts a seal."""
    return {"op": "unseal", "user": user, "person": person, "reason": reason, "who": who, "uid": uid}


def roles_value(administrators: Iterable[str], auditors: Iterable[str]) -> dict[str, Any]:
    """Return the value of the record that repeats the roles of vault.toml."""
    return {"op": "roles", "administrators": sorted(set(administrators)), "auditors": sorted(set(auditors))}
