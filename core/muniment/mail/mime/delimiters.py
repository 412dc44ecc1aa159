"""Finds the delimiter lines of multiparts in a buffer (RFC 2046 5.1.1).

Each false delimiter costs a step in Python. Real mail has few of them, but a hostile one has millions. So
after the first few, a regular expression finds the true ones.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from muniment.mail.buffer import WINDOW
from muniment.mail.model import MailBuffer

PATIENCE = 32
"""False delimiters that are examined one by one."""
_BEHIND = rb"(?:[ \t]{78}|[ \t]*+(?:\r\n|\r|\n|\Z))"
"""The end of the line. The pattern does not wait for the end of very long white space."""
_REST = re.compile(rb"(--)?" + _BEHIND)
_REST_LENGTH = 82
"""Longest match of _REST in bytes, and what it must see."""
_LONGEST = 1000
"""Bytes of a needle for which a pattern is made. No buffer has many longer ones."""


class DelimiterLine(NamedTuple):
    """A delimiter line of a multipart."""

    at: int
    """Offset of its first byte."""
    end: int
    """Offset of the next line."""
    closing: bool
    """Whether it closes the multipart."""


def delimiters(
    buf: MailBuffer,
    boundary: bytes,
    start: int,
    end: int,
    *,
    patience: int = PATIENCE,
    window: int = WINDOW,
) -> Iterator[DelimiterLine]:
    """Yield the delimiter lines in [start, end) in order. Linear in time.

    Args:
        buf: the buffer.
        boundary: the multipart's boundary.
        start: where the multipart begins.
        end: where it ends.
        patience: false delimiters that are examined one by one.
        window: bytes that a pattern searches at a time.
    """
    needle = b"--" + boundary
    false = 0
    at = buf.find(needle, start, end)
    while at >= 0:
        found = _delimiter(buf, at, len(needle), start, end)
        if found is not None:
            yield found
        else:
            false += 1
            if false > patience and len(needle) <= _LONGEST:
                yield from _by_pattern(buf, needle, at + len(needle), start, end, window)
                return
        at = buf.find(needle, at + len(needle), end)


def last_closing(
    buf: MailBuffer,
    boundary: bytes,
    start: int,
    end: int,
    *,
    patience: int = PATIENCE,
    window: int = WINDOW,
) -> DelimiterLine | None:
    """The last closing delimiter line in [start, end); None if there is none. Linear in time.

    `patience` and `window` are those of `delimiters`.
    """
    needle = b"--" + boundary
    false = 0
    at = buf.rfind(needle + b"--", start, end)
    while at >= 0:
        found = _delimiter(buf, at, len(needle), start, end)
        if found is not None and found.closing:
            return found
        false += 1
        if false > patience and len(needle) <= _LONGEST:
            return _last_by_pattern(buf, needle, start, at, end, window)
        at = buf.rfind(needle + b"--", start, at)
    return None


def content_end(buf: MailBuffer, start: int, at: int) -> int:
    """Where the content from `start` on ends: before the line end in front of the delimiter at `at`."""
    if buf.startswith(b"\r\n", max(at - 2, start), at):
        return at - 2
    return max(at - 1, start)


def _delimiter(buf: MailBuffer, at: int, length: int, start: int, end: int) -> DelimiterLine | None:
    """The delimiter line at `at`; None if none begins there."""
    if at > start and buf[at - 1] not in b"\r\n":
        return None
    behind = at + length
    rest = _REST.match(buf[behind : min(behind + _REST_LENGTH, end)])
    return None if rest is None else DelimiterLine(at, behind + rest.end(), rest[1] is not None)


def _by_pattern(
    buf: MailBuffer, needle: bytes, at: int, start: int, end: int, window: int
) -> Iterator[DelimiterLine]:
    """The delimiter lines that begin in [at, end), all of them after a line end."""
    pattern = re.compile(rb"[\r\n]" + re.escape(needle) + rb"(?=((--)?" + _BEHIND + rb"))")
    for low in range(at, end, window):
        yield from _in_window(buf, pattern, len(needle), max(low - 1, start), min(low + window, end), end)


def _last_by_pattern(
    buf: MailBuffer, needle: bytes, start: int, at: int, end: int, window: int
) -> DelimiterLine | None:
    """The last closing delimiter line that begins before `at`."""
    pattern = re.compile(rb"[\r\n]" + re.escape(needle) + rb"(?=((--)" + _BEHIND + rb"))")
    for high in range(at, start, -window):
        low = max(high - window, start)
        last = deque(_in_window(buf, pattern, len(needle), max(low - 1, start), high, end), 1)
        if last:
            return last[0]
    first = buf.startswith(needle + b"--", start, end)
    return _delimiter(buf, start, len(needle), start, end) if first else None


def _in_window(
    buf: MailBuffer, pattern: re.Pattern[bytes], length: int, low: int, high: int, end: int
) -> Iterator[DelimiterLine]:
    """The delimiter lines whose preceding line end lies in [low, high - 1)."""
    chunk = buf[low : min(high + length + _REST_LENGTH, end)]
    for match in pattern.finditer(chunk):
        at = low + match.start() + 1
        if at >= high:
            return
        yield DelimiterLine(at, low + match.end(1), match[2] is not None)
