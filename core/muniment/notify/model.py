"""What is told, and what it is told from, as plain values. Nothing here holds content of mail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from muniment.system.sanitise import clean

Kind = Literal[
    "run-failed",
    "no-reports",
    "certificate-expires",
    "disk-short",
    "index-behind",
    "ledger-altered",
    "client-refused",
    "gateway-short",
    "daily-summary",
    "test",
]
State = Literal["trouble", "well", "note"]

LIMIT = 400
"""Characters of another's sentence that are repeated."""
NEARLY = 16 * 1024 * 1024
"""Bytes of a message that is large, but not rare."""
_ADDRESS = re.compile(r"[^\s@<>()\"',;:]+@[^\s@<>()\"',;:]+")
_UNFORESEEN = re.compile(r"an unexpected error \((\w+): .*", re.DOTALL)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that people are told once."""

    kind: Kind
    state: State
    """"trouble" when it begins, "well" when it is over, "note" for what is neither."""
    key: str
    """Which trouble it is, such as "run-failed:gateway"; the same when it begins and when it is over."""
    title: str
    """A few words, on one line."""
    text: str
    """What is to be known, and done; plain text of one or more lines."""
    time: int
    """Seconds since 1970 UTC."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one trouble that there may be."""

    kind: Kind
    subject: str = ""
    """What it is about, such as a profile's name; "" for the vault."""
    trouble: bool | None = None
    """None: it can't be told now, so what was told before stays."""
    title: str = ""
    text: str = ""
    """What is told when it is trouble."""
    well: str = ""
    """What is told when it is over; a few words, on one line."""

    @property
    def key(self) -> str:
        """Which trouble it is."""
        return f"{self.kind}:{self.subject}" if self.subject else self.kind


class ProfileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an enabled profile."""

    name: str
    journal: bool = False
    """Whether journal reports are due there."""
    last: Mapping[str, Any] | None = None
    """Its last run's summary, with the keys of `run --json`."""
    report: float = 0.0
    """When its last journal report was archived; 0 for never."""


class RefusedClient(msgspec.Struct, frozen=True, kw_only=True):
    """A client that the embedded gateway turned away for its network, and that came back."""

    network: str
    address: str
    tries: int


class GatewayFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The embedded gateway at one instant."""

    refused: tuple[RefusedClient, ...] = ()
    free: int | None = None
    """Bytes free on its disk; None where that can't be had."""
    reserve: int = 0
    """Bytes that are to stay free."""

    @property
    def least(self) -> int:
        """Bytes below which it puts off some mail for want of room, though perhaps not the smallest."""
        return self.reserve + NEARLY if self.reserve else 0

    @property
    def short(self) -> bool:
        """Whether it does."""
        return self.free is not None and self.free < self.least


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The archive at one instant. Times are seconds since 1970 UTC."""

    now: float
    since: float = 0.0
    """When one began to look."""
    profiles: tuple[ProfileFacts, ...] = ()
    settled: bool = True
    """Whether the service has run long enough to have fetched what came while it did not."""
    certificates: Mapping[str, float | None] = {}
    """When the certificate of each server expires; None where it can't be seen now."""
    disk: tuple[int, int] | None = None
    """Bytes of the vault's file system: all, and free."""
    behind: int = 0
    """Messages that search lacks."""
    behind_since: float | None = None
    """Since when search lacks some and takes in none; None while it does not."""
    checkpoint: str = ""
    """The ledger's tree size and root as `SIZE:ROOT`."""
    altered: bool | None = None
    """Whether the ledger on disk is not what the service wrote; None where that can't be told."""
    gateway: GatewayFacts | None = None


def harmless(sentence: str) -> str:
    """Another's sentence, such as a failed run's: on one line, no address in it, not too long.

    Of an error that nobody foresaw only its kind is left, since its text may quote mail.
    """
    line = _UNFORESEEN.sub(r"an unexpected error (\1); the service's log has the details", clean(sentence))
    line = _ADDRESS.sub("(an address)", line)
    return line if len(line) <= LIMIT else line[: LIMIT - 3] + "..."
