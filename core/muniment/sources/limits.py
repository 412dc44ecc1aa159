"""How much a mail server may say, and how slowly: every answer has a bound, so that a run always ends.

A server that is hostile or broken must fill neither memory nor disk, nor hold a run for ever. The bounds
are far above what an honest server needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from muniment.errors import SourceError
from muniment.sources.base import Item
from muniment.sources.retry import Passing

if TYPE_CHECKING:
    from muniment.sources.endpoint import Endpoint

MOST_MESSAGES = 50_000_000
"""Messages in one folder or mailbox; a server that states more is not believed."""
LARGEST_MESSAGE = 2 * 1024**3
"""Bytes of one message whose size is not announced."""
SPARE = 64 * 1024 * 1024
"""Bytes beyond twice the announced size that a message may have: some servers announce any size."""
SHORT_ANSWER = 1024 * 1024
"""Bytes of an answer that lists no messages: capabilities, the state of a folder, a refusal."""
WHOLE_ANSWER = 32 * 1024 * 1024
"""Bytes of an answer over HTTP that is read whole: a page of a list, a token, an error."""
MOST_FOLDERS = 1_000_000
"""Folders of one mailbox, or people of one organisation."""
EMPTY_PAGES = 20_000
"""Pages of a list in a row that bring nothing new before the list counts as endless."""
FOLDER_LIST = 32 * 1024 * 1024
"""Bytes of a list of folders: 100,000 of them with long names."""
LEAST_RATE = 64
"""Bytes a second that an answer must bring, once it has taken longer than `timeout`."""
LIVELY = 10
"""How many times `timeout` an answer may take at a slower rate while whole lines come: a server that works
on a long command says every minute or two that it is still there."""


class Overrun(SourceError):
    """A server sends more than it announced. `item`: the message that it sends, where it is one."""

    def __init__(self, message: str, item: Item | None = None) -> None:
        super().__init__(message)
        self.item = item


def most_bytes(announced: int | None) -> int:
    """How many bytes of a message are taken, given the size that the server announced."""
    if announced is None:
        return LARGEST_MESSAGE
    return min(2 * announced + SPARE, LARGEST_MESSAGE)


def overrun(endpoint: Endpoint, item: Item) -> Overrun:
    """The error for a message that is far larger than announced."""
    stated = "no size" if item.size is None else f"{item.size:,} bytes"
    return Overrun(
        f"{endpoint.address} announced {stated} for a message and sent more than {most_bytes(item.size):,}: "
        "the message stays there; ask the people who run that server.",
        item,
    )


def too_much(address: str, answer: str) -> SourceError:
    """The error for an answer that does not end where an honest one has ended long before."""
    return SourceError(
        f"{address} sends more than any mail server has to say to {answer}: "
        "check `host` and `port`, and ask the people who run that server."
    )


def require_believable(endpoint: Endpoint, count: int) -> int:
    """`count`, the number of messages that a server states. Raises SourceError when it is absurd."""
    if not 0 <= count <= MOST_MESSAGES:
        raise SourceError(
            f"{endpoint.address} says that there are {count:,} messages, which no mailbox holds: "
            "ask the people who run that server."
        )
    return count


def too_slow(address: str) -> Passing:
    """The error for an answer that trickles."""
    return Passing(
        f"{address} sends less than {LEAST_RATE} bytes a second: check the network, and run again."
    )


class Pages:
    """Sees to it that a list which comes in pages has an end."""

    def __init__(self, address: str, most: int) -> None:
        self._address = address
        self._left = most
        self._empty = 0

    def took(self, new: int) -> None:
        """A page brought so many new entries. Raises SourceError when the list seems to have no end."""
        self._left -= new
        self._empty = 0 if new else self._empty + 1
        if self._left < 0 or self._empty > EMPTY_PAGES:
            raise SourceError(
                f"{self._address} lists without end: ask the people who run that server, and run again."
            )


class Pace:
    """Watches that an answer does not trickle: `timeout` alone is renewed by every single byte."""

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._waited = 0.0
        self._received = 0
        self._lines = False

    def begin(self) -> None:
        """A new answer is waited for."""
        self._waited, self._received, self._lines = 0.0, 0, False

    def line(self) -> None:
        """A whole line of the answer has come."""
        self._lines = True

    def receive(self, read: Callable[[], int]) -> int:
        """Call `read`, which waits for bytes and returns their number. Raises Passing, and what it raises."""
        began = self._clock()
        count = read()
        self._waited += self._clock() - began
        self._received += count
        patience = self._endpoint.timeout * (LIVELY if self._lines else 1)
        if self._waited > patience and self._received < LEAST_RATE * self._waited:
            raise too_slow(self._endpoint.address)
        return count
