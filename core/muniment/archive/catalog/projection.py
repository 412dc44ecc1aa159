"""Makes facts of the ledger's records, to bring a catalog forward or to rebuild it.

It works by committed batches, since a copy's receipt, which says how the copy is routed, is in the same batch
as its envelope and its messages. Payloads are not held in memory: content is read back when it is needed.
Damage stops nothing: it is reported to the observer, and what can still be read is used.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from muniment.archive.catalog.derive import envelope_fact, message_fact
from muniment.archive.catalog.record_kinds import RECORD_KINDS
from muniment.archive.catalog.replay_batch import LightFrame, ReplayBatch, ReplayObserver, light_frame
from muniment.archive.facts import (
    DAMAGED,
    EnvelopeFact,
    ErasedFact,
    Fact,
    KeptCopy,
    MessageFact,
    RoutingReason,
)
from muniment.archive.files.contents import mail_from
from muniment.archive.ledger.model import Frame, LedgerHead, PayloadCodec, RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.records import (
    DISPLACEMENT_RULE,
    Receipt,
    receipt_facts,
)
from muniment.archive.ledger.recovery import Damage
from muniment.errors import Erased, LedgerDamaged, MailUnreadable
from muniment.mail.model import EnvelopeParty, MessageSummary, MessageText
from muniment.mail.notes import NO_ENVELOPE, OPAQUE, PLACEHOLDER, UNREAD
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import OpenMail
from muniment.parsing.tasks import CopyFacts, MessageFacts

log = logging.getLogger("muniment.vault")

SECOND = 1_000_000

Value = TypeVar("Value")


@dataclass(slots=True)
class _Message:
    sha: bytes
    content: bytes
    size: int
    summary: MessageSummary
    text: MessageText


@dataclass(slots=True)
class CopyContent:
    """What a copy says about itself, as `derive.DerivedCopy`, and what the projection needs beside that."""

    sha: bytes
    report: bool
    date: int | None
    parties: tuple[EnvelopeParty, ...]
    notes: tuple[str, ...]
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class _Ledger:
    """Reads content back from the ledger."""

    reader: LedgerReader
    work: Path
    observer: ReplayObserver

    def alike(self, former: bytes, original: bytes) -> bool:
        """Return whether two stored messages show the same; false if one can't be read."""
        one, other = self._likeness(former), self._likeness(original)
        return bool(one) and one == other

    def _likeness(self, sha: bytes) -> bytes:
        try:
            mail = mail_from(self.reader.content(sha), self.reader.size(sha), self.work, sha)
            return mail_reader().likeness(mail).message
        except (LedgerDamaged, Erased, MailUnreadable):
            return b""

    def read(
        self,
        lights: Sequence[LightFrame],
        ask: Callable[[Iterator[OpenMail]], Iterator[Value]],
        outline: bool,
    ) -> Iterator[tuple[LightFrame, Value | None, bool]]:
        """Read records back and pass their mail to a mail reader.

        Args:
            lights: The records, in order.
            ask: Passes mails to the mail reader, and yields an answer for each.
            outline: Whether to read no text.

        Yields:
            Each record, its answer (None if nothing of it could be read), and whether it was read
            completely.
        """
        found: deque[tuple[bool, bool]] = deque()

        def mails() -> Iterator[OpenMail]:
            for light in lights:
                mail, whole = self._mail(light, outline)
                found.append((mail is not None, whole))
                yield mail or OpenMail(b"", outline=True)

        for light, answer in zip(lights, ask(mails()), strict=True):
            there, whole = found.popleft()
            yield light, answer if there else None, whole

    def _mail(self, light: LightFrame, outline: bool) -> tuple[OpenMail | None, bool]:
        """Return what can be read of a record's content, None if nothing; and whether it is complete."""
        if light.lost:
            return None, False
        try:
            content = self.reader.content_at(light.position)
            return mail_from(content, light.size, self.work, light.sha, outline=outline), True
        except LedgerDamaged as error:
            self.observer.damage(str(error))
        except Erased:  # since its frame was met; a decision follows
            return None, False
        try:
            rest = self.reader.salvage(light.position)
            return mail_from(rest, light.size, self.work, outline=outline), False
        except (LedgerDamaged, Erased):
            return None, False


