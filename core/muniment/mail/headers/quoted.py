"""Decodes quoted-printable (RFC 2045 6.7, RFC 2047 4.2) so that no text is hidden.

The standard library's decoder drops everything between `=` CR and the next LF. Here `=` in front of a lone CR
is a soft line break, as it is in front of CRLF and LF, and what follows is text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

_LONE_CR = re.compile(rb"=\r(?!\n)")
_PAIR_OR_LONE_CR = re.compile(rb"==|=\r(?!\n)")
"""The decoder reads `==` as one `=`, so the second one of a pair begins no escape."""


def unquoted(raw: bytes, *, header: bool = False) -> bytes:
    """The bytes that quoted-printable text encodes. Never raises.

    `header`: the text is an encoded word, in which `_` is a blank.
    """
    if _LONE_CR.search(raw):
        raw = _PAIR_OR_LONE_CR.sub(lambda found: b"==" if found[0] == b"==" else b"=\n", raw)
    return binascii.a2b_qp(raw, header=header)


def unquoted_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `unquoted` of all pieces joined, piece by piece.

    A possible beginning of an escape at the end of a piece waits for the next piece.
    """
    held = b""
    for piece in pieces:
        whole = held + piece
        ready = _complete(whole)
        yield unquoted(whole[:ready])
        held = whole[ready:]
    yield unquoted(held)


def _complete(raw: bytes) -> int:
    """Where the incomplete escape at the end of `raw` begins; the length of `raw` if there is none."""
    end = len(raw)
    if not raw.endswith(b"="):
        if raw[-2:-1] != b"=":
            return end
        end -= 1
    run = end - len(raw[:end].rstrip(b"="))
    return end - 1 if run % 2 else len(raw)
