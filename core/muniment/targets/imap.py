"""A folder of an IMAP mailbox, into which messages are appended with their date and flags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from muniment.errors import SourceError
from muniment.net.retry import TransientError
from muniment.sources.endpoint import ImapEndpoint, require_private
from muniment.sources.folders import levels
from muniment.sources.imap.connection import FolderGone
from muniment.sources.imap.writing import AppendRefused, ImapWriter, WritableFolder
from muniment.targets.base import CLAIMED, GivenMail, MailRefused
from muniment.targets.flags import allowed

_PIECE = 4 * 1024 * 1024
"""Bytes of a stored message that are fetched at a time."""
LARGEST = 4 * 1024 * 1024 * 1024 - 1
"""Largest literal of IMAP (RFC 9051, number), in bytes."""


class ImapTarget:
    """A folder of a mailbox. A message is recognised by its bytes, line ends aside."""

    batch = 50

    def __init__(self, endpoint: ImapEndpoint, folder: str) -> None:
        """Set the mailbox, and the folder's name as the archive writes it."""
        self._endpoint = endpoint
        self._titled = folder
        self._wire: ImapWriter | None = None
        self._folder = WritableFolder(b"", "", ())

    @property
    def address(self) -> str:
        return self._endpoint.address

    def open(self) -> None:
        if self._wire is not None:
            return
        require_private(self._endpoint)
        wire = ImapWriter(self._endpoint)
        try:
            self._folder = wire.open_folder(levels(self._titled), self._titled)
        except FolderGone as error:
            wire.close()
            raise SourceError(str(error)) from error
        except BaseException:
            wire.close()
            raise
        self._wire = wire

    @property
    def _opened(self) -> ImapWriter:
        assert self._wire is not None
        return self._wire

    def find(self, mail: GivenMail, tried: bool, claimed: CLAIMED) -> str | None:
        content = mail.content
        for uid in self._opened.sized(content.size):
            if self._digest(uid, content.size) == content.digest:
                return self._place(uid)
        if tried and mail.message_id:
            for uid in self._opened.named(mail.message_id):
                if not claimed(self._place(uid)):
                    return self._place(uid)
        return None

    def _place(self, uid: int) -> str:
        return f"{self._folder.uidvalidity}:{uid}"

    def _digest(self, uid: int, size: int) -> bytes:
        """The SHA-256 of a stored message, line ends aside; b"" if it is gone."""
        wire = self._opened

        def pieces() -> Iterator[bytes]:
            for start in range(0, size, _PIECE):
                yield wire.piece(uid, start, _PIECE) or b""

        digest = hashlib.sha256()
        for piece in pieces():
            digest.update(piece)
        return digest.digest()

    def put(self, mail: GivenMail) -> str:
        if mail.content.nul:
            raise MailRefused("it has NUL bytes, which IMAP can't take: export it instead")
        if mail.content.size > LARGEST:
            raise MailRefused("it is larger than IMAP allows: export it instead")
        flags = allowed(mail.flags, self._folder.flags)
        try:
            return self._opened.append(self._folder.raw, mail.content, mail.date, flags)
        except AppendRefused as error:
            raise MailRefused(f"{self.address} does not take it ({error})") from error
        except FolderGone as error:  # someone deleted the folder: it is made again
            raise TransientError(str(error)) from error

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None
