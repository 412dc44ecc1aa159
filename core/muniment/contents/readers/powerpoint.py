"""PowerPoint 97 to 2003: the texts of its records ([MS-PPT] 2.9.42, 2.9.44, 2.3.1)."""

from __future__ import annotations

import struct

from olefile import OleFileIO

from muniment.contents.collector import Collector, Locked

MOST = 64 * 1024 * 1024
"""Bytes of the document that are read."""
DEPTH = 50
"""Levels of records inside one another that are read."""
_CONTAINER = 15
_CHARACTERS, _STRING, _BYTES = 4000, 4026, 4008
_USER, _ENCRYPTED_MARK = "Current User", 0xF3D1C4DF


def read_powerpoint(file: OleFileIO, into: Collector) -> None:
    """Read the texts of slides, notes and masters.

    Raises:
        Locked: It is encrypted.
        struct.error: It is damaged.
    """
    if file.exists(_USER):
        user = file.openstream(_USER).read(64)
        if len(user) >= 16 and struct.unpack_from("<I", user, 12)[0] == _ENCRYPTED_MARK:
            raise Locked
    data = file.openstream("PowerPoint Document").read(MOST)
    _read(data, 0, len(data), into, 0)


def _read(data: bytes, at: int, end: int, into: Collector, depth: int) -> None:
    while at + 8 <= end:
        version, kind, length = struct.unpack_from("<HHI", data, at)
        at += 8
        last = min(at + length, end)
        if version & 15 == _CONTAINER and depth < DEPTH:
            _read(data, at, last, into, depth + 1)
        elif kind in (_CHARACTERS, _STRING):
            into.add(data[at:last].decode("utf-16-le", "replace"))
        elif kind == _BYTES:
            into.add(data[at:last].decode("latin-1"))
        at += length
