"""The progress of an export as steps: how many messages of how many, the rate, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from muniment import api
from muniment.runs.pipeline.estimate import RunEstimate
from muniment.system.formatting import count

EVERY = 0.5
"""Seconds between two steps."""


class ExportSteps:
    """Makes the steps of one export, the first at once."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._estimate = RunEstimate()
        self._next = 0.0

    def due(self, done: int, total: int) -> Iterator[api.Step]:
        """Yield a step if the last one is old enough.

        Args:
            done: Messages that are written.
            total: Messages in all; it may be an estimate that is too low.
        """
        now = self._monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        self._estimate.see(now, done, max(total, done), True)
        outlook = self._estimate.outlook(now)
        rate = f", {outlook.rate:,.0f}/s" if outlook.rate >= 1 else ""
        text = f"{count(done)} of {count(max(total, done))} messages{rate}"
        yield api.Step(text=text, percent=outlook.percent or 0, left=outlook.left)
