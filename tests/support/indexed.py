"""Invented messages in the form that the index takes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from muniment.archive.index import IndexDocument, IndexMention
from muniment.mail.headers.addresses import mailboxes
from muniment.mail.model import AddressRole, MessageText
from muniment.mail.text.read_text import read_message

DAY = 86_400
JANUARY = 1_704_067_200
"""2024-01-01 00:00 UTC."""


def mention(
    role: AddressRole,
    address: str,
    time: int = JANUARY,
    trusted: bool = True,
    folder: str = "",
    senders: tuple[str, ...] = (),
) -> IndexMention:
    return IndexMention(role, address, time, trusted, folder, senders)


def document(
    number: int,
    *,
    date: int = JANUARY,
    size: int = 1000,
    attachments: Sequence[str] = (),
    subject: str = "",
    sender: str = "",
    to: str = "",
    cc: str = "",
    bcc: str = "",
    body: str = "",
    mentions: Sequence[IndexMention] = (),
) -> IndexDocument:
    return IndexDocument(
        id=number,
        date=date,
        size=size,
        attachments=len(attachments),
        sha=hashlib.sha256(str(number).encode()).digest(),
        text=MessageText(
            subject,
            sender,
            to,
            cc,
            bcc,
            body,
            tuple(attachments),
            people=tuple(mailboxes((value,)) for value in (sender, to, cc, bcc)),
        ),
        mentions=tuple(mentions),
    )


def read_document(number: int, mail: bytes, mentions: Sequence[IndexMention] = ()) -> IndexDocument:
    """Read a mail, and return it in the form that the index takes."""
    summary, text = read_message(mail)
    return IndexDocument(
        id=number,
        date=summary.date or JANUARY,
        size=len(mail),
        attachments=summary.attachments,
        sha=hashlib.sha256(mail).digest(),
        text=text,
        mentions=tuple(mentions),
    )
