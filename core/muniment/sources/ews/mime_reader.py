"""Reads answers of GetItem while they arrive: MIME is decoded piece by piece, and large MIME goes to files.

The result is the answer with a number in place of each MimeContent. It is small enough to be parsed as a
tree.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import pybase64

from muniment.sources.base import SPOOL_ABOVE
from muniment.sources.spool_files import spool_file

_BUFFER = 256 * 1024


class NotXml(Exception):
    """An answer is not valid XML."""


class _Content:
    """Decodes one message's base64 to bytes, or above SPOOL_ABOVE to a file."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._files = ExitStack()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._rest = ""
        self._broken = False

    def feed(self, text: str) -> None:
        text = self._rest + "".join(text.split())
        whole = len(text) & ~3
        self._rest = text[whole:]
        self._write(text[:whole])

    def _write(self, text: str) -> None:
        if self._broken:
            return
        try:
            piece = pybase64.b64decode(text, validate=True)
        except ValueError:  # binascii.Error, or the error for a character that is not ASCII
            self._broken = True
            return
        self._size += len(piece)
        if self._file is None and self._size > SPOOL_ABOVE:
            self._file, self._path = self._files.enter_context(spool_file(self._work))
            for one in self._pieces:
                self._file.write(one)
            self._pieces.clear()
        if self._file is None:
            self._pieces.append(piece)
        else:
            self._file.write(piece)

    def end(self) -> bytes | Path | None:
        """The decoded content, or its file; None if it can't be decoded."""
        self._write(self._rest + "=" * (-len(self._rest) % 4))
        self._files.close()
        if self._broken:
            self.discard()
            return None
        return self._path if self._path is not None else b"".join(self._pieces)

    def discard(self) -> None:
        """Remove the file, if there is one."""
        self._files.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class MimeReader:
    """Separates MIME from the rest of an answer; it can read several answers, one after the other."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._contents: list[bytes | Path | None] = []
        self._current: _Content | None = None
        self._parser: expat.XMLParserType | None = None
        self._left: list[str] = []

    def feed(self, data: bytes) -> None:
        """Read the next bytes of an answer.

        Raises:
            NotXml: The answer is not valid XML.
            SourceError: The work folder is full.
        """
        self._parse(data, final=False)

    def close(self) -> bytes:
        """End an answer; returns it without its MIME. Raises NotXml."""
        self._parse(b"", final=True)
        left = "".join(self._left).encode()
        self._left.clear()
        self._parser = None
        return left

    def take(self, number: int) -> bytes | Path | None:
        """The content for a number in the answer. The caller then owns its file and must remove it."""
        content, self._contents[number] = self._contents[number], None
        return content

    def discard(self) -> None:
        """Remove the files that were not taken."""
        if self._current is not None:
            self._current.discard()
            self._current = None
        for content in self._contents:
            if isinstance(content, Path):
                content.unlink(missing_ok=True)
        self._contents.clear()

    def _parse(self, data: bytes, final: bool) -> None:
        if self._parser is None:
            self.discard()
            self._parser = self._made()
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            raise NotXml(str(error)) from error

    def _made(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = _BUFFER
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        return parser

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        stated = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
        self._left.append(f"<{name}{stated}>")
        if name.rpartition(":")[2] == "MimeContent":
            self._current = _Content(self._work)

    def _text(self, text: str) -> None:
        if self._current is not None:
            self._current.feed(text)
        else:
            self._left.append(escape(text))

    def _end(self, name: str) -> None:
        if self._current is not None:
            content, self._current = self._current, None
            self._left.append(str(len(self._contents)))
            self._contents.append(content.end())
        self._left.append(f"</{name}>")


def _refuse(*_: object) -> None:
    """Refuse a document type: it could declare entities that expand without limit, and SOAP forbids it."""
    raise NotXml("a document type declaration")
