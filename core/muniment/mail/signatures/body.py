"""The hash of a message's body in the canonical forms of DKIM (RFC 6376, 3.4.3 and 3.4.4)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from muniment.mail.model import MailBuffer

_WHITE = b" \t\r\n"
_RUN = re.compile(rb"[ \t]+")


class BodyTooBlank(ValueError):
    """The body has more white space in one place than may be held in memory."""


class BodyLimits(NamedTuple):
    """How much of a body is in memory."""

    block: int = 1024 * 1024
    """Bytes that are read at a time."""
    blank: int = 32 * 1024 * 1024
    """Most white space without anything between it, in bytes, which must be held."""


LIMITS = BodyLimits()


def body_hash(
    buf: MailBuffer, start: int, *, relaxed: bool, limit: int | None = None, limits: BodyLimits = LIMITS
) -> tuple[bytes, int]:
    """Return the SHA-256 of a canonical body, and its length in bytes.

    Args:
        buf: The message.
        start: Where its body begins. If the line before ends with LF alone, so may those of the body: stores
            keep mail like that.
        relaxed: Whether white space within lines is made alike.
        limit: How many bytes of the canonical body are hashed; None for all.
        limits: How much is held in memory.

    Raises:
        BodyTooBlank: The body can't be hashed in bounded memory.
    """
    digest, size = hashlib.sha256(), 0
    for piece in _canonical(buf, start, relaxed, limits):
        digest.update(piece if limit is None else piece[: max(0, limit - size)])
        size += len(piece)
    return digest.digest(), size


def _canonical(buf: MailBuffer, start: int, relaxed: bool, limits: BodyLimits) -> Iterator[bytes]:
    """Yield the canonical body in pieces."""
    bare = not buf.startswith(b"\r\n", max(0, start - 2))
    held, empty = b"", True
    for at in range(start, len(buf), limits.block):
        held += buf[at : at + limits.block]
        end = len(held.rstrip(_WHITE))
        if end:
            yield _spaced(_ended(held[:end], bare), relaxed)
            held, empty = held[end:], False
        if len(held) > limits.blank:
            raise BodyTooBlank
    last = _ended(held, bare)
    if not last.endswith(b"\r\n") and (last or not empty):
        last += b"\r\n"
    last = _spaced(last, relaxed)
    last = last[: _without_empty_lines(last)]
    if last or not empty or not relaxed:
        yield last + b"\r\n"


def _ended(piece: bytes, bare: bool) -> bytes:
    """End lines with CRLF, if they may end with LF alone."""
    return piece.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if bare else piece


def _spaced(piece: bytes, relaxed: bool) -> bytes:
    """Make runs of spaces and tabs one space, and remove those at the ends of lines.

    Most mail has few of them, so looking first is many times faster.
    """
    if relaxed and (b"\t" in piece or b"  " in piece):
        piece = _RUN.sub(b" ", piece)
    return piece.replace(b" \r\n", b"\r\n") if relaxed and b" \r\n" in piece else piece


def _without_empty_lines(piece: bytes) -> int:
    """Return the length of a piece without the line ends at its end."""
    end = len(piece)
    while piece.endswith(b"\r\n", 0, end):
        end -= 2
    return end
