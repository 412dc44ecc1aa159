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


class SizeMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the file."""

    version: int = FORMAT
    samples: tuple[SizeSample, ...] = ()
    """The newest size of each day, the oldest day first."""


def load(folder: Path) -> tuple[SizeSample, ...]:
    """Read the file of a vault. A file that is missing or can't be read counts as empty."""
    try:
        memory = msgspec.json.decode((folder / NAME).read_bytes(), type=SizeMemory)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s can't be read (%s): the growth is measured from now on", NAME, type(error).__name__)
        return ()
    return memory.samples if memory.version == FORMAT else ()


def note_size(folder: Path, now: float, size: Callable[[], int]) -> None:
    """Note the size of a vault, at most once an hour. Only the vault's writer may call this.

    Args:
        folder: The vault's folder.
        now: Seconds since 1970 UTC.
        size: Measures the bytes on disk.
    """
    known = load(folder)
    if known and 0 <= now - known[-1].time < HOURLY:
        return
    memory = SizeMemory(samples=thinned(known, SizeSample(int(now), size()), DAYS))
    try:
        write_file(folder / NAME, msgspec.json.encode(memory), durable=False)
    except OSError as error:
        log.info("%s can't be written: %s", NAME, error.strerror)
