"""Answers who could read a message, or a person's mail, on a day: from the ledger's records alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from muniment import api
from muniment.archive.catalog import MessageRow
from muniment.archive.operations.check_names import person
from muniment.archive.retention.coverage import MessagePage
from muniment.archive.retention.holds import holds_of
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError
from muniment.people.directory import CATCH_ALL, Directory
from muniment.people.grants import TO_GROUP, AccessBook, AccessGrant, MailSeal
from muniment.people.routing import RoutedEnvelope, route_message
from muniment.service.access.limited_mail import GrantedMail
from muniment.service.access.rights import book_of
from muniment.service.access.roles import AccessRole, login_name
from muniment.service.host.session import ClientSession
from muniment.service.operations.access.rights import seal_word
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.reading import message_named
from muniment.service.operations.time_zone import zone_asked
from muniment.system.periods import period

MICROSECONDS = 1_000_000
ROOT = "root"
NO_ROLES = (
    "who was an administrator or an auditor by vault.toml is not recorded before {since}: the configuration "
    "records of the ledger have it"
)


@dataclass(frozen=True, slots=True)
class _Day:
    """The time that a question is about, and the records that matter for it."""

    start: int
    end: int
    """The first second after it."""
    book: AccessBook
    directories: tuple[Directory, ...]
    """The users at its beginning and at its end: a login that could read at either could read on that day."""
    owner: str
    """Login of the vault's owner."""

    @property
    def last(self) -> Directory:
        return self.directories[-1]

    def grants(self) -> Iterator[AccessGrant]:
        """The grants that were in force at some time of the day."""
        for grant in self.book.grants.values():
            ends = [end for end in (grant.until, grant.ended) if end is not None]
            if grant.since < self.end and all(self.start < end for end in ends):
                yield grant

    def people_of(self, grant: AccessGrant) -> set[str]:
        """The people whose mail a grant was about."""
        every = (grant.people(directory, self.start, self.end) for directory in self.directories)
        return set[str]().union(*every)

    def logins_of(self, grant: AccessGrant) -> list[str]:
        """The logins that had a grant: its own, or those of the members of its group."""
        if not grant.login.startswith(TO_GROUP):
            return [grant.login]
        group = grant.login.removeprefix(TO_GROUP)
        found = {
            binding.login: None
            for directory in self.directories
            for binding in directory.bindings()
            if binding.user in directory.groups.users(group, self.start, self.end)
            and directory.holder(binding.address) == binding.user
        }
        return list(found)

    def seals(self, people: Collection[str]) -> list[MailSeal]:
        """The seals of people that were in force during the whole day."""
        return [
            seal
            for seal in self.book.seals
            if seal.user in people and seal.holds(self.start) and seal.holds(self.end - 1)
        ]

    def roles(self) -> Iterator[tuple[str, str, int, int]]:
        """Login, role, beginning and end (0 for none) of each role of vault.toml in force on that day."""
        kept = self.book.roles
        for place, one in enumerate(kept):
            until = kept[place + 1].since if place + 1 < len(kept) else 0
            if one.since < self.end and (not until or self.start < until):
                for role, logins in (("administrator", one.administrators), ("auditor", one.auditors)):
                    yield from ((login, role, one.since, until) for login in logins)


def get_readers(session: ClientSession, request: api.GetReaders) -> api.Readers:
    """Answer GetReaders."""
    with session.reading() as vault:
        row = message_named(vault, request.id)
        day = _day(session, vault, request.on, request.zone)
        archived = vault.reader.read_frame(row.position).time // MICROSECONDS
        if archived >= day.end:
            gap = "the message was not archived yet on that day"
            return api.Readers(start=day.start, end=day.end, archived=archived, gaps=(gap,))
        people = _held_by(vault, row, day)
        return _answer(day, people, archived, list(_auditors_of(vault, row, day, people)))


def get_rights_of(session: ClientSession, request: api.GetRightsOf) -> api.Readers:
    """Answer GetRightsOf, for a login or for a person."""
    with session.reading() as vault:
        day = _day(session, vault, request.on, request.zone)
        known = set(_logins(day))
        if request.who in known:
            return _of_login(day, request.who)
        try:
            user = person(vault, request.who)
        except NotFound as error:
            raise NotFound(f"{error}; and no login {request.who!r} had a right on that day") from None
        limited = [grant for grant in day.grants() if _may_be_about(day, grant, user.id)]
        return _answer(day, {user.id}, 0, limited)


def _may_be_about(day: _Day, grant: AccessGrant, user: str) -> bool:
    """Whether a grant with limits may be about mail of a person: what else limits it depends on the mail."""
    return grant.limits is not None and (not grant.limits.of_people or user in day.people_of(grant))


def _auditors_of(vault: Vault, row: MessageRow, day: _Day, people: set[str]) -> Iterator[AccessGrant]:
    """The grants with limits, of that day, within which a message is by the people and holds of the day."""
    page = MessagePage(vault, [row])
    holds = [
        hold
        for hold in holds_of(vault)
        if hold.placed < day.end and (hold.release is None or day.start < hold.release.time)
    ]
    for grant in day.grants():
        if grant.limits is not None and any(
            GrantedMail(vault, grant, directory, holds, day.start, day.end).among(
                page, {row.sequence: people}
            )
            for directory in day.directories
        ):
            yield grant


