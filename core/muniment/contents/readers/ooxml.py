"""Word, PowerPoint and Excel since 2007: a ZIP of XML documents (ISO/IEC 29500)."""

from __future__ import annotations

import re
from zipfile import ZipFile

from muniment.contents.collector import Collector
from muniment.contents.readers.xml_text import XmlText

_WORD = re.compile(r"word/(document\d*|header\d*|footer\d*|footnotes|endnotes|comments)\.xml")
_SLIDES = re.compile(
    r"ppt/(slides/slide\d+|notesslides/notesslide\d+|comments/(modern)?comment[^/]*|slidemasters/slidemaster\d+"
    r"|diagrams/data\d+|charts/chart\d+)\.xml"
)
_SHEETS = re.compile(
    r"xl/(sharedstrings|workbook|worksheets/sheet\d+|comments\d*|comments/comment\d+"
    r"|threadedcomments/threadedcomment\d+|drawings/drawing\d+|charts/chart\d+|tables/table\d+)\.xml"
)
_PROPERTIES = re.compile(r"docprops/(core|custom)\.xml")


def is_ooxml(names: list[str]) -> bool:
    """Return whether an archive with these members is such a document."""
    return any(
        name in ("[Content_Types].xml", "_rels/.rels") or _WORD.fullmatch(_plain(name)) for name in names
    )


def read_ooxml(archive: ZipFile, into: Collector) -> None:
    """Read the text of all parts of a document that people write in."""
    names = sorted(archive.namelist(), key=lambda name: (len(name), name))
    for name in names:
        reader = _reader(_plain(name), into)
        if reader is not None:
            with into.noting(), archive.open(name) as stream:
                reader.read(stream)


def _plain(name: str) -> str:
    return name.lstrip("/").replace("\\", "/").lower()


def _reader(name: str, into: Collector) -> XmlText | None:
    if _WORD.fullmatch(name):
        return XmlText(into, texts=("t", "delText", "instrText"), breaks=("p", "tab", "br", "cr", "tc"))
    if _SLIDES.fullmatch(name):
        return XmlText(into, texts=("t", "v", "text"), breaks=("p", "br", "pt", "cm"))
    if name == "xl/workbook.xml":
        return _Names(into)
    if _SHEETS.fullmatch(name):
        return XmlText(
            into,
            texts=("t", "v", "text"),
            breaks=("si", "c", "p", "br", "comment", "pt"),
            skips=_is_number_of_text,
        )
    if _PROPERTIES.fullmatch(name):
        return XmlText(
            into,
            everywhere=True,
            breaks=(
                "title",
                "subject",
                "creator",
                "keywords",
                "description",
                "category",
                "property",
                "lastModifiedBy",
                "revision",
                "created",
                "modified",
            ),
            skips=_is_no_word,
        )
    return None


class _Names(XmlText):
    """Reads the names of sheets."""

    def __init__(self, into: Collector) -> None:
        super().__init__(into)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        super()._start(name, attributes)
        if name.endswith(" sheet") and attributes.get("name"):
            self._into.add(attributes["name"])


def _is_number_of_text(name: str, attributes: dict[str, str]) -> bool:
    """Return whether the value in a cell is the number of a shared text, which is read by itself."""
    return name == "c" and attributes.get("t") == "s"


def _is_no_word(name: str, attributes: dict[str, str]) -> bool:
    return name in ("revision", "created", "modified", "lastPrinted")
