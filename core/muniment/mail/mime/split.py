"""Cuts a message into the pieces that are kept: text with the message, parts by themselves.

A base64 part is kept decoded only if encoding it again gives the exact bytes: every line but the last of one
width, one kind of line end, nothing else (RFC 2045 6.8 as programs write it). The line ends behind the last
line stay with the message. Irregular base64 is kept undecoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pybase64

from muniment.mail.buffer import WINDOW, window
from muniment.mail.mime.walker import is_text, leaves
from muniment.mail.model import MailBuffer, MessageCut, MimeLeaf

CHUNK = 16 * 1024 * 1024
"""Bytes that are held at a time. A part with a larger encoded size has no `data`."""
PART_BASE64 = 1024
"""Decoded bytes from which a base64 leaf becomes a part."""
PART_IDENTITY = 2048
"""Bytes from which a leaf that is neither text nor base64 becomes a part."""
INLINE_BELOW = 64 * 1024
"""Encoded bytes below which base64 text stays with the message, decoded."""
INLINE_FROM = 64
"""Encoded bytes from which text is decoded. A smaller one is not worth a cut."""
VERBATIM = 8 * 1024 * 1024
"""Bytes that stay with the message at most. What exceeds them becomes a part."""
_WIDTHS = range(4, 1000, 4)
_ENCODEBYTES_WIDTH = 76
_TAIL = 64


@dataclass(frozen=True, slots=True)
class SplitLimits:
    """How many bytes `split` holds and keeps with a message."""

    chunk: int = CHUNK
    """Bytes that are held of one message."""
    verbatim: int = VERBATIM
    """Bytes that stay with the message at most."""
    window: int = WINDOW
    """Bytes of a larger part that are checked at a time."""


LIMITS = SplitLimits()


def split(
    buf: MailBuffer, found: Sequence[MimeLeaf] | None = None, limits: SplitLimits = LIMITS
) -> list[MessageCut]:
    """Cut a message. Joined and encoded again, the cuts give the exact bytes of the buffer.

    Some parts have no `data`: those with an encoded size above `limits.chunk`, and those that exceed it
    together in one message. Read them with `decode_chunks`.

    Args:
        buf: the message.
        found: the result of `mime.walker.leaves`, if it is there already.
        limits: how many bytes are held, and kept with the message.

    Returns:
        Cuts that cover the buffer without gaps, in order.
    """
    cutter = _Cutter(buf, limits)
    for leaf in leaves(buf) if found is None else found:
        cutter.leaf(leaf)
    cutter.gap(len(buf))
    return cutter.cuts


class _Cutter:
    """Makes the cuts of one buffer from its beginning to its end."""

    __slots__ = ("at", "buf", "cuts", "room", "verbatim", "window")

    def __init__(self, buf: MailBuffer, limits: SplitLimits) -> None:
        self.buf = buf
        self.cuts: list[MessageCut] = []
        self.at = 0
        self.room = limits.chunk
        self.verbatim = limits.verbatim
        self.window = limits.window

    def leaf(self, leaf: MimeLeaf) -> None:
        """Cut out the part of the leaf, if it has one."""
        size = leaf.end - leaf.body
        text = is_text(leaf.content_type)
        if leaf.encoding == "base64" and size >= INLINE_FROM and self._base64(leaf, text):
            return
        if size >= PART_IDENTITY and not text:
            self.gap(leaf.body)
            self._identity(leaf.body, leaf.end)

    def gap(self, end: int) -> None:
        """Keep what lies before `end` and is no part with the message, as long as there is room for it."""
        size = end - self.at
        if size > self.verbatim:
            self._identity(self.at, end)
        elif size:
            self.verbatim -= size
            self.cuts.append(MessageCut(self.at, end))
            self.at = end

    def _identity(self, start: int, end: int) -> None:
        self._take(
            MessageCut(start, end, "identity", data=self.buf[start:end] if end - start <= self.room else None)
        )

    def _base64(self, leaf: MimeLeaf, text: bool) -> bool:
        """Cut out a base64 leaf; False if it is too small or too irregular."""
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
        elif inline or not is_regular(self.buf, leaf.body, end, width, eol, self.window):
            return False
        self.gap(leaf.body)
        self._take(MessageCut(leaf.body, end, "base64", width, eol, inline, data))
        return True

    def _take(self, cut: MessageCut) -> None:
        self.cuts.append(cut)
        self.at = cut.end
        if cut.data is not None:
            self.room -= cut.end - cut.start


def layout(buf: MailBuffer, start: int, end: int) -> tuple[int, bytes, int] | None:
    """The layout of base64 text, by its first and last bytes; None if its lines have no valid width.

    Returns:
        Characters of a line, the line end, and the end of the last line.
    """
    tail = buf[max(start, end - _TAIL) : end]
    end -= len(tail) - len(tail.rstrip(b"\r\n"))
    line, lf, _ = buf[start : min(start + _WIDTHS.stop + 2, end)].partition(b"\n")
    eol = b"\n" if lf and not line.endswith(b"\r") else b"\r\n"
    width = len(line) - (len(eol) - 1 if lf else 0)
    return (width, eol, end) if width in _WIDTHS else None


def _content(core: bytes, width: int, eol: bytes) -> bytes | None:
    """The content of base64 text; None unless `encode` gives the exact text back from it."""
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


def _pieces(
    buf: MailBuffer, start: int, end: int, width: int, eol: bytes, window: int
) -> Iterator[bytes | None]:
    """Yield the content of base64 text, some whole lines at a time. Irregular text ends with None."""
    stride = width + len(eol)
    step = window // stride * stride
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


def is_regular(buf: MailBuffer, start: int, end: int, width: int, eol: bytes, window: int = WINDOW) -> bool:
    """Whether base64 text follows its `layout` from beginning to end. It is read by `window` bytes."""
    return all(piece is not None for piece in _pieces(buf, start, end, width, eol, window))


def decode_chunks(buf: MailBuffer, cut: MessageCut, size: int = CHUNK, step: int = WINDOW) -> Iterator[bytes]:
    """Yield the content of a part in chunks of `size` bytes, the last one shorter.

    The chunks depend only on the content, not on its encoding, nor on `step`, the bytes of base64 that are
    decoded at a time. `cut` comes from `split`.
    """
    if cut.encoding != "base64":
        yield from window(buf, cut.start, cut.end, size)
        return
    held = bytearray()
    for piece in _pieces(buf, cut.start, cut.end, cut.width, cut.eol, step):
        held += piece or b""
        while len(held) >= size:
            with memoryview(held) as view:
                chunk = bytes(view[:size])
            yield chunk
            del held[:size]
    if held:
        yield bytes(held)


def encode(data: bytes, width: int, eol: bytes) -> bytes:
    """Base64 text of `data` in lines of `width` characters. There is no line end at its end.

    `width` is a multiple of 4.
    """
    if width == _ENCODEBYTES_WIDTH:
        text = pybase64.encodebytes(data)[:-1]
        return text if eol == b"\n" else text.replace(b"\n", eol)
    flat = pybase64.b64encode(data)
    return eol.join([flat[at : at + width] for at in range(0, len(flat), width)])


def encode_chunks(chunks: Iterable[bytes], width: int, eol: bytes) -> Iterator[bytes]:
    """Yield `encode` of all chunks joined, piece by piece.

    The result does not depend on where a chunk ends.
    """
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
