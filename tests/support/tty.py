"""A program on a pseudo-terminal, with every byte that it writes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 60.0
TESTS = Path(__file__).parents[1]
_SEQUENCE = re.compile(
    # What the app's own driver writes: CSI sequences (ECMA-48 5.4), charset and keypad choices.
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][0AB]|\x1b[=>78]"
)


class Tty:
    """Runs a program on a pseudo-terminal of `columns` x `rows` cells that answers no query."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        *,
        columns: int = 80,
        rows: int = 24,
        term: str = "xterm-256color",
    ):
        env = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "TERM": term, "TZ": "UTC",
            "PYTHONPATH": str(TESTS), "XDG_STATE_HOME": str(folder / ".state"),
        }  # fmt: skip
        self.written = b""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.chdir(folder)
            os.execvpe(command[0], command, env)
        self.usage = 0.0
        """CPU time of the program in seconds, after it has ended."""
        self._code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._reap()
        os.close(self._master)

    def press(self, keys: bytes) -> None:
        """Send the bytes of keys."""
        os.write(self._master, keys)

    def read(self, seconds: float) -> bytes:
        """The output of the next seconds."""
        deadline, got = time.monotonic() + seconds, b""
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0]:
                with suppress(OSError):
                    data = os.read(self._master, 65536)
                    got += data
                    if data:
                        continue
                break
        self.written += got
        return got

    def until(self, text: str, patience: float = PATIENCE) -> bytes:
        """Read until a text has been written since the last call. Returns all output since then."""
        deadline, got = time.monotonic() + patience, b""
        while text.encode() not in plain(got):
            assert time.monotonic() < deadline, f"{text!r} was not written: {plain(got)[-2000:]!r}"
            got += self.read(0.05)
        return got

    def quiet(self, seconds: float = 0.3, patience: float = PATIENCE) -> bytes:
        """Read until nothing is written for a while. Returns all output since the last call."""
        deadline, got = time.monotonic() + patience, b""
        while more := self.read(seconds):
            got += more
            assert time.monotonic() < deadline, "it never stops writing"
        return got

    def end(self, patience: float = PATIENCE) -> int:
        """Wait until the program has ended. Returns its exit code, or minus the signal that killed it."""
        deadline = time.monotonic() + patience
        while self._code is None:
            assert time.monotonic() < deadline, f"it does not end: {plain(self.written)[-2000:]!r}"
            self.read(0.05)
            self._reap(os.WNOHANG)
        return self._code

    def kill(self) -> None:
        """Kill the program."""
        os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def _reap(self, options: int = 0) -> None:
        pid, status, usage = os.wait4(self.pid, options)
        if pid:
            self._code = os.waitstatus_to_exitcode(status)
            self.usage = usage.ru_utime + usage.ru_stime


def plain(data: bytes) -> bytes:
    """The output without the sequences that a terminal app writes."""
    return _SEQUENCE.sub(b"", data)


def gallery(name: str, folder: Path) -> list[str]:
    """The command that shows one of the gallery's screens."""
    return [sys.executable, "-m", "support.gallery", name, str(folder / "vault")]
