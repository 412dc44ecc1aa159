"""TNEF, in which Outlook and Exchange wrap a message: `winmail.dat` (MS-OXTNEF, MS-OXCDATA).

A stream is a list of attributes, each with its length. Two of them contain MAPI properties. The result says
where names, texts and files lie, so memory does not grow with the files. A wrong length ends where the
element around it ends. Nothing here raises on any bytes.

docs/decisions/13-containers.md says why no library does this.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec import Struct

from muniment.mail.charsets.decode import to_text
from muniment.mail.model import MailBuffer

SIGNATURE = b"\x78\x9f\x3e\x22"
FILES = 1000
"""Files of one stream that are listed."""
_ATTRIBUTES = 20_000
"""Attributes of one stream that are read."""
_PROPERTIES = 10_000
"""Properties of one list that are read."""
_SHORT = 4096
"""Bytes of a name or a number that are read."""
_ATTRIBUTE = struct.Struct("<BII")
_LONG = struct.Struct("<I")
_SUBJECT, _BODY, _PROPS, _CODEPAGE = 0x8004, 0x800C, 0x9003, 0x9007
_NEW_FILE, _TITLE, _TRANSPORT_NAME, _DATA, _FILE_PROPS = 0x9002, 0x8010, 0x9001, 0x800F, 0x9005
_WIDTHS = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
"""Bytes of a value of each fixed type, padding included."""
_OBJECT, _STRING8, _UNICODE, _BINARY, _MANY = 13, 30, 31, 258, 0x1000
_VARIABLE = frozenset({_OBJECT, _STRING8, _UNICODE, _BINARY})
_P_SUBJECT, _P_BODY, _P_RTF, _P_HTML = 0x0037, 0x1000, 0x1009, 0x1013
_P_CPID, _P_CODEPAGE = 0x3FDE, 0x3FFD
_P_LONG_NAME, _P_NAME, _P_DISPLAY, _P_MIME, _P_CONTENT_ID, _P_FILE = (
    *(0x3707, 0x3704, 0x3001, 0x370E, 0x3712, 0x3701),
)
_CODEPAGES = {
    936: "gbk", 20127: "us-ascii", 20866: "koi8-r", 21866: "koi8-u", 50220: "iso-2022-jp",
    50221: "iso-2022-jp", 51932: "euc-jp", 51949: "euc-kr", 54936: "gb18030", 65001: "utf-8",
}  # fmt: skip
"""Labels of the code pages whose label is not made from their number."""
_OBJECT_ID = 16
"""Bytes of the identifier in front of an object's content."""


class TnefText(Struct, frozen=True):
    """A text in the stream: bytes [start, end), in a charset."""

    start: int
    end: int
    charset: str


class TnefFile(Struct, frozen=True):
    """A file in the stream: its content is bytes [start, end)."""

    start: int
    end: int
    name: str
    content_type: str = ""
    message: bool = False
    """Whether it is a message, in TNEF again."""
    pictured: bool = False
    """Whether the text refers to it, as to a picture."""


class TnefContent(Struct, frozen=True):
    """The content of a stream."""

    subject: str
    plain: TnefText | None
    html: TnefText | None
    rtf: tuple[int, int] | None
    """Range of the compressed RTF."""
    files: tuple[TnefFile, ...]
    whole: bool
    """Whether all of it could be read."""


@dataclass(slots=True)
class _File:
    """A file while it is read. Its values are kept by the attribute or property that gave them."""

    names: dict[int, str] = field(default_factory=dict)
    content: tuple[int, int] = (0, 0)
    content_type: str = ""
    message: bool = False
    pictured: bool = False

    def made(self) -> TnefFile:
        order = (_P_LONG_NAME, _TRANSPORT_NAME, _P_NAME, _TITLE, _P_DISPLAY)
        name = next((self.names[key] for key in order if self.names.get(key)), "")
        kind = self.content_type.lower() if self.content_type.count("/") == 1 else ""
        start, end = self.content
        return TnefFile(start, max(start, end), name, kind, self.message, self.pictured)


def is_tnef(buf: MailBuffer) -> bool:
    """Whether a buffer begins like a TNEF stream."""
    return buf.startswith(SIGNATURE)


def read_tnef(buf: MailBuffer) -> TnefContent:
    """The content of a stream. Of a broken one, the content in front of the fault. Never raises."""
    return _Stream(buf).read()


