"""Which problems were reported and which messages wait, in a file, so that a restart loses nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from muniment.notify.model import NotifyEvent, TroubleFinding
from muniment.system.atomic_files import write_file

log = logging.getLogger("muniment.notify")

NAME = "notify.json"
"""The file's name in the vault."""
FORMAT = 1
"""The version of the file's format."""


class ReportedTrouble(msgspec.Struct, frozen=True):
    """A problem that was reported and is not over."""

    since: int
    """When it was reported, in seconds since 1970 UTC."""
    title: str


class QueuedEvent(msgspec.Struct, frozen=True):
    """An event that waits to be sent in one way."""

    number: int
    """A number of its own among the waiting ones."""
    way: str
    """The name of the way."""
    event: NotifyEvent
    tries: int = 0
    """Number of attempts so far."""
    due: float = 0.0
    """When to try again, in seconds since 1970 UTC."""


class NotifyMemory(msgspec.Struct):
    """The content of the file. Only one thread at a time may use it."""

    version: int = FORMAT
    since: int = 0
    """When the watch began, in seconds since 1970 UTC."""
    reported: dict[str, ReportedTrouble] = msgspec.field(default_factory=dict, name="told")
    """Problems that were reported and are not over, by the key of their event."""
    parcels: list[QueuedEvent] = []
    """Events that wait to be sent, the oldest first."""
    reports: dict[str, int] = {}
    """When each profile's last journal report was archived, in seconds since 1970 UTC."""
    seen: int = 0
    """The place in the ledger up to which journal reports are known."""
    summarised: str = ""
    """The local date of the last daily summary."""
    checkpoint: dict[str, Any] = {}
    """The ledger's state at the last check, by which archive.vault.known_roots finds that it was cut."""


def load(folder: Path) -> NotifyMemory:
    """Read the file of a vault. If it can't be read, that is logged, and the result is empty."""
    path = folder / NAME
    try:
        memory = msgspec.json.decode(path.read_bytes(), type=NotifyMemory)
    except FileNotFoundError:
        return NotifyMemory()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning(
            "%s can't be read (%s): earlier notifications may be sent again", NAME, type(error).__name__
        )
        return NotifyMemory()
    return memory if memory.version == FORMAT else NotifyMemory()


def save(folder: Path, memory: NotifyMemory) -> None:
    """Replace the file of a vault in one step.

    Raises:
        OSError: It can't be written.
    """
    write_file(folder / NAME, msgspec.json.encode(memory), durable=True)


def news(memory: NotifyMemory, found: Iterable[TroubleFinding], now: float) -> list[NotifyEvent]:
    """The events to send: a problem when it begins, and when it is over.

    `memory` then notes them as reported. A problem whose subject no longer exists, such as a removed profile,
    is forgotten.

    Args:
        memory: What was reported before.
        found: The findings of a check.
        now: Seconds since 1970 UTC.
    """
    events, active = [], {}
    for finding in found:
        before = memory.reported.get(finding.key)
        if finding.trouble and before is None:
            events.append(_event(finding, now))
            active[finding.key] = ReportedTrouble(int(now), finding.title)
        elif before is not None and finding.trouble is False:
            events.append(_over(finding, before, now))
        elif before is not None:
            active[finding.key] = before
    memory.reported = active
    return events


def _event(finding: TroubleFinding, now: float) -> NotifyEvent:
    return NotifyEvent(
        kind=finding.kind,
        state="trouble",
        key=finding.key,
        title=finding.title,
        text=finding.text,
        time=int(now),
    )


def _over(finding: TroubleFinding, before: ReportedTrouble, now: float) -> NotifyEvent:
    minutes = max(0, int(now) - before.since) // 60
    lasted = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return NotifyEvent(
        kind=finding.kind,
        state="well",
        key=finding.key,
        title=finding.well,
        text=f"Resolved: {before.title}, after {lasted}.",
        time=int(now),
    )
