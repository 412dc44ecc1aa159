"""Log lines about the progress of a longer run: counts only, nothing of the mail."""

from __future__ import annotations

from collections.abc import Callable

from muniment import api

EVERY = 10.0
"""Seconds of a run between two lines about its progress."""


class RunMilestones:
    """Turns the progress of one run into a few log lines; none for a run that finds nothing new."""

    def __init__(self, add: Callable[[str, str], None]) -> None:
        """`add` is called with a line and its level."""
        self._add = add
        self._begun = False
        self._at = 0.0
        self._bad = 0

    def see(self, progress: api.ProgressWord) -> None:
        """Take the progress of the run."""
        books = progress.books
        wanted = books["listed"] - books["already"]
        if not wanted or progress.stage == "done":
            return
        if not self._begun:
            self._begun, self._at = True, progress.seconds
            self._say(progress, f"{books['listed']:,} listed, {books['already']:,} of them archived before")
        bad = books["quarantined"] + books["failed"]
        if progress.seconds - self._at >= EVERY:
            self._at = progress.seconds
            self._say(progress, _progress_text(progress))
        if bad > self._bad:
            self._bad = bad
            self._say(
                progress, f"{books['quarantined']:,} quarantined, {books['failed']:,} failed", "warning"
            )

    def _say(self, progress: api.ProgressWord, text: str, level: str = "info") -> None:
        self._add(f"{progress.profile}: {text}", level)


def _progress_text(progress: api.ProgressWord) -> str:
    books = progress.books
    return (
        f"{books['fetched']:,} of {progress.expected:,} fetched: {books['new']:,} new, "
        f"{books['merged']:,} merged, {progress.indexed:,} indexed, {books['deleted']:,} deleted"
    )
