"""Feeding the index: from batches as they are committed, or from the ledger for what it lacks."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from muniment.archive.catalog import Mention as CatalogMention
from muniment.archive.catalog import MessageRow
from muniment.archive.facts import DAMAGED
from muniment.archive.files.contents import mail_from
from muniment.archive.files.temp_files import own_work
from muniment.archive.index import Index, IndexDocument, Mention, put_aside
from muniment.archive.ledger.model import Head
from muniment.archive.operations.index_binding import bound, mark_of
from muniment.archive.vault.open_catalog import INDEX, INDEX_NEW, INDEX_OLD
from muniment.archive.vault.vault import Vault
from muniment.errors import LedgerDamaged, MailUnreadable
from muniment.mail.headers.addresses import mailboxes
from muniment.mail.model import MessageText
from muniment.mail.notes import OPAQUE, UNREAD
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import Mail

log = logging.getLogger("muniment.index")

PAGE = 200
"""Messages looked up at a time."""
COMMIT_DOCUMENTS = 20_000
COMMIT_TEXT = 56_000_000
"""Documents, and bytes of their text, that are added between two commits. The index library takes in up to
10,000 documents ahead of the one it works on, however large they are; a commit waits until it is done."""


def behind(vault: Vault) -> int:
    """How many kept messages search does not know yet, or not as they are now."""
    state = vault.index_place.state()
    if not bound(vault, state.watermark, state.mark):
        return vault.catalog.totals().messages
    return vault.catalog.index_behind(state.watermark)


def renew_index(vault: Vault) -> Iterator[int]:
    """Build the index anew beside the one that goes on answering meanwhile, and put it in its place.

    Yields how many messages were read so far. For the thread that archives, between two runs.

    Raises:
        VaultError: it can't be written; the one that there was stays.
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
        with closing(Indexing(vault, new)) as indexing:
            yield from indexing.catch_up()
        vault.index_place.swap(swap)
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


