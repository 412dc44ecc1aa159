"""Marks: how far a place was listed once all of it was archived, so that a run need list only what changed.

They are a short cut and nothing else: kept in the catalog, lost when it is rebuilt, and not used where a run
may want again what a run before passed by (deleting, ages, mail that is left at its source).
"""

from __future__ import annotations

from muniment.archive.vault.vault import Vault
from muniment.runs.pipeline.plan import Plan
from muniment.sources.base import Place, Resumable, Source

_NAME = "mark:"


class Marks:
    """The marks of one profile's places."""

    def __init__(self, vault: Vault, plan: Plan) -> None:
        self._vault = vault
        self._plan = plan

    def of(self, place: Place) -> str:
        """Where the last run came to at a place; "" for nowhere."""
        return self._vault.catalog.meta_get(self._name(place)) or ""

    def keep(self, source: Source, failed: set[Place]) -> None:
        """Remember where a run that went to its end came to, but for places of which something failed."""
        if not isinstance(source, Resumable):
            return
        for place, mark in source.marks().items():
            if mark and place not in failed and mark != self.of(place):
                self._vault.catalog.meta_set(self._name(place), mark)

    def _name(self, place: Place) -> str:
        """How mail is read is part of it: a mailbox that is to be read in another way is listed anew."""
        way = "reports" if self._plan.journal else self._plan.owner_of(place)
        return "\n".join((_NAME, way, place.host, place.mailbox, place.folder))


def marks_of(vault: Vault, plan: Plan) -> Marks | None:
    """The marks of a profile; None where every run has to list all."""
    again = plan.delete or plan.older_than or plan.newer_than or plan.unknown == "leave" or plan.journal
    return None if again else Marks(vault, plan)
