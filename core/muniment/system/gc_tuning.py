"""Settings of the garbage collector that avoid useless work."""

from __future__ import annotations

import functools
import gc

SELDOM = (20_000, 20, 20)
"""The collector's thresholds: the first is the number of new objects between two collections (default
700)."""


def look_seldom() -> None:
    """Collect seldom, for a program that starts.

    Almost nothing that is loaded at start-up becomes garbage. With the default thresholds the collector takes
    a fifth of start-up time.
    """
    gc.set_threshold(*SELDOM)


@functools.cache
def ease_collector() -> None:
    """Exclude everything that this process has loaded from collection, and collect seldom.

    Done once a process.

    A run makes many values and few cycles. The collector would spend a tenth of its time looking for them.
    """
    gc.freeze()
    look_seldom()
