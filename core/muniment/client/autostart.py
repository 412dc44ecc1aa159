"""Connects to a vault's service. The first request of the vault's owner starts one in the background."""

from __future__ import annotations

import os
import pwd
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from muniment.api import Init, Request, WireWord
from muniment.client import protocol
from muniment.client.client import Connect, Transport
from muniment.client.protocol import Failure, Other
from muniment.client.socket_path import SocketPlace, has_settings, no_vault, place_of
from muniment.client.socket_transport import NoService, SocketTransport, ask_to_leave, dial
from muniment.errors import MunimentError, VaultError, VaultLocked

READY = b"ready\n"
"""What a service prints when it listens."""
PATIENCE = 60.0
"""Longest wait for a service that opens its vault, in seconds."""
HELD = 10.0
"""How long to try again while another process holds the vault, in seconds. It can be a service that is about
to listen or to end."""
AGAIN = 0.05
"""First wait between two attempts, in seconds."""


def connected(folder: Path, here: Connect, held: float = HELD) -> Transport:
    """A transport to the service of a vault. It connects with the first request.

    Args:
        folder: The vault's folder.
        here: Opens the engine in this process. It makes a new vault, which has no service yet.
        held: How long to try again while another process holds the vault, in seconds.
    """
    return _Opening(folder, here, held)


class _Opening:
    """A transport that sends Init to an engine in this process, and other requests to the vault's service."""

    def __init__(self, folder: Path, here: Connect, held: float) -> None:
        self._folder = folder
        self._here = here
        self._held = held

    def call(self, request: Request) -> WireWord:
        """Send a request that has one reply (see Transport.call)."""
        if isinstance(request, Init):
            with closing(self._here(self._folder)) as engine:
                return engine.call(request)
        return self._service().call(request)

    def stream(self, request: Request) -> Iterator[WireWord]:
        """Send a request that is answered by a stream (see Transport.stream)."""
        return self._service().stream(request)

    def close(self) -> None:
        """Do nothing: no connection stays open between requests."""

    def _service(self) -> SocketTransport:
        service = _Service(place_of(self._folder), self._held)
        if service.mine and not has_settings(self._folder):
            raise no_vault(self._folder)
        return SocketTransport(service.open, service.replace)


class _Service:
    """The service of one vault, which may have to be started or replaced."""

    def __init__(self, place: SocketPlace, held: float) -> None:
        self._place = place
        self._held = held

    @property
    def mine(self) -> bool:
        """Whether this process runs as the vault's owner, and so can start its service."""
        return os.geteuid() == self._place.owner

    def open(self) -> socket.socket:
        """Connect to the service, and start it if there is none.

        Raises:
            VaultError: None runs, and none could be started; the message says why.
        """
        try:
            return dial(self._place)
        except NoService:
            if self.mine:
                return self._start()
        owner = _name(self._place.owner)
        raise VaultError(
            f"no service runs for the vault in {self._place.vault}: ask {owner} to start it "
            "(`muniment service`, or any command)"
        )

    def _start(self) -> socket.socket:
        """Start a service and connect to it; another process can have started it at the same time."""
        until, held, wait = time.monotonic() + PATIENCE, time.monotonic() + self._held, AGAIN
        while True:
            refusal = start(self._place, until)
            try:
                return dial(self._place)
            except NoService:
                if refusal is not None and (refusal.kind != VaultLocked.__name__ or time.monotonic() > held):
                    raise protocol.raised(refusal) from None
            if time.monotonic() > until:
                raise VaultError(f"the service of {self._place.vault} could not be reached: see its log")
            time.sleep(wait)
            wait = min(wait * 2, 1.0)

    def replace(self, other: Other) -> None:
        """Stop a service of another version, if a client started it and it is idle.

        Raises:
            VaultError: It keeps running; the message says what to do.
        """
        if other.implicit and self.mine and self._retire():
            return
        raise VaultError(
            f"the service of this vault is Muniment {other.version}, this program is {protocol.VERSION}: "
            f"restart the service (process {other.pid})"
        )

    def _retire(self) -> bool:
        """Ask the service to end; returns whether it does."""
        try:
            ask_to_leave(self._place, protocol.RETIRE)
        except NoService:
            return True
        except MunimentError:
            return False
        return True


def start(place: SocketPlace, until: float) -> Failure | None:
    """Start a service in the background, and wait until it listens.

    Args:
        place: The vault.
        until: When to stop waiting, on the monotonic clock.

    Returns:
        Why it does not listen; None if it does.

    Raises:
        VaultError: It takes longer.
    """
    command = [sys.executable, "-P", "-m", "muniment.service", str(place.vault)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        output = _read_all(process.stdout.fileno(), until)
    if output == READY:
        return None
    try:
        return msgspec.msgpack.decode(output, type=Failure)
    except msgspec.DecodeError:
        message = f"the service of {place.vault} could not be started: run `muniment service` to see why"
        return Failure(kind=VaultError.__name__, code=VaultError.exit_code, message=message)


def _read_all(pipe: int, until: float) -> bytes:
    """Everything that comes through a pipe until its other end is closed."""
    output = b""
    while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
        data = os.read(pipe, 64 * 1024)
        if not data:
            return output
        output += data
    raise VaultError(
        "the service was started and is still opening the vault: it may be bringing the catalog up to date "
        "with the ledger; try again later"
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
