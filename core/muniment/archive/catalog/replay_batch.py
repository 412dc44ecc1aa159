"""What the replay of a ledger holds of one batch, and whom it reports to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from muniment.archive.facts import Fact, FramePosition, KeptCopy
from muniment.archive.ledger.model import AppendedRecord, Frame, PayloadCodec, RecordKind
from muniment.archive.ledger.records import Receipt, ReceiptGroup

SECOND = 1_000_000
"""Microseconds of the ledger's clock."""


@dataclass(frozen=True, slots=True)
class LightFrame:
    """A frame without its payload."""

    sequence: int
    position: FramePosition
    kind: RecordKind
    time: int
    size: int
    sha: bytes
    lost: bool = False
    """Whether its payload is damaged."""
    erased: bool = False
    """Whether its content is erased."""

    @property
    def appended(self) -> AppendedRecord:
        return AppendedRecord(self.sequence, self.position)

    @property
    def received(self) -> int:
        """When the record was written, in seconds since 1970 UTC."""
        return self.time // SECOND


def light_frame(frame: Frame, lost: bool = False) -> LightFrame:
    """Return a frame without its payload."""
    erased = frame.codec == PayloadCodec.ERASED
    return LightFrame(
        frame.sequence, frame.position, frame.kind, frame.time, frame.size, frame.sha, lost, erased
    )


@dataclass(slots=True)
class ReplayBatch:
    """The frames of one commit, and its receipts by the hash of their copy."""

    frames: list[LightFrame] = field(default_factory=list)
    groups: list[tuple[ReceiptGroup, LightFrame]] = field(default_factory=list)
    receipts: dict[bytes, Receipt] = field(default_factory=dict)
    """The first receipt of each copy, which came with its envelope."""
    plain: list[Fact] = field(default_factory=list)
    """Facts of records that need no other record."""


class ReplayObserver(Protocol):
    """Takes what a projection meets in the ledger in addition to facts: content and damage."""

    def add_content(self, sha: bytes, position: FramePosition) -> None:
        """Record the position of content with this SHA-256, before it is read."""

    def has_content(self, sha: bytes) -> bool:
        """Return whether content with this SHA-256 was met so far, or is in the catalog."""

    def kept_copy(self, sha: bytes, report: bool) -> KeptCopy | None:
        """Return what stays of an erased copy that has also brought mail which is kept; None for nothing."""

    def damage(self, what: str) -> None:
        """Take a sentence, without its full stop, that says what can't be read and where."""
