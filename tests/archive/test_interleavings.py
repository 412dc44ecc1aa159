"""Threads in any order: a run, changes of users and settings, audit events, rebuilds and readers take their
steps in any order, and directory, catalog and ledger must agree.

Hypothesis chooses the order (support.interleaving); in addition, pairs of actors are tried exhaustively.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from muniment.archive.catalog.replay import RebuildStopped, replay
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.ledger.check import check
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.scan import last_head, scan
from muniment.archive.operations.backup import backup_vault
from muniment.archive.operations.indexing import IndexFeeder, behind, renew_index
from muniment.archive.operations.search import find
from muniment.archive.operations.verify import catalog_problems, index_problems
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import create_vault, open_vault
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import ConfigError, NotFound
from muniment.people import changes
from muniment.people.directory import Directory
from muniment.people.planning import add_changes, remove_changes
from muniment.runs.pipeline.archivist import Archivist
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.prepare.prepare import CopyPreparer
from muniment.runs.prepare.prepared_copy import CopyJob, PreparedCopy
from muniment.service.host.session import apply_settings
from muniment.sources.base import FetchedItem, MailItem, MailPlace
from support.interleaving import Actor, Busy, Scheduler, interleaved
from support.machines import machine_test
from support.reports import plain, report

NOW = 1_700_000_000
PLAN = RunPlan("box", journal=True, delete=False)
PLACE = MailPlace("host", "mailbox", "")
PEOPLE = ("bob", "carol", "dora")
MAILS = 12
FIRST = 4
"""Mails that are archived before the actors start."""


def prepared() -> list[tuple[FetchedItem, PreparedCopy]]:
    """Return mail in the form that the pipeline gives to the archivist."""
    raws = [
        report(
            plain(subject=f"Letter {n}", body=f"Number {n} of the series\n"),
            recipients=[f"{PEOPLE[n % 3]}@example.com", "shared@example.com"],
        )
        for n in range(MAILS)
    ]
    copies = CopyPreparer({}).prepare([CopyJob(raw, "", True) for raw in raws])
    made = []
    for n, (raw, copy) in enumerate(zip(raws, copies, strict=True)):
        assert isinstance(copy, PreparedCopy)
        made.append((FetchedItem(MailItem(PLACE, f"key {n}", len(raw)), raw), copy))
    return made


@pytest.fixture(scope="module", autouse=True)
def template(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make a vault with some mail and a user; each case gets a copy."""
    House.template = tmp_path_factory.mktemp("template") / "vault"
    House.template.mkdir(mode=0o700)
    House.mails = prepared()
    with closing(create_vault(House.template)) as vault:
        apply_settings(vault, lambda: Settings(name="0", domains=("example.com",)))
        archive(vault, House.mails[:FIRST])
        vault.change_directory(lambda _: add_changes(_, "Bob", ["bob@example.com"]), NOW)
        with closing(IndexFeeder(vault)) as indexing:
            for _ in indexing.catch_up():
                pass


def archive(vault: Vault, mails: list[tuple[FetchedItem, PreparedCopy]]) -> None:
    """Archive mail as one batch of a run."""
    archivist = Archivist(vault, PLAN)
    archivist.expect(copy for _, copy in mails)
    try:
        for fetched, copy in mails:
            archivist.take(fetched, copy)
        archivist.commit()
    except BaseException:
        vault.rollback()
        raise


