"""What the signatures of a message gave when they were judged, read from the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.archive.catalog import MessageRow
from muniment.archive.senders.evidence_record import KeyEvidence, SenderEvidence, read_evidence
from muniment.archive.vault.contents import VaultContents
from muniment.errors import LedgerDamaged
from muniment.mail.signatures.model import SignatureResult

DAMAGED = "what its signatures gave can't be read: the record is damaged"


@dataclass(frozen=True, slots=True)
class MessageResults:
    """The results of one message."""

    judged: int = 0
    """When its signatures were judged, in seconds since 1970 UTC; 0 if they were not."""
    results: tuple[tuple[SignatureResult, KeyEvidence | None], ...] = ()
    """Each result, with what DNS answered about its key; None if it was not asked."""
    problem: str = ""
    """Why there are no results; "" if there are, or if the message was never judged."""


def results_of(vault: VaultContents, row: MessageRow) -> MessageResults:
    """Return what a message's signatures gave."""
    known = vault.catalog.evidence_for(row.sequence)
    if known is None:
        return MessageResults()
    try:
        evidence = read_evidence(b"".join(vault.reader.content_at(known.position)))
    except (LedgerDamaged, ValueError):
        return MessageResults(problem=DAMAGED)
    found = next((one for one in evidence.messages if one.message == row.sha.hex()), None)
    if found is None:
        return MessageResults(known.time)
    if found.problem:
        return MessageResults(problem=found.problem)
    return MessageResults(known.time, tuple((one, _key(evidence, one)) for one in found.results))


def _key(evidence: SenderEvidence, result: SignatureResult) -> KeyEvidence | None:
    name = f"{result.selector}._domainkey.{result.domain}"
    return next((key for key in evidence.keys if key.name == name), None)
