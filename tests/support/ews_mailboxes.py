"""The mailboxes of the Exchange double: folders, items, and their history."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

WELL_KNOWN = ("inbox", "sentitems", "drafts", "junkemail", "deleteditems", "outbox")
ENGLISH = ("Inbox", "Sent Items", "Drafts", "Junk Email", "Deleted Items", "Outbox")
GERMAN = ("Posteingang", "Gesendete Elemente", "Entwürfe", "Junk-E-Mail", "Gelöschte Elemente", "Postausgang")
FRENCH = ("Boîte de réception", "Éléments envoyés", "Brouillons", "Courrier indésirable",
          "Éléments supprimés", "Boîte d’envoi")  # fmt: skip
RUSSIAN = ("Входящие", "Отправленные", "Черновики", "Нежелательная почта", "Удаленные", "Исходящие")
JAPANESE = ("受信トレイ", "送信済みアイテム", "下書き", "迷惑メール", "削除済みアイテム", "送信トレイ")
_numbers = itertools.count(1)


def _id(kind: str) -> str:
    """An id as long and as case-sensitive as Exchange's."""
    return base64.b64encode(f"{kind}:{next(_numbers):012}:".encode().ljust(108, b"\x07")).decode()


@dataclass
class Mail:
    """One item."""

    id: str
    content: bytes
    received: float
    seq: int
    tag: str = "Message"
    error: str = ""
    """The error with which GetItem answers."""
    stays: str = ""
    """The error with which DeleteItem answers."""
    mime: bool = True
    properties: dict[str, str] = field(default_factory=dict)
    """Extended properties that its maker has set, by tag or name."""


@dataclass
class Folder:
    """A folder with its whole history."""

    id: str
    name: str
    parent: Folder | None
    kind: str | None = "IPF.Note"
    known_as: str = ""
    sick: str = ""
    """The error with which every request about it is answered."""
    items: dict[str, Mail] = field(default_factory=dict)
    log: list[tuple[int, str]] = field(default_factory=list)

    def happened(self, mail_id: str) -> int:
        """A number for a change of an item."""
        number = next(_numbers)
        self.log.append((number, mail_id))
        return number


class Store(Protocol):
    """The mailboxes of a server."""

    folders: dict[str, tuple[Person, Folder]]
    where: dict[str, Folder]


class Person:
    """A mailbox."""

    def __init__(self, double: Store, address: str, names: Sequence[str]) -> None:
        self.address = address
        self.delegates: set[str] = set()
        """Logins with full access."""
        self.sick = ""
        """The error in the messages that answer requests about its well-known folders."""
        self.fault = ""
        """The error in a SOAP fault, with status 500, for requests by impersonation."""
        self.status: tuple[int, dict[str, str]] | None = None
        """The web server's answer to requests by impersonation: status and header fields."""
        self._double = double
        store = self._made("", None, "root", None)
        self.root = self._made("Top of Information Store", store, "msgfolderroot", None)
        for known_as, name in zip(WELL_KNOWN, names, strict=True):
            self._made(name, self.root, known_as)

    @property
    def inbox(self) -> Folder:
        return self.known("inbox")

    def _made(
        self, name: str, parent: Folder | None, known_as: str = "", kind: str | None = "IPF.Note"
    ) -> Folder:
        folder = Folder(_id("folder"), name, parent, kind, known_as)
        self._double.folders[folder.id] = (self, folder)
        return folder

    def known(self, name: str) -> Folder:
        """A well-known folder."""
        return next(f for p, f in self._double.folders.values() if p is self and f.known_as == name)

    def folder(self, *names: str, kind: str | None = "IPF.Note") -> Folder:
        """The folder with these names from the top; it is made if it is missing."""
        parent = self.root
        for name in names:
            found = [f for _, f in self._double.folders.values() if f.parent is parent and f.name == name]
            parent = found[0] if found else self._made(name, parent, kind=kind)
        return parent

    def put(
        self, messages: Iterable[bytes], folder: Folder | None = None, days_ago: float = 0, **more: Any
    ) -> None:
        """Deliver messages."""
        where = folder or self.inbox
        now = time.time() - days_ago * 86400
        for message in messages:
            mail_id = _id("item")
            mail = Mail(mail_id, message, now, where.happened(mail_id), **more)
            where.items[mail.id] = mail
            self._double.where[mail.id] = where

    def made(self, name: str, parent: Folder) -> Folder:
        """A new folder, as a client makes it."""
        return self._made(name, parent)

    def remove(self, folder: Folder, mail_id: str) -> None:
        """Delete an item, as another client does."""
        del folder.items[mail_id], self._double.where[mail_id]
        folder.happened(mail_id)

    def remove_folder(self, folder: Folder) -> None:
        """Delete a folder, as another client does."""
        for mail_id in list(folder.items):
            self.remove(folder, mail_id)
        del self._double.folders[folder.id]