def project(
    frames: Iterable[Frame | Damage], reader: LedgerReader, work: Path, observer: ReplayObserver
) -> Iterator[tuple[list[Fact], LedgerHead]]:
    """Make the facts of committed batches.

    Args:
        frames: The ledger's frames in order, from its beginning or from just after a commit frame, with each
            damage where it was met.
        reader: Reads content back; it must find content that the observer has recorded.
        work: A folder for temporary files.
        observer: Takes positions of content and damage.

    Yields:
        The facts of each batch, in order of sequence, and the head that its commit frame proves.
    """
    batch, ledger = ReplayBatch(), _Ledger(reader, work, observer)
    for frame in frames:
        try:
            if isinstance(frame, Damage):
                observer.damage(str(frame))
                _lose(batch, frame, observer)
            elif frame.kind is RecordKind.COMMIT:
                head = reader.head(frame)
                yield _facts(batch, ledger), head
                batch = ReplayBatch()
            elif frame.codec == PayloadCodec.ERASED:
                batch.frames.append(light_frame(frame))
            else:
                RECORD_KINDS[frame.kind].collect(light_frame(frame), frame, batch, reader, observer)
        except LedgerDamaged as error:
            observer.damage(str(error))


def _lose(batch: ReplayBatch, damage: Damage, observer: ReplayObserver) -> None:
    """Keep a message whose header is intact, with its id and what its copies say about it.

    Other lost records are left out, so that they count as new when they are fetched again.
    """
    frame = damage.lost
    if frame is not None and frame.kind is RecordKind.MESSAGE:
        observer.add_content(frame.sha, frame.position)
        batch.frames.append(light_frame(frame, lost=True))


def _facts(batch: ReplayBatch, ledger: _Ledger) -> list[Fact]:
    envelopes, dates = _envelopes(batch, ledger)
    facts_of_mail: dict[int, Fact] = {**envelopes, **_messages(batch, dates, ledger)}
    facts: list[Fact] = list(batch.plain)
    for light in batch.frames:
        if light.erased and light.sequence not in facts_of_mail:
            facts.append(ErasedFact(light.sequence, light.kind))
        else:
            facts.extend(RECORD_KINDS[light.kind].facts(light, batch, facts_of_mail))
    for group, light in batch.groups:
        group.receipts[:] = [_decided_again(receipt, ledger) for receipt in group.receipts]
        facts.extend(receipt_facts(group, light.sequence, light.received))
    return sorted(facts, key=lambda fact: fact.sequence)


def _decided_again(receipt: Receipt, ledger: _Ledger) -> Receipt:
    """Remove the displacements of an older rule that today's rule would refuse.

    A crafted message may have caused them; without them, the displaced message is a message again. A
    displacement by a trusted journal report stays if the two messages still show the same.
    `docs/ledger-format.md` specifies this (receipt, `rule`).
    """
    if not receipt.instead or receipt.rule >= DISPLACEMENT_RULE:
        return receipt
    trusted = receipt.report and bool(receipt.route & RoutingReason.JOURNAL)
    kept = {
        former: original
        for former, original in receipt.instead.items()
        if trusted and ledger.alike(former, original)
    }
    return replace(receipt, instead=kept)


class _First(NamedTuple):
    """What the first copy of a message says about it."""

    date: int | None = None
    """The report's own date, in seconds since 1970 UTC."""
    source: int | None = None
    """When the source received it, in seconds since 1970 UTC."""
    notes: tuple[str, ...] = ()
    key: bytes = b""
    """The content hash of a placeholder, by its trusted report; else empty."""


_Dates = dict[bytes, _First]


def _envelopes(batch: ReplayBatch, ledger: _Ledger) -> tuple[dict[int, EnvelopeFact], _Dates]:
    """Return the batch's envelopes by sequence, and what the first copy of each message says about it.

    An envelope is left out if all its messages are lost, so that it counts as new when it is fetched again.
    """
    envelopes: dict[int, EnvelopeFact] = {}
    dates: _Dates = {}
    wanted = [
        light
        for light in batch.frames
        if light.kind is RecordKind.ENVELOPE
        and light.sha in batch.receipts
        and any(ledger.observer.has_content(sha) for sha in batch.receipts[light.sha].messages)
        and (not light.erased or _kept_copy(light, batch, ledger) is not None)
    ]
    for light, copy in _copies(wanted, batch, ledger):
        receipt = batch.receipts[light.sha]
        envelopes[light.sequence] = envelope_fact(
            light.appended, copy, receipt.messages, receipt.date, light.received
        )
        for sha in receipt.messages:
            first = _First(copy.date, receipt.date, copy.notes, _trusted_key(receipt, copy))
            dates.setdefault(sha, first)
    return envelopes, dates


def _trusted_key(receipt: Receipt, copy: CopyContent) -> bytes:
    """Return the content hash of a placeholder, under the same conditions as in the archivist; else b""."""
    trusted = receipt.report and bool(receipt.route & RoutingReason.JOURNAL) and NO_ENVELOPE not in copy.notes
    return copy.key if trusted else b""


