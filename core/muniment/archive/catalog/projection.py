"""From the ledger back to facts: what replays a catalog that lags behind, and rebuilds a lost one.

Works a committed batch at a time, since a copy's receipt, which says how it is routed, stands in
the same batch as its envelope and its messages. Payloads are not held: content is read back when
its turn comes. What is damaged stops nothing: the observer is told, and what is left of it is read.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from muniment.archive.catalog.derive import envelope_fact, message_fact
from muniment.archive.facts import (
    DAMAGED,
    AuditFact,
    ConfigurationFact,
    DirectoryFact,
    EnvelopeFact,
    Fact,
    MessageFact,
    PartFact,
    Position,
    QuarantineFact,
    Route,
    RunFact,
)
from muniment.archive.files.contents import mail_from
from muniment.archive.ledger.model import Appended, Frame, Head, Kind
from muniment.archive.ledger.reader import Reader
from muniment.archive.ledger.records import (
    DISPLACEMENT_RULE,
    Receipt,
    ReceiptGroup,
    deletion_fact,
    read_receipts,
    receipt_facts,
)
from muniment.archive.ledger.recovery import Damage
from muniment.errors import LedgerDamaged, MailUnreadable
from muniment.mail.model import MessageText, Party, Summary
from muniment.mail.notes import NO_ENVELOPE, OPAQUE, PLACEHOLDER, UNREAD
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import Mail
from muniment.parsing.tasks import CopyFacts, MessageFacts

log = logging.getLogger("muniment.vault")

SECOND = 1_000_000

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Light:
    """A frame without its payload."""

    sequence: int
    position: Position
    kind: Kind
    time: int
    size: int
    sha: bytes
    lost: bool = False
    """Whether its payload is damaged."""

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
    key: bytes = b""


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

    def met(self, sha: bytes) -> bool:
        """Whether content stands anywhere."""

    def damage(self, what: str) -> None:
        """Something can't be read; a sentence that says where and what."""


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What content is read back with."""

    reader: Reader
    work: Path
    observer: Observer

    def alike(self, former: bytes, original: bytes) -> bool:
        """Whether two kept messages show the same; not so where either can't be read."""
        one, other = self._likeness(former), self._likeness(original)
        return bool(one) and one == other

    def _likeness(self, sha: bytes) -> bytes:
        try:
            mail = mail_from(self.reader.content(sha), self.reader.size(sha), self.work, sha)
            return mail_reader().likeness(mail).message
        except (LedgerDamaged, MailUnreadable):
            return b""

    def read(
        self, lights: Sequence[_Light], ask: Callable[[Iterator[Mail]], Iterator[Value]], outline: bool
    ) -> Iterator[tuple[_Light, Value | None, bool]]:
        """What `ask` makes of each record, or of what is left of it, in order; and whether it is whole.

        None where nothing is left. `outline`: no text is read.
        """
        found: deque[tuple[bool, bool]] = deque()

        def mails() -> Iterator[Mail]:
            for light in lights:
                mail, whole = self._mail(light, outline)
                found.append((mail is not None, whole))
                yield mail or Mail(b"", outline=True)

        for light, answer in zip(lights, ask(mails()), strict=True):
            there, whole = found.popleft()
            yield light, answer if there else None, whole

    def _mail(self, light: _Light, outline: bool) -> tuple[Mail | None, bool]:
        """A record's content, or what is left of it; and whether it is whole."""
        if light.lost:
            return None, False
        try:
            content = self.reader.content_at(light.position)
            return mail_from(content, light.size, self.work, light.sha, outline=outline), True
        except LedgerDamaged as error:
            self.observer.damage(str(error))
        try:
            rest = self.reader.salvage(light.position)
            return mail_from(rest, light.size, self.work, outline=outline), False
        except LedgerDamaged:
            return None, False


def project(
    frames: Iterable[Frame | Damage], reader: Reader, work: Path, observer: Observer
) -> Iterator[tuple[list[Fact], Head]]:
    """The facts of each committed batch, in order, with the head that its commit frame proves.

    `frames` begin just after a commit frame, or with the ledger, with the damage where it was met.
    `observer` is told where content stands before it is read, since the catalog can't know it yet.
    `work` takes temporary files.
    """
    batch, ledger = _Batch(), _Ledger(reader, work, observer)
    for frame in frames:
        try:
            if isinstance(frame, Damage):
                observer.damage(str(frame))
                _lose(batch, frame, observer)
            elif frame.kind is Kind.COMMIT:
                head = reader.head(frame)
                yield _facts(batch, ledger), head
                batch = _Batch()
            else:
                _collect(batch, frame, reader, observer)
        except LedgerDamaged as error:
            observer.damage(str(error))


def _lose(batch: _Batch, damage: Damage, observer: Observer) -> None:
    """Keep the place of a message whose header alone is left: its id, and all that its copies say of it.

    Whatever else is lost is left out, so that it is taken for new when it comes again.
    """
    frame = damage.lost
    if frame is not None and frame.kind is Kind.MESSAGE:
        observer.meet(frame.sha, frame.position)
        batch.frames.append(_light(frame, lost=True))


def _light(frame: Frame, lost: bool = False) -> _Light:
    return _Light(frame.sequence, frame.position, frame.kind, frame.time, frame.size, frame.sha, lost)


