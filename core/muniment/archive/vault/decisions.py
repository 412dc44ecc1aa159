"""Commits decisions about the mail: legal holds, retention rules, grants, approvals, subject requests.

A decision is a dated record that nothing ever changes. A later record of the same kind can end or replace
it. What holds today, or held on any day, follows from all records of a kind up to then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.model import DecisionRow
from muniment.archive.facts import DecisionFact, Fact
from muniment.archive.ledger.model import DECISIONS, RecordKind
from muniment.archive.ledger.records import VERSION, canonical, json_record
from muniment.archive.vault.changes import CatalogBehind, reason_of
from muniment.archive.vault.commit_coordinator import CLOCK, CommitCoordinator

Decide = Callable[[list[DecisionRow]], Iterable[dict[str, Any]]]
"""Takes all decisions of a kind, and returns new ones. It raises MunimentError to record none."""
DecisionEvents = Callable[[Sequence[dict[str, Any]]], Iterable[dict[str, Any]]]
"""Takes decisions that are about to be committed, at least one, and returns audit events of them."""


class Decisions:
    """Commits decisions between two batches. Thread-safe, but not for a thread that has begun a batch."""

    def __init__(self, commits: CommitCoordinator, catalog: Catalog) -> None:
        self._commits = commits
        self._catalog = catalog

    def record(
        self, kind: RecordKind, decide: Decide, time: int, events: DecisionEvents, after: int = -1
    ) -> list[DecisionRow]:
        """Record decisions; see `Vault.decide`."""
        if kind not in DECISIONS:
            raise ValueError(f"{kind!r} is no kind of decision")
        with self._commits.between_batches():
            self._commits.require_writable()
            made = [{"v": VERSION, **value} for value in decide(self._catalog.decisions(kind, after))]
            if not made:
                return []
            recorded = [self._append(kind, value, time) for value in made]
            facts: list[Fact] = [*recorded, *(self._commits.audit(event) for event in events(made))]
            self._commit(facts)
        return [DecisionRow(fact.sequence, fact.time, fact.content) for fact in recorded]

    def _append(self, kind: RecordKind, value: dict[str, Any], time: int) -> DecisionFact:
        record = json_record(self._commits.encoder, kind, value)
        appended = self._commits.append(record, time * CLOCK)
        return DecisionFact(appended.sequence, kind, time, canonical(value).decode())

    def _commit(self, facts: list[Fact]) -> None:
        try:
            self._commits.commit(facts)
        except CatalogBehind as error:
            raise CatalogBehind(
                f"the decision is kept, but the catalog could not be updated ({reason_of(error.__cause__)}): "
                "correct this and do not repeat it; the catalog is completed when the vault is next written"
            ) from error
