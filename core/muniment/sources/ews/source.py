"""Mailboxes on an Exchange Server: the Inbox for journal reports, or the folders of people.

A key is the ItemId. It stays the same while the message is in its folder, and is never used again. Exchange
writes the MIME of a message again at each read, and a message can be edited in place. So key and size prove
no
content: a message that an earlier run archived is read again and compared before it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, groupby, islice
from typing import TypeVar

from muniment.errors import LoginRefused, SourceError
from muniment.net import retry
from muniment.net.dial import ServerUnreachable, dial
from muniment.net.events import LoggedIn
from muniment.net.limits import PageLimit
from muniment.net.retry import TransientError
from muniment.profiles.kinds.ews import EXCHANGE_ONLINE, is_exchange_online
from muniment.sources.base import SPOOL_ABOVE, FetchedItem, MailItem, MailPlace, UnfetchedItem
from muniment.sources.endpoint import EwsEndpoint, MailboxesLeftOut
from muniment.sources.ews.connection import EwsFolder, EwsWire, FolderChanges
from muniment.sources.ews.faults import EwsFolderGone, EwsTrouble, ItemFailure, NoMailbox, StaleMark
from muniment.sources.ews.http import make_auth, offered
from muniment.sources.folders import UnmatchedPatterns
from muniment.sources.mail_limits import MOST_MESSAGES
from muniment.sources.refusing import MailboxRefused
from muniment.sources.remote import SURELY_DEAD, Answer, RemoteSource

T = TypeVar("T")

FETCHED_AT_ONCE = 100
"""Most messages in one GetItem."""
DELETED_AT_ONCE = 100
"""Most messages in one DeleteItem."""
REFUSALS = 3
"""How often in a row a login that has worked before is tried again when it is refused."""
EVERYBODY = "*"
GONE = "it is no longer in its folder"
GROUPS = "distribution groups, which have no mailbox"
ELSEWHERE = "mailboxes outside this server"
REFUSES = ("ErrorAccessDenied", "ErrorCannotDeleteObject")
"""Error codes of a mailbox in which the login can't delete."""


