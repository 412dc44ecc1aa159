"""The certificate of an erasure: what was erased, when, why and by whom, and what may still have it.

It is made of the redaction record alone, so it can be made again at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from muniment.archive.erasure.redaction import Redaction
from muniment.archive.facts import ErasedFrame, FramePosition
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.erased.frames import decode_redaction
from muniment.archive.ledger.frame import FrameHeader
from muniment.archive.ledger.model import Frame, RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.ledger.walk import FoundFrame, commit_of, walk
from muniment.archive.vault.vault import Vault
from muniment.errors import LedgerDamaged, NotFound
from muniment.system.sanitise import clean

SECOND = 1_000_000
"""Microseconds of the ledger's clock."""
TITLE = "CERTIFICATE OF ERASURE"
STAYS = (
    "The ledger keeps kind, time, size and SHA-256 of each erased record, the keys under which its source "
    "listed it, and the audit trail. Each checkpoint from before the erasure holds as before."
)
ELSEWHERE = (
    "Copies that Muniment did not make, such as snapshots of a file system, exports, and blocks that a disk "
    "keeps for a while, are not covered."
)


@dataclass(frozen=True, slots=True)
class KnownBackup:
    """A backup of the vault, as far as it is known."""

    path: str
    time: int
    """When it was last complete, in seconds since 1970 UTC."""
    tree_size: int
    """Number of the ledger's records that it holds."""


@dataclass(frozen=True, slots=True)
class ErasureCertificate:
    """What a redaction record says, with the state of the ledger around it."""

    vault: str
    """The vault's id, in hex."""
    record: int
    """Sequence of the redaction record."""
    recorded: int
    """When it was written, in seconds since 1970 UTC."""
    redaction: Redaction
    before: Checkpoint
    """The ledger's state without the record."""
    after: Checkpoint
    """The ledger's state with it."""
    backups: tuple[KnownBackup, ...] = ()

    def value(self) -> dict[str, Any]:
        """The certificate as JSON."""
        redaction = self.redaction
        return {
            "vault": self.vault,
            "record": self.record,
            "recorded": self.recorded,
            "decided": redaction.at,
            "basis": redaction.basis,
            "who": redaction.who,
            "uid": redaction.uid,
            "rule": redaction.rule and {"id": redaction.rule[0], "version": redaction.rule[1]},
            "request": redaction.request,
            "messages": [sha.hex() for sha in redaction.messages],
            "kept_copies": len(redaction.kept),
            "records": [_frame_value(frame) for frame in redaction.frames],
            "before": str(self.before),
            "after": str(self.after),
            "backups": [
                {"path": one.path, "time": one.time, "erased": self._is_in(one)} for one in self.backups
            ],
            "stays": STAYS,
            "elsewhere": ELSEWHERE,
        }

    def _is_in(self, backup: KnownBackup) -> bool:
        """Whether a backup has the decision, so that the messages were erased there as well."""
        return backup.tree_size > self.record

    def lines(self) -> Iterator[str]:
        """Yield the certificate as lines for a person."""
        redaction = self.redaction
        yield TITLE
        yield ""
        yield f"Vault:      {self.vault}"
        yield f"Record:     {self.record}, written {_moment(self.recorded)}"
        yield f"Decided:    {_moment(redaction.at)} by {clean(redaction.who)} (uid {redaction.uid})"
        yield f"Basis:      {clean(redaction.basis)}"
        if redaction.rule is not None:
            yield f"Rule:       {clean(redaction.rule[0])}, version {redaction.rule[1]}"
        if redaction.request:
            yield f"Approved:   by request {clean(redaction.request)}"
        yield f"Checkpoint: {self.before} before"
        yield f"            {self.after} after"
        yield ""
        yield f"Erased messages: {len(redaction.messages)}"
        yield from (f"  {sha.hex()}" for sha in redaction.messages)
        yield ""
        yield f"Erased records of the ledger: {len(redaction.frames)}"
        yield from (f"  {_frame_line(frame)}" for frame in redaction.frames)
        if redaction.kept:
            yield f"Sender and recipients of {len(redaction.kept)} copies stay, for other messages in them."
        yield ""
        yield STAYS
        yield from self._backup_lines()
        yield ELSEWHERE

    def _backup_lines(self) -> Iterator[str]:
        if not self.backups:
            yield "No backup of this vault is known."
        for one in self.backups:
            state = "it is erased there" if self._is_in(one) else "STILL THERE until the backup is run again"
            yield f"Backup {clean(one.path)} of {_moment(one.time)}: {state}."

    @property
    def text(self) -> str:
        """The certificate for a person; the text of a signed note."""
        return "".join(f"{line}\n" for line in self.lines())


def certificate_of(vault: Vault, record: int, backups: Sequence[KnownBackup] = ()) -> ErasureCertificate:
    """Make the certificate of the erasure that a record decided.

    Args:
        vault: The vault.
        record: Sequence of the redaction record.
        backups: The backups that are known.

    Raises:
        NotFound: There is no redaction record of this number.
        LedgerDamaged: It can't be read.
    """
    frame = _redaction_frame(vault, record)
    head = Checkpoint(vault.head.tree_size, vault.head.root)
    roots = (Checkpoint(size, vault.tree.consistency(size, head).old_root) for size in (record, record + 1))
    before, after = roots
    return ErasureCertificate(
        vault=vault.catalog.vault_id.hex(),
        record=record,
        recorded=frame.time // SECOND,
        redaction=decode_redaction(frame).redaction,
        before=before,
        after=after,
        backups=tuple(backups),
    )


def _redaction_frame(vault: Vault, record: int) -> Frame:
    """Find the redaction record of this number; only headers of its segment are read."""
    missing = NotFound(f"record {record} is no decision to erase: `muniment erase` prints the number")
    if not 0 <= record < vault.head.tree_size:
        raise missing
    start = FramePosition(_segment_of(vault, record), 0)
    for frame in scan(vault.segments, start, on_damage=lambda damage: None, payloads=_is_redaction):
        if frame.sequence >= record:
            if frame.sequence > record or frame.kind is not RecordKind.REDACTION:
                break
            return frame
    raise missing


def _segment_of(vault: Vault, record: int) -> int:
    """Return the number of the segment in which a record is: its first frame says how many come before."""
    tag = read_vault_id(vault.segments)
    for number in reversed(vault.segments.numbers()):
        first = next(walk(vault.segments, number, tag, payloads=False), None)
        commit = commit_of(first) if isinstance(first, FoundFrame) else None
        if commit is not None and commit.tree.size <= record:
            return number
    raise LedgerDamaged(f"the segment of record {record} can't be found: run `muniment verify`")


def _is_redaction(header: FrameHeader) -> bool:
    return header.kind == RecordKind.REDACTION


def _moment(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _frame_line(frame: ErasedFrame) -> str:
    kind = RecordKind(frame.kind).name.lower()
    return f"{frame.sequence} {kind} {frame.size} bytes, {_moment(frame.time // SECOND)}, {frame.sha.hex()}"


def _frame_value(frame: ErasedFrame) -> dict[str, Any]:
    return {
        "record": frame.sequence,
        "kind": RecordKind(frame.kind).name.lower(),
        "size": frame.size,
        "time": frame.time // SECOND,
        "sha256": frame.sha.hex(),
    }
