"""Everything that reaches standard output or the terminal passes through here.

Strings may come from mail, so each is made harmless first (muniment.system.sanitise), and none is ever
read as markup. Exact bytes reach files and pipes as they are, and a terminal made harmless.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import select
import shutil
import stat
import sys
import termios
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from muniment.api import Word
from muniment.system.sanitise import clean

if TYPE_CHECKING:
    from rich.console import Console


READ_EVERY = 50
"""Milliseconds between two looks at whether the reader of a pipe has read it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `fill` takes what width the others leave."""

    title: str
    right: bool = False
    fill: bool = False
    most: int | None = None
    """The most cells that it may take."""


class Output:
    """Standard output: text, tables, JSON and exact bytes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.width = max(shutil.get_terminal_size((80, 24)).columns, 40)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def lively(self) -> bool:
        """Whether lines can be drawn over: a terminal that is more than dumb."""
        return self.terminal and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked: standard input and output are a terminal."""
        return self.terminal and sys.stdin is not None and sys.stdin.isatty()

    def confirm(self, question: str) -> bool:
        """Ask a person on the terminal; No unless they type y. Ctrl-C raises KeyboardInterrupt."""
        self._write(f"{clean(question)} [y/N] ")
        try:
            return sys.stdin.readline().strip().lower() in ("y", "yes")
        except UnicodeDecodeError:
            return False

    def line(self, text: str = "") -> None:
        """One line of text."""
        self._write(clean(text) + "\n")

    def block(self, text: str) -> None:
        """Text of many lines."""
        text = clean(text, newline=True)
        self._write(text if text.endswith("\n") or not text else text + "\n")

    def json(self, value: object) -> None:
        """A JSON document on a line of its own; pure ASCII on a terminal, so that nothing acts there."""
        text = json.dumps(value, ensure_ascii=self.terminal)
        self._send(text.encode("utf-8", "backslashreplace") + b"\n")
        self.flush()

    def raw(self, data: bytes) -> None:
        """Exact bytes; to a terminal, what can be read of them, made harmless."""
        if self.terminal:
            self._write(clean(self._decoder.decode(data), newline=True))
        else:
            self._send(data)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """A table without lines, no wider than the terminal (80 columns elsewhere); long cells are cut."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in columns:
            table.add_column(
                Text(column.title),
                justify="right" if column.right else "left",
                ratio=1 if column.fill else None,
                max_width=column.most,
                no_wrap=True,
                overflow="ellipsis",
            )
        table.expand = any(column.fill for column in columns)
        for row in rows:
            table.add_row(*(Text(clean(cell)) for cell in row))
        console = self.console()
        with console.capture() as captured:
            console.print(table)
        for line in captured.get().splitlines():
            self._write(line.rstrip() + "\n")

    def size(self) -> tuple[int, int]:
        """Columns and rows of the terminal now; 80 x 24 where there is none."""
        size = shutil.get_terminal_size((80, 24))
        return max(size.columns, 40), max(size.lines, 2)

    def fitted(self, text: str, columns: int) -> str:
        """A line of text that takes at most so many cells; what is cut ends in an ellipsis."""
        from rich.text import Text

        line = Text(text)
        line.truncate(columns, overflow="ellipsis")
        return line.plain

    def draw(self, text: str) -> int:
        """Harmless text with the control sequences of a drawing; returns how many bytes were sent."""
        data = text.encode(self.stream.encoding or "utf-8", "replace")
        if data:
            self._send(data)
            self.flush()
        return len(data)

    def await_reader(self) -> None:
        """Where the output is a pipe: wait until its reader has taken all, or has gone.

        A pipe holds 64 kB, so that states would queue up in it.
        """
        try:
            handle = self.stream.fileno()
            if not stat.S_ISFIFO(os.fstat(handle).st_mode):
                return
        except (OSError, ValueError):
            return
        gone = select.poll()
        gone.register(handle, 0)
        while _unread(handle) and not gone.poll(READ_EVERY):
            pass

    def console(self) -> Console:
        """Rich's face of this output: no markup, no highlighting, the terminal's own colours or none."""
        from rich.console import Console

        return Console(
            file=self.stream, width=self.width, markup=False, highlight=False, emoji=False, soft_wrap=False
        )

    def flush(self) -> None:
        """Pass on what is written."""
        self.stream.flush()

    def _write(self, text: str) -> None:
        self._send(text.encode(self.stream.encoding or "utf-8", "replace"))
        if self.terminal:
            self.flush()

    def _send(self, data: bytes) -> None:
        """All of `data`: a stream without a buffer (PYTHONUNBUFFERED) may take it piece by piece."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.stream.buffer.write(rest) :]


def _unread(pipe: int) -> int:
    """How many bytes in a pipe have not been read (Linux counts them at either end)."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def complain(text: str) -> None:
    """One sentence on standard error."""
    _to_stderr(f"muniment: {clean(text)}\n")


def complain_lines(text: str) -> None:
    """Lines on standard error, such as a query with a caret under the place."""
    _to_stderr(clean(text, newline=True) + "\n")


def _to_stderr(text: str) -> None:
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
    sys.stderr.flush()


def plain(value: Any) -> Any:
    """A word as dicts and lists for JSON, without the tag that it carries on a socket."""
    if isinstance(value, Word):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value
