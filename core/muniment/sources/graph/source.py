"""Microsoft 365 mailboxes by Microsoft Graph: their folders, what changed in each, and their messages' MIME.

The service writes a message's MIME again at each read, and a message can be edited in its mailbox. So a key
proves no content: a message that an earlier run archived is fetched again and compared before it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from typing import Any

from muniment.errors import SourceError
from muniment.net.dial import dial
from muniment.net.events import LoggedIn
from muniment.net.limits import PageLimit
from muniment.net.retry import RetryPolicy, TransientError
from muniment.sources.base import MailItem, MailPlace
from muniment.sources.endpoint import ExchangeEndpoint, MailboxesLeftOut
from muniment.sources.folders import UnmatchedPatterns
from muniment.sources.graph.answers import FORBIDDEN, GraphPage, GraphRefused, RetryLater, understood
from muniment.sources.graph.connection import ConnectionCut, GraphTokenRefused, GraphWire, proxy_for
from muniment.sources.graph.deleting import MessageDeleter
from muniment.sources.graph.fetching import THREADS, GraphFetcher
from muniment.sources.graph.folders import (
    FolderListing,
    GraphFolderTree,
    GraphMailbox,
    MailboxPassedOver,
    explained,
)
from muniment.sources.graph.lanes import MailboxDelayed
from muniment.sources.listing_store import ListingStore
from muniment.sources.mail_limits import MOST_FOLDERS, MOST_MESSAGES
from muniment.sources.received import of_instant
from muniment.sources.refusing import MailboxRefused, RefusalKeeper
from muniment.sources.remote import SURELY_DEAD, Answer
from muniment.sources.spool_files import make_work

EVERYBODY = "*"
PASSED = "people who have no mailbox, or whose mailbox the application may not read"


class GraphSource(RefusalKeeper):
    """One, several or all mailboxes of a tenant. A key is a message's immutable id."""

    session = 5000
    vouches = False

    def __init__(self, endpoint: ExchangeEndpoint, sleep: Callable[[float], None]) -> None:
        super().__init__()
        if endpoint.tokens is None:
            raise SourceError("Microsoft Graph accepts no password: set `auth` to app or device.")
        self._endpoint = replace(endpoint, security="tls")
        self._tokens = endpoint.tokens
        self._sleep = sleep
        self.expected: int | None = None
        self._open: GraphWire | None = None
        self._fetching: GraphFetcher | None = None
        self._deleting: MessageDeleter | None = None
        self._boxes: dict[str, GraphMailbox] = {}
        self._mark: Callable[[MailPlace], str] = lambda place: ""
        self._marks: dict[MailPlace, str] = {}
        self._parents: dict[MailPlace, set[str]] = {}
        """Ids that messages give for the folder in which they were listed, if they differ from its id."""
        self._unmatched = UnmatchedPatterns(None)

    def resume(self, mark: Callable[[MailPlace], str]) -> None:
        """List only what changed since a mark, which is a delta link (see base.ResumableSource)."""
        self._mark = mark

    def marks(self) -> dict[MailPlace, str]:
        """The delta link of each folder that was listed to its end."""
        return dict(self._marks)

    # --- getting in -----------------------------------------------------------------------------

    def connect(self) -> None:
        """Reach the service, log in, and find out the mailboxes (see Source.connect)."""
        make_work(self._endpoint.work)
        if not proxy_for(self._endpoint.host):
            with closing(dial(self._endpoint)):  # its errors explain a wrong host, port or certificate
                pass
        named = self._endpoint.mailboxes or (self._endpoint.mailbox,)
        if EVERYBODY in named:
            boxes = self._everybody()
        else:
            boxes = [GraphMailbox(name.strip().lower(), name.strip()) for name in named]
        self._boxes = {box.address: box for box in boxes}
        if not self._several:
            try:
                self._wire.page(boxes[0].address, f"{boxes[0].path}/mailFolders/inbox?$select=id")
            except GraphRefused as error:
                raise explained(boxes[0], error) from error
        self._endpoint.on_event(LoggedIn())

    @property
    def _several(self) -> bool:
        return bool(self._endpoint.mailboxes)

    @property
    def _wire(self) -> GraphWire:
        if self._open is None:
            self._open = GraphWire(self._endpoint, self._tokens, self._sleep, THREADS)
        return self._open

    def close(self) -> None:
        """Close all connections. It never deletes anything, and can be called twice."""
        if self._fetching:
            self._fetching.close()
        if self._open:
            self._open.close()
        self._fetching = self._deleting = self._open = None

    def _everybody(self) -> list[GraphMailbox]:
        """Everyone in the tenant who has a mail address; not all of them have a mailbox."""
        found: list[GraphMailbox] = []
        pages = PageLimit(self._endpoint.address, MOST_FOLDERS)
        link = "/users?$select=id,mail&$top=999"
        while link:
            try:
                page = self._wire.page("", link)
            except GraphRefused as error:
                if error.status != FORBIDDEN:
                    raise
                raise SourceError(
                    "Microsoft Graph does not let the application list the people of the tenant: grant it "
                    "the permission User.Read.All with admin consent (Entra admin centre, App registrations, "
                    "API permissions), or name the mailboxes."
                ) from error
            with understood(self._endpoint):
                found += [
                    GraphMailbox(str(one["mail"]).lower(), str(one["id"]))
                    for one in page.values
                    if one.get("mail")
                ]
            pages.took(len(page.values))
            link = page.next
        return found

    # --- listing --------------------------------------------------------------------------------

    def listing(self) -> Iterator[MailItem]:
        """List every message, or those that changed since the marks, folder by folder.

        If a mailbox or a folder can't be read, the others still are. A mailbox for which the service asks to
        wait is listed after the others. With `mailboxes = ["*"]`, people without a mailbox are skipped, and
        so are mailboxes that the application has no right to read.

        Raises:
            SourceError: At the end, if a pattern in `folders` matches nothing in any mailbox.
        """
        self._marks.clear()
        self._unmatched = UnmatchedPatterns(self._endpoint.folders)
        failed = _Failed(self._wire, len(self._boxes))
        passed: list[str] = []
        due = list(self._boxes.values())
        while due:
            later: list[GraphMailbox] = []
            for box in due:
                try:
                    yield from self._mailbox(box)
                    failed.in_a_row = 0
                except MailboxDelayed:
                    later.append(box)
                except (MailboxRefused, GraphRefused, GraphTokenRefused, TransientError) as error:
                    if not self._several:
                        raise
                    failed.take(error)
                    if isinstance(error, MailboxPassedOver) and EVERYBODY in self._endpoint.mailboxes:
                        passed.append(box.address)
                    else:
                        self.refuse(box.address, str(_of(box, error)))
            if later:
                opened = self._wire.lanes.await_one(box.address for box in later)
                # Mailboxes that can be asked now come first; the others raise MailboxDelayed again.
                due = sorted(later, key=lambda box: box.address not in opened)
            else:
                due = []
        if failed.count and failed.count == len(self._boxes):
            assert failed.first is not None
            raise failed.first
        if passed:
            self._endpoint.on_event(MailboxesLeftOut(PASSED, tuple(passed)))
        if self._boxes:
            self._unmatched.check(self._endpoint.address, several=len(self._boxes) > 1)

    def _mailbox(self, box: GraphMailbox) -> Iterator[MailItem]:
        """The messages of a mailbox. Raises MailboxDelayed if the service asks to wait before the first
        message."""
        tree = GraphFolderTree(self._endpoint, self._wire, box, self.refuse, wait=not self._several)
        folders = tree.chosen(box.address if self._several else "", self._unmatched)
        if not self._several:
            fresh = not any(self._mark(folder.place) for folder in folders)
            self.expected = sum(folder.messages for folder in folders) if fresh else None
        patient, failed = not self._several, 0
        for folder in folders:
            try:
                for item in self._folder(box, folder, wait=patient):
                    patient = True
                    yield item
                failed = 0
            except (MailboxDelayed, RetryLater, ConnectionCut, MailboxRefused, GraphTokenRefused):
                raise
            except (GraphRefused, TransientError) as error:
                failed += 1
                if failed >= SURELY_DEAD:
                    raise
                title = folder.place.title
                self.refuse(f"{box.address}/{title}", f"The folder {title} could not be listed. {error}")

    def _folder(self, box: GraphMailbox, folder: FolderListing, *, wait: bool) -> Iterator[MailItem]:
        """The messages of a folder, each only once, even if the service repeats entries or must start again.

        A folder that disappears while it is read ends early, and the next run sees the result.
        """
        place = folder.place
        patience = RetryPolicy(self._sleep)
        first = f"{folder.path}/messages/delta?$select=receivedDateTime,parentFolderId"
        link = self._mark(place) or first
        seen = ListingStore(self._endpoint.work, self._endpoint.limits)
        pages = PageLimit(self._endpoint.address, MOST_MESSAGES)
        page = GraphPage([])
        while link:
            try:
                page = self._wire.page(box.address, link, wait=wait)
            except GraphRefused as error:
                if error.stale:
                    patience.again(
                        TransientError(f"The folder {place.title} can't be listed to its end: run again.")
                    )
                    link = first
                    continue
                if error.no_item:
                    return
                if error.no_mailbox:
                    raise explained(box, error) from error
                raise
            with understood(self._endpoint):
                listed = {str(one["id"]): one for one in page.values if "@removed" not in one}
            known = seen.numbers(list(listed))
            pages.took(len(page.values) - len(known))
            seen.merge((key, "") for key in listed if key not in known)
            for key, one in listed.items():
                if key not in known:
                    self._learn_parent(place, one.get("parentFolderId"))
                    wait = True
                    yield MailItem(place, key, date=_seconds(one.get("receivedDateTime")))
            link = page.next
        self._marks[place] = page.delta

    def _learn_parent(self, place: MailPlace, parent: Any) -> None:
        if isinstance(parent, str) and parent != place.folder:
            self._parents.setdefault(place, set()).add(parent)

    # --- fetching -------------------------------------------------------------------------------

    def fetch(self, items: Sequence[MailItem]) -> Iterator[Answer]:
        """Fetch the MIME of listed items (see Source.fetch), at most AT_ONCE of a mailbox at a time.

        No item is answered twice. An item at which the service keeps failing is answered with UnfetchedItem,
        and so are the items of a mailbox that is given up.
        """
        if self._fetching is None:
            self._fetching = GraphFetcher(
                self._wire, lambda item: self._box(item.place), self.refuse, several=self._several
            )
        return self._fetching.fetch(items)

    def _box(self, place: MailPlace) -> GraphMailbox:
        return self._boxes.get(place.mailbox) or GraphMailbox(place.mailbox, place.mailbox)

    # --- deleting -------------------------------------------------------------------------------

    @property
    def _deleter(self) -> MessageDeleter:
        if self._deleting is None:
            self._deleting = MessageDeleter(
                self._endpoint.host,
                self._wire,
                lambda item: self._parents.get(item.place, {item.place.folder}),
                lambda where, reason: self.refuse(where, reason, deleting=True),
            )
        return self._deleting

    def undeletable(self) -> str:
        """Why nothing can be deleted for good (see base.DeletingSource)."""
        return self._deleter.undeletable(self._boxes.values())

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Delete these items for good, and no others (see Source.delete)."""
        confirmed: list[MailItem] = []
        for place, group in groupby(items, key=lambda item: self._box(item.place)):
            confirmed += self._deleter.delete(place, group)
        return confirmed


class _Failed:
    """Counts the mailboxes of a listing that failed."""

    def __init__(self, wire: GraphWire, boxes: int) -> None:
        self._wire = wire
        self._boxes = boxes
        self.count = self.in_a_row = 0
        self.first: SourceError | None = None

    def take(self, error: SourceError) -> None:
        """Count a mailbox that failed. Raises `error` if the cause is the connection or the tokens."""
        self.count += 1
        self.first = self.first or error
        everywhere = isinstance(error, ConnectionCut) or (
            isinstance(error, GraphTokenRefused) and not self._wire.proved
        )
        self.in_a_row = self.in_a_row + 1 if everywhere else 0
        if self.in_a_row >= SURELY_DEAD:
            raise error


def _of(box: GraphMailbox, error: SourceError) -> SourceError:
    return error if isinstance(error, MailboxRefused) else explained(box, error)


def _seconds(stamp: Any) -> int | None:
    """A time in Graph's JSON, such as 2026-01-31T12:00:00Z, in seconds since 1970 UTC."""
    return of_instant(stamp) if isinstance(stamp, str) else None
