"""Holds against a naive model: mail, people and holds change in any order, and no change uncovers mail."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from muniment import api
from muniment.errors import MunimentError
from support.machines import machine_test
from support.reports import plain, report
from support.vaults import TestVault

PEOPLE = ("anna@example.com", "bob@example.com")
ADDRESSES = ("a@corp.net", "b@corp.net", "c@corp.net", "anna@example.com", "x@else.org")
WORDS = ("plum", "pear")


class HoldMachine(RuleBasedStateMachine):
    """The vault, and what the model knows: each mail's addresses and word, each user's addresses so far."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="holds-"))
        self.vault = TestVault(self.home / "vault")
        self.mail: dict[str, tuple[set[str], str]] = {}
        self.ever: dict[str, set[str]] = {}
        self.holds: dict[str, tuple[str, str]] = {}
        """Person and word of each open hold; "" for any."""
        self.must: dict[str, set[str]] = {}
        """What each open hold has covered, by the subjects of the mail."""
        self.placed = 0

    @initialize()
    def people(self) -> None:
        for person, alias in zip(PEOPLE, ADDRESSES, strict=False):
            self._give(person, alias)

    def _give(self, person: str, *aliases: str) -> None:
        request = api.AddUser(name=person, addresses=(person, *aliases))
        self.vault.client.call(request, api.Done)
        self.ever.setdefault(person, {person}).update(aliases)

    def _there(self) -> set[str]:
        return {user.user for user in self.vault.client.call(api.ListUsers(), api.Users).users if user.name}

    @rule(
        mails=st.lists(
            st.tuples(st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES), st.sampled_from(WORDS)),
            min_size=1,
            max_size=3,
        )
    )
    def mail_arrives(self, mails: list[tuple[str, str, str]]) -> None:
        reports = []
        for sender, to, word in mails:
            subject = f"mail{len(self.mail)}"
            original = plain(sender=sender, to=[to], subject=subject, body=f"{word} pie {subject}\n")
            reports.append(report(original, sender=sender, recipients=[to]))
            self.mail[subject] = ({sender, to}, word)
        assert self.vault.archive(reports, journal=True).state == "ok"

    @rule(person=st.sampled_from(("", *PEOPLE)), word=st.sampled_from(("", *WORDS)))
    def hold_is_placed(self, person: str, word: str) -> None:
        if person and person not in self._there():
            return
        self.placed += 1
        name = f"hold{self.placed}"
        mail = api.MailCriteria(people=(person,) if person else (), query=word)
        request = api.PlaceHold(name=name, reason="case", mail=mail, everything=not (person or word))
        self.vault.client.call(request, api.HoldWord)
        self.holds[name], self.must[name] = (person, word), set()

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def hold_is_released(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.holds)))
        self.vault.client.call(api.ReleaseHold(name=name.upper(), reason="settled"), api.Decided)
        del self.holds[name], self.must[name]

    @rule(person=st.sampled_from(PEOPLE), address=st.sampled_from(ADDRESSES[:4]))
    def address_is_given_or_moves(self, person: str, address: str) -> None:
        if person in self._there():
            self._give(person, address)

    @rule(person=st.sampled_from(PEOPLE), address=st.sampled_from(ADDRESSES[:3]))
    def alias_is_removed(self, person: str, address: str) -> None:
        with suppress(MunimentError):  # it was not theirs
            self.vault.client.call(api.RemoveUser(user=person, alias=address), api.Done)

    @rule(person=st.sampled_from(PEOPLE))
    def user_is_removed(self, person: str) -> None:
        if person in self._there():
            self.vault.client.call(api.RemoveUser(user=person), api.Done)

    @rule()
    def projections_are_rebuilt(self) -> None:
        self.vault.rebuild()

    @invariant()
    def what_was_covered_stays_covered(self) -> None:
        covered = self._covered()
        there = self._there()
        for name, (person, word) in self.holds.items():
            now = {subject for subject, (_, its) in self.mail.items() if word in ("", its)}
            may = {one for one in now if not person or self.mail[one][0] & self.ever[person]}
            if person:
                now &= self._mail_of(person) if person in there else set()
            self.must[name] |= now
            assert self.must[name] <= covered[name] <= may, name

    def _covered(self) -> dict[str, set[str]]:
        """What each open hold covers, by the program."""
        found: dict[str, set[str]] = {name: set() for name in self.holds}
        *words, end = self.vault.client.stream(api.ListHeld())
        assert end == api.HeldEnd(messages=len(words))
        for word in words:
            assert isinstance(word, api.HeldMessage)
            for one in word.holds:
                found[one.name].add(word.subject)
        return found

    def _mail_of(self, person: str) -> set[str]:
        """The mail in a person's folders."""
        return {hit.subject for hit in self.vault.search("", person)}

    def teardown(self) -> None:
        self.vault.sound()
        self.vault.client.close()
        shutil.rmtree(self.home)


TestHolds = pytest.mark.slow(
    machine_test(HoldMachine, settings(max_examples=5, stateful_step_count=12, deadline=None))
)
