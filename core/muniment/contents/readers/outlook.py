"""A message that Outlook saved as a file (.msg), with its attachments ([MS-OXMSG])."""

from __future__ import annotations

from olefile import OleFileIO

from muniment.contents.collector import Collector
from muniment.mail.charsets.decode import to_text
from muniment.mail.mime.rtf import decompressed, read_rtf
from muniment.mail.text.html import to_text as text_of_html

MOST = 64 * 1024 * 1024
"""Bytes of a property that are read."""
RICH = 16 * 1024 * 1024
"""Bytes of rich text that are decompressed."""
DEPTH = 5
"""Levels of messages inside one another that are read."""
_PROPERTIES = "__properties_version1.0"
_SUBJECT, _SENDER, _SENDERS_ADDRESS, _TO, _CC = 0x0037, 0x0C1A, 0x5D01, 0x0E04, 0x0E03
_BODY, _HTML, _RTF = 0x1000, 0x1013, 0x1009
_DATA, _NAME, _SHORT_NAME, _SHOWN_NAME = 0x3701, 0x3707, 0x3704, 0x3001
Path = tuple[str, ...]


def is_message(file: OleFileIO) -> bool:
    """Return whether a compound file is a message."""
    return bool(file.exists(_PROPERTIES))


def read_message(file: OleFileIO, into: Collector) -> None:
    """Read the subject, the people, the text and the attachments of a message."""
    _Message(file, into).read((), 0)


class _Message:
    def __init__(self, file: OleFileIO, into: Collector) -> None:
        self._file = file
        self._into = into
        self._storages = [tuple(path) for path in file.listdir(streams=False, storages=True)]

    def read(self, place: Path, depth: int) -> None:
        """Read the message in a storage, and those attached to it."""
        for number in (_SUBJECT, _SENDER, _SENDERS_ADDRESS, _TO, _CC):
            self._into.add(self._text(place, number))
        self._into.add(self._body(place))
        for storage in self._storages:
            if storage[:-1] == place and storage[-1].startswith("__attach_version1.0_"):
                with self._into.noting():
                    self._attachment(storage, depth)

    def _body(self, place: Path) -> str:
        if plain := self._text(place, _BODY):
            return plain
        if html := self._bytes(place, _HTML, "0102") or self._bytes(place, _HTML, "001F"):
            return text_of_html(to_text(html))
        packed = self._bytes(place, _RTF, "0102")
        text, html_inside = read_rtf(decompressed(packed, RICH))[:2] if packed else ("", False)
        return text_of_html(text) if html_inside else text

    def _attachment(self, place: Path, depth: int) -> None:
        name = next(filter(None, (self._text(place, one) for one in (_NAME, _SHORT_NAME, _SHOWN_NAME))), "")
        inner = (*place, f"__substg1.0_{_DATA:04X}000D")
        if inner in self._storages and depth < DEPTH:
            with self._into.member(f"{name or 'message'}"):
                self.read(inner, depth + 1)
        elif data := self._bytes(place, _DATA, "0102"):
            self._into.inflate(len(data))
            self._into.read_member(name, data)

    def _text(self, place: Path, number: int) -> str:
        if data := self._bytes(place, number, "001F"):
            return data.decode("utf-16-le", "replace").rstrip("\0")
        return to_text(self._bytes(place, number, "001E").rstrip(b"\0"))

    def _bytes(self, place: Path, number: int, kind: str) -> bytes:
        name = [*place, f"__substg1.0_{number:04X}{kind}"]
        return self._file.openstream(name).read(MOST) if self._file.exists(name) else b""
