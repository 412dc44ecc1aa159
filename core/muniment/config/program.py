"""Programs that vault.toml names: their time and their output are limited."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PIECE = 64 * 1024
LOOK = 0.05
"""Seconds between two looks at whether a program that keeps its output open has ended."""
GRACE = 5.0
"""Seconds that a program has to be gone once it was ended."""


class TooSlow(Exception):
    """A program took longer than it may, and was ended."""


class TooMuchOutput(Exception):
    """A program printed more than it may, and was ended."""


def owner_of(folder: Path) -> int | None:
    """The uid of who may write vault.toml, where that is somebody else than this process's user."""
    with suppress(FileNotFoundError):
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            return owner
    return None


def run_program(
    words: Sequence[str], folder: Path, *, given: bytes = b"", seconds: float, most: int
) -> tuple[int, bytes]:
    """Run a program in a folder, without a shell; returns its exit code and what it printed.

    `given` is its standard input. It may take `seconds` and print `most` bytes; what it says of errors is
    dropped. At the end it and what it started in its process group are ended.

    Raises:
        OSError, ValueError: it can't be started.
        TooSlow, TooMuchOutput: it was ended.
    """
    process = subprocess.Popen(
        words,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + seconds
    try:
        printed = _talk(process, given, deadline, most)
        while not _has_ended(process):
            if time.monotonic() > deadline:
                raise TooSlow
            time.sleep(LOOK)
    finally:
        _end(process)
    return process.returncode, printed


def _talk(process: subprocess.Popen[bytes], given: bytes, deadline: float, most: int) -> bytes:
    """Hand over the input and take the output until it is closed, or the program has ended."""
    assert process.stdin
    assert process.stdout
    printed, waiting = bytearray(), memoryview(given)
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while process.stdout in (key.fileobj for key in selector.get_map().values()):
            if time.monotonic() > deadline:
                raise TooSlow
            ready = selector.select(LOOK)
            if not ready and _has_ended(process):
                break
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    waiting = _write(process.stdin.fileno(), waiting)
                    if not waiting:
                        selector.unregister(process.stdin)
                        with suppress(OSError):
                            process.stdin.close()
                    continue
                piece = os.read(process.stdout.fileno(), PIECE)
                printed += piece
                if len(printed) > most:
                    raise TooMuchOutput
                if not piece:
                    selector.unregister(process.stdout)
    return bytes(printed)


def _write(handle: int, waiting: memoryview) -> memoryview:
    """Write some; returns what is left, which is nothing once the program reads no more."""
    try:
        return waiting[os.write(handle, waiting) :] if waiting else waiting
    except BlockingIOError:
        return waiting
    except OSError:
        return memoryview(b"")


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; it is not reaped, so that its process group keeps its number."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and whatever it started in its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):  # one that runs as another user, by sudo, goes on
        process.wait(GRACE)
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(OSError):
                stream.close()