class Indexing:
    """The index of a vault, as its only writer feeds it. Belongs to one thread."""

    def __init__(self, vault: Vault, folder: Path | None = None) -> None:
        """`folder` is where the index is, by default the vault's own place for it."""
        self._vault = vault
        self._folder = folder or vault.folder / INDEX
        self._index: Index | None = None
        self._reached = 0

    @property
    def uncommitted(self) -> int:
        """Documents added since the last commit."""
        return self._index.uncommitted if self._index is not None else 0

    def open(self) -> Index:
        """The index, opened to be written; one that is unusable or of another ledger is set aside.

        What then is in its place is empty, and lacks everything: see `catch_up`.

        Raises:
            VaultError: it can't be written, or another process writes it.
        """
        if self._index is None:
            self._index = self._opened()
            self._reached = self._index.watermark
        return self._index

    def _opened(self) -> Index:
        folder = self._folder
        index = Index.open(folder)
        if index.set_aside is not None:
            log.warning(
                "the index is built anew (%s); it was set aside in %s", index.why_set_aside, index.set_aside
            )
        if bound(self._vault, index.watermark, index.mark):
            return index
        index.close()
        log.warning(
            "the index is of another ledger or of another state of it: set aside in %s", put_aside(folder)
        )
        return Index.open(folder)

    def add(self, head: Head, documents: Sequence[IndexDocument], touched: Sequence[bytes]) -> None:
        """Index a committed batch: its new messages, and those kept before that it concerns.

        All before the batch must have been indexed: see `catch_up`. Commits once much was added.
        """
        index = self.open()
        known = self._vault.catalog.existing([document.id for document in documents])
        index.add(document for document in documents if document.id in known)
        # What was appended anew keeps the number that it had before.
        touched = [*touched, *(document.sha for document in documents if document.id not in known)]
        rows = [row for sha in touched if (row := self._vault.catalog.message_by_sha(sha)) is not None]
        for start in range(0, len(rows), PAGE):
            self._renew(index, [row.sequence for row in rows[start : start + PAGE]])
        self._reached = head.tree_size
        self._commit_if_full()

    def commit(self) -> None:
        """Make what was added durable and findable."""
        if self._index is not None and (self.uncommitted or self._index.watermark < self._reached):
            self._index.commit(self._reached, mark_of(self._vault))

    def catch_up(self) -> Iterator[int]:
        """Index all that the index lacks, and commit; yields how many messages were read so far."""
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

    def close(self) -> None:
        """Close the index; what was not committed is indexed anew another time."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def _commit_if_full(self) -> None:
        index = self._index
        if index is not None and (
            index.uncommitted >= COMMIT_DOCUMENTS or index.uncommitted_text >= COMMIT_TEXT
        ):
            self.commit()

    def _renew(self, index: Index, sequences: list[int]) -> None:
        """Index messages as they are now, in the place of what gave way to them."""
        formers = self._vault.catalog.formers_of(sequences)
        mentions = self._vault.catalog.mentions(sequences)
        for row, text in self._texts(self._vault.catalog.rows(sequences)):
            gone = formers.get(row.sequence, ())
            document = _document(row, text, mentions.get(row.sequence, ()), gone)
            index.remove(number for number, _ in gone)
            index.add([document])
            self._commit_if_full()

    def _texts(self, rows: Sequence[MessageRow]) -> Iterator[tuple[MessageRow, MessageText]]:
        """The rows in order, each with what can be searched of it."""
        nothing: dict[int, MessageText] = {}

        def mails() -> Iterator[Mail]:
            for row in rows:
                mail = None if OPAQUE in row.notes else self._mail(row)
                if mail is None:
                    nothing[row.sequence] = _known_text(row, OPAQUE if OPAQUE in row.notes else DAMAGED)
                yield mail or Mail(b"", outline=True)

        for row, found in zip(rows, mail_reader().texts(mails()), strict=True):
            text = nothing.pop(row.sequence, None) or found
            yield row, self._outlined(row, text) if isinstance(text, MailUnreadable) else text

    def _mail(self, row: MessageRow) -> Mail | None:
        """A message to be read, or what is left of it; None where that is nothing."""
        reader, work, outline = self._vault.reader, own_work(self._vault.folder), UNREAD in row.notes
        try:
            return mail_from(reader.content(row.sha), row.size, work, row.sha, outline=outline)
        except LedgerDamaged as error:
            log.error("message %s is indexed as far as it can be read: %s", row.sha.hex()[:12], error)
        try:
            return mail_from(reader.salvage(row.position), row.size, work, outline=outline)
        except LedgerDamaged:
            return None

    def _outlined(self, row: MessageRow, why: MailUnreadable) -> MessageText:
        """What can be searched of a message over whose text the parser failed."""
        log.warning("message %s is indexed without its text: %s", row.sha.hex()[:12], why)
        mail = self._mail(row)
        found = next(mail_reader().texts([replace(mail, outline=True)])) if mail is not None else why
        return _known_text(row, UNREAD) if isinstance(found, MailUnreadable) else found


def _known_text(row: MessageRow, note: str) -> MessageText:
    """What the catalog knows of a message that can't be read."""
    people = (mailboxes((row.sender,)), mailboxes((row.to,)))
    return MessageText(row.subject, row.sender, row.to, "", "", "", (), (note,), people=people)


def _document(
    row: MessageRow,
    text: MessageText,
    mentions: Iterable[CatalogMention],
    formers: Iterable[tuple[int, bytes]],
) -> IndexDocument:
    return IndexDocument(
        id=row.sequence,
        date=row.date,
        size=row.size,
        attachments=row.attachments,
        sha=row.sha,
        text=text,
        mentions=tuple(Mention(*mention) for mention in mentions),
        formers=tuple(sha for _, sha in formers),
        public_size=row.public_size,
    )
