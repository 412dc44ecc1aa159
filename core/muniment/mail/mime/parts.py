"""The parts of a message as a person sees them: texts and files, also those inside other files.

`mime.walker.leaves` gives the leaves of a message. Here those leaves are opened that contain others: attached
messages that are encoded or have a wrong type; `winmail.dat` (TNEF); content that S/MIME signed or
compressed; uuencoded files in a text. This is only a way of reading: what is kept and hashed are the leaves.

Each thing found inside is a leaf again, in a buffer of its own. A large one is decoded as it is read, so
memory does not grow with a file. Depth, the number of files and decompressed bytes have limits. Nothing here
raises.

Files are numbered level by level: first those of the message itself, then those inside them. So a number
stays the same whether or not the inside of a file can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pybase64

from muniment.mail.buffer import LinesBuffer, sub
from muniment.mail.charsets.decode import Others, none_stated
from muniment.mail.headers.fields import decode, gather
from muniment.mail.mime import rtf
from muniment.mail.mime.cms import content_of, read_cms
from muniment.mail.mime.split import is_regular, layout
from muniment.mail.mime.stated_charsets import labels_of
from muniment.mail.mime.tnef import TnefContent, is_tnef, read_tnef
from muniment.mail.mime.uuencode import blocks
from muniment.mail.mime.walker import (
    UUENCODED,
    content,
    content_size,
    decoded,
    file_of,
    header_at,
    is_text,
    leaves,
)
from muniment.mail.mime.walker import part_bytes as leaf_bytes
from muniment.mail.model import MailBuffer, MimeLeaf, NestedMessage
from muniment.mail.notes import CUT, ENCRYPTED

LEVELS = 5
"""Levels of files inside one another that are opened."""
IN_MEMORY = 8 * 1024 * 1024
"""Largest file, in bytes, that is held in memory to open it. A larger one is decoded as it is read."""
INFLATED = 16 * 1024 * 1024
"""Bytes of one message that are decompressed at most."""
_BEGIN = 4096
"""Bytes that decide whether a file is text."""
TEXT, RICH, PACKED, MESSAGE, HEADER, WORDS, NOTE = (
    *("text", "rich text", "compressed rich text", "message", "header", "words", "note"),
)
"""How a part is read:

- TEXT: as text or HTML.
- RICH, PACKED: as RTF; as RTF that Outlook compressed.
- MESSAGE: as a message by itself.
- HEADER: as the header of a message whose parts follow.
- WORDS: by words that are given.
- NOTE: not at all; a note is given instead.
"""
_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_CMS_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_RICH_TYPES = frozenset({"application/rtf", "application/x-rtf", "text/rtf", "text/richtext"})
_TEXT_TYPES = frozenset(
    f"application/{name}"
    for name in (
        *("json", "ndjson", "x-ndjson", "xml", "xhtml+xml", "csv", "x-csv", "yaml", "x-yaml", "toml", "sql"),
        *("javascript", "x-javascript", "x-sh", "x-tex", "x-subrip", "ics", "x-vcard", "sgml", "markdown"),
        *("pgp", "x-pgp-message"),
    )
)
_TEXT_NAMES = frozenset(
    (
        *(
            "txt",
            "text",
            "log",
            "csv",
            "tsv",
            "tab",
            "json",
            "jsonl",
            "ndjson",
            "xml",
            "html",
            "htm",
            "xhtml",
        ),
        *("md", "markdown", "rst", "yaml", "yml", "toml", "ini", "cfg", "conf", "properties", "ics", "ifb"),
        *("vcf", "sql", "tex", "srt", "eml", "mht", "mhtml", "diff", "patch"),
    )
)
"""File name extensions of text, which count more than the type."""
_MESSAGE_NAMES = frozenset({"eml", "mht", "mhtml"})
_HTML_NAMES = frozenset({"html", "htm", "xhtml"})
_CONTROLS = bytes(range(9)) + bytes(range(14, 27)) + bytes(range(28, 32))
_BOMS = (b"\xff\xfe", b"\xfe\xff")
_MIME_FIELD = re.compile(rb"(?:\A|\n)(?:content-type|mime-version)[ \t]*:", re.IGNORECASE)
_OWN_FIELDS = (
    b"from",
    b"to",
    b"date",
    b"message-id",
    b"subject",
    b"received",
    b"mime-version",
    b"content-type",
)


class MessagePart(NamedTuple):
    """A text or a file of a message. A file that is read as text is both."""

    buf: MailBuffer
    leaf: MimeLeaf
    """Where in `buf` it lies."""
    level: int
    """Number of files around it."""
    file: tuple[str, bool] | None = None
    """The name of a file ("" if none), and whether it is inline: listed, but not counted. None for no
    file."""
    reading: str = ""
    """One of TEXT, RICH and so on; "" for a file that is no text."""
    cuts: tuple[tuple[int, int], ...] = ()
    """Ranges of the leaf's decoded content that are not text, but files."""
    words: str = ""
    """The words for WORDS, or the note for NOTE."""
    key: int = 0
    """The number of a file in one walk, from 1."""
    holder: int = 0
    """The key of the file in which it lies; 0 for none."""
    others: Others = none_stated
    """Gives the charsets that its message names."""


