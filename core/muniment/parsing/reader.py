"""The seam between those who need to know what a mail says, and the workers that read it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from muniment.errors import MailUnreadable
from muniment.mail.model import Likeness, MessageText
from muniment.parsing.tasks import Content, CopyFacts, MessageFacts, MessageView

IN_MEMORY = 8 * 1024 * 1024
"""Bytes above which a mail goes to a worker as a file and not through a pipe."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to be read, once: its bytes, or an open file that holds them."""

    content: bytes | IO[bytes]
    name: bytes = b""
    """Its SHA-256; empty where that is not known. What is known to end workers is not given to others."""
    start: int = 0
    end: int = -1
    """Where the message lies in it; -1 for its end."""
    outline: bool = False
    """Whether its text is not to be read, since workers have died over it."""

    def close(self) -> None:
        """Close its file. Safe to call twice."""
        if not isinstance(self.content, bytes):
            self.content.close()


def mail_of(
    pieces: Iterable[bytes], size: int, work: Path, name: bytes = b"", *, outline: bool = False
) -> Mail:
    """A mail of `size` bytes; if it is large, it is written to a file without a name in the folder `work`.

    Raises whatever the pieces raise, and OSError where the file can't be written.
    """
    if size <= IN_MEMORY:
        return Mail(b"".join(pieces), name, outline=outline)
    file = tempfile.TemporaryFile(dir=work)  # noqa: SIM115 - closed with the mail
    try:
        file.writelines(pieces)
        file.flush()
    except BaseException:
        file.close()
        raise
    return Mail(file, name, outline=outline)


class MailReader(Protocol):
    """Reads mail in worker processes. For any thread. Each mail is closed once it has been read.

    A mail over which a worker died, or the parser failed, is a MailUnreadable: raised for one mail, and
    yielded in its place for many. Where no worker can work at all, WorkersUnusable is raised.
    """

    def view(self, mail: Mail) -> MessageView:
        """The message as a person reads it. Raises MailUnreadable."""

    def content(self, mail: Mail, number: int, into: IO[bytes] | None = None) -> Content:
        """An attachment, counted from 1. A large mail's goes to the file `into`. Raises MailUnreadable."""

    def content_text(self, mail: Mail, number: int) -> Content:
        """The text of an attachment, counted from 1. Raises MailUnreadable."""

    def copy(self, mail: Mail, *, journal: bool) -> CopyFacts:
        """Whom a copy concerns; `journal`: a journal report is unwrapped. Raises MailUnreadable."""

    def likeness(self, mail: Mail) -> Likeness:
        """What the message is compared by. Raises MailUnreadable."""

    def texts(self, mails: Iterable[Mail]) -> Iterator[MessageText | MailUnreadable]:
        """What can be searched in each message, in order."""

    def messages(self, mails: Iterable[Mail]) -> Iterator[MessageFacts | MailUnreadable]:
        """What the catalog holds of each message, in order."""

    def copies(self, mails: Iterable[tuple[Mail, bool]]) -> Iterator[CopyFacts | MailUnreadable]:
        """As `copy`, for each mail in order."""
