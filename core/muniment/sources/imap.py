"""IMAP mailboxes: one folder of an account or its tree, read without a trace, emptied message by message."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

from muniment.errors import SourceError
from muniment.sources.base import SPOOL_ABOVE, Fetched, Item, Place, Unfetched
from muniment.sources.endpoint import Endpoint
from muniment.sources.folders import Folder
from muniment.sources.imap_wire import ImapWire, NoFolder, Oversized, Row, Selected
from muniment.sources.limits import most_bytes, overrun
from muniment.sources.remote import Answer, RemoteSource
from muniment.sources.retry import Passing, Patience
from muniment.sources.work import kept, spool_file

T = TypeVar("T")

GONE = "it is no longer in the folder"
LISTED_AT_ONCE = 5000
FETCHED_AT_ONCE = 500
"""Messages in one FETCH: few round trips, and a command of at most 6 KB."""
PIECE = 4 * 1024 * 1024
"""Bytes of a large message fetched at once: imaplib holds a literal whole."""


@dataclass(slots=True)
class _Box:
    """A folder that is read."""

    place: Place
    raw: bytes = b""
    validity: str = ""
    read_only: bool = False
    state: str = ""
    """The server's word for all that was in it when its listing began; "" where it has none."""
    exists: int = 0
    """How many messages the server said were there to list."""


