"""OpenDocument: a ZIP of XML documents (ISO/IEC 26300), as LibreOffice writes it."""

from __future__ import annotations

from zipfile import ZipFile

from muniment.contents.collector import Collector, Locked
from muniment.contents.readers.xml_text import XmlText

_BREAKS = ("p", "h", "table-cell", "tab", "s", "line-break", "title", "subject", "keyword", "creator", "page")
_MANIFEST = "META-INF/manifest.xml"
_LONGEST_MANIFEST = 1024 * 1024
_NO_TEXT = frozenset({"binary-data", "script"})


def is_odf(names: list[str]) -> bool:
    """Return whether an archive with these members is such a document."""
    return "content.xml" in names and ("mimetype" in names or _MANIFEST in names)


def read_odf(archive: ZipFile, into: Collector) -> None:
    """Read the text of a document, of its headers and footers, and its title.

    Raises:
        Locked: It is encrypted.
    """
    names = archive.namelist()
    if _MANIFEST in names:
        with archive.open(_MANIFEST) as manifest:
            if b"encryption-data" in manifest.read(_LONGEST_MANIFEST):
                raise Locked
    for name in ("meta.xml", "styles.xml", "content.xml"):
        if name in names:
            with into.noting(), archive.open(name) as stream:
                skips = _is_no_title if name == "meta.xml" else _is_no_text
                XmlText(into, everywhere=True, breaks=_BREAKS, skips=skips).read(stream)


def _is_no_text(name: str, attributes: dict[str, str]) -> bool:
    """Return whether an element has the form of numbers, or a program, and no text."""
    return name in _NO_TEXT or name.endswith("-style")


def _is_no_title(name: str, attributes: dict[str, str]) -> bool:
    """Return whether an element of the properties has nothing that people write."""
    return name in ("generator", "editing-cycles", "editing-duration", "creation-date", "date", "print-date")
