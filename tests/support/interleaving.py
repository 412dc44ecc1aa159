"""A scheduler of threads for tests: one thread runs at a time, up to its next point, and the test chooses it.

Within `interleaved`, some modules use the scheduler's locks, conditions and futures. A thread of the
scheduler (an actor) stops before it takes a lock, where it waits, and at the points that are patched in. So a
test can make any order of steps, and gets the same one each time.

It does not switch threads within a step, such as inside an SQL statement or in the index library; the tests
in tests/service/test_hammer.py use real threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from muniment.archive.catalog.sqlite import catalog, store
from muniment.archive.catalog.sqlite.writing import FactWriter
from muniment.archive.files import gate
from muniment.archive.index import index
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault import append_turns, commit_coordinator, open_index

HANGS = 60.0
"""Time after which a step that does not end fails the test, in seconds."""
LOCKED = (gate, index, open_index, append_turns, catalog, store)
"""Modules that use the scheduler's locks."""
POINTS: tuple[tuple[Any, str], ...] = (
    (Ledger, "append"),
    (Ledger, "commit"),
    (FactWriter, "write"),
    (Path, "rename"),
    (Path, "unlink"),
    (store.CatalogStore, "_connected"),
    (store.CatalogStore, "_disconnect"),
)
"""Functions that get a point before and a point after the call."""


class Busy(Exception):
    """The test's thread asks for a lock that a stopped actor holds."""


class Ended(BaseException):
    """Ends an actor after the test."""


class Actor:
    """A thread that runs one step at a time."""

    def __init__(self, scheduler: Scheduler, name: str, body: Callable[[], object]) -> None:
        self.name = name
        self.at = "start"
        """Name of the point at which it has stopped."""
        self.ended = False
        self.error: BaseException | None = None
        self._scheduler = scheduler
        self._body = body
        self._go = threading.Semaphore(0)
        self._ready: Callable[[], bool] = lambda: True
        self._timed = self._expired = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def runnable(self) -> bool:
        """Whether it can take a step now."""
        return not self.ended and self._ready()

    @property
    def waits_for_time(self) -> bool:
        """Whether it goes on after some time."""
        return not self.ended and self._timed and not self._expired

    def expire(self) -> None:
        """Let its time limit pass."""
        self._expired = True

    def stop(self, at: str, ready: Callable[[], bool], timed: bool = False) -> bool:
        """Stop until the next step, when `ready` or out of time; returns whether it was ready."""
        if self._scheduler.over:
            raise Ended
        self.at, self._timed, self._expired = at, timed, False
        self._ready = (lambda: ready() or self._expired) if timed else ready
        self._scheduler.returned.release()
        self._wait()
        return not self._expired

    def step(self) -> None:
        """Run to the next point or the end; the test's thread calls this."""
        self._go.release()
        assert self._scheduler.returned.acquire(timeout=HANGS), f"{self.name} hangs after {self.at}"
        if self.ended:
            self._thread.join(HANGS)  # its connections are closed when it ends

    def _wait(self) -> None:
        self._go.acquire()
        if self._scheduler.over:
            raise Ended

    def _run(self) -> None:
        self._scheduler.own.actor = self
        try:
            self._wait()
            self._body()
        except Ended:
            pass
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self.ended = True
            self._scheduler.returned.release()


class Scheduler:
    """The actors of a test."""

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.returned = threading.Semaphore(0)
        self.own = threading.local()
        self.over = False

    def spawn(self, name: str, body: Callable[[], object]) -> Actor:
        """Make an actor, which does not run yet."""
        actor = Actor(self, name, body)
        self.actors.append(actor)
        return actor

    def me(self) -> Actor | None:
        """Return the actor of the current thread; None for the test's thread."""
        actor: Actor | None = getattr(self.own, "actor", None)
        return actor

    def point(self, name: str) -> None:
        """Stop the current thread here if it is an actor."""
        actor = self.me()
        if actor is not None and not self.over:
            actor.stop(name, lambda: True)

    def runnable(self) -> list[Actor]:
        """Return the actors that can take a step, in the order in which they were made."""
        return [actor for actor in self.actors if actor.runnable]

    @property
    def finished(self) -> bool:
        """Whether all actors have ended."""
        return all(actor.ended for actor in self.actors)

    def let_time_pass(self) -> None:
        """Let the time limit of the first waiting actor pass, when no actor can take a step."""
        waiting = [actor for actor in self.actors if actor.waits_for_time]
        assert waiting, f"deadlock: {[(one.name, one.at) for one in self.actors if not one.ended]}"
        waiting[0].expire()

    def finish(self) -> None:
        """Run all actors to their end, in turns."""
        while not self.finished:
            for actor in self.runnable():
                if actor.runnable:
                    actor.step()
            if not self.finished and not self.runnable():
                self.let_time_pass()

    def close(self) -> None:
        """End all actors at their current points."""
        self.over = True
        for actor in self.actors:
            if not actor.ended:
                actor.step()


