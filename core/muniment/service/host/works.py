"""Work that a service does to its end, whoever watches: verifications, backups and rebuilds.

A client that leaves, or loses its connection, does not stop the work. Another client can watch it, and stop
it by its number.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import Any, Protocol

import msgspec

from muniment import api
from muniment.api import Request, WireWord
from muniment.errors import MunimentError, NotFound, VaultError
from muniment.service.access.roles import Caller

log = logging.getLogger("muniment.service")

QUIET = 1.0
"""Seconds after which a watcher gets the progress again, although it is the same. So the sender notices a
client that has left."""

Announce = Callable[[str, str], None]
"""Called with a line for the log and its level."""


class Turn(Protocol):
    """The turn of a work, for which it may have to wait."""

    since: int
    """When the turn came; 0 while the work waits."""


class Work:
    """A verification, backup or rebuild, from the request to its end. For any thread."""

    def __init__(
        self,
        number: int,
        request: Request,
        kind: str,
        caller: Caller,
        words: Generator[WireWord, None, None],
        turn: Turn | None,
        ended: Callable[[Work], None],
    ) -> None:
        """Make it; `start` begins the work.

        Args:
            number: its number in the service.
            request: what was asked for.
            kind: what it is, such as "deep verification".
            caller: who asked.
            words: does the work, and yields the replies. It is closed to stop the work.
            turn: its turn; None if it waits for none.
            ended: called at the end, in the thread of the work.
        """
        self.number = number
        self.request = request
        self.kind = kind
        self.caller = caller
        self.begun = int(time.time())
        self.error: BaseException | None = None
        self._words = words
        self._turn = turn
        self._ended = ended
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._kept: list[WireWord] = []
        """All replies but the progress of stages."""
        self._progress: api.Step | None = None
        """The newest progress of the present stage."""
        self._over = False
        self._thread = threading.Thread(target=self._work, name=f"work-{number}", daemon=True)

    @property
    def waits(self) -> bool:
        """Whether it still waits for its turn."""
        return self._turn is not None and not self._turn.since

    @property
    def result(self) -> WireWord | None:
        """The last reply; None before the first one, and after a failure."""
        return self._kept[-1] if self._kept and self.error is None else None

    def start(self) -> None:
        """Begin the work, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the work to stop; it does so within a second or two."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def _work(self) -> None:
        try:
            with closing(self._words) as words:
                for word in words:
                    if isinstance(word, api.Step) and self._stop.is_set():
                        raise VaultError(f"the {self.kind} was stopped: start it again")
                    self._take(word)
        except BaseException as error:  # noqa: BLE001 - raised for the watchers
            self.error = error
        self._ended(self)
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _take(self, word: WireWord) -> None:
        """Keep a reply for the watchers."""
        with self._changed:
            if isinstance(word, api.Step):
                word = msgspec.structs.replace(word, work=self.number)
            if isinstance(word, api.Step) and word.percent is not None:
                self._progress = word
            else:
                self._kept.append(word)
                self._progress = None
            self._changed.notify_all()

    def replies(self) -> Iterator[WireWord]:
        """Watch the work: the stages so far, and everything from now on. A slow watcher skips progress.

        Raises:
            BaseException: the work failed, or was stopped.
        """
        seen, shown = 0, None
        while True:
            with self._changed:
                self._changed.wait_for(partial(self._is_new, seen, shown), QUIET)
                new, over = self._kept[seen:], self._over
                seen, shown = len(self._kept), self._progress
            yield from new
            if over:
                break
            if shown is not None:
                yield shown
        if self.error is not None:
            raise self.error

    def _is_new(self, seen: int, shown: api.Step | None) -> bool:
        """Whether there is something that a watcher has not seen."""
        return self._over or len(self._kept) > seen or self._progress is not shown


class WorkRegister:
    """The works of a service that have not ended. For any thread."""

    def __init__(self, announce: Announce) -> None:
        """`announce` is called with a line when a work has ended."""
        self._announce = announce
        self._lock = threading.Lock()
        self._works: list[Work] = []
        self._numbers = 0
        self._closed = False

    def begin(
        self,
        request: Request,
        kind: str,
        caller: Caller,
        words: Generator[WireWord, None, None],
        turn: Turn | None = None,
    ) -> Work:
        """Begin a work, or find the same one of this caller if that still waits for its turn.

        Raises:
            VaultError: the service is stopping.
        """
        with self._lock:
            if self._closed:
                raise VaultError("the service is stopping: start it again, and repeat this")
            for work in self._works:
                if work.waits and work.request == request and work.caller.uid == caller.uid:
                    return work
            self._numbers += 1
            work = Work(self._numbers, request, kind, caller, words, turn, self._end)
            self._works.append(work)
        work.start()
        return work

    def find(self, number: int) -> Work:
        """The work with a number.

        Raises:
            NotFound: it has ended, or never was.
        """
        with self._lock:
            for work in self._works:
                if work.number == number:
                    return work
        raise NotFound(f"work {number} is not under way: it has ended, see what is remembered of it")

    def present(self) -> list[Work]:
        """The works under way and waiting, the oldest first."""
        with self._lock:
            return list(self._works)

    def close(self) -> None:
        """Stop all works, and wait for their end. Safe to call twice."""
        with self._lock:
            self._closed = True
            works = list(self._works)
        for work in works:
            work.stop()
        for work in works:
            work.join()

    def _end(self, work: Work) -> None:
        with self._lock:
            self._works.remove(work)
        failed = work.error is not None
        self._announce(f"{work.kind} by {work.caller.name}: {_outcome(work)}", "error" if failed else "info")


def _outcome(work: Work) -> str:
    """How a work ended, for the log."""
    if isinstance(work.error, MunimentError):
        return str(work.error)
    if work.error is not None:
        log.error("the %s met a bug or a full disk", work.kind, exc_info=work.error)
        return f"it failed ({type(work.error).__name__})"
    result: Any = work.result
    if isinstance(result, api.Verified):
        return "the archive is whole" if result.ok else "problems were found, see Proof"
    return result.message if isinstance(result, api.Done) else "it has ended"
