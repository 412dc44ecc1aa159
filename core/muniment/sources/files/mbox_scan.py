"""Finds the messages in an mbox file. It reads the file in blocks, so memory does not grow with the file.

A message begins after a separator (`sources.files.separator`): a line with an address and a date, at the
beginning of the file or after a blank line. Some writers omit the blank line. Without it, a header field must
follow the separator. A separator without address and date needs both. Any other line that begins with `From `
is text.

`Content-Length` is used if it leads exactly to a separator or to the end of the file, with at most one blank
line before it. Then no line within the message is a separator. If it leads anywhere else it is ignored, since
a sender can write any value. If an mbox file is attached to a mail without quoting, its first line is no
separator if the multipart is closed before the next one (`_is_attached`).

A file can begin with a byte order mark and with blank lines. A message ends before the blank line that
precedes the next separator or the end of the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from muniment.sources.files.separator import LONGEST, MboxSeparator, is_bare, is_field, separator

BLOCK = 1024 * 1024
"""Number of bytes of a file that are in memory at once."""
_HEAD = 64 * 1024
"""Number of bytes in which a message's Content-Length, or a file's first separator, is searched."""
_BOM = b"\xef\xbb\xbf"
_MARK = b"\nFrom "
_BLANK = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length[ \t]*:[ \t]*(\d{1,15})[ \t]*\r?(?=\n)", re.IGNORECASE)
_PART_HEAD = 4096
_PART = re.compile(
    rb"(?:\A|\n)--(\S[^\r\n]{7,69})(?<![ \t])\r?\n"
    rb"(?:[Cc]ontent-[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)+\r?\n\Z"
)
"""The whole header of a MIME part, with the boundary before it."""
_NONE = MboxSeparator(None)


class MboxSpan(NamedTuple):
    """A message in its file: bytes [start, end)."""

    start: int
    end: int
    date: int | None
    """The date in its separator, in seconds since 1970 UTC."""
    last: bool
    """Whether nothing follows it in the file."""


def spots(file: BinaryIO, block: int = BLOCK) -> Iterator[MboxSpan]:
    """The messages of an mbox file, in order; none if the file is not an mbox file.

    `block` is the number of bytes that are read at once.
    """
    window = _Window(file, block)
    at: int | None = _first(window)
    while at is not None:
        begun = window.separator(at) or _NONE
        body = window.line_end(at)
        following = _by_length(window, body)
        if following is None:
            following = _next(window, body)
        end = window.size if following is None or following >= window.size else following
        yield MboxSpan(body, _without_blank(window, body, end), begun.date, end == window.size)
        at = end if end < window.size else None


def is_mbox(file: BinaryIO) -> bool:
    """Whether a file begins like an mbox file."""
    return _first(_Window(file)) is not None


def is_whole(file: BinaryIO, start: int, end: int) -> bool:
    """Whether a message that was found at [start, end) still ends there; a writer can have continued it."""
    window = _Window(file)
    return _ends(window, end, start)


class _Window:
    """A file, of which one block is in memory."""

    def __init__(self, file: BinaryIO, length: int = BLOCK) -> None:
        self._length = length
        self._handle = file.fileno()
        self.size = os.fstat(self._handle).st_size
        self._base, self._block = 0, b""

    def get(self, start: int, end: int) -> bytes:
        """The bytes [start, end), or fewer at the end of the file."""
        start, end = start - self._base, min(end, self.size) - self._base
        if start >= 0 and end <= len(self._block):
            return self._block[start:end]
        return os.pread(self._handle, max(end - start, 0), self._base + start)

    def find(self, needle: bytes, start: int, end: int | None = None) -> int:
        """The next offset of `needle`, not beyond `end`; -1 if there is none."""
        end = self.size if end is None else end
        while start <= end and start + len(needle) <= self.size:
            if not self._base <= start <= self._base + len(self._block) - len(needle):
                count = min(self._length, self.size - start)
                self._base, self._block = start, os.pread(self._handle, count, start)
                if len(self._block) < len(needle):
                    return -1  # the file was shortened in the meantime
            found = self._block.find(needle, start - self._base)
            if found >= 0:
                return self._base + found if self._base + found <= end else -1
            start = self._base + len(self._block) - len(needle) + 1
        return -1

    def line(self, at: int) -> bytes:
        """The line at `at`, without its line end; a long line is cut to a little more than LONGEST bytes."""
        return self.get(at, at + LONGEST + 2).partition(b"\n")[0].rstrip(b"\r")

    def line_end(self, at: int) -> int:
        """The offset of the next line after `at`; the end of the file if there is none."""
        found = self.find(b"\n", at)
        return found + 1 if found >= 0 else self.size

    def separator(self, at: int) -> MboxSeparator | None:
        """The separator in the line at `at`; None if the line is none."""
        return separator(self.line(at))

    def has_field(self, at: int) -> bool:
        """Whether a header field follows the line at `at`."""
        following = self.line_end(at)
        return following < self.size and is_field(self.line(following))


def _first(window: _Window) -> int | None:
    """The offset of the first separator, which only a byte order mark and blank lines can precede."""
    head = window.get(0, _HEAD)
    at = len(_BOM) if head.startswith(_BOM) else 0
    at += len(head[at:]) - len(head[at:].lstrip(b"\r\n"))
    line = window.line(at)
    if not line.startswith(b"From "):
        return None
    if separator(line) is None and not (
        window.has_field(at) and (line.startswith(b"From ") or is_bare(line))
    ):
        return None
    return at


def _next(window: _Window, body: int) -> int | None:
    """The offset of the first separator in or after the message that begins at `body`."""
    first = window.get(body, body + len(_MARK) - 1) == _MARK[1:]
    at = body if first else window.find(_MARK, body) + 1
    while at:
        if _separates(window, at, body) and not _is_attached(window, at, body):
            return at
        at = window.find(_MARK, at) + 1
    return None


def _is_attached(window: _Window, at: int, body: int) -> bool:
    """Whether the line at `at` begins the text of a part whose multipart is closed before the next separator.

    A following mail in the file can't close an open multipart, since it does not know the boundary. It can if
    the boundary is a common line of mail (`-----Original Message-----`). So a boundary without a digit is
    ignored.
    """
    opened = _PART.search(window.get(max(at - _PART_HEAD, body), at))
    if opened is None or not any(digit in opened[1] for digit in b"0123456789"):
        return False
    closing = b"\n--" + opened[1] + b"--"
    following = window.find(_MARK, at) + 1
    while following and not _separates(window, following, body):
        following = window.find(_MARK, following) + 1
    found = window.find(closing, at, following or window.size)
    return found >= 0 and window.line(found + 1).rstrip(b" \t") == closing[1:]


def _separates(window: _Window, at: int, body: int) -> bool:
    """Whether the line at `at` separates a message that begins at `body` from the next one."""
    before = window.get(max(at - 3, body), at)
    blank = at == body or before.endswith((b"\n\n", b"\n\r\n")) or before in (b"\n", b"\r\n")
    line = window.line(at)
    if separator(line) is not None:
        return blank or window.has_field(at)
    return blank and at != body and is_bare(line) and window.has_field(at)


def _by_length(window: _Window, body: int) -> int | None:
    """The end of the message at `body` by its Content-Length: the next separator or the end of the file."""
    head = b"\n" + window.get(body, body + _HEAD)
    blank = _BLANK.search(head)
    if blank is None:
        return None
    lengths = set(_LENGTH.findall(head, 0, blank.start() + 1))
    if len(lengths) != 1:
        return None
    end = body + blank.end() - 1 + int(lengths.pop())
    return _end_at(window, end, body) if end <= window.size else None


def _end_at(window: _Window, end: int, body: int) -> int | None:
    """The offset of the separator or file end that is at `end` or after one blank line; None without one."""
    behind = window.get(end, end + 2)
    blank = 1 if behind.startswith(b"\n") else 2 if behind == b"\r\n" else 0
    for at in (end, end + blank):
        if at >= window.size:
            return window.size
        begins = at == body or window.get(at - 1, at) == b"\n"
        if begins and (window.separator(at) is not None or _separates(window, at, body)):
            return at
    return None


def _ends(window: _Window, end: int, body: int) -> bool:
    """Whether a separator or the end of the file follows a message that ends at `end`."""
    return _end_at(window, end, body) is not None


def _without_blank(window: _Window, start: int, end: int) -> int:
    """The end of the content, without the empty line that closes it."""
    tail = window.get(max(end - 4, start), end)
    if tail.endswith(b"\r\n\r\n") or tail == b"\r\n":
        return end - 2
    if tail.endswith(b"\n\n") or tail == b"\n":
        return end - 1
    return end
