"""What a source refused during a run: mailboxes and folders that were not read, or not emptied."""

from __future__ import annotations

from collections.abc import Iterable

from muniment.sources.base import SourceRefusal
from muniment.system.sanitise import clean

NAMED = 100
"""Refusals that a run's result lists."""
SHOWN = 3
"""Mailboxes and folders that its sentence names."""


class RefusalCollector:
    """Collects refusals. A tenant may have any number of them, so only the first ones are kept."""

    def __init__(self) -> None:
        self._first: list[SourceRefusal] = []
        self._counts = {False: 0, True: 0}

    def add(self, refusals: Iterable[SourceRefusal]) -> None:
        """Add refusals."""
        for one in refusals:
            self._counts[one.deleting] += 1
            kept = sum(other.deleting == one.deleting for other in self._first)
            if kept < SHOWN or len(self._first) < NAMED:
                self._first.append(SourceRefusal(clean(one.where), clean(one.reason), one.deleting))

    @property
    def named(self) -> tuple[str, ...]:
        """The first refusals, each with its reason."""
        return tuple(f"{one.where}: {one.reason}" if one.where else one.reason for one in self._first)

    def sentences(self, error: BaseException | None = None) -> list[str]:
        """Sentences for the run's result.

        A refusal that is the same as `error`, which ended the run, is left out.
        """
        found = []
        for deleting, label in ((False, "Not read"), (True, "Not deleted from")):
            first = [one for one in self._first if one.deleting == deleting]
            if first and str(error) != first[0].reason:
                names = [one.where for one in first[:SHOWN] if one.where]
                more = self._counts[deleting] - len(first[:SHOWN])
                line = (
                    f"{label}: {', '.join(names)}{f' and {more:,} more' if more else ''}. " if names else ""
                )
                found.append(f"{line}{first[0].reason}")
        return found
