"""The outer layers of S/MIME: signed or compressed content can be read without a key (RFC 5652, 3274).

Only the way to the content is followed, in BER as in DER: programs that sign a mail while they read it leave
lengths open and cut the content into pieces. No signature and no certificate is checked. The result says
where the content lies, so memory does not grow with it. Nothing here raises on any bytes.

docs/decisions/13-containers.md says why no library does this.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from msgspec import Struct

from muniment.mail.buffer import JoinedBuffer
from muniment.mail.model import MailBuffer

_OID = b"\x2a\x86\x48\x86\xf7\x0d\x01"
_SIGNED = _OID + b"\x07\x02"
_COMPRESSED = _OID + b"\x09\x10\x01\x09"
_ENCRYPTED = frozenset({_OID + b"\x07\x03", _OID + b"\x07\x06", _OID + b"\x09\x10\x01\x17"})
"""Enveloped, encrypted, and authenticated-enveloped data."""
_SEQUENCE, _OCTETS, _OCTETS_PIECES, _IDENTIFIER, _TAGGED = 0x30, 0x04, 0x24, 0x06, 0xA0
_LEVELS = 40
"""Nested open lengths that are followed."""
_ELEMENTS = 200_000
"""Elements of one structure that are read."""


class CmsStructure(Struct, frozen=True):
    """A structure of S/MIME."""

    kind: str
    """"signed", "compressed" or "encrypted"; "" for anything else."""
    spans: tuple[tuple[int, int], ...] = ()
    """The ranges of its content; none for a signature that is separate from what it signs."""


class _Element(Struct, frozen=True):
    """A tag, and where its content lies.

    `open_end`: its length is open, and `end` is that of the element around it.
    """

    tag: int
    start: int
    end: int
    open_end: bool


class _BrokenError(ValueError):
    """The bytes are not BER."""


def read_cms(buf: MailBuffer) -> CmsStructure:
    """The kind of a structure, and where its content lies. Never raises."""
    try:
        return _Walk(buf).read()
    except _BrokenError:
        return CmsStructure("")


def inflated(buf: MailBuffer, limit: int) -> bytes:
    """At most `limit` bytes of compressed content, decompressed.

    A broken stream gives what comes before the fault.
    """
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


def content_of(buf: MailBuffer, found: CmsStructure, room: int) -> MailBuffer:
    """The content of a signed or compressed structure.

    `room`: largest size, in bytes, to which compressed content may grow.
    """
    content: MailBuffer = JoinedBuffer(buf, found.spans)
    if isinstance(buf, bytes):
        content = b"".join([buf[start:end] for start, end in found.spans])
    return inflated(content, max(room, 0)) if found.kind == "compressed" else content


class _Walk:
    """One walk over a structure."""

    __slots__ = ("_buf", "_passed")

    def __init__(self, buf: MailBuffer) -> None:
        self._buf = buf
        self._passed = 0

    def read(self) -> CmsStructure:
        outer = self._expect(0, len(self._buf), _SEQUENCE)
        named = self._expect(outer.start, outer.end, _IDENTIFIER)
        kind = self._buf[named.start : named.end]
        if kind in _ENCRYPTED:
            return CmsStructure("encrypted")
        if kind not in (_SIGNED, _COMPRESSED):
            return CmsStructure("")
        tagged = self._expect(named.end, outer.end, _TAGGED)
        data = self._expect(tagged.start, tagged.end, _SEQUENCE)
        return CmsStructure("signed" if kind == _SIGNED else "compressed", tuple(self._content(data)))

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
        """Yield the ranges of a byte string. It may be cut into pieces, and these again."""
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
        """The element at `at`. If it claims to be longer than the element around it, it ends with that."""
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
        """Where an element ends, also one with an open length and everything inside it."""
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
