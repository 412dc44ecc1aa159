"""The size of a vault on the last days, in a file of the vault."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from muniment.health.growth import SizeSample, thinned
from muniment.system.atomic_files import write_file

log = logging.getLogger("muniment.health")

NAME = "sizes.json"
"""The file's name in the vault. It is no evidence, and may be deleted."""
FORMAT = 1
DAYS = 90
"""Number of days whose size is kept."""
HOURLY = 3600
"""Least seconds between two sizes that are noted."""
AHEAD = 86400
"""Most seconds that a size may be ahead of the clock, which may have been set back. Others are left out."""
LARGEST = 1 << 62
"""More bytes than any disk has."""


class SizeMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file."""

    version: int = FORMAT
    samples: tuple[SizeSample, ...] = ()
    """The newest size of each day, the oldest day first."""


def load(folder: Path, now: float) -> tuple[SizeSample, ...]:
    """Read the file of a vault. A file that is missing or can't be read counts as empty.

    Args:
        folder: The vault's folder.
        now: Seconds since 1970 UTC. Sizes that are far ahead of it, or impossible, are left out.
    """
    try:
        memory = msgspec.json.decode((folder / NAME).read_bytes(), type=SizeMemory)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning("%s can't be read (%s): the growth is measured from now on", NAME, type(error).__name__)
        return ()
    if memory.version != FORMAT:
        return ()
    possible = [one for one in memory.samples if 0 <= one.time <= now + AHEAD and 0 <= one.bytes < LARGEST]
    return tuple(sorted(possible, key=lambda one: one.time))


def note_size(folder: Path, now: float, size: Callable[[], int]) -> None:
    """Note the size of a vault, at most once an hour. Only the vault's writer may call this.

    Args:
        folder: The vault's folder.
        now: Seconds since 1970 UTC.
        size: Measures the bytes on disk.
    """
    known = load(folder, now)
    if any(abs(now - one.time) < HOURLY for one in known):
        return
    memory = SizeMemory(samples=thinned(known, SizeSample(int(now), size()), DAYS))
    try:
        write_file(folder / NAME, msgspec.json.encode(memory), durable=False)
    except OSError as error:
        log.info("%s can't be written: %s", NAME, error.strerror)
