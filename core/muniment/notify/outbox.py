"""Sends notifications in a thread of its own, so that their senders never wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from muniment.errors import MunimentError
from muniment.notify.memory import NotifyMemory, QueuedEvent, load, save
from muniment.notify.model import NotifyEvent
from muniment.notify.telling import ArchiveOrigin
from muniment.notify.ways import NotifyWay

log = logging.getLogger("muniment.notify")

BACKOFF = 60.0
"""Seconds from the first failure to the next attempt; each further wait is twice as long."""
MAX_BACKOFF = 3600.0
"""Longest wait before an attempt, in seconds."""
GIVE_UP = 24 * 3600.0
"""Age in seconds at which an event is no longer worth sending."""
MOST = 200
"""Most parcels that can wait; above it, the oldest are dropped."""
NEVER = 3600.0
"""Seconds between two checks if nothing waits."""

Ways = Callable[[], list[NotifyWay]]


class Outbox:
    """The notifications that wait, stored in the vault's folder. Any thread can use it."""

    def __init__(
        self,
        folder: Path,
        ways: Ways,
        origin: Callable[[], ArchiveOrigin],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read what was stored.

        Args:
            folder: The vault's folder.
            ways: Returns the present ways. It is called at each attempt, to follow changes of vault.toml.
            origin: Returns the archive's name; called in the same way.
            clock: Returns the time in seconds since 1970 UTC.
        """
        self._folder = folder
        self._ways = ways
        self._origin = origin
        self._clock = clock
        self._memory = load(folder)
        self._changed = threading.Condition()
        self._stopped = False
        self._unsaved = False
        """Whether the last attempt to write the file failed, so that it is logged only once."""
        self._overflown = False
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)

    def start(self) -> None:
        """Start the thread that sends."""
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Stop the thread. It first tries every parcel that was never tried, for at most `timeout` seconds.

        The parcels that still wait are kept for the next start.
        """
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def update(self, change: Callable[[NotifyMemory], list[NotifyEvent]]) -> list[NotifyEvent]:
        """Change what is stored, and send events.

        The change and the new events are written in one step. If that fails, it is logged, and they last only
        as long as the process.

        Args:
            change: Changes its argument, and returns the events to send.

        Returns:
            Those events.
        """
        with self._changed:
            before = msgspec.json.encode(self._memory)
            events = change(self._memory)
            for event in events:
                self._post(event)
            if msgspec.json.encode(self._memory) != before:
                self._save()
            self._changed.notify_all()
        return events

    @property
    def waiting(self) -> int:
        """Number of parcels that wait."""
        with self._changed:
            return len(self._memory.parcels)

    def _post(self, event: NotifyEvent) -> None:
        write = log.warning if event.state == "trouble" else log.info
        write("%s", event.title, extra={"fields": {"event": event.kind, "state": event.state}})
        parcels = self._memory.parcels
        number = max((parcel.number for parcel in parcels), default=0) + 1
        names = [way.name for way in self._ways()]
        parcels += [QueuedEvent(number + i, name, event, due=self._clock()) for i, name in enumerate(names)]
        if len(parcels) > MOST:
            if not self._overflown:
                log.error("too many notifications wait: the oldest ones are dropped")
            del parcels[: len(parcels) - MOST]
            self._overflown = True
        elif len(parcels) < MOST:
            self._overflown = False

    def _save(self) -> None:
        try:
            save(self._folder, self._memory)
            self._unsaved = False
        except OSError as error:
            if not self._unsaved:
                log.error("the state of notifications can't be stored (%s)", error.strerror)
            self._unsaved = True

    # --- sending, in the thread -----------------------------------------------------------------------

    def _work(self) -> None:
        while (parcel := self._next()) is not None:
            self._finish(parcel, self._try(parcel))

    def _next(self) -> QueuedEvent | None:
        """Wait for the next parcel that is due; None when the thread must end."""
        with self._changed:
            while True:
                parcels = [one for one in self._memory.parcels if not (self._stopped and one.tries)]
                first = min(parcels, key=lambda parcel: parcel.due, default=None)
                wait = NEVER if first is None else first.due - self._clock()
                if first is not None and wait <= 0:
                    return first
                if self._stopped:
                    return None
                self._changed.wait(min(wait, NEVER))

    def _try(self, parcel: QueuedEvent) -> bool:
        """Try to send a parcel; returns False if it must be tried again."""
        way = next((way for way in self._ways() if way.name == parcel.way), None)
        if way is None:
            return True
        try:
            way.send(parcel.event, self._origin())
        except MunimentError as error:
            log.warning("notification not sent (%s): %s", parcel.event.title, error)
        except Exception as error:  # noqa: BLE001 - a library's error must not end the thread or show a secret
            log.error("notification not sent by %s: %s", parcel.way, type(error).__name__)
        else:
            return True
        return False

    def _finish(self, parcel: QueuedEvent, done: bool) -> None:
        now = self._clock()
        with self._changed:
            parcels = self._memory.parcels
            place = next((i for i, one in enumerate(parcels) if one.number == parcel.number), None)
            if place is None:
                return
            if done or now - parcel.event.time >= GIVE_UP:
                del parcels[place]
            else:
                pause = min(BACKOFF * 2.0 ** min(parcel.tries, 10), MAX_BACKOFF)
                parcels[place] = msgspec.structs.replace(parcel, tries=parcel.tries + 1, due=now + pause)
            self._save()
        if not done and now - parcel.event.time >= GIVE_UP:
            log.error("notification given up after a day (%s): %s", parcel.way, parcel.event.title)
