"""Groups, grants and mail over time against a naive model: who reads whom, and what a group's hold covers."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from muniment.archive.catalog.model import CatalogMention
from muniment.archive.retention.selected_people import Fit, GroupMatch
from muniment.mail.model import AddressRole
from muniment.people import changes
from muniment.people.directory import Directory
from muniment.people.grants import TO_GROUP, MailLimits, access_book, grant_value, revoke_value
from support.machines import machine_test

PEOPLE, GROUPS = ("ada", "bob", "cyd"), ("board", "legal")
LOGINS = {"l-ada": "ada", "l-bob": "bob", "stranger": ""}
"""Logins, each with the person that it is bound to."""
DAY = 86_400


class Row(NamedTuple):
    time: int
    content: str


class Given(NamedTuple):
    """A grant of the model."""

    reader: str
    people: frozenset[str]
    groups: frozenset[str]
    until: int | None
    limited: bool
    since: int


class Machine(RuleBasedStateMachine):
    """The directory and the grant records, and sets of days that say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000 * DAY
        self.directory = Directory()
        self.rows: list[Row] = []
        self.members: dict[tuple[str, str], set[int]] = {}
        """The days on which a person is in a group, as recorded now, from 10 days before the first to its
        300th day, by group and person."""
        self.given: dict[str, Given] = {}
        self.added: dict[str, int] = {}
        self.mail: list[tuple[str, int]] = []
        """Recipient and second of arrival."""
        self.covered: set[tuple[int, str]] = set()
        """Mail, by its place in the list, and the group of a hold that must cover it for ever."""

    @initialize()
    def begin(self) -> None:
        for person in PEOPLE:
            self.add(person)
        for group in GROUPS:
            self.directory.apply(changes.join_group(group, {"address": "nobody@else.example"}), self.now)
        for group, person in zip(GROUPS, PEOPLE, strict=False):
            self.enter(group, person, -9, 300)

    def add(self, person: str) -> None:
        self.directory.apply(changes.add_user(person, person, f"{person}@x.example"), self.now)
        self.added[person] = self.now

    @property
    def day(self) -> int:
        return self.now // DAY - 1_000

    @property
    def people(self) -> list[str]:
        return sorted(self.added)

    def note_covered(self) -> None:
        for place, (person, at) in enumerate(self.mail):
            for group in GROUPS:
                if at // DAY - 1_000 in self.members.get((group, person), ()):
                    self.covered.add((place, group))

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.now += days * DAY

    @precondition(lambda self: self.added)
    @rule(data=st.data(), group=st.sampled_from(GROUPS), first=st.integers(-5, 2), last=st.integers(0, 9))
    def join(self, data: st.DataObject, group: str, first: int, last: int) -> None:
        person = data.draw(st.sampled_from(self.people))
        self.enter(group, person, self.day + first, self.day + first + last + 1)

    def enter(self, group: str, person: str, start: int, end: int) -> None:
        self.directory.apply(
            changes.join_group(group, {"user": person}, valid_from=self.at(start), valid_to=self.at(end)),
            self.now,
        )
        self.members.setdefault((group, person), set()).update(range(start, end))
        self.note_covered()

    def at(self, day: int) -> int:
        return (day + 1_000) * DAY

    @rule(data=st.data(), back=st.integers(-4, 4))
    def leave(self, data: st.DataObject, back: int) -> None:
        known = sorted(key for key in self.members if key[1] in self.added)
        if not known:
            return
        group, person = data.draw(st.sampled_from(known))
        end = self.day + back
        self.directory.apply(changes.leave_group(group, {"user": person}, valid_to=self.at(end)), self.now)
        self.members[group, person] = {day for day in self.members[group, person] if day < end}
        self.now += 1  # mail of the same second may have come before

    @precondition(lambda self: self.added)
    @rule(data=st.data())
    def remove_person(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(self.people))
        self.now += DAY
        self.directory.apply(changes.remove_user(person), self.now)
        del self.added[person]
        for key in [key for key in self.members if key[1] == person]:
            self.members[key] = {day for day in self.members[key] if day < self.day}
        self.now += DAY

    @rule(person=st.sampled_from(PEOPLE))
    def add_person_again(self, person: str) -> None:
        if person not in self.added:
            self.add(person)

    @rule(
        reader=st.sampled_from([*LOGINS, *(TO_GROUP + group for group in GROUPS)]),
        people=st.sets(st.sampled_from(PEOPLE), max_size=2),
        groups=st.sets(st.sampled_from(GROUPS), max_size=1),
        until=st.none() | st.integers(1, 6),
        limited=st.booleans(),
    )
    def grant(
        self, reader: str, people: set[str], groups: set[str], until: int | None, limited: bool
    ) -> None:
        if not limited and len(people) + len(groups) != 1:
            return
        id_, end = f"{len(self.rows):08x}", None if until is None else self.at(self.day + until)
        limits = MailLimits(tuple(sorted(people)), tuple(sorted(people)), tuple(sorted(groups)))
        user = min(people, default="")
        value = grant_value(
            id_, reader, user, user, end, "why", "root", 0, group=min(groups, default=""),
            limits=limits if limited else None,
        )  # fmt: skip
        self.rows.append(Row(self.now, json.dumps(value)))
        self.given[id_] = Given(reader, frozenset(people), frozenset(groups), end, limited, self.now)

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        if self.given:
            id_ = data.draw(st.sampled_from(sorted(self.given)))
            self.rows.append(Row(self.now, json.dumps(revoke_value(id_, "why", "root", 0))))
            del self.given[id_]

    @rule()
    def mail_arrives(self) -> None:
        self.mail += [(person, self.now) for person in PEOPLE]
        self.note_covered()

    def is_in(self, group: str, person: str) -> bool:
        return self.day in self.members.get((group, person), ())

    @invariant()
    def the_rights_are_those_of_the_model(self) -> None:
        book = access_book(self.rows)
        for login, person in LOGINS.items():
            own = person if person in self.added else ""
            groups = self.directory.groups.of(own, self.now) if own else ()
            found = {
                one.id: one.people(self.directory, self.now)
                for one in book.grants_of(login, self.now, groups)
            }
            wanted = {}
            for id_, given in self.given.items():
                holds = given.until is None or self.now < given.until
                name = given.reader.removeprefix(TO_GROUP)
                has = self.is_in(name, own) if given.reader.startswith(TO_GROUP) else given.reader == login
                if holds and has:
                    read = {one for one in given.people if self.added.get(one, self.now + 1) <= given.since}
                    read |= {one for one in PEOPLE for group in given.groups if self.is_in(group, one)}
                    wanted[id_] = read
            assert found == wanted

    @invariant()
    def a_hold_on_a_group_covers_what_it_ever_covered_and_nothing_else(self) -> None:
        for group in GROUPS:
            if not self.directory.groups.all():
                return
            match = GroupMatch([group], self.directory, self.directory.ever)
            for place, (person, at) in enumerate(self.mail):
                mention = CatalogMention(AddressRole.TO, f"{person}@x.example", at, True)
                fit, _ = match.fit(mention, at)
                assert (fit is not Fit.NO) == ((place, group) in self.covered), (group, person, at)
                if fit is Fit.YES:
                    assert at // DAY - 1_000 in self.members[group, person]
                    assert person in self.added


TestGroups = machine_test(Machine, settings(max_examples=20, stateful_step_count=30, deadline=None))
LONG = settings(max_examples=2_000, stateful_step_count=60, deadline=None)
TestGroupsAtLength = pytest.mark.soak(pytest.mark.timeout(3600)(machine_test(Machine, LONG)))
