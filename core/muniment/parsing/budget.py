"""The processor time that one mail may take in a worker process.

Processor time and not time on the clock: a machine under load must not make a mail unreadable. The kernel
ends the process by SIGPROF, so a parser that hangs in native code ends as well.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

SECONDS = 20.0
"""Processor time for any mail, however small."""
SECONDS_PER_BYTE = 0.25 / 1024 / 1024
"""Processor time that a large mail gets besides: preparing one takes some 0.05 s a MiB."""
LEAST = 0.001
"""Seconds; a timer of 0 would never end."""


class CpuBudgets:
    """Counts the processor time of each mail of a batch down while that mail is worked on, in turns."""

    __slots__ = ("_left", "_now")

    def __init__(self, sizes: Iterable[int]) -> None:
        """`sizes`: bytes of the mails."""
        self._left = [SECONDS + size * SECONDS_PER_BYTE for size in sizes]
        self._now = -1

    def begin(self, number: int) -> None:
        """From now on the mail with this number is worked on, and no other."""
        before = signal.setitimer(signal.ITIMER_PROF, self._left[number])[0]
        if self._now >= 0:
            self._left[self._now] = max(before, LEAST)
        self._now = number

    def end(self) -> None:
        """None is worked on."""
        before = signal.setitimer(signal.ITIMER_PROF, 0)[0]
        if self._now >= 0:
            self._left[self._now] = max(before, LEAST)
        self._now = -1
