"""Opens the line to a vault's service; its owner's first word starts one in the background, as tmux does."""

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

from muniment.api import Init, Request, Word
from muniment.client import protocol
from muniment.client.client import Connect, Transport
from muniment.client.protocol import Failure, Other
from muniment.client.socket_path import Place, has_settings, no_vault, place_of
from muniment.client.socket_transport import NoService, SocketTransport, ask_to_leave, dial
from muniment.errors import MunimentError, VaultError, VaultLocked

READY = b"ready\n"
PATIENCE = 60.0
"""Seconds that a service has to open its vault, before its client gives up waiting."""
HELD = 10.0
"""Seconds for which a vault that another process holds is tried again: it may be a service that is about to
listen, or about to leave."""
AGAIN = 0.05
"""Seconds between two tries, at first."""


def connected(folder: Path, here: Connect) -> Transport:
    """The line to the service of the vault in `folder`, which is looked for with the first word.

    `here` opens the engine in this process: a vault is made by it, since before that there is no service.
    """
    return _Opening(folder, here)


class _Opening:
    """A transport that says Init in this process and all else to the vault's service."""

    def __init__(self, folder: Path, here: Connect) -> None:
        self._folder = folder
        self._here = here

    def call(self, request: Request) -> Word:
        """Say a request that has one reply. Raises MunimentError."""
        if isinstance(request, Init):
            with closing(self._here(self._folder)) as engine:
                return engine.call(request)
        return self._line().call(request)

    def stream(self, request: Request) -> Iterator[Word]:
        """Say a request that is answered by a stream; closing it cancels the work. Raises MunimentError."""
        return self._line().stream(request)

    def close(self) -> None:
        """Nothing is kept open between words."""

    def _line(self) -> SocketTransport:
        line = _Line(place_of(self._folder))
        if line.mine and not has_settings(self._folder):
            raise no_vault(self._folder)
        return SocketTransport(line.open, line.replace)


class _Line:
    """The way to one vault's service."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def mine(self) -> bool:
        """Whether this process runs as the vault's owner, and so may start its service."""
        return os.geteuid() == self._place.owner

    def open(self) -> socket.socket:
        """A connection to the service, which is started where there is none.

        Raises:
            VaultError: none runs, and none could be started; says why.
        """
        try:
            return dial(self._place)
        except NoService:
            if self.mine:
                return self._started()
        owner = _name(self._place.owner)
        raise VaultError(
            f"no service runs for the vault in {self._place.vault}: ask {owner} to start it "
            "(`muniment service`, or any command)"
        )

    def _started(self) -> socket.socket:
        """A connection to a service that this process, or another at the same time, has started."""
        until, held, wait = time.monotonic() + PATIENCE, time.monotonic() + HELD, AGAIN
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
        """Have a service of another version leave, if a client started it and nobody needs it now.

        Raises:
            VaultError: it stays; says what to do.
        """
        if other.implicit and self.mine and self._retired():
            return
        raise VaultError(
            f"the service of this vault is Muniment {other.version}, this program is {protocol.VERSION}: "
            f"restart the service (process {other.pid})"
        )

    def _retired(self) -> bool:
        """Ask it to leave; returns whether it does."""
        try:
            ask_to_leave(self._place, protocol.RETIRE)
        except NoService:
            return True
        except MunimentError:
            return False
        return True


def start(place: Place, until: float) -> Failure | None:
    """Start a service in the background, and wait until it listens; returns why it does not.

    `until` is an instant of the monotonic clock.

    Raises:
        VaultError: it takes longer.
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
        said = _heard(process.stdout.fileno(), until)
    if said == READY:
        return None
    try:
        return msgspec.msgpack.decode(said, type=Failure)
    except msgspec.DecodeError:
        message = f"the service of {place.vault} could not be started: run `muniment service` to see why"
        return Failure(kind=VaultError.__name__, code=VaultError.exit_code, message=message)


def _heard(pipe: int, until: float) -> bytes:
    """All that is written into a pipe until its other end is closed."""
    said = b""
    while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
        data = os.read(pipe, 64 * 1024)
        if not data:
            return said
        said += data
    raise VaultError(
        "the service has been started and is still opening the vault: it may be bringing the catalog in line "
        "with the ledger; try again later"
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
