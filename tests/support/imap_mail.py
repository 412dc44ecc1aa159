"""A mailbox of a real IMAP server as a person's program sees it: messages with date and flags."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from support.dovecot import Dovecot, Mailbox

_DATE = re.compile(rb'INTERNALDATE "([^"]+)"')
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A message in a folder."""

    content: bytes
    date: int = 0
    """INTERNALDATE in seconds since 1970 UTC."""
    flags: frozenset[str] = field(default_factory=frozenset)


@contextmanager
def session(server: Dovecot, box: Mailbox) -> Iterator[imaplib.IMAP4]:
    """A session that is logged in."""
    client = imaplib.IMAP4(server.host, server.imap)
    try:
        client.login(box.name, box.password)
        yield client
    finally:
        with suppress(OSError):
            client.logout()


def fill(server: Dovecot, box: Mailbox, mails: list[StoredMail], folder: str = "INBOX") -> None:
    """Append messages with their date and flags."""
    with session(server, box) as client:
        client.create(folder)
        for mail in mails:
            at = datetime.fromtimestamp(mail.date, UTC)
            kind, answer = client.append(folder, f"({' '.join(sorted(mail.flags))})", at, mail.content)
            assert kind == "OK", answer


def empty(server: Dovecot, box: Mailbox, folder: str = "INBOX") -> None:
    """Delete every message of a folder for good."""
    with session(server, box) as client:
        client.select(folder)
        client.store("1:*", "+FLAGS", "\\Deleted")
        client.expunge()


def stored(server: Dovecot, box: Mailbox, folder: str = "INBOX") -> list[StoredMail]:
    """Every message of a folder; none if there is no such folder."""
    with session(server, box) as client:
        kind, exists = client.select(f'"{folder}"', readonly=True)
        if kind != "OK" or exists == [b"0"]:
            return []
        found = client.fetch("1:*", "(INTERNALDATE FLAGS BODY.PEEK[])")[1]
    mails = []
    for head, rest in zip(found[::2], found[1::2], strict=False):
        if not isinstance(head, tuple):
            continue
        stated = head[0] + (rest if isinstance(rest, bytes) else b"")
        date, flags = _DATE.search(stated), _FLAGS.search(stated)
        assert date is not None
        assert flags is not None
        at = datetime.strptime(date[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z")
        words = frozenset(flags[1].decode().split()) - {"\\Recent"}
        mails.append(StoredMail(head[1], int(at.timestamp()), words))
    return mails
