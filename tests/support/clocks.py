"""A clock that waits move on, so that no test sits out what a server asks for."""

from __future__ import annotations

import time

import pytest

from muniment.runs.pipeline.pause import Pause
from muniment.sources import retry


class Clock:
    """The real time, and all that was waited on top of it. For any thread."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> float:
        """Seconds."""
        return time.monotonic() + sum(self.waits)

    def sleep(self, seconds: float) -> None:
        """Time goes by; nobody waits."""
        self.waits.append(seconds)

    @property
    def waited(self) -> float:
        """Seconds that were waited in all."""
        return sum(self.waits)


def skip_waits(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have runs wait by a clock of this kind, which is returned."""
    clock = Clock()

    def wait(pause: Pause, seconds: float) -> None:
        pause.check()
        clock.sleep(seconds)

    monkeypatch.setattr(Pause, "__call__", wait)
    monkeypatch.setattr(retry, "now", clock.now)
    return clock
