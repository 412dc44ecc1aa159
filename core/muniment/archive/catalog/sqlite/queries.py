"""The look-ups and lists of the catalog, each with the connection of its thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from muniment.archive.catalog.id_prefixes import prefix_range
from muniment.archive.catalog.model import (
    ArrivalCount,
    AuditRow,
    CatalogMention,
    CopyOwner,
    DecisionRow,
    EnvelopeRow,
    Erasure,
    EvidenceRow,
    FolderPage,
    IndexChange,
    KnownKey,
    MessageRow,
    NamedMessage,
    QuarantineRow,
    RunRow,
    TrustedReport,
    VaultTotals,
)
from muniment.archive.catalog.sqlite import (
    auditing,
    counting,
    dumping,
    erasing,
    judging,
    listing,
    reading,
    refiling,
)
from muniment.archive.catalog.sqlite.store import CatalogStore
from muniment.archive.facts import FramePosition
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.people.routing import RoutedEnvelope


class SqliteQueries:
    """The reading half of `SqliteCatalog`, but for its directory; `catalog.base` has the contract."""

    def __init__(self, store: CatalogStore) -> None:
        self._store = store

    # --- state --------------------------------------------------------------------------------

    def meta_get(self, name: str) -> str | None:
        return self._store.read(reading.meta, name)

    def meta_json(self, name: str) -> Any:
        return self._store.read(reading.meta_json, name)

    @property
    def head(self) -> LedgerHead:
        return self._store.read(reading.head)

    @property
    def vault_id(self) -> bytes:
        return self._store.read(reading.vault_id)

    @property
    def configuration(self) -> bytes:
        return self._store.read(reading.configuration)

    @property
    def regenerated(self) -> bool:
        return self._store.read(reading.regenerated)

    def erased_among(self, hashes: Collection[bytes]) -> dict[bytes, bytes]:
        return self._store.read(erasing.erased_among, hashes)

    def erasure_by_prefix(self, prefix: str) -> Erasure | None:
        found = self._store.read(erasing.erased_by_prefix, *prefix_range(prefix))
        return None if found is None else found[1]

    def erasure_of(self, sha: bytes) -> Erasure | None:
        return self._store.read(erasing.erasure_of, sha)

    def totals(self) -> VaultTotals:
        return self._store.read(reading.totals)

    def snapshot(self) -> tuple[LedgerHead, VaultTotals]:
        return self._store.read(reading.snapshot)

    # --- messages -----------------------------------------------------------------------------

    def message_by_sha(self, sha: bytes) -> MessageRow | None:
        return self._store.read(reading.message_by_sha, sha)

    def message_by_prefix(self, prefix: str) -> MessageRow:
        return self._store.read(reading.message_by_prefix, prefix)

    def messages_by_prefix(self, prefix: str) -> list[MessageRow]:
        return self._store.read(reading.messages_by_prefix, prefix)

    def messages_by_content(self, content: bytes) -> list[bytes]:
        return self._store.read(reading.messages_by_content, content)

    def contents(self, messages: Collection[int]) -> dict[int, bytes]:
        return self._store.read(reading.contents, messages)

    def messages_by_name(self, name: bytes) -> list[NamedMessage]:
        return self._store.read(reading.messages_by_name, name)

    def regenerated_by_name(self, name: bytes) -> list[NamedMessage]:
        return self._store.read(reading.regenerated_by_name, name)

    def known_names(self, names: Collection[bytes]) -> set[bytes]:
        return self._store.read(reading.known_names, names)

    def displaced_by(self, messages: Iterable[int]) -> dict[int, list[tuple[int, bytes]]]:
        return self._store.read(reading.displaced_by, messages)

    def possibly_known(
        self,
        copies: Collection[bytes],
        messages: Collection[bytes],
        contents: Collection[bytes],
        parts: Collection[bytes],
    ) -> set[bytes]:
        return self._store.read(reading.possibly_known, copies, messages, contents, parts)

    def rows(self, messages: Sequence[int]) -> list[MessageRow]:
        return self._store.read(reading.rows, messages)

    def message_of_record(self, sequence: int) -> tuple[bytes, MessageRow | None]:
        return self._store.read(reading.message_of_record, sequence)

    def messages_after(self, message: int, limit: int) -> list[MessageRow]:
        return self._store.read(listing.messages_after, message, limit)

    def existing(self, messages: Collection[int]) -> set[int]:
        return self._store.read(reading.existing, messages)

    def numbers(self, first: int, end: int, limit: int) -> list[int]:
        return self._store.read(reading.numbers, first, end, limit)

    def mentions(self, messages: Iterable[int]) -> dict[int, list[CatalogMention]]:
        return self._store.read(listing.mentions, messages)

    # --- copies and content -------------------------------------------------------------------

    def envelope_by_sha(self, sha: bytes, report: bool | None = None) -> EnvelopeRow | None:
        return self._store.read(reading.envelope_by_sha, sha, report)

    def envelopes_of(self, message: int) -> list[EnvelopeRow]:
        return self._store.read(reading.envelopes_of, message)

    def owners_of(self, copies: Iterable[int]) -> dict[int, list[CopyOwner]]:
        return self._store.read(reading.owners_of, copies)

    def copies_since(self, messages: Iterable[int], sequence: int) -> dict[int, list[RoutedEnvelope]]:
        return self._store.read(listing.copies_since, messages, sequence)

    def profiles_of(self, messages: Iterable[int]) -> dict[int, set[str]]:
        return self._store.read(listing.profiles_of, messages)

    def trusted_reports(self, message: int) -> list[TrustedReport]:
        return self._store.read(reading.trusted_reports, message)

    def has_copy_of_owner(self, message: int, owner: str) -> bool:
        return self._store.read(reading.has_copy_of_owner, message, owner)

    def first_report(self, profile: str) -> EnvelopeRow | None:
        return self._store.read(reading.first_report, profile)

    def last_reports(self, after: int = 0) -> dict[str, int]:
        return self._store.read(reading.last_reports, after)

    def arrivals(self, start: int, end: int) -> list[ArrivalCount]:
        return self._store.read(counting.arrivals, start, end)

    def newest_report(self, until: int) -> int:
        return self._store.read(counting.newest_report, until)

    def oldest_report(self) -> int:
        return self._store.read(counting.oldest_report)

    def reported_users(self, since: int, folders: Collection[str]) -> set[str]:
        return self._store.read(counting.reported_users, since, folders)

    def flagged(self, limit: int) -> list[tuple[int, tuple[str, ...]]]:
        return self._store.read(reading.flagged, limit)

    def locate(self, sha: bytes) -> FramePosition | None:
        return self._store.read(reading.locate, sha)

    def part_known(self, sha: bytes) -> bool:
        return self._store.read(reading.part_known, sha)

    def known_keys(self, host: str, mailbox: str, folder: str, keys: Sequence[str]) -> dict[str, KnownKey]:
        return self._store.read(reading.known_keys, host, mailbox, folder, keys)

    def quarantine(self) -> list[QuarantineRow]:
        return self._store.read(reading.quarantined)

    def quarantine_by_prefix(self, prefix: str) -> QuarantineRow:
        return self._store.read(reading.quarantine_by_prefix, prefix)

    # --- runs and the audit trail -------------------------------------------------------------

    def last_run(self, profile: str) -> RunRow | None:
        return self._store.read(reading.last_run, profile)

    def runs(
        self, profile: str = "", limit: int = 100, *, state: str = "", before: int = 0, eventful: bool = False
    ) -> list[RunRow]:
        return self._store.read(reading.runs, profile, state, before, eventful, limit)

    def audited(
        self,
        limit: int = 100,
        before: int = 0,
        *,
        after: int = -1,
        keys: Collection[str] = (),
        oldest_first: bool = False,
    ) -> list[AuditRow]:
        return self._store.read(auditing.audited, limit, before, after, keys, oldest_first)

    def audit_keys(self, beginning: str) -> list[str]:
        return self._store.read(auditing.audit_keys, beginning)

    def audit_span(self, since: int, until: int) -> tuple[int, int]:
        return self._store.read(auditing.audit_span, since, until)

    def count_audits(self) -> tuple[LedgerHead, int]:
        return self._store.read(auditing.count_audits)

    def evidence_for(self, message: int) -> EvidenceRow | None:
        return self._store.read(judging.evidence_for, message)

    def evidence_reached(self) -> int:
        return self._store.read(judging.evidence_reached)

    def decisions(self, kind: RecordKind, after: int = -1, limit: int = 0) -> list[DecisionRow]:
        return self._store.read(auditing.decisions, kind, after, limit)

    # --- folders ------------------------------------------------------------------------------

    def page(
        self,
        user: str,
        folder: str,
        limit: int = 50,
        after: str = "",
        oldest_first: bool = False,
        around: int | None = None,
    ) -> FolderPage:
        return self._store.read(listing.page, user, folder, limit, after, oldest_first, around)

    def tree(self) -> list[tuple[str, list[tuple[str, int]]]]:
        return self._store.read(listing.tree)

    def folders(self, user: str) -> list[tuple[str, int]]:
        return self._store.read(listing.folders, user)

    def own_folders(self, user: str, messages: Iterable[int]) -> dict[int, list[str]]:
        return self._store.read(listing.own_folders, user, messages)

    def folders_of(self, messages: Iterable[int]) -> dict[int, list[str]]:
        return self._store.read(listing.folders_of, messages)

    def count_mentioned(self, affected: Collection[str]) -> int:
        return self._store.read(refiling.count_mentioned, affected)

    def holders(self, messages: Iterable[int]) -> set[str]:
        return self._store.read(listing.holders, messages)

    def holders_of(self, messages: Iterable[int]) -> dict[int, set[str]]:
        return self._store.read(listing.holders_of, messages)

    def placed(self, user: str, messages: Iterable[int], folder: str = "") -> set[int]:
        return self._store.read(listing.placed, user, messages, folder)

    # --- the index ----------------------------------------------------------------------------

    def index_behind(self, watermark: int) -> int:
        return self._store.read(listing.index_behind, watermark)

    def unindexed_of(self, user: str, watermark: int) -> list[int]:
        return self._store.read(listing.unindexed_of, user, watermark)

    def unindexed(self, messages: Iterable[int], watermark: int) -> set[int]:
        return self._store.read(listing.unindexed, messages, watermark)

    def index_changes(self, watermark: int, limit: int) -> list[IndexChange]:
        return self._store.read(listing.index_changes, watermark, limit)

    # --- comparison ---------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        return self._store.read(dumping.dump)
