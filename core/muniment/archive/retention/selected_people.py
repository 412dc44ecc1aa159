"""Compares the addresses on mail with the people and directions of selections."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from muniment.archive.catalog.model import CatalogMention
from muniment.archive.retention.selection import AddressSpan, MailSelection, OwnNames, SelectedPerson
from muniment.errors import NotFound
from muniment.mail.headers.addresses import domain, without_tag
from muniment.mail.model import INBOX_ROLES, SENT_ROLES
from muniment.people.directory import Directory


class Fit(IntEnum):
    """Whether something is selected."""

    NO = 0
    MAYBE = 1
    YES = 2

    @property
    def opposite(self) -> Fit:
        """Whether it is not selected."""
        return Fit(Fit.YES - self)


class PersonMatch:
    """A person of a selection, by the addresses of the record's day, those of today, and all in between."""

    def __init__(self, person: SelectedPerson, directory: Directory) -> None:
        self._user = person.user
        self._directory = directory
        self._there = bool(person.user) and _is_there(directory, person.user)
        self._spans: dict[str, list[AddressSpan]] = {}
        for span in person.addresses:
            self._spans.setdefault(span.address, []).append(span)
        self._ever = directory.ever.addresses(person.user) if person.user else frozenset()

    def fit(self, mention: CatalogMention) -> Fit:
        """Return whether an address on a copy is the person's."""
        names = {mention.address, without_tag(mention.address)}
        if self._there:
            if self._directory.resolve(mention.address, mention.time) == self._user:
                return Fit.YES
            return Fit.MAYBE if self._recorded(names, mention.time) or names & self._ever else Fit.NO
        if self._recorded(names, mention.time):
            return Fit.YES
        return Fit.MAYBE if names & self._ever else Fit.NO

    def _recorded(self, names: set[str], time: int) -> bool:
        """Return whether the record says that an address was the person's at a time."""
        return any(
            (span.start is None or span.start <= time) and (span.end is None or time < span.end)
            for name in names
            for span in self._spans.get(name, [])
        )


def _is_there(directory: Directory, user: str) -> bool:
    try:
        directory.user(user)
    except NotFound:
        return False
    return True


class DirectionMatch:
    """The direction of a selection: whose are sender and recipients, then and today."""

    def __init__(self, selection: MailSelection, directory: Directory) -> None:
        self._direction = selection.direction
        self._then = selection.own or OwnNames()
        self._held = frozenset(self._then.addresses)
        self._directory = directory
        self._ever = directory.ever

    def fit(self, mentions: Iterable[CatalogMention]) -> Fit:
        """Return whether a message with these addresses goes in this direction."""
        named = list(mentions)
        senders = [self.own(one.address) for one in named if one.role in SENT_ROLES]
        recipients = [self.own(one.address) for one in named if one.role in INBOX_ROLES]
        own_sender, other_sender = _sides(senders)
        own_recipient, other_recipient = _sides(recipients)
        if self._direction == "in":
            found = min(other_sender, own_recipient)
        elif self._direction == "out":
            found = min(own_sender, other_recipient)
        else:
            found = min(own_sender, own_recipient, other_recipient.opposite)
        return found if any(one.trusted for one in named) else min(found, Fit.MAYBE)

    def own(self, address: str) -> Fit:
        """Return whether an address is the organisation's own."""
        name, place = without_tag(address), domain(address)
        today = place in self._directory.domains or self._directory.holder(address) is not None
        then = place in self._then.domains or address in self._held or name in self._held
        if today and then:
            return Fit.YES
        ever = place in self._ever.domains or not self._ever.given.isdisjoint((address, name))
        return Fit.MAYBE if today or then or ever else Fit.NO


def _sides(own: list[Fit]) -> tuple[Fit, Fit]:
    """Return whether one of the addresses is the organisation's own, and whether one is another's."""
    return max(own, default=Fit.NO), max((one.opposite for one in own), default=Fit.NO)
