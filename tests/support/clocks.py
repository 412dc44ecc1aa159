"""A clock that waits move forward, so that no test really waits as long as a server asks."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from muniment.net import retry
from muniment.runs.pipeline.pause import RunPause


class Clock:
    """The real time plus everything that was waited. For any thread."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None
        """Called before each wait."""

    def now(self) -> float:
        """The time in seconds."""
        return time.monotonic() + sum(self.waits)

    def sleep(self, seconds: float) -> None:
        """Move the clock forward without waiting."""
        self.on_wait()
        self.waits.append(seconds)

    @property
    def waited(self) -> float:
        """Seconds that were waited in all."""
        return sum(self.waits)


def skip_waits(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let runs wait by such a clock, and return it."""
    clock = Clock()

    def wait(pause: RunPause, seconds: float) -> None:
        pause.check()
        clock.sleep(seconds)

    monkeypatch.setattr(RunPause, "__call__", wait)
    monkeypatch.setattr(retry, "now", clock.now)
    return clock
