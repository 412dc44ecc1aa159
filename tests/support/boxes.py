"""A mailbox of every kind for one test, with the same methods for all kinds."""

from __future__ import annotations

import imaplib
import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from muniment.sources.base import FetchedItem, Source, UnfetchedItem
from muniment.sources.endpoint import Endpoint, FileEndpoint, ServerEndpoint
from muniment.sources.factory import open_source
from support.dovecot import Dovecot, Mailbox
from support.endpoints import endpoint_for
from support.proxy import Proxy

DELIVERED = 1_700_000_000
"""When the files of folders were written, in seconds since 1970: long ago, so they count as complete."""
REMOTE_KINDS = ("gateway", "pop3", "pop3-unpipelined", "imap", "imap-starttls")
FILE_KINDS = ("maildir", "mbox", "eml", "spool")
BOXES = (*REMOTE_KINDS, "ews", "graph", *FILE_KINDS)
"""The mailboxes that the contract of sources is tested with; a name begins with its kind."""


def held(answer: FetchedItem | UnfetchedItem) -> bytes:
    """The content of a small item, which a source gives in memory."""
    assert isinstance(answer, FetchedItem), answer
    assert isinstance(answer.content, bytes)
    return answer.content


def bodies(answers: Iterable[FetchedItem | UnfetchedItem]) -> list[bytes]:
    """The contents of small items, none of which the source has refused."""
    return [held(answer) for answer in answers]


class Box(ABC):
    """Mail at a source: filled by the test, read through `source()`, emptied by others with `steal`."""

    deletes = True

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.waits: list[float] = []
        self._sources: list[Source] = []

    def source(self, **changes: Any) -> Source:
        """A source on this mailbox, not connected; its waits are recorded in `waits` and not made."""
        source = open_source(replace(self.endpoint, **changes), sleep=self.waits.append)
        self._sources.append(source)
        return source

    def connected(self, **changes: Any) -> Source:
        """A source on this mailbox, logged in."""
        source = self.source(**changes)
        source.connect()
        return source

    @abstractmethod
    def put(self, messages: Iterable[bytes]) -> None:
        """Deliver messages."""

    @abstractmethod
    def steal(self, message: bytes) -> None:
        """Remove the message with this content, without the source."""

    def close(self) -> None:
        """Close everything that the test has opened."""
        for source in self._sources:
            source.close()


class ServerBox(Box):
    """An account of a real Dovecot."""

    endpoint: ServerEndpoint

    def __init__(
        self, server: Dovecot, account: Mailbox, endpoint: ServerEndpoint, proxy: Proxy | None = None
    ) -> None:
        super().__init__(endpoint)
        self.server, self.account, self.proxy = server, account, proxy

    def put(self, messages: Iterable[bytes]) -> None:
        self.account.put(messages)

    def steal(self, message: bytes) -> None:
        with imaplib.IMAP4(self.server.host, self.server.imap) as imap:
            imap.login(self.account.name, self.account.password)
            imap.select()
            for number in imap.search(None, "ALL")[1][0].split():
                fetched = imap.fetch(number, "(BODY.PEEK[])")[1][0]
                assert isinstance(fetched, tuple)
                if fetched[1] == message:
                    imap.store(number, "+FLAGS", r"(\Deleted)")
            imap.expunge()

    def close(self) -> None:
        super().close()
        if self.proxy:
            self.proxy.__exit__()


class FolderBox(Box):
    """A folder in which every message is a file: maildir, eml or spool."""

    def __init__(self, kind: str, root: Path, inside: str, ending: str, work: Path) -> None:
        super().__init__(FileEndpoint(kind=kind, path=str(root), work=work))
        self.folder = root / inside
        self.folder.mkdir(parents=True)
        self._names = (f"17000000{n:06}.1.test{ending}" for n in itertools.count())

    def put(self, messages: Iterable[bytes]) -> None:
        for message in messages:
            path = self.folder / next(self._names)
            path.write_bytes(message)
            os.utime(path, (DELIVERED, DELIVERED))

    def steal(self, message: bytes) -> None:
        next(path for path in self.folder.iterdir() if path.read_bytes() == message).unlink()


class MboxBox(Box):
    """One mbox file."""

    deletes = False

    def __init__(self, path: Path, work: Path) -> None:
        super().__init__(FileEndpoint(kind="mbox", path=str(path), work=work))
        self.path = path
        path.touch()

    def put(self, messages: Iterable[bytes]) -> None:
        with self.path.open("ab") as file:
            for message in messages:
                file.write(b"From a@example.org Mon Nov 23 10:00:00 2026\r\n" + message + b"\r\n")

    def steal(self, message: bytes) -> None:
        stored = self.path.read_bytes()
        cut = stored.rindex(b"From a@example.org", 0, stored.index(message))
        self.path.write_bytes(stored[:cut] + stored[stored.index(message) + len(message) + 2 :])


def server_box(server: Dovecot, kind: str, work: Path, **account: Any) -> ServerBox:
    """An account of Dovecot with an endpoint of one of REMOTE_KINDS, or "plain-pop3", "plain-imap"."""
    mailbox = server.mailbox(**account)
    protocol, security, port = {
        "gateway": ("gateway", "starttls", server.pop3),
        "pop3": ("pop3", "tls", server.pop3s),
        "pop3-unpipelined": ("pop3", "none", server.pop3),
        "plain-pop3": ("pop3", "none", server.pop3),
        "imap": ("imap", "tls", server.imaps),
        "imap-starttls": ("imap", "starttls", server.imap),
        "plain-imap": ("imap", "none", server.imap),
    }[kind]
    proxy = None
    if kind == "pop3-unpipelined":
        proxy = Proxy((server.host, port), hide=(b"PIPELINING", b"X-NO-HURRY"))
        port = proxy.port
    endpoint = endpoint_for(
        kind=protocol,
        host="localhost",
        port=port,
        security=security,
        mailbox=mailbox.name,
        password=mailbox.password,
        ca_file=str(server.certificates.authority),
        work=work,
        timeout=30,
    )
    return ServerBox(server, mailbox, endpoint, proxy)


def file_box(kind: str, folder: Path) -> Box:
    """A box of one of FILE_KINDS."""
    work = folder / "work"
    if kind == "mbox":
        return MboxBox(folder / "mail.mbox", work)
    inside, ending = {"maildir": ("new", ""), "eml": ("sub", ".eml"), "spool": ("new", "")}[kind]
    return FolderBox(kind, folder / kind, inside, ending, work)
