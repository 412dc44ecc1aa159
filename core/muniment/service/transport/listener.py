"""The socket of a vault's service: listens in a thread, and ends a service that is no longer needed."""

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
from muniment.service.host.client_register import ClientRegister
from muniment.service.transport.request_execution import OpenEngine
from muniment.service.transport.server import LIMITS, Server, ServerLimits

log = logging.getLogger("muniment.service")

IDLE = "MUNIMENT_IDLE"
"""The environment variable that replaces IDLE_SECONDS."""
IDLE_SECONDS = 300.0
"""Seconds without a request after which a service in the background ends, if it is not needed."""
LOOK = 0.5
"""Seconds between two checks whether the service is still needed."""
BACKLOG = 128
"""Connections that the kernel holds until they are accepted."""


@contextmanager
def listening(
    folder: Path,
    engine_for: OpenEngine,
    stop: threading.Event,
    needed: Callable[[], bool],
    ready: Callable[[], None] | None,
    idle: float | None = None,
    busy: Callable[[], bool] = lambda: False,
    limits: ServerLimits = LIMITS,
    clients: ClientRegister | None = None,
) -> Iterator[None]:
    """Inside the context, answer all users of the machine for a vault, in a thread of its own.

    Args:
        folder: the vault's folder.
        engine_for: makes an engine for a caller.
        stop: is set when the service should end: the vault is gone; or a client started the service, and it
            is idle and not needed, or another service takes over.
        needed: whether the service has work without requests.
        ready: given if a client started the service; is called when the service listens.
        idle: seconds without a request until the service counts as idle; None for the default.
        busy: whether a job is under way, so that another service must wait before it takes over.
        limits: what clients may do.
        clients: takes note of connections that begin and end.

    Raises:
        VaultError: the socket can't be made.
        VaultLocked: another service listens for the vault.
    """
    with _bound(folder) as listener:
        clients = clients or ClientRegister()
        service = _Thread(
            folder, listener, engine_for, stop, needed, busy, ready is not None, idle, limits, clients
        )
        service.start()
        try:
            if ready is not None:
                ready()
            yield
        finally:
            service.end()


@contextmanager
def _bound(folder: Path) -> Iterator[socket.socket]:
    """The vault's socket, which replaces one that a killed service left."""
    place = place_of(folder)
    if os.geteuid() != place.owner:
        raise VaultError(
            f"only the owner of {folder} can run its service: become uid {place.owner}, or ask them"
        )
    path = own_folder(place) / place.name
    with _alone(path.with_suffix(".lock"), folder), socket.socket(socket.AF_UNIX) as listener:
        path.unlink(missing_ok=True)
        try:
            listener.bind(str(path))
        except OSError as error:
            raise VaultError(f"the socket {path} can't be made ({error.strerror}): correct that") from error
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
    """Hold the lock that allows one service for a socket. Its file is removed at the end."""
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
    """A descriptor that holds the lock; -1 if another process has it; None if its file was just removed."""
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
    """The thread of the event loop that serves the socket."""

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
        limits: ServerLimits,
        clients: ClientRegister,
    ) -> None:
        self._folder = folder
        self._listener = listener
        self._engine_for = engine_for
        self._stop = stop
        self._needed = needed
        self._busy = busy
        self._implicit = implicit
        self._limits = limits
        self._clients = clients
        self._idle = idle if idle is not None else float(os.environ.get(IDLE) or IDLE_SECONDS)
        self._identity = _identity(folder)
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Stop listening, and wait for the requests in hand."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._stop.set()
            self._loop.close()

    async def _serve(self) -> None:
        server = Server(self._engine_for, self._implicit, self._leave, self._limits, self._clients)
        await server.listen(self._listener)
        while not self._ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), LOOK)
            await self._look(server)
        await server.close()

    async def _look(self, server: Server) -> None:
        """Set `stop` if the vault is gone, or the service is idle and not needed."""
        if _identity(self._folder) != self._identity:
            log.warning("ending: the vault is gone")
            self._stop.set()
        elif self._implicit and server.idle > self._idle and not await asyncio.to_thread(self._needed):
            log.info("ending: the service is no longer needed")
            self._stop.set()

    def _leave(self, takes_over: bool) -> bool:
        """Set `stop` if the service is not needed or, if another service takes over, not busy. In any
        thread."""
        if self._busy() if takes_over else self._needed():
            return False
        reason = "another service takes over" if takes_over else "a client has another version"
        log.info("ending: %s", reason)
        self._stop.set()
        return True


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
