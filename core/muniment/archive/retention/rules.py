"""Retention rules: how long which mail is kept at least, and after which time it is disposed of.

A rule is a series of dated records (docs/ledger-format.md, "JSON records", rule). Each `set` makes a version
of the rule, which is in force until the next one, or until the rule is ended. No version is ever changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from enum import StrEnum
from typing import Any, cast, get_args

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.retention.periods import Anchor, Period, end_of
from muniment.archive.retention.selection import MailSelection, read_selection, selection_value
from muniment.errors import MunimentError, NotFound, UsageError, VaultError
from muniment.system.sanitise import clean
from muniment.system.time_zones import zone_of

NAME_LIMIT = 100
"""Most characters of a rule's name."""
RULE_LIMIT = 1_000
"""Most rules that are in force at a time."""
_SET = {"v", "op", "name", "version", "selection", "period", "anchor", "kind", "zone"}
_END = {"v", "op", "name"}


class RuleKind(StrEnum):
    """What a rule demands."""

    KEEP = "keep"
    """Mail is kept at least for the period."""
    DISPOSE = "dispose"
    """Mail is disposed of after the period, where nothing keeps it."""


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """A version of a rule."""

    name: str
    version: int
    """Its number among the versions of the name, from 1."""
    kind: RuleKind
    selection: MailSelection
    """The mail that it concerns."""
    period: Period
    anchor: Anchor
    zone: str = ""
    """The time zone of its days and years (see system.time_zones); "" is UTC."""
    sequence: int = -1
    """The record that set it; -1 for a version that is not recorded yet."""
    time: int = 0
    """When it was set, in seconds since 1970 UTC."""
    ended: int = -1
    """The record that ended or replaced it; -1 while it is in force."""
    ended_time: int = 0
    """When that was; 0 while it is in force."""

    @property
    def in_force(self) -> bool:
        """Whether the version is in force."""
        return self.ended < 0

    def until(self, received: int) -> int:
        """Return when its period is over for a message, in seconds since 1970 UTC."""
        return end_of(self.period, self.anchor, received, self.tz)

    @property
    def tz(self) -> tzinfo:
        """The time zone of its days and years.

        Raises:
            VaultError: This machine does not know the zone.
        """
        try:
            return zone_of(self.zone)
        except ValueError as error:
            raise VaultError(f"the retention rule {self.name!r} can't be applied: {error}") from error

    @property
    def value(self) -> dict[str, Any]:
        """The record that sets it, without `v`."""
        value: dict[str, Any] = {
            "op": "set",
            "name": self.name,
            "version": self.version,
            "selection": selection_value(self.selection),
            "period": self.period.value,
            "anchor": self.anchor,
            "kind": str(self.kind),
        }
        return value | ({"zone": self.zone} if self.zone else {})

    def describe(self) -> str:
        """Return what the rule demands in words, such as `keep at least 10 years from receipt`."""
        verb = "keep at least" if self.kind is RuleKind.KEEP else "dispose after"
        start = "receipt" if self.anchor == "received" else "the end of the year of receipt"
        return f"{verb} {self.period} from {start}"


def read_rules(rows: Iterable[DecisionRow]) -> list[RuleVersion]:
    """Return all versions of all rules, in the order in which they were set.

    Args:
        rows: All records of rules, oldest first.

    Raises:
        VaultError: A record can't be read. Then nothing may be disposed of.
    """
    versions: list[RuleVersion] = []
    current: dict[str, int] = {}
    for row in rows:
        try:
            value = json.loads(row.content)
            key = name_key(value["name"])
            made = _version(value, row)
        except (ValueError, KeyError, TypeError, MunimentError) as error:
            raise VaultError(
                f"the retention rule in record {row.sequence} can't be read: a newer program may have "
                "written it; nothing is disposed of until it can be read"
            ) from error
        if key in current:
            at = current.pop(key)
            versions[at] = replace(versions[at], ended=row.sequence, ended_time=row.time)
        if made is not None:
            current[key] = len(versions)
            versions.append(made)
    return versions


def _version(value: dict[str, Any], row: DecisionRow) -> RuleVersion | None:
    """The version that a record sets; None for one that ends a rule."""
    if value["op"] == "end" and not value.keys() - _END:
        return None
    if value["op"] != "set":
        raise ValueError(value["op"])
    if value.keys() - _SET or value["anchor"] not in get_args(Anchor):
        raise ValueError(value["anchor"])
    return RuleVersion(
        name=str(value["name"]),
        version=int(value["version"]),
        kind=RuleKind(value["kind"]),
        selection=read_selection(value["selection"]),
        period=Period.of(value["period"]),
        anchor=cast("Anchor", value["anchor"]),
        zone=str(value.get("zone", "")),
        sequence=row.sequence,
        time=row.time,
    )


def name_key(name: str) -> str:
    """Return what two names of one rule have in common: case does not count."""
    return name.casefold()


def check_name(name: str) -> str:
    """Return the name of a rule without blanks at its ends.

    Raises:
        UsageError: It is empty, too long, or has characters that can't be shown.
    """
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or clean(name) != name:
        raise UsageError(
            f"a rule's name has 1 to {NAME_LIMIT} characters that can be shown: choose another name"
        )
    return name


def versions_of(versions: Iterable[RuleVersion], name: str) -> list[RuleVersion]:
    """Return the versions of one rule, oldest first."""
    return [version for version in versions if name_key(version.name) == name_key(name)]


def new_version(versions: Sequence[RuleVersion], wanted: RuleVersion) -> RuleVersion | None:
    """Return a version with the next number of its name; None if the rule in force is the same already.

    Raises:
        UsageError: The name is not allowed, or there are too many rules.
    """
    name = check_name(wanted.name)
    earlier = versions_of(versions, name)
    if earlier and earlier[-1].in_force:
        if _same(earlier[-1], wanted):
            return None
        name = earlier[-1].name
    elif sum(version.in_force for version in versions) >= RULE_LIMIT:
        raise UsageError(f"{RULE_LIMIT:,} rules are in force, and no more are allowed: end some first")
    return replace(wanted, name=name, version=len(earlier) + 1)


def as_if_set(
    versions: Sequence[RuleVersion],
    made: Sequence[RuleVersion],
    ended: Sequence[str],
    sequence: int,
    time: int,
) -> list[RuleVersion]:
    """Return all versions as they would be after a decision that is not recorded.

    Args:
        versions: Those of the vault, in the order in which they were set.
        made: New versions, as `new_version` makes them.
        ended: Names of rules that would be ended, or replaced by these versions.
        sequence: The number that the record would have.
        time: When it would be recorded, in seconds since 1970 UTC.
    """
    gone = {name_key(name) for name in (*ended, *(one.name for one in made))}
    over = [
        replace(one, ended=sequence, ended_time=time) if one.in_force and name_key(one.name) in gone else one
        for one in versions
    ]
    return over + [replace(one, sequence=sequence, time=time) for one in made]


def _same(one: RuleVersion, other: RuleVersion) -> bool:
    mine, others = one.value, other.value
    return all(
        mine.get(field, "") == others.get(field, "") for field in _SET - {"v", "op", "name", "version"}
    )


def end_value(versions: Iterable[RuleVersion], name: str) -> dict[str, Any]:
    """Return the record that ends a rule, without `v`.

    Raises:
        NotFound: No rule of this name is in force.
    """
    for version in versions_of(versions, name):
        if version.in_force:
            return {"op": "end", "name": version.name}
    known = ", ".join(sorted(version.name for version in versions if version.in_force)[:20]) or "none"
    raise NotFound(f"no retention rule {clean(name)!r} is in force; those in force: {known}")
