"""Adds messages to the index: from batches as they are committed, or from the ledger if they are missing."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from muniment.archive.catalog import CatalogMention, MessageRow
from muniment.archive.facts import DAMAGED
from muniment.archive.files.contents import mail_from
from muniment.archive.files.temp_files import own_work
from muniment.archive.index import IndexDocument, IndexMention, SearchIndex, StoredSpan
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.operations.index_binding import binding_of, is_bound
from muniment.archive.vault.layout import INDEX
from muniment.archive.vault.open_catalog import INDEX_NEW, INDEX_OLD
from muniment.archive.vault.open_index import open_for_writing
from muniment.archive.vault.vault import Vault
from muniment.contents.model import ReadFile
from muniment.errors import Erased, LedgerDamaged, MailUnreadable
from muniment.mail.headers.addresses import mailboxes
from muniment.mail.model import MessageText
from muniment.mail.notes import OPAQUE, UNREAD
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import OpenMail

log = logging.getLogger("muniment.index")

PAGE = 200
"""Messages that are looked up at a time."""
AT_ONCE = 2_000
"""Messages of a part that is written again after which a run may go first."""
COMMIT_DOCUMENTS = 20_000
"""Documents after which a commit is made."""
COMMIT_TEXT = 56_000_000
"""Bytes of text after which a commit is made. The index library queues up to 10,000 documents of any size in
memory; a commit waits until the queue is empty."""


def behind(vault: Vault) -> int:
    """Return how many messages the index lacks, or has in an older form."""
    state = vault.index_place.state()
    if not is_bound(vault, state.watermark, state.binding):
        return vault.catalog.totals().messages
    return vault.catalog.index_behind(state.watermark)


def renew_index(vault: Vault) -> Iterator[int]:
    """Rebuild the index, and replace the one in use, which answers until then.

    This is for the archiving thread, between two runs.

    Yields:
        The number of messages that were read so far.

    Raises:
        VaultError: The new index can't be written; the old one stays in use.
        OSError: The new index can't be put in place; the old one stays in use.
    """
    own, new, old = (vault.folder / name for name in (INDEX, INDEX_NEW, INDEX_OLD))
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)

    def swap() -> None:
        with suppress(FileNotFoundError):
            own.rename(old)
        try:
            new.rename(own)
        except OSError:
            old.rename(own)
            raise

    try:
        with closing(IndexFeeder(vault, new)) as indexing:
            yield from indexing.catch_up()
        vault.index_place.swap(swap)
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


def forget_messages(vault: Vault, messages: Sequence[int]) -> Generator[int | None, None, None]:
    """Remove messages from the index so that nothing of them is left in any of its files.

    The files keep the words of a removed message until all messages that are stored with it are written
    again. This is for the archiving thread, between two runs.

    Args:
        vault: The vault, open for writing. Its catalog no longer has the messages.
        messages: Their numbers.

    Yields:
        The number of messages that were read so far; None where a run may go first, since nothing is open.

    Raises:
        VaultError: The index can't be written.
        OSError: The index can't be put in place.
    """
    with closing(IndexFeeder(vault)) as indexing:
        yield from indexing.catch_up()
        spans = indexing.remove(messages)
    read = 0
    for span in spans:
        first = span.first
        while first < span.end:
            yield None
            with closing(IndexFeeder(vault)) as indexing:
                yield from indexing.catch_up()
                first, done = indexing.renew(first, span.end)
            read += done
            yield read
    with closing(IndexFeeder(vault)) as indexing:
        index = indexing.open()
        clean = all(index.is_renewed(span) for span in spans)
    if not clean:
        log.warning("the index is rebuilt, since a part of it can't be written again")
        yield from renew_index(vault)


class IndexFeeder:
    """Writes the index of a vault. Only one thread may use it."""

    def __init__(self, vault: Vault, folder: Path | None = None, commit_text: int = COMMIT_TEXT) -> None:
        """Keep the place of the index; `open` opens it.

        Args:
            vault: The vault, open for writing.
            folder: The index's folder; by default the vault's own.
            commit_text: Bytes of text after which a commit is made.
        """
        self._vault = vault
        self._commit_text = commit_text
        self._folder = folder or vault.folder / INDEX
        self._index: SearchIndex | None = None
        self._reached = 0

    @property
    def uncommitted(self) -> int:
        """Number of documents that were added or removed since the last commit."""
        return self._index.uncommitted if self._index is not None else 0

    def open(self) -> SearchIndex:
        """Open the index for writing, if it is not open yet.

        An index that is unusable or belongs to another ledger is renamed, and an empty one replaces it; then
        `catch_up` must index everything.

        Raises:
            VaultError: The index can't be written.
            VaultLocked: Another process is writing it.
        """
        if self._index is None:
            self._index = open_for_writing(self._folder, self._fits)
            self._reached = self._index.watermark
        return self._index

    def _fits(self, index: SearchIndex) -> bool:
        return is_bound(self._vault, index.watermark, index.binding)

    def add(self, head: LedgerHead, documents: Sequence[IndexDocument], touched: Sequence[bytes]) -> None:
        """Index a committed batch. Everything before it must be indexed already (see `catch_up`).

        It commits the index when there are COMMIT_DOCUMENTS, or `commit_text` bytes of their text.

        Args:
            head: The committed state after the batch.
            documents: The batch's new messages.
            touched: SHA-256 of each older message whose document the batch changes.

        Raises:
            VaultError: The index can't be written.
        """
        index = self.open()
        known = self._vault.catalog.existing([document.id for document in documents])
        index.add(document for document in documents if document.id in known)
        # A message that was appended again keeps its old number, so it is looked up.
        touched = [*touched, *(document.sha for document in documents if document.id not in known)]
        rows = [row for sha in touched if (row := self._vault.catalog.message_by_sha(sha)) is not None]
        for start in range(0, len(rows), PAGE):
            self._renew(index, [row.sequence for row in rows[start : start + PAGE]])
        self._reached = head.tree_size
        self._commit_if_full()

    def add_contents(self, contents: Mapping[int, tuple[ReadFile, ...]]) -> int:
        """Add what was read in attachments to messages that wait for it, and commit the index.

        Messages that were changed or erased meanwhile are left out: if they are still there, they wait again.

        Args:
            contents: By the numbers of the messages, what was read.

        Returns:
            The number of messages that have it now.

        Raises:
            VaultError: The index can't be written.
        """
        index = self.open()
        waiting = index.with_contents("waiting", len(contents), list(contents))[1] if contents else ()
        known = sorted(self._vault.catalog.existing(waiting))
        index.remove(set(waiting).difference(known))
        self._renew(index, known, contents)
        self.commit()
        return len(known)

    def commit(self) -> None:
        """Make all changes durable and visible, and store the watermark.

        Raises:
            VaultError: The index can't be written.
        """
        if self._index is not None and (self.uncommitted or self._index.watermark < self._reached):
            self._index.commit(self._reached, binding_of(self._vault))

    def catch_up(self) -> Iterator[int]:
        """Index all messages that the index lacks, and commit it.

        Yields:
            The number of messages that were read so far.

        Raises:
            VaultError: The index can't be written.
        """
        index = self.open()
        head = self._vault.head
        done = 0
        while changes := self._vault.catalog.index_changes(self._reached, PAGE):
            sequences = sorted({change.message for change in changes})
            self._renew(index, sequences)
            self._reached = changes[-1].upto
            done += len(sequences)
            self._commit_if_full()
            yield done
        self._reached = head.tree_size
        self.commit()

    def remove(self, messages: Iterable[int]) -> list[StoredSpan]:
        """Remove messages, and return the parts of the index whose files have held them.

        Args:
            messages: Numbers of messages that the catalog no longer has.

        Raises:
            VaultError: The index can't be written.
        """
        index, numbers = self.open(), list(messages)
        spans = index.stored_with(numbers)
        index.remove(numbers)
        self.commit()
        return spans

    def renew(self, first: int, end: int, most: int = AT_ONCE) -> tuple[int, int]:
        """Write the next messages of a part of the index again. `catch_up` comes before it.

        Args:
            first: The lowest number of a message that is not written again yet.
            end: The lowest number after the part.
            most: Most messages that are written.

        Returns:
            The lowest number that is not written again yet, `end` if there is none; and how many messages
            were read.

        Raises:
            VaultError: The index can't be written.
        """
        index, done, last = self.open(), 0, min(end, self._reached)
        while done < most and (page := self._vault.catalog.numbers(first, last, PAGE)):
            self._renew(index, page)
            first = page[-1] + 1
            done += len(page)
        self.commit()
        return first if done >= most else end, done

    def close(self) -> None:
        """Close the index. Uncommitted messages are indexed again later."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def _commit_if_full(self) -> None:
        index = self._index
        if index is not None and (
            index.uncommitted >= COMMIT_DOCUMENTS or index.uncommitted_text >= self._commit_text
        ):
            self.commit()

    def _renew(
        self,
        index: SearchIndex,
        sequences: list[int],
        contents: Mapping[int, tuple[ReadFile, ...]] = MappingProxyType({}),
    ) -> None:
        """Index messages in their current form, and remove the messages that they have displaced.

        `contents` is what was read in their attachments; those of other messages wait to be read.
        """
        formers = self._vault.catalog.displaced_by(sequences)
        mentions = self._vault.catalog.mentions(sequences)
        for row, text in self._texts(self._vault.catalog.rows(sequences)):
            gone = formers.get(row.sequence, ())
            document = _document(row, text, mentions.get(row.sequence, ()), gone, contents.get(row.sequence))
            index.remove(number for number, _ in gone)
            index.add([document])
            self._commit_if_full()

    def _texts(self, rows: Sequence[MessageRow]) -> Iterator[tuple[MessageRow, MessageText]]:
        """Yield the rows in order, each with its text for searches."""
        nothing: dict[int, MessageText] = {}

        def mails() -> Iterator[OpenMail]:
            for row in rows:
                mail = None if OPAQUE in row.notes else self._mail(row)
                if mail is None:
                    nothing[row.sequence] = _known_text(row, OPAQUE if OPAQUE in row.notes else DAMAGED)
                yield mail or OpenMail(b"", outline=True)

        for row, found in zip(rows, mail_reader().texts(mails()), strict=True):
            text = nothing.pop(row.sequence, None) or found
            yield row, self._outlined(row, text) if isinstance(text, MailUnreadable) else text

    def _mail(self, row: MessageRow) -> OpenMail | None:
        """Return what can be read of a message; None if nothing can."""
        reader, work, outline = self._vault.reader, own_work(self._vault.folder), UNREAD in row.notes
        try:
            return mail_from(reader.content(row.sha), row.size, work, row.sha, outline=outline)
        except LedgerDamaged as error:
            log.error("message %s is damaged and indexed only in part: %s", row.sha.hex()[:12], error)
        except Erased:  # since its row was read
            return None
        try:
            return mail_from(reader.salvage(row.position), row.size, work, outline=outline)
        except (LedgerDamaged, Erased):
            return None

    def _outlined(self, row: MessageRow, why: MailUnreadable) -> MessageText:
        """Return the text for searches of a message whose text could not be parsed."""
        log.warning("message %s is indexed without its text: %s", row.sha.hex()[:12], why)
        mail = self._mail(row)
        found = next(mail_reader().texts([replace(mail, outline=True)])) if mail is not None else why
        return _known_text(row, UNREAD) if isinstance(found, MailUnreadable) else found


def _known_text(row: MessageRow, note: str) -> MessageText:
    """Return the text for searches that the catalog has of a message which can't be read."""
    people = (mailboxes((row.sender,)), mailboxes((row.to,)))
    return MessageText(row.subject, row.sender, row.to, "", "", "", (), (note,), people=people)


def _document(
    row: MessageRow,
    text: MessageText,
    mentions: Iterable[CatalogMention],
    formers: Iterable[tuple[int, bytes]],
    contents: tuple[ReadFile, ...] | None,
) -> IndexDocument:
    return IndexDocument(
        id=row.sequence,
        date=row.date,
        size=row.size,
        attachments=row.attachments,
        sha=row.sha,
        text=text,
        mentions=tuple(IndexMention(*mention) for mention in mentions),
        formers=tuple(sha for _, sha in formers),
        public_size=row.public_size,
        contents=contents,
    )
