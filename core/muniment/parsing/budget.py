"""The processor time that one mail may take in a worker process.

It is processor time and not elapsed time, so that a busy machine does not make a mail unreadable. The kernel
ends the process by SIGPROF, so a parser that hangs in native code ends as well.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

SECONDS = 20.0
"""Processor time for any mail, in seconds."""
SECONDS_PER_BYTE = 0.25 / 1024 / 1024
"""Further processor time for each byte: preparing a mail takes some 0.05 s a MiB."""
LEAST = 0.001
"""Seconds. A timer of 0 would be off."""


class CpuBudgets:
    """Counts down the processor time of each mail of a batch while that mail is worked on."""

    __slots__ = ("_left", "_now")

    def __init__(self, sizes: Iterable[int], seconds: float | None = None) -> None:
        """`sizes`: bytes of each mail. `seconds`: processor time for any mail; None for SECONDS."""
        base = SECONDS if seconds is None else seconds
        self._left = [base + size * SECONDS_PER_BYTE for size in sizes]
        self._now = -1

    def begin(self, number: int) -> None:
        """Work on the mail with this number begins. Work on the previous one has ended."""
        before = signal.setitimer(signal.ITIMER_PROF, self._left[number])[0]
        if self._now >= 0:
            self._left[self._now] = max(before, LEAST)
        self._now = number

    def end(self) -> None:
        """Work on the last mail has ended."""
        before = signal.setitimer(signal.ITIMER_PROF, 0)[0]
        if self._now >= 0:
            self._left[self._now] = max(before, LEAST)
        self._now = -1