class _Stream:
    """One reading of a stream."""

    __slots__ = (
        "_broken", "_buf", "_codepage", "_files", "_html", "_plain", "_rtf", "_subject", "_web_codepage",
    )  # fmt: skip

    def __init__(self, buf: MailBuffer) -> None:
        self._buf = buf
        self._codepage = "windows-1252"
        self._web_codepage = ""
        self._subject = ""
        self._plain: TnefText | None = None
        self._html: TnefText | None = None
        self._rtf: tuple[int, int] | None = None
        self._files: list[_File] = []
        self._broken = False

    def read(self) -> TnefContent:
        for kind, start, end in self._attributes():
            self._take(kind, start, end)
        plain, html = self._plain, self._html
        if html is not None and not html.charset:
            html = TnefText(html.start, html.end, self._web_codepage or self._codepage)
        files = tuple(file.made() for file in self._files)
        return TnefContent(self._subject, plain, html, self._rtf, files, not self._broken)

    def _attributes(self) -> Iterator[tuple[int, int, int]]:
        """Yield each attribute: its identifier, and the range of its data."""
        at, size = 6, len(self._buf)
        for _ in range(_ATTRIBUTES):
            head = self._buf[at : at + _ATTRIBUTE.size]
            if len(head) < _ATTRIBUTE.size:
                return
            level, kind, length = _ATTRIBUTE.unpack(head)
            if level not in (1, 2):
                self._broken = True
                return
            start = at + _ATTRIBUTE.size
            end = start + length
            if end > size:
                self._broken, end = True, size
            yield kind & 0xFFFF, start, end
            at = end + 2
        self._broken = True

    def _take(self, kind: int, start: int, end: int) -> None:
        if kind == _CODEPAGE:
            self._codepage = _label(self._number(start)) or self._codepage
        elif kind == _SUBJECT:
            self._subject = self._subject or self._string(start, end)
        elif kind == _BODY:
            self._plain = self._plain or TnefText(start, end, self._codepage)
        elif kind == _PROPS:
            for key, type_, first, last in self._properties(start, end):
                self._message_property(key, type_, first, last)
        elif kind == _NEW_FILE:
            if len(self._files) < FILES:
                self._files.append(_File())
            else:
                self._broken = True
        elif self._files:
            self._take_of_file(self._files[-1], kind, start, end)

    def _take_of_file(self, file: _File, kind: int, start: int, end: int) -> None:
        if kind in (_TITLE, _TRANSPORT_NAME):
            file.names.setdefault(kind, self._string(start, end))
        elif kind == _DATA:
            file.content = (start, end)
        elif kind == _FILE_PROPS:
            for key, type_, first, last in self._properties(start, end):
                self._file_property(file, key, type_, first, last)

    def _message_property(self, key: int, type_: int, start: int, end: int) -> None:
        if key in (_P_CPID, _P_CODEPAGE):
            label = _label(self._number(start))
            if key == _P_CPID:
                self._web_codepage = label
            else:
                self._codepage = label or self._codepage
        elif key == _P_SUBJECT and type_ in (_STRING8, _UNICODE):
            self._subject = self._text(type_, start, end)
        elif key == _P_BODY and type_ in (_STRING8, _UNICODE):
            self._plain = TnefText(start, end, "utf-16-le" if type_ == _UNICODE else self._codepage)
        elif key == _P_HTML:
            self._html = TnefText(start, end, "utf-16-le" if type_ == _UNICODE else "")
        elif key == _P_RTF and type_ == _BINARY:
            self._rtf = (start, end)

    def _file_property(self, file: _File, key: int, type_: int, start: int, end: int) -> None:
        if key == _P_FILE and type_ in (_BINARY, _OBJECT):
            skip = _OBJECT_ID if type_ == _OBJECT else 0
            start = min(start + skip, end)
            file.content = (start, end)
            file.message = self._buf.startswith(SIGNATURE, start, end)
        elif type_ not in (_STRING8, _UNICODE):
            return
        elif key in (_P_LONG_NAME, _P_NAME, _P_DISPLAY):
            file.names[key] = self._text(type_, start, end)
        elif key == _P_MIME:
            file.content_type = self._text(type_, start, end)
        elif key == _P_CONTENT_ID:
            file.pictured = start < end

    def _properties(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield each value of each property: key, type, and range. Named properties have the key 0."""
        count = self._number(start)
        at = start + 4
        for number in range(count):
            head = self._buf[at : at + 4]
            if at + 4 > end or number >= _PROPERTIES:
                self._broken = True
                return
            type_, key = struct.unpack("<HH", head)
            at += 4
            if key >= 0x8000:
                at, key = self._behind_name(at, end), 0
            base = type_ & ~_MANY
            many = bool(type_ & _MANY) or base in _VARIABLE
            if base not in _WIDTHS and base not in _VARIABLE:
                self._broken = True
                return
            values = self._number(at) if many else 1
            at += 4 if many else 0
            for _ in range(values):
                if base in _VARIABLE:
                    length = self._number(at)
                    at += 4
                else:
                    length = _WIDTHS[base]
                if at + length > end:
                    self._broken = True
                    if base not in _VARIABLE or at >= end:
                        return
                yield key, base, at, min(at + length, end)
                at += -(-length // 4) * 4

    def _behind_name(self, at: int, end: int) -> int:
        """Where the name of a property ends: a GUID, and a number or a string."""
        at += 16
        kind = self._number(at)
        at += 4
        if kind == 0:
            return at + 4
        length = self._number(at)
        return min(at + 4 + -(-length // 4) * 4, end)

    def _number(self, at: int) -> int:
        raw = self._buf[at : at + 4]
        return int(_LONG.unpack(raw)[0]) if len(raw) == 4 else 0

    def _string(self, start: int, end: int) -> str:
        return self._text(_STRING8, start, end)

    def _text(self, type_: int, start: int, end: int) -> str:
        raw = self._buf[start : min(end, start + _SHORT)]
        text = to_text(raw, "utf-16-le" if type_ == _UNICODE else self._codepage)
        return " ".join(text.partition("\0")[0].split())


def _label(codepage: int) -> str:
    """The label of a code page's charset; "" for none."""
    if 28591 <= codepage <= 28605:
        return f"iso-8859-{codepage - 28590}"
    return _CODEPAGES.get(codepage, f"cp{codepage}" if 0 < codepage < 2000 else "")
