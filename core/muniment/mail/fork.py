"""Forks: copies of one message that differ in what transport wrote on them.

Exchange makes one report for each fork of a message. Two forks are known by the same content hash
(`mail.content`); what differs is kept as pieces, so that each of them comes back byte for byte.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from muniment.mail.headers import block, spans
from muniment.mail.model import Buffer

TRANSPORT_VERSION = 1
"""Number of the table below. It is part of the content hash, so that no two tables' hashes are ever equal."""

TRANSPORT_HEADERS = (
    # Trace and final delivery: RFC 5321 4.4, RFC 9228, and what servers wrote before there was a standard.
    b"received",
    b"x-received",
    b"return-path",
    b"delivered-to",
    b"x-delivered-to",
    b"x-original-to",
    b"envelope-to",
    b"x-envelope-to",
    b"x-envelope-from",
    b"x-forwarded-to",
    b"x-forwarded-for",
    # What a receiving server found when it checked the sender: RFC 8601, 7208, 8617.
    b"authentication-results",
    b"authentication-results-original",
    b"received-spf",
    b"arc-*",
    # Exchange and its filters: routing, scores and identities, written anew on each hop and for each fork.
    b"x-ms-exchange-*",
    b"x-microsoft-exchange-diagnostics*",
    b"x-microsoft-antispam*",
    b"x-exchange-antispam-*",
    b"x-forefront-antispam-*",
    b"x-forefront-prvs",
    b"x-ms-office365-filtering-*",
    b"x-ms-traffictypediagnostic",
    b"x-ms-publictraffictype",
    b"x-eopattributedmessage",
    b"x-eoptenantattributedmessage",
    b"x-originatororg",
    b"spamdiagnosticoutput",
    b"spamdiagnosticmetadata",
    # SpamAssassin and rspamd score each delivery for itself.
    b"x-spam-*",
    b"x-spamd-*",
    b"x-rspamd-*",
    # Google's relays number each copy that they hand on.
    b"x-google-smtp-source",
    b"x-gm-message-state",
)
"""Fields that transport adds; a name that ends in `*` stands for all that begin so.

Anything else is content: Message-ID, From, Date, Subject and all addressees, Bcc among them (the sender's
own copy has it, the others' don't), DKIM signatures, List-* and Resent-* fields. A field that is missing
here costs space, as a fork is then stored twice; one too many would take two messages for one.
"""

_EXACT = frozenset(name for name in TRANSPORT_HEADERS if not name.endswith(b"*"))
_PREFIXES = tuple(name[:-1] for name in TRANSPORT_HEADERS if name.endswith(b"*"))
_STEP = 64 * 1024
_LONGEST = 95
"""Bytes of a field's name that are looked at."""
_SMALLEST = 16
"""Bytes below which a copy that begins a new piece costs more than the bytes themselves."""


class ForkPiece(NamedTuple):
    """Bytes [start, end) of a fork: a copy of the stored message from `offset`, or literal where None."""

    start: int
    end: int
    offset: int | None


def is_transport(name: bytes) -> bool:
    """Whether a header field of this name is one that transport adds."""
    return _is_transport(name.rstrip(b" \t")[:_LONGEST])  # what is remembered must not be long


@lru_cache(maxsize=2048)
def _is_transport(name: bytes) -> bool:
    name = name.lower()
    return name in _EXACT or name.startswith(_PREFIXES)


def fork_cuts(fork: Buffer, stored: bytes) -> list[ForkPiece]:
    """Pieces that cover the fork, as copies of the stored message wherever possible; linear in time.

    Header fields are found by their exact bytes wherever they stand in the stored header, the body by
    what its begin and its end have in common with the stored one.
    """
    head, known = block(fork), block(stored)
    places = {known[start:end]: start for start, end in spans(known)}
    pieces = _Pieces()
    for start, end in spans(head):
        content = head[start:end]
        follows = pieces.follows()
        if follows is not None and known.startswith(content, follows):
            pieces.add(start, end, follows)
        else:
            pieces.add(start, end, places.get(content) if len(content) >= _SMALLEST else None)
    _add_body(pieces, fork, len(head), stored, len(known))
    return pieces.done


class _Pieces:
    """Pieces in order; what goes on with the one before is merged with it."""

    def __init__(self) -> None:
        self.done: list[ForkPiece] = []

    def follows(self) -> int | None:
        """The stored offset that goes on with the last copy; None after a literal."""
        if not self.done:
            return None
        start, end, offset = self.done[-1]
        return None if offset is None else offset + end - start

    def add(self, start: int, end: int, offset: int | None) -> None:
        """Add bytes [start, end) of the fork, which begin where the last piece ended."""
        if start == end:
            return
        last = self.done[-1] if self.done else None
        if last is not None and offset == self.follows():
            self.done[-1] = ForkPiece(last.start, end, last.offset)
        else:
            self.done.append(ForkPiece(start, end, offset))


def _add_body(pieces: _Pieces, fork: Buffer, start: int, stored: bytes, offset: int) -> None:
    shortest = min(len(fork) - start, len(stored) - offset)
    front = _common_front(fork, start, stored, offset, shortest)
    if front < _SMALLEST and pieces.follows() != offset:
        front = 0
    back = _common_back(fork, stored, shortest - front)
    if back < _SMALLEST:
        back = 0
    pieces.add(start, start + front, offset)
    pieces.add(start + front, len(fork) - back, None)
    pieces.add(len(fork) - back, len(fork), len(stored) - back)


def _common_front(a: Buffer, at: int, b: bytes, offset: int, most: int) -> int:
    """How many bytes, at most `most`, a[at:] and b[offset:] have in common."""
    done = 0
    while done < most:
        step = min(_STEP, most - done)
        left, right = a[at + done : at + done + step], b[offset + done : offset + done + step]
        if left != right:
            return done + _first_difference(left, right)
        done += step
    return most


def _common_back(a: Buffer, b: bytes, most: int) -> int:
    """How many bytes, at most `most`, the ends of a and b have in common."""
    done = 0
    while done < most:
        step = min(_STEP, most - done)
        left = a[len(a) - done - step : len(a) - done]
        right = b[len(b) - done - step : len(b) - done]
        if left != right:
            return done + _first_difference(left[::-1], right[::-1])
        done += step
    return most


def _first_difference(left: bytes, right: bytes) -> int:
    """Offset of the first byte that differs, by halving; the two are equally long and differ."""
    low, high = 0, len(left)
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
