"""Files of Office before 2007, messages of Outlook, and encrypted documents: compound files ([MS-CFB])."""

from __future__ import annotations

import io
import struct

from olefile import OleFileIO

from muniment.contents.collector import Collector, Locked
from muniment.contents.readers.excel import read_excel
from muniment.contents.readers.outlook import is_message, read_message
from muniment.contents.readers.powerpoint import read_powerpoint
from muniment.contents.readers.word import read_word

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = ("EncryptedPackage", "EncryptedSummary")


_HEAD, _FILE_PASS = 1024, 0x2F
"""Bytes at the beginning of a workbook, and the record there that says it is encrypted ([MS-XLS] 2.4.117)."""


class NoDocument(Exception):
    """The compound file is none of the kinds that are read."""


def read_compound(data: bytes, into: Collector) -> None:
    """Read a compound file of any kind.

    Raises:
        Locked: It is encrypted.
        NoDocument: It has no document that can be read.
        Exception: It is damaged.
    """
    with OleFileIO(io.BytesIO(data)) as file:
        if any(file.exists(name) for name in _ENCRYPTED):
            raise Locked
        if is_message(file):
            read_message(file, into)
        elif file.exists("WordDocument"):
            read_word(file, into)
        elif file.exists("PowerPoint Document"):
            read_powerpoint(file, into)
        elif book := next(filter(file.exists, ("Workbook", "Book")), ""):
            if _is_locked(file.openstream(book).read(_HEAD)):
                raise Locked
            read_excel(data, into)
        else:
            raise NoDocument


def _is_locked(workbook: bytes) -> bool:
    at = 0
    while at + 4 <= len(workbook):
        kind, length = struct.unpack_from("<HH", workbook, at)
        if kind == _FILE_PASS:
            return True
        at += 4 + length
    return False
