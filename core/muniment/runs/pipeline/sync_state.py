"""Marks: how far a place was listed when all of it was archived, so that a run lists only what has changed.

They are only a shortcut. They are kept in the catalog and lost when it is rebuilt. They are not used when a
run must reconsider messages that an earlier run skipped (deletion, age limits, mail left at its source).
"""

from __future__ import annotations

from muniment.archive.vault.vault import Vault
from muniment.runs.pipeline.plan import RunPlan
from muniment.sources.base import MailPlace, ResumableSource, Source

_NAME = "mark:"


class SyncMarks:
    """The marks of one profile's places."""

    def __init__(self, vault: Vault, plan: RunPlan) -> None:
        self._vault = vault
        self._plan = plan

    def of(self, place: MailPlace) -> str:
        """The mark that the last run reached at a place; "" for none."""
        return self._vault.catalog.meta_get(self._name(place)) or ""

    def keep(self, source: Source, failed: set[MailPlace]) -> None:
        """Store the marks that a complete run has reached, except for places where something failed."""
        if not isinstance(source, ResumableSource):
            return
        for place, mark in source.marks().items():
            if mark and place not in failed and mark != self.of(place):
                self._vault.catalog.meta_set(self._name(place), mark)

    def _name(self, place: MailPlace) -> str:
        """The key of a mark.

        It includes the way of reading, so that a mailbox is listed again when that changes.
        """
        way = "reports" if self._plan.journal else self._plan.owner_of(place)
        return "\n".join((_NAME, way, place.host, place.mailbox, place.folder))


def marks_of(vault: Vault, plan: RunPlan) -> SyncMarks | None:
    """The marks of a profile; None if every run must list everything."""
    again = plan.delete or plan.older_than or plan.newer_than or plan.unknown == "leave" or plan.journal
    return None if again else SyncMarks(vault, plan)
