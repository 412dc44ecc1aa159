"""The MIME structure of a message: its leaves, their content, and its attachments (RFC 2045-2049).

Everything is found by `find` in ranges that shrink with each level of nesting. So the time is at most DEPTH
passes over the buffer, however deep a hostile mail nests. Nothing here raises on any bytes.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pybase64

from muniment.mail.buffer import window
from muniment.mail.charsets.decode import Others, none_stated
from muniment.mail.headers.fields import BLOCK_LIMIT, field, header_end, parameters, pick, remembered
from muniment.mail.headers.filenames import name_stated
from muniment.mail.headers.quoted import unquoted, unquoted_pieces
from muniment.mail.mime.delimiters import content_end, delimiters
from muniment.mail.mime.uuencode import uu_content, uu_length
from muniment.mail.model import MailBuffer, MimeLeaf, NestedMessage

DEPTH = 20
"""Levels of multiparts and nested messages that are walked. Whatever lies deeper is one leaf."""
LEAVES = 5000
"""Leaves that are separated. What follows the last one is part of it."""
REPORT_TYPES = frozenset(
    {"message/delivery-status", "message/disposition-notification", "message/feedback-report"}
)
"""`message/` types that contain fields for people and programs, not a message."""
_SIGNATURES = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
)
_STATED = (b"content-type", b"content-transfer-encoding")
_ENCODED = frozenset({"base64", "quoted-printable"})
UUENCODED = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
"""Names that programs give to this encoding, which no standard has."""
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?[!-9;-~]+[ \t]*:|From |>From |[ \t]")
_BLANK = re.compile(rb"\n\r?\n")
_NO_BLANK_LINE = re.compile(rb"\n(?:(?=--)|[ \t]+\r?\n(?![!-9;-~]+[ \t]*:|[ \t\r\n]))")
"""What ends a header without a blank line: a delimiter, or a line of blanks before a line that is no
field."""
_BOUNDARY = re.compile(rb'boundary\s*=\s*"?([^";\r\n]*)', re.IGNORECASE)
_FIRST_LINE = re.compile(rb"(?:\A|[\r\n])--(\S[^\r\n]{0,199})(?:\r\n|\r|\n)content-", re.IGNORECASE)
_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
)
_GUESS = 64 * 1024
_LOOK = 4096
_HEAD = 16 * 1024
_FIRST = 1000


@dataclass(frozen=True, slots=True)
class AttachmentInfo:
    """A leaf that is shown as a file."""

    filename: str
    """Decoded; "" if none is given. It is not sanitised: never use it as a path."""
    content_type: str
    size: int
    """Bytes of the decoded content. An estimate for broken base64 and for quoted-printable."""
    leaf: MimeLeaf
    inline: bool = False
    """Part of the body's looks, such as an image of the HTML or a signature. It is listed, but not
    counted."""


def leaves(buf: MailBuffer) -> list[MimeLeaf]:
    """All MIME leaves of a message in the buffer's order, those of nested messages included. Never raises."""
    walk = _Walk(buf)
    walk.part(0, len(buf), 0, 0, "", None)
    return walk.found


class _Walk:
    """One walk over a buffer."""

    __slots__ = ("_choice", "buf", "found")

    def __init__(self, buf: MailBuffer) -> None:
        self.buf = buf
        self.found: list[MimeLeaf] = []
        self._choice: tuple[int, int] | None = None
        """`MimeLeaf.choice` of the leaves that are found now."""

    def part(
        self, start: int, end: int, depth: int, message: int, default: str, within: NestedMessage | None
    ) -> None:
        """Take the part whose header begins at `start`. `default` is its type if it names none."""
        head = header_at(self.buf, start, end)
        body = start + len(head) if len(head) < BLOCK_LIMIT else header_end(self.buf, start, end)
        stated, kind, encoding = _content(head)
        kind = kind or default
        around = self._choice
        if depth < DEPTH:
            if kind.startswith("multipart/") and self._multipart(
                stated, kind, body, end, depth, message, within
            ):
                self._choice = around
                return
            if kind.startswith("message/") and kind not in REPORT_TYPES and encoding not in _ENCODED:
                self._choice = None
                self.part(
                    body, end, depth + 1, body, "", NestedMessage(start, body, end, kind, stated, within)
                )
                self._choice = around
                return
        self.found.append(MimeLeaf(start, body, end, kind, encoding, message, stated, within, around))

    def _multipart(
        self,
        stated: bytes,
        kind: str,
        body: int,
        end: int,
        depth: int,
        message: int,
        within: NestedMessage | None,
    ) -> bool:
        """Take the children; False if there are none, because no delimiter is found."""
        default = "message/rfc822" if kind == "multipart/digest" else ""
        for boundary in _boundaries(stated, self.buf, body, end):
            opened = -1
            chosen = kind == "multipart/alternative"
            for at, behind, closing in delimiters(self.buf, boundary, body, end):
                if opened >= 0:
                    self._choice = (body, opened) if chosen else self._choice
                    self.part(opened, content_end(self.buf, opened, at), depth + 1, message, default, within)
                    if closing:
                        self._epilogue(behind, end, message, within)
                        return True
                elif closing:
                    break
                opened = behind
                if len(self.found) >= LEAVES:
                    break
            if opened >= 0:
                self._choice = (body, opened) if chosen else self._choice
                self.part(opened, end, depth + 1, message, default, within)
                return True
        return False

    def _epilogue(self, start: int, end: int, message: int, within: NestedMessage | None) -> None:
        """Text behind the last part. Programs don't show it, but nothing may hide there."""
        if _has_text(self.buf, start, end):
            self.found.append(MimeLeaf(start, start, end, "", "", message, b"", within))


