"""Limits on the size and the slowness of a server's answers, so that a run always ends.

A hostile or broken server must not fill memory or disk, and must not hold up a run for ever. The limits are
far above what an honest server needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muniment.errors import SourceError
from muniment.net.retry import TransientError

if TYPE_CHECKING:
    from muniment.net.server_settings import ServerSettings

SHORT_ANSWER = 1024 * 1024
"""Most bytes of an answer that lists no messages: capabilities, the state of a folder, a refusal."""
WHOLE_ANSWER = 32 * 1024 * 1024
"""Most bytes of an answer over HTTP that is read whole: a page of a list, a token, an error."""
EMPTY_PAGES = 20_000
"""Number of pages in a row without a new entry after which a list counts as endless."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """Limits on the time that a server takes, with values for real servers as defaults."""

    greeting: float = 4.0
    """Seconds to wait for the first line of a server that speaks first; then it is tested for TLS."""
    least_rate: int = 64
    """Least bytes a second of an answer, once it has taken longer than the timeout."""
    long: float = 3600.0
    """Seconds after which an answer counts as a long one."""
    long_rate: int = 8 * 1024
    """Least bytes a second of a long answer: even the largest message then ends after three days."""
    lively: int = 10
    """Factor on the timeout for a slower answer with whole lines: a server that works on a long command sends
    a line every minute or two to show that it is still there."""

    def rate(self, seconds: float) -> int:
        """Least bytes a second of an answer that has taken this many seconds."""
        return self.long_rate if seconds > self.long else self.least_rate


def too_much(address: str, answer: str) -> SourceError:
    """The error for an answer that is longer than any honest one; `answer` is the command, such as `UIDL`."""
    return SourceError(
        f"{address} answers {answer} with more data than any mail server needs to send: "
        "check `host` and `port`, and ask the people who run that server."
    )


def too_slow(address: str, rate: int) -> TransientError:
    """The error for an answer that comes more slowly than `rate` bytes a second."""
    return TransientError(
        f"{address} sends less than {rate:,} bytes a second: check the network, and run again."
    )


class PageLimit:
    """Counts the entries of a list that comes in pages, and refuses a list without an end."""

    def __init__(self, address: str, most: int) -> None:
        """`most` is the largest number of entries of an honest list."""
        self._address = address
        self._left = most
        self._empty = 0

    def took(self, new: int) -> None:
        """Count a page with `new` new entries.

        Raises:
            SourceError: The list seems to have no end.
        """
        self._left -= new
        self._empty = 0 if new else self._empty + 1
        if self._left < 0 or self._empty > EMPTY_PAGES:
            raise SourceError(
                f"{self._address} sends a list without an end: ask the people who run that server, and run "
                "again."
            )


class AnswerPace:
    """Stops an answer that comes too slowly. A socket's timeout is not enough: every byte starts it again."""

    def __init__(self, server: ServerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._waited = 0.0
        self._received = 0
        self._lines = False

    def begin(self) -> None:
        """Start to measure the next answer."""
        self._waited, self._received, self._lines = 0.0, 0, False

    def line(self) -> None:
        """Note that a whole line of the answer has arrived."""
        self._lines = True

    def receive(self, read: Callable[[], int]) -> int:
        """Call `read`, and measure its time.

        Args:
            read: Waits for bytes and returns their number.

        Returns:
            What `read` returned.

        Raises:
            TransientError: The answer comes too slowly.
        """
        began = self._clock()
        count = read()
        self._waited += self._clock() - began
        self._received += count
        limits = self._server.limits
        patience = self._server.timeout * (limits.lively if self._lines else 1)
        rate = limits.rate(self._waited)
        if self._waited > patience and self._received < rate * self._waited:
            raise too_slow(self._server.address, rate)
        return count
