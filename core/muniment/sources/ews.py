"""Mailboxes on an Exchange Server: the Inbox that journal reports arrive in, or people's folders.

A key is the ItemId, which stays as long as the message lies in its folder, and never comes again. Exchange
makes the MIME of a message anew at each read, and lets its text be changed in place, so that no size vouches
for a content: what was archived by an earlier run is read again, and compared, before it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby, islice
from typing import TypeVar

from muniment.errors import LoginRefused, SourceError
from muniment.fields import EXCHANGE_ONLINE, is_exchange_online
from muniment.sources.base import SPOOL_ABOVE, Fetched, Item, Place, Unfetched
from muniment.sources.endpoint import Endpoint, LoggedIn
from muniment.sources.ews_http import make_auth, offered
from muniment.sources.ews_wire import Box, Changes, EwsWire, Failure, NoFolder, NoMailbox, StaleMark
from muniment.sources.limits import MOST_MESSAGES, Pages
from muniment.sources.network import dial
from muniment.sources.remote import Answer, RemoteSource
from muniment.sources.retry import Passing, Patience

T = TypeVar("T")

FETCHED_AT_ONCE = 100
"""Messages in one GetItem."""
DELETED_AT_ONCE = 100
REFUSALS = 3
"""How often in a row a login that has worked may be refused."""
EVERYBODY = "*"
GONE = "it is no longer in its folder"
REFUSES = ("ErrorAccessDenied", "ErrorCannotDeleteObject")


class EwsSource(RemoteSource):
    """One, several or all mailboxes of an Exchange Server."""

    vouches = False

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None]) -> None:
        super().__init__(endpoint, sleep)
        self._wire: EwsWire | None = None
        self._batch = FETCHED_AT_ONCE
        self._stumbled = False
        self._proved = False
        self._refusals = 0
        self._everybody: list[str] = []
        self._mark: Callable[[Place], str] = lambda place: ""
        self._marks: dict[Place, str] = {}

    def resume(self, mark: Callable[[Place], str]) -> None:
        """List only what came into folders since a mark (see base.Resumable)."""
        self._mark = mark

    def marks(self) -> dict[Place, str]:
        """The state of synchronisation of each folder that was listed to its end."""
        return dict(self._marks)

    def connect(self) -> None:
        """Reach the server and log in.

        Raises:
            SourceError: it is Exchange Online, among others.
        """
        if is_exchange_online(self._endpoint.host):
            raise SourceError(EXCHANGE_ONLINE)
        super().connect()

    # --- the connection -------------------------------------------------------------------------

    def _is_open(self) -> bool:
        return self._wire is not None

    def _open(self) -> None:
        dial(self._endpoint).close()  # says what is wrong with the line better than HTTP would
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
        endpoint.tell(LoggedIn())

    def _log_in(self, wire: EwsWire) -> None:
        """Of several mailboxes, one that is shut is the listing's concern."""
        if self._endpoint.mailboxes == (EVERYBODY,):
            self._everybody = wire.everybody()
            return
        who, *others = self._endpoint.mailboxes or ("",)
        with suppress(*((NoMailbox,) if others else ())):
            wire.inbox(who)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """A login that has worked may be refused meanwhile: a token expired, Exchange wants fewer requests.

        It is tried anew a few times; more often could lock the account.
        """
        try:
            yield
        except LoginRefused as error:
            self._refusals += 1
            if not self._proved or self._refusals > REFUSALS:
                raise
            raise Passing(str(error)) from error
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
        """What the server answers, in spite of lines that break."""
        patience = Patience(self._sleep)
        while True:
            try:
                wire = self._opened()
                with self._forgiving():
                    return ask(wire)
            except Passing as error:
                if not error.wait:
                    self._drop()
                patience.again(error)

    # --- listing --------------------------------------------------------------------------------

    def listing(self) -> Iterator[Item]:
        """Every message there now, mailbox by mailbox and folder by folder, taken 512 at a time.

        Of several mailboxes, those that are shut are told of once all others are listed. A folder that goes
        away while it is read ends early: the next run sees what became of it.
        """
        self._marks.clear()
        self.expected = None
        shut: list[NoMailbox] = []
        people = self._people()
        for who in people:
            try:
                boxes = self._chosen(who)
                if len(people) == 1 and not any(self._mark(self._place(who, box)) for box in boxes):
                    self.expected = sum(box.count for box in boxes)
                for box in boxes:
                    yield from self._listing(who, box)
            except NoMailbox as error:
                if len(people) == 1:
                    raise
                shut.append(error)
        if shut:
            raise SourceError(f"{len(shut)} of {len(people)} mailboxes were not read. {shut[0]}")

    def _people(self) -> list[str]:
        """The mailboxes to read: their addresses, or "" for the login's own."""
        self._opened()
        if self._endpoint.mailboxes == (EVERYBODY,):
            return self._everybody
        return list(dict.fromkeys(one.lower() for one in self._endpoint.mailboxes)) or [""]

    def _chosen(self, who: str) -> list[Box]:
        choice = self._endpoint.folders
        if choice is None:
            return [self._persist(lambda wire: wire.inbox(who))]
        boxes = self._persist(lambda wire: wire.folders(who))
        return [box for box in boxes if choice.wants(box.folder, box.above)]

    def _place(self, who: str, box: Box) -> Place:
        title = "" if self._endpoint.folders is None else box.folder.title
        return Place(self._endpoint.address, who or self._endpoint.mailbox, box.id, title, who)

    def _listing(self, who: str, box: Box) -> Iterator[Item]:
        place = self._place(who, box)
        marked = state = self._mark(place)
        last = False
        pages = Pages(self._endpoint.address, MOST_MESSAGES)
        while not last:
            try:
                changes = self._changes(who, box, state)
            except StaleMark as error:
                if not marked or state != marked:
                    raise SourceError(
                        f"{self._endpoint.address} lost track of a folder while listing it: run again."
                    ) from error
                marked = state = ""
                continue
            except NoFolder:
                return
            pages.took(len(changes.rows))
            for row in changes.rows:
                yield Item(place, row.id, row.size, date=row.date)
            state, last = changes.state, changes.last
        self._marks[place] = state

    def _changes(self, who: str, box: Box, state: str) -> Changes:
        return self._persist(lambda wire: wire.changes(who, box.id, state))

    # --- fetching -------------------------------------------------------------------------------

    def _retrieve(self, items: list[Item]) -> Iterator[Answer]:
        for place, group in groupby(items, key=lambda item: item.place):
            for batch in self._batches(group):
                yield from self._fetch(place, batch)
                self._batch = min(FETCHED_AT_ONCE, self._batch * 2)
                self._stumbled = False

    def _fetch(self, place: Place, batch: list[Item]) -> Iterator[Answer]:
        wire = self._opened()
        try:
            with self._forgiving():
                answers = wire.mime(self._who(place), [item.key for item in batch])
        except Passing as error:
            if self._stumbled and not error.wait:
                # A message that the server fails at is come at by smaller and smaller batches.
                self._batch = max(1, self._batch // 5)
            self._stumbled = True
            raise
        for item, answer in zip(batch, answers, strict=True):
            if not isinstance(answer, Failure):
                yield Fetched(item, answer)
            elif answer.gone:
                yield Unfetched(item, GONE, gone=True)
            else:
                yield Unfetched(item, f"Exchange does not hand it out ({answer.code})")

    def _batches(self, items: Iterable[Item]) -> Iterator[list[Item]]:
        """Items to fetch at once: memory takes them all. One that is too large for that stands alone."""
        batch: list[Item] = []
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

    def _who(self, place: Place) -> str:
        return place.mailbox if self._endpoint.mailboxes else ""

    # --- deleting -------------------------------------------------------------------------------

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Delete for good, past the Deleted Items; returns the items that are no longer in their folder."""
        confirmed: list[Item] = []
        for place, group in groupby(items, key=lambda item: item.place):
            while batch := list(islice(group, DELETED_AT_ONCE)):
                confirmed += self._delete(place, batch)
        return confirmed

    def _delete(self, place: Place, batch: list[Item]) -> list[Item]:
        keys = [item.key for item in batch]
        answers = self._persist(lambda wire: wire.delete(self._who(place), keys))
        refused = [one.code for one in answers if one is not None and not one.gone]
        if refused and len(refused) == len(batch) and refused[0] in REFUSES:
            raise SourceError(
                f"{self._endpoint.address} does not let this login delete in {place.mailbox} ({refused[0]}): "
                "give it full access, or keep the mail with `--keep`."
            )
        return [item for item, one in zip(batch, answers, strict=True) if one is None or one.gone]
