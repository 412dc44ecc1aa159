"""Cutting a message into the pieces that are kept: text with the message, parts by themselves.

A base64 part is kept decoded only where encoding it again gives the very bytes: every line but the last
of one width, one kind of line end, nothing else (RFC 2045 6.8 as programs write it). The line ends behind
the last line stay with the message. What is not so regular is kept as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pybase64

from muniment.mail.buffer import WINDOW, window
from muniment.mail.mime.walker import is_text, leaves
from muniment.mail.model import Buffer, Cut, Leaf

CHUNK = 16 * 1024 * 1024
"""Bytes held at a time; a part whose encoded size is above it has no `data`."""
PART_BASE64 = 1024
"""Decoded bytes from which a base64 leaf is a part of its own."""
PART_IDENTITY = 2048
"""Bytes from which a leaf that is neither text nor base64 is a part of its own."""
INLINE_BELOW = 64 * 1024
"""Encoded bytes below which base64 text stays, decoded, with the message."""
INLINE_FROM = 64
"""Encoded bytes from which decoding text is worth a cut."""
VERBATIM = 8 * 1024 * 1024
"""Bytes that stay with the message at most; what would exceed them becomes a part."""
_WIDTHS = range(4, 1000, 4)
_ENCODEBYTES_WIDTH = 76
_TAIL = 64


def split(buf: Buffer, found: Sequence[Leaf] | None = None) -> list[Cut]:
    """Cuts that cover the buffer without gaps, in order; joined and encoded again they are the buffer.

    Parts have their `data`, but for those whose encoded size is above CHUNK and, in a message above
    that size, those that no longer fit into CHUNK bytes for all together: read them by `decode_chunks`.
    `found` is what `mime.leaves` gave, if it was called already.
    """
    cutter = _Cutter(buf)
    for leaf in leaves(buf) if found is None else found:
        cutter.leaf(leaf)
    cutter.gap(len(buf))
    return cutter.cuts


class _Cutter:
    """Makes the cuts of one buffer from its front to its end."""

    __slots__ = ("at", "buf", "cuts", "room", "verbatim")

    def __init__(self, buf: Buffer) -> None:
        self.buf = buf
        self.cuts: list[Cut] = []
        self.at = 0
        self.room = CHUNK
        self.verbatim = VERBATIM

    def leaf(self, leaf: Leaf) -> None:
        """Cut out what of the leaf is a part, if anything is."""
        size = leaf.end - leaf.body
        text = is_text(leaf.content_type)
        if leaf.encoding == "base64" and size >= INLINE_FROM and self._base64(leaf, text):
            return
        if size >= PART_IDENTITY and not text:
            self.gap(leaf.body)
            self._identity(leaf.body, leaf.end)

    def gap(self, end: int) -> None:
        """What lies before `end` and is no part stays with the message, as long as that has room for it."""
        size = end - self.at
        if size > self.verbatim:
            self._identity(self.at, end)
        elif size:
            self.verbatim -= size
            self.cuts.append(Cut(self.at, end))
            self.at = end

    def _identity(self, start: int, end: int) -> None:
        self._take(
            Cut(start, end, "identity", data=self.buf[start:end] if end - start <= self.room else None)
        )

    def _base64(self, leaf: Leaf, text: bool) -> bool:
        """Cut out a base64 leaf; False if it is too small, or can't be made again from its content."""
        lines = layout(self.buf, leaf.body, leaf.end)
        if lines is None:
            return False
        width, eol, end = lines
        size = end - leaf.body
        inline = text and size < INLINE_BELOW
        if not inline and size // 4 * 3 < PART_BASE64:
            return False
        data = None
        if size <= self.room:
            data = _content(self.buf[leaf.body : end], width, eol)
            if data is None:
                return False
        elif inline or not is_regular(self.buf, leaf.body, end, width, eol):
            return False
        self.gap(leaf.body)
        self._take(Cut(leaf.body, end, "base64", width, eol, inline, data))
        return True

    def _take(self, cut: Cut) -> None:
        self.cuts.append(cut)
        self.at = cut.end
        if cut.data is not None:
            self.room -= cut.end - cut.start