class FilePart(NamedTuple):
    """A part that is shown as a file. Its content is that of `leaf`."""

    filename: str
    """Decoded; "" if none is given. It is not sanitised: never use it as a path."""
    content_type: str
    size: int
    """Bytes of the decoded content. An estimate for broken base64 and for quoted-printable."""
    inline: bool
    """Part of the body's looks or its wrapping, such as an image of the HTML or a signature. It is not
    counted."""
    within: int
    """The number of the file in which it lies, from 1; 0 for none."""
    reading: str
    """How it is read as text; "" for a file that is no text."""
    buf: MailBuffer
    leaf: MimeLeaf
    others: Others
    """Gives the charsets that its message names."""
    cuts: tuple[tuple[int, int], ...] = ()
    """Ranges of its decoded content that are not text, but files."""


def files(
    buf: MailBuffer,
    found: Sequence[MimeLeaf] | None = None,
    others: Others | None = None,
    *,
    inside: bool = True,
) -> list[FilePart]:
    """The files of a message, in the order of their numbers. Never raises.

    Args:
        buf: the message.
        found: the result of `leaves`, if it is there already.
        others: the result of `labels_of`, if it is there already.
        inside: also list what lies inside files.
    """
    shown = [part for part in parts(buf, found, others, inside=inside) if part.file is not None]
    shown.sort(key=lambda part: part.level)
    numbers = {part.key: number for number, part in enumerate(shown, start=1)}
    return [_file(part, numbers.get(part.holder, 0)) for part in shown]


def _file(part: MessagePart, within: int) -> FilePart:
    name, inline = part.file or ("", False)
    leaf = part.leaf
    size = content_size(part.buf, leaf)
    kind, reading = leaf.content_type, part.reading
    return FilePart(name, kind, size, inline, within, reading, part.buf, leaf, part.others, part.cuts)


def parts(
    buf: MailBuffer,
    found: Sequence[MimeLeaf] | None = None,
    others: Others | None = None,
    *,
    inside: bool = True,
) -> Iterator[MessagePart]:
    """Yield all parts of a message, in the order in which they are read. Never raises.

    The arguments are those of `files`.
    """
    known = leaves(buf) if found is None else found
    return _Walk(inside).message(buf, known, 0, 0, others or labels_of(buf, known))


