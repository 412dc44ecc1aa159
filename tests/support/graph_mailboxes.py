"""The mailboxes of the Graph double: folders, messages, and their history."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

LANGUAGES: dict[str, tuple[str, ...]] = {
    "en": ("Inbox", "Sent Items", "Drafts", "Junk Email", "Deleted Items", "Archive", "Outbox"),
    "de": ("Posteingang", "Gesendete Elemente", "Entwürfe", "Junk-E-Mail", "Gelöschte Elemente", "Archiv",
           "Postausgang"),
    "fr": ("Boîte de réception", "Éléments envoyés", "Brouillons", "Courrier indésirable",
           "Éléments supprimés", "Archive", "Boîte d’envoi"),
    "ru": ("Входящие", "Отправленные", "Черновики", "Нежелательная почта", "Удаленные", "Архив", "Исходящие"),
    "ja": ("受信トレイ", "送信済みアイテム", "下書き", "迷惑メール", "削除済みアイテム", "アーカイブ",
           "送信トレイ"),
}  # fmt: skip
KNOWN = ("inbox", "sentitems", "drafts", "junkemail", "deleteditems", "archive", "outbox")


@dataclass(frozen=True)
class Sick:
    """The error with which a mailbox, folder or message answers every request."""

    status: int
    code: str = ""
    retry_after: str = ""
    html: bool = False
    """Whether it is a proxy that answers, with a page for people."""


@dataclass
class Folder:
    """A folder of a mailbox."""

    id: str
    name: str
    parent: str = ""
    hidden: bool = False
    search: bool = False
    sick: Sick | None = None
    messages: dict[str, Message] = field(default_factory=dict)
    changes: list[tuple[str, bool]] = field(default_factory=list)
    """The changes in order: a message's id, and whether it was removed."""


@dataclass
class Message:
    """A message in a folder."""

    id: str
    raw: bytes
    received: float
    broken: str = ""
    """The code of the error with which reading it is answered."""
    reads: int = 0


class Mailbox:
    """A mailbox, filled and changed by the test."""

    def __init__(self, address: str, language: str = "en") -> None:
        self.address = address
        self.id = secrets.token_hex(8)
        self.folders: dict[str, Folder] = {}
        self.known: dict[str, str] = {}
        self.denied = False
        self.absent = False
        """Whether the user has no mailbox."""
        self.sick: Sick | None = None
        self.served: list[float] = []
        """When requests were served."""
        self.lock = threading.RLock()
        for known, name in zip(KNOWN, LANGUAGES[language], strict=True):
            self.known[known] = self.folder(name)

    def folder(self, *names: str, hidden: bool = False, search: bool = False) -> str:
        """The id of a folder, which is made if it is missing, with those above it."""
        parent = ""
        for name in names:
            found = [one.id for one in self.folders.values() if (one.name, one.parent) == (name, parent)]
            parent = found[0] if found else self._made(name, parent)
        self.folders[parent].hidden |= hidden
        self.folders[parent].search |= search
        return parent

    def _made(self, name: str, parent: str) -> str:
        id_ = "AAMk" + base64.urlsafe_b64encode(secrets.token_bytes(24)).decode() + "AAA="
        self.folders[id_] = Folder(id_, name, parent)
        return id_

    def put(self, mails: Iterable[bytes], folder: str = "inbox", received: float | None = None) -> list[str]:
        """Deliver mails into a folder, by its id or well-known name; returns their ids."""
        target = self.folders[self.known.get(folder, folder)]
        ids = []
        with self.lock:
            for mail in mails:
                id_ = "AAkALg" + base64.urlsafe_b64encode(secrets.token_bytes(24)).decode() + "A=="
                target.messages[id_] = Message(id_, mail, time.time() if received is None else received)
                target.changes.append((id_, False))
                ids.append(id_)
        return ids

    def remove(self, id_: str) -> bool:
        """Remove a message for good; returns whether it was there."""
        with self.lock:
            for folder in self.folders.values():
                if folder.messages.pop(id_, None):
                    folder.changes.append((id_, True))
                    return True
        return False

    def move(self, id_: str, to: str) -> None:
        """Move a message to another folder; its id stays."""
        with self.lock:
            message = next(one.messages[id_] for one in self.folders.values() if id_ in one.messages)
            self.remove(id_)
            target = self.folders[self.known.get(to, to)]
            target.messages[id_] = message
            target.changes.append((id_, False))

    def messages(self) -> list[Message]:
        """Every message that is there."""
        return [message for folder in self.folders.values() for message in folder.messages.values()]

    def message(self, id_: str) -> Message:
        """A message by its id."""
        return next(message for message in self.messages() if message.id == id_)
