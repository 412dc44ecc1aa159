"""Waiting in tests for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds until a wait is given up: long enough for a busy machine."""
STEP = 0.02


def eventually(holds: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until `holds` returns something true; fails the test after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen within {within:g} s"
        time.sleep(STEP)
