"""Keeps the process from holding on to memory that it needs no more.

glibc gives each thread an arena of its own, and an arena's freed memory is seldom given back: with the
threads of the index writer, a process that needs 160 MB grew past 290 MB over 100,000 messages.
Elsewhere (musl, macOS) these calls are not there, and only cycles are collected.
"""

from __future__ import annotations

import ctypes
import functools
import gc

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""mallopt's names (malloc.h): the size from which on a block is mapped for itself; the number of arenas."""
ARENAS = 2
MAPPED = 512 * 1024
"""Bytes. Left to itself, glibc raises this to 32 MiB once such blocks come and go, as batches of mail do, and
what small blocks then leave between them is never given back."""


@functools.cache
def _libc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def few_arenas() -> None:
    """From now on, threads share arenas; those that exist stay."""
    if libc := _libc():
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.mallopt(M_MMAP_THRESHOLD, MAPPED)


def give_back() -> None:
    """Return freed memory to the system; takes some milliseconds."""
    if libc := _libc():
        libc.malloc_trim(0)


def tidy_up() -> None:
    """Between two runs: let go of what only cycles still hold, and return it all to the system.

    The collector looks seldom (see collector.py), and a run a minute would otherwise pile up for an hour.
    """
    gc.collect()
    give_back()
