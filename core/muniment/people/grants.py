"""Rights to read the mail of others, as the ledger's grant records state them.

A grant lets a login, or the logins of a group's members, read the mail of one person or of a group until a
day, as these people do. A grant with limits makes a login an auditor of some mail. A seal leaves a person's
mail to a few named logins, even where others may read everything, as for a works council or a company doctor.
A roles record repeats who could do and read everything by vault.toml. Nothing is ever changed: a later record
ends an earlier one, so the rights of any day can be computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from muniment.errors import NotFound
from muniment.people.groups import name_key

if TYPE_CHECKING:
    from muniment.people.directory import Directory

TO_GROUP = "group:"
"""Begins the `login` of a grant to the logins of a group's members; no login has a colon."""


class RecordedDecision(Protocol):
    """A grant record, as the catalog lists it."""

    @property
    def time(self) -> int:
        """When it was recorded, in seconds since 1970 UTC."""

    @property
    def content(self) -> str:
        """Its content, as JSON (docs/ledger-format.md, grant)."""


@dataclass(frozen=True, slots=True)
class MailLimits:
    """The mail that an auditor with limits may read: it is within all limits that are given."""

    people: tuple[str, ...] = ()
    """Ids of people: it is in a folder of one of them, or of a member of one of the groups."""
    names: tuple[str, ...] = ()
    """The labels of these people when it was granted."""
    groups: tuple[str, ...] = ()
    since: int | None = None
    """It is dated at this time or later, in seconds since 1970 UTC."""
    until: int | None = None
    """It is dated before this time, in seconds since 1970 UTC."""
    case: str = ""
    """An open legal hold with this case number certainly covers it."""

    @property
    def of_people(self) -> bool:
        """Whether it is limited to the mail of some people."""
        return bool(self.people or self.groups)

    @property
    def value(self) -> dict[str, Any]:
        """The limits in a record; those that are not given are left out."""
        given = {
            "people": [
                {"user": user, "person": name}
                for user, name in zip(self.people, self.names, strict=True)
            ],
            "groups": list(self.groups), "case": self.case,
        }  # fmt: skip
        bounds = {"since": self.since, "until": self.until}
        return {key: value for key, value in given.items() if value} | {
            key: value for key, value in bounds.items() if value is not None
        }

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> MailLimits:
        """Return the limits in a record.

        Raises:
            ValueError: It has a limit that this program does not know, and that might be passed over.
        """
        if unknown := value.keys() - {"people", "groups", "since", "until", "case"}:
            raise ValueError(f"a grant record has the limit {min(unknown)!r}, which this program lacks")
        people = value.get("people", [])
        return cls(
            tuple(one["user"] for one in people),
            tuple(one["person"] for one in people),
            tuple(value.get("groups", [])),
            value.get("since"),
            value.get("until"),
            value.get("case", ""),
        )

    def describe(self) -> str:
        """Return the limits in words, such as `mail of ada@example.com, dated from 2024-01-01`."""
        who = [*self.names, *(f"the group {name}" for name in self.groups)]
        words = [
            *([f"of {' or '.join(who)}"] if who else []),
            *([f"dated from {_day(self.since)}"] if self.since is not None else []),
            *([f"dated before {_day(self.until)}"] if self.until is not None else []),
            *([f"held for case {self.case}"] if self.case else []),
        ]
        return f"mail {', '.join(words)}" if words else "all mail"


def _day(at: int) -> str:
    """Return a time as a day, or with its minute if no day begins then in UTC."""
    text = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
    return text.removesuffix(" 00:00")


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """The right of a login to read mail of others."""

    id: str
    login: str
    """Name in the operating system; or TO_GROUP and a group, for the logins of its members."""
    user: str
    """The person's id in the directory, so that the grant does not move with an address; "" for a group, or
    with limits."""
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
    group: str = ""
    """The group whose members' mail it is; "" for that of one person, or with limits."""
    limits: MailLimits | None = None
    """What an auditor may read by it; None for who reads mail as its people do."""

    @property
    def what(self) -> str:
        """Whose mail it is about, in words, as when it was granted."""
        if self.limits is not None:
            return self.limits.describe()
        return f"the group {self.group}" if self.group else self.person

    def people(self, directory: Directory, time: int, end: int | None = None) -> frozenset[str]:
        """Return the ids of the people whose mail it is about at a time; none with limits to no people.

        With `end`, at some time before it.

        Someone who was removed, and added again since, may be another person with the same id.
        """
        named = {self.user} if self.user else set(self.limits.people if self.limits else ())
        groups = [self.group] if self.group else list(self.limits.groups if self.limits else ())
        known = {user for user in named if _is_known(directory, user, self.since)}
        return frozenset(known).union(*(directory.groups.users(name, time, end) for name in groups))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that decide who reads by it, or whose mail."""
        readers = (self.login.removeprefix(TO_GROUP),) if self.login.startswith(TO_GROUP) else ()
        read = (self.group,) if self.group else self.limits.groups if self.limits else ()
        return (*readers, *read)

    def is_of(self, login: str, groups: Iterable[str]) -> bool:
        """Return whether a login has it, whose person is in these groups."""
        if not self.login.startswith(TO_GROUP):
            return self.login == login
        return name_key(self.login.removeprefix(TO_GROUP)) in set(map(name_key, groups))

    def holds(self, time: int) -> bool:
        """Return whether it is in force at a time."""
        ends = [end for end in (self.until, self.ended) if end is not None]
        return self.since <= time and all(time < end for end in ends)


def _is_known(directory: Directory, user: str, since: int) -> bool:
    try:
        directory.user(user)
    except NotFound:
        return False
    return directory.added(user) <= since


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

    def grants_of(self, login: str, time: int, groups: Iterable[str] = ()) -> list[AccessGrant]:
        """Return the grants of a login that are in force at a time; its person is in these groups then."""
        names = list(groups)
        return [one for one in self.grants.values() if one.holds(time) and one.is_of(login, names)]

    def about_group(self, group: str, time: int) -> list[AccessGrant]:
        """Return the grants in force by which someone in a group reads, or is read."""
        key = name_key(group)
        return [one for one in self.grants.values() if one.holds(time) and key in map(name_key, one.groups)]

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
                self.grants[value["id"]] = _grant(value, time)
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


def _grant(value: Mapping[str, Any], time: int) -> AccessGrant:
    role, group, limits = value.get("as", ""), value.get("group", ""), None
    if role == "auditor":
        limits = MailLimits.of(value["limits"])
    elif role:
        raise ValueError(f"a grant record has the role {role!r}, which this program lacks")
    user, person = ("", "") if group or limits is not None else (value["user"], value["person"])
    return AccessGrant(
        value["id"], value["login"], user, person, time, value.get("until"), value["reason"], value["who"],
        group=group, limits=limits,
    )  # fmt: skip


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
    id_: str,
    login: str,
    user: str,
    person: str,
    until: int | None,
    reason: str,
    who: str,
    uid: int,
    group: str = "",
    limits: MailLimits | None = None,
) -> dict[str, Any]:
    """Return the value of the record that grants a right; the fields are those of `AccessGrant`."""
    value: dict[str, Any] = {"op": "grant", "id": id_, "login": login}
    if limits is not None:
        value |= {"as": "auditor", "limits": limits.value}
    elif group:
        value["group"] = group
    else:
        value |= {"user": user, "person": person}
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
