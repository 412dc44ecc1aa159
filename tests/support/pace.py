"""How long programs had to wait for a processor, so that a limit of time holds on a busy machine as well."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def waited(*pids: int) -> float:
    """Seconds in which threads of these processes were ready to work and had no processor, until now.

    Without process ids, those of this process. It is 0 where the kernel does not count (schedstat).
    """
    total = 0
    for pid in pids or (os.getpid(),):
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # the thread has ended
                total += int(thread.read_text().split()[1])
    return total / 1e9


def longest(do: Callable[[], object], going: Callable[[], bool], limit: float) -> tuple[float, int]:
    """Repeat a call while something is going on, or until a call took longer than `limit` seconds.

    What this process waited for a processor meanwhile is not counted, but all processor time that it used is:
    a thread that waits for a busy one in the same process also waits for a processor now and then.

    Returns: the seconds of the longest call, and the number of calls.
    """
    most, count = 0.0, 0
    while going() and most < limit:
        began, used, before = time.monotonic(), time.process_time(), waited()
        do()
        took = time.monotonic() - began - max(0.0, waited() - before)
        most = max(most, took, time.process_time() - used)
        count += 1
        time.sleep(0.002)
    return most, count


class Waits:
    """What some processes waited for a processor, over time."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._noted: list[tuple[float, float]] = []

    def note(self) -> None:
        """Note how much it is by now. Call it often."""
        self._noted.append((time.monotonic(), waited(*self._pids)))

    def within(self, seconds: float) -> float:
        """The seconds that they waited in the `seconds` before the newest note."""
        now, total = self._noted[-1]
        earlier = [before for when, before in self._noted if when <= now - seconds]
        return max(0.0, total - (earlier[-1] if earlier else self._noted[0][1]))
