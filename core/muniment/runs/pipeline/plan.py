"""What one run does: a profile's settings in the form that the pipeline needs."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.archive.facts import REGENERATED, RoutingReason
from muniment.mail.headers.addresses import normalise
from muniment.mail.notes import OPAQUE
from muniment.runs.prepare.prepared_copy import PreparedCopy
from muniment.sources.base import MailItem, MailPlace

DAY = 86400


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A profile's settings. `config.model.Profile` explains them."""

    profile: str
    journal: bool
    delete: bool
    tenant: str = ""
    plain: str = "route"
    unknown: str = "catch-all"
    owner: str = ""
    owner_folder: str = "Inbox"
    older_than: int = 0
    newer_than: int = 0
    delete_after: int = 0
    """Days, as are `older_than` and `newer_than`."""
    regenerated: bool = False
    """Whether the source generates the bytes of a mail at each fetch. Then copies are linked to originals by
    likeness."""

    def takes(self, item: MailItem, now: float) -> bool:
        """Whether an item's age is one that is archived. An item without a date always is.

        `now` is in seconds since 1970 UTC.
        """
        age = None if item.date is None else (now - item.date) / DAY
        if age is None:
            return True
        return age >= self.older_than and (not self.newer_than or age <= self.newer_than)

    def deletes(self, item: MailItem, now: float) -> bool:
        """Whether an item may be deleted once it is kept.

        Never if its folder belongs to others or the source keeps it, nor without a date if a waiting time is
        set. `now` is in seconds since 1970 UTC.
        """
        if item.place.others or item.stays:
            return False
        if not self.delete or not self.delete_after:
            return self.delete
        return item.date is not None and (now - item.date) / DAY >= self.delete_after

    def owner_of(self, place: MailPlace) -> str:
        """The normalised address of the person to whom a place belongs; "" if it belongs to no person."""
        return normalise(place.owner or self.owner)

    def folder_of(self, place: MailPlace) -> str:
        """The folder in which its owner finds the mail of a place."""
        return place.title or place.folder or self.owner_folder

    def route(self, copy: PreparedCopy, enveloped: bool = False) -> tuple[RoutingReason, tuple[str, ...]]:
        """How a copy is routed, and notes that say why (docs/design.md, invariant 8).

        Args:
            copy: the prepared copy.
            enveloped: whether its SMTP envelope names further people.
        """
        if not self.journal:
            return RoutingReason.OWNER, self._about
        if OPAQUE in copy.notes:
            return RoutingReason.CATCH_ALL, ()
        if copy.report:
            route, notes = self._report_route(copy)
        elif self.plain == "catch-all":
            route, notes = RoutingReason.CATCH_ALL, ("no journal report, so routed to the catch-all",)
        else:
            by = "its headers and its SMTP envelope" if enveloped else "its headers"
            route, notes = RoutingReason.HEADERS, (f"no journal report, so routed by {by}",)
        return route, (*notes, *self._about)

    @property
    def _about(self) -> tuple[str, ...]:
        """Notes about the bytes themselves."""
        return (REGENERATED,) if self.regenerated else ()

    def reads_as(self, route: RoutingReason) -> bool:
        """Whether a copy with this earlier route was read in the way of this plan.

        If not (for example if an ordinary mailbox became a journal mailbox), it must be fetched again.
        """
        if not route:  # quarantined, so by a journal profile: an ordinary one unwraps nothing
            return self.journal
        return bool(route & ~RoutingReason.OWNER) if self.journal else bool(route & RoutingReason.OWNER)

    def _report_route(self, copy: PreparedCopy) -> tuple[RoutingReason, tuple[str, ...]]:
        if self.tenant and normalise(self.tenant) != copy.tenant:
            return RoutingReason.CATCH_ALL, (
                f"report from {copy.tenant or 'nobody'}, not from the pinned tenant",
            )
        return RoutingReason.JOURNAL, ()
