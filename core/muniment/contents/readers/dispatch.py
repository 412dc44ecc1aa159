"""Finds out by its first bytes what a file is, and reads it."""

from __future__ import annotations

import io
from zipfile import BadZipFile, ZipFile

from muniment.contents.collector import Collector, Overpacked
from muniment.contents.model import Kind
from muniment.contents.readers.ooxml import is_ooxml, read_ooxml

ZIP = b"PK\x03\x04"
MOST_MEMBERS = 20_000
"""Members of an archive whose list is read."""


def kind_of(begin: bytes, name: str) -> Kind | None:
    """Return the kind of a file that is no text, by its first bytes; None if there is no reader for it.

    Args:
        begin: Its first bytes.
        name: Its name, by which documents in a ZIP are told from archives before they are opened.
    """
    if begin.startswith(ZIP):
        return _kind_of_zip(begin, name)
    return None


def _kind_of_zip(begin: bytes, name: str) -> Kind | None:
    end = name.rpartition(".")[2].lower()
    if b"[Content_Types].xml" in begin or end in ("docx", "docm", "xlsx", "xlsm", "pptx", "pptm"):
        return "office"
    return None


def read_bytes(data: bytes, name: str, into: Collector) -> None:
    """Read a file whose kind is known by `kind_of`.

    Raises:
        Exception: It can't be read, or only in part; see Collector.noting.
    """
    if data.startswith(ZIP):
        _read_zip(data, into)


def _read_zip(data: bytes, into: Collector) -> None:
    with ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if len(names) > MOST_MEMBERS:
            raise Overpacked
        if is_ooxml(names):
            read_ooxml(archive, into)
            return
    raise BadZipFile
