"""Returns memory that the process no longer needs to the system.

glibc gives each thread its own arena, and an arena's freed memory is seldom returned. With the threads of the
index writer, a process that needs 160 MB grew past 290 MB over 100,000 messages. Elsewhere (musl, macOS)
these calls do not exist, and only cycles are collected.
"""

from __future__ import annotations

import ctypes
import functools
import gc

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""mallopt's parameters (malloc.h): the size from which a block is mapped by itself; the number of arenas."""
ARENAS = 2
MAPPED = 512 * 1024
"""Bytes. By default glibc raises this to 32 MiB once such blocks come and go, as batches of mail do. The
memory that small blocks then leave between them is never returned."""


@functools.cache
def _libc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def few_arenas() -> None:
    """Let threads share arenas from now on. Existing arenas stay."""
    if libc := _libc():
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.mallopt(M_MMAP_THRESHOLD, MAPPED)


def give_back() -> None:
    """Return freed memory to the system. Takes some milliseconds."""
    if libc := _libc():
        libc.malloc_trim(0)


def tidy_up() -> None:
    """Collect cycles and return their memory to the system, between two runs.

    The collector works seldom (`system.gc_tuning`). With a run a minute, cycles would otherwise pile up for
    an hour.
    """
    gc.collect()
    give_back()
