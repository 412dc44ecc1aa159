"""What was told, and what is still to be: in a file, so that a restart repeats and forgets nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from muniment.notify.model import Event, Finding

log = logging.getLogger("muniment.notify")

NAME = "notify.json"
"""The file's name in the vault."""
FORMAT = 1
PRIVATE = 0o600


class Told(msgspec.Struct, frozen=True):
    """A trouble that was told and is not over."""

    since: int
    """Seconds since 1970 UTC."""
    title: str


class Parcel(msgspec.Struct, frozen=True):
    """An event on its way to somebody."""

    number: int
    way: str
    event: Event
    tries: int = 0
    due: float = 0.0
    """When to try again, seconds since 1970 UTC."""


class Memory(msgspec.Struct):
    """All that is remembered. Belongs to one thread at a time."""

    version: int = FORMAT
    since: int = 0
    """When one began to look, seconds since 1970 UTC."""
    told: dict[str, Told] = {}
    parcels: list[Parcel] = []
    reports: dict[str, int] = {}
    """When each profile's last journal report was archived, seconds since 1970 UTC."""
    seen: int = 0
    """Journal reports are known up to this place in the ledger."""
    summarised: str = ""
    """The local date of the last daily summary."""
    checkpoint: dict[str, Any] = {}
    """The ledger's state at the last look: archive.vault.known_roots finds by it that the ledger was cut
    since."""


def load(folder: Path) -> Memory:
    """What is remembered in a vault; one that can't be read is begun anew, and that is logged."""
    path = folder / NAME
    try:
        memory = msgspec.json.decode(path.read_bytes(), type=Memory)
    except FileNotFoundError:
        return Memory()
    except (OSError, msgspec.MsgspecError) as error:
        log.warning(
            "what was told before is not known any more (%s): it may be told again", type(error).__name__
        )
        return Memory()
    return memory if memory.version == FORMAT else Memory()


def save(folder: Path, memory: Memory) -> None:
    """Write it in one step. Raises OSError."""
    path = folder / NAME
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(memory))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def news(memory: Memory, found: Iterable[Finding], now: float) -> list[Event]:
    """What is to be told of what was found: a trouble when it begins, and when it is over.

    `memory` then knows it as told. A trouble whose subject is gone, such as a removed profile, is forgotten.
    """
    events, told = [], {}
    for finding in found:
        before = memory.told.get(finding.key)
        if finding.trouble and before is None:
            events.append(_event(finding, now))
            told[finding.key] = Told(int(now), finding.title)
        elif before is not None and finding.trouble is False:
            events.append(_over(finding, before, now))
        elif before is not None:
            told[finding.key] = before
    memory.told = told
    return events


def _event(finding: Finding, now: float) -> Event:
    return Event(
        kind=finding.kind,
        state="trouble",
        key=finding.key,
        title=finding.title,
        text=finding.text,
        time=int(now),
    )


def _over(finding: Finding, before: Told, now: float) -> Event:
    minutes = max(0, int(now) - before.since) // 60
    lasted = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return Event(
        kind=finding.kind,
        state="well",
        key=finding.key,
        title=finding.well,
        text=f"It was told: {before.title}. It lasted {lasted}.",
        time=int(now),
    )