def _has_text(buf: MailBuffer, start: int, end: int) -> bool:
    """Whether there is more than white space in the first bytes."""
    return start < end and bool(buf[start : min(start + _LOOK, end)].strip())


def header_at(buf: MailBuffer, start: int, end: int) -> bytes:
    """The header block at `start`, at most BLOCK_LIMIT bytes of it; b"" if a part begins with its text."""
    chunk = buf[start : min(start + _HEAD, end)]
    if not _FIELD.match(chunk, 0, _FIRST):
        return next((eol for eol in (b"\r\n", b"\n", b"\r") if chunk.startswith(eol)), b"")
    blank = _BLANK.search(chunk)
    if blank is None or chunk.find(b"\r\r", 0, chunk.find(b"\n")) >= 0:
        head = buf[start : min(header_end(buf, start, end), start + BLOCK_LIMIT)]
    else:
        head = chunk[: blank.end()]
    early = _NO_BLANK_LINE.search(head)
    return head[: early.end()] if early else head


@remembered
def _content(head: bytes) -> tuple[bytes, str, str]:
    """What a header says of its content: the value of Content-Type, the media type, and the encoding."""
    content_type, transfer = pick(head, _STATED)
    stated = content_type or b""
    return stated, media_type(stated), _token(transfer or b"")


def media_type(stated: bytes) -> str:
    """`type/subtype` of a Content-Type's value, in lower case; "" if it names none."""
    main = stated.partition(b";")[0].split(None, 1)
    kind = main[0].lower().decode("ascii", "replace") if main else ""
    return kind if kind.count("/") == 1 and not kind.startswith("/") else ""


def _token(value: bytes) -> str:
    return value.partition(b";")[0].strip(b" \t\"'").lower().decode("ascii", "replace")


def _boundaries(stated: bytes, buf: MailBuffer, body: int, end: int) -> Iterator[bytes]:
    """Yield possible boundaries: the one given, a malformed one, and one that the body shows."""
    first = parameters(stated)[1].get(b"boundary", b"").rstrip()
    if first:
        yield first
    loose = _BOUNDARY.search(stated)
    if loose and loose[1].strip() not in (b"", first):
        yield loose[1].strip()
    seen = _FIRST_LINE.search(buf[body : min(body + _GUESS, end)])
    if seen and seen[1].rstrip() != first:
        yield seen[1].rstrip()


def part_bytes(buf: MailBuffer, leaf: MimeLeaf) -> bytes:
    """The decoded content of a leaf as one value. A broken encoding is decoded as far as possible."""
    if is_uuencoded(buf, leaf):
        return b"".join(uu_content(buf, leaf.body, leaf.end))
    return decoded(buf[leaf.body : leaf.end], leaf.encoding)[0]


def decoded(raw: bytes, encoding: str) -> tuple[bytes, bool]:
    """Undo a transfer encoding of RFC 2045.

    Returns:
        The content, and whether all of it could be decoded.
    """
    if encoding == "base64":
        return _base64(raw)
    if encoding == "quoted-printable":
        return unquoted(raw), True
    return raw, True


def content(buf: MailBuffer, leaf: MimeLeaf) -> Iterator[bytes]:
    """Yield the decoded content of a leaf in pieces, in constant memory.

    A broken encoding is decoded as far as possible.
    """
    if is_uuencoded(buf, leaf):
        return uu_content(buf, leaf.body, leaf.end)
    pieces = window(buf, leaf.body, leaf.end)
    if leaf.encoding == "base64":
        return _base64_pieces(pieces)
    return unquoted_pieces(pieces) if leaf.encoding == "quoted-printable" else pieces


