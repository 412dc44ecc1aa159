"""The bridge to the engine: requests run in threads, answers are handled in the app's own loop.

The client is synchronous, and a screen must never wait. So every request runs in a thread. Its answer is
posted as a message to the widget that asked, since posting is the only call that is safe from a thread. The
widget handles it, unless the request was cancelled or the widget is gone.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from textual.message_pump import MessagePump

from muniment.api import Request, WireWord
from muniment.api.base import StateWord
from muniment.client.client import Client, Connect
from muniment.errors import MunimentError

log = logging.getLogger("muniment.tui")

W = TypeVar("W", bound=WireWord)
V = TypeVar("V")
AHEAD = 64
"""Messages of a stream that may wait for the screen. The stream is read no faster than that."""


class PendingRequest:
    """A request in progress. Cancel it when its answer is no longer needed."""

    def __init__(
        self,
        owner: MessagePump,
        name: str,
        failed: Failed,
        handled: Handled,
        stopped: threading.Event,
        every: float,
    ) -> None:
        """`name` is that of the thread. `stopped` is set when all requests of the bridge are cancelled.
        `every` is the number of seconds between two states."""
        self.owner = owner
        self.failed = failed
        self._handled = handled
        self._stopped = stopped
        self._every = every
        self.name = name
        self.streams = False
        self.client: Client | None = None
        self.lane: _Lane | None = None
        self._over = threading.Event()
        self._room = threading.BoundedSemaphore(AHEAD)
        self._lock = threading.Lock()
        self._newest: WireWord | None = None
        """A state that waits for the app's loop. A newer state replaces it, so that states don't queue up."""

    @property
    def over(self) -> bool:
        """Whether it has ended or was cancelled, alone or with all others."""
        return self._over.is_set() or self._stopped.is_set()

    def cancel(self) -> None:
        """Ignore all further answers. A stream is disconnected, so that its work stops. Safe to call
        twice."""
        self._over.set()
        if self.client is not None:
            with suppress(Exception):
                self.client.close()

    def deliver(self, then: Callable[..., object], *values: object, last: bool = True) -> bool:
        """Called in the thread: have the owner call `then`. Returns False if the request is over."""
        while not self._room.acquire(timeout=0.1):
            if self.over:
                return False
        return not self.over and self.owner.call_later(self._handle, then, values, last)

    def replace(self, then: Callable[[WireWord], object], state: WireWord) -> bool:
        """Called in the thread: like `deliver`, but replaces a state that the owner has not taken yet."""
        with self._lock:
            waits, self._newest = self._newest is not None, state
        return not self.over if waits else self.deliver(self._take_newest, then, last=False)

    def _take_newest(self, then: Callable[[WireWord], object]) -> None:
        """Called in the app's loop."""
        with self._lock:
            state, self._newest = self._newest, None
        if state is not None:
            then(state)

    def _handle(self, then: Callable[..., object], values: tuple[object, ...], last: bool) -> None:
        """Called in the app's loop."""
        self._room.release()
        if not self.over:
            if last:
                self._over.set()
            then(*values)
            self._handled(self.owner)

    def pause(self) -> None:
        """Called in the thread: wait until the next state may be shown."""
        self._over.wait(self._every)


Failed = Callable[[MunimentError], object]
Handled = Callable[[MessagePump], object]
Through = Callable[[Iterator[WireWord]], Iterator[WireWord]]


def _name(request: Request) -> str:
    return f"say-{type(request).__name__}"