class _Lock:
    """A lock that stops an actor before it takes it; with `again`, its owner may take it again."""

    def __init__(self, scheduler: Scheduler, again: bool) -> None:
        self.scheduler = scheduler
        self.owner: object = None
        self.count = 0
        self._again = again

    def acquire(self) -> bool:
        me = self.scheduler.me()
        if self._again and self.owner is (me or self):
            self.count += 1
            return True
        if me is not None and not self.scheduler.over:
            me.stop("lock", lambda: self.owner is None)
        elif self.owner is not None and not self.scheduler.over:
            raise Busy
        self.owner, self.count = me or self, 1
        return True

    def release(self) -> None:
        self.count -= 1
        if not self.count:
            self.owner = None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class _Condition:
    """A condition whose time limit passes when no actor can take a step."""

    def __init__(self, scheduler: Scheduler, lock: _Lock | None = None) -> None:
        self._lock = lock or _Lock(scheduler, again=True)
        self._waiting: list[object] = []

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        me = self._lock.scheduler.me()
        if me is None:
            raise Busy
        ticket, count = object(), self._lock.count
        self._waiting.append(ticket)
        self._lock.owner = None
        self._lock.count = 0
        in_time = me.stop("wait", lambda: ticket not in self._waiting, timeout is not None)
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        me.stop("again", lambda: self._lock.owner is None)
        self._lock.owner, self._lock.count = me, count
        return in_time

    def wait_for(self, ready: Callable[[], bool], timeout: float | None = None) -> bool:
        while not ready():
            if not self.wait(timeout):
                return ready()
        return True

    def notify(self, count: int = 1) -> None:
        del self._waiting[:count]

    def notify_all(self) -> None:
        self._waiting.clear()


class _Future:
    """A future that an actor can wait for."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._done = False
        self._error: BaseException | None = None

    def set_result(self, result: None) -> None:
        self._done = True

    def set_exception(self, error: BaseException) -> None:
        self._done, self._error = True, error

    def result(self, timeout: float) -> None:
        me = self._scheduler.me()
        if not self._done and (me is None or not timeout or not me.stop("result", lambda: self._done, True)):
            raise TimeoutError
        if self._error is not None:
            raise self._error


@contextmanager
def interleaved() -> Iterator[Scheduler]:
    """Make a scheduler, and patch its locks and points into the modules."""
    scheduler = Scheduler()
    locks = SimpleNamespace(
        Lock=lambda: _Lock(scheduler, again=False),
        RLock=lambda: _Lock(scheduler, again=True),
        Condition=lambda lock=None: _Condition(scheduler, lock),
        local=threading.local,
    )
    # The garbage collector may close a connection in any thread at any time, which must not stop there.
    collected = SimpleNamespace(**{**vars(locks), "RLock": threading.RLock})
    with ExitStack() as stack:
        for module in LOCKED:
            kind = collected if module is store else locks
            stack.enter_context(mock.patch.object(module, "threading", kind))
        stack.enter_context(mock.patch.object(commit_coordinator, "Future", partial(_Future, scheduler)))
        for owner, name in POINTS:
            real = getattr(owner, name)
            stack.enter_context(mock.patch.object(owner, name, _pointed(scheduler, name, real)))
        stack.callback(scheduler.close)
        yield scheduler


def _pointed(scheduler: Scheduler, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def call(*arguments: Any, **named: Any) -> Any:
        scheduler.point(f"{name}:before")
        result = real(*arguments, **named)
        scheduler.point(f"{name}:after")
        return result

    return call
