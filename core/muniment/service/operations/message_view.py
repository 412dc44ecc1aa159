"""A stored message in readable form. Reading workers parse it.

If a worker dies over drawing a message, its plain text is read instead; over that, its outline, without the
text. If a worker dies over the outline, too, the view has what the catalog knows. So there is a view of every
message.
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
from muniment.parsing.reader import IN_MEMORY, OpenMail
from muniment.parsing.tasks import AttachmentContent, MessageView

log = logging.getLogger("muniment.service")

UNREADABLE = "its headers and attachments could not be read either: the parser failed on them"
DRAWN = b"drawn"
"""Marks a request to draw a message. If its drawing ends a worker, its plain text may still be read."""
PIECE = 256 * 1024
"""Bytes of a piece of an attachment."""


def read_view(vault: Vault, row: MessageRow, width: int = 0) -> MessageView:
    """The message in readable form, or as much of it as can be read.

    Args:
        vault: the vault.
        row: the message.
        width: cells that a table of its drawn HTML may take; 0 to draw nothing.

    Raises:
        LedgerDamaged: its bytes can't be read.
        WorkersUnusable: no worker can work.
    """
    if OPAQUE in row.notes:
        return MessageView((), "", (), ())
    for part, cells, outline in ((DRAWN, width, False), (b"", 0, False), (b"", 0, True)):
        if (part and not cells) or (UNREAD in row.notes and not outline):
            continue
        try:
            return mail_reader().view(_mail(vault, row, part, outline=outline), cells)
        except MailUnreadable as error:
            log.warning("message %s is shown in part: %s", row.sha.hex()[:12], error)
    return MessageView(_known_headers(row), "", (), (UNREAD, UNREADABLE))


def _mail(vault: Vault, row: MessageRow, part: bytes = b"", *, outline: bool = False) -> OpenMail:
    work = own_work(vault.folder)
    return mail_from(vault.reader.content(row.sha), row.size, work, row.sha + part, outline=outline)


def _known_headers(row: MessageRow) -> tuple[tuple[str, str], ...]:
    """The headers of a message that the catalog has."""
    known = (("From", row.sender), ("To", row.to), ("Subject", row.subject))
    return tuple((name, value) for name, value in known if value)


class OpenAttachment:
    """One attachment of a stored message, decoded. Close it after use."""

    found: AttachmentContent
    """The attachment; `info` is None if the message has none with this number."""

    def __init__(self, vault: Vault, row: MessageRow, number: int, text: bool) -> None:
        """Read the attachment.

        Args:
            vault: the vault.
            row: the message.
            number: number of the attachment, from 1.
            text: read its text instead of its bytes.

        Raises:
            LedgerDamaged: the bytes of the message can't be read.
            MailUnreadable: the parser failed on the message.
            WorkersUnusable: no worker can work.
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
        # A message that ended a worker as a whole may still have attachments that can be read.
        name, failed = f"{number}{text}".encode(), None
        for outline in (False,) if text else (False, True):
            if not (text or outline) and UNREAD in row.notes:
                continue  # its view lacks what is inside attachments, so a full read would count otherwise
            try:
                self.found = self._content(_mail(vault, row, name, outline=outline), number, text)
                return
            except MailUnreadable as error:
                failed = error
        raise MailUnreadable(
            f"the parser failed on message {row.sha.hex()[:12]}: "
            f"save its bytes (`muniment show {row.sha.hex()[:12]} --raw`) and open them elsewhere"
        ) from failed

    def _content(self, mail: OpenMail, number: int, text: bool) -> AttachmentContent:
        reader = mail_reader()
        return reader.content_text(mail, number) if text else reader.content(mail, number, self._into)

    def pieces(self) -> Iterator[bytes]:
        """The decoded content, in pieces of at most PIECE bytes."""
        if self._into is None:
            data = self.found.data
            yield from (data[at : at + PIECE] for at in range(0, len(data), PIECE))
            return
        self._into.seek(0)
        while piece := self._into.read(PIECE):
            yield piece

    def close(self) -> None:
        """Remove the temporary file. Safe to call twice."""
        self._stack.close()
