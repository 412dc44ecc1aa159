"""The look-ups and lists of the catalog, which any thread can use while the catalog is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from muniment.archive.catalog import dumping, listing, reading
from muniment.archive.catalog.model import (
    AuditRow,
    CatalogMention,
    EnvelopeRow,
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
from muniment.archive.catalog.store import CatalogStore
from muniment.archive.facts import FramePosition
from muniment.archive.ledger.model import LedgerHead
from muniment.people.routing import RoutedEnvelope


class CatalogQueries:
    """The reading half of `Catalog`. Thread-safe.

    Each call reads one committed state. A message is named by its number, which is the sequence of its
    record; a user by the id in the directory; times are seconds since 1970 UTC. The name of a Message-ID is
    its 8-byte form for look-ups (see mail.names).

    Every method and property raises CatalogDamaged if the file contradicts itself, and VaultError if it
    can't be read now or the vault is closed.
    """

    def __init__(self, store: CatalogStore) -> None:
        self._store = store

    # --- state --------------------------------------------------------------------------------

    def meta_get(self, name: str) -> str | None:
        """Return the text that `meta_set` stored under a name; None if there is none."""
        return self._store.read(reading.meta, name)

    def meta_json(self, name: str) -> Any:
        """Return the decoded JSON that `meta_set` stored under a name; None if there is none."""
        return self._store.read(reading.meta_json, name)

    @property
    def head(self) -> LedgerHead:
        """The committed state of the ledger after the last applied batch; EMPTY before the first."""
        return self._store.read(reading.head)

    @property
    def vault_id(self) -> bytes:
        """The id of the vault that the catalog was created for, 8 bytes."""
        return self._store.read(reading.vault_id)

    @property
    def configuration(self) -> bytes:
        """SHA-256 of the latest configuration record in the ledger; empty if there is none."""
        return self._store.read(reading.configuration)

    @property
    def regenerated(self) -> bool:
        """Whether there are copies whose bytes a service wrote when they were fetched."""
        return self._store.read(reading.regenerated)

    def totals(self) -> VaultTotals:
        """Return counts over the whole vault."""
        return self._store.read(reading.totals)

    def snapshot(self) -> tuple[LedgerHead, VaultTotals]:
        """Return head and totals of the same committed state."""
        return self._store.read(reading.snapshot)

    # --- messages -----------------------------------------------------------------------------

    def message_by_sha(self, sha: bytes) -> MessageRow | None:
        """Return the message with this SHA-256; None if there is none."""
        return self._store.read(reading.message_by_sha, sha)

    def message_by_prefix(self, prefix: str) -> MessageRow:
        """Return the message whose id begins with `prefix`; for a displaced message, its original.

        Args:
            prefix: 8 to 64 hex digits, in any case.

        Raises:
            NotFound: The prefix has another form, or fits no message or several.
        """
        return self._store.read(reading.message_by_prefix, prefix)

    def messages_by_prefix(self, prefix: str) -> list[MessageRow]:
        """Return all messages whose id begins with `prefix`; for a displaced message, its original.

        Args:
            prefix: 8 to 64 hex digits, in any case.

        Raises:
            NotFound: The prefix has another form.
        """
        return self._store.read(reading.messages_by_prefix, prefix)

    def messages_by_content(self, content: bytes) -> list[bytes]:
        """Return the SHA-256 of each message with this content hash, oldest record first.

        Args:
            content: A content hash, 32 bytes; an empty one fits no message.
        """
        return self._store.read(reading.messages_by_content, content)

    def messages_by_name(self, name: bytes) -> list[NamedMessage]:
        """Return the messages with this name of a Message-ID, oldest first, at most 1,000."""
        return self._store.read(reading.messages_by_name, name)

    def regenerated_by_name(self, name: bytes) -> list[NamedMessage]:
        """Return those of `messages_by_name` that are known only by copies whose bytes a service wrote."""
        return self._store.read(reading.regenerated_by_name, name)

    def known_names(self, names: Collection[bytes]) -> set[bytes]:
        """Return the subset of these names of Message-IDs that messages have."""
        return self._store.read(reading.known_names, names)

    def displaced_by(self, messages: Iterable[int]) -> dict[int, list[tuple[int, bytes]]]:
        """Return what each of these originals has displaced: the number and SHA-256 of each former message.

        Originals that have displaced nothing are left out.
        """
        return self._store.read(reading.displaced_by, messages)

    def possibly_known(
        self,
        copies: Collection[bytes],
        messages: Collection[bytes],
        contents: Collection[bytes],
        parts: Collection[bytes],
    ) -> set[bytes]:
        """Return the hashes that the catalog may know. A hash that is left out is certainly new.

        One call answers for a whole batch, so that new mail needs no look-ups of its own.

        Args:
            copies: SHA-256 of copies as fetched.
            messages: SHA-256 of messages.
            contents: Content hashes of messages.
            parts: SHA-256 of MIME parts.
        """
        return self._store.read(reading.possibly_known, copies, messages, contents, parts)

    def rows(self, messages: Sequence[int]) -> list[MessageRow]:
        """Return messages in the given order; numbers without a message are left out."""
        return self._store.read(reading.rows, messages)

    def message_of_record(self, sequence: int) -> tuple[bytes, MessageRow | None]:
        """Find a message by the record that brought it.

        Args:
            sequence: The leaf index of a message record.

        Returns:
            The SHA-256 of the message in the record, and that message or the original that displaced it;
            (b"", None) if there is none.
        """
        return self._store.read(reading.message_of_record, sequence)

    def existing(self, messages: Collection[int]) -> set[int]:
        """Return the subset of these numbers that are messages, not displaced ones."""
        return self._store.read(reading.existing, messages)

    def mentions(self, messages: Iterable[int]) -> dict[int, list[CatalogMention]]:
        """Return the addresses on all copies of each message, with the owners of ordinary mailboxes.

        Equal mentions are returned once.
        """
        return self._store.read(listing.mentions, messages)

    # --- copies and content -------------------------------------------------------------------

    def envelope_by_sha(self, sha: bytes, report: bool | None = None) -> EnvelopeRow | None:
        """Return the copy with this SHA-256 of its bytes as fetched; None if there is none.

        Args:
            sha: SHA-256, 32 bytes.
            report: Whether it was unwrapped as a journal report; None for either. The same bytes may have
                been fetched once as a report and once as plain mail.
        """
        return self._store.read(reading.envelope_by_sha, sha, report)

    def envelopes_of(self, message: int) -> list[EnvelopeRow]:
        """Return all copies of a message, in the order of the ledger."""
        return self._store.read(reading.envelopes_of, message)

    def copies_since(self, messages: Iterable[int], sequence: int) -> dict[int, list[RoutedEnvelope]]:
        """Return, for each message, the copies in records from `sequence` on."""
        return self._store.read(listing.copies_since, messages, sequence)

    def trusted_reports(self, message: int) -> list[TrustedReport]:
        """Return what the first trusted journal reports of a message state, at most 20."""
        return self._store.read(reading.trusted_reports, message)

    def has_copy_of_owner(self, message: int, owner: str) -> bool:
        """Return whether a copy of a message comes from a mailbox of this owner, a normalised address."""
        return self._store.read(reading.has_copy_of_owner, message, owner)

    def first_report(self, profile: str) -> EnvelopeRow | None:
        """Return the first trusted journal report of a profile; None if there is none.

        It reads the copies one by one, so it is slow for a profile with many copies and no report.
        """
        return self._store.read(reading.first_report, profile)

    def last_reports(self, after: int = 0) -> dict[str, int]:
        """Return the sequence of the last journal report of each profile.

        Args:
            after: Sequence from which on copies are considered; profiles with none since are left out.
        """
        return self._store.read(reading.last_reports, after)

    def flagged(self, limit: int) -> list[tuple[int, tuple[str, ...]]]:
        """Return time and flags of the newest copies that have flags, at most `limit`."""
        return self._store.read(reading.flagged, limit)

    def locate(self, sha: bytes) -> FramePosition | None:
        """Return the position of the content with this SHA-256; None if it is not stored.

        Messages, parts, lists of chunks, copies and quarantined items are found.
        """
        return self._store.read(reading.locate, sha)

    def part_known(self, sha: bytes) -> bool:
        """Return whether the part with this SHA-256 is stored."""
        return self._store.read(reading.part_known, sha)

    def known_keys(self, host: str, mailbox: str, folder: str, keys: Sequence[str]) -> dict[str, KnownKey]:
        """Return the subset of `keys` that were fetched from this folder and not deleted there since."""
        return self._store.read(reading.known_keys, host, mailbox, folder, keys)

    def quarantine(self) -> list[QuarantineRow]:
        """Return the items that are in quarantine, oldest first."""
        return self._store.read(reading.quarantined)

    def quarantine_by_prefix(self, prefix: str) -> QuarantineRow:
        """Return the item whose id begins with `prefix`, also if it is no longer in quarantine.

        Args:
            prefix: 8 to 64 hex digits, in any case.

        Raises:
            NotFound: The prefix has another form, or fits no item or several.
        """
        return self._store.read(reading.quarantine_by_prefix, prefix)

    # --- runs and the audit trail -------------------------------------------------------------

    def last_run(self, profile: str) -> RunRow | None:
        """Return the last finished run of a profile; None if there is none."""
        return self._store.read(reading.last_run, profile)

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
        return self._store.read(reading.runs, profile, state, before, eventful, limit)

    def audited(self, limit: int = 100, before: int = 0) -> list[AuditRow]:
        """Return audit events, newest first.

        Args:
            limit: Most events to return.
            before: Only events whose record is before this sequence; 0 for no limit.
        """
        return self._store.read(reading.audited, limit, before)

    def count_audits(self) -> tuple[LedgerHead, int]:
        """Return the head, and the number of audit records before it; records at one position count once."""
        return self._store.read(reading.count_audits)

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
        """Return a page of a folder. It takes the same time for folders of any size.

        Args:
            user: The user's id.
            folder: The folder's name.
            limit: Most rows of the page.
            after: `after` of the previous page; or its `before` together with the opposite order, to page
                backwards. "" begins at the start of the order, or at `around`.
            oldest_first: Whether the oldest message comes first; otherwise the newest.
            around: The date to begin at, in seconds since 1970 UTC. It is ignored if `after` is given.

        Returns:
            The page; an empty one if there is no such folder.

        Raises:
            UsageError: `after` is not a position from a page.
        """
        return self._store.read(listing.page, user, folder, limit, after, oldest_first, around)

    def tree(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Return all users by label, each with folders and message counts; the catch-all comes last.

        Empty folders, and users who have only such, are left out.
        """
        return self._store.read(listing.tree)

    def folders(self, user: str) -> list[tuple[str, int]]:
        """Return the folders of a user with their message counts; empty folders are left out."""
        return self._store.read(listing.folders, user)

    def own_folders(self, user: str, messages: Iterable[int]) -> dict[int, list[str]]:
        """Return, for each message, the sorted names of the user's folders that it is in."""
        return self._store.read(listing.own_folders, user, messages)

    def folders_of(self, messages: Iterable[int]) -> dict[int, list[str]]:
        """Return, for each message, the sorted paths `label/folder` of all folders that it is in."""
        return self._store.read(listing.folders_of, messages)

    def placed(self, user: str, messages: Iterable[int], folder: str = "") -> set[int]:
        """Return the subset of messages that are in a folder of the user.

        Args:
            user: The user's id.
            messages: Numbers of messages.
            folder: Name of the folder, in any case; "" for any folder.
        """
        return self._store.read(listing.placed, user, messages, folder)

    # --- the index ----------------------------------------------------------------------------

    def index_behind(self, watermark: int) -> int:
        """Return how many messages an index lacks that has everything in records below `watermark`."""
        return self._store.read(listing.index_behind, watermark)

    def unindexed_of(self, user: str, watermark: int) -> list[int]:
        """Return the user's messages that such an index lacks or has in an older form, in ascending order."""
        return self._store.read(listing.unindexed_of, user, watermark)

    def index_changes(self, watermark: int, limit: int) -> list[IndexChange]:
        """Return the next messages that an index must take in, in order; empty if it lacks none.

        A message is returned once, at the last record that its document depends on.

        Args:
            watermark: The index has everything in records below this sequence.
            limit: Most messages to return. Messages that share a record with the last one are returned in
                addition. So the last change's `upto` is above `watermark`; it is the new watermark once all
                are taken in.
        """
        return self._store.read(listing.index_changes, watermark, limit)

    # --- comparison ---------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return everything that the ledger determines; two catalogs of equal ledgers have equal dumps."""
        return self._store.read(dumping.dump)