def _copies(
    lights: Sequence[LightFrame], batch: ReplayBatch, ledger: _Ledger
) -> Iterator[tuple[LightFrame, CopyContent]]:
    """Read the copy in each envelope record, in order."""
    receipts = batch.receipts
    read = [light for light in lights if OPAQUE not in receipts[light.sha].notes and not light.erased]

    def ask(mails: Iterator[OpenMail]) -> Iterator[CopyFacts | MailUnreadable]:
        reports = [receipts[light.sha].report for light in read]
        return mail_reader().copies(zip(mails, reports, strict=False))

    answers = ledger.read(read, ask, outline=True)
    for light in lights:
        kept = _kept_copy(light, batch, ledger) if light.erased else None
        if kept is not None:
            yield light, CopyContent(kept.sha, kept.report, kept.date, kept.parties, kept.notes, kept.key)
        elif OPAQUE in receipts[light.sha].notes:
            yield light, CopyContent(light.sha, False, None, (), (OPAQUE,))
        else:
            _, found, _ = next(answers)
            receipt = receipts[light.sha]
            yield light, copy_content(light.sha, receipt.report, receipt.notes, found)


def _kept_copy(light: LightFrame, batch: ReplayBatch, ledger: _Ledger) -> KeptCopy | None:
    return ledger.observer.kept_copy(light.sha, batch.receipts[light.sha].report)


def copy_content(
    sha: bytes, report: bool, receipt_notes: Collection[str], found: CopyFacts | MailUnreadable | None
) -> CopyContent:
    """Return what a copy says, given what a mail reader has found in its bytes.

    Args:
        sha: SHA-256 of the copy's bytes.
        report: Whether it was unwrapped as a journal report.
        receipt_notes: The notes of its receipt.
        found: The answer of the mail reader; None if it was not read.
    """
    unread = (UNREAD,) if UNREAD in receipt_notes else ()
    if found is None or isinstance(found, MailUnreadable):
        return CopyContent(sha, report, None, (), unread)
    notes, key = found.notes, found.key
    if PLACEHOLDER in notes and PLACEHOLDER not in receipt_notes:  # as an older version archived it
        notes, key = tuple(note for note in notes if note != PLACEHOLDER), b""
    if found.problem:  # this version can't unwrap the report, so the facts are of the report's own header
        notes += (f"its report can't be unwrapped any more: {found.problem}",)
    return CopyContent(sha, report, found.date, found.parties, (*notes, *unread), key)


def _messages(batch: ReplayBatch, dates: _Dates, ledger: _Ledger) -> dict[int, MessageFact]:
    """Return the batch's messages by sequence."""
    lights = [light for light in batch.frames if light.kind is RecordKind.MESSAGE and not light.erased]
    facts: dict[int, MessageFact] = {}
    full, outlined = list[LightFrame](), list[LightFrame]()
    for light in lights:
        notes = dates.get(light.sha, _First()).notes
        if OPAQUE in notes:
            facts[light.sequence] = _fact(light, unread_message(light.sha, light.size, OPAQUE), dates)
        else:
            (outlined if UNREAD in notes else full).append(light)
    reader = mail_reader()
    for light, found, whole in ledger.read(full, reader.messages, outline=False):
        if isinstance(found, MailUnreadable):
            log.warning("message %s is listed without its text: %s", light.sha.hex()[:12], found)
            outlined.append(light)
        else:
            facts[light.sequence] = _message(light, found, whole, dates)
    for light, found, whole in ledger.read(outlined, reader.messages, outline=True):
        facts[light.sequence] = _message(light, found, whole, dates)
    return facts


def _message(
    light: LightFrame, found: MessageFacts | MailUnreadable | None, whole: bool, dates: _Dates
) -> MessageFact:
    if isinstance(found, MailUnreadable):
        return _fact(light, unread_message(light.sha, light.size, UNREAD), dates)
    if found is None:
        message = unread_message(light.sha, light.size, DAMAGED)
    else:
        text = MessageText("", "", "", "", "", "", (), found.notes)
        message = _Message(light.sha, found.content, found.size, found.summary, text)
    if not whole:
        message.content, message.size = b"", light.size
        message.summary = replace(message.summary, hidden=-1)
    return _fact(light, message, dates, () if whole else (DAMAGED,))


def _fact(light: LightFrame, message: _Message, dates: _Dates, more: tuple[str, ...] = ()) -> MessageFact:
    first = dates.get(light.sha, _First())
    if first.key and message.content:
        message.content = first.key
    notes = (*first.notes, *more)
    return message_fact(light.appended, message, first.date, first.source, light.received, notes)


def unread_message(sha: bytes, size: int, note: str) -> _Message:
    """Make a message without fields and text, of one that can't be parsed; `note` says why."""
    text = MessageText("", "", "", "", "", "", (), (note,))
    return _Message(sha, b"", size, MessageSummary("", "", "", "", None, 0), text)
