"""The facts of a batch by kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from muniment.archive.facts import (
    AuditFact,
    ConfigurationFact,
    DecisionFact,
    DeletionFact,
    DirectoryFact,
    EnvelopeFact,
    ErasedFact,
    Fact,
    MessageFact,
    OriginalFact,
    PartFact,
    QuarantineFact,
    ReceiptFact,
    RedactionFact,
    RunFact,
    SenderEvidenceFact,
)
from muniment.archive.ledger.model import RecordKind


@dataclass(slots=True)
class SortedFacts:
    """The facts of a batch by kind, each in order."""

    messages: list[MessageFact] = field(default_factory=list)
    parts: list[PartFact] = field(default_factory=list)
    envelopes: list[EnvelopeFact] = field(default_factory=list)
    traffic: list[ReceiptFact | DeletionFact] = field(default_factory=list)
    originals: list[OriginalFact] = field(default_factory=list)
    quarantines: list[QuarantineFact] = field(default_factory=list)
    runs: list[RunFact] = field(default_factory=list)
    changes: list[DirectoryFact] = field(default_factory=list)
    audits: list[AuditFact] = field(default_factory=list)
    configurations: list[ConfigurationFact] = field(default_factory=list)
    decisions: list[DecisionFact] = field(default_factory=list)
    evidence: list[SenderEvidenceFact] = field(default_factory=list)
    redactions: list[RedactionFact] = field(default_factory=list)
    erased: list[ErasedFact] = field(default_factory=list)

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> SortedFacts:
        found = cls()
        lists: dict[type, list[Any]] = {
            MessageFact: found.messages,
            PartFact: found.parts,
            EnvelopeFact: found.envelopes,
            ReceiptFact: found.traffic,
            OriginalFact: found.originals,
            DeletionFact: found.traffic,
            QuarantineFact: found.quarantines,
            RunFact: found.runs,
            DirectoryFact: found.changes,
            AuditFact: found.audits,
            ConfigurationFact: found.configurations,
            DecisionFact: found.decisions,
            SenderEvidenceFact: found.evidence,
            RedactionFact: found.redactions,
            ErasedFact: found.erased,
        }
        for fact in facts:
            lists[type(fact)].append(fact)
        return found

    @property
    def receipts(self) -> list[ReceiptFact]:
        return [fact for fact in self.traffic if isinstance(fact, ReceiptFact)]

    def erased_of(self, kind: RecordKind) -> int:
        """Return how many records of a kind were met without their content."""
        return sum(fact.kind == kind for fact in self.erased)
