"""The processor time that one mail may take in a worker process.

Processor time and not time on the clock: a machine under load must not make a mail unreadable. The kernel
ends the process by SIGPROF, so a parser that hangs in native code ends as well.
"""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager

SECONDS = 20.0
"""Processor time for any mail, however small."""
SECONDS_PER_BYTE = 0.25 / 1024 / 1024
"""Processor time that a large mail gets besides: preparing one takes some 0.05 s a MiB."""
LEAST = 0.001
"""Seconds; a timer of 0 would never end."""


class CpuBudget(AbstractContextManager[None]):
    """Counts the processor time of one mail down while it is entered; may be entered many times."""

    __slots__ = ("_left",)

    def __init__(self, size: int) -> None:
        """`size`: bytes of the mail."""
        self._left = SECONDS + size * SECONDS_PER_BYTE

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, max(self._left, LEAST))

    def __exit__(self, *_: object) -> None:
        self._left = signal.setitimer(signal.ITIMER_PROF, 0)[0]
