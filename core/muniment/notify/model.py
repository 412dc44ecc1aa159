"""Events, findings, and the facts that they are made from, as plain values. None contains text of mail."""

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
    "gateway-closed",
    "gateway-unchanged",
    "gateway-short",
    "feed-stopped",
    "checkpoint-stopped",
    "checkpoint-refused",
    "checkpoint-late",
    "disposal-failed",
    "checkpoint",
    "daily-summary",
    "test",
]
State = Literal["trouble", "well", "note"]

LIMIT = 400
"""Largest number of characters of a sentence from elsewhere."""
NEARLY = 16 * 1024 * 1024
"""Bytes of a large message that is still common."""
_ADDRESS = re.compile(r"[^\s@<>()\"',;:]+@[^\s@<>()\"',;:]+")
_UNFORESEEN = re.compile(r"an unexpected error \((\w+): .*", re.DOTALL)


class NotifyEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people are notified of once."""

    kind: Kind
    state: State
    """"trouble" when a problem begins, "well" when it is over, "note" for other events."""
    key: str
    """Identifies the problem, such as "run-failed:gateway"; the same at its beginning and at its end."""
    title: str
    """A few words, on one line."""
    text: str
    """What people should know and do; plain text of one or more lines."""
    time: int
    """Seconds since 1970 UTC."""


class TroubleFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of checking for one problem."""

    kind: Kind
    subject: str = ""
    """What it concerns, such as a profile's name; "" for the whole vault."""
    trouble: bool | None = None
    """Whether there is the problem; None if it is not known now, so the former result stays."""
    title: str = ""
    """The title of the event when the problem begins; on one line."""
    text: str = ""
    """The text of that event."""
    well: str = ""
    """The title of the event when the problem is over; on one line."""

    @property
    def key(self) -> str:
        """The key of its events."""
        return f"{self.kind}:{self.subject}" if self.subject else self.kind


class ProfileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an enabled profile."""

    name: str
    journal: bool = False
    """Whether it should bring journal reports."""
    last: Mapping[str, Any] | None = None
    """The summary of its last run, with the keys of `run --json`."""
    report: float = 0.0
    """When its last journal report was archived, in seconds since 1970 UTC; 0 for never."""


class RefusedClient(msgspec.Struct, frozen=True, kw_only=True):
    """A client that the embedded gateway refused because of its network, and that came back."""

    network: str
    address: str
    tries: int


class GatewayFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the embedded gateway."""

    refused: tuple[RefusedClient, ...] = ()
    free: int | None = None
    """Free bytes on its disk; None if not known."""
    reserve: int = 0
    """Bytes that must stay free."""
    listens: bool | None = None
    """Whether it listens; None if not known."""
    problem: str = ""
    """Why it is not as vault.toml wants it; "" if it is. It may still listen, with its earlier settings."""
    port_taken: bool = False
    """Whether another program has its port."""

    @property
    def least(self) -> int:
        """Free bytes below which it puts off large mail for lack of space."""
        return self.reserve + NEARLY if self.reserve else 0

    @property
    def short(self) -> bool:
        """Whether it puts off mail for lack of space."""
        return self.free is not None and self.free < self.least


class FeedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the audit feed."""

    problem: str = ""
    """Why events do not reach their receiver, as a sentence; "" if they do."""
    lasts: bool | None = None
    """Whether people must do something about it; None if that is not known."""


class CheckpointFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the signed checkpoints."""

    problems: tuple[str, ...] = ()
    """Why they are not signed, or do not reach a place, a sentence each."""
    lasts: bool | None = None
    """Whether people must do something about it; None if that is not known."""
    alarms: tuple[str, ...] = ()
    """What shows that the ledger was cut, set back or rewritten, a sentence each."""
    reached: Mapping[str, float] = {}
    """When the day began on which each witness, authority and place took a checkpoint last, by its name, in
    seconds since 1970 UTC; "" is for signing itself."""


class DisposalFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the daily disposal."""

    due: str
    """The time of day at which it is due, such as "02:30"."""
    day: str = ""
    """The local date of the last one; "" before the first."""
    last: float = 0.0
    """When that day began, in seconds since 1970 UTC; 0 before the first."""
    problem: str = ""
    """Why it failed, as a sentence; "" if it did not."""


class ArchiveFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the archive. Times are seconds since 1970 UTC."""

    now: float
    since: float = 0.0
    """When the watch began."""
    profiles: tuple[ProfileFacts, ...] = ()
    settled: bool = True
    """Whether the service has run long enough to fetch the mail that came while it was not running."""
    certificates: Mapping[str, float | None] = {}
    """When the certificate of each server expires; None if it is not known now."""
    disk: tuple[int, int] | None = None
    """Total and free bytes of the vault's file system; None if not known."""
    behind: int = 0
    """Number of messages that are not in the search index."""
    behind_since: float | None = None
    """Since when the index has added none of them; None if it adds them, or has all."""
    checkpoint: str = ""
    """The ledger's tree size and root as `SIZE:ROOT`."""
    altered: bool | None = None
    """Whether the ledger on disk differs from what the service wrote; None if not known."""
    gateway: GatewayFacts | None = None
    feed: FeedFacts | None = None
    checkpoints: CheckpointFacts | None = None
    disposal: DisposalFacts | None = None


def harmless(sentence: str) -> str:
    """A sentence from elsewhere, such as a failed run's: on one line, without addresses, not too long.

    Of an unexpected error only its type is kept, since its text can quote mail.
    """
    line = _UNFORESEEN.sub(r"an unexpected error (\1); the service's log has the details", clean(sentence))
    line = _ADDRESS.sub("(an address)", line)
    return line if len(line) <= LIMIT else line[: LIMIT - 3] + "..."
