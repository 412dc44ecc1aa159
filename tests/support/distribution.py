"""The order of the tests for several test processes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

SHORT = {"config", "mail", "net", "notify", "people", "profiles", "system"}
"""Folders whose tests take milliseconds."""
LONGEST = (
    "soak/test_debian.py",
    "soak/test_fuzzing.py",
    "service/test_hammer.py",
    "archive/test_interleavings.py",
    "soak/test_watch.py",
)
"""Files of the soak that take longest, in this order."""

T = TypeVar("T")


def spread(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """Give each process a share of the long tests, and behind it a share of the short ones.

    pytest-xdist gives each process a section of the list. A process that has finished takes over the last
    tests of another. Those are short, so all processes end at the same time.
    """
    tests = Path(__file__).parents[1]
    long: list[pytest.Item] = []
    short: list[pytest.Item] = []
    for item in items:
        (short if item.path.relative_to(tests).parts[0] in SHORT else long).append(item)
    shares = zip(_shares(long, processes), _shares(short, processes), strict=True)
    return [item for first, second in shares for item in (*first, *second)]


def longest_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Start the longest files first, so that no process works alone on one of them at the end."""
    tests = Path(__file__).parents[1]
    order = {tests / name: number for number, name in enumerate(LONGEST)}
    return sorted(items, key=lambda item: order.get(item.path, len(order)))


def _shares(items: Sequence[T], count: int) -> list[Sequence[T]]:
    ends = [len(items) * number // count for number in range(count + 1)]
    return [items[start:end] for start, end in itertools.pairwise(ends)]
