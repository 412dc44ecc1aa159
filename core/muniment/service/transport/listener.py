"""Has a vault's service listen while it lives, and sees when it is no longer needed."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from muniment.client.socket_path import own_folder, place_of
from muniment.errors import VaultError, VaultLocked
from muniment.service.transport.request_execution import OpenEngine
from muniment.service.transport.server import Server

log = logging.getLogger("muniment.service")

IDLE = "MUNIMENT_IDLE"
"""Seconds after which a service that nobody needs leaves."""
MINUTES = 300.0
LOOK = 0.5
BACKLOG = 128


@contextmanager
def listening(
    folder: Path,
    engine_for: OpenEngine,
    stop: threading.Event,
    needed: Callable[[], bool],
    ready: Callable[[], None] | None,
    idle: float | None = None,
    busy: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Answer all users of the machine for the vault in `folder`, in a thread of its own.

    `ready` is given where a client started the service, and called when it listens. Sets `stop` when the
    vault is gone, and, where a client started it, when it was idle for so many seconds and is not `needed`,
    or another takes over while it is not `busy`.

    Raises:
        VaultError: it can't listen.
        VaultLocked: another service does.
    """
    with _bound(folder) as listener:
        service = _Thread(folder, listener, engine_for, stop, needed, busy, ready is not None, idle)
        service.start()
        try:
            if ready is not None:
                ready()
            yield
        finally:
            service.end()


@contextmanager
def _bound(folder: Path) -> Iterator[socket.socket]:
    """The vault's socket; one that a killed service left is replaced."""
    place = place_of(folder)
    if os.geteuid() != place.owner:
        raise VaultError(f"the service of {folder} runs as its owner: become uid {place.owner}, or ask them")
    path = own_folder(place) / place.name
    with _alone(path.with_suffix(".lock"), folder), socket.socket(socket.AF_UNIX) as listener:
        path.unlink(missing_ok=True)
        try:
            listener.bind(str(path))
        except OSError as error:
            raise VaultError(f"{path} can't be listened on ({error.strerror}): mend that") from error
        path.chmod(0o666)
        listener.listen(BACKLOG)
        made = path.stat().st_ino
        try:
            yield listener
        finally:
            with suppress(OSError):
                if path.stat().st_ino == made:
                    path.unlink()


@contextmanager
def _alone(path: Path, folder: Path) -> Iterator[None]:
    """One service a socket; the lock's file goes with it."""
    while (handle := _locked(path)) is None:
        pass
    if handle < 0:
        raise VaultLocked(f"another service listens for the vault in {folder}")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int | None:
    """The lock that is now there; -1 where another process has it, None where it went at this instant."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return -1
    with suppress(FileNotFoundError):
        if path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
    os.close(handle)
    return None


class _Thread:
    """The loop's thread."""

    def __init__(
        self,
        folder: Path,
        listener: socket.socket,
        engine_for: OpenEngine,
        stop: threading.Event,
        needed: Callable[[], bool],
        busy: Callable[[], bool],
        implicit: bool,
        idle: float | None,
    ) -> None:
        self._folder = folder
        self._listener = listener
        self._engine_for = engine_for
        self._stop = stop
        self._needed = needed
        self._busy = busy
        self._implicit = implicit
        self._idle = idle if idle is not None else float(os.environ.get(IDLE) or MINUTES)
        self._identity = _identity(folder)
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Stop listening, and wait for what is in hand."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._stop.set()
            self._loop.close()

    async def _serve(self) -> None:
        server = Server(self._engine_for, self._implicit, self._leave)
        await server.listen(self._listener)
        while not self._ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), LOOK)
            await self._look(server)
        await server.close()

    async def _look(self, server: Server) -> None:
        """See whether there is still something to serve, and somebody whom."""
        if _identity(self._folder) != self._identity:
            log.warning("leaving: the vault is gone")
            self._stop.set()
        elif self._implicit and server.idle > self._idle and not await asyncio.to_thread(self._needed):
            log.info("leaving: nobody needs it")
            self._stop.set()

    def _leave(self, takes_over: bool) -> bool:
        """Leave now, if nobody needs it or, where another takes over, nothing is in hand. In any thread."""
        if self._busy() if takes_over else self._needed():
            return False
        log.info("leaving: %s", "another takes over" if takes_over else "a client is of another version")
        self._stop.set()
        return True


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
