"""Finds out by its first bytes what a file is, and reads it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple
from zipfile import ZipFile

from muniment.contents.collector import Collector, Overpacked
from muniment.contents.model import Kind
from muniment.contents.readers.archive import read_archive
from muniment.contents.readers.excel import read_excel
from muniment.contents.readers.odf import is_odf, read_odf
from muniment.contents.readers.ole import MAGIC, read_compound
from muniment.contents.readers.ooxml import is_ooxml, read_ooxml
from muniment.contents.readers.pdf import read_pdf
from muniment.mail.charsets.decode import to_text
from muniment.mail.mime.rtf import is_rtf, read_rtf
from muniment.mail.text.html import to_text as text_of_html

ZIP, EMPTY_ZIP = b"PK\x03\x04", b"PK\x05\x06"
PDF_WITHIN = 1024
"""Bytes within which a PDF begins."""
MOST_MEMBERS = 20_000
"""Members of an archive whose list is read."""
_OFFICE = frozenset({"docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xlsb", "pptx", "pptm", "ppsx"})
_OPEN = frozenset({"odt", "ott", "ods", "ots", "odp", "otp", "odg", "odf"})
_SHOWS_HTML = frozenset({"doc", "xls", "ppt", "dot", "xlt"})
"""Ends of names under which programs save HTML."""


class Format(NamedTuple):
    """What a file is, and what reads it."""

    kind: Kind
    read: Callable[[bytes, Collector], None]


def format_of(begin: bytes, name: str) -> Format | None:
    """Return the format of a file that is no text, by its first bytes; None if there is no reader for it.

    Args:
        begin: Its first bytes.
        name: Its name, which decides between kinds of ZIP before they are opened.
    """
    end = name.rpartition(".")[2].strip().lower()
    if begin.startswith((ZIP, EMPTY_ZIP)):
        return Format(_kind_of_zip(begin, end), _read_zip)
    if begin.startswith(MAGIC):
        return Format("mail" if end == "msg" else "office", read_compound)
    if b"%PDF-" in begin[:PDF_WITHIN]:
        return Format("pdf", read_pdf)
    if is_rtf(begin):
        return Format("text", _read_rtf)
    if end in _SHOWS_HTML and begin.lstrip()[:14].lower().startswith((b"<html", b"<!doctype html")):
        return Format("text", _read_html)
    return None


def _kind_of_zip(begin: bytes, end: str) -> Kind:
    if end in _OPEN or b"mimetypeapplication/vnd.oasis.opendocument" in begin[:200]:
        return "opendocument"
    if end in _OFFICE or b"[Content_Types].xml" in begin:
        return "office"
    return "archive"


def _read_zip(data: bytes, into: Collector) -> None:
    with ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if len(names) > MOST_MEMBERS:
            raise Overpacked
        if "xl/workbook.bin" in names:
            read_excel(data, into)
        elif is_ooxml(names):
            read_ooxml(archive, into)
        elif is_odf(names):
            read_odf(archive, into)
        else:
            read_archive(archive, into)


def _read_rtf(data: bytes, into: Collector) -> None:
    found = read_rtf(data)
    into.add(text_of_html(found.text) if found.html else found.text)


def _read_html(data: bytes, into: Collector) -> None:
    into.add(text_of_html(to_text(data)))
