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
from typing import Any, TextIO

from muniment.api import WireWord
from muniment.cli.layout.text_table import TableColumn, table_lines
from muniment.cli.layout.word_wrap import word_lines
from muniment.system.sanitise import clean

__all__ = ["CommandOutput", "TableColumn", "complain", "complain_lines", "plain"]

HANG = 2
"""Blanks before the further lines of a sentence on standard error."""
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
READ_EVERY = 50
"""How often to check whether the reader of a pipe has read everything, in milliseconds."""


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
        try:
            return self.terminal and sys.stdin is not None and sys.stdin.isatty()
        except ValueError:  # it is closed
            return False

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question on the terminal.

        Returns:
            True if the answer is `y` or `yes`; False for any other answer and at the end of input.

        Raises:
            KeyboardInterrupt: The person pressed Ctrl-C.
        """
        self._write(f"{clean(question)} [y/N] ")
        return _typed_line().strip().lower() in ("y", "yes")

    def await_enter(self, text: str) -> bool:
        """Ask for Enter on the terminal; False at Ctrl-C and at the end of input."""
        self._write(f"{clean(text)} ")
        try:
            return bool(_typed_line())
        except KeyboardInterrupt:
            return False
        finally:
            self._write("\n")

    def line(self, text: str = "") -> None:
        """Print one line of text."""
        self._write(clean(text) + "\n")

    def block(self, text: str) -> None:
        """Print a text of several lines; a missing line end is added."""
        text = clean(text, newline=True)
        self._write(text if text.endswith("\n") or not text else text + "\n")

    def prose(self, text: str, hang: int | None = None) -> None:
        """Print a sentence: on a terminal it is wrapped at words, elsewhere it is one line.

        Args:
            text: The sentence; blanks at its beginning indent it.
            hang: Blanks before each line but the first; None for as many as the text begins with.
        """
        self._wrapped(clean(text), hang)

    def passage(self, text: str) -> None:
        """Print a text of several lines; a terminal gets long ones wrapped at words."""
        for line in clean(text, newline=True).removesuffix("\n").split("\n") if text else ():
            self._wrapped(line, None)

    def _wrapped(self, line: str, hang: int | None) -> None:
        lines = word_lines(line, self.width, hang) if self.terminal else [line]
        self._write("".join(f"{part}\n" for part in lines))

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

        On a terminal it is no wider than that, and long cells are cut. Elsewhere nothing is cut.
        """
        harmless = ([clean(cell) for cell in row] for row in rows)
        lines = table_lines(columns, harmless, self.width if self.terminal else None)
        title = next(lines)
        self._write(f"{BOLD}{title}{PLAIN}\n" if self.can_redraw else f"{title}\n")
        for line in lines:
            self._write(f"{line}\n")

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


def _typed_line() -> str:
    """The next line that a person types, with its line end; "" at the end of input.

    Standard input can be closed, or its terminal gone: that is the end of input as well.
    """
    try:
        return sys.stdin.readline() if sys.stdin is not None else ""
    except UnicodeDecodeError:
        return "\n"  # Enter was pressed, but the line is no answer to anything
    except (OSError, ValueError):
        return ""


def _unread(pipe: int) -> int:
    """The number of unread bytes in a pipe; Linux gives it at either end."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def complain(text: str) -> None:
    """Print one sentence on standard error; on a terminal it is wrapped at words."""
    sentence = f"muniment: {clean(text)}"
    columns = _error_columns()
    _to_stderr("\n".join(word_lines(sentence, columns, HANG) if columns else [sentence]) + "\n")


def _error_columns() -> int:
    """The columns of the terminal that standard error is; 0 if it is none."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else 0
    except (OSError, ValueError):
        return 0


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
