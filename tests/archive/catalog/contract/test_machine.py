"""The contract of every catalog, under any order of mail, changes, crashes and restarts."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from muniment.archive.facts import EnvelopeFact, Fact, MessageFact, RoutingReason
from muniment.archive.ledger.model import LedgerHead
from muniment.errors import MunimentError
from muniment.mail.model import AddressRole
from muniment.people.changes import (
    Change,
    add_address,
    add_user,
    remove_address,
    remove_user,
    set_domains,
)
from muniment.people.directory import Directory
from support.catalogs import MAKERS, Breakdown, CatalogMaker
from support.catalogued import Batches, as_replayed, filed, heirs, sha
from support.machines import machine_test

ADDRESSES = ["a@own.example", "a+t@own.example", "b@own.example", "c@else.example"]
Parties = list[tuple[AddressRole, str]]
Owner = dict[str, str]
PARTIES = st.lists(st.tuples(st.sampled_from(AddressRole), st.sampled_from(ADDRESSES)), max_size=3)
ROUTES = st.sampled_from(
    [
        RoutingReason.JOURNAL,
        RoutingReason.HEADERS,
        RoutingReason.CATCH_ALL,
        RoutingReason.CATCH_ALL | RoutingReason.JOURNAL,
        RoutingReason.OWNER,
    ]
)
OWNERS = st.fixed_dictionaries(
    {"owner": st.sampled_from(ADDRESSES), "owner_folder": st.sampled_from(["INBOX", "Sent", "Old"])}
)
TIMES = st.integers(0, 9)
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(
        add_user, st.sampled_from("xy"), st.just("N"), st.sampled_from(ADDRESSES), since=st.none() | TIMES
    ),
    st.builds(add_address, st.sampled_from("xy"), st.sampled_from(ADDRESSES), valid_from=st.none() | TIMES),
    st.builds(remove_address, st.sampled_from("xy"), st.sampled_from(ADDRESSES)),
    st.builds(remove_user, st.sampled_from("xy")),
    st.builds(set_domains, st.sampled_from([[], ["own.example"], ["own.example", "else.example"]])),
)


class CatalogMachine(RuleBasedStateMachine):
    maker: ClassVar[CatalogMaker]
    """Makes the catalogs; a subclass for each implementation sets it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        self.catalog = self.maker.create(self.place)
        self.directory = Directory()
        self.batches = Batches()
        self.numbers = itertools.count()
        self.messages: list[str] = []
        self.copies: list[str] = []

    def teardown(self) -> None:
        try:
            self.check_everything()
        finally:
            self.catalog.close()
            self.folder.cleanup()

    @initialize(own=st.booleans())
    def begin(self, own: bool) -> None:
        if own:
            self.change([set_domains(["own.example"])], 0)

    # --- events -------------------------------------------------------------------------------

    @rule(parties=PARTIES, time=TIMES, date=st.integers(0, 3), route=ROUTES, owner=OWNERS)
    def send(self, parties: Parties, time: int, date: int, route: RoutingReason, owner: Owner) -> None:
        name = f"m{next(self.numbers)}"
        self.messages.append(name)
        self.batches.message(name, date=date)
        self.copy([name], parties, time, route, owner)

    @precondition(lambda self: self.messages)
    @rule(data=st.data(), parties=PARTIES, time=TIMES, route=ROUTES, owner=OWNERS)
    def fork(
        self,
        data: st.DataObject,
        parties: Parties,
        time: int,
        route: RoutingReason,
        owner: Owner,
    ) -> None:
        brought = data.draw(st.lists(st.sampled_from(self.messages), min_size=1, max_size=2, unique=True))
        self.copy(brought, parties, time, route, owner)

    def copy(
        self,
        brought: list[str],
        parties: Parties,
        time: int,
        route: RoutingReason,
        owner: Owner,
    ) -> None:
        name = f"e{next(self.numbers)}"
        self.copies.append(name)
        self.batches.envelope(name, brought, *parties, time=time)
        self.batches.receipt(name, route, **owner)

    @precondition(lambda self: self.copies)
    @rule(data=st.data(), route=ROUTES, owner=OWNERS, flags=st.sampled_from([(), ("not due here",)]))
    def repeat(self, data: st.DataObject, route: RoutingReason, owner: Owner, flags: tuple[str, ...]) -> None:
        name = data.draw(st.sampled_from(self.copies))
        self.batches.receipt(name, route, key=f"{name} again", flags=flags, **owner)

    @precondition(lambda self: len(self.messages) > 1)
    @rule(data=st.data())
    def displace(self, data: st.DataObject) -> None:
        former, name = data.draw(st.permutations(self.messages))[:2]
        self.batches.original(name, former)
        self.messages.remove(former)

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(self.messages), min_size=1, max_size=2, unique=True))
        if self.batches.facts:
            self.commit()
        fact = self.batches.erase(names)
        self.messages = [name for name in self.messages if name not in names]
        gone = set(fact.copies) - {copy.sha for copy in fact.kept}
        self.copies = [name for name in self.copies if sha(name) not in gone]
        self.commit()

    @precondition(lambda self: self.copies)
    @rule(data=st.data())
    def delete_at_source(self, data: st.DataObject) -> None:
        self.batches.deletion(*data.draw(st.lists(st.sampled_from(self.copies), max_size=3)))

    @rule(name=st.sampled_from(["q1", "q2"]), resolved=st.booleans())
    def quarantine(self, name: str, resolved: bool) -> None:
        self.batches.quarantine(name, resolved=resolved)
        if not resolved:
            self.batches.receipt(name, RoutingReason(0), key=f"{name} {self.batches.sequence}")

    @rule(wanted=st.lists(CHANGES, max_size=3), time=TIMES)
    def change(self, wanted: list[Change], time: int) -> None:
        trial = self.catalog.directory.copy()
        if self.batches.facts:
            self.commit()
        for change in wanted:
            try:
                trial.apply(change, time)
            except MunimentError:
                continue
            self.batches.change(change, time)
            self.directory.apply(change, time)
        self.commit()

    @rule()
    def commit(self) -> None:
        self.catalog.apply(*self.batches.commit())

    @precondition(lambda self: self.batches.facts)
    @rule()
    def crash_in_apply(self) -> None:
        before = self.catalog.dump()
        facts, head = self.batches.commit()
        with self.maker.breaking(), pytest.raises(Breakdown):
            self.catalog.apply(facts, head)
        assert self.catalog.dump() == before
        self.catalog.apply(facts, head)

    @rule(steps=st.integers(1, 3), batch=st.integers(1, 4))
    def refile_partly(self, steps: int, batch: int) -> None:
        for _, _ in zip(range(steps), self.catalog.refile(batch=batch), strict=False):
            pass

    @rule()
    def reopen(self) -> None:
        if self.batches.facts:
            self.commit()
        self.catalog.close()
        self.catalog = self.maker.open(self.place)

    @precondition(lambda self: self.batches.done)
    @rule(data=st.data())
    def apply_again(self, data: st.DataObject) -> None:
        before = self.catalog.dump()
        self.catalog.apply(*data.draw(st.sampled_from(self.batches.done)))
        assert self.catalog.dump() == before

    # --- invariants ---------------------------------------------------------------------------

    @invariant()
    def counts_and_rows_agree_with_placements(self) -> None:
        dump = self.catalog.dump()
        counted = Counter((user, folder) for user, folder, _, _ in dump["placements"])
        assert {box: count for box, (_, count) in dump["counts"].items()} == counted
        by_message: dict[str, list[tuple[str, str]]] = {message: [] for message in dump["messages"]}
        for user, folder, date, message in dump["placements"]:
            by_message[message].append((user, folder))
            assert dump["messages"][message][4] == date
        assert dump["folders"] == {message: sorted(places) for message, places in by_message.items()}
        assert all(by_message.values())

    @invariant()
    def the_directory_is_the_sum_of_its_changes(self) -> None:
        found = self.catalog.directory
        assert found.version == self.directory.version
        assert found.users() == self.directory.users()
        assert found.domains == self.directory.domains

    @rule()
    def check_everything(self) -> None:
        if self.batches.facts:
            self.commit()
        for _ in self.catalog.refile():
            pass
        assert not self.catalog.refile_pending()
        facts = [fact for batch, _ in self.batches.done for fact in batch]
        dump = self.catalog.dump()
        left = as_replayed(facts)
        assert set(dump["placements"]) == filed(left, self.directory)
        self.check_rebuilt(dump, [(facts, self.batches.done[-1][1])] if self.batches.done else [])
        self.check_rebuilt(dump, self.batches.done)
        self.check_rebuilt(dump, [(left, self.batches.done[-1][1])] if self.batches.done else [])
        after = {fact.sequence: fact for fact in left}
        self.check_rebuilt(
            dump, [([after[fact.sequence] for fact in batch], head) for batch, head in self.batches.done]
        )
        self.check_index(left)

    def check_rebuilt(self, dump: dict[str, object], batches: list[tuple[list[Fact], LedgerHead]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            rebuilt = self.maker.create(Path(folder))
            for batch, head in batches:
                rebuilt.apply(batch, head)
            for _ in rebuilt.refile():
                pass
            again = rebuilt.dump()
            rebuilt.close()
            assert again == dump

    def check_index(self, facts: list[Fact]) -> None:
        messages = {fact.sha for fact in facts if isinstance(fact, MessageFact)}
        gone = {was: heir for was, heir in heirs(facts).items() if heir in messages}
        kept = (fact for fact in facts if isinstance(fact, MessageFact) and fact.sha not in gone)
        names = {fact.sequence: fact.sha for fact in kept}
        named: dict[bytes, set[tuple[AddressRole, str, int]]] = {message: set() for message in names.values()}
        for copy in (fact for fact in facts if isinstance(fact, EnvelopeFact)):
            for message in messages.intersection(copy.messages):
                named[gone.get(message, message)] |= {(p.role, p.address, copy.time) for p in copy.parties}
        found = self.catalog.mentions(names)
        for number, message in names.items():
            plain = {m[:3] for m in found.get(number, ()) if not m.owner_folder}
            assert plain == named[message]
        self.check_replay(set(names))
        assert {(was, heir) for _, was, heir in self.catalog.dump()["formers"]} == {
            (was.hex(), heir.hex()) for was, heir in gone.items()
        }

    def check_replay(self, messages: set[int]) -> None:
        watermark, taken = 0, set()
        assert self.catalog.index_behind(0) == len(messages)
        while changes := self.catalog.index_changes(watermark, 2):
            for change in changes:
                taken.add(change.message)
                assert watermark <= change.upto
                assert self.catalog.index_behind(change.upto) >= len(messages) - len(taken)
                watermark = change.upto
            assert self.catalog.index_behind(watermark) == len(messages) - len(taken)
        assert taken == messages


BRIEF = settings(
    max_examples=6,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)

LONG = settings(BRIEF, max_examples=120, stateful_step_count=40)


class SqliteMachine(CatalogMachine):
    maker = MAKERS["sqlite"]


TestSqlite = pytest.mark.slow(machine_test(SqliteMachine, BRIEF))
TestSqliteAtLength = pytest.mark.soak(pytest.mark.timeout(3600)(machine_test(SqliteMachine, LONG)))