def _answer(
    day: _Day, people: Collection[str], archived: int, limited: Collection[AccessGrant]
) -> api.Readers:
    seals = day.seals(people)
    readers = [
        one
        for one in _readers(day, people, limited)
        if one.right == "own mail" or all(one.login in seal.logins for seal in seals)
    ]
    return api.Readers(
        start=day.start, end=day.end, archived=archived,
        readers=tuple(readers),
        sealed=tuple(seal_word(seal, day.last) for seal in seals),
        people=tuple(sorted(day.last.label(user) for user in people)),
        gaps=tuple(_gaps(day)),
    )  # fmt: skip


def _readers(
    day: _Day, people: Collection[str], limited: Collection[AccessGrant]
) -> Iterator[api.ReaderWord]:
    """Everybody who could read mail in the folders of people, in the order of their rights.

    `limited` are the grants with limits that count.
    """
    for owner in dict.fromkeys((day.owner, ROOT)):
        yield api.ReaderWord(login=owner, right="owner")
    for login, role, since, until in day.roles():
        yield api.ReaderWord(login=login, right=role, since=since, until=until)
    for login, user, since in _bound(day, people):
        yield api.ReaderWord(login=login, right="own mail", person=day.last.label(user), since=since)
    for grant in day.grants():
        if grant.limits is not None:
            read = [""] if grant in limited else []
        else:
            read = sorted(day.people_of(grant) & set(people))
        for login in day.logins_of(grant):
            yield from (_grant_reader(day, grant, login, user) for user in read)


def _grant_reader(day: _Day, grant: AccessGrant, login: str, user: str) -> api.ReaderWord:
    ends = [end for end in (grant.until, grant.ended) if end is not None]
    return api.ReaderWord(
        login=login,
        right="grant" if grant.limits is None else "limited auditor",
        person=day.last.label(user) if user else "",
        since=grant.since,
        until=min(ends, default=0),
        grant=grant.id,
        reason=grant.reason,
        by=grant.by,
        limits=grant.limits.describe() if grant.limits is not None else "",
        group=grant.login.removeprefix(TO_GROUP) if grant.login.startswith(TO_GROUP) else grant.group,
    )


def _bound(day: _Day, people: Collection[str]) -> list[tuple[str, str, int]]:
    """Login, user and time of each login that was bound to one of the people."""
    found: dict[tuple[str, str], int] = {}
    for directory in day.directories:
        for binding in directory.bindings():
            user = binding.user
            if user is not None and user in people and directory.holder(binding.address) == user:
                found.setdefault((binding.login, user), binding.time)
    return [(login, user, since) for (login, user), since in found.items()]


def _of_login(day: _Day, login: str) -> api.Readers:
    """What a login could read."""
    everyone = {binding.user for one in day.directories for binding in one.bindings() if binding.user}
    own = [grant for grant in day.grants() if login in day.logins_of(grant)]
    granted = set[str]().union(*(day.people_of(grant) for grant in own if grant.limits is None))
    limited = [grant for grant in own if grant.limits is not None]
    readers = [one for one in _readers(day, everyone | granted, limited) if one.login == login]
    everything = any(not one.person for one in readers)
    sealed = [seal for seal in day.seals({seal.user for seal in day.book.seals}) if login not in seal.logins]
    return api.Readers(
        start=day.start, end=day.end, readers=tuple(readers),
        sealed=tuple(seal_word(seal, day.last) for seal in sealed) if everything else (),
        gaps=tuple(_gaps(day)),
    )  # fmt: skip


def _logins(day: _Day) -> Iterator[str]:
    yield from (day.owner, ROOT)
    yield from (login for login, *_ in day.roles())
    yield from (binding.login for one in day.directories for binding in one.bindings() if binding.user)
    yield from (login for grant in day.grants() for login in day.logins_of(grant))


def _gaps(day: _Day) -> Iterator[str]:
    first = day.book.roles[0].since if day.book.roles else None
    if first is not None and day.start < first:
        moment = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(first))
        yield NO_ROLES.format(since=moment)


def _held_by(vault: Vault, row: MessageRow, day: _Day) -> set[str]:
    """The ids of the people in whose folders a message was on that day, by the copies archived by then."""
    copies = _archived_copies(vault, row, day.end)
    found = {place.user for one in day.directories for place in route_message(copies, one)}
    return found - {CATCH_ALL} or {CATCH_ALL}


def _archived_copies(vault: Vault, row: MessageRow, end: int) -> list[RoutedEnvelope]:
    late = [
        copy.sequence
        for copy in vault.catalog.envelopes_of(row.sequence)
        if vault.reader.read_frame(copy.position).time // MICROSECONDS >= end
    ]
    every = vault.catalog.copies_since([row.sequence], 0).get(row.sequence, [])
    if not late:
        return every
    after = vault.catalog.copies_since([row.sequence], min(late)).get(row.sequence, [])
    return list((Counter(every) - Counter(after)).elements())


def _day(session: ClientSession, vault: Vault, text: str, zone: str) -> _Day:
    """The day of a question, with what was recorded by then.

    Raises:
        UsageError: it can't be read, or is to come.
    """
    now = int(time.time())
    try:
        start, end = period(text or "today", now, zone_asked(zone))
    except ValueError:
        raise UsageError(f"{text!r} is no day: write 2027-03-31, today or 7d") from None
    if start > now:
        raise UsageError(f"{text} is to come: nothing is recorded for it yet")
    end = min(end, now + 1)
    directories = tuple(vault.catalog.directory_on(at) for at in (start, end - 1))
    return _Day(start, end, book_of(vault), directories, login_name(session.folder.stat().st_uid))


OPERATIONS = (
    Operation(api.GetReaders, (api.Readers,), AccessRole.AUDITOR, get_readers, audit=AuditRule.AFTER),
    Operation(api.GetRightsOf, (api.Readers,), AccessRole.AUDITOR, get_rights_of),
)
