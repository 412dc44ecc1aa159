"""PDF, by PDFium: the text of its pages, and the files in it, such as the XML of an e-invoice."""

from __future__ import annotations

import re

from pypdfium2 import PdfDocument, PdfiumError

from muniment.contents.collector import Collector, Full, Locked

PAGES = 5_000
"""Pages that are read."""
FILES = 100
"""Files in a document that are read."""
_HYPHEN = re.compile("[\ufffe\u0002]\r?\n?")
"""What PDFium writes for a hyphen at the end of a line."""


def read_pdf(data: bytes, into: Collector) -> None:
    """Read the text of a document.

    Raises:
        Locked: It needs a password.
        PdfiumError: It is damaged.
        Full: It has more text or pages than are read.
    """
    try:
        document = PdfDocument(data)
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise Locked from error
        raise
    try:
        for number in range(min(document.count_attachments(), FILES)):
            _read_file(document, number, into)
        count = len(document)
        for number in range(min(count, PAGES)):
            _read_page(document, number, into)
        if count > PAGES:
            raise Full
    finally:
        document.close()


def _read_file(document: PdfDocument, number: int, into: Collector) -> None:
    with into.noting():
        attached = document.get_attachment(number)
        data = bytes(attached.get_data())
        into.inflate(len(data))
        into.read_member(attached.get_name(), data)


def _read_page(document: PdfDocument, number: int, into: Collector) -> None:
    try:
        page = document[number]
    except PdfiumError:  # the others may be whole
        return
    try:
        text = page.get_textpage()
        try:
            into.add(_HYPHEN.sub("", text.get_text_range()))
        finally:
            text.close()
    finally:
        page.close()
