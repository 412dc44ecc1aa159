"""Word 97 to 2003: the text by its piece table ([MS-DOC] 2.4.1, 2.8.35)."""

from __future__ import annotations

import re
import struct

from olefile import OleFileIO

from muniment.contents.collector import Collector, Locked

MOST = 64 * 1024 * 1024
"""Bytes of a stream that are read."""
_ENCRYPTED, _TABLE_1 = 0x100, 0x200
_COMPRESSED = 0x40000000
_CODE = re.compile("\x13[^\x14\x15]{0,2000}[\x14\x15]")
"""The code of a field, whose result follows it."""
_ENDS = re.compile("[\x00-\x1f]+")


class TooOld(Exception):
    """The document is of a Word before 97, which has no piece table."""


def read_word(file: OleFileIO, into: Collector) -> None:
    """Read all text of a document: its body, notes, headers, comments and text boxes.

    Raises:
        Locked: It is encrypted.
        struct.error, ValueError, TooOld: It is damaged, or of an older kind.
    """
    words = file.openstream("WordDocument").read(MOST)
    flags = struct.unpack_from("<H", words, 10)[0]
    if flags & _ENCRYPTED:
        raise Locked
    table = file.openstream("1Table" if flags & _TABLE_1 else "0Table").read(MOST)
    start, size = _place_of_pieces(words)
    text = _text(words, table[start : start + size])
    into.add(_ENDS.sub("\n", _CODE.sub(" ", text)))


def _place_of_pieces(words: bytes) -> tuple[int, int]:
    """Return where the piece table is in the table stream: the 34th pair of offsets in the header."""
    at = 34 + 2 * struct.unpack_from("<H", words, 32)[0]
    at += 2 + 4 * struct.unpack_from("<H", words, at)[0]
    start, size = struct.unpack_from("<II", words, at + 2 + 33 * 8)
    if not size:
        raise TooOld
    return start, size


def _text(words: bytes, table: bytes) -> str:
    """Return the text of all pieces in a row, since words go over their borders."""
    at = 0
    while at < len(table) and table[at] == 1:
        at += 3 + struct.unpack_from("<H", table, at + 1)[0]
    if at >= len(table) or table[at] != 2:
        raise ValueError("no piece table")
    size = struct.unpack_from("<I", table, at + 1)[0]
    places = table[at + 5 : at + 5 + size]
    count = (len(places) - 4) // 12
    ends = struct.unpack_from(f"<{count + 1}I", places, 0)
    found: list[str] = []
    for number in range(count):
        offset = struct.unpack_from("<I", places, 4 * (count + 1) + 8 * number + 2)[0]
        length = min(max(ends[number + 1] - ends[number], 0), MOST)
        if offset & _COMPRESSED:
            start = (offset & ~_COMPRESSED) // 2
            found.append(words[start : start + length].decode("cp1252", "replace"))
        else:
            found.append(words[offset : offset + 2 * length].decode("utf-16-le", "replace"))
    return "".join(found)
