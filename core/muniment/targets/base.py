"""The protocol that every target implements, and the values that it takes and returns.

A target is one folder of one mailbox, or a mailbox that gets mail by SMTP. Mail is put into it message by
message. A connection can break between the server's storing of a message and its answer; so a target can also
look for a message, and a caller that puts one again looks first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from muniment.errors import SourceError
from muniment.net.retry import RetryPolicy, TransientError

PIECE = 256 * 1024
"""Bytes that are sent at a time."""
_LONE = re.compile(rb"(?<!\r)\n")
CLAIMED = Callable[[str], bool]
"""Says whether a place in the target is known to hold another message."""


class MailRefused(SourceError):
    """A target does not take this message, while it takes others. The message is a clause that says why."""


class MailContent(Protocol):
    """The bytes of a message: `bytes`, or a buffer over a file."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> bytes: ...


class CrlfContent:
    """Content whose lines end with CRLF, as all protocols of mail demand. Nothing else is changed.

    A CR that ends no line stays, as every other byte does.
    """

    def __init__(self, content: MailContent, at_once: int = PIECE) -> None:
        """Read it once, for its size and hash; `at_once` is the size of its pieces in bytes."""
        self._content = content
        self._at_once = at_once
        digest, self.size, self.nul = hashlib.sha256(), 0, False
        for piece in self.pieces():
            digest.update(piece)
            self.size += len(piece)
            self.nul = self.nul or b"\0" in piece
        self.digest = digest.digest()
        """SHA-256 of the pieces."""

    def __len__(self) -> int:
        return self.size

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes."""
        last = b""
        for start in range(0, len(self._content), self._at_once):
            piece = last + self._content[start : start + self._at_once]
            yield _LONE.sub(b"\r\n", piece)[len(last) :]
            last = piece[-1:] if piece.endswith(b"\r") else b""


@dataclass(frozen=True, slots=True)
class GivenMail:
    """A message as a target gets it."""

    id: str
    """The id by which the person who asks for it knows it, in hex."""
    content: CrlfContent
    date: int
    """When its mailbox received it, in seconds since 1970 UTC."""
    flags: tuple[str, ...]
    """Its flags, in the words of IMAP."""
    message_id: str = ""
    """Its Message-ID without brackets, in lower case; "" if it has none."""
    subject: str = ""


class Target(Protocol):
    """A place into which mail is put. All calls must come from one thread."""

    @property
    def address(self) -> str:
        """The server and its port, for sentences."""

    batch: int
    """How many messages are put before the outcome must be noted. It is more than 1 only for a target that
    can be searched, since then it does no harm if the last outcomes are lost."""

    def open(self) -> None:
        """Connect and log in, and find or make the folder. It does nothing if that is done.

        Raises:
            SourceError: The target can't be used.
        """

    def find(self, mail: GivenMail, tried: bool, claimed: CLAIMED) -> str | None:
        """Look for a message.

        Args:
            mail: The message.
            tried: Whether it may have been put before, without an answer. Then a message that only looks like
                it counts as well, since some servers change what they store.
            claimed: Says which places hold other messages.

        Returns:
            Its place, "" if that has no name; None if the message is not there.

        Raises:
            MailUncertain: It may have been put, and no one can tell.
        """

    def put(self, mail: GivenMail) -> str:
        """Store a message, and return its place; "" if the server does not name it.

        Raises:
            MailRefused: The server does not take it.
            TransientError: The connection broke; perhaps it is stored.
        """

    def close(self) -> None:
        """Close the connection. It can be called twice."""


class MailUncertain(MailRefused):
    """Whether a message has reached its target can't be known, so it is not sent again."""


class GiveOutcome(Enum):
    """What became of a message."""

    NEW = auto()
    """It was put there now."""
    THERE = auto()
    """It was there already."""


def give(
    target: Target, mail: GivenMail, tried: bool, claimed: CLAIMED, patience: RetryPolicy
) -> tuple[GiveOutcome, str]:
    """Put a message into a target, unless it is there; a broken connection is opened again.

    Returns:
        What became of it, and its place; "" if that has no name.

    Raises:
        MailRefused: The target does not take this message.
        SourceError: The target can't be used.
    """
    while True:
        try:
            target.open()
            place = target.find(mail, tried, claimed)
            if place is not None:
                return GiveOutcome.THERE, place
            tried = True  # from here on, no answer can mean that it is stored
            place = target.put(mail)
            patience.progress()
            return GiveOutcome.NEW, place
        except MailRefused:
            raise
        except TransientError as error:
            target.close()
            patience.again(error)
