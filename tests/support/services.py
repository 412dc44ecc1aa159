"""Services that commands start in the background, each in its own process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from muniment.client.socket_path import SocketPlace, peer_of, place_of
from muniment.client.socket_transport import NoService, dial
from support.program import Said

PATIENCE = 60.0


def muniment(vault: Path, *words: str, **options: Any) -> Said:
    """Run the `muniment` command in a separate process. Its service continues."""
    line = [sys.executable, "-m", "muniment_tui", "--vault", str(vault), *words]
    done = subprocess.run(line, capture_output=True, timeout=60, **options)
    return Said(done.returncode, done.stdout, done.stderr.decode("utf-8"))


def service_of(vault: Path) -> int:
    """The process id of a vault's service; 0 if there is none."""
    try:
        with dial(place_of(vault)) as connection:
            return peer_of(connection).pid
    except NoService:
        return 0


def stop_service(path: Path, number: int = signal.SIGTERM) -> None:
    """End the service that listens on a socket, if there is one, and wait for its end."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return
        pid = peer_of(connection).pid
    end(pid, number)


def end(pid: int, number: int = signal.SIGTERM) -> None:
    """Send a process a signal, and wait for its end."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        os.kill(pid, number)
        deadline = time.monotonic() + PATIENCE
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"the service {pid} does not end"
            time.sleep(0.02)


def socket_of(vault: Path) -> Path:
    """The path of a vault's socket in this test run."""
    place: SocketPlace = place_of(vault)
    return next(place.folders()) / place.name