class House:
    """A vault, the operations that actors do on it, and the checks of the result."""

    template: Path
    mails: list[tuple[FetchedItem, PreparedCopy]]

    def __init__(self, base: Path, scheduler: Scheduler) -> None:
        self.base, self.scheduler = base, scheduler
        self.folder = base / "vault"
        shutil.copytree(self.template, self.folder)
        self.vault = open_vault(self.folder, write=True)
        self.host = _host(scheduler)
        self.numbers = itertools.count(1)
        self.waiting = list(self.mails[FIRST:])
        self.archived = FIRST
        self.settings = Settings(name="0", domains=("example.com",))
        self.logged: Counter[int] = Counter()
        self.kept = len(self.changes())
        """Number of changes of the directory that were reported as kept."""

    # --- operations ---------------------------------------------------------------------------

    def start(self, kind: str) -> Actor:
        """Start an actor that does one operation."""
        number = next(self.numbers)
        body: Callable[[int], object] = getattr(self, kind)
        return self.scheduler.spawn(f"{kind} {number}", lambda: body(number))

    def change(self, number: int) -> None:
        """Add or remove a user or an address; another thread may have done that already."""
        planned: list[changes.Change] | None = None

        def plan(directory: Directory) -> list[changes.Change]:
            nonlocal planned
            planned = _planned(number, directory)
            return planned

        try:
            changed = self.vault.change_directory(plan, NOW + number)
        except (ConfigError, NotFound):
            assert planned is None, "what was planned did not fit the directory that it was for"
        else:
            assert changed.before.version + len(changed.made) == changed.after.version
            self.kept += len(changed.made)

    def configure(self, number: int) -> None:
        """Edit the settings, and record them."""
        domains = ("example.com", "other.example")[: 1 + number % 2]
        self.settings = Settings(name=str(number), domains=domains)
        apply_settings(self.vault, lambda: self.settings)

    def log(self, number: int) -> None:
        """Commit an audit event."""
        self.vault.log([{"event": "read", "number": number}])
        self.logged[number] += 1

    def run(self, number: int) -> None:
        """Archive a run's batch, in the host's thread."""
        with self.host:
            mails, self.waiting = self.waiting[:2], self.waiting[2:]
            archive(self.vault, mails)
            self.archived += len(mails)

    def rebuild(self, number: int) -> None:
        """Rebuild the catalog, in the host's thread."""
        with self.host:
            self.vault.renew_catalog()

    def rebuild_until_stopped(self, number: int) -> None:
        """Begin a rebuild that is stopped, as by a service that ends."""
        asked = itertools.count()
        with self.host, suppress(RebuildStopped):
            self.vault.renew_catalog(lambda _: next(asked) >= number % 5)

    def read(self, number: int) -> None:
        """Read folders, lists and messages."""
        for user in self.vault.directory.users():
            page = self.vault.catalog.page(user.id, "Inbox")
            assert page.total >= len(page.sequences)
            rows = self.vault.catalog.rows(page.sequences)
            assert len(rows) == len(page.sequences)
            for row in rows[:2]:
                assert b"Number" in b"".join(self.vault.reader.content(row.sha))
        total = self.vault.catalog.totals().messages
        assert FIRST <= total <= MAILS
        self.vault.catalog.tree()
        assert self.vault.catalog.totals().messages >= total

    def verify(self, number: int) -> None:
        """Check the ledger, and compare the catalog with it."""
        head, totals = self.vault.catalog.snapshot()
        found = check(segments_of(self.folder), deep=False, locate=self.vault.catalog.locate, until=head)
        assert found.problems == []
        assert list(catalog_problems(head, totals, found)) == []

    def rebuild_index(self, number: int) -> None:
        """Rebuild the index, in the host's thread."""
        with self.host:
            for _ in renew_index(self.vault):
                pass

    def search(self, number: int) -> None:
        """Search, and ask how far the index is behind."""
        found = find(self.vault, "series", limit=3)
        assert len(found.ids) <= 3
        assert behind(self.vault) <= MAILS
        assert index_problems(self.vault) == []

    def back_up(self, number: int) -> None:
        """Make a backup, and check it."""
        target = self.base / f"backup {number}"
        for _ in backup_vault(self.vault, target):
            pass
        assert check(segments_of(target), deep=False).problems == []

    # --- checks -------------------------------------------------------------------------------

    def changes(self, end: int | None = None) -> list[tuple[str, int]]:
        """Return the changes of the directory in records before `end`, with their times."""
        with closing(LedgerReader(segments_of(self.folder), lambda sha: None)) as reader:
            return [
                (reader.payload(frame).decode(), frame.time // 1_000_000)
                for frame in scan(segments_of(self.folder))
                if frame.kind is RecordKind.DIRECTORY and (end is None or frame.sequence < end)
            ]

    def agree(self) -> None:
        """Check that the directory is what the ledger's records up to the catalog's head make."""
        catalog = self.vault.catalog
        if catalog._changing.owner is not None:  # type: ignore[attr-defined]
            return  # a batch is being applied
        try:
            head = catalog.head
        except Busy:
            return
        expected = directory_of(self.changes(head.tree_size))
        found = catalog.directory
        assert described(found) == described(expected)
        committed = last_head(segments_of(self.folder))
        assert committed is not None
        assert head.tree_size <= committed.tree_size

    def settled(self) -> None:
        """Check, after all actors have ended, that the ledger has everything once, and the catalog equals a
        fresh one."""
        for actor in self.scheduler.actors:
            if actor.error is not None:
                raise actor.error
        self.agree()
        catalog = self.vault.catalog
        assert catalog.head == self.vault.ledger.head
        assert catalog.totals().messages == self.archived
        domains = [change for change, _ in self.changes() if '"set-domains"' in change]
        assert len(self.changes()) - len(domains) == self.kept - 1
        events = [json.loads(row.event) for row in catalog.audited()]
        assert Counter(event["number"] for event in events) == self.logged
        assert set(catalog.directory.domains) == set(self.settings.domains)
        recorded = catalog.configuration
        apply_settings(self.vault, lambda: self.settings)
        assert catalog.configuration == recorded  # the latest settings were recorded last
        self.equals_a_fresh_one()

        assert not list(self.folder.glob("*.new*"))
        assert not list(self.folder.glob("*.old"))

    def equals_a_fresh_one(self) -> None:
        """Check that the catalog equals a new one that is made from the ledger."""
        assert not self.vault.catalog.refile_pending()
        with (
            tempfile.TemporaryDirectory() as other,
            closing(SqliteCatalog.create(Path(other) / "fresh.db", self.vault.catalog.vault_id)) as fresh,
        ):
            replay(fresh, segments_of(self.folder), None, Path(other) / "work")
            assert self.vault.catalog.dump() == fresh.dump()
            assert self.vault.catalog.configuration == fresh.configuration


def _planned(number: int, directory: Directory) -> list[changes.Change]:
    """Return one of four changes for one of three people; raises NotFound if it can't be made."""
    person = PEOPLE[number // 3 % 3]
    name, user = person.title(), f"{person}@example.com"
    match number % 5:
        case 1 | 2:  # the first two actors make the same change
            return remove_changes(directory, user)
        case 3:
            return add_changes(directory, name, [user, "shared@example.com"])
        case 4:
            return remove_changes(directory, user, "shared@example.com")
        case _:
            return add_changes(directory, f"{name} {number}", [user])


def _host(scheduler: Scheduler) -> Any:
    """Return a lock in place of the host's one thread for runs and rebuilds."""
    from muniment.archive.files import gate

    return vars(gate)["threading"].Lock()  # the module's own, which the scheduler has replaced


def directory_of(written: list[tuple[str, int]]) -> Directory:
    """Make the directory that these changes lead to."""
    made = Directory()
    for change, time in written:
        made.apply(changes.decode(change), time)
    return made


def described(directory: Directory) -> object:
    """Return everything in a directory."""
    users = directory.users()
    return (
        directory.version,
        directory.domains,
        [(user, directory.address_periods(user.id)) for user in users],
    )


KINDS = (
    "change",
    "configure",
    "log",
    "run",
    "rebuild",
    "rebuild_until_stopped",
    "rebuild_index",
    "read",
    "search",
    "verify",
    "back_up",
)


class Interleavings(RuleBasedStateMachine):
    """Up to five actors at a time, which take steps in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        base = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        scheduler = self.stack.enter_context(interleaved())
        self.house = House(base, scheduler)
        self.stack.callback(self.house.vault.close)
        self.stack.callback(scheduler.close)

    @precondition(lambda self: sum(not actor.ended for actor in self.house.scheduler.actors) < 5)
    @rule(kind=st.sampled_from(KINDS))
    def start(self, kind: str) -> None:
        self.house.start(kind)

    @precondition(lambda self: self.house.scheduler.runnable())
    @rule(data=st.data(), steps=st.integers(1, 12))
    def step(self, data: st.DataObject, steps: int) -> None:
        actor = data.draw(st.sampled_from(self.house.scheduler.runnable()).map(lambda one: one.name))
        (chosen,) = (one for one in self.house.scheduler.actors if one.name == actor)
        for _ in range(steps):
            if chosen.runnable:
                chosen.step()
                self.house.agree()

    @precondition(lambda self: not self.house.scheduler.runnable() and not self.house.scheduler.finished)
    @rule()
    def time_passes(self) -> None:
        self.house.scheduler.let_time_pass()

    @invariant()
    def directory_and_ledger_agree(self) -> None:
        self.house.agree()

    def teardown(self) -> None:
        try:
            self.house.scheduler.finish()
            self.house.settled()
        finally:
            self.stack.close()


BRIEF = settings(
    max_examples=4,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestInterleavings = machine_test(Interleavings, BRIEF)
LONG = settings(BRIEF, max_examples=200, stateful_step_count=80)
TestInterleavingsAtLength = pytest.mark.soak(machine_test(Interleavings, LONG))


# --- in a row ---------------------------------------------------------------------------------------

SOME, EACH = 150, 1
"""Distance between the steps that are tried, in the ordinary run and in the long one."""
STRIDES = pytest.mark.parametrize("stride", [SOME, pytest.param(EACH, marks=pytest.mark.soak)])


@contextmanager
def opened(base: Path) -> Iterator[House]:
    """Open a house in its own folder."""
    with interleaved() as scheduler, tempfile.TemporaryDirectory(dir=base) as folder:
        made = House(Path(folder), scheduler)
        try:
            yield made
        finally:
            scheduler.close()
            made.vault.close()


def walk(actor: Actor, steps: int) -> int:
    """Let an actor take up to `steps` steps; returns how many it did not take."""
    while steps and actor.runnable:
        actor.step()
        steps -= 1
    return steps


def test_actors_take_turns(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        for kind in KINDS:
            house.start(kind)
        house.scheduler.finish()
        house.settled()


CLOSE = [
    ("change", "change"),
    ("change", "rebuild"),
    ("configure", "configure"),
    ("read", "rebuild"),
    ("rebuild", "change"),
    ("search", "rebuild_index"),
]
"""Pairs that are tried in the ordinary run as well."""


@pytest.mark.parametrize(("first", "other"), CLOSE)
def test_an_operation_can_run_between_two_steps_of_another(tmp_path: Path, first: str, other: str) -> None:
    run_between(tmp_path, first, other, 29 if first == "rebuild" else 7)


@pytest.mark.soak
@pytest.mark.parametrize("first", KINDS)
def test_any_operation_can_run_between_any_two_steps_of_another(tmp_path: Path, first: str) -> None:
    for other in KINDS:
        run_between(tmp_path, first, other, EACH)


def run_between(base: Path, first: str, other: str, stride: int) -> None:
    """Run `other` between two steps of `first`, as far as it need not wait, and the rest afterwards."""
    for steps in itertools.count(stride // 2, stride):
        with opened(base) as house:
            left = walk(house.start(first), steps)
            walk(house.start(other), 10_000)
            house.agree()
            house.scheduler.finish()
            house.settled()
        if left:
            return


@STRIDES
@pytest.mark.parametrize("kind", ["rebuild", "rebuild_index", "change", "run"])
def test_a_kill_at_any_step_leaves_a_vault_that_opens(tmp_path: Path, kind: str, stride: int) -> None:
    """The folder is copied between two steps, as a kill would leave it, and opened."""
    with opened(tmp_path) as house:
        actor = house.start(kind)
        for number in itertools.count():
            if actor.ended:
                break
            actor.step()
            if number % stride == stride // 2 or actor.at.startswith(("rename", "unlink")):
                killed = house.base / "killed"
                shutil.copytree(house.folder, killed)
                survives(killed)
                shutil.rmtree(killed)
        house.settled()


def survives(folder: Path) -> None:
    """Check that a vault opens after a kill, and agrees with its ledger."""
    with closing(open_vault(folder, write=True)) as vault:
        written = [
            (vault.reader.payload(frame).decode(), frame.time // 1_000_000)
            for frame in scan(segments_of(folder))
            if frame.kind is RecordKind.DIRECTORY
        ]
        assert described(vault.directory) == described(directory_of(written))
        assert vault.catalog.head == vault.ledger.head
        assert not vault.catalog.refile_pending()
        assert index_problems(vault) == []
        dump = vault.catalog.dump()
        assert not list(folder.glob("*.new*"))
        assert not list(folder.glob("*.old"))
    rebuild_catalog(folder)
    with closing(open_vault(folder, write=False)) as vault:
        assert vault.catalog.dump() == dump


@pytest.mark.parametrize("name", ["rename", "unlink"])
def test_a_disk_that_fails_during_the_replacement_leaves_the_old_catalog(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(Path, name)

    def failing(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name.startswith("catalog.db") and broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *arguments, **named)

    shutil.copytree(House.template, tmp_path / "vault")
    with closing(open_vault(tmp_path / "vault", write=True)) as vault:
        before = vault.catalog.dump()
        broken = True
        monkeypatch.setattr(Path, name, failing)
        with pytest.raises(OSError, match="Input/output error"):
            vault.renew_catalog()
        broken = False
        assert vault.catalog.dump() == before
        vault.log([{"event": "read", "number": 1}])
        assert len(vault.catalog.audited()) == 1
        assert vault.renew_catalog() == []
        assert len(vault.catalog.audited()) == 1