class EwsSource(RemoteSource):
    """One, several or all mailboxes of an Exchange Server."""

    _endpoint: EwsEndpoint
    vouches = False

    def __init__(self, endpoint: EwsEndpoint, sleep: Callable[[float], None]) -> None:
        super().__init__(endpoint, sleep)
        self._wire: EwsWire | None = None
        self._batch = FETCHED_AT_ONCE
        self._stumbled = False
        self._proved = False
        self._refusals = 0
        self._everybody: list[str] = []
        self._undeletable: set[str] = set()
        self._mark: Callable[[MailPlace], str] = lambda place: ""
        self._marks: dict[MailPlace, str] = {}
        self._unmatched = UnmatchedPatterns(None)
        self._hasty = False
        """Whether a mailbox is put off if the server asks to wait."""

    def resume(self, mark: Callable[[MailPlace], str]) -> None:
        """List only messages that came into a folder since its mark (see base.ResumableSource)."""
        self._mark = mark

    def marks(self) -> dict[MailPlace, str]:
        """The state of synchronisation of each folder that was listed to its end."""
        return dict(self._marks)

    def connect(self) -> None:
        """Reach the server and log in (see Source.connect).

        Raises:
            SourceError: Also if the host is Exchange Online, which this kind can't read.
        """
        if is_exchange_online(self._endpoint.host):
            raise SourceError(EXCHANGE_ONLINE)
        super().connect()

    # --- the connection -------------------------------------------------------------------------

    def _is_open(self) -> bool:
        return self._wire is not None

    def _open(self) -> None:
        dial(self._endpoint).close()  # its errors explain more than those of HTTP
        if self._endpoint.tokens is None and self._endpoint.scheme == "password":
            self._endpoint = replace(self._endpoint, scheme=offered(self._endpoint))
        endpoint = self._endpoint
        wire = EwsWire(endpoint, make_auth(endpoint, renew=self._refusals > 0))
        try:
            with self._forgiving():
                self._log_in(wire)
        except BaseException:
            wire.close()
            raise
        self._wire, self._proved = wire, True
        endpoint.on_event(LoggedIn())

    def _log_in(self, wire: EwsWire) -> None:
        """Find out the mailboxes, or open one. If there are several, a closed one does not matter here."""
        if self._endpoint.mailboxes == (EVERYBODY,):
            found = wire.searchable()
            self._everybody = found.people
            for kind, names in ((GROUPS, found.groups), (ELSEWHERE, found.elsewhere)):
                if names:
                    self._endpoint.on_event(MailboxesLeftOut(kind, tuple(names)))
            return
        who, *others = self._endpoint.mailboxes or ("",)
        with suppress(*((NoMailbox, EwsTrouble) if others else ())):
            wire.inbox(who)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Let a refused login pass a few times, if it has worked before.

        The token can have expired, or Exchange wants fewer requests. More attempts could lock the account.
        """
        try:
            yield
        except LoginRefused as error:
            self._refusals += 1
            if not self._proved or self._refusals > REFUSALS:
                raise
            raise TransientError(str(error)) from error
        self._refusals = 0

    def _drop(self) -> None:
        if self._wire:
            self._wire.close()
        self._wire = None

    def _opened(self) -> EwsWire:
        self._reopen()
        assert self._wire is not None
        return self._wire

    def _persist(self, ask: Callable[[EwsWire], T]) -> T:
        """Ask the server, again after each broken connection."""
        patience = self._patience()
        while True:
            wire = self._opened()
            try:
                with self._forgiving():
                    return ask(wire)
            except TransientError as error:
                if not error.wait:
                    self._drop()
                elif self._hasty:
                    raise _PutOff(error.wait) from error
                patience.again(error)

    # --- listing --------------------------------------------------------------------------------

    def listing(self) -> Iterator[MailItem]:
        """List every message, or those since the marks: mailbox by mailbox, folder by folder, 512 at a time.

        If one of several mailboxes or one folder can't be read, the others still are. If the server asks to
        wait before the first message of a mailbox, it is listed after the others. A folder that disappears
        while it is read ends early, and the next run sees the result.

        Raises:
            SourceError: At the end, if a pattern in `folders` matches nothing in any mailbox.
        """
        self._marks.clear()
        self._unmatched = UnmatchedPatterns(self._endpoint.folders)
        self.expected = None
        people = self._people()
        later: dict[str, float] = {}
        first: SourceError | None = None
        failed = in_a_row = 0
        for who in chain(people, later):
            self._hasty = len(people) > 1 and who not in later
            if (left := later.get(who, 0.0) - retry.now()) > 0:
                self._sleep(left)
            try:
                yield from self._mailbox(who, alone=len(people) == 1)
                in_a_row = self._busy = 0
            except _PutOff as busy:
                later[who] = retry.now() + busy.seconds
            except (NoMailbox, EwsFolderGone, TransientError) as error:
                if len(people) == 1 or isinstance(error, ServerUnreachable):
                    raise
                self._busy = self._busy + 1 if isinstance(error, EwsTrouble) else 0
                first, failed = first or error, failed + 1
                # If the connection breaks at several mailboxes in a row, no mailbox is the cause.
                in_a_row = 0 if isinstance(error, NoMailbox | EwsFolderGone | EwsTrouble) else in_a_row + 1
                if in_a_row >= SURELY_DEAD:
                    raise
                self.refuse(who, str(error) if who in str(error) else f"{who} could not be read. {error}")
            finally:
                self._hasty = False
        if first is not None and failed == len(people):
            raise first
        if people:
            self._unmatched.check(self._endpoint.address, several=len(people) > 1)

    def _mailbox(self, who: str, *, alone: bool) -> Iterator[MailItem]:
        boxes = self._chosen(who)
        if alone and not any(self._mark(self._place(who, box)) for box in boxes):
            self.expected = sum(box.count for box in boxes)
        failed = 0
        for box in boxes:
            try:
                yield from self._listing(who, box)
                failed = 0
            except (EwsTrouble, LostTrack) as error:
                failed += 1
                if failed >= SURELY_DEAD or self._endpoint.folders is None:
                    raise
                name = box.folder.title
                where = f"{self._place(who, box).mailbox}/{name}"
                self.refuse(where, f"The folder {name} could not be listed. {error}")

    def _people(self) -> list[str]:
        """The addresses of the mailboxes to read; "" is the login's own."""
        self._opened()
        if self._endpoint.mailboxes == (EVERYBODY,):
            return self._everybody
        return list(dict.fromkeys(one.lower() for one in self._endpoint.mailboxes)) or [""]

    def _chosen(self, who: str) -> list[EwsFolder]:
        choice = self._endpoint.folders
        if choice is None:
            return [self._persist(lambda wire: wire.inbox(who))]
        boxes = self._persist(lambda wire: wire.folders(who))
        self._unmatched.compare(folder for box in boxes for folder in (*box.above, box.folder))
        return [box for box in boxes if choice.wants(box.folder, box.above)]

    def _place(self, who: str, box: EwsFolder) -> MailPlace:
        title = "" if self._endpoint.folders is None else box.folder.title
        return MailPlace(self._endpoint.address, who or self._endpoint.mailbox, box.id, title, who)

    def _listing(self, who: str, box: EwsFolder) -> Iterator[MailItem]:
        place = self._place(who, box)
        marked = state = self._mark(place)
        last = False
        pages = PageLimit(self._endpoint.address, MOST_MESSAGES)
        while not last:
            try:
                changes = self._changes(who, box, state)
            except StaleMark as error:
                if not marked or state != marked:
                    raise LostTrack(
                        f"{self._endpoint.address} lost its place in a folder while listing it: run again."
                    ) from error
                marked = state = ""
                continue
            except EwsFolderGone:
                return
            pages.took(len(changes.rows))
            for row in changes.rows:
                self._hasty = False
                yield MailItem(place, row.id, row.size, date=row.date)
            state, last = changes.state, changes.last
        self._marks[place] = state

    def _changes(self, who: str, box: EwsFolder, state: str) -> FolderChanges:
        return self._persist(lambda wire: wire.changes(who, box.id, state))

    # --- fetching -------------------------------------------------------------------------------

    def _retrieve(self, items: list[MailItem]) -> Iterator[Answer]:
        for place, group in groupby(items, key=lambda item: item.place):
            for batch in self._batches(group):
                yield from self._fetch(place, batch)
                self._batch = min(FETCHED_AT_ONCE, self._batch * 2)
                self._stumbled = False

    def _fetch(self, place: MailPlace, batch: list[MailItem]) -> Iterator[Answer]:
        wire = self._opened()
        try:
            with self._forgiving():
                answers = wire.mime(self._who(place), [item.key for item in batch])
        except TransientError as error:
            if self._stumbled and not error.wait:
                # Smaller and smaller batches isolate the message at which the server fails.
                self._batch = max(1, self._batch // 5)
            self._stumbled = True
            raise
        except NoMailbox as error:
            if len(self._endpoint.mailboxes) == 0:
                raise
            raise MailboxRefused(str(error), place.mailbox) from error
        missing = any(isinstance(answer, ItemFailure) and answer.missing for answer in answers)
        gone = missing and self._can_see(wire, place)
        for item, answer in zip(batch, answers, strict=True):
            if not isinstance(answer, ItemFailure):
                yield FetchedItem(item, answer)
            elif answer.missing and gone:
                yield UnfetchedItem(item, GONE, gone=True)
            else:
                yield UnfetchedItem(item, f"Exchange does not send it ({answer.code})")

    def _can_see(self, wire: EwsWire, place: MailPlace) -> bool:
        """Whether a missing message is really gone: its folder is gone, too, or can still be read."""
        try:
            with self._forgiving():
                wire.is_open(self._who(place), place.folder)
        except NoMailbox:
            return False
        return True

    def _batches(self, items: Iterable[MailItem]) -> Iterator[list[MailItem]]:
        """Group items that fit into memory together; an item that is too large is a batch by itself."""
        batch: list[MailItem] = []
        size = 0
        for item in items:
            length = SPOOL_ABOVE + 1 if item.size is None else item.size
            if batch and (len(batch) >= self._batch or size + length > SPOOL_ABOVE):
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += length
        if batch:
            yield batch

    def _who(self, place: MailPlace) -> str:
        return place.mailbox if self._endpoint.mailboxes else ""

    # --- deleting -------------------------------------------------------------------------------

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Delete items for good, not into the Deleted Items (see Source.delete)."""
        confirmed: list[MailItem] = []
        for place, group in groupby(items, key=lambda item: item.place):
            while batch := list(islice(group, DELETED_AT_ONCE)):
                if place.mailbox not in self._undeletable:
                    confirmed += self._delete(place, batch)
        return confirmed

    def _delete(self, place: MailPlace, batch: list[MailItem]) -> list[MailItem]:
        keys = [item.key for item in batch]
        asked = 0

        def ask(wire: EwsWire) -> list[ItemFailure | None]:
            nonlocal asked
            asked += 1
            return wire.delete(self._who(place), keys)

        try:
            answers = self._persist(ask)
        except (NoMailbox, EwsTrouble) as error:
            self._note_kept(place, str(error))
            return []
        # After a second attempt, a missing message counts as deleted by the first, whose answer was lost.
        # Otherwise someone else has moved or deleted it.
        ours = asked > 1
        refused = [one.code for one in answers if one is not None and not one.missing]
        if refused and len(refused) == len(batch) and refused[0] in REFUSES:
            self._undeletable.add(place.mailbox)
            self._note_kept(
                place,
                f"{self._endpoint.address} does not let this login delete in {place.mailbox} ({refused[0]}): "
                "give it full access, or keep the mail with `--keep`.",
            )
        elif refused:
            self._note_kept(
                place,
                f"Some messages of {place.mailbox} could not be deleted and stay there: "
                f"{self._endpoint.address} answers with {refused[0]}; run again.",
            )
        return [
            item for item, one in zip(batch, answers, strict=True) if one is None or (one.missing and ours)
        ]

    def _note_kept(self, place: MailPlace, reason: str) -> None:
        self.refuse(place.mailbox, reason, deleting=True)


class _PutOff(Exception):
    """The server asks to wait `seconds` for a mailbox, and others can be read meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class LostTrack(SourceError):
    """The listing of a folder can't be completed."""
