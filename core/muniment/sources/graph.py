"""Microsoft 365 mailboxes by Microsoft Graph: their folders, what changed in each, and their messages' MIME.

The service makes a message's MIME anew at each read, and an item may be edited in its mailbox, so that a
key does not vouch for a content: what is to be deleted and was kept by an earlier run is fetched again and
compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from muniment.errors import SourceError
from muniment.sources.base import Fetched, Item, Place, Unfetched
from muniment.sources.endpoint import Endpoint, LoggedIn
from muniment.sources.folders import Choice, Folder, Use
from muniment.sources.graph_http import (
    BATCH,
    FORBIDDEN,
    NOT_FOUND,
    Call,
    GraphWire,
    Page,
    Refused,
    proxy_for,
    understood,
)
from muniment.sources.limits import MOST_FOLDERS, MOST_MESSAGES, Pages
from muniment.sources.network import dial
from muniment.sources.received import of_instant
from muniment.sources.retry import Passing, Patience
from muniment.sources.roll import Roll
from muniment.sources.work import make_work

Answer = Fetched | Unfetched

AT_ONCE = 4
"""Requests that Exchange Online serves at a time for an application and a mailbox."""
THREADS = 8
"""Requests at a time, over all mailboxes."""
GIVEN_UP = 3
"""Items given up one after the other before the service, and not the items, is held to be at fault."""
EVERYBODY = "*"
WELL_KNOWN = {
    "inbox": Use.INBOX,
    "sentitems": Use.SENT,
    "drafts": Use.DRAFTS,
    "junkemail": Use.JUNK,
    "deleteditems": Use.DELETED,
    "archive": Use.ARCHIVE,
    "outbox": Use.OUTBOX,
}
"""What Graph calls folders for their use, whatever the mailbox's language."""
NO_MAILBOX = frozenset({"ResourceNotFound", "Request_ResourceNotFound", "ErrorInvalidUser",
                        "MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI",
                        "ErrorNonExistentMailbox"})  # fmt: skip
_FOLDER = "$select=id,displayName,childFolderCount,totalItemCount,isHidden"


@dataclass(frozen=True, slots=True)
class _Box:
    """A mailbox that is read."""

    address: str
    name: str
    """What the service knows it by: a user principal name, or an id."""

    @property
    def path(self) -> str:
        return f"/users/{quote(self.name, safe='@')}"


@dataclass(frozen=True, slots=True)
class _Node:
    """A folder of a mailbox, as the service lists it."""

    id: str
    folder: Folder
    above: tuple[Folder, ...]
    messages: int
    children: int

    @property
    def path(self) -> str:
        return f"/mailFolders/{quote(self.id, safe='')}"


