"""The interface between code that needs the content of mail, and the workers that parse it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from muniment.errors import MailUnreadable
from muniment.mail.model import Likeness, MessageText
from muniment.mail.signatures.model import MessageSignatures
from muniment.parsing.tasks import AttachmentContent, CopyFacts, MessageDocument, MessageFacts, MessageView

IN_MEMORY = 8 * 1024 * 1024
"""Bytes above which a mail goes to a worker as a file and not through a pipe."""


@dataclass(frozen=True, slots=True)
class OpenMail:
    """A mail to read once: its bytes, or an open file with them."""

    content: bytes | IO[bytes]
    name: bytes = b""
    """Its SHA-256; empty if unknown. A mail that is known to kill workers is not given to another one."""
    start: int = 0
    """Where the message begins in it."""
    end: int = -1
    """Where the message ends in it; -1 for the end of the mail."""
    outline: bool = False
    """Whether its text must not be read, because workers have died on it."""

    def close(self) -> None:
        """Close its file. Safe to call twice."""
        if not isinstance(self.content, bytes):
            self.content.close()


def mail_of(
    pieces: Iterable[bytes], size: int, work: Path, name: bytes = b"", *, outline: bool = False
) -> OpenMail:
    """A mail of `size` bytes. A large one is written to an unnamed file in the folder `work`.

    Args:
        pieces: the bytes of the mail.
        size: their number.
        work: folder for temporary files.
        name: see `OpenMail.name`.
        outline: see `OpenMail.outline`.

    Raises:
        OSError: the file can't be written.
        Exception: as `pieces` raises it.
    """
    if size <= IN_MEMORY:
        return OpenMail(b"".join(pieces), name, outline=outline)
    file = tempfile.TemporaryFile(dir=work)  # noqa: SIM115 - closed with the mail
    try:
        file.writelines(pieces)
        file.flush()
    except BaseException:
        file.close()
        raise
    return OpenMail(file, name, outline=outline)


class MailReader(Protocol):
    """Reads mail in worker processes.

    Its methods are safe in any thread, and close each mail after reading it.

    If a worker dies or the parser fails on a mail, that mail is a MailUnreadable. The methods for one mail
    raise it; those for many mails yield it in the mail's place.

    Raises:
        MailUnreadable: from the methods for one mail, see above.
        WorkersUnusable: from any method, if no worker can work at all.
    """

    def view(self, mail: OpenMail, width: int = 0) -> MessageView:
        """The message as a person reads it.

        Args:
            mail: the message.
            width: cells that a table of its drawn HTML may take; 0 to draw nothing.
        """

    def content(self, mail: OpenMail, number: int, into: IO[bytes] | None = None) -> AttachmentContent:
        """An attachment.

        Args:
            mail: the message.
            number: the attachment's number, from 1.
            into: a file that gets the content of a large mail's attachment. Without it, and for small mails,
                the content is in the result.
        """

    def content_text(self, mail: OpenMail, number: int) -> AttachmentContent:
        """The text of an attachment. `number` counts from 1."""

    def document(self, mail: OpenMail, into: IO[bytes]) -> MessageDocument:
        """The message with the content and the text of all its attachments.

        Args:
            mail: the message, in an open file of any size.
            into: an open file that gets content and text of each attachment, in the order of `files`.
        """

    def copy(self, mail: OpenMail, *, journal: bool) -> CopyFacts:
        """Whom a copy concerns.

        `journal`: unwrap it if it is a journal report. If a report can't be unwrapped, the result has a
        `problem`.
        """

    def likeness(self, mail: OpenMail) -> Likeness:
        """The hashes by which a rewritten message is recognised (see `mail.text.likeness`)."""

    def texts(self, mails: Iterable[OpenMail]) -> Iterator[MessageText | MailUnreadable]:
        """Yield what can be searched in each message, in order."""

    def messages(self, mails: Iterable[OpenMail]) -> Iterator[MessageFacts | MailUnreadable]:
        """Yield what the catalog stores of each message, in order."""

    def copies(self, mails: Iterable[tuple[OpenMail, bool]]) -> Iterator[CopyFacts | MailUnreadable]:
        """Yield the result of `copy` for each mail and its `journal`, in order."""

    def signatures(self, mails: Iterable[OpenMail]) -> Iterator[MessageSignatures | MailUnreadable]:
        """Yield what the signatures of each message sign, in order."""
