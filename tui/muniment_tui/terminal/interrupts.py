"""Keeps Ctrl-C from ending the app while another program has the terminal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C in this process. Programs that are started meanwhile end with it as usual.

    The terminal sends SIGINT to every process in the foreground. A program inherits that a signal is ignored
    (SIG_IGN), but not a handler (execve(2)), so the handler is a function that does nothing.
    """
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
