"""Standard output and standard error: everything that the command line prints passes through here.

A string can come from mail, so each one is made harmless first (muniment.system.sanitise), and none is
read as markup. Exact bytes go to files and pipes unchanged; on a terminal they are made harmless too.
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

from muniment.api import WireWord
from muniment.system.sanitise import clean

if TYPE_CHECKING:
    from rich.console import Console


READ_EVERY = 50
"""How often to check whether the reader of a pipe has read everything, in milliseconds."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table."""

    title: str
    right: bool = False
    """Whether its cells are aligned to the right."""
    fill: bool = False
    """Whether it takes the width that the other columns leave."""
    most: int | None = None
    """Its largest width in characters; None for no limit."""


class CommandOutput:
    """Standard output: text, tables, JSON and exact bytes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.width = max(shutil.get_terminal_size((80, 24)).columns, 40)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def can_redraw(self) -> bool:
        """Whether printed lines can be drawn over: a terminal, and TERM says that it is not a dumb one."""
        return self.terminal and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")

    @property
    def interactive(self) -> bool:
        """Whether a person can answer a question: standard input and output are terminals."""
        return self.terminal and sys.stdin is not None and sys.stdin.isatty()

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question on the terminal.

        Returns:
            True if the answer is `y` or `yes`; False for any other answer and at the end of input.

        Raises:
            KeyboardInterrupt: The person pressed Ctrl-C.
        """
        self._write(f"{clean(question)} [y/N] ")
        try:
            return sys.stdin.readline().strip().lower() in ("y", "yes")
        except UnicodeDecodeError:
            return False

    def line(self, text: str = "") -> None:
        """Print one line of text."""
        self._write(clean(text) + "\n")

    def block(self, text: str) -> None:
        """Print a text of several lines; a missing line end is added."""
        text = clean(text, newline=True)
        self._write(text if text.endswith("\n") or not text else text + "\n")

    def json(self, value: object) -> None:
        """Print a JSON document on a line of its own.

        On a terminal it is pure ASCII, so that nothing in it can act there.
        """
        text = json.dumps(value, ensure_ascii=self.terminal)
        self._send(text.encode("utf-8", "backslashreplace") + b"\n")
        self.flush()

    def raw(self, data: bytes) -> None:
        """Print exact bytes; a terminal gets them as harmless text instead."""
        if self.terminal:
            self._write(clean(self._decoder.decode(data), newline=True))
        else:
            self._send(data)

    def table(self, columns: Sequence[TableColumn], rows: Iterable[Sequence[str]]) -> None:
        """Print a table without rules.

        It is no wider than the terminal, or than 80 columns elsewhere. Long cells are cut.
        """
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
        """Columns and rows of the terminal at this moment; 80 x 24 if there is no terminal."""
        size = shutil.get_terminal_size((80, 24))
        return max(size.columns, 40), max(size.lines, 2)

    def fitted(self, text: str, columns: int) -> str:
        """A line of text, cut to at most `columns` cells; a cut line ends with an ellipsis."""
        from rich.text import Text

        line = Text(text)
        line.truncate(columns, overflow="ellipsis")
        return line.plain

    def draw(self, text: str) -> int:
        """Print harmless text that contains our own control sequences; returns the number of bytes sent."""
        data = text.encode(self.stream.encoding or "utf-8", "replace")
        if data:
            self._send(data)
            self.flush()
        return len(data)

    def await_reader(self) -> None:
        """If the output is a pipe, wait until its reader has read everything or has closed it.

        A pipe holds 64 kB, so without this, old states would queue up in it.
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
        """A Rich console for this output, without markup and highlighting."""
        from rich.console import Console

        return Console(
            file=self.stream, width=self.width, markup=False, highlight=False, emoji=False, soft_wrap=False
        )

    def flush(self) -> None:
        """Send everything that is still buffered."""
        self.stream.flush()

    def _write(self, text: str) -> None:
        self._send(text.encode(self.stream.encoding or "utf-8", "replace"))
        if self.terminal:
            self.flush()

    def _send(self, data: bytes) -> None:
        """Write all of `data`: an unbuffered stream (PYTHONUNBUFFERED) can take less than it is given."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.stream.buffer.write(rest) :]


def _unread(pipe: int) -> int:
    """The number of unread bytes in a pipe; Linux gives it at either end."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def complain(text: str) -> None:
    """Print one sentence on standard error."""
    _to_stderr(f"muniment: {clean(text)}\n")


def complain_lines(text: str) -> None:
    """Print several lines on standard error, such as a query with a caret below the mistake."""
    _to_stderr(clean(text, newline=True) + "\n")


def _to_stderr(text: str) -> None:
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
    sys.stderr.flush()


def plain(value: Any) -> Any:
    """An API object as dicts and lists for JSON, without the tag that it has on the socket."""
    if isinstance(value, WireWord):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value
