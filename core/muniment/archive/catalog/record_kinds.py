"""The registry of record kinds: what a replay makes of each, and how a check compares it with the catalog.

A new kind is a number in `ledger.model.RecordKind`, its name there, and one entry here. The ledger refuses a
frame of a kind that has no entry, since a record that is ignored could be a hold or an erasure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from muniment.archive.catalog.replay_batch import LightFrame, ReplayBatch, ReplayObserver
from muniment.archive.erasure.redaction import redaction_fact
from muniment.archive.facts import (
    AuditFact,
    ConfigurationFact,
    DecisionFact,
    DirectoryFact,
    Fact,
    PartFact,
    QuarantineFact,
    RunFact,
)
from muniment.archive.ledger.erased.frames import decode_redaction
from muniment.archive.ledger.model import DECISIONS, Frame, RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.records import deletion_fact, read_receipts
from muniment.archive.ledger.stored import describe_position
from muniment.archive.senders.evidence_record import evidence_fact, read_evidence
from muniment.errors import LedgerDamaged

FactsOfMail = Mapping[int, Fact]
"""The facts of a batch's envelopes and messages, by sequence. They are made from the mail itself."""


class CatalogRows(NamedTuple):
    """Rows of the catalog that repeat records of one kind exactly. The shallow check compares them."""

    name: str
    """What the rows are together, for messages, such as "audit trail"."""
    unit: str
    """What each row is, in plural."""
    statement: str
    """Reads sequence, time in seconds and content of each row before a sequence, in order."""
    by_hash: bool = False
    """Whether the content is the hash (hex) and the size of the record's content, such as "3f9a 120"."""


