"""Gives the space of zeros in a file back to the disk, where the file system can do that."""

from __future__ import annotations

import ctypes
import os
from functools import cache

_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02
"""FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE of Linux; Python's os.posix_fallocate has no flags."""


def punch_hole(descriptor: int, offset: int, length: int) -> bool:
    """Give back the blocks of a range, which reads as zeros from then on. The file keeps its size.

    Args:
        descriptor: A file that is open for writing.
        offset: Byte offset of the range, which must hold zeros already.
        length: Length of the range, in bytes.

    Returns:
        Whether it was done; false if the file system can't, and then nothing has changed.
    """
    fallocate = _fallocate()
    if fallocate is None or length <= 0 or offset + length > os.fstat(descriptor).st_size:
        return False
    return bool(fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, offset, length) == 0)


@cache
def _fallocate() -> ctypes._NamedFuncPointer | None:
    found = getattr(ctypes.CDLL(None), "fallocate64", None)
    if found is not None:
        found.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        found.restype = ctypes.c_int
    return found
