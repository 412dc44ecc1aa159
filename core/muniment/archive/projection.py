"""From the ledger back to facts: what replays a catalog that lags behind, and rebuilds a lost one.

Works a committed batch at a time, since a copy's receipt, which says how it is routed, stands in
the same batch as its envelope and its messages. Payloads are not held: content is read back when
its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from muniment.archive.contents import opened
from muniment.archive.derive import OPAQUE, envelope_fact, message_fact
from muniment.archive.facts import (
    DirectoryFact,
    EnvelopeFact,
    Fact,
    MessageFact,
    PartFact,
    Position,
    QuarantineFact,
    RunFact,
)
from muniment.archive.ledger.model import Appended, Frame, Head, Kind
from muniment.archive.ledger.reader import Reader
from muniment.archive.records import Receipt, ReceiptGroup, deletion_fact, read_receipts, receipt_facts
from muniment.mail.fork import content_hash
from muniment.mail.journal import read_report
from muniment.mail.model import Buffer, Envelope, MessageText, Party, Summary
from muniment.mail.routing import read_routing
from muniment.mail.text import read_message

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class _Light:
    """A frame without its payload."""

    sequence: int
    position: Position
    kind: Kind
    time: int
    size: int
    sha: bytes

    @property
    def appended(self) -> Appended:
        return Appended(self.sequence, self.position)

    @property
    def received(self) -> int:
        return self.time // SECOND


@dataclass(slots=True)
class _Message:
    sha: bytes
    content: bytes
    size: int
    summary: Summary
    text: MessageText


@dataclass(slots=True)
class _Copy:
    sha: bytes
    report: bool
    date: int | None
    parties: tuple[Party, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Batch:
    """The frames of one commit, and its receipts by the hash they speak of."""

    frames: list[_Light] = field(default_factory=list)
    groups: list[tuple[ReceiptGroup, _Light]] = field(default_factory=list)
    receipts: dict[bytes, Receipt] = field(default_factory=dict)
    """The first for each copy: the one that came with its envelope."""
    plain: list[Fact] = field(default_factory=list)


class Observer(Protocol):
    """Is told of what stands in the ledger and is no fact."""

    def meet(self, sha: bytes, position: Position) -> None:
        """Content stands here."""

    def configure(self, sha: bytes) -> None:
        """The configuration was changed to the one with this hash."""


def project(
    frames: Iterable[Frame], reader: Reader, work: Path, observer: Observer
) -> Iterator[tuple[list[Fact], Head]]:
    """The facts of each committed batch, in order, with the head that its commit frame proves.

    `frames` begin just after a commit frame, or with the ledger. `observer` is told where content
    stands before it is read, since the catalog can't know it yet. `work` takes temporary files.

    Raises:
        LedgerDamaged: content can't be read back.
    """
    batch = _Batch()
    for frame in frames:
        if frame.kind is Kind.COMMIT:
            yield _facts(batch, reader, work), _head(frame, reader)
            batch = _Batch()
        else:
            _collect(batch, frame, reader, observer)


def _head(frame: Frame, reader: Reader) -> Head:
    return reader.head(frame)


def _collect(batch: _Batch, frame: Frame, reader: Reader, observer: Observer) -> None:
    light = _Light(frame.sequence, frame.position, frame.kind, frame.time, frame.size, frame.sha)
    match frame.kind:
        case Kind.MESSAGE | Kind.PART | Kind.CHUNKS:
            observer.meet(frame.sha, frame.position)
            batch.frames.append(light)
        case Kind.ENVELOPE | Kind.QUARANTINE:
            batch.frames.append(light)
        case Kind.RECEIPT:
            group = read_receipts(reader.payload(frame))
            batch.groups.append((group, light))
            for receipt in group.receipts:
                batch.receipts.setdefault(receipt.sha, receipt)
        case Kind.DELETION:
            batch.plain.append(deletion_fact(reader.payload(frame), frame.sequence))
        case Kind.RUN:
            batch.plain.append(RunFact(frame.sequence, light.received, reader.payload(frame).decode()))
        case Kind.DIRECTORY:
            change = reader.payload(frame).decode()
            batch.plain.append(DirectoryFact(frame.sequence, light.received, change))
        case Kind.CONFIG:
            observer.configure(frame.sha)
        case _:
            pass


def _facts(batch: _Batch, reader: Reader, work: Path) -> list[Fact]:
    envelopes, dates = _envelopes(batch, reader, work)
    facts: list[Fact] = []
    for light in batch.frames:
        match light.kind:
            case Kind.PART | Kind.CHUNKS:
                facts.append(PartFact(light.sequence, light.position, light.sha))
            case Kind.MESSAGE:
                facts.append(_message(light, dates.get(light.sha), reader, work))
            case Kind.ENVELOPE if light.sequence in envelopes:
                facts.append(envelopes[light.sequence])
            case Kind.QUARANTINE:
                reason = batch.receipts[light.sha].reason if light.sha in batch.receipts else ""
                facts.append(
                    QuarantineFact(
                        light.sequence, light.position, light.sha, light.size, reason, light.received
                    )
                )
            case _:
                pass
    for group, light in batch.groups:
        facts.extend(receipt_facts(group, light.sequence, light.received))
    return sorted([*facts, *batch.plain], key=lambda fact: fact.sequence)


_Dates = dict[bytes, tuple[int | None, tuple[str, ...]]]


def _envelopes(batch: _Batch, reader: Reader, work: Path) -> tuple[dict[int, EnvelopeFact], _Dates]:
    """The batch's envelopes by sequence; and, for each message, date and notes of its first copy."""
    envelopes: dict[int, EnvelopeFact] = {}
    dates: _Dates = {}
    for light in batch.frames:
        receipt = batch.receipts.get(light.sha)
        if light.kind is not Kind.ENVELOPE or receipt is None:
            continue
        copy = _copy(light, receipt, reader, work)
        envelopes[light.sequence] = envelope_fact(
            light.appended, copy, receipt.messages, receipt.date, light.received
        )
        for sha in receipt.messages:
            dates.setdefault(sha, (copy.date, copy.notes))
    return envelopes, dates


def _copy(light: _Light, receipt: Receipt, reader: Reader, work: Path) -> _Copy:
    if OPAQUE in receipt.notes:
        return _Copy(light.sha, False, None, (), (OPAQUE,))
    with opened(reader.content_at(light.position), light.size, work) as buffer:
        report = read_report(buffer) if receipt.report else None
        envelope: Envelope = report.envelope if report is not None else read_routing(buffer)
    notes = envelope.notes + (report.notes if report is not None else ())
    date = report.date if report is not None else None
    return _Copy(light.sha, report is not None, date, envelope.parties, notes)


def _message(
    light: _Light, first: tuple[int | None, tuple[str, ...]] | None, reader: Reader, work: Path
) -> MessageFact:
    date, notes = first or (None, ())
    if OPAQUE in notes:
        message = opaque_message(light.sha, light.size)
    else:
        with opened(reader.content_at(light.position), light.size, work) as buffer:
            message = _read(light.sha, buffer)
    return message_fact(light.appended, message, date, light.received, notes)


def _read(sha: bytes, buffer: Buffer) -> _Message:
    summary, text = read_message(buffer)
    return _Message(sha, content_hash(buffer), len(buffer), summary, text)


def opaque_message(sha: bytes, size: int) -> _Message:
    """A message that must not be parsed, since it killed its parser."""
    text = MessageText("", "", "", "", "", "", (), (OPAQUE,))
    return _Message(sha, b"", size, Summary("", "", "", "", None, 0), text)
