"""The catalog: what of the ledger lists and look-ups need, as SQL tables that can be rebuilt."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog import dumping, reading, sql, tables
from muniment.archive.catalog.model import (
    AuditRow,
    Change,
    EnvelopeRow,
    Known,
    Mention,
    MessageRow,
    Named,
    Page,
    QuarantineRow,
    RunRow,
    Totals,
    Voucher,
)
from muniment.archive.catalog.refiling import pending, refile_batch
from muniment.archive.catalog.store import Store, check, remove_catalog
from muniment.archive.catalog.trouble import damaged
from muniment.archive.catalog.writing import Writer
from muniment.archive.facts import Fact, Position
from muniment.archive.ledger.model import Head
from muniment.errors import ConfigError, NotFound, VaultError
from muniment.people import changes
from muniment.people.directory import Directory
from muniment.people.routing import RoutedEnvelope

EMPTY = Head(0, b"", 0, 0)
"""The head of a catalog that has seen nothing."""


class Catalog:
    """A vault's catalog, and the directory of users that goes with it. For any thread.

    This object is the one owner of both. A batch changes them together; a reader sees what was committed
    last. `replace` puts another file, with its directory, in the place of this one: nobody needs to look
    for another object then.

    Messages are named by the sequence of their record, users by the ids of the directory.
    """

    def __init__(self, store: Store, directory: Directory) -> None:
        """Use `create` or `open`."""
        self._store = store
        self._writer = Writer()
        self._directory = directory.sealed()
        self._changing = threading.Lock()
        """Held by who changes the file or the directory."""

    @classmethod
    def create(cls, path: Path, vault_id: bytes) -> Catalog:
        """A new, empty catalog.

        Raises:
            VaultError: there is a file already, or none can be made.
        """
        if path.exists():
            raise VaultError(f"There is a catalog in {path} already; nothing was changed.")
        store = Store(path)
        try:
            with store.writing() as connection:
                tables.metadata.create_all(connection)
                connection.execute(sql.NEW_STATE, _new_state(vault_id))
        except BaseException:
            store.close()
            remove_catalog(path)
            raise
        return cls(store, Directory())

    @classmethod
    def open(cls, path: Path, readonly: bool = False) -> Catalog:
        """An existing catalog.

        Raises:
            CatalogOutdated: it is missing, damaged or of another schema; it must be rebuilt.
            VaultError: it can't be read now.
        """
        store = Store(path, readonly)
        try:
            check(store)
            return cls(store, store.read(_read_directory, path))
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Close all connections, and leave the file whole. Safe to call twice."""
        self._store.close()

    # --- writing ------------------------------------------------------------------------------

    def apply(self, facts: Sequence[Fact], head: Head) -> None:
        """Take in a committed batch, in one transaction: all of its facts, and the head after it.

        `facts` are in order of sequence and whole batches; what the catalog has seen is skipped.
        Changes of the directory among them give the next directory; what they affect is noted for `refile`.

        Raises:
            ConfigError, NotFound: a change does not fit the directory; nothing was taken in.
            CatalogDamaged, VaultError: it can't be written; nothing was taken in.
        """
        with self._changing, self._remembering():
            with self._store.writing() as connection:
                directory = self._writer.write(connection, facts, head, self._directory)
            self._directory = directory.sealed()

    def refile(self, *, batch: int = 1000) -> Iterator[int]:
        """File old mail anew, as far as changes of the directory affect it.

        Goes on where an earlier call was left or crashed. Each step is a transaction over at most
        `batch` mentions of affected addresses, by the directory as it is then; batches may be applied
        between steps.

        Yields:
            How many messages the step has looked at.
        """
        while (done := self._refile(batch)) is not None:
            yield done

    def _refile(self, batch: int) -> int | None:
        with self._changing, self._remembering(), self._store.writing() as connection:
            return refile_batch(connection, self._directory, self._writer.boxes, max(batch, 1))

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        """What the writer remembers goes when a transaction is undone, before anybody else uses it."""
        try:
            yield
        except BaseException:
            self._writer.forget()
            raise

    def replace(self, new: Catalog) -> None:
        """Have this be what `new` is: its file takes the place of this one's, and `new` is closed.

        Whoever reads or writes now ends first; whoever comes meanwhile waits, for milliseconds.

        Raises:
            OSError, VaultError: it can't be put in place; this one stays as it is.
        """
        with self._changing:
            new.close()
            self._store.replace(new._store.path)
            self._directory, self._writer = new._directory, Writer()

    def refile_pending(self) -> bool:
        """Whether old mail is still to be filed anew."""
        return bool(self._store.read(pending))

    def meta_set(self, name: str, value: str) -> None:
        """Keep a text under a name; it is lost when the catalog is rebuilt."""
        with self._store.writing() as connection:
            connection.execute(sql.SET_META, {"name": name, "value": value})

    # --- state --------------------------------------------------------------------------------

    def meta_get(self, name: str) -> str | None:
        """The text that `meta_set` kept under a name."""
        return self._store.read(reading.meta, name)

    def meta_json(self, name: str) -> Any:
        """The value whose JSON `meta_set` kept under a name; None for none."""
        return self._store.read(reading.meta_json, name)

    @property
    def head(self) -> Head:
        """The head of the ledger after the last batch that was applied; EMPTY before the first."""
        return self._store.read(reading.head)

    @property
    def path(self) -> Path:
        """Its file."""
        return self._store.path

    @property
    def still(self) -> bool:
        """Whether nobody can be writing it, as in a read-only copy."""
        return self._store.still

    @property
    def vault_id(self) -> bytes:
        """The vault that the catalog was created for."""
        return self._store.read(reading.vault_id)

    @property
    def configuration(self) -> bytes:
        """SHA-256 of the configuration that the ledger holds last; empty where it holds none."""
        return self._store.read(reading.configuration)

    @property
    def directory(self) -> Directory:
        """The directory of users after all changes that were applied; nothing changes the object itself."""
        return self._directory

    def totals(self) -> Totals:
        """Counts over the whole vault."""
        return self._store.read(reading.totals)

    def snapshot(self) -> tuple[Head, Totals]:
        """The head and the totals after one and the same batch."""
        return self._store.read(reading.snapshot)

    # --- look-ups -----------------------------------------------------------------------------

    def message_by_sha(self, sha: bytes) -> MessageRow | None:
        """The message with a SHA-256."""
        return self._store.read(reading.message_by_sha, sha)

    def message_by_prefix(self, prefix: str) -> MessageRow:
        """The message whose id begins with at least 8 hex digits; for one that gave way, its original.

        Raises:
            NotFound: there is none, or more than one.
        """
        return self._store.read(reading.message_by_prefix, prefix)

    def messages_by_prefix(self, prefix: str) -> list[MessageRow]:
        """All messages whose id begins with at least 8 hex digits, and the originals of those that gave way.

        Raises:
            NotFound: there can be none.
        """
        return self._store.read(reading.messages_by_prefix, prefix)

    def messages_by_content(self, content: bytes) -> list[bytes]:
        """SHA-256 of the messages with a content hash, oldest record first; none for an empty one."""
        return self._store.read(reading.messages_by_content, content)

    def messages_named(self, name: bytes) -> list[Named]:
        """Messages with a Message-ID (see mail.names.name_of), at most 1,000, oldest first."""
        return self._store.read(reading.messages_named, name)

    @property
    def regenerated(self) -> bool:
        """Whether there are copies that a service wrote anew."""
        return self._store.read(reading.regenerated)

    def names_known(self, names: Collection[bytes]) -> set[bytes]:
        """Those of the Message-IDs (see mail.names.name_of) that messages have."""
        return self._store.read(reading.names_known, names)

    def regenerated_named(self, name: bytes) -> list[Named]:
        """As `messages_named`, of messages all of whose copies a service wrote."""
        return self._store.read(reading.regenerated_named, name)

    def trusted_reports(self, message: int) -> list[Voucher]:
        """What the first trusted journal reports of a message say, at most 20."""
        return self._store.read(reading.trusted_reports, message)

    def brought_by(self, message: int, owner: str) -> bool:
        """Whether a mailbox of this owner, a normalised address, brought a copy of a message."""
        return self._store.read(reading.brought_by, message, owner)

    def formers_of(self, messages: Iterable[int]) -> dict[int, list[tuple[int, bytes]]]:
        """Number and SHA-256 of what were messages until these came, their originals."""
        return self._store.read(reading.formers_of, messages)

    def glimpse(
        self,
        copies: Collection[bytes],
        messages: Collection[bytes],
        contents: Collection[bytes],
        parts: Collection[bytes],
    ) -> set[bytes]:
        """Those of the hashes that may be known: whatever is left out is surely not.

        One look for many, so that new mail, the usual case, costs no look-up of its own.
        """
        return self._store.read(reading.glimpse, copies, messages, contents, parts)

    def rows(self, messages: Sequence[int]) -> list[MessageRow]:
        """Messages in the order asked for; what is not there is left out."""
        return self._store.read(reading.rows, messages)

    def numbered(self, message: int) -> tuple[bytes, MessageRow | None]:
        """The SHA-256 of the message in a record of the ledger, and that message or what took its place."""
        return self._store.read(reading.numbered, message)

    def existing(self, messages: Collection[int]) -> set[int]:
        """Those of the numbers that are messages' own."""
        return self._store.read(reading.existing, messages)

    def envelope_by_sha(self, sha: bytes, report: bool | None = None) -> EnvelopeRow | None:
        """The copy with a SHA-256 as fetched; with `report`, the one that was read as a report or not."""
        return self._store.read(reading.envelope_by_sha, sha, report)

    def envelopes_of(self, message: int) -> list[EnvelopeRow]:
        """All copies of a message, in the order of the ledger."""
        return self._store.read(reading.envelopes_of, message)

    def first_report(self, profile: str) -> EnvelopeRow | None:
        """The first trusted journal report that a profile brought; all copies are looked at for none."""
        return self._store.read(reading.first_report, profile)

    def flagged(self, limit: int) -> list[tuple[int, tuple[str, ...]]]:
        """Time and flags of the newest copies that have flags."""
        return self._store.read(reading.flagged, limit)

    def locate(self, sha: bytes) -> Position | None:
        """Where the content with a SHA-256 is kept: a message, part, chunk list, copy or quarantined item."""
        return self._store.read(reading.locate, sha)

    def part_known(self, sha: bytes) -> bool:
        """Whether a part is kept."""
        return self._store.read(reading.part_known, sha)

    def known_keys(self, host: str, mailbox: str, folder: str, keys: Sequence[str]) -> dict[str, Known]:
        """Those of the keys that were fetched from this place before and not deleted there since."""
        return self._store.read(reading.known_keys, host, mailbox, folder, keys)

    def quarantine(self) -> list[QuarantineRow]:
        """Items whose quarantine has not ended, oldest first."""
        return self._store.read(reading.quarantined)

    def quarantine_by_prefix(self, prefix: str) -> QuarantineRow:
        """The item, ended or not, whose id begins with at least 8 hex digits.

        Raises:
            NotFound: there is none, or more than one.
        """
        return self._store.read(reading.quarantine_by_prefix, prefix)

    def last_run(self, profile: str) -> RunRow | None:
        """A profile's last run."""
        return self._store.read(reading.last_run, profile)

    def runs(
        self, profile: str = "", limit: int = 100, *, state: str = "", before: int = 0, eventful: bool = False
    ) -> list[RunRow]:
        """The last runs, newest first: of a profile or of all, that ended in a state or in any.

        `before`: only those before that place in the ledger; `eventful`: only those that brought or
        deleted something, or did not go well.
        """
        return self._store.read(reading.runs, profile, state, before, eventful, limit)

    def last_reports(self, after: int = 0) -> dict[str, int]:
        """The place in the ledger of each profile's last journal report, of those from place `after` on."""
        return self._store.read(reading.last_reports, after)

    def audited(self, limit: int = 100, before: int = 0) -> list[AuditRow]:
        """The audit trail, newest first: from the record before sequence `before` on, or from the last."""
        return self._store.read(reading.audited, limit, before)

    def audits(self) -> tuple[Head, int]:
        """The head, and how many audit events with a place of their own in the ledger come before it."""
        return self._store.read(reading.audits)

    # --- folders ------------------------------------------------------------------------------

    def page(
        self,
        user: str,
        folder: str,
        limit: int = 50,
        after: str = "",
        oldest_first: bool = False,
        around: int | None = None,
    ) -> Page:
        """A page of a user's folder, newest or oldest first; empty where there is no such folder.

        `after` is that of the page before, or its `before` to go the other way; without it, `around` is the
        date (seconds since 1970 UTC) at which the page begins. The time is the same for any folder's size.

        Raises:
            UsageError: `after` is nothing that a page said.
        """
        return self._store.read(reading.page, user, folder, limit, after, oldest_first, around)

    def tree(self) -> list[tuple[str, list[tuple[str, int]]]]:
        """Users by label, the catch-all last, with their folders and counts; none that is empty."""
        return self._store.read(reading.tree)

    def folders(self, user: str) -> list[tuple[str, int]]:
        """The folders of one user and how many messages stand in each; none that is empty."""
        return self._store.read(reading.folders, user)

    def own_folders(self, user: str, messages: Iterable[int]) -> dict[int, list[str]]:
        """The names of the folders of one user in which messages stand, sorted."""
        return self._store.read(reading.own_folders, user, messages)

    def folders_of(self, messages: Iterable[int]) -> dict[int, list[str]]:
        """`label/folder` of every place where messages stand, sorted."""
        return self._store.read(reading.folders_of, messages)

    def placed(self, user: str, messages: Iterable[int], folder: str = "") -> set[int]:
        """Which of the messages stand with a user; with `folder` (in any case), in that folder."""
        return self._store.read(reading.placed, user, messages, folder)

    # --- the index ----------------------------------------------------------------------------

    def index_behind(self, watermark: int) -> int:
        """How many messages an index lacks that has taken in all records below `watermark`."""
        return self._store.read(reading.index_behind, watermark)

    def late_of(self, user: str, watermark: int) -> list[int]:
        """The messages of one user that such an index lacks, or not as they are now, in order."""
        return self._store.read(reading.late_of, user, watermark)

    def gained(self, messages: Iterable[int], watermark: int) -> dict[int, list[RoutedEnvelope]]:
        """The copies of messages that came in record `watermark` or later."""
        return self._store.read(reading.gained, messages, watermark)

    def index_changes(self, watermark: int, limit: int) -> list[Change]:
        """The next messages for such an index, in order; empty when it lacks none.

        A message counts once, by the last of its records that its document depends on. There may
        be more than `limit`, by those that share the last one's record: so the last change's
        `upto` is always above `watermark`, and that is the watermark once all are taken in.
        """
        return self._store.read(reading.index_changes, watermark, limit)

    def mentions(self, messages: Iterable[int]) -> dict[int, list[Mention]]:
        """Who is named on the copies of messages, owners of ordinary mailboxes included; no repeats."""
        return self._store.read(reading.mentions, messages)

    def dump(self) -> dict[str, Any]:
        """All that the ledger determines, in a form that can be compared: equal for equal vaults."""
        return self._store.read(dumping.dump)


def _read_directory(connection: Connection, path: Path) -> Directory:
    """The sum of the changes that the catalog holds."""
    rows = connection.execute(sql.GET_DIRECTORY).all()
    directory = Directory()
    try:
        for row in rows:
            directory.apply(changes.decode(row.change), row.time)
    except (ConfigError, NotFound) as error:
        raise damaged(path, "its directory of users contradicts itself", error) from error
    return directory


def _new_state(vault_id: bytes) -> dict[str, Any]:
    return {
        "id": 1,
        "schema": tables.SCHEMA,
        "vault": vault_id,
        "tree_size": EMPTY.tree_size,
        "root": EMPTY.root,
        "segment": EMPTY.segment,
        "offset": EMPTY.offset,
        "messages": 0,
        "envelopes": 0,
        "moved_messages": 0,
        "moved_envelopes": 0,
        "message_bytes": 0,
        "copy_bytes": 0,
        "regenerated": 0,
        "affected": None,
        "cursor_address": 0,
        "cursor_envelope": -1,
    }