class Bridge:
    """The engine of one vault, for the screens."""

    def __init__(
        self,
        connect: Connect,
        vault: Path,
        refused: Failed,
        handled: Handled = lambda owner: None,
        *,
        every: float,
    ) -> None:
        """`refused` is called with every error that the caller does not handle. `handled` is called after
        each handled answer, with the widget that asked. `every` is the number of seconds between two states
        (StateWord) of a stream."""
        self.vault = vault
        self._handled = handled
        self._connect = connect
        self._refused = refused
        self._every = every
        self._idle: list[Client] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._lines: dict[PendingRequest, threading.Thread] = {}
        self._lanes: WeakKeyDictionary[MessagePump, dict[str, _Lane]] = WeakKeyDictionary()

    def ask(
        self,
        owner: MessagePump,
        request: Request,
        reply: type[W],
        then: Callable[[W], object],
        *,
        failed: Failed | None = None,
        lane: str = "",
    ) -> PendingRequest:
        """Send a request that has one reply; `then` is called with it in the owner's loop.

        `failed` is called with the engine's error; without it the error becomes a notice. With a `lane`,
        requests of the same owner and lane run one at a time and only the newest is answered, as for search
        while typing.
        """
        line = self._pending(owner, _name(request), failed)

        def start() -> None:
            self._start(line, lambda: self._call(line, request, reply, then))

        if not lane:
            start()
        else:
            line.lane = self._lanes.setdefault(owner, {}).setdefault(lane, _Lane())
            line.lane.next(line, start)
        return line

    def work(
        self,
        owner: MessagePump,
        name: str,
        task: Callable[[], V],
        then: Callable[[V], object],
        *,
        failed: Failed | None = None,
    ) -> PendingRequest:
        """Do slow work that is no request, such as reading a file, in a thread; `then` is called with its
        result in the owner's loop.

        `name` is the thread's name. `failed` is as for `ask`.
        """
        line = self._pending(owner, name, failed)

        def run() -> None:
            line.deliver(then, task())

        self._start(line, run)
        return line

    def stream(
        self,
        owner: MessagePump,
        request: Request,
        each: Callable[[WireWord], object],
        *,
        ended: Callable[[], object] | None = None,
        failed: Failed | None = None,
        through: Through = lambda words: words,
    ) -> PendingRequest:
        """Send a request that is answered by a stream; `each` is called with every message, of states with
        the newest.

        `ended` is called after the last message. Cancel the returned request to stop the work. `through`
        processes the messages in the thread, for slow work such as writing a file.
        """
        line = self._pending(owner, _name(request), failed)
        line.streams = True
        self._start(line, lambda: self._stream(line, request, each, ended or (lambda: None), through))
        return line

    def _pending(self, owner: MessagePump, name: str, failed: Failed | None) -> PendingRequest:
        refused = failed or self._refused
        return PendingRequest(owner, name, refused, self._handled, self._stopped, self._every)

    @property
    def calling(self) -> int:
        """The number of requests with one reply that are in progress."""
        return sum(not line.streams for line in list(self._lines))

    def cancel_all(self) -> None:
        """Cancel all requests for good, without waiting. Answers that are not handled yet are dropped."""
        self._stopped.set()
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.cancel()

    def close(self, wait: float = 5.0) -> None:
        """Cancel all requests and disconnect. Waits up to `wait` seconds for the threads to end."""
        self.cancel_all()
        with self._lock:
            lines, idle, self._idle = dict(self._lines), self._idle, []
        for thread in lines.values():
            thread.join(wait / len(lines))
        for client in idle:
            client.close()

    def _start(self, line: PendingRequest, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except MunimentError as error:
                line.deliver(line.failed, error)
            except Exception as error:
                if not line.over:
                    log.exception("%s failed", line.name)
                    line.deliver(line.failed, _bug(error))
            finally:
                with self._lock:
                    self._lines.pop(line, None)
                if line.lane is not None:
                    line.lane.done(line)

        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: context.run(run), name=line.name, daemon=True)
        with self._lock:
            self._lines[line] = thread
            # Within the lock, since `close` joins every thread of the table.
            thread.start()

    def _call(
        self, line: PendingRequest, request: Request, reply: type[W], then: Callable[[W], object]
    ) -> None:
        client = self._take()
        try:
            word = client.call(request, reply)
        except BaseException as error:
            if not isinstance(error, MunimentError):
                client.close()
            else:
                self._give(client)
            raise
        self._give(client)
        line.deliver(then, word)

    def _stream(
        self,
        line: PendingRequest,
        request: Request,
        each: Callable[[WireWord], object],
        ended: Callable[[], object],
        through: Through,
    ) -> None:
        line.client = client = Client(self._connect(self.vault))
        words = client.stream(request)
        passed = through(_wanted(line, words))
        try:
            for word in passed:
                if isinstance(word, StateWord):
                    if not line.replace(each, word):
                        return
                    line.pause()
                elif not line.deliver(each, word, last=False):
                    return
                if line.over:
                    return
            line.deliver(ended)
        except _Cancelled:
            pass
        finally:
            for each_of in (passed, words):
                close = cast(Any, getattr(each_of, "close", None))
                if close is not None:
                    close()
            client.close()

    def _take(self) -> Client:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Client(self._connect(self.vault))

    def _give(self, client: Client) -> None:
        with self._lock:
            self._idle.append(client)


class _Lane:
    """Requests of which only the newest counts. One runs, and at most one waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: PendingRequest | None = None
        self._waiting: tuple[PendingRequest, Callable[[], None]] | None = None

    def next(self, line: PendingRequest, start: Callable[[], None]) -> None:
        with self._lock:
            if self._waiting is not None:
                self._waiting[0].cancel()
            if self._running is not None:
                self._running.cancel()
                self._waiting = (line, start)
                return
            self._running = line
        start()

    def done(self, line: PendingRequest) -> None:
        with self._lock:
            if self._running is not line:
                return
            waiting, self._waiting = self._waiting, None
            self._running = waiting[0] if waiting else None
        if waiting:
            waiting[1]()


class _Cancelled(Exception):
    """A stream is no longer wanted."""


def _wanted(line: PendingRequest, words: Iterator[WireWord]) -> Iterator[WireWord]:
    """The words of a stream. Raises _Cancelled once it is cancelled.

    What processes them, such as the writer of an export, may take many before it passes one on. It must not
    take the rest for a complete stream.
    """
    for word in words:
        if line.over:
            raise _Cancelled
        yield word
    if line.over:
        raise _Cancelled


def _bug(error: Exception) -> MunimentError:
    return MunimentError(f"Internal error ({type(error).__name__}). No archived mail is lost.")
