"""How far a run is, and how long the rest takes: a percentage that never falls, and a smoothed rate."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

WINDOW = 60.0
"""Seconds over which the rate is measured: long enough to even out the pauses in which a source deletes."""
LEAST = 2.0
"""Seconds of a run before its rate means anything."""
APART = 0.5
"""Least seconds between two samples. Together with WINDOW this bounds their number."""
SLOWEST = 0.01
"""Messages a second below which no remaining time is given."""


@dataclass(frozen=True, slots=True)
class RunOutlook:
    """What is known about the rest of a run."""

    percent: int | None = None
    """None while the number of messages is not known."""
    rate: float = 0.0
    """Messages a second."""
    left: float | None = None
    """Remaining seconds; None while they are not known."""


class RunEstimate:
    """Follows one run. Its methods are safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, int]] = deque()
        """Times, and the number of messages that were done by then."""
        self._settled = 0
        self._total = 0
        self._known = False
        self._percent: int | None = None

    def see(self, at: float, settled: int, total: int, known: bool) -> None:
        """Take a state of the run.

        Args:
            at: seconds of a clock that never goes back.
            settled: messages that are done.
            total: messages in all, as far as it is known.
            known: whether `total` is the final number.
        """
        with self._lock:
            self._settled, self._total, self._known = settled, total, known
            if not self._samples or at - self._samples[-1][0] >= APART:
                self._samples.append((at, settled))
            self._forget(at)
            if known and total > 0:
                percent = min(max(settled, 0) * 100 // total, 100)
                self._percent = max(percent, self._percent or 0)

    def outlook(self, at: float) -> RunOutlook:
        """The outlook at a moment, in seconds of the same clock. If nothing more arrives, the rate falls."""
        with self._lock:
            self._forget(at)
            rate = self._rate(at)
            rest = self._total - self._settled
            left = rest / rate if self._known and rest > 0 and rate >= SLOWEST else None
            return RunOutlook(self._percent, rate, left)

    def _rate(self, at: float) -> float:
        if not self._samples:
            return 0.0
        then, had = self._samples[0]
        return (self._settled - had) / (at - then) if at - then >= LEAST else 0.0

    def _forget(self, at: float) -> None:
        """Drop the samples that are older than the window, except the one at its beginning."""
        while len(self._samples) > 1 and self._samples[1][0] <= at - WINDOW:
            self._samples.popleft()
