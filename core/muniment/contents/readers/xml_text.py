"""The text of XML, read piece by piece by expat.

A document that declares entities is refused: none of the formats here needs them, and a few lines of them can
expand to gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import IO, Protocol
from xml.parsers import expat

from muniment.contents.collector import Collector

PIECE = 64 * 1024


class Readable(Protocol):
    """An open member of an archive, or any other stream."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class EntityDeclared(Exception):
    """The document declares an entity."""


class XmlText:
    """Adds the text of some elements of a document to a collector."""

    def __init__(
        self,
        into: Collector,
        *,
        texts: Collection[str] = (),
        breaks: Collection[str] = (),
        everywhere: bool = False,
        skips: Callable[[str, dict[str, str]], bool] | None = None,
    ) -> None:
        """Say what is read.

        Args:
            into: Gets the text.
            texts: Local names of the elements that have text.
            breaks: Local names of the elements at which a word ends.
            everywhere: Whether all elements have text.
            skips: Takes the local name and the attributes of an element, and returns whether the text in it
                is left out.
        """
        self._into = into
        self._texts = frozenset(texts)
        self._breaks = frozenset(breaks)
        self._everywhere = everywhere
        self._skips = skips
        self._open: list[bool] = []
        """Whether each open element has text."""
        self._left_out = 0
        """Number of open elements whose text is left out."""
        self._word: list[str] = []

    def read(self, stream: Readable | IO[bytes]) -> None:
        """Read a document to its end.

        Raises:
            Full, Overpacked: See Collector.
            EntityDeclared: The document declares an entity.
            expat.ExpatError: It is no XML. What came before was read.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.EntityDeclHandler = _refuse
        try:
            while piece := stream.read(PIECE):
                self._into.inflate(len(piece))
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        finally:
            self._flush()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if local in self._breaks:
            self._flush()
        if self._left_out or (self._skips is not None and self._skips(local, attributes)):
            self._left_out += 1
            return
        outer = bool(self._open) and self._open[-1]
        self._open.append(self._everywhere or outer or local in self._texts)

    def _end(self, name: str) -> None:
        if self._left_out:
            self._left_out -= 1
        else:
            self._open.pop()
        if name.rpartition(" ")[2] in self._breaks:
            self._flush()

    def _data(self, data: str) -> None:
        if self._open and self._open[-1] and not self._left_out:
            self._word.append(data)

    def _flush(self) -> None:
        """Add the text since the last break."""
        text = "".join(self._word)
        self._word.clear()
        if text and not text.isspace():
            self._into.add(text)


def _refuse(*_: object) -> None:
    raise EntityDeclared
