"""Until when a message must be kept, and from when it is to be disposed of, by the versions of all rules.

These functions know no vault: whether a version concerns the message is asked of the caller.

A rule can be lengthened at once, and shortened only for mail to come. So of each rule, all versions count
that have been in force since the message came, and the longest of them decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from muniment.archive.retention.rules import RuleKind, RuleVersion, name_key

Concerns = Callable[[RuleVersion], bool]
"""Tells whether a version concerns the message; it is asked only of versions that count."""


class Receipt(NamedTuple):
    """When a message was received: the ledger's first record of it."""

    sequence: int
    """The record's sequence. It decides which versions count, since the clock may have been wrong."""
    time: int
    """When the record was written, in seconds since 1970 UTC. Periods count from there."""


class RuleTime(NamedTuple):
    """A moment, and the version of a rule that sets it."""

    until: int
    """In seconds since 1970 UTC."""
    rule: RuleVersion


def counts(version: RuleVersion, receipt: Receipt) -> bool:
    """Return whether a version has been in force at some time since a message came."""
    return version.in_force or version.ended > receipt.sequence


def minimum(versions: Iterable[RuleVersion], receipt: Receipt, concerns: Concerns) -> RuleTime | None:
    """Return until when a message must be kept; None if no version demands it.

    Of versions with the same end, the one that was set first is named.
    """
    longest: RuleTime | None = None
    for version in versions:
        if version.kind is RuleKind.KEEP and counts(version, receipt):
            until = version.until(receipt.time)
            if (longest is None or until > longest.until) and concerns(version):
                longest = RuleTime(until, version)
    return longest


def disposal(versions: Iterable[RuleVersion], receipt: Receipt, concerns: Concerns) -> RuleTime | None:
    """Return when a message is to be disposed of, if nothing keeps it; None if no rule demands it.

    A rule demands it as long as its version in force does. The first rule whose time comes decides.
    """
    times: dict[str, RuleTime] = {}
    demanded: set[str] = set()
    for version in versions:
        if version.kind is RuleKind.DISPOSE and counts(version, receipt) and concerns(version):
            key, until = name_key(version.name), version.until(receipt.time)
            if key not in times or until >= times[key].until:
                times[key] = RuleTime(until, version)
            if version.in_force:
                demanded.add(key)
    return min((times[key] for key in demanded), key=lambda time: time.until, default=None)
