"""The life of mail against a naive model: it comes, is kept, held, disposed of, erased, backed up, restored.

Nothing under a hold or a minimum is ever erased. What should go is gone: no 12 bytes that only it has are in
any file or record of the vault or its backup, wherever the erasure was interrupted. All else is byte exact,
and each checkpoint and each proof from before an erasure holds.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any, ClassVar
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from muniment.archive.catalog.model import DecisionRow, MessageRow
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.erasure import erase as acts
from muniment.archive.erasure.erase import Erasing, finish_interrupted
from muniment.archive.ledger.check import check
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.writer import Ledger
from muniment.archive.operations.backup import backup_vault
from muniment.archive.operations.backup_erasures import ERASED_IDS
from muniment.archive.operations.indexing import renew_index
from muniment.archive.retention.disposal import DisposalOrder, Disposing, list_due
from muniment.archive.retention.due import DueList, list_name
from muniment.archive.retention.holds import Actor, open_holds, place_value, release_value
from muniment.archive.retention.judging import RuleJudge, rules_of
from muniment.archive.retention.periods import Period
from muniment.archive.retention.protection import protected
from muniment.archive.retention.rules import RuleKind, RuleVersion, end_value, new_version, read_rules
from muniment.archive.retention.selection import MailSelection, selection_of
from muniment.archive.vault.layout import LEDGER, segments_of
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import create_vault, open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound, UsageError
from muniment.people.changes import set_domains
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.run import ArchiveRun
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.files.maildir import MaildirSource
from support.crashpoints import CrashPoints
from support.erased import ORDER, left_in
from support.life_crashes import CRASHES, PASSES, Crash
from support.life_proofs import KeptProofs, only_erased, require_damage_seen
from support.mail_life import ALL, PEOPLE, Mail, MailLife, Version
from support.reports import fork, line, plain, report

DAY = 86_400
BEGIN = 20_000 * DAY
"""The first day of the machine, in 2024."""
ADA = Actor("ada", 7)
SHARED = [random.Random(n).randbytes(1500) for n in range(2)]
WHOM = st.sampled_from([*PEOPLE, *PEOPLE, ALL])
PERIODS = {RuleKind.KEEP: 5, RuleKind.DISPOSE: 40}
"""Most days of a rule. Minimums are short, so that much of the mail may go."""
RULES = st.sampled_from([RuleKind.DISPOSE, RuleKind.DISPOSE, RuleKind.KEEP])
SOME = st.lists(st.sampled_from(PEOPLE), min_size=1, unique=True)
NAMES = st.sampled_from(["a", "b"])
CHOICE = st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True)
FILES = st.sets(st.sampled_from(["own", "shared 0", "shared 1", "mail"]), max_size=2)


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[WorkerPool]:
    """Worker processes, shared by all runs."""
    LifeMachine.pool = WorkerPool(1)
    yield LifeMachine.pool
    LifeMachine.pool.close()


class LifeMachine(RuleBasedStateMachine):
    """One vault with two rules and two holds, and its backup."""

    pool: WorkerPool
    crashed: ClassVar[set[tuple[str, int]]] = set()
    """The points at which any machine has crashed, with how often they were passed."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.base = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.folder, self.box = self.base / "vault", self.base / "mail"
        self.target, self.older = self.base / "backup", self.base / "older"
        (self.base / "copies").mkdir()
        self.points = CrashPoints([self.folder], self.base / "copies")
        for method in (Ledger.open, Ledger.create):
            assert isinstance(method, MethodType)
            self.stack.enter_context(mock.patch.dict(method.__func__.__kwdefaults__, segment=12_000))
        self.folder.mkdir(mode=0o700)
        self.vault: Vault = create_vault(self.folder)
        self.events = itertools.count()
        self.day = 0
        self.life = MailLife()
        self.kept: list[tuple[Path, MailLife]] = []
        """The backup and an older copy of it, with what was there then."""
        self.proofs = KeptProofs(self.folder)

    @property
    def now(self) -> int:
        return BEGIN + self.day * DAY + 3600

    @initialize(mails=st.lists(st.tuples(SOME, FILES, st.booleans()), min_size=1, max_size=4))
    def begin(self, mails: list[tuple[list[str], set[str], bool]]) -> None:
        self.vault.change_directory(lambda _: [set_domains(["example.com"])], self.now)
        for people, files, two in mails:
            self.mail_arrives(people, files, two)

    def teardown(self) -> None:
        try:
            self.dispose(30, None)
            self.backup()
            require_damage_seen(self.folder, self.base / "attacked")
        finally:
            self.vault.close()
            self.stack.close()

    # --- mail -----------------------------------------------------------------------------------

    @rule(people=SOME, files=FILES, two=st.booleans())
    def more_mail_arrives(self, people: list[str], files: set[str], two: bool) -> None:
        self.mail_arrives(people, files, two)

    def mail_arrives(self, people: list[str], files: set[str], two: bool) -> None:
        raws = [self.new_mail(people, files if not number else set()) for number in range(1 + two)]
        whole_report = report(
            raws[0], recipients=[line("To", one) for one in people], second=raws[1] if two else None
        )
        came = next(self.events)
        new = self.archive(whole_report)
        assert new.keys() == {_sha(raw) for raw in raws}
        for raw in raws:
            mates = {_sha(other) for other in raws if other != raw}
            mail = Mail(raw, came, self.day, set(people), [whole_report], mates)
            self.life.there[_sha(raw)] = mail
            assert new[_sha(raw)].received == self.now

    def new_mail(self, people: list[str], files: set[str]) -> bytes:
        number = next(self.events)
        own = random.Random(1000 + number)
        contents = {"own": own.randbytes(1500), "shared 0": SHARED[0], "shared 1": SHARED[1]}
        known = [*self.life.there.values(), *self.life.gone.values()]
        if known:
            contents["mail"] = known[number % len(known)].raw
        attached = [("a.bin", contents[name]) for name in sorted(files & contents.keys())]
        return plain(
            sender="x@else.org", to=people, subject=f"mail {own.randbytes(12).hex()}",
            body=own.randbytes(200).hex(), attachments=attached,
        )  # fmt: skip

    @precondition(lambda self: self.life.there)
    @rule(which=st.integers(0, 20), number=st.integers(0, 3), people=SOME)
    def fork_arrives(self, which: int, number: int, people: list[str]) -> None:
        """Another copy of a message: as it is, or with other trace headers."""
        mail = self.chosen([which])[0]
        raw = fork(mail.raw, number) if number else mail.raw
        again = report(raw, recipients=[line("To", one) for one in people], message_id=f"<{number}@else.org>")
        assert self.archive(again) == {}
        mail.people |= set(people)
        mail.reports.append(again)

    @precondition(lambda self: self.life.gone)
    @rule(which=st.integers(0, 20), number=st.integers(0, 3))
    def erased_mail_comes_again(self, which: int, number: int) -> None:
        every = list(self.life.gone.values())
        mail = every[which % len(every)]
        copies = [*mail.reports, report(fork(mail.raw, 7 + number), recipients=[line("To", PEOPLE[0])])]
        assert self.archive(copies[number % len(copies)]) == {}
        self.whole()

    def archive(self, raw: bytes) -> dict[bytes, MessageRow]:
        """Run the journal mailbox with one report; returns the new messages."""
        shutil.rmtree(self.box, ignore_errors=True)
        for part in ("new", "cur", "tmp"):
            (self.box / part).mkdir(parents=True)
        (self.box / "new" / f"{next(self.events):05}.eml").write_bytes(raw)
        known = {row.sha for row in self.rows()}
        source = MaildirSource(
            FileEndpoint("maildir", self.folder / "work", path=str(self.box)), lambda _: None
        )
        with mock.patch.object(time, "time_ns", return_value=self.now * 1_000_000_000):
            ArchiveRun(self.vault, source, RunPlan("journal", journal=True, delete=True), self.pool).execute()
        return {row.sha: row for row in self.rows() if row.sha not in known}

    def rows(self) -> list[MessageRow]:
        return self.vault.catalog.messages_after(-1, 1000)

    def chosen(self, choice: list[int]) -> list[Mail]:
        there = list(self.life.there.values())
        return [there[one] for one in sorted({number % len(there) for number in choice})]

    # --- decisions ------------------------------------------------------------------------------

    @rule(days=st.integers(1, 30))
    def time_passes(self, days: int) -> None:
        self.day += days

    @rule(name=NAMES, kind=RULES, days=st.integers(0, 1000), whom=WHOM)
    def rule_is_set(self, name: str, kind: RuleKind, days: int, whom: str) -> None:
        days = 1 + days % PERIODS[kind]
        wanted = RuleVersion(name, 0, kind, self.selection(whom), Period(days=days), "received")
        made = self.vault.decide(
            RecordKind.RULE,
            lambda rows: [one.value] if (one := new_version(read_rules(rows), wanted)) else [],
            self.now,
        )
        if made:
            self.life.end_rule(name, next(self.events))
            self.life.versions.append(Version(name, kind, days, whom, next(self.events)))

    @rule(name=NAMES)
    def rule_is_ended(self, name: str) -> None:
        try:
            self.vault.decide(RecordKind.RULE, lambda rows: [end_value(read_rules(rows), name)], self.now)
        except NotFound:
            assert not any(one.name == name and one.ended == math.inf for one in self.life.versions)
        self.life.end_rule(name, next(self.events))

    @rule(name=NAMES, whom=WHOM)
    def hold_is_placed(self, name: str, whom: str) -> None:
        if name not in self.life.holds:
            place = self.selection(whom)
            self.vault.decide(
                RecordKind.HOLD, lambda rows: [place_value(rows, name, "", "why", place, ADA)], self.now
            )
            self.life.holds[name] = whom

    @precondition(lambda self: self.life.holds)
    @rule()
    def holds_are_released(self) -> None:
        for name in sorted(self.life.holds):
            del self.life.holds[name]
            self.vault.decide(RecordKind.HOLD, partial(self.release, name), self.now)

    def release(self, name: str, rows: Sequence[DecisionRow]) -> list[dict[str, Any]]:
        return [release_value(rows, name, -1, "over", ADA)]

    def selection(self, whom: str) -> MailSelection:
        return selection_of(self.vault.directory, now=self.now, people=(whom,) if whom else ())

    # --- erasure --------------------------------------------------------------------------------

    @rule(most=st.integers(1, 30), crash=CRASHES)
    def disposal_crashes(self, most: int, crash: Crash) -> None:
        self.dispose(most, crash)

    @rule(most=st.integers(1, 30), crash=st.none())
    def dispose(self, most: int, crash: Crash | None) -> None:
        due = DueList(self.vault, most)
        for _ in list_due(self.vault, due, self.now):
            pass
        expected = [sha for sha, mail in self.life.there.items() if self.life.should_go(mail, self.day)]
        assert due.hashes <= set(expected)
        assert len(due.hashes) == min(most, len(expected))
        self.too_early(due)
        order = DisposalOrder(self.now, list_name(due.hashes), ADA)
        disposing = Disposing(self.vault, order, lambda: self.now)
        gone = self.life.disposable(due.hashes, self.day)
        if self.carry_out(disposing.dispose, gone, crash):
            assert disposing.result.messages == len(gone)
            assert disposing.result.refused.keys() == due.hashes - gone

    def too_early(self, due: DueList) -> None:
        """Whoever looks a day ahead can't dispose of anything yet."""
        early = Disposing(
            self.vault, DisposalOrder(self.now + DAY, list_name(due.hashes), ADA), lambda: self.now
        )
        with pytest.raises(UsageError, match="later time"):
            next(early.dispose())

    @precondition(lambda self: self.life.there)
    @rule(choice=CHOICE, batch=st.integers(1, 3), crash=CRASHES)
    def erasure_crashes(self, choice: list[int], batch: int, crash: Crash) -> None:
        self.erase(choice, batch, crash)

    @precondition(lambda self: self.life.there)
    @rule(choice=CHOICE, batch=st.integers(1, 3), crash=st.none())
    def erase(self, choice: list[int], batch: int, crash: Crash | None) -> None:
        self.erase_these([_sha(mail.raw) for mail in self.chosen(choice)], batch, crash)

    def erase_these(self, shas: Collection[bytes], batch: int, crash: Crash | None) -> None:
        numbers = [row.sequence for row in self.rows() if row.sha in shas]
        erasing = Erasing(
            self.vault, ORDER, lambda rows: protected(self.vault, list(rows), self.now), batch=batch
        )
        gone = self.life.erasable(shas, self.day)
        if self.carry_out(lambda: erasing.erase(numbers), gone, crash):
            assert erasing.result.messages == len(gone)
            assert erasing.result.refused.keys() == set(shas) - gone

    def carry_out(self, act: Callable[[], Iterator[object]], gone: set[bytes], crash: Crash | None) -> bool:
        """Erase; returns whether that came to its end. After a crash, each message is gone or whole."""
        survived = crash is None or self.survives(crash, act)
        if crash is None:
            for _ in act():
                pass
        there = {row.sha for row in self.rows()}
        assert (self.life.there.keys() - gone) <= there
        if survived:
            assert not gone & there
        self.life.erase(gone - there)
        self.whole()
        return survived

    def survives(self, crash: Crash, act: Callable[[], Iterator[object]]) -> bool:
        """Erase, and crash if the point is met; False if the vault was opened again after that."""
        self.points.durable = {
            path.name: path.stat().st_size for path in (self.folder / LEDGER).glob("*.seg")
        }
        with ExitStack() as stack:
            stack.enter_context(self.points.watching())
            for owner, method, name in (
                (SqliteCatalog, "replace", "replace"), (acts, "begin_erasing", "note"),
                (acts, "remove_traces", "traces"), (acts, "clear_erasing", "clear"),
            ):  # fmt: skip
                self.points.watch(stack, owner, method, name)
            try:
                with self.points.armed(crash.point, crash.passes):
                    for _ in act():
                        pass
            except Exception:
                if not self.points.dead:
                    raise
            if self.points.dead:
                self.vault.close()
        if not self.points.dead:
            return True
        self.crashed.add((crash.point, crash.passes))
        self.points.aftermath()
        if crash.torn is not None:
            self.points.tear(self.folder / LEDGER, crash.torn)
        self.vault = open_vault(self.folder, write=True)
        finish_interrupted(self.vault)
        return False

    # --- backup, restore, rebuild ---------------------------------------------------------------

    @rule()
    def backup(self) -> None:
        """Back up; the copy of the backup before is kept."""
        if self.target.exists():
            shutil.rmtree(self.older, ignore_errors=True)
            shutil.copytree(self.target, self.older)
            self.kept = [(self.target, self.life.copy()), (self.older, self.kept[0][1])]
        else:
            self.kept = [(self.target, self.life.copy())]
        for _ in backup_vault(self.vault, self.target):
            pass
        assert left_in(self.target, only_erased(self.life)) == {}
        assert check(segments_of(self.target), deep=True).problems == []

    @precondition(lambda self: self.kept)
    @rule(older=st.booleans())
    def restore(self, older: bool) -> None:
        """The vault is lost, and a backup takes its place; what was erased since then is erased again."""
        older = older and len(self.kept) > 1
        place, life = self.kept[-1 if older else 0]
        ids = self.target / ERASED_IDS
        erased = {bytes.fromhex(one) for one in ids.read_text().split()} if ids.exists() else set()
        self.vault.close()
        shutil.rmtree(self.folder)
        shutil.copytree(place, self.folder)
        self.vault = open_vault(self.folder, write=True)
        self.life = life.copy()
        self.proofs.drop_after(self.vault.head)
        if older:
            shutil.rmtree(self.target)
            shutil.copytree(self.older, self.target)
            self.kept = [(self.target, life)]
        again = erased & self.life.there.keys()
        if again:
            self.erase_these(again, 500, None)
        self.whole()

    @rule(index=st.booleans())
    def projections_are_rebuilt(self, index: bool) -> None:
        self.vault.close()
        rebuild_catalog(self.folder)
        self.vault = open_vault(self.folder, write=True)
        if index:
            for _ in renew_index(self.vault):
                pass
        self.whole()

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def what_must_stay_is_there_and_protected(self) -> None:
        rows = {row.sha: row for row in self.rows()}
        assert rows.keys() == self.life.there.keys()
        safe = protected(self.vault, list(rows.values()), self.now)
        there = self.life.there.items()
        assert safe.keys() == {sha for sha, mail in there if self.life.must_stay(mail, self.day)}
        assert {hold.name for hold in open_holds(self.vault)} == self.life.holds.keys()
        found = RuleJudge(self.vault, rules_of(self.vault)).minimums(list(rows.values()))
        for sha, row in rows.items():  # a minimum never ends earlier than it did
            until = found[row.sequence].until if row.sequence in found else 0
            assert until >= self.life.ends.get(sha, 0)
            self.life.ends[sha] = until

    def whole(self) -> None:
        """What is there is byte exact, what is gone is nowhere, and all that was proven holds."""
        reader = self.vault.reader
        for row in self.rows():
            mail = self.life.there[row.sha]
            assert reader.content_bytes(row.sha) == mail.raw
            kept = [raw for raw in mail.reports if mail.mates <= self.life.there.keys()]
            found = {copy.sha: copy for copy in self.vault.catalog.envelopes_of(row.sequence)}
            for raw in kept:
                assert b"".join(reader.content_at(found[_sha(raw)].position)) == raw
        assert left_in(self.folder, only_erased(self.life)) == {}
        assert not (self.folder / "erasing").exists()
        self.proofs_hold()

    def proofs_hold(self) -> None:
        self.proofs.hold(self.vault.head)


