"""Work that a service does to its end, watched or not: verifications, backups, rebuilds and disposals.

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
MOST = 16
"""Most works of a service that are under way or wait."""
MOST_OWN = 4
"""Most of them that one user may have. Each has a thread, and what it has replied."""
LONGEST_END = 30.0
"""Seconds that the end of a service waits for its works. One that hangs, as on a lost network disk, must not
keep the service from ending."""

NO_THREAD = "the system allows the service no more threads: end other programs, and repeat this"

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
        leave: Callable[[Work], None],
        announce: Callable[[Work], None],
    ) -> None:
        """Make it; `start` begins the work.

        Args:
            number: its number in the service.
            request: what was asked for.
            kind: what it is, such as "deep verification".
            caller: who asked.
            words: does the work, and yields the replies. It is closed to stop the work.
            turn: its turn; None if it waits for none.
            leave: takes it from the works under way, at its end.
            announce: called at the end, once no request waits for the work any more. Both are called in the
                thread of the work.
        """
        self.number = number
        self.request = request
        self.kind = kind
        self.caller = caller
        self.begun = int(time.time())
        self.error: BaseException | None = None
        self._words = words
        self._turn = turn
        self._leave = leave
        self._announce = announce
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
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    @property
    def result(self) -> WireWord | None:
        """The last reply; None before the first one, and after a failure."""
        return self._kept[-1] if self._kept and self.error is None else None

    def start(self) -> None:
        """Begin the work, in a thread of its own.

        Raises:
            RuntimeError: the system allows no more threads.
        """
        self._thread.start()

    def stop(self) -> None:
        """Ask the work to stop; it does so within a second or two."""
        self._stop.set()

    def join(self, longest: float | None = None) -> bool:
        """Wait for the end, at most `longest` seconds; returns whether it has come."""
        self._thread.join(longest)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            with closing(self._words) as words:
                for word in words:
                    if isinstance(word, api.Step) and self._stop.is_set():
                        raise VaultError(f"the {self.kind} was stopped: start it again")
                    self._take(word)
        except BaseException as error:  # noqa: BLE001 - raised for the watchers
            self.error = error
        finally:
            self._leave(self)
            with self._changed:
                self._over = True
                self._changed.notify_all()
        self._announce(self)

    def _take(self, word: WireWord) -> None:
        """Keep a reply for the watchers."""
        with self._changed:
            if isinstance(word, api.Step):
                word = msgspec.structs.replace(word, work=self.number)
            if isinstance(word, api.Step) and word.percent is not None:
                self._progress = word
            elif isinstance(word, api.Step) and self._kept and word == self._kept[-1]:
                return  # as while it waits: the same sentence each second
            else:
                self._kept.append(word)
                self._progress = None
            self._changed.notify_all()

    def replies(self, quiet: float = QUIET) -> Iterator[WireWord]:
        """Watch the work: the stages so far, and everything from now on. A slow watcher skips progress.

        Without anything new, the last step is sent again after `quiet` seconds.

        Raises:
            BaseException: the work failed, or was stopped.
        """
        seen, shown = 0, None
        while True:
            with self._changed:
                self._changed.wait_for(partial(self._is_new, seen, shown), quiet)
                new, over = self._kept[seen:], self._over
                seen, shown = len(self._kept), self._progress
            yield from new
            if over:
                break
            if shown is not None:
                yield shown
            elif not new and (again := self._last_step()) is not None:
                yield again
        if self.error is not None:
            raise self.error

    def _last_step(self) -> api.Step | None:
        """The last step that can be sent twice: one that failed would be counted twice."""
        with self._changed:
            last = self._kept[-1] if self._kept else None
        return last if isinstance(last, api.Step) and last.ok else None

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

    def check_room(self, request: Request, caller: Caller) -> None:
        """Check whether `begin` would begin or find a work now.

        Raises:
            VaultError: the service is stopping, or there are too many works.
        """
        with self._lock:
            self._check_room(request, caller)

    def _check_room(self, request: Request, caller: Caller) -> Work | None:
        """The work that the same caller already waits for, None if a new one may begin; raises as above."""
        if self._closed:
            raise VaultError("the service is stopping: start it again, and repeat this")
        own = [work for work in self._works if work.caller.uid == caller.uid]
        for work in own:
            if work.waits and not work.stopping and work.request == request:
                return work
        if len(own) >= MOST_OWN:
            raise _too_many(f"you have {MOST_OWN}")
        if len(self._works) >= MOST:
            raise _too_many(f"the service has {MOST}")
        return None

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
            VaultError: the service is stopping, there are too many works, or the system allows no more
                threads.
        """
        with self._lock:
            same = self._check_room(request, caller)
            if same is not None:
                return same
            self._numbers += 1
            work = Work(self._numbers, request, kind, caller, words, turn, self._leave, self._end)
            # Started under the lock, so that `close` never meets a work that has not begun.
            try:
                work.start()
            except RuntimeError as error:
                raise VaultError(NO_THREAD) from error
            self._works.append(work)
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

    def close(self, longest: float = LONGEST_END) -> None:
        """Stop all works, and wait for their end, at most `longest` seconds. Safe to call twice."""
        with self._lock:
            self._closed = True
            works = list(self._works)
        for work in works:
            work.stop()
        until = time.monotonic() + longest
        for work in works:
            if not work.join(max(0.0, until - time.monotonic())):
                log.error(
                    "the %s by %s does not stop: the service ends without it", work.kind, work.caller.name
                )

    def _leave(self, work: Work) -> None:
        with self._lock:
            self._works.remove(work)

    def _end(self, work: Work) -> None:
        failed = work.error is not None
        self._announce(f"{work.kind} by {work.caller.name}: {_outcome(work)}", "error" if failed else "info")


def _too_many(whose: str) -> VaultError:
    return VaultError(
        f"{whose} verifications, backups or rebuilds under way or waiting: repeat this when one of them has "
        "ended, or stop one in the app, under Proof"
    )


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
    return result.message if isinstance(result, api.Done | api.Disposed) else "it has ended"
