"""Sparing the garbage collector work that it does for nothing."""

from __future__ import annotations

import functools
import gc

SELDOM = (20_000, 20, 20)
"""How much is made between two looks of the collector; by default it is 700."""


def look_seldom() -> None:
    """For a program that starts: of what it loads nothing is ever collected, and looking takes a fifth of the
    time."""
    gc.set_threshold(*SELDOM)


@functools.cache
def ease_collector() -> None:
    """Have it pass over what this process has loaded, and look less often; done once a process.

    A run makes many values and few cycles, and would spend a tenth of its time on looking for them.
    """
    gc.freeze()
    look_seldom()
