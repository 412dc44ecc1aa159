"""What a run that takes a while leaves in the log on its way: counts alone."""

from __future__ import annotations

from collections.abc import Callable

from muniment import api

EVERY = 10.0
"""Seconds of a run between two lines on how far it is."""


class Milestones:
    """Turns one run's progress into a few lines; a run that finds nothing new leaves none."""

    def __init__(self, add: Callable[[str, str], None]) -> None:
        """`add` takes a line and its level."""
        self._add = add
        self._begun = False
        self._at = 0.0
        self._bad = 0

    def see(self, word: api.ProgressWord) -> None:
        """The run has come so far."""
        books = word.books
        wanted = books["listed"] - books["already"]
        if not wanted or word.stage == "done":
            return
        if not self._begun:
            self._begun, self._at = True, word.seconds
            self._say(word, f"{books['listed']:,} listed, {books['already']:,} of them kept already")
        bad = books["quarantined"] + books["failed"]
        if word.seconds - self._at >= EVERY:
            self._at = word.seconds
            self._say(word, _far(word))
        if bad > self._bad:
            self._bad = bad
            self._say(word, f"{books['quarantined']:,} quarantined, {books['failed']:,} failed", "warning")

    def _say(self, word: api.ProgressWord, text: str, level: str = "info") -> None:
        self._add(f"{word.profile}: {text}", level)


def _far(word: api.ProgressWord) -> str:
    books = word.books
    return (
        f"{books['fetched']:,} of {word.expected:,} fetched: {books['new']:,} new, "
        f"{books['merged']:,} merged, {word.indexed:,} indexed, {books['deleted']:,} deleted"
    )
