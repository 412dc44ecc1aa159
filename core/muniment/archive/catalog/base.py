"""The contract of every catalog: what the other rooms may ask, and how the ledger's facts come in.

A **message** is named by its number, the sequence of its record; its **id** is the SHA-256 of its bytes, in
hex. A **copy** is what a source delivered: one journal report or one mail with its envelope. It holds one
message or several. A user is named by the id in the directory. Times are seconds since 1970 UTC, sizes are
bytes, a hash is 32 bytes of SHA-256. The **name** of a Message-ID is its 8-byte form for look-ups (see
mail.names).

A catalog is a projection: it has nothing that the ledger does not determine, except the texts of `meta_set`.
Two catalogs to which equal facts were applied answer equally, even if the facts came in other batches.

The tests in `tests/archive/catalog/contract` run on every implementation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol, Self

from muniment.archive.catalog.history import RunHistory
from muniment.archive.catalog.model import (
    CatalogMention,
    CopyOwner,
    EnvelopeRow,
    Erasure,
    FolderPage,
    IndexChange,
    KnownKey,
    MessageRow,
    NamedMessage,
    QuarantineRow,
    TrustedReport,
    VaultTotals,
)
from muniment.archive.facts import Fact, FramePosition
from muniment.archive.ledger.model import LedgerHead
from muniment.people.directory import Directory
from muniment.people.routing import RoutedEnvelope

EMPTY = LedgerHead(0, b"", 0, 0)
"""The head of a catalog to which no batch was applied."""


class MessageReader(Protocol):
    """Looks up messages, copies and content. Thread-safe.

    Each call reads one committed state. Every method and property raises CatalogDamaged if the catalog
    contradicts itself, and VaultError if it can't be read now or is closed.
    """

    # --- messages -----------------------------------------------------------------------------

    def message_by_sha(self, sha: bytes) -> MessageRow | None:
        """Return the message with this SHA-256; None if there is none, or if it was displaced."""

    def message_by_prefix(self, prefix: str) -> MessageRow:
        """Return the message whose id begins with `prefix`; for a displaced message, its original.

        Args:
            prefix: 8 to 64 hex digits, in any case.

        Raises:
            NotFound: The prefix has another form, or fits no message or several.
            Erased: It fits only a message that was erased.
        """

    def messages_by_prefix(self, prefix: str) -> list[MessageRow]:
        """Return all messages whose id begins with `prefix`; for a displaced message, its original.

        Args:
            prefix: 8 to 64 hex digits, in any case.

        Raises:
            NotFound: The prefix has another form.
        """

    def messages_by_content(self, content: bytes) -> list[bytes]:
        """Return the SHA-256 of each message with this content hash, oldest record first.

        Args:
            content: A content hash, 32 bytes; an empty one fits no message.
        """

    def contents(self, messages: Collection[int]) -> dict[int, bytes]:
        """Return the content hash of each message; messages that could not be read are left out."""

    def messages_by_name(self, name: bytes) -> list[NamedMessage]:
        """Return the messages with this name of a Message-ID, oldest first, at most 1,000."""

    def regenerated_by_name(self, name: bytes) -> list[NamedMessage]:
        """Return those of `messages_by_name` that are known only by copies whose bytes a service wrote."""

    def known_names(self, names: Collection[bytes]) -> set[bytes]:
        """Return the subset of these names of Message-IDs that messages have."""

    def displaced_by(self, messages: Iterable[int]) -> dict[int, list[tuple[int, bytes]]]:
        """Return what each of these originals has displaced: the number and SHA-256 of each former message.

        Originals that have displaced nothing are left out.
        """

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

    def rows(self, messages: Sequence[int]) -> list[MessageRow]:
        """Return messages in the given order; numbers without a message are left out."""

    def message_of_record(self, sequence: int) -> tuple[bytes, MessageRow | None]:
        """Find a message by the record that brought it.

        Args:
            sequence: The leaf index of a message record.

        Returns:
            The SHA-256 of the message in the record, and that message or the original that displaced it;
            (b"", None) if there is none.
        """

    def messages_after(self, message: int, limit: int) -> list[MessageRow]:
        """Return the next messages after a number, in ascending order; -1 begins with the first.

        Args:
            message: A number; it need not be a message.
            limit: Most messages to return.
        """

    def existing(self, messages: Collection[int]) -> set[int]:
        """Return the subset of these numbers that are messages, not displaced ones."""

    def numbers(self, first: int, end: int, limit: int) -> list[int]:
        """Return the lowest numbers of messages from `first` on that are below `end`, at most `limit`."""

    def mentions(self, messages: Iterable[int]) -> dict[int, list[CatalogMention]]:
        """Return the addresses on all copies of each message, with the owners of ordinary mailboxes.

        Equal mentions are returned once, in the order of the ledger; owners come last. Numbers without a
        message are left out.
        """

    @property
    def regenerated(self) -> bool:
        """Whether there are copies whose bytes a service wrote when they were fetched."""

    def erased_among(self, hashes: Collection[bytes]) -> dict[bytes, bytes]:
        """Return those of the hashes that are of erased messages, copies, or contents of messages.

        Args:
            hashes: SHA-256 of messages and copies, and content hashes; an empty one is never erased.

        Returns:
            Each such hash, with the SHA-256 of the erased message or copy.
        """

    def erasure_by_prefix(self, prefix: str) -> Erasure | None:
        """Return the decision by which the only erased message was erased whose id begins with `prefix`.

        Args:
            prefix: 8 to 64 hex digits, in any case.

        Raises:
            NotFound: The prefix has another form.
        """

    def erasure_of(self, sha: bytes) -> Erasure | None:
        """Return the last decision by which something with this SHA-256 was erased; None if there is none.

        Args:
            sha: SHA-256 of a message, or of a copy as it was fetched, 32 bytes.
        """

    # --- copies and content -------------------------------------------------------------------

    def envelope_by_sha(self, sha: bytes, report: bool | None = None) -> EnvelopeRow | None:
        """Return the copy with this SHA-256 of its bytes as fetched; None if there is none.

        Args:
            sha: SHA-256, 32 bytes.
            report: Whether it was unwrapped as a journal report; None for either. The same bytes may have
                been fetched once as a report and once as plain mail.
        """

    def envelopes_of(self, message: int) -> list[EnvelopeRow]:
        """Return all copies of a message, in the order of the ledger."""

    def owners_of(self, copies: Iterable[int]) -> dict[int, list[CopyOwner]]:
        """Return the owners of each copy from an ordinary mailbox; other copies are left out."""

    def copies_since(self, messages: Iterable[int], sequence: int) -> dict[int, list[RoutedEnvelope]]:
        """Return, for each message, the copies in records from `sequence` on."""

    def profiles_of(self, messages: Iterable[int]) -> dict[int, set[str]]:
        """Return, for each message, the profiles that were the first to fetch one of its copies."""

    def trusted_reports(self, message: int) -> list[TrustedReport]:
        """Return what the first trusted journal reports of a message state, at most 20."""

    def has_copy_of_owner(self, message: int, owner: str) -> bool:
        """Return whether a copy of a message comes from a mailbox of this owner, a normalised address."""

    def locate(self, sha: bytes) -> FramePosition | None:
        """Return the position of the content with this SHA-256; None if it is not stored.

        Messages, also displaced ones, parts, lists of chunks, copies and quarantined items are found.
        """

    def part_known(self, sha: bytes) -> bool:
        """Return whether the part with this SHA-256 is stored."""

    def known_keys(self, host: str, mailbox: str, folder: str, keys: Sequence[str]) -> dict[str, KnownKey]:
        """Return the subset of `keys` that were fetched from this folder and not deleted there since.

        Args:
            host: Host and port, or path, of the source (`sources.base.MailPlace.host`).
            mailbox: The mailbox at the source.
            folder: The folder's name or id in the mailbox.
            keys: Any number of keys, as the source states them.
        """

    def quarantine(self) -> list[QuarantineRow]:
        """Return the items that are in quarantine, oldest first."""

    def quarantine_by_prefix(self, prefix: str) -> QuarantineRow:
        """Return the item whose id begins with `prefix`, also if it is no longer in quarantine.

        Args:
            prefix: 8 to 64 hex digits, in any case.

        Raises:
            NotFound: The prefix has another form, or fits no item or several.
        """

    # --- the index ----------------------------------------------------------------------------

    def index_behind(self, watermark: int) -> int:
        """Return how many messages an index lacks that has everything in records below `watermark`."""

    def unindexed_of(self, user: str, watermark: int) -> list[int]:
        """Return the user's messages that such an index lacks or has in an older form, in ascending order."""

    def unindexed(self, messages: Iterable[int], watermark: int) -> set[int]:
        """Return the subset of messages that such an index lacks or has in an older form."""

    def index_changes(self, watermark: int, limit: int) -> list[IndexChange]:
        """Return the next messages that an index must take in, in order; empty if it lacks none.

        A message is returned once, at the last record that its document depends on.

        Args:
            watermark: The index has everything in records below this sequence.
            limit: Most messages to return. Messages that share a record with the last one are returned in
                addition. So the last change's `upto` is above `watermark`; it is the new watermark once all
                are taken in.
        """


