"""A terminal that records every byte that a program writes, with its time, and draws the screen with pyte.

tmux draws the screen itself and sends other bytes. Here are the bytes as the program wrote them.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte

PATIENCE = 60.0
"""Timeout of a wait, in seconds."""
EVERY = 0.01
KEYS = {
    "Enter": "\r", "Escape": "\x1b", "Tab": "\t", "Space": " ", "Backspace": "\x7f",
    "C-p": "\x10", "C-c": "\x03", "Up": "\x1b[A", "Down": "\x1b[B", "Right": "\x1b[C", "Left": "\x1b[D",
    "Home": "\x1b[H", "End": "\x1b[F", "PageDown": "\x1b[6~", "PageUp": "\x1b[5~",
    "F2": "\x1bOQ", "F3": "\x1bOR", "F4": "\x1bOS", "F5": "\x1b[15~",
}  # fmt: skip
"""The bytes of keys, by tmux's names. Any other name is typed as text."""
_LEADERS = re.compile(rb"\x1b\[[<>=]([0-9;]*)([@-~])")
"""Private sequences that pyte confuses with others of the same final byte."""


class Teletype:
    """A program in a terminal of `columns` x `rows` cells, whose other end is this object."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """`env` is added to a plain environment. The program starts in `folder`, which is its HOME."""
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        self.before = termios.tcgetattr(theirs)
        """The terminal's settings before the program started."""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._written = bytearray()
        self._unread = 0
        """Number of bytes that are not drawn on the screen yet."""
        self.chunks: list[tuple[float, int]] = []
        """For each chunk: its time on time.perf_counter's clock, and the number of bytes up to its end."""
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],  # takes the place of setsid: no process is in between
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=plain(folder, env),
        )
        self._theirs = theirs
        """The program's end. It stays open, so that the terminal's settings can be read after the program
        has ended."""
        self._ending = threading.Event()
        self._reader = threading.Thread(target=self._read, name="tty", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        while not self._ending.is_set():
            if not select.select([self._ours], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._ours, 65536)
            except OSError:
                return
            with self._lock:
                self._written += data
                self.chunks.append((time.perf_counter(), len(self._written)))

    # --- what comes ---------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Number of bytes that the program has written."""
        return len(self._written)

    def written(self, since: int = 0) -> bytes:
        """The bytes that the program has written, from a position on."""
        with self._lock:
            return bytes(self._written[since:])

    def came(self, beyond: int) -> float | None:
        """The time of the first byte after `beyond` bytes; None if there is none yet."""
        return next((when for when, count in reversed(self._newer(beyond))), None)

    def when(self, text: bytes) -> float:
        """The time when the first `text` was complete. The text must have come."""
        at = self.written().index(text) + len(text)
        return next(when for when, count in self.chunks if count >= at)

    def between(self, begin: float, end: float) -> int:
        """Number of bytes between two times."""
        counts = [count for when, count in self.chunks if when <= end]
        before = [count for when, count in self.chunks if when < begin]
        return (counts[-1] if counts else 0) - (before[-1] if before else 0)

    def last_came(self) -> float:
        """The time of the last byte."""
        return self.chunks[-1][0] if self.chunks else self.began

    def _newer(self, beyond: int) -> list[tuple[float, int]]:
        """The chunks after a number of bytes, newest first."""
        found = []
        for chunk in reversed(self.chunks):
            if chunk[1] <= beyond:
                break
            found.append(chunk)
        return found

    def screen(self) -> str:
        """The text on the screen."""
        with self._lock:
            new, self._unread = bytes(self._written[self._unread :]), len(self._written)
        self._stream.feed(_LEADERS.sub(b"", new))
        rows = (self._screen.buffer[row] for row in range(self._screen.lines))
        lines = ("".join(row[column].data for column in range(self._screen.columns)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)

    def cursor(self) -> tuple[int, int, bool]:
        """The cursor's column and row on the screen as it was drawn last, and whether it is hidden."""
        cursor = self._screen.cursor
        return cursor.x, cursor.y, cursor.hidden

    def wait(
        self, holds: Callable[[], Any], what: str, patience: float = PATIENCE, every: float = EVERY
    ) -> Any:
        """Wait until `holds` returns a true value, and return it."""
        deadline = time.monotonic() + patience
        while not (found := holds()):
            assert time.monotonic() < deadline, f"{what}: not in {patience:.0f} s; it says:\n{self.screen()}"
            time.sleep(every)
        return found

    def wait_for(self, *texts: str, patience: float = PATIENCE) -> str:
        """Wait until all texts appear."""

        def seen() -> str:
            screen = self.screen()
            return screen if all(text in screen for text in texts) else ""

        return str(self.wait(seen, f"to read {texts}", patience))

    def wait_quiet(self, seconds: float = 0.3, patience: float = PATIENCE) -> None:
        """Wait until no byte has come for a while, from now on."""
        now = time.perf_counter()
        self.wait(lambda: time.perf_counter() - max(now, self.last_came()) > seconds, "to be quiet", patience)

    def wait_ended(self, patience: float = PATIENCE) -> int:
        """Wait until the program has ended and all output has come. Returns its exit code."""
        code = self.process.wait(patience)
        self.wait_quiet(0.1)
        return code

    # --- what goes ----------------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names, or type a text."""
        for key in keys:
            os.write(self._ours, KEYS.get(key, key).encode())

    def settings(self) -> list[Any]:
        """The terminal's current settings."""
        return termios.tcgetattr(self._theirs)

    def unplug(self, patience: float = PATIENCE) -> int:
        """Take the terminal away, as a lost connection does. Returns the exit code of the program."""
        self._ending.set()
        self._reader.join()
        os.close(self._ours)
        os.close(self._theirs)
        return self.process.wait(patience)

    def close(self) -> None:
        """End the program, if it still runs, and close the terminal."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._ending.set()
        self._reader.join()
        for end in (self._ours, self._theirs):
            with suppress(OSError):
                os.close(end)
        self._ours = self._theirs = -1


def plain(folder: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program in a terminal with 256 colours. `folder` is its HOME."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "xterm-256color",
        "XDG_STATE_HOME": str(folder / ".state"),
        **{name: os.environ[name] for name in ("MUNIMENT_RUNTIME",) if name in os.environ},
        **(env or {}),
    }