class GraphSource:
    """One, several or all mailboxes of a tenant. A key is a message's immutable id."""

    session = 5000
    vouches = False

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None]) -> None:
        if endpoint.tokens is None:
            raise SourceError("Microsoft Graph takes no password: set `auth` to app or device.")
        self._endpoint = replace(endpoint, security="tls")
        self._tokens = endpoint.tokens
        self._sleep = sleep
        self.expected: int | None = None
        self._open: GraphWire | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._boxes: dict[str, _Box] = {}
        self._given_up = 0
        self._mark: Callable[[Place], str] = lambda place: ""
        self._marks: dict[Place, str] = {}

    def resume(self, mark: Callable[[Place], str]) -> None:
        """List only what changed since a mark, which is a delta link (see base.Resumable)."""
        self._mark = mark

    def marks(self) -> dict[Place, str]:
        """The delta link of each folder that was listed to its end."""
        return dict(self._marks)

    # --- getting in -----------------------------------------------------------------------------

    def connect(self) -> None:
        """Reach the service, be let in, and learn which mailboxes there are."""
        make_work(self._endpoint.work)
        if not proxy_for(self._endpoint.host):
            with closing(dial(self._endpoint)):  # says at once what is wrong with host, port or certificate
                pass
        named = self._endpoint.mailboxes or (self._endpoint.mailbox,)
        if EVERYBODY in named:
            boxes = self._everybody()
        else:
            boxes = [_Box(name.strip().lower(), name.strip()) for name in named]
        self._boxes = {box.address: box for box in boxes}
        if not self._several:
            self._ask(boxes[0], f"{boxes[0].path}/mailFolders/inbox?$select=id")
        self._endpoint.tell(LoggedIn())

    @property
    def _several(self) -> bool:
        return bool(self._endpoint.mailboxes)

    @property
    def _wire(self) -> GraphWire:
        if self._open is None:
            self._open = GraphWire(self._endpoint, self._tokens, self._sleep, THREADS)
        return self._open

    def close(self) -> None:
        """Hang up; never deletes anything. Safe to call twice."""
        if self._threads:
            self._threads.shutdown(wait=True, cancel_futures=True)
        if self._open:
            self._open.close()
        self._threads = self._open = None

    def _everybody(self) -> list[_Box]:
        """Whoever has a mail address in the tenant; not all of them have a mailbox."""
        found: list[_Box] = []
        pages = Pages(self._endpoint.address, MOST_FOLDERS)
        link = "/users?$select=id,mail&$top=999"
        while link:
            try:
                page = self._wire.page("", link)
            except Refused as error:
                if error.status != FORBIDDEN:
                    raise
                raise SourceError(
                    "Microsoft Graph does not tell the application who is in the tenant: grant it the "
                    "permission User.Read.All with admin consent (Entra admin centre, App registrations, API "
                    "permissions), or name the mailboxes."
                ) from error
            with understood(self._endpoint):
                found += [
                    _Box(str(one["mail"]).lower(), str(one["id"])) for one in page.values if one.get("mail")
                ]
            pages.took(len(page.values))
            link = page.next
        return found

    def _ask(self, box: _Box, path: str) -> Page:
        try:
            return self._wire.page(box.address, path)
        except Refused as error:
            raise self._explained(box, error) from error

    # --- folders --------------------------------------------------------------------------------

    def _chosen(self, box: _Box) -> list[tuple[Place, str, int]]:
        """The folders to read: place, path, and how many messages there are."""
        choice = self._endpoint.folders or Choice()
        owner = box.address if self._several else ""
        return [
            (Place(self._endpoint.address, box.address, node.id, node.folder.title, owner),
             box.path + node.path, node.messages)
            for node in self._tree(box)
            if choice.wants(node.folder, node.above)
        ]  # fmt: skip

    def _tree(self, box: _Box) -> Iterator[_Node]:
        """Every folder that people see, level by level."""
        uses = self._uses(box)
        seen: set[str] = set()
        level = list(self._nodes(box, self._ask(box, f"{box.path}/mailFolders?{_FOLDER}"), uses, None))
        pages = Pages(self._endpoint.address, MOST_FOLDERS)
        while level:
            level = [node for node in level if node.id not in seen]
            pages.took(len(level))
            seen.update(node.id for node in level)
            yield from level
            level = list(self._below(box, [node for node in level if node.children], uses))

    def _uses(self, box: _Box) -> dict[str, Use]:
        """The ids of folders that the service has a use for."""
        calls = [Call("GET", f"{box.path}/mailFolders/{name}?$select=id") for name in WELL_KNOWN]
        found: dict[str, Use] = {}
        for use, answer in zip(WELL_KNOWN.values(), self._wire.batch(box.address, calls), strict=True):
            if isinstance(answer, Refused) and answer.status != NOT_FOUND:
                raise self._explained(box, answer) from answer
            if isinstance(answer, dict) and "id" in answer:
                found[str(answer["id"])] = use
        return found

    def _below(self, box: _Box, parents: list[_Node], uses: dict[str, Use]) -> Iterator[_Node]:
        """The folders right below some others, asked for in batches."""
        for start in range(0, len(parents), BATCH):
            some = parents[start : start + BATCH]
            calls = [Call("GET", f"{box.path}{node.path}/childFolders?{_FOLDER}") for node in some]
            for node, answer in zip(some, self._wire.batch(box.address, calls), strict=True):
                if isinstance(answer, dict):
                    yield from self._nodes(box, self._wire.as_page(answer), uses, node)
                elif answer.status != NOT_FOUND:  # one that was deleted meanwhile has none below
                    raise self._explained(box, answer) from answer

    def _nodes(self, box: _Box, page: Page, uses: dict[str, Use], above: _Node | None) -> Iterator[_Node]:
        """The folders of a list, hidden ones and views (search folders) left out."""
        line = (*above.above, above.folder) if above else ()
        pages = Pages(self._endpoint.address, MOST_FOLDERS)
        while True:
            pages.took(len(page.values))
            for one in page.values:
                if one.get("isHidden") or str(one.get("@odata.type", "")).endswith("mailSearchFolder"):
                    continue
                names = (*(line[-1].names if line else ()), str(one.get("displayName") or ""))
                with understood(self._endpoint):
                    id_ = str(one["id"])
                    counts = [int(one.get(name) or 0) for name in ("totalItemCount", "childFolderCount")]
                folder = Folder(names, uses.get(id_, Use.NONE))
                yield _Node(id_, folder, line, *counts)
            if not page.next:
                return
            page = self._ask(box, page.next)

    # --- listing --------------------------------------------------------------------------------

    def listing(self) -> Iterator[Item]:
        """Every message there now, or what changed since the marks, folder by folder.

        A mailbox that can't be read does not keep the others from being listed: it is told of at the end. Of
        all mailboxes of a tenant, those that are none, or that the application may not read, are passed by.
        """
        self._marks.clear()
        refused: list[SourceError] = []
        for box in self._boxes.values():
            try:
                yield from self._mailbox(box)
            except _Barred as error:
                if not self._several:
                    raise
                refused.append(error)
        everybody = EVERYBODY in self._endpoint.mailboxes
        if refused and (not everybody or len(refused) == len(self._boxes)):
            more = f" ({len(refused)} of {len(self._boxes)} mailboxes could not be read.)"
            raise SourceError(f"{refused[0]}{more if len(refused) > 1 else ''}")

    def _mailbox(self, box: _Box) -> Iterator[Item]:
        chosen = self._chosen(box)
        if not self._several:
            fresh = not any(self._mark(place) for place, *_ in chosen)
            self.expected = sum(count for *_, count in chosen) if fresh else None
        for place, path, _ in chosen:
            yield from self._folder(box, place, path)

    def _folder(self, box: _Box, place: Place, path: str) -> Iterator[Item]:
        """The messages of a folder, each once, however often the service repeats itself or has to begin anew.

        A folder that goes away while it is read ends early: the next run sees what became of it.
        """
        patience = Patience(self._sleep)
        first = f"{path}/messages/delta?$select=receivedDateTime"
        link = self._mark(place) or first
        seen = Roll(self._endpoint.work)
        pages = Pages(self._endpoint.address, MOST_MESSAGES)
        page = Page([])
        while link:
            try:
                page = self._wire.page(box.address, link)
            except Refused as error:
                if error.stale:
                    patience.again(
                        Passing(f"The folder {place.title} can't be listed to its end: run again.")
                    )
                    link = first
                    continue
                if error.status == NOT_FOUND and error.code not in NO_MAILBOX:
                    return
                raise self._explained(box, error) from error
            with understood(self._endpoint):
                listed = {str(one["id"]): one for one in page.values if "@removed" not in one}
            known = seen.numbers(list(listed))
            pages.took(len(page.values) - len(known))
            seen.merge((key, "") for key in listed if key not in known)
            for key, one in listed.items():
                if key not in known:
                    yield Item(place, key, date=_seconds(one.get("receivedDateTime")))
            link = page.next
        self._marks[place] = page.delta

    # --- fetching -------------------------------------------------------------------------------

    def fetch(self, items: Sequence[Item]) -> Iterator[Answer]:
        """The MIME of listed items, at most AT_ONCE at a time of a mailbox; no item is answered twice.

        Read it to its end before the next call. An item that the service fails at again and again is
        answered with Unfetched, so that it stops nothing.
        """
        lanes: dict[str, deque[Item]] = {}
        for item in dict.fromkeys(items):
            lanes.setdefault(item.place.mailbox, deque()).append(item)
        running: dict[Future[Answer], Item] = {}
        ready: deque[tuple[Item, Future[Answer]]] = deque()
        try:
            while lanes or running:
                self._fill(lanes, running)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                ready.extend((running.pop(future), future) for future in done)
                self._fill(lanes, running)
                while ready:
                    yield self._taken(*ready.popleft())
        finally:
            _abandon([*running, *(future for _, future in ready)])

    def _taken(self, item: Item, future: Future[Answer]) -> Answer:
        """What came of a request; raises when several failed one after the other."""
        try:
            answer = future.result()
        except Passing as error:
            self._given_up += 1
            if self._given_up == GIVEN_UP:
                raise
            return Unfetched(item, f"the service failed at it again and again: {error}")
        self._given_up = 0
        return answer

    def _fill(self, lanes: dict[str, deque[Item]], running: dict[Future[Answer], Item]) -> None:
        """Start as many requests as are allowed, of as many mailboxes as there are."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="graph")
        busy = [item.place.mailbox for item in running.values()]
        for lane in list(lanes):
            while lane in lanes and busy.count(lane) < AT_ONCE and len(running) < THREADS:
                item = lanes[lane].popleft()
                running[self._threads.submit(self._get, item)] = item
                busy.append(lane)
                if not lanes[lane]:
                    del lanes[lane]

    def _get(self, item: Item) -> Answer:
        box = self._box(item.place)
        try:
            return Fetched(item, self._wire.mime(box.address, f"{_path(box, item)}/$value"))
        except Refused as error:
            if error.status == FORBIDDEN or error.code in NO_MAILBOX:
                raise self._explained(box, error) from error
            if error.status == NOT_FOUND:
                return Unfetched(item, "it is no longer in the folder", gone=True)
            return Unfetched(item, f"the service can't hand it out ({error.code})")

    def _box(self, place: Place) -> _Box:
        return self._boxes.get(place.mailbox) or _Box(place.mailbox, place.mailbox)

    # --- deleting -------------------------------------------------------------------------------

    def delete(self, items: Iterable[Item]) -> list[Item]:
        """Delete for good, these and no others; returns the items that are no longer in their folder."""
        confirmed: list[Item] = []
        for mailbox, group in groupby(items, key=lambda item: item.place.mailbox):
            while batch := list(islice(group, BATCH)):
                confirmed += self._delete(mailbox, batch)
        return confirmed

    def _delete(self, mailbox: str, batch: list[Item]) -> list[Item]:
        box = self._box(batch[0].place)
        calls = [Call("POST", f"{_path(box, item)}/permanentDelete") for item in batch]
        confirmed = []
        for item, answer in zip(batch, self._wire.some(mailbox, calls), strict=True):
            if isinstance(answer, Refused) and answer.status == FORBIDDEN:
                raise self._explained(box, answer, "Mail.ReadWrite") from answer
            if isinstance(answer, dict) or (
                answer and answer.status == NOT_FOUND and answer.code not in NO_MAILBOX
            ):
                confirmed.append(item)
        return confirmed

    def _explained(self, box: _Box, error: Refused, permission: str = "Mail.Read") -> SourceError:
        """What to do about a mailbox that the service refuses."""
        if error.status == FORBIDDEN:
            return _Barred(
                f"Microsoft Graph does not let the application into {box.address} ({error.code}): grant it "
                f"the permission {permission} with admin consent (Entra admin centre, App registrations, API "
                "permissions), and see that no application access policy or role leaves this mailbox out."
            )
        if error.status == NOT_FOUND:
            return _Barred(
                f"There is no mailbox {box.address} in Exchange Online ({error.code}): check its name, which "
                "is the user principal name, and the person's licence."
            )
        return error


class _Barred(SourceError):
    """A mailbox that is none, or may not be read."""


def _path(box: _Box, item: Item) -> str:
    """A message where it was listed: in another folder it is another place's."""
    folder, key = quote(item.place.folder, safe=""), quote(item.key, safe="")
    return f"{box.path}/mailFolders/{folder}/messages/{key}"


def _seconds(stamp: Any) -> int | None:
    """An instant of Graph's JSON, such as 2026-01-31T12:00:00Z, as seconds since 1970 UTC."""
    return of_instant(stamp) if isinstance(stamp, str) else None


def _abandon(running: Iterable[Future[Answer]]) -> None:
    """Wait for requests that are on their way, and remove the files of those that nobody takes."""
    waiting = [future for future in running if not future.cancel()]
    wait(waiting)
    for future in waiting:
        if future.exception() is None:
            answer = future.result()
            if isinstance(answer, Fetched) and isinstance(answer.content, Path):
                answer.content.unlink(missing_ok=True)
