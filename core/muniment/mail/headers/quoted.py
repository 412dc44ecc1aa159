"""Quoted-printable (RFC 2045 6.7, RFC 2047 4.2), read so that nothing of it is hidden.

The standard library's decoder drops everything between `=` CR and the next LF. Here `=` before a CR that
stands alone is a soft line break, as it is before CRLF and LF, and what follows is text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

_LONE_CR = re.compile(rb"=\r(?!\n)")
_PAIR_OR_LONE_CR = re.compile(rb"==|=\r(?!\n)")
"""The decoder reads `==` as one `=`, so the second of a pair begins no escape."""


def unquoted(raw: bytes, *, header: bool = False) -> bytes:
    """What quoted-printable text encodes. Never raises.

    `header`: it is an encoded word, in which `_` is a blank.
    """
    if _LONE_CR.search(raw):
        raw = _PAIR_OR_LONE_CR.sub(lambda found: b"==" if found[0] == b"==" else b"=\n", raw)
    return binascii.a2b_qp(raw, header=header)


def unquoted_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """`unquoted` of all pieces joined, piece by piece; what may begin an escape waits for the next piece."""
    held = b""
    for piece in pieces:
        whole = held + piece
        ready = _complete(whole)
        yield unquoted(whole[:ready])
        held = whole[ready:]
    yield unquoted(held)


def _complete(raw: bytes) -> int:
    """Where the escape begins that the end of `raw` leaves open; its length if there is none."""
    end = len(raw)
    if not raw.endswith(b"="):
        if raw[-2:-1] != b"=":
            return end
        end -= 1
    run = end - len(raw[:end].rstrip(b"="))
    return end - 1 if run % 2 else len(raw)
