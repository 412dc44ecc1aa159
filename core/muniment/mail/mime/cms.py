"""The outermost layers of S/MIME: what is signed or compressed can be read without a key (RFC 5652, 3274).

Only the way to the content is walked, in BER as in DER: programs that write a signed mail while they read it
leave lengths open and cut the content into pieces. No signature is checked, no certificate is looked at.
Where the content lies is all that is told, so memory does not grow with it. Nothing here raises on any bytes.

Why no library does this stands in docs/decisions/13-containers.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from msgspec import Struct

from muniment.mail.buffer import JoinedBuffer
from muniment.mail.model import Buffer

_OID = b"\x2a\x86\x48\x86\xf7\x0d\x01"
_SIGNED = _OID + b"\x07\x02"
_COMPRESSED = _OID + b"\x09\x10\x01\x09"
_ENCRYPTED = frozenset({_OID + b"\x07\x03", _OID + b"\x07\x06", _OID + b"\x09\x10\x01\x17"})
"""Enveloped, encrypted, and authenticated-enveloped data."""
_SEQUENCE, _OCTETS, _OCTETS_PIECES, _IDENTIFIER, _TAGGED = 0x30, 0x04, 0x24, 0x06, 0xA0
_LEVELS = 40
"""Open lengths within one another that are followed."""
_ELEMENTS = 200_000
"""Elements that are passed in one structure."""


class Cms(Struct, frozen=True):
    """What a structure is: "signed", "compressed" or "encrypted", or "" for anything else."""

    kind: str
    spans: tuple[tuple[int, int], ...] = ()
    """Where the pieces of its content lie; none for a signature that lies beside what it signs."""


class _Element(Struct, frozen=True):
    """A tag, and where the content lies. `open_end`: its length is open; `end` is that of what it is in."""

    tag: int
    start: int
    end: int
    open_end: bool


class _BrokenError(ValueError):
    """The bytes are no BER."""


def read_cms(buf: Buffer) -> Cms:
    """What a structure is, and where its content lies."""
    try:
        return _Walk(buf).read()
    except _BrokenError:
        return Cms("")


def inflated(buf: Buffer, limit: int) -> bytes:
    """At most `limit` bytes of what was compressed; what is broken as far as it goes."""
    engine = zlib.decompressobj()
    out: list[bytes] = []
    at, room = 0, limit
    try:
        while room > 0 and at < len(buf) and not engine.eof:
            out.append(engine.decompress(buf[at : at + 65536], room))
            room -= len(out[-1])
            at += 65536
            while room > 0 and engine.unconsumed_tail:
                out.append(engine.decompress(engine.unconsumed_tail, room))
                room -= len(out[-1])
    except zlib.error:
        pass
    return b"".join(out)


def content_of(buf: Buffer, found: Cms, room: int) -> Buffer:
    """The content of what was signed or compressed; at most `room` bytes of what was compressed."""
    content: Buffer = JoinedBuffer(buf, found.spans)
    if isinstance(buf, bytes):
        content = b"".join([buf[start:end] for start, end in found.spans])
    return inflated(content, max(room, 0)) if found.kind == "compressed" else content


class _Walk:
    """One walk over a structure."""

    __slots__ = ("_buf", "_passed")

    def __init__(self, buf: Buffer) -> None:
        self._buf = buf
        self._passed = 0

    def read(self) -> Cms:
        outer = self._expect(0, len(self._buf), _SEQUENCE)
        named = self._expect(outer.start, outer.end, _IDENTIFIER)
        kind = self._buf[named.start : named.end]
        if kind in _ENCRYPTED:
            return Cms("encrypted")
        if kind not in (_SIGNED, _COMPRESSED):
            return Cms("")
        tagged = self._expect(named.end, outer.end, _TAGGED)
        data = self._expect(tagged.start, tagged.end, _SEQUENCE)
        return Cms("signed" if kind == _SIGNED else "compressed", tuple(self._content(data)))

    def _content(self, data: _Element) -> Iterator[tuple[int, int]]:
        """Where the content lies: behind the version and the algorithms."""
        at = data.start
        for _ in range(2):
            at = self._behind(self._element(at, data.end))
        info = self._expect(at, data.end, _SEQUENCE)
        named = self._expect(info.start, info.end, _IDENTIFIER)
        if named.end >= info.end or self._buf[named.end] != _TAGGED:
            return
        tagged = self._expect(named.end, info.end, _TAGGED)
        yield from self._octets(tagged.start, tagged.end)

    def _octets(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where the bytes of a string lie that may be cut into pieces, and these again."""
        ends, at = [end], start
        while ends:
            if at >= ends[-1]:
                ends.pop()
                continue
            element = self._element(at, ends[-1])
            if element.tag == 0 and element.start == element.end:
                at = element.end
                ends.pop()
            elif element.tag == _OCTETS and not element.open_end:
                yield element.start, element.end
                at = element.end
            elif element.tag == _OCTETS_PIECES and len(ends) < _LEVELS:
                ends.append(element.end)
                at = element.start
            else:
                return
            if len(ends) == 1:
                return

    def _expect(self, at: int, end: int, tag: int) -> _Element:
        element = self._element(at, end)
        if element.tag != tag:
            raise _BrokenError
        return element

    def _element(self, at: int, end: int) -> _Element:
        """The element at `at`; one that claims to be longer than what it is in ends with that."""
        self._passed += 1
        head = self._buf[at : min(at + 12, end)]
        if len(head) < 2 or self._passed > _ELEMENTS or head[0] & 31 == 31:
            raise _BrokenError
        tag, size = head[0], head[1]
        if size < 0x80:
            return _Element(tag, at + 2, min(at + 2 + size, end), False)
        if size == 0x80:
            if not tag & 0x20:
                raise _BrokenError
            return _Element(tag, at + 2, end, True)
        digits = size & 0x7F
        if digits > 8 or len(head) < 2 + digits:
            raise _BrokenError
        start = at + 2 + digits
        return _Element(tag, start, min(start + int.from_bytes(head[2 : 2 + digits]), end), False)

    def _behind(self, element: _Element) -> int:
        """Where an element ends that may have an open length, with all that is in it."""
        if not element.open_end:
            return element.end
        ends, at = [element.end], element.start
        while ends:
            if at >= ends[-1]:
                at = ends.pop()
                continue
            inner = self._element(at, ends[-1])
            at = inner.end
            if inner.open_end:
                if len(ends) >= _LEVELS:
                    raise _BrokenError
                ends.append(inner.end)
                at = inner.start
            elif inner.tag == 0:
                ends.pop()
        return at
