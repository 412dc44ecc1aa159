"""IMAP mailboxes: one folder of an account, read without a trace, deleted from message by message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from muniment.errors import SourceError
from muniment.sources.base import SPOOL_ABOVE, Fetched, Item, Place, Unfetched
from muniment.sources.endpoint import Endpoint
from muniment.sources.imap_wire import ImapWire, Oversized, Row, Selected
from muniment.sources.remote import Answer, RemoteSource
from muniment.sources.retry import Passing, Patience
from muniment.sources.work import kept, spool_file

GONE = "it is no longer in the folder"
LISTED_AT_ONCE = 5000
FETCHED_AT_ONCE = 500
"""Messages in one FETCH: few round trips, and a command of at most 6 KB."""
PIECE = 4 * 1024 * 1024
"""Bytes of a large message fetched at once: imaplib holds a literal whole."""


class ImapSource(RemoteSource):
    """A folder on an IMAP server. A key is `UIDVALIDITY:UID`, so an unchanged key is an unchanged message."""

    vouches = True

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None]) -> None:
        super().__init__(endpoint, sleep)
        self._folder = "INBOX" if endpoint.folder.upper() in ("", "INBOX") else endpoint.folder
        self._place = Place(endpoint.address, endpoint.mailbox, self._folder)
        self._wire: ImapWire | None = None
        self._validity = ""
        self._read_only = False
        self._batch = FETCHED_AT_ONCE
        self._sizes_lie = False

    def _is_open(self) -> bool:
        return self._wire is not None

    def _open(self) -> None:
        self._wire = ImapWire(self._endpoint)
        try:
            self._select(self._wire)
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._wire:
            self._wire.close()
        self._wire = None

    def _opened(self) -> ImapWire:
        self._reopen()
        assert self._wire is not None
        return self._wire

    def _select(self, wire: ImapWire) -> Selected:
        """Look at the folder (again). Raises SourceError when it is not the one that was listed."""
        selected = wire.select(self._folder)
        if self._validity and self._validity != selected.uidvalidity:
            raise SourceError(
                f"The folder {self._folder} on {self._endpoint.address} was made anew meanwhile "
                "(its UIDVALIDITY changed): run again."
            )
        self._validity, self._read_only = selected.uidvalidity, selected.read_only
        return selected

    # --- listing --------------------------------------------------------------------------------

    def listing(self) -> Iterator[Item]:
        """Every message there now, in the order of UIDs, taken 5,000 at a time.

        Messages are asked for by number, which saves searching for UIDs over the gaps. Numbers shift
        when others expunge, so that each step begins at the last message known, and steps back when
        that is no longer there.
        """
        patience = Patience(self._sleep)
        start, after, more = 1, 0, True
        while more:
            try:
                rows, more = self._step(start, after)
            except _Shifted as shift:
                patience.again(shift)
                start, more = max(1, start - LISTED_AT_ONCE), True
                continue
            except Passing as error:
                self._drop()
                patience.again(error)
                continue
            fresh = [row for row in rows if row.uid > after]
            if fresh:
                patience.progress()
                after = fresh[-1].uid
            for row in fresh:
                yield Item(self._place, f"{self._validity}:{row.uid}", row.size, row.flags, row.date)
            start += LISTED_AT_ONCE - 1

    def _step(self, start: int, after: int) -> tuple[list[Row], bool]:
        """Messages numbered from `start` on, and whether there are more behind them.

        Raises _Shifted unless the first is the one with UID `after`, or one before it.
        """
        wire = self._opened()
        exists = self._select(wire).exists
        end = min(exists, start + LISTED_AT_ONCE - 1)
        rows = wire.rows(start, end) if start <= end else []
        if start > 1 and (not rows or rows[0].uid > after):
            raise _Shifted(f"The folder {self._folder} keeps changing while it is listed: run again later.")
        return rows, end < exists

    # --- fetching -------------------------------------------------------------------------------

    def _retrieve(self, items: list[Item]) -> Iterator[Answer]:
        wire = self._opened()
        try:
            for batch in self._batches(items):
                yield from self._fetch(wire, batch)
                self._batch = min(FETCHED_AT_ONCE, self._batch * 2)
        except Oversized as error:
            self._sizes_lie = True
            raise Passing(f"{self._endpoint.address} sends more than it announced: use POP3.") from error
        except Passing:
            # A message that the server fails at is come at by smaller and smaller batches.
            self._batch = max(1, self._batch // 5)
            raise

    def _batches(self, items: list[Item]) -> Iterator[list[Item]]:
        """Items to fetch at once: memory takes them all. One that is too large for that stands alone."""
        batch: list[Item] = []
        size = 0
        for item in items:
            length = self._length(item)
            if batch and (len(batch) >= self._batch or size + length > SPOOL_ABOVE):
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += length
        if batch:
            yield batch

    def _length(self, item: Item) -> int:
        return SPOOL_ABOVE + 1 if item.size is None or self._sizes_lie else item.size

    def _fetch(self, wire: ImapWire, batch: list[Item]) -> Iterator[Answer]:
        uids = {self._uid(item): item for item in batch}
        if self._length(batch[0]) <= SPOOL_ABOVE:
            for uid, body in wire.bodies(list(uids)).items():
                yield Fetched(uids.pop(uid), kept(body, self._endpoint.work))
        if not uids:
            return
        present = wire.present(list(uids))
        for uid, item in uids.items():
            content = self._by_pieces(wire, uid, item.size) if uid in present else None
            if content is not None:
                yield Fetched(item, content)
            elif uid in present:
                yield Unfetched(item, "the server lists it but does not hand it out")
            else:
                yield Unfetched(item, GONE, gone=True)

    def _by_pieces(self, wire: ImapWire, uid: int, announced: int | None) -> bytes | Path | None:
        piece = wire.piece(uid, 0, PIECE)
        if piece is None or len(piece) < PIECE:
            return piece
        with spool_file(self._endpoint.work) as (file, path):
            size = file.write(piece)
            while piece is not None and len(piece) == PIECE and size != announced:
                piece = wire.piece(uid, size, PIECE)
                size += file.write(piece or b"")
        if piece is None or size <= SPOOL_ABOVE:
            whole = path.read_bytes() if piece is not None else None
            path.unlink()
            return whole
        return path

    def _uid(self, item: Item) -> int:
        validity, _, uid = item.key.partition(":")
        if validity != self._validity or not uid.isdecimal():
            raise SourceError(
                f"The folder {self._folder} on {self._endpoint.address} is not the one that {item.key} was "
                "listed in (its UIDVALIDITY changed): run again."
            )
        return int(uid)

    # --- deleting -------------------------------------------------------------------------------

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Delete for good, these and no others; returns the items that are no longer in the folder."""
        confirmed: list[Item] = []
        waiting = iter(items)
        while batch := list(islice(waiting, FETCHED_AT_ONCE)):
            confirmed += self._delete(batch)
        return confirmed

    def _delete(self, batch: list[Item]) -> list[Item]:
        patience = Patience(self._sleep)
        while True:
            wire = self._opened()
            self._require_deletable(wire)
            uids = {self._uid(item): item for item in batch}
            try:
                wire.expunge(list(uids))
                present = wire.present(list(uids))
            except Passing as error:
                self._drop()
                patience.again(error)
                continue
            return [item for uid, item in uids.items() if uid not in present]

    def _require_deletable(self, wire: ImapWire) -> None:
        if self._read_only:
            raise SourceError(
                f"The folder {self._folder} is read only: have it made writable, or use `--keep`."
            )
        if "UIDPLUS" not in wire.capabilities:
            raise SourceError(
                f"{self._endpoint.address} has no UIDPLUS, so that deleting here could expunge what others "
                "marked: use POP3, or keep the mail with `--keep`."
            )


class _Shifted(Passing):
    """Message numbers have shifted since the last step."""
