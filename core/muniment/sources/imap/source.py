"""IMAP mailboxes: one folder of an account, or several. Reading leaves no mark at the server."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import groupby, islice
from typing import TypeVar

from muniment.errors import SourceError
from muniment.net.retry import RetryPolicy, TransientError
from muniment.sources.base import MailItem, MailPlace, UnfetchedItem
from muniment.sources.endpoint import ImapEndpoint
from muniment.sources.folders import FolderChoice, existing, no_match
from muniment.sources.imap.bodies import BodyFetcher
from muniment.sources.imap.client import AnswerTooLarge
from muniment.sources.imap.connection import FolderGone, FolderNotOpened, ImapWire, SelectedFolder
from muniment.sources.imap.namespaces import locate, own_prefix, prefixes
from muniment.sources.imap.text import ListedMessage, encode_folder, unlisted
from muniment.sources.imap.tree import (
    GMAIL_CAPABILITY,
    GmailLabels,
    ImapFolder,
    ImapFolderTree,
    choose,
    not_emptied,
    owned,
    remarks,
)
from muniment.sources.imap.trouble import (
    RecreatedFolder,
    ShiftedNumbers,
    SickFolder,
    not_deleted,
    read_only,
    too_few,
    undeletable,
)
from muniment.sources.refusing import MailboxRefused
from muniment.sources.remote import Answer, RemoteSource

T = TypeVar("T")

LOOKS = 2
"""Number of times that messages are asked for in a folder that lists fewer than it says there are."""
OPENED = 3
"""Number of attempts to open a folder for fetching before it is given up."""


class ImapSource(RemoteSource):
    """Folders on an IMAP server. A key is `UIDVALIDITY:UID`; an unchanged key proves an unchanged message."""

    vouches = True
    _endpoint: ImapEndpoint

    def __init__(self, endpoint: ImapEndpoint, sleep: Callable[[float], None]) -> None:
        super().__init__(endpoint, sleep)
        self._boxes: dict[MailPlace, ImapFolder] = {}
        self._wire: ImapWire | None = None
        self._batch = endpoint.limits.fetched_at_once
        self._bodies = BodyFetcher(endpoint)
        self._mark: Callable[[MailPlace], str] = lambda place: ""
        self._marks: dict[MailPlace, str] = {}
        self._tree: ImapFolderTree | None = None
        name = endpoint.folder
        self._only = self._place("INBOX" if name.upper() in ("", "INBOX") else name)
        """The folder to read if the endpoint names only one."""
        self._attempts: dict[MailPlace, int] = {}
        """Number of failed attempts to open each folder for fetching."""

    def resume(self, mark: Callable[[MailPlace], str]) -> None:
        """Skip folders in which nothing has changed since a mark (see base.ResumableSource)."""
        self._mark = mark

    def marks(self) -> dict[MailPlace, str]:
        """The state of each folder that was listed to its end."""
        return dict(self._marks)

    def _is_open(self) -> bool:
        return self._wire is not None

    def _open(self) -> None:
        self._wire = ImapWire(self._endpoint)
        try:
            if self._endpoint.folders is None:
                self._select_only(self._wire)
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

    def _place(self, name: str) -> MailPlace:
        return MailPlace(self._endpoint.address, self._endpoint.mailbox, name)

    def _box(self, place: MailPlace) -> ImapFolder:
        return self._boxes.setdefault(place, ImapFolder(place))

    def _select_only(self, wire: ImapWire) -> None:
        """Open the only folder; the name in the profile can omit the server's prefix."""
        try:
            self._select(wire, self._box(self._only))
        except FolderGone as error:
            name, prefix = self._only.folder, own_prefix(wire.namespaces())
            if not prefix or name.startswith(prefix) or wire.still_lists(encode_folder(name).encode()):
                raise self._with_names(wire, error) from error
            place = self._place(prefix + name)
            try:
                self._select(wire, self._box(place))
            except FolderGone:
                raise self._with_names(wire, error) from error
            self._only = place
        self._find_owner(wire, self._box(self._only))

    def _find_owner(self, wire: ImapWire, box: ImapFolder) -> None:
        """Note whether the only folder belongs to others, since nothing may be deleted there."""
        place = box.place
        if place.folder != "INBOX":
            raw = encode_folder(place.folder).encode()
            listed = wire.listed(raw) or unlisted(raw)
            self._only = box.place = owned(place, self._endpoint, listed, wire.namespaces())

    def _with_names(self, wire: ImapWire, error: FolderGone) -> SourceError:
        """The error for a folder that can't be opened; it names the existing folders."""
        folders = [one.folder for one in locate(wire.folders([b""]), wire.namespaces())]
        return FolderGone(f"{str(error).rstrip('.')}; {existing(folders)}.")

    def _chosen(self) -> list[ImapFolder]:
        """The folders to read, in the server's order."""
        choice = self._endpoint.folders
        if choice is None:
            return [self._box(self._only)]
        try:
            self._tree = self._persist(lambda wire: self._look(wire, choice))
        except SickFolder as sick:
            raise sick.error from sick
        return [self._known(box) for box in self._tree.boxes]

    def _look(self, wire: ImapWire, choice: FolderChoice) -> ImapFolderTree:
        namespaces = wire.namespaces()
        listed = wire.folders(prefixes(namespaces, shared=self._endpoint.shared))
        if not listed:  # there is always an INBOX (RFC 9051, 5.1)
            raise TransientError(
                f"{self._endpoint.address} lists no folder, not even the Inbox: run again, and if that does "
                "not help, ask the people who run that server."
            )
        return choose(self._endpoint, choice, locate(listed, namespaces), wire.capabilities)

    def _known(self, box: ImapFolder) -> ImapFolder:
        """The known folder for a folder of the tree, updated, so that its state is kept."""
        found = self._boxes.setdefault(box.place, box)
        found.place, found.raw, found.labelled, found.stays = box.place, box.raw, box.labelled, box.stays
        return found

    def _persist(self, ask: Callable[[ImapWire], T]) -> T:
        """Ask the server, again after each broken connection. Raises SickFolder if it keeps failing."""
        patience = self._patience()
        while True:
            wire = self._opened()
            try:
                return ask(wire)
            except TransientError as error:
                self._drop()
                self._wait(patience, error)

    def _wait(self, patience: RetryPolicy, error: TransientError) -> None:
        """Wait before another attempt. Raises SickFolder if no attempt is left."""
        try:
            patience.again(error)
        except TransientError as last:
            self._given_up += 1
            raise SickFolder(last) from last

    def _select(self, wire: ImapWire, box: ImapFolder) -> SelectedFolder:
        """Select a folder and note its state. Raises FolderGone if it is not the one that was listed."""
        folder = box.place.folder
        selected = wire.select(folder, box.raw)
        if box.validity and box.validity != selected.uidvalidity:
            raise RecreatedFolder(
                f"The folder {folder} on {self._endpoint.address} was created again in the meantime "
                "(its UIDVALIDITY changed): run again."
            )
        box.validity, box.read_only = selected.uidvalidity, selected.read_only
        return selected

    # --- listing --------------------------------------------------------------------------------

    def listing(self) -> Iterator[MailItem]:
        """List every message that is there now: folder by folder, in the order of UIDs, 5,000 at a time.

        If there are several folders, one that disappears while it is read ends early, and the next run sees
        the result. One that can't be read is named by `refusals`.

        Raises:
            SourceError: At the end, if a pattern in `folders` matches nothing.
        """
        self._marks.clear()
        for box in self._chosen():
            box.validity = ""
            try:
                listed = yield from self._listing(box)
                if listed >= box.exists:
                    self._marks[box.place] = box.state
                else:  # without a mark, the next run asks again
                    self.refuse(_where(box.place), str(too_few(self._endpoint, box, listed)))
                self._check_deletable(box)
            except FolderGone as error:
                self._gone(box, error)
            except SickFolder as sick:
                if self._endpoint.folders is None:
                    raise sick.error from sick
                self.refuse(_where(box.place), str(sick.error))
        if self._tree and self._tree.missing:
            raise no_match(self._endpoint.address, self._tree.missing, self._tree.folders)

    def _gone(self, box: ImapFolder, error: FolderGone) -> None:
        """Handle a folder that could not be opened: it is refused, unless it no longer exists."""
        if self._endpoint.folders is None:
            raise error
        if self._opened().still_lists(box.raw):
            self.refuse(_where(box.place), str(error))

    def _check_deletable(self, box: ImapFolder) -> None:
        if self._endpoint.deletes and box.read_only and not box.place.others:
            if self._endpoint.folders is None:
                raise read_only(box.place.folder)
            self.refuse(_where(box.place), str(read_only(box.place.folder)), deleting=True)

    def _listing(self, box: ImapFolder) -> Generator[MailItem, None, int]:
        """List every message of a folder; returns their number. Raises SickFolder if it can't be read.

        Messages are asked for by number, because UIDs have gaps. Numbers shift when other sessions expunge
        messages. So each step begins at the last known message, and goes back if that is gone.
        """
        patience = self._patience()
        labels = GmailLabels(box.place, self._endpoint.folders or FolderChoice()) if box.labelled else None
        start, after, listed, more = 1, 0, 0, True
        while more:
            wire = self._opened()
            try:
                rows, more = self._step(wire, box, start, after)
            except ShiftedNumbers as shift:
                self._wait(patience, shift)
                start, more = max(1, start - self._endpoint.limits.listed_at_once), True
                continue
            except TransientError as error:
                self._drop()
                self._wait(patience, error)
                continue
            except FolderGone:
                raise
            except SourceError as error:
                self._drop()
                raise SickFolder(error) from error
            fresh = [row for row in rows if row.uid > after]
            if not fresh and more:
                self._wait(patience, too_few(self._endpoint, box, listed))
                continue
            if fresh:
                patience.progress()
                after = fresh[-1].uid
                listed += len(fresh)
            for row in fresh:
                place = labels.place(row.labels) if labels else box.place
                if place is not None:
                    key = f"{box.validity}:{row.uid}"
                    yield MailItem(place, key, row.size, row.flags, row.date, stays=box.stays)
            start += self._endpoint.limits.listed_at_once - 1
        return listed

    def _step(
        self, wire: ImapWire, box: ImapFolder, start: int, after: int
    ) -> tuple[list[ListedMessage], bool]:
        """The messages numbered from `start` on, and whether there are more after them.

        If there are fewer than SELECT says, they are asked for once more, since others may expunge some.

        Raises ShiftedNumbers if the first one comes after the message with UID `after`.
        """
        for _ in range(LOOKS):
            rows, end = self._rows(wire, box, start)
            if len(rows) >= end + 1 - start:
                break
        if start > 1 and (not rows or rows[0].uid > after):
            raise ShiftedNumbers(
                f"The folder {box.place.folder} keeps changing while it is listed: run again later."
            )
        return rows, end < box.exists

    def _rows(self, wire: ImapWire, box: ImapFolder, start: int) -> tuple[list[ListedMessage], int]:
        """The messages numbered from `start` on, as many as are listed at once, and the last number."""
        selected = self._select(wire, box)
        exists = box.exists = selected.exists
        if start == 1:
            box.state = selected.state
            if box.state and box.state == self._mark(box.place):
                box.exists = 0
                return [], 0
        if self._endpoint.folders is None:
            self.expected = exists
        end = min(exists, start + self._endpoint.limits.listed_at_once - 1)
        return wire.rows(start, end, labels=box.labelled) if start <= end else [], end

    # --- fetching -------------------------------------------------------------------------------

    def _retrieve(self, items: list[MailItem]) -> Iterator[Answer]:
        for place, group in groupby(items, key=lambda item: item.place):
            yield from self._of_folder(self._box(place), list(group))

    def _of_folder(self, box: ImapFolder, items: list[MailItem]) -> Iterator[Answer]:
        wire = self._opened()
        try:
            uids = {self._uid(item): item for item in items}
            self._open_to_fetch(wire, box)
        except FolderGone as error:
            if self._endpoint.folders is None:
                raise
            if box.raw and wire.still_lists(box.raw) and not isinstance(error, RecreatedFolder):
                raise self._shut_folder(box.place, error) from error
            yield from (UnfetchedItem(item, str(error), gone=True) for item in items)
            return
        try:
            for batch in self._bodies.batches(list(uids.values()), self._batch):
                yield from self._bodies.fetch(wire, {self._uid(item): item for item in batch})
                self._batch = min(self._endpoint.limits.fetched_at_once, self._batch * 2)
        except AnswerTooLarge as error:
            self._bodies.sizes_lie = True
            raise TransientError(
                f"{self._endpoint.address} sends more than it announced: use POP3."
            ) from error
        except TransientError:
            # Smaller and smaller batches isolate the message at which the server fails.
            self._batch = max(1, self._batch // 5)
            raise

    def _open_to_fetch(self, wire: ImapWire, box: ImapFolder) -> None:
        """Select a folder. Raises MailboxRefused for one of several that can't be opened in OPENED
        attempts."""
        try:
            self._select(wire, box)
        except FolderNotOpened as error:
            attempts = self._attempts[box.place] = self._attempts.get(box.place, 0) + 1
            if self._endpoint.folders is None or attempts < OPENED:
                raise
            raise self._shut_folder(box.place, error) from error
        self._attempts.pop(box.place, None)

    def _shut_folder(self, place: MailPlace, error: SourceError) -> MailboxRefused:
        return MailboxRefused(str(error), place.mailbox, place.folder, place.title)

    def _uid(self, item: MailItem) -> int:
        box = self._box(item.place)
        validity, _, uid = item.key.partition(":")
        if validity != box.validity or not uid.isdecimal():
            raise RecreatedFolder(
                f"The folder {item.place.folder} on {self._endpoint.address} is not the one in which "
                f"{item.key} was listed (its UIDVALIDITY changed): run again."
            )
        return int(uid)

    # --- deleting -------------------------------------------------------------------------------

    def undeletable(self) -> str:
        """Why nothing can be deleted at the server (see base.DeletingSource)."""
        wire = self._opened()
        return not_emptied(self._endpoint, self._only) or self._undeletable(wire)

    def _undeletable(self, wire: ImapWire) -> str:
        return undeletable(self._endpoint, wire.capabilities, lambda: self._trash(wire))

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Delete these items for good, and no others (see Source.delete).

        At Gmail they go to the trash, which Gmail empties after 30 days. Nothing is deleted in folders of
        others.

        Returns:
            The items that this call removed from their folders.
        """
        confirmed: list[MailItem] = []
        for place, group in groupby(items, key=lambda item: item.place):
            while batch := list(islice(group, self._endpoint.limits.fetched_at_once)):
                if not any(item.place.others or item.stays for item in batch):
                    confirmed += self._delete(self._box(place), batch)
        return confirmed

    def _delete(self, box: ImapFolder, batch: list[MailItem]) -> list[MailItem]:
        seen: set[int] = set()
        try:
            return self._persist(lambda wire: self._expunge(wire, box, batch, seen))
        except FolderGone:
            if self._endpoint.folders is None:
                raise
            return []  # the folder is gone; its messages may have been moved
        except (SickFolder, SourceError) as sick:
            error = sick.error if isinstance(sick, SickFolder) else sick
            if self._endpoint.folders is None:
                raise error from sick
            self.refuse(_where(box.place), str(error), deleting=True)
            return []

    def _expunge(
        self, wire: ImapWire, box: ImapFolder, batch: list[MailItem], seen: set[int]
    ) -> list[MailItem]:
        """Try once to delete. `seen` collects the UIDs that were there; the others may have been moved."""
        uids = {self._uid(item): item for item in batch}
        self._select(wire, box)
        if box.read_only:
            raise SickFolder(read_only(box.place.folder))
        seen |= wire.present(list(uids))
        if reason := self._undeletable(wire):
            raise SourceError(reason)
        if GMAIL_CAPABILITY in wire.capabilities:
            trash = self._trash(wire)
            self._select(wire, box)
            wire.move(list(uids), trash)
        else:
            wire.expunge(list(uids))
        present = wire.present(list(uids))
        if kept := len(seen & present):
            self.refuse(_where(box.place), not_deleted(self._endpoint, box.place.folder, kept), deleting=True)
        return [item for uid, item in uids.items() if uid in seen and uid not in present]

    def _trash(self, wire: ImapWire) -> bytes:
        """Gmail's folder for deleted messages, as LIST gives it; b"" if it is hidden."""
        if self._tree is None:
            self._tree = self._look(wire, self._endpoint.folders or FolderChoice())
        return self._tree.trash

    # --- what an administrator should know --------------------------------------------------------

    def remarks(self) -> list[str]:
        """What an administrator should know of this server (see base.RemarkingSource)."""
        alerts = [f"the server says {alert}" for alert in self._opened().alerts]
        return alerts + (remarks(self._endpoint, self._tree) if self._tree else [])


def _where(place: MailPlace) -> str:
    """A folder's name for people, with its mailbox."""
    return f"{place.mailbox}/{place.title or place.folder}"
