"""A kept message as a person reads it, as far as it can be read: its mail is parsed by reading workers.

Where a worker dies over a message, its outline is read instead, without its text; where a worker dies over
that as well, what the catalog knows of it is shown. So each message has an answer, and its bytes besides.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

from muniment.archive.catalog import MessageRow
from muniment.archive.files.contents import mail_from
from muniment.archive.files.temp_files import make_work, own_work
from muniment.archive.vault.vault import Vault
from muniment.errors import MailUnreadable
from muniment.mail.notes import OPAQUE, UNREAD
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import IN_MEMORY, Mail
from muniment.parsing.tasks import Content, MessageView

log = logging.getLogger("muniment.service")

UNREADABLE = "its headers and files could not be read either: the parser failed over them"
PIECE = 256 * 1024


def read_view(vault: Vault, row: MessageRow) -> MessageView:
    """The message, or what can be told of it. Raises LedgerDamaged, WorkersUnusable."""
    if OPAQUE in row.notes:
        return MessageView((), "", (), ())
    for outline in (False, True):
        if outline or UNREAD not in row.notes:
            try:
                return mail_reader().view(_mail(vault, row, outline=outline))
            except MailUnreadable as error:
                log.warning("message %s is shown in part: %s", row.sha.hex()[:12], error)
    return MessageView(_known_headers(row), "", (), (UNREAD, UNREADABLE))


def _mail(vault: Vault, row: MessageRow, part: bytes = b"", *, outline: bool = False) -> Mail:
    work = own_work(vault.folder)
    return mail_from(vault.reader.content(row.sha), row.size, work, row.sha + part, outline=outline)


def _known_headers(row: MessageRow) -> tuple[tuple[str, str], ...]:
    """What the catalog holds of a message's headers."""
    known = (("From", row.sender), ("To", row.to), ("Subject", row.subject))
    return tuple((name, value) for name, value in known if value)


class Attachment:
    """One attachment of a kept message, read; `close` it."""

    found: Content

    def __init__(self, vault: Vault, row: MessageRow, number: int, text: bool) -> None:
        """`number` counts from 1; `text`: it is read as text.

        Raises:
            LedgerDamaged, WorkersUnusable: it can't be read at all.
            MailUnreadable: the parser failed over it.
        """
        self._stack = ExitStack()
        self._into: IO[bytes] | None = None
        with ExitStack() as stack:
            self._read(stack, vault, row, number, text)
            self._stack = stack.pop_all()

    def _read(self, stack: ExitStack, vault: Vault, row: MessageRow, number: int, text: bool) -> None:
        if row.size > IN_MEMORY and not text:
            work = make_work(own_work(vault.folder))
            self._into = stack.enter_context(tempfile.TemporaryFile(dir=work))  # noqa: SIM115 - by the stack
        # What ended a worker as a whole message says nothing of its single files.
        name, failed = f"{number}{text}".encode(), None
        for outline in (False,) if text else (False, True):
            if not (text or outline) and UNREAD in row.notes:
                continue  # it is shown without what lies within its files, so no number means that
            try:
                self.found = self._content(_mail(vault, row, name, outline=outline), number, text)
                return
            except MailUnreadable as error:
                failed = error
        raise MailUnreadable(
            f"the parser failed over message {row.sha.hex()[:12]}: "
            f"save its bytes (`muniment show {row.sha.hex()[:12]} --raw`) and open them elsewhere"
        ) from failed

    def _content(self, mail: Mail, number: int, text: bool) -> Content:
        reader = mail_reader()
        return reader.content_text(mail, number) if text else reader.content(mail, number, self._into)

    def pieces(self) -> Iterator[bytes]:
        """The decoded content."""
        if self._into is None:
            data = self.found.data
            yield from (data[at : at + PIECE] for at in range(0, len(data), PIECE))
            return
        self._into.seek(0)
        while piece := self._into.read(PIECE):
            yield piece

    def close(self) -> None:
        """Remove its temporary file. Safe to call twice."""
        self._stack.close()