def _collect(batch: _Batch, frame: Frame, reader: Reader, observer: Observer) -> None:
    light = _light(frame)
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
        case Kind.AUDIT:
            event = reader.payload(frame).decode()
            batch.plain.append(AuditFact(frame.sequence, frame.position, light.received, event))
        case Kind.CONFIG:
            batch.plain.append(ConfigurationFact(frame.sequence, frame.sha))
        case _:
            pass


def _facts(batch: _Batch, ledger: _Ledger) -> list[Fact]:
    envelopes, dates = _envelopes(batch, ledger)
    messages = _messages(batch, dates, ledger)
    facts: list[Fact] = []
    for light in batch.frames:
        match light.kind:
            case Kind.PART | Kind.CHUNKS:
                facts.append(PartFact(light.sequence, light.position, light.sha))
            case Kind.MESSAGE:
                facts.append(messages[light.sequence])
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
        group.receipts[:] = [_decided_again(receipt, ledger) for receipt in group.receipts]
        facts.extend(receipt_facts(group, light.sequence, light.received))
    return sorted([*facts, *batch.plain], key=lambda fact: fact.sequence)


def _decided_again(receipt: Receipt, ledger: _Ledger) -> Receipt:
    """A receipt without the displacements of an older rule that today's would refuse.

    A crafted message may have brought some about. Without them, what had to give way is a message again. A
    displacement by a journal report stands where the two are still alike.
    """
    if not receipt.instead or receipt.rule >= DISPLACEMENT_RULE:
        return receipt
    trusted = receipt.report and bool(receipt.route & Route.JOURNAL)
    kept = {
        former: original
        for former, original in receipt.instead.items()
        if trusted and ledger.alike(former, original)
    }
    return replace(receipt, instead=kept)


class _First(NamedTuple):
    """What the first copy of a message says of it."""

    date: int | None = None
    """The report's own date."""
    source: int | None = None
    """When its source received it."""
    notes: tuple[str, ...] = ()
    key: bytes = b""
    """What its trusted report tells a placeholder's mail by; else empty."""


_Dates = dict[bytes, _First]


def _envelopes(batch: _Batch, ledger: _Ledger) -> tuple[dict[int, EnvelopeFact], _Dates]:
    """The batch's envelopes by sequence; and, for each message, date and notes of its first copy.

    One is left out where nothing is left of what it brought, so that it is new when it comes again.
    """
    envelopes: dict[int, EnvelopeFact] = {}
    dates: _Dates = {}
    wanted = [
        light
        for light in batch.frames
        if light.kind is Kind.ENVELOPE
        and light.sha in batch.receipts
        and any(ledger.observer.met(sha) for sha in batch.receipts[light.sha].messages)
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


def _trusted_key(receipt: Receipt, copy: _Copy) -> bytes:
    """As the archivist decides it: what tells which mail a placeholder stands for."""
    trusted = receipt.report and bool(receipt.route & Route.JOURNAL) and NO_ENVELOPE not in copy.notes
    return copy.key if trusted else b""


def _copies(lights: Sequence[_Light], batch: _Batch, ledger: _Ledger) -> Iterator[tuple[_Light, _Copy]]:
    """What each envelope record says of its copy, in order."""
    receipts = batch.receipts
    read = [light for light in lights if OPAQUE not in receipts[light.sha].notes]

    def ask(mails: Iterator[Mail]) -> Iterator[CopyFacts | MailUnreadable]:
        reports = [receipts[light.sha].report for light in read]
        return mail_reader().copies(zip(mails, reports, strict=False))

    answers = ledger.read(read, ask, outline=True)
    for light in lights:
        if OPAQUE in receipts[light.sha].notes:
            yield light, _Copy(light.sha, False, None, (), (OPAQUE,))
        else:
            _, found, _ = next(answers)
            yield light, _copy(light, receipts[light.sha], found)


def _copy(light: _Light, receipt: Receipt, found: CopyFacts | MailUnreadable | None) -> _Copy:
    unread = (UNREAD,) if UNREAD in receipt.notes else ()
    if found is None or isinstance(found, MailUnreadable):
        return _Copy(light.sha, receipt.report, None, (), unread)
    notes, key = found.notes, found.key
    if (
        PLACEHOLDER in notes and PLACEHOLDER not in receipt.notes
    ):  # an older version kept the part as it stands
        notes, key = tuple(note for note in notes if note != PLACEHOLDER), b""
    if found.problem:  # of a report that this program can't unwrap, what its own headers say
        notes += (f"its report can't be unwrapped any more: {found.problem}",)
    return _Copy(light.sha, receipt.report, found.date, found.parties, (*notes, *unread), key)


def _messages(batch: _Batch, dates: _Dates, ledger: _Ledger) -> dict[int, MessageFact]:
    """The batch's messages by sequence."""
    lights = [light for light in batch.frames if light.kind is Kind.MESSAGE]
    facts: dict[int, MessageFact] = {}
    full, outlined = list[_Light](), list[_Light]()
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
    light: _Light, found: MessageFacts | MailUnreadable | None, whole: bool, dates: _Dates
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


def _fact(light: _Light, message: _Message, dates: _Dates, more: tuple[str, ...] = ()) -> MessageFact:
    first = dates.get(light.sha, _First())
    if first.key and message.content:
        message.content = first.key
    notes = (*first.notes, *more)
    return message_fact(light.appended, message, first.date, first.source, light.received, notes)


def unread_message(sha: bytes, size: int, note: str) -> _Message:
    """A message that must not be parsed, since it killed its parser, or can't be."""
    text = MessageText("", "", "", "", "", "", (), (note,))
    return _Message(sha, b"", size, Summary("", "", "", "", None, 0), text)
