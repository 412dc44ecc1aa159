"""Runs programs that vault.toml names, with limits on their time and their output."""

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
"""Seconds between two checks whether a program has ended while its output is still open."""
GRACE = 5.0
"""Longest wait for the end of a killed program, in seconds."""


class TooSlow(Exception):
    """A program took too long and was killed."""


class TooMuchOutput(Exception):
    """A program printed too much and was killed."""


def owner_of(folder: Path) -> int | None:
    """The uid of a folder's owner; None if it is the user of this process, or if there is no folder.

    The owner of the vault's folder can write vault.toml, and so choose the programs that are run.
    """
    with suppress(FileNotFoundError):
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            return owner
    return None


def run_program(
    words: Sequence[str],
    folder: Path,
    *,
    given: bytes = b"",
    seconds: float,
    most: int,
    grace: float = GRACE,
) -> tuple[int, bytes]:
    """Run a program without a shell. Its standard error is discarded.

    At the end, all processes in its process group are killed.

    Args:
        words: The program and its arguments.
        folder: The folder in which it runs.
        given: Its standard input.
        seconds: Longest time.
        most: Most bytes of output.
        grace: Longest wait for the end of a killed program, in seconds.

    Returns:
        Its exit code and its output.

    Raises:
        OSError: It can't be started.
        ValueError: An argument contains a null character.
        TooSlow: It took too long and was killed.
        TooMuchOutput: It printed too much and was killed.
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
        _end(process, grace)
    return process.returncode, printed


def _talk(process: subprocess.Popen[bytes], given: bytes, deadline: float, most: int) -> bytes:
    """Write the input and read the output until it is closed or the program has ended."""
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
    """Write some bytes; returns the rest, which is empty if the program does not read any more."""
    try:
        return waiting[os.write(handle, waiting) :] if waiting else waiting
    except BlockingIOError:
        return waiting
    except OSError:
        return memoryview(b"")


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended. It is not reaped, so that no other process group gets its number."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Kill a program and all processes in its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):  # a program of another user, by sudo, keeps running
        process.wait(grace)
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(OSError):
                stream.close()
