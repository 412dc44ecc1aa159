"""A server that fails as a test says. Everything but the connection is real code of the program."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from muniment.errors import SourceError
from muniment.net.retry import TransientError
from muniment.sources.base import FetchedItem, MailItem, MailPlace, UnfetchedItem
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.folders import FolderChoice
from muniment.sources.refusing import MailboxRefused
from muniment.sources.remote import Answer, RemoteSource
from muniment.sources.spool_files import make_work

_NUMBERS = itertools.count()


@dataclass
class Server:
    """The server: its mailboxes and its errors."""

    host: str = field(default_factory=lambda: f"server{next(_NUMBERS)}.example")
    mails: dict[MailPlace, dict[str, bytes]] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    """Mailboxes that are not listed."""
    shut_later: set[MailPlace] = field(default_factory=set)
    """Folders that are listed and then not read."""
    poison: set[bytes] = field(default_factory=set)
    """Messages at which the connection always breaks."""
    listing_ends_after: int | None = None
    """Number of items after which the listing fails for good."""
    dies_after: int | None = None
    """Number of messages after which the server fails for good."""
    undeletable: str = ""
    fetched: int = 0
    deleted: list[str] = field(default_factory=list)
    expected: int | None = None
    waits: list[float] = field(default_factory=list)

    def put(self, mailbox: str, folder: str, mails: Iterable[bytes]) -> None:
        """Deliver messages."""
        place = MailPlace(self.host, mailbox, folder, folder, mailbox)
        there = self.mails.setdefault(place, {})
        for mail in mails:
            there[f"{mailbox}/{folder}/{len(there)}"] = mail

    def left(self) -> int:
        """Number of messages."""
        return sum(map(len, self.mails.values()))

    def open(self, work: Path) -> ScriptedSource:
        """A source on it."""
        folders = FolderChoice() if len(self.mails) > 1 else None
        endpoint = ServerEndpoint(kind="pop3", work=work, folders=folders)
        return ScriptedSource(self, endpoint, self.waits.append)


class ScriptedSource(RemoteSource):
    """The source on that server; it fetches one message at a time."""

    def __init__(self, server: Server, endpoint: ServerEndpoint, sleep: Callable[[float], None]) -> None:
        super().__init__(endpoint, sleep)
        self.server = server
        self.session = 50
        self._opened = False

    def connect(self) -> None:
        """Do nothing: there is no real server."""
        make_work(self._endpoint.work)

    def undeletable(self) -> str:
        """As the test says."""
        return self.server.undeletable

    def _is_open(self) -> bool:
        return self._opened

    def _open(self) -> None:
        if self.server.dies_after is not None and self.server.fetched >= self.server.dies_after:
            raise TransientError("scripted.example refuses connections: check that the server runs.")
        self._opened = True

    def _drop(self) -> None:
        self._opened = False

    def listing(self) -> Iterator[MailItem]:
        """List folder by folder; closed ones are refused."""
        self.expected = self.server.expected
        listed = 0
        for place, mails in self.server.mails.items():
            if place.mailbox in self.server.shut:
                self.refuse(place.mailbox, f"There is no mailbox {place.mailbox}: check its name.")
                continue
            for key in list(mails):
                if listed == self.server.listing_ends_after:
                    raise SourceError("The listing broke: run again.")
                listed += 1
                yield MailItem(place, key)

    def _retrieve(self, items: list[MailItem]) -> Iterator[Answer]:
        for item in items:
            if item.place in self.server.shut_later:
                raise MailboxRefused(
                    f"The folder {item.place.folder} of {item.place.mailbox} can't be read: repair it.",
                    item.place.mailbox, item.place.folder,
                )  # fmt: skip
            mail = self.server.mails[item.place].get(item.key)
            if self.server.fetched == self.server.dies_after or mail in self.server.poison:
                raise TransientError("The connection was lost: check the network, and run again.")
            self.server.fetched += 1
            yield UnfetchedItem(item, "gone", gone=True) if mail is None else FetchedItem(item, mail)

    def delete(self, items: Iterable[MailItem]) -> list[MailItem]:
        """Delete messages, except in closed mailboxes and folders."""
        found = [item for item in items if item.place not in self.server.shut_later]
        for item in found:
            del self.server.mails[item.place][item.key]
        self.server.deleted += [item.key for item in found]
        return found