class _Walk:
    """One walk over a message and everything inside it."""

    __slots__ = ("_inside", "_keys", "_others", "_room")

    def __init__(self, inside: bool) -> None:
        self._inside = inside
        self._room = INFLATED
        self._keys = 0
        self._others: Others = none_stated

    def message(
        self, buf: MailBuffer, found: Sequence[MimeLeaf], level: int, holder: int, others: Others
    ) -> Iterator[MessagePart]:
        """The parts of a message, or of another MIME entity, that lies in the file with the key `holder`."""
        outer, self._others = self._others, others
        begun: dict[int, int] = {}
        for leaf in found:
            within = leaf.within
            if within is not None and within.body not in begun:
                for nested in _not_begun(within, begun):
                    holding = begun[nested.outer.body] if nested.outer else holder
                    part = self._nested(buf, nested, level, holding)
                    begun[nested.body] = part.key
                    yield part
            holding = begun[within.body] if within is not None else holder
            yield from self._leaf(buf, leaf, file_of(buf, leaf, others), level, holding)
        self._others = outer

    def _nested(self, buf: MailBuffer, nested: NestedMessage, level: int, holder: int) -> MessagePart:
        """A message that lies undecoded in another one."""
        leaf = MimeLeaf(nested.head, nested.body, nested.end, nested.content_type, "", 0, nested.stated)
        stated = file_of(buf, leaf, self._others)
        name = stated[0] if stated else ""
        shown = (name or message_name(buf, leaf, self._others), False)
        return MessagePart(buf, leaf, level, shown, HEADER, (), "", self._key(), holder, self._others)

    def _key(self) -> int:
        self._keys += 1
        return self._keys

    def _leaf(
        self, buf: MailBuffer, leaf: MimeLeaf, file: tuple[str, bool] | None, level: int, holder: int
    ) -> Iterator[MessagePart]:
        """A leaf, and what lies inside it."""
        kind = leaf.content_type
        if is_text(kind) and leaf.encoding not in UUENCODED and kind not in _RICH_TYPES:
            yield from self._text(buf, leaf, file, level, holder)
            return
        if leaf.encoding in UUENCODED and self._inside and not (file and file[0]):
            name = _first_name(buf, leaf)
            file = (name, False) if name or file else None
        reading = _reading(buf, leaf, file[0] if file else "") if self._inside else ""
        wrapped = _WRAPPED.get(reading)
        inner = opened(buf, leaf) if wrapped is not None and level < LEVELS else None
        part = MessagePart(buf, leaf, level, file, "", (), "", self._key(), holder, self._others)
        if wrapped is None:
            yield part._replace(reading=reading, words=ENCRYPTED if reading == NOTE else "")
        elif inner is None:
            yield part._replace(reading=NOTE, words=CUT)
        else:
            yield from wrapped(self, part, file or ("", False), inner)

    def _text(
        self, buf: MailBuffer, leaf: MimeLeaf, file: tuple[str, bool] | None, level: int, holder: int
    ) -> Iterator[MessagePart]:
        """A text, and the uuencoded files inside it."""
        whole = None
        looked = self._inside and level < LEVELS and leaf.content_type != "text/html"
        if looked and _may_hold_files(buf, leaf):
            whole = opened(buf, leaf)
        found = blocks(whole) if whole is not None else []
        cuts = tuple((block.start, block.end) for block in found)
        key = self._key() if file else 0
        yield MessagePart(buf, leaf, level, file, TEXT, cuts, "", key, holder, self._others)
        for block in found:
            encoding = "base64" if block.base64 else "x-uuencode"
            last = block.first if block.empty else block.last
            inner = MimeLeaf(block.first, block.first, last, "application/octet-stream", encoding)
            name = " ".join(decode(block.name).split())
            yield from self._leaf(whole or b"", inner, (name, False), level + 1, key or holder)

    # --- containers: `part` is the container, `inner` its content ----------------------------------------

    def _attached(
        self, part: MessagePart, file: tuple[str, bool], inner: MailBuffer
    ) -> Iterator[MessagePart]:
        """A message that is encoded, against the rules (RFC 2046 5.2.1), or has another type."""
        whole, found = MimeLeaf(0, 0, len(inner), "message/rfc822", ""), leaves(inner)
        others = labels_of(inner, found)
        yield part._replace(file=(file[0] or message_name(inner, whole, others), file[1]), reading=MESSAGE)
        yield MessagePart(inner, whole, part.level + 1, None, HEADER, others=others)
        yield from self.message(inner, found, part.level + 1, part.key, others)

    def _winmail(self, part: MessagePart, file: tuple[str, bool], inner: MailBuffer) -> Iterator[MessagePart]:
        """A message that Outlook wrapped. The container is listed, but counts only if it is empty."""
        found = read_tnef(inner)
        texts = list(_texts(inner, found, part.level + 1))
        attached = part.leaf.head == part.leaf.body and part.level > 0
        attached = attached or not (texts or found.files)
        note = "" if found.whole else NOTE
        yield part._replace(file=(file[0], file[1] or not attached), reading=note, words=CUT)
        yield from texts
        for one in found.files:
            kind = "application/ms-tnef" if one.message else one.content_type or "application/octet-stream"
            name = f"{one.name or found.subject or 'message'}.tnef" if one.message else one.name
            leaf = MimeLeaf(one.start, one.start, one.end, kind, "")
            yield from self._leaf(inner, leaf, (name, one.pictured), part.level + 1, part.key)

    def _signed(self, part: MessagePart, file: tuple[str, bool], inner: MailBuffer) -> Iterator[MessagePart]:
        """Content that S/MIME signed or compressed. The container is listed, but does not count."""
        inner = _unarmoured(inner)
        found = read_cms(inner)
        if found.kind == "encrypted" or not found.spans:
            encrypted = NOTE if found.kind == "encrypted" else ""
            yield part._replace(reading=encrypted, words=ENCRYPTED)
            return
        signed = content_of(inner, found, self._room)
        note = ""
        if found.kind == "compressed":
            self._room -= len(signed)
            note = NOTE if self._room <= 0 else ""
        yield part._replace(file=(file[0], True), reading=note, words=CUT)
        if _MIME_FIELD.search(header_at(signed, 0, len(signed))):
            within = leaves(signed)
            yield from self.message(signed, within, part.level + 1, part.key, labels_of(signed, within))
            return
        stem = re.sub(r"(?i)\.p7m\Z", "", file[0])
        whole = MimeLeaf(0, 0, len(signed), "application/octet-stream", "")
        shown = (stem if "." in stem else "", False)
        yield from self._leaf(signed, whole, shown, part.level + 1, part.key)


