"""Compares the addresses on mail with the people, groups and directions of selections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

from muniment.archive.catalog.model import CatalogMention
from muniment.archive.retention.selection import AddressSpan, MailSelection, OwnNames, SelectedPerson
from muniment.errors import NotFound
from muniment.mail.headers.addresses import domain, without_tag
from muniment.mail.model import INBOX_ROLES, SENT_ROLES
from muniment.people.directory import Directory
from muniment.people.ever_held import EverHeld
from muniment.people.groups import Membership

MOVED = "an address on it has changed hands"
GROUP = "it is not certain that its person was in the group then"


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
    """A person of a selection, by the addresses of the record's day, those of today, and all in between.

    An address that was no user's may be a person's later. Then their mail at other addresses may be meant,
    too: when the address was recorded, its person was unknown.
    """

    def __init__(self, person: SelectedPerson, directory: Directory, ever: EverHeld) -> None:
        self._user = person.user
        self._directory = directory
        self._there = bool(person.user) and _is_there(directory, person.user)
        self._spans: dict[str, list[AddressSpan]] = {}
        for span in person.addresses:
            self._spans.setdefault(span.address, []).append(span)
        followed = (
            [person.user]
            if person.user
            else [user for span in person.addresses for user in ever.holders(span.address)]
        )
        self._ever = frozenset[str]().union(*(ever.addresses(user) for user in followed))
        self.names = self._ever | self._spans.keys()
        """All addresses of mail that may be the person's, but for those with a tag."""

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


class GroupMatch:
    """The groups of a selection: who was in one of them when a message came, or was recorded so once."""

    def __init__(self, names: Iterable[str], directory: Directory, ever: EverHeld) -> None:
        self._directory = directory
        self._by_user: dict[str, list[_Member]] = {}
        self._by_address: dict[str, list[_Member]] = {}
        for name in names:
            for member, membership in directory.groups.named(name).members.items():
                spans = (AddressSpan(member.address),) if member.address else ()
                person = PersonMatch(SelectedPerson("", member.user, spans), directory, ever)
                self._by_user.setdefault(member.user, []).append((person, membership))
                for address in person.names:
                    self._by_address.setdefault(address, []).append((person, membership))

    def fit(self, mention: CatalogMention, received: int) -> tuple[Fit, str]:
        """Return whether an address on a copy is a member's, and why that is not certain.

        Args:
            mention: The address.
            received: When the vault received the message, in seconds since 1970 UTC.
        """
        best = Fit.NO, ""
        for person, membership in self._named(mention):
            fit, then = person.fit(mention), _then(membership, mention.time, received)
            if min(fit, then) > best[0]:
                best = min(fit, then), "" if fit is then is Fit.YES else MOVED if then is Fit.YES else GROUP
        return best

    def _named(self, mention: CatalogMention) -> Iterator[_Member]:
        """Yield the members whose address it may be."""
        user = self._directory.resolve(mention.address, mention.time)
        yield from self._by_user.get(user or "-", ())
        for name in {mention.address, without_tag(mention.address)}:
            yield from self._by_address.get(name, ())


_Member = tuple[PersonMatch, Membership]


def _then(membership: Membership, *times: int) -> Fit:
    """Return whether someone was a member at all of these times."""
    if all(membership.at(time) for time in times):
        return Fit.YES
    return Fit.MAYBE if any(membership.once_at(time) for time in times) else Fit.NO


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
