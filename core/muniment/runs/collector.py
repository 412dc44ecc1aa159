"""Sparing the garbage collector work that a run gives it for nothing."""

from __future__ import annotations

import functools
import gc


@functools.cache
def ease_collector() -> None:
    """Have it pass over what this process has loaded, and look less often; done once a process.

    A run makes many values and few cycles, and would spend a tenth of its time on looking for them.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