def _skip(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    """The ledger's reader uses the record itself."""


def _no_facts(light: LightFrame, batch: ReplayBatch, facts_of_mail: FactsOfMail) -> Iterable[Fact]:
    return ()


class RecordHandler(NamedTuple):
    """What the catalog does with the records of one kind.

    `collect` decodes a record when its frame comes, and puts its content into the batch. It raises
    LedgerDamaged if the payload can't be read. `facts` yields what the catalog applies, once the batch is
    complete.
    """

    collect: Callable[[LightFrame, Frame, ReplayBatch, LedgerReader, ReplayObserver], None] = _skip
    facts: Callable[[LightFrame, ReplayBatch, FactsOfMail], Iterable[Fact]] = _no_facts
    rows: CatalogRows | None = None
    """For `verify`; None where a deep check alone can compare."""


def _collect_content(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    observer.add_content(frame.sha, frame.position)
    batch.frames.append(light)


def _collect_copy(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    batch.frames.append(light)


def _collect_receipts(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    group = read_receipts(reader.payload(frame))
    batch.groups.append((group, light))
    for receipt in group.receipts:
        batch.receipts.setdefault(receipt.sha, receipt)


def _collect_deletion(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    batch.plain.append(deletion_fact(reader.payload(frame), frame.sequence))


def _collect_run(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    batch.plain.append(RunFact(frame.sequence, light.received, reader.payload(frame).decode()))


def _collect_directory_change(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    batch.plain.append(DirectoryFact(frame.sequence, light.received, reader.payload(frame).decode()))


def _collect_audit_event(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    event = reader.payload(frame).decode()
    batch.plain.append(AuditFact(frame.sequence, frame.position, light.received, event))


def _collect_configuration(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    batch.plain.append(ConfigurationFact(frame.sequence, frame.sha))


def _collect_decision(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    content = reader.payload(frame).decode()
    batch.plain.append(DecisionFact(frame.sequence, frame.kind, light.received, content))


def _collect_redaction(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    redaction = decode_redaction(frame).redaction
    batch.plain.append(redaction_fact(redaction, frame.sha, frame.size, frame.sequence, light.received))


def _collect_evidence(
    light: LightFrame, frame: Frame, batch: ReplayBatch, reader: LedgerReader, observer: ReplayObserver
) -> None:
    try:
        evidence = read_evidence(reader.payload(frame))
    except ValueError as error:
        raise LedgerDamaged(f"{describe_position(frame.position)}: {error}") from error
    fact = evidence_fact(evidence, frame.sequence, frame.position, frame.sha, frame.size, light.received)
    batch.plain.append(fact)


def _part_facts(light: LightFrame, batch: ReplayBatch, facts_of_mail: FactsOfMail) -> Iterable[Fact]:
    yield PartFact(light.sequence, light.position, light.sha)


def _mail_facts(light: LightFrame, batch: ReplayBatch, facts_of_mail: FactsOfMail) -> Iterable[Fact]:
    """A copy of which nothing is left has no fact, so that it counts as new when it comes again."""
    if light.sequence in facts_of_mail:
        yield facts_of_mail[light.sequence]


def _quarantine_facts(light: LightFrame, batch: ReplayBatch, facts_of_mail: FactsOfMail) -> Iterable[Fact]:
    reason = batch.receipts[light.sha].reason if light.sha in batch.receipts else ""
    yield QuarantineFact(light.sequence, light.position, light.sha, light.size, reason, light.received)


_DECISION_NAMES = {
    RecordKind.HOLD: ("legal holds", "changes"),
    RecordKind.RULE: ("retention rules", "versions"),
    RecordKind.GRANT: ("grants", "changes"),
    RecordKind.APPROVAL: ("approvals", "steps"),
    RecordKind.SUBJECT: ("requests of people for their data", "steps"),
}


def _decision_handler(kind: RecordKind) -> RecordHandler:
    name, unit = _DECISION_NAMES[kind]
    statement = f"SELECT id, time, content FROM decision WHERE kind = {int(kind)} AND id < ? ORDER BY id"  # noqa: S608
    return RecordHandler(_collect_decision, rows=CatalogRows(name, unit, statement))


RECORD_KINDS: dict[RecordKind, RecordHandler] = {
    RecordKind.MESSAGE: RecordHandler(_collect_content, _mail_facts),
    RecordKind.PART: RecordHandler(_collect_content, _part_facts),
    RecordKind.CHUNKS: RecordHandler(_collect_content, _part_facts),
    RecordKind.ENVELOPE: RecordHandler(_collect_copy, _mail_facts),
    RecordKind.RECEIPT: RecordHandler(_collect_receipts),
    RecordKind.DELETION: RecordHandler(_collect_deletion),
    RecordKind.QUARANTINE: RecordHandler(
        _collect_copy,
        _quarantine_facts,
        CatalogRows(
            "quarantine",
            "items",
            "SELECT id, time, lower(hex(sha)) || ' ' || size FROM quarantine WHERE id < ? ORDER BY id",
            by_hash=True,
        ),
    ),
    RecordKind.DIRECTORY: RecordHandler(
        _collect_directory_change,
        rows=CatalogRows(
            "directory of users",
            "changes",
            "SELECT sequence, time, change FROM directory WHERE sequence < ? ORDER BY id",
        ),
    ),
    RecordKind.CONFIG: RecordHandler(_collect_configuration),
    RecordKind.REDACTION: RecordHandler(
        _collect_redaction,
        rows=CatalogRows(
            "erasures",
            "records",
            "SELECT id, time, lower(hex(record)) || ' ' || size FROM redaction WHERE id < ? ORDER BY id",
            by_hash=True,
        ),
    ),
    RecordKind.AUDIT: RecordHandler(
        _collect_audit_event,
        rows=CatalogRows(
            "audit trail", "events", "SELECT id, time, event FROM audit WHERE id < ? ORDER BY id"
        ),
    ),
    RecordKind.RUN: RecordHandler(
        _collect_run,
        rows=CatalogRows(
            "history of runs", "runs", "SELECT id, time, summary FROM run WHERE id < ? ORDER BY id"
        ),
    ),
    RecordKind.SENDER_EVIDENCE: RecordHandler(
        _collect_evidence,
        rows=CatalogRows(
            "evidence of senders",
            "records",
            "SELECT id, time, lower(hex(record)) || ' ' || size FROM evidence WHERE id < ? ORDER BY id",
            by_hash=True,
        ),
    ),
    RecordKind.DICTIONARY: RecordHandler(),
    RecordKind.COMMIT: RecordHandler(),
    **{kind: _decision_handler(kind) for kind in DECISIONS},
}
