"""Messages that a reader must learn nothing about, such as those that are sealed from the reader."""

from __future__ import annotations

from collections.abc import Callable, Collection

Closed = Callable[[Collection[int]], Collection[int]]
"""Gives the messages of these that the reader must learn nothing about."""


def nothing_closed(messages: Collection[int]) -> Collection[int]:
    """The messages that are closed to a reader who may learn of everything: none."""
    return ()