_WRAPPED = {"attached": _Walk._attached, "winmail": _Walk._winmail, "signed": _Walk._signed}


def _unarmoured(buf: MailBuffer) -> MailBuffer:
    """S/MIME without the second base64 encoding that some programs add, with or without lines around it."""
    begin = buf[:64].lstrip()
    if not begin.startswith((b"-----BEGIN ", b"MI")) or len(buf) > IN_MEMORY:
        return buf
    lines = (line for line in buf[:].split(b"\n") if not line.startswith(b"-----"))
    return decoded(b"\n".join(lines), "base64")[0]


def _not_begun(nested: NestedMessage | None, begun: Mapping[int, int]) -> list[NestedMessage]:
    """The nested messages around a leaf that were not yielded yet, outermost first."""
    chain: list[NestedMessage] = []
    while nested is not None and nested.body not in begun:
        chain.append(nested)
        nested = nested.outer
    return chain[::-1]


def message_name(buf: MailBuffer, leaf: MimeLeaf, others: Others) -> str:
    """A name for an attached message without one: that of its subject."""
    subject = gather(header_at(buf, leaf.body, leaf.end), (b"subject",))[0]
    words = " ".join(decode(subject[0], others).split()) if subject else ""
    return f"{words or 'message'}.eml"


def _texts(inner: MailBuffer, found: TnefContent, level: int) -> Iterator[MessagePart]:
    """The subject and the texts of a TNEF stream, each as a leaf. The texts are versions of one another."""
    if found.subject:
        yield MessagePart(inner, MimeLeaf(0, 0, 0, "", ""), level, None, WORDS, words=found.subject)
    for span, kind in ((found.plain, "text/plain"), (found.html, "text/html")):
        if span is not None:
            end = _without_nul(inner, span.start, span.end, span.charset)
            stated = f"{kind}; charset={span.charset}".encode()
            yield MessagePart(
                inner,
                MimeLeaf(span.start, span.start, end, kind, "", 0, stated, None, (0, span.start)),
                level,
                None,
                TEXT,
            )
    if found.rtf is not None:
        start, end = found.rtf
        leaf = MimeLeaf(start, start, end, "application/rtf", "", choice=(0, start))
        yield MessagePart(inner, leaf, level, None, PACKED)


def _without_nul(buf: MailBuffer, start: int, end: int, charset: str) -> int:
    """The end of a text without the NUL behind it."""
    nul = b"\0\0" if charset.startswith("utf-16") else b"\0"
    return end - len(nul) if buf[max(start, end - len(nul)) : end] == nul else end


