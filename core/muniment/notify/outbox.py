"""Sending what is to be told, in a thread of its own: whoever has something to tell never waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from muniment.errors import MunimentError
from muniment.notify.memory import Memory, Parcel, load, save
from muniment.notify.model import Event
from muniment.notify.telling import Origin
from muniment.notify.ways import Way

log = logging.getLogger("muniment.notify")

BACKOFF = 60.0
"""Seconds from a first failure to the next try; doubled with each more."""
MAX_BACKOFF = 3600.0
GIVE_UP = 24 * 3600.0
"""Seconds after which nobody wants to know any more."""
MOST = 200
"""Parcels that wait at most; the oldest goes when there are more."""
NEVER = 3600.0
"""Seconds between two looks when nothing waits."""

Ways = Callable[[], list[Way]]


class Outbox:
    """What is remembered and what waits to be sent, kept in the vault's folder; for any thread."""

    def __init__(
        self,
        folder: Path,
        ways: Ways,
        origin: Callable[[], Origin],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`ways` and `origin` are asked at each try, so that a change of vault.toml counts at once."""
        self._folder = folder
        self._ways = ways
        self._origin = origin
        self._clock = clock
        self._memory = load(folder)
        self._changed = threading.Condition()
        self._stopped = False
        self._unsaved = False
        """Whether the last attempt to write the file failed, which is logged once."""
        self._overflown = False
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Try once what was never tried, for at most `timeout` seconds; what waits then is kept."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def update(self, change: Callable[[Memory], list[Event]]) -> list[Event]:
        """Change what is remembered; the events that `change` returns are told, and kept with it in one step.

        A failed write to disk is logged, and what is remembered then lasts as long as the process.
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
        """How many parcels wait."""
        with self._changed:
            return len(self._memory.parcels)

    def _post(self, event: Event) -> None:
        say = log.warning if event.state == "trouble" else log.info
        say("%s", event.title, extra={"fields": {"event": event.kind, "state": event.state}})
        parcels = self._memory.parcels
        number = max((parcel.number for parcel in parcels), default=0) + 1
        names = [way.name for way in self._ways()]
        parcels += [Parcel(number + i, name, event, due=self._clock()) for i, name in enumerate(names)]
        if len(parcels) > MOST:
            if not self._overflown:
                log.error("too much waits to be told: the oldest is dropped for the newest")
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
                log.error("what was told can't be remembered (%s)", error.strerror)
            self._unsaved = True

    # --- sending, in the thread -----------------------------------------------------------------------

    def _work(self) -> None:
        while (parcel := self._next()) is not None:
            self._done(parcel, self._try(parcel))

    def _next(self) -> Parcel | None:
        """The parcel that is due, when one is; None at the end."""
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

    def _try(self, parcel: Parcel) -> bool:
        """Whether it needs no further try: it was taken, or its way is there no more."""
        way = next((way for way in self._ways() if way.name == parcel.way), None)
        if way is None:
            return True
        try:
            way.tell(parcel.event, self._origin())
        except MunimentError as error:
            log.warning("could not tell (%s): %s", parcel.event.title, error)
        except Exception as error:  # noqa: BLE001 - a library's fault must not end the telling, nor show a secret
            log.error("could not tell by %s: %s", parcel.way, type(error).__name__)
        else:
            return True
        return False

    def _done(self, parcel: Parcel, told: bool) -> None:
        now = self._clock()
        with self._changed:
            parcels = self._memory.parcels
            place = next((i for i, one in enumerate(parcels) if one.number == parcel.number), None)
            if place is None:
                return
            if told or now - parcel.event.time >= GIVE_UP:
                del parcels[place]
            else:
                pause = min(BACKOFF * 2.0 ** min(parcel.tries, 10), MAX_BACKOFF)
                parcels[place] = msgspec.structs.replace(parcel, tries=parcel.tries + 1, due=now + pause)
            self._save()
        if not told and now - parcel.event.time >= GIVE_UP:
            log.error("gave up telling by %s: %s", parcel.way, parcel.event.title)