def _sha(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


OPTIONS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
BRIEF = settings(OPTIONS, max_examples=6, stateful_step_count=20)
"""As much as a test run has time for, the same each time."""
LONG = settings(OPTIONS, derandomize=False, max_examples=300, stateful_step_count=40, phases=list(Phase))
"""Much more, and different each time."""


@pytest.mark.slow
def test_mail_lives_as_the_model_says() -> None:
    run_state_machine_as_test(LifeMachine, settings=BRIEF)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["write:middle", "sync:before", "apply:before", "replace:before"])
def test_an_erasure_survives_a_crash(point: str) -> None:
    crash_once(point, 3 if point == "write:middle" else 1)


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_mail_lives_as_the_model_says_for_long_and_wherever_it_crashes() -> None:
    LifeMachine.crashed.clear()
    run_state_machine_as_test(LifeMachine, settings=LONG)
    for point, passes in PASSES:
        crash_once(point, passes)
    assert LifeMachine.crashed >= set(PASSES)


MAILS = [
    (PEOPLE[:1], {"own"}, True),
    (PEOPLE, {"own", "shared 0"}, False),
    (PEOPLE, {"shared 0"}, False),
]


def crash_once(point: str, passes: int) -> None:
    """A life in which an erasure of some of the mail crashes at a point."""
    machine = LifeMachine()
    try:
        machine.begin(MAILS)
        machine.backup()
        machine.erase([0, 1, 2], 2, Crash(point, passes, None))
        machine.what_must_stay_is_there_and_protected()
        assert (point, passes) in LifeMachine.crashed
    finally:
        machine.teardown()