def is_uuencoded(buf: MailBuffer, leaf: MimeLeaf) -> bool:
    """Whether the content of a leaf really is uuencoded, and not only labelled so."""
    return leaf.encoding in UUENCODED and any(uu_content(buf, leaf.body, leaf.end))


def _base64_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        *ended, held = (held + piece.translate(None, _NOT_BASE64)).split(b"=")
        ready = len(held) // 4 * 4
        yield b"".join(pybase64.b64decode(_whole(one)) for one in (*ended, held[:ready]) if len(one) > 1)
        held = held[ready:]
    if len(held) > 1:
        yield pybase64.b64decode(_whole(held))


def _base64(raw: bytes) -> tuple[bytes, bool]:
    try:
        return pybase64.b64decode(raw.translate(None, b"\r\n\t "), validate=True), True
    except (ValueError, binascii.Error):
        pass
    clean = raw.translate(None, _NOT_BASE64)
    pieces = (piece for piece in clean.split(b"=") if len(piece) > 1)
    return b"".join(pybase64.b64decode(_whole(piece)) for piece in pieces), False


def _whole(piece: bytes) -> bytes:
    """Repair base64 text that was cut off: remove a lone last digit, restore the padding."""
    if len(piece) % 4 == 1:
        piece = piece[:-1]
    return piece + b"=" * (-len(piece) % 4)


def attachments(
    buf: MailBuffer, found: list[MimeLeaf] | None = None, others: Others = none_stated
) -> list[AttachmentInfo]:
    """The leaves that are shown as files, in order.

    These are the leaves with a name, those marked as attachment, and all that are no text. As in Outlook,
    images that the HTML shows by Content-ID, and signatures, are `inline`: they are not counted.
    `parts.files` also lists nested messages and what lies inside files.

    Args:
        buf: the message.
        found: the result of `leaves`, if it is there already.
        others: gives the charsets that the message names.
    """
    out = []
    for leaf in leaves(buf) if found is None else found:
        shown = file_of(buf, leaf, others)
        if shown is not None:
            name, inline = shown
            out.append(AttachmentInfo(name, leaf.content_type, content_size(buf, leaf), leaf, inline))
    return out


def file_of(buf: MailBuffer, leaf: MimeLeaf, others: Others = none_stated) -> tuple[str, bool] | None:
    """The name ("" if none) of a leaf that is shown as a file, and whether it is inline; None for text.

    `others` gives the charsets that the message names.
    """
    head = buf[leaf.head : min(leaf.body, leaf.head + BLOCK_LIMIT)]
    if head.isascii():
        return _file(head, leaf.content_type, leaf.stated)
    return _file_in(head, leaf.content_type, leaf.stated, others)


@remembered
def _file(head: bytes, kind: str, stated: bytes) -> tuple[str, bool] | None:
    return _file_in(head, kind, stated, none_stated)


def _file_in(head: bytes, kind: str, stated: bytes, others: Others) -> tuple[str, bool] | None:
    """As `file_of`, from a leaf's header, its type and the value of its Content-Type."""
    lower = head.lower()
    value = b""
    if b"content-disposition" in lower:
        value = field(head, b"content-disposition") or b""
    elif is_text(kind) and b"name" not in stated.lower():
        return None
    attached = value.partition(b";")[0].strip().lower() == b"attachment"
    name = name_stated(value, stated, others)
    if not name and not attached and is_text(kind):
        return None
    pictured = kind.startswith("image/") and not attached and b"\ncontent-id:" in b"\n" + lower
    return name, pictured or kind in _SIGNATURES


def is_text(kind: str) -> bool:
    """Whether a type is read as text: text/*, none, reports, and multiparts without parts."""
    return not kind or kind.startswith(("text/", "multipart/")) or kind in REPORT_TYPES


def content_size(buf: MailBuffer, leaf: MimeLeaf) -> int:
    """Bytes of a leaf's decoded content, counted without decoding it."""
    if is_uuencoded(buf, leaf):
        return uu_length(buf, leaf.body, leaf.end)
    if leaf.encoding != "base64":
        return leaf.end - leaf.body
    digits = padding = 0
    for piece in window(buf, leaf.body, leaf.end):
        digits += len(piece.translate(None, _NOT_BASE64))
        padding += piece.count(b"=")
    return (digits - padding) * 3 // 4