# --- kinds of leaves --------------------------------------------------------------------------------


def _reading(buf: MailBuffer, leaf: MimeLeaf, name: str) -> str:
    """How to read a leaf whose type is no text: a value of MessagePart.reading, or a key of _WRAPPED."""
    kind, ending = leaf.content_type, name.rpartition(".")[2].lower() if "." in name else ""
    if kind.startswith("message/"):
        return "attached" if leaf.encoding in ("base64", "quoted-printable") else TEXT
    if kind in _CMS_TYPES or ending == "p7m":
        return "signed"
    if kind in _TNEF_TYPES or ending == "dat" or name.lower() == "winmail":
        return "winmail" if is_tnef(_begin(buf, leaf)) else ""
    if kind in _RICH_TYPES or ending == "rtf":
        return RICH if rtf.is_rtf(_begin(buf, leaf)) else TEXT if is_text(kind) else ""
    if is_text(kind):
        return TEXT
    if kind == "application/pgp-encrypted":
        return NOTE
    if not (kind in _TEXT_TYPES or kind.endswith(("+xml", "+json")) or ending in _TEXT_NAMES):
        return ""
    if kind.startswith(("image/", "audio/", "video/")):
        return ""
    begin = _begin(buf, leaf)
    if ending in _MESSAGE_NAMES and _looks_like_message(begin):
        return "attached"
    return TEXT if _looks_like_text(begin) else ""


def is_html(leaf: MimeLeaf, name: str) -> bool:
    """Whether a leaf that is read as text is HTML."""
    if leaf.content_type in ("text/html", "application/xhtml+xml"):
        return True
    return not is_text(leaf.content_type) and name.rpartition(".")[2].lower() in _HTML_NAMES


def _begin(buf: MailBuffer, leaf: MimeLeaf) -> bytes:
    """The first bytes of a leaf's content."""
    if leaf.encoding in UUENCODED:
        return next(iter(content(buf, leaf)), b"")[:_BEGIN]
    return decoded(buf[leaf.body : min(leaf.end, leaf.body + 2 * _BEGIN)], leaf.encoding)[0][:_BEGIN]


def _looks_like_text(begin: bytes) -> bool:
    if begin.startswith(_BOMS):
        return True
    return len(begin.translate(None, _CONTROLS)) == len(begin)


def _looks_like_message(begin: bytes) -> bool:
    """Whether a file begins with fields of a message."""
    found = gather(header_at(begin, 0, len(begin)), _OWN_FIELDS)
    return sum(1 for values in found if values) >= 2


def _may_hold_files(buf: MailBuffer, leaf: MimeLeaf) -> bool:
    """Whether a line of a text begins with the word by which a uuencoded file begins."""
    if leaf.encoding == "base64" and _is_small(leaf):
        return b"begin" in decoded(buf[leaf.body : leaf.end], leaf.encoding)[0]
    begins = buf.startswith(b"begin", leaf.body, leaf.end)
    return begins or leaf.encoding == "base64" or buf.find(b"\nbegin", leaf.body, leaf.end) >= 0


def _is_small(leaf: MimeLeaf) -> bool:
    return leaf.end - leaf.body <= IN_MEMORY


def _first_name(buf: MailBuffer, leaf: MimeLeaf) -> str:
    """The name in the first line of a uuencoded leaf."""
    found = blocks(buf[leaf.body : min(leaf.end, leaf.body + IN_MEMORY)])
    return " ".join(decode(found[0].name).split()) if found else ""


def opened(buf: MailBuffer, leaf: MimeLeaf) -> MailBuffer | None:
    """The decoded content of a leaf as a buffer; None if it is large and can't be decoded in pieces."""
    if leaf.encoding not in ("base64", "quoted-printable", *UUENCODED):
        return sub(buf, leaf.body, leaf.end)
    if _is_small(leaf):
        return leaf_bytes(buf, leaf)
    lines = layout(buf, leaf.body, leaf.end) if leaf.encoding == "base64" else None
    if lines is None or not is_regular(buf, leaf.body, lines[2], lines[0], lines[1]):
        return None
    width, eol, end = lines
    return LinesBuffer(buf, leaf.body, end, width, len(eol), pybase64.b64decode)