class DirectoryReader(Protocol):
    """Knows the users, and lists the folders that their mail is filed in. Thread-safe.

    Each call reads one committed state. After a change of users, mail is filed by the new directory once
    `CatalogWriter.refile` has come to its end.

    Every method raises CatalogDamaged if the catalog contradicts itself, and VaultError if it can't be read
    now or is closed.
    """

    @property
    def directory(self) -> Directory:
        """The directory of users after the last applied change. The object itself never changes.

        A catalog that was opened for reading only keeps the directory of that moment.
        """

    def directory_on(self, time: int) -> Directory:
        """Return the directory as the changes recorded up to a time made it.

        Args:
            time: Seconds since 1970 UTC; changes of that second count.
        """

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

        Rows are sorted by date, rows of the same date by number.

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

    def tree(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Return all users by label, each with folders and message counts; the catch-all comes last.

        Empty folders, and users who have only such, are left out.
        """

    def folders(self, user: str) -> list[tuple[str, int]]:
        """Return the folders of a user with their message counts; empty folders are left out."""

    def own_folders(self, user: str, messages: Iterable[int]) -> dict[int, list[str]]:
        """Return, for each message, the sorted names of the user's folders that it is in."""

    def folders_of(self, messages: Iterable[int]) -> dict[int, list[str]]:
        """Return, for each message, the sorted paths `label/folder` of all folders that it is in."""

    def count_mentioned(self, affected: Collection[str]) -> int:
        """Return how many messages a change of the directory files again.

        Args:
            affected: The addresses and domains that it affects, as `Directory.apply` returns them.
        """

    def holders(self, messages: Iterable[int]) -> set[str]:
        """Return the ids of all users who have one of these messages in a folder."""

    def holders_of(self, messages: Iterable[int]) -> dict[int, set[str]]:
        """Return, for each message, the ids of the users who have it in a folder."""

    def placed(self, user: str, messages: Iterable[int], folder: str = "") -> set[int]:
        """Return the subset of messages that are in a folder of the user.

        Args:
            user: The user's id.
            messages: Numbers of messages.
            folder: Name of the folder, in any case; "" for any folder.
        """


class CatalogReader(MessageReader, DirectoryReader, RunHistory, Protocol):
    """All look-ups and lists of a catalog, and the state of the ledger that it has reached. Thread-safe.

    Every method and property raises CatalogDamaged if the catalog contradicts itself, and VaultError if it
    can't be read now or is closed.
    """

    @property
    def head(self) -> LedgerHead:
        """The committed state of the ledger after the last applied batch; EMPTY before the first."""

    @property
    def vault_id(self) -> bytes:
        """The id of the vault that the catalog was created for, 8 bytes."""

    @property
    def configuration(self) -> bytes:
        """SHA-256 of the latest configuration record in the ledger; empty if there is none."""

    def totals(self) -> VaultTotals:
        """Return counts over the whole vault."""

    def snapshot(self) -> tuple[LedgerHead, VaultTotals]:
        """Return head and totals of the same committed state."""

    def meta_get(self, name: str) -> str | None:
        """Return the text that `meta_set` stored under a name; None if there is none."""

    def meta_json(self, name: str) -> Any:
        """Return the decoded JSON that `meta_set` stored under a name; None if there is none."""

    def dump(self) -> dict[str, Any]:
        """Return everything that the ledger determines, as plain values for comparison.

        Two catalogs of equal ledgers, of any implementation, have equal dumps.
        """


class CatalogWriter(Protocol):
    """Takes in the ledger's committed batches. Thread-safe: writing calls wait for each other.

    Readers see a batch as a whole or not at all, together with the head after it.
    """

    def apply(self, facts: Sequence[Fact], head: LedgerHead) -> None:
        """Apply committed batches in one transaction.

        Changes of the directory among the facts make the next directory; `refile` then moves the mail that
        they concern.

        Args:
            facts: All facts of one or more whole batches, in order of sequence. Facts that the catalog has
                already are skipped.
            head: The ledger's committed state after them.

        Raises:
            ConfigError: A change does not fit the directory; nothing was applied.
            NotFound: A change names an unknown user or address; nothing was applied.
            CatalogDamaged: The catalog contradicts itself; nothing was applied.
            VaultError: The catalog can't be written; nothing was applied.
        """

    def refile(self, *, batch: int = 1000) -> Iterator[int]:
        """File old mail again where changes of the directory concern it.

        Each step is one transaction and uses the directory as it is then. Batches may be applied between
        steps. After a crash or an early end, the next call goes on at the same place.

        Args:
            batch: Most mentions of changed addresses in one step.

        Yields:
            The number of messages that the step has looked at.

        Raises:
            CatalogDamaged: The catalog contradicts itself.
            VaultError: The catalog can't be written.
        """

    def refile_pending(self) -> bool:
        """Return whether old mail must still be filed again.

        Raises:
            CatalogDamaged: The catalog contradicts itself.
            VaultError: The catalog can't be read now, or is closed.
        """

    def meta_set(self, name: str, value: str) -> None:
        """Store a text under a name. It is lost when the catalog is rebuilt.

        Raises:
            CatalogDamaged: The catalog contradicts itself.
            VaultError: The catalog can't be written.
        """

    def replace(self, new: Self) -> None:
        """Take over content and directory of another catalog, and close that one.

        This waits for all calls that read or write now; calls that come meanwhile wait for milliseconds.
        References to this object stay valid.

        Args:
            new: A catalog of the same vault, made by the same implementation in another place.

        Raises:
            OSError: The new content can't be put in place; this catalog stays as it was.
            VaultError: The new catalog is not complete; this catalog stays as it was.
        """


class Catalog(CatalogReader, CatalogWriter, Protocol):
    """A vault's catalog and its directory of users. Thread-safe.

    The object owns both: one transaction changes them together, and readers see the last committed state. It
    is opened for reading and writing, or for reading only. Then another process may write it, or replace it,
    and every method of `CatalogWriter` that writes raises VaultError.
    """

    def close(self) -> None:
        """Close the catalog. It may be called twice; all other methods then raise VaultError."""