class ImapSource(RemoteSource):
    """Folders on an IMAP server. A key is `UIDVALIDITY:UID`, so an unchanged key is an unchanged message."""

    vouches = True

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None]) -> None:
        super().__init__(endpoint, sleep)
        self._boxes: dict[Place, _Box] = {}
        self._wire: ImapWire | None = None
        self._batch = FETCHED_AT_ONCE
        self._sizes_lie = False
        self._mark: Callable[[Place], str] = lambda place: ""
        self._marks: dict[Place, str] = {}

    def resume(self, mark: Callable[[Place], str]) -> None:
        """Pass by folders in which nothing has changed since a mark (see base.Resumable)."""
        self._mark = mark

    def marks(self) -> dict[Place, str]:
        """The state of each folder that was listed to its end."""
        return dict(self._marks)

    def _is_open(self) -> bool:
        return self._wire is not None

    def _open(self) -> None:
        self._wire = ImapWire(self._endpoint)
        try:
            if self._endpoint.folders is None:
                self._select(self._wire, self._box(self._only))
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

    # --- folders --------------------------------------------------------------------------------

    @property
    def _only(self) -> Place:
        """The one folder that is read where no tree is."""
        name = self._endpoint.folder
        return self._place("INBOX" if name.upper() in ("", "INBOX") else name)

    def _place(self, name: str, title: str = "") -> Place:
        return Place(self._endpoint.address, self._endpoint.mailbox, name, title)

    def _box(self, place: Place) -> _Box:
        return self._boxes.setdefault(place, _Box(place))

    def _chosen(self) -> list[_Box]:
        """The folders to read, in the server's order."""
        choice = self._endpoint.folders
        if choice is None:
            return [self._box(self._only)]
        listed = self._persist(lambda wire: wire.folders())
        folders = {one.levels: Folder(one.levels, one.use) for one in listed}
        chosen = []
        for one in listed:
            above = [folders[top] for n in range(1, len(one.levels)) if (top := one.levels[:n]) in folders]
            if choice.wants(folders[one.levels], above):
                box = self._box(self._place(one.name, folders[one.levels].title))
                box.raw = one.raw
                chosen.append(box)
        return chosen

    def _persist(self, ask: Callable[[ImapWire], T]) -> T:
        """What the server answers, in spite of lines that break."""
        patience = Patience(self._sleep)
        while True:
            try:
                return ask(self._opened())
            except Passing as error:
                self._drop()
                patience.again(error)

    def _select(self, wire: ImapWire, box: _Box) -> Selected:
        """Look at the folder (again). Raises NoFolder when it is not the one that was listed."""
        folder = box.place.folder
        selected = wire.select(folder, box.raw)
        if box.validity and box.validity != selected.uidvalidity:
            raise NoFolder(
                f"The folder {folder} on {self._endpoint.address} was made anew meanwhile "
                "(its UIDVALIDITY changed): run again."
            )
        box.validity, box.read_only = selected.uidvalidity, selected.read_only
        return selected

    # --- listing --------------------------------------------------------------------------------

    def listing(self) -> Iterator[Item]:
        """Every message there now, folder by folder, in the order of UIDs, taken 5,000 at a time.

        Of many folders, one that goes away while it is read ends early: the next run sees what became of it.
        """
        self._marks.clear()
        for box in self._chosen():
            box.validity = ""
            try:
                listed = yield from self._listing(box)
                if listed >= box.exists:  # else the server kept some from us: the next run asks again
                    self._marks[box.place] = box.state
            except NoFolder:
                if self._endpoint.folders is None:
                    raise

    def _listing(self, box: _Box) -> Generator[Item, None, int]:
        """Every message of a folder; returns how many there were.

        Messages are asked for by number, which saves searching for UIDs over the gaps. Numbers shift
        when others expunge, so that each step begins at the last message known, and steps back when
        that is no longer there.
        """
        patience = Patience(self._sleep)
        start, after, listed, more = 1, 0, 0, True
        while more:
            try:
                rows, more = self._step(box, start, after)
            except _Shifted as shift:
                patience.again(shift)
                start, more = max(1, start - LISTED_AT_ONCE), True
                continue
            except Passing as error:
                self._drop()
                patience.again(error)
                continue
            fresh = [row for row in rows if row.uid > after]
            if not fresh and more:
                patience.again(
                    Passing(
                        f"{self._endpoint.address} lists fewer messages in {box.place.folder} than it says "
                        "there are: run again later."
                    )
                )
                continue
            if fresh:
                patience.progress()
                after = fresh[-1].uid
                listed += len(fresh)
            for row in fresh:
                yield Item(box.place, f"{box.validity}:{row.uid}", row.size, row.flags, row.date)
            start += LISTED_AT_ONCE - 1
        return listed

    def _step(self, box: _Box, start: int, after: int) -> tuple[list[Row], bool]:
        """Messages numbered from `start` on, and whether there are more behind them.

        Raises _Shifted unless the first is the one with UID `after`, or one before it.
        """
        wire = self._opened()
        selected = self._select(wire, box)
        exists = box.exists = selected.exists
        if start == 1:
            box.state = selected.state
            if box.state and box.state == self._mark(box.place):
                box.exists = 0
                return [], False
        if self._endpoint.folders is None:
            self.expected = exists
        end = min(exists, start + LISTED_AT_ONCE - 1)
        rows = wire.rows(start, end) if start <= end else []
        if start > 1 and (not rows or rows[0].uid > after):
            raise _Shifted(
                f"The folder {box.place.folder} keeps changing while it is listed: run again later."
            )
        return rows, end < exists

    # --- fetching -------------------------------------------------------------------------------

    def _retrieve(self, items: list[Item]) -> Iterator[Answer]:
        for place, group in groupby(items, key=lambda item: item.place):
            yield from self._of_folder(self._box(place), list(group))

    def _of_folder(self, box: _Box, items: list[Item]) -> Iterator[Answer]:
        wire = self._opened()
        try:
            uids = {self._uid(item): item for item in items}
            self._select(wire, box)
        except NoFolder as error:
            if self._endpoint.folders is None:
                raise
            yield from (Unfetched(item, str(error), gone=True) for item in items)
            return
        try:
            for batch in self._batches(list(uids.values())):
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
            announced = sum(self._length(item) for item in batch)
            for uid, body in wire.bodies(list(uids), announced).items():
                yield Fetched(uids.pop(uid), kept(body, self._endpoint.work))
        if not uids:
            return
        present = wire.present(list(uids))
        for uid, item in uids.items():
            content = self._by_pieces(wire, uid, item) if uid in present else None
            if content is not None:
                yield Fetched(item, content)
            elif uid in present:
                yield Unfetched(item, "the server lists it but does not hand it out")
            else:
                yield Unfetched(item, GONE, gone=True)

    def _by_pieces(self, wire: ImapWire, uid: int, item: Item) -> bytes | Path | None:
        piece = wire.piece(uid, 0, PIECE)
        if piece is None or len(piece) < PIECE:
            return piece
        with spool_file(self._endpoint.work) as (file, path):
            size = file.write(piece)
            while piece is not None and len(piece) == PIECE and size != item.size:
                if size > most_bytes(item.size):
                    raise overrun(self._endpoint, item)
                piece = wire.piece(uid, size, PIECE)
                size += file.write(piece or b"")
        if piece is None or size <= SPOOL_ABOVE:
            whole = path.read_bytes() if piece is not None else None
            path.unlink()
            return whole
        return path

    def _uid(self, item: Item) -> int:
        box = self._box(item.place)
        validity, _, uid = item.key.partition(":")
        if validity != box.validity or not uid.isdecimal():
            raise NoFolder(
                f"The folder {item.place.folder} on {self._endpoint.address} is not the one that {item.key} "
                "was listed in (its UIDVALIDITY changed): run again."
            )
        return int(uid)

    # --- deleting -------------------------------------------------------------------------------

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Delete for good, these and no others; returns the items that are no longer in their folder."""
        confirmed: list[Item] = []
        for place, group in groupby(items, key=lambda item: item.place):
            while batch := list(islice(group, FETCHED_AT_ONCE)):
                confirmed += self._delete(self._box(place), batch)
        return confirmed

    def _delete(self, box: _Box, batch: list[Item]) -> list[Item]:
        try:
            return self._persist(lambda wire: self._expunge(wire, box, batch))
        except NoFolder:
            if self._endpoint.folders is None:
                raise
            return []  # the folder has gone, nobody knows where its messages are now

    def _expunge(self, wire: ImapWire, box: _Box, batch: list[Item]) -> list[Item]:
        uids = {self._uid(item): item for item in batch}
        self._select(wire, box)
        self._require_deletable(wire, box)
        wire.expunge(list(uids))
        present = wire.present(list(uids))
        return [item for uid, item in uids.items() if uid not in present]

    def _require_deletable(self, wire: ImapWire, box: _Box) -> None:
        if box.read_only:
            raise SourceError(
                f"The folder {box.place.folder} is read only: have it made writable, or use `--keep`."
            )
        if "UIDPLUS" not in wire.capabilities:
            raise SourceError(
                f"{self._endpoint.address} has no UIDPLUS, so that deleting here could expunge what others "
                "marked: use POP3, or keep the mail with `--keep`."
            )


class _Shifted(Passing):
    """Message numbers have shifted since the last step."""