def layout(buf: Buffer, start: int, end: int) -> tuple[int, bytes, int] | None:
    """Line width, line end, and where the last line ends, as the first and last bytes have it."""
    tail = buf[max(start, end - _TAIL) : end]
    end -= len(tail) - len(tail.rstrip(b"\r\n"))
    line, lf, _ = buf[start : min(start + _WIDTHS.stop + 2, end)].partition(b"\n")
    eol = b"\n" if lf and not line.endswith(b"\r") else b"\r\n"
    width = len(line) - (len(eol) - 1 if lf else 0)
    return (width, eol, end) if width in _WIDTHS else None


def _content(core: bytes, width: int, eol: bytes) -> bytes | None:
    """What base64 text decodes to; None unless `encode` gives the text back from it."""
    stride = width + len(eol)
    breaks = (len(core) - 1) // stride
    for place, byte in enumerate(eol, width):
        if core[place::stride] != bytes((byte,)) * breaks:
            return None
    flat = core.translate(None, b"\r\n")
    if len(flat) != len(core) - breaks * len(eol):
        return None
    try:
        data = pybase64.b64decode(flat, validate=True)
    except ValueError:
        return None
    return data if pybase64.b64encode(data) == flat else None


def _pieces(buf: Buffer, start: int, end: int, width: int, eol: bytes) -> Iterator[bytes | None]:
    """The content of base64 text, some whole lines at a time; ends with None where it is not regular."""
    stride = width + len(eol)
    step = WINDOW // stride * stride
    for at in range(start, end, step):
        piece = buf[at : min(at + step, end)]
        last = at + step >= end
        if not last:
            if not piece.endswith(eol):
                yield None
                return
            piece = piece[: -len(eol)]
        data = _content(piece, width, eol)
        yield data
        if data is None or (not last and len(data) != step // stride * width // 4 * 3):
            yield None
            return


def is_regular(buf: Buffer, start: int, end: int, width: int, eol: bytes) -> bool:
    """Whether base64 text is as `layout` has it from end to end."""
    return all(piece is not None for piece in _pieces(buf, start, end, width, eol))


def decode_chunks(buf: Buffer, cut: Cut, size: int = CHUNK) -> Iterator[bytes]:
    """The content of a part in chunks of `size` bytes, the last one shorter; `cut` is one of `split`'s.

    The chunks depend on the content alone, not on how it was encoded.
    """
    if cut.encoding != "base64":
        yield from window(buf, cut.start, cut.end, size)
        return
    held = bytearray()
    for piece in _pieces(buf, cut.start, cut.end, cut.width, cut.eol):
        held += piece or b""
        while len(held) >= size:
            with memoryview(held) as view:
                chunk = bytes(view[:size])
            yield chunk
            del held[:size]
    if held:
        yield bytes(held)


def encode(data: bytes, width: int, eol: bytes) -> bytes:
    """Base64 text of `data` in lines of `width` characters, a multiple of 4, with no line end at the end."""
    if width == _ENCODEBYTES_WIDTH:
        text = pybase64.encodebytes(data)[:-1]
        return text if eol == b"\n" else text.replace(b"\n", eol)
    flat = pybase64.b64encode(data)
    return eol.join([flat[at : at + width] for at in range(0, len(flat), width)])


def encode_chunks(chunks: Iterable[bytes], width: int, eol: bytes) -> Iterator[bytes]:
    """`encode` of all chunks joined, piece by piece; the same bytes wherever one chunk ends."""
    line = width // 4 * 3
    held = between = b""
    for piece in (piece for chunk in chunks for piece in window(chunk, 0, len(chunk))):
        held += piece
        whole = len(held) // line * line
        if whole:
            yield between + encode(held[:whole], width, eol)
            held, between = held[whole:], eol
    if held:
        yield between + encode(held, width, eol)
