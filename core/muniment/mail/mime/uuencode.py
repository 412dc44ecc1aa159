"""Files inside a text, written by uuencode (POSIX) as before there was MIME.

A block begins with a line `begin 644 name` or `begin-base64 644 name`. It is a file only if every line up to
its last one can be of the encoding, so words such as "begin 644 times" stay text. A block that is cut off
must have at least a few whole lines.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from msgspec import Struct

from muniment.mail.model import MailBuffer

_BEGIN = re.compile(rb"(?:\A|(?<=\n))begin(-base64)? [0-7]{3,4} ([^\r\n]{1,500}?)[ \t]*\r?\n")
_MARK = b"\nbegin"
_LINE = 1024
"""Bytes of a line that are read. No line of the encoding is as long."""
_FULL = 61
"""Characters of a full line of 45 bytes. All lines except the last are full."""
_CUT_OFF = 4
"""Full lines from which a block without an end is a file that was cut off."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}\Z")
_SHORT = 100_000
"""Shorter lines that one block may have."""
BLOCKS = 200
"""Blocks of one text that are found."""
_TRIED = 1000
"""Lines that look like the first line of a block and are examined."""
_FIRST_STEP, _STEP = 512, 64 * 1024
"""Bytes that are read at first, and at a time in a long block."""


class UuencodedFile(Struct, frozen=True):
    """A file in a text: all of its lines are bytes [start, end), its content lines [first, last)."""

    start: int
    first: int
    last: int
    end: int
    name: bytes
    base64: bool
    empty: bool
    """Whether it contains no bytes."""


def blocks(buf: MailBuffer) -> list[UuencodedFile]:
    """The files in a text, in order. Never raises."""
    found: list[UuencodedFile] = []
    at = 0 if buf.startswith(_MARK[1:]) else _next(buf, 0)
    for _ in range(_TRIED):
        if at < 0 or len(found) == BLOCKS:
            break
        block = _block(buf, at)
        if block is not None:
            found.append(block)
        at = _next(buf, block.end - 1 if block else at)
    return found


def _next(buf: MailBuffer, at: int) -> int:
    """Where the next possible first line of a block begins; -1 if there is none."""
    found = buf.find(_MARK, at)
    return found + 1 if found >= 0 else -1


def _block(buf: MailBuffer, start: int) -> UuencodedFile | None:
    begun = _BEGIN.match(buf[start : start + _LINE])
    if begun is None:
        return None
    base64 = begun[1] is not None
    first = at = start + begun.end()
    full = short = held = 0
    last = first
    for stop, line in _lines(buf, first):
        if line == (b"====" if base64 else b"end"):
            return (
                UuencodedFile(start, first, last, stop, begun[2], base64, not held) if last > first else None
            )
        size = -1 if base64 and not _BASE64.match(line) else 0 if base64 else uu_size(line)
        if size < 0 or short > _SHORT:
            break
        held += size + base64
        full += len(line) >= _FULL
        short += len(line) < _FULL
        at = last = stop
    return UuencodedFile(start, first, last, at, begun[2], base64, not held) if full >= _CUT_OFF else None


def _lines(buf: MailBuffer, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines from `at` on without their line ends, and the offset behind each.

    A line that is too long ends it.
    """
    held, step = b"", _FIRST_STEP
    while at < len(buf):
        chunk = buf[at : at + step]
        step = min(2 * step, _STEP)
        lines = (held + chunk).split(b"\n")
        begun = at - len(held)
        at += len(chunk)
        held = lines.pop() if at < len(buf) else b""
        for line in lines:
            begun += len(line) + 1
            if len(line) > _LINE:
                return
            yield min(begun, len(buf)), line.removesuffix(b"\r")
        if len(held) > _LINE:
            return
    if held:
        yield len(buf), held.removesuffix(b"\r")


def uu_size(line: bytes) -> int:
    """How many bytes a line of uuencode encodes; -1 if it is no such line.

    Blanks at its end may be missing, and a checksum of one or two characters may be there.
    """
    if not line.strip(b" "):
        return 0
    size = (line[0] - 32) & 63
    if not 32 < line[0] <= 96 or max(line) > 96 or min(line) < 32:
        return -1
    digits = -(-size // 3) * 4
    least = -(-size * 4 // 3)
    written = len(line) - 1
    if size == 0:
        return 0 if written == 0 else -1
    if written > digits + 2 or (written < least and b"`" in line):
        return -1
    return size


def uu_line(line: bytes) -> bytes:
    """The bytes that a line encodes; b"" if `uu_size` finds no such line."""
    size = uu_size(line)
    if size <= 0:
        return b""
    digits = -(-size // 3) * 4
    text = line[: 1 + digits].ljust(1 + digits, b" ")
    try:
        return binascii.a2b_uu(text)
    except binascii.Error:  # digits that are not counted in the last group
        return b""


def uu_content(buf: MailBuffer, start: int, end: int) -> Iterator[bytes]:
    """Yield the content of the lines [start, end) of uuencode, piece by piece. Other lines are skipped."""
    pieces: list[bytes] = []
    held = 0
    for line in _within(buf, start, end):
        pieces.append(uu_line(line))
        held += len(pieces[-1])
        if held > _STEP:
            yield b"".join(pieces)
            pieces, held = [], 0
    yield b"".join(pieces)


def uu_length(buf: MailBuffer, start: int, end: int) -> int:
    """How many bytes `uu_content` yields."""
    return sum(max(uu_size(line), 0) for line in _within(buf, start, end))


def _within(buf: MailBuffer, start: int, end: int) -> Iterator[bytes]:
    for stop, line in _lines(buf, start):
        if stop > end:
            return
        yield line
