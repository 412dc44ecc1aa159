"""What one run is to do: a profile's choices as the pipeline needs them."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.archive.derive import OPAQUE
from muniment.archive.facts import Route
from muniment.mail.addresses import normalise
from muniment.runs.copy import PreparedCopy


@dataclass(frozen=True, slots=True)
class Plan:
    """A profile's choices; see config.model.Profile for their meanings."""

    profile: str
    journal: bool
    delete: bool
    tenant: str = ""
    plain: str = "route"
    unknown: str = "catch-all"
    owner: str = ""
    owner_folder: str = "Inbox"

    def route(self, copy: PreparedCopy) -> tuple[Route, tuple[str, ...]]:
        """How a copy is routed, and the notes that say why (invariant 8)."""
        if not self.journal:
            return Route.OWNER, ()
        if OPAQUE in copy.notes:
            return Route.CATCH_ALL, ()
        if copy.report:
            return self._report_route(copy)
        if self.plain == "catch-all":
            return Route.CATCH_ALL, ("no journal report, so routed to the catch-all",)
        return Route.HEADERS, ("no journal report, so routed by its headers",)

    def reads_as(self, route: Route) -> bool:
        """Whether a copy that was routed so before was read as this plan reads mail.

        If not (a journal mailbox that was archived as an ordinary one, say), it must be fetched again.
        """
        if not route:  # quarantined: by a journal profile, since an ordinary one unwraps nothing
            return self.journal
        return bool(route & ~Route.OWNER) if self.journal else bool(route & Route.OWNER)

    def _report_route(self, copy: PreparedCopy) -> tuple[Route, tuple[str, ...]]:
        if self.tenant and normalise(self.tenant) != copy.tenant:
            return Route.CATCH_ALL, (f"report from {copy.tenant or 'nobody'}, not from the pinned tenant",)
        return Route.JOURNAL, ()
