"""The part of every catalog's contract that concerns runs, arrivals, decisions and the audit trail."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from muniment.archive.catalog.model import (
    ArrivalCount,
    AuditRow,
    DecisionRow,
    EnvelopeRow,
    EvidenceRow,
    RunRow,
)
from muniment.archive.ledger.model import LedgerHead, RecordKind


class RunHistory(Protocol):
    """Lists what runs have done, decisions, and the audit trail. Thread-safe.

    Each call reads one committed state. Every method raises CatalogDamaged if the catalog contradicts itself,
    and VaultError if it can't be read now or is closed.
    """

    def last_run(self, profile: str) -> RunRow | None:
        """Return the last finished run of a profile; None if there is none."""

    def runs(
        self, profile: str = "", limit: int = 100, *, state: str = "", before: int = 0, eventful: bool = False
    ) -> list[RunRow]:
        """Return finished runs, newest first.

        Args:
            profile: Name of the profile; "" for all profiles.
            limit: Most runs to return.
            state: The state in which the runs ended; "" for any.
            before: Only runs whose record is before this sequence; 0 for no limit.
            eventful: Only runs that fetched, deleted or skipped something, or did not end as "ok".
        """

    def first_report(self, profile: str) -> EnvelopeRow | None:
        """Return the first trusted journal report of a profile; None if there is none.

        It may read the copies one by one, so it is slow for a profile with many copies and no report.
        """

    def last_reports(self, after: int = 0) -> dict[str, int]:
        """Return the sequence of the last journal report of each profile.

        Args:
            after: Sequence from which on copies are considered; profiles with none since are left out.
        """

    def arrivals(self, start: int, end: int) -> list[ArrivalCount]:
        """Return how many copies arrived in each quarter of an hour, in order; empty quarters are left out.

        A copy counts at the time when it was journaled or received, not when it was archived. The call takes
        the same time for catalogs of any size.

        Args:
            start: The beginning of the period, in seconds since 1970 UTC; the quarter that it is in counts.
            end: The end of the period; the quarter that begins then does not count.
        """

    def newest_report(self, until: int) -> int:
        """Return when the newest journal report was made, in seconds since 1970 UTC; 0 if there is none.

        Args:
            until: Reports of later quarters of an hour do not count, since their time must be wrong.
        """

    def oldest_report(self) -> int:
        """Return when the oldest journal report was made, to the quarter of an hour; 0 if there is none."""

    def reported_users(self, since: int, folders: Collection[str]) -> set[str]:
        """Return the users with a message in one of the folders that a trusted journal report brought since
        a time.

        A message whose own date is more than 30 days before that time does not count. The call takes longer
        with the number of users; and for each user without such a message, with their mail of those 30 days
        and later, but not with older mail.

        Args:
            since: When the oldest report that counts was made, in seconds since 1970 UTC.
            folders: The names of the folders that count, for each user.
        """

    def flagged(self, limit: int) -> list[tuple[int, tuple[str, ...]]]:
        """Return time and flags of the newest copies that have flags, at most `limit`."""

    def audited(
        self,
        limit: int = 100,
        before: int = 0,
        *,
        after: int = -1,
        keys: Collection[str] = (),
        oldest_first: bool = False,
    ) -> list[AuditRow]:
        """Return audit events, newest first. It takes the same time for a trail of any length.

        Args:
            limit: Most events to return.
            before: Only events whose record is before this sequence; 0 for no limit.
            after: Only events whose record is after this sequence.
            keys: Only events that have one of these keys (see catalog.audit_keys); none for all events.
            oldest_first: Whether the oldest event comes first.
        """

    def audit_keys(self, beginning: str) -> list[str]:
        """Return all keys of audit events that begin with this text, sorted.

        It takes time in proportion to their number, not to that of the events.
        """

    def audit_span(self, since: int, until: int) -> tuple[int, int]:
        """Return the lowest and the highest sequence of the events that were recorded in a time.

        Args:
            since: The first second, since 1970 UTC.
            until: The first second after it.

        Returns:
            The two sequences; (0, -1) if there are no such events.
        """

    def count_audits(self) -> tuple[LedgerHead, int]:
        """Return the head, and the number of audit records before it; records at one position count once.

        A record without a key of its kind does not count (see catalog.audit_keys).
        """

    def evidence_for(self, message: int) -> EvidenceRow | None:
        """Return the record of what a message's signatures gave; None if they were not judged.

        Args:
            message: The message's number.
        """

    def evidence_reached(self) -> int:
        """Return the last number up to which the signatures of messages were judged; -1 if none were."""

    def decisions(self, kind: RecordKind, after: int = -1, limit: int = 0) -> list[DecisionRow]:
        """Return decisions of a kind (see ledger.model.DECISIONS), oldest first.

        Args:
            kind: The kind.
            after: Only decisions whose record is after this sequence.
            limit: Most decisions to return; 0 for all.
        """
