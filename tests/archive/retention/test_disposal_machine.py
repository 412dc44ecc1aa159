"""Nothing under a hold or a minimum is ever disposed of, and all that should go is listed and erased.

The machine works out what it expects from what it did, by its own rules and never by the program's.
"""

from __future__ import annotations

import itertools
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from muniment.archive.catalog.model import MessageRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.disposal import DisposalOrder, Disposing, list_due
from muniment.archive.retention.due import DueList, list_name
from muniment.archive.retention.holds import Actor, open_holds, place_value, release_value
from muniment.archive.retention.judging import RuleJudge, rules_of
from muniment.archive.retention.periods import Period
from muniment.archive.retention.protection import protected
from muniment.archive.retention.rules import RuleKind, RuleVersion, end_value, new_version, read_rules
from muniment.archive.retention.selection import selection_of
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
from support.machines import machine_test
from support.reports import line, plain, report

DAY = 86_400
BEGIN = 20_000 * DAY
"""The first day of the machine, in 2024."""
PEOPLE = ["bob@example.com", "carol@example.com"]
ALL = ""
WHOM = st.sampled_from([*PEOPLE, ALL])
NAMES = st.sampled_from(["a", "b"])
DAYS = st.integers(1, 40)
ADA = Actor("ada", 7)


@dataclass(frozen=True)
class Mail:
    """A message as it was sent."""

    came: int
    """The number of the event that brought it."""
    day: int
    people: frozenset[str]


@dataclass(frozen=True)
class Version:
    """A version of a rule."""

    name: str
    kind: RuleKind
    days: int
    whom: str
    set: int
    """The number of the event that set it."""
    ended: float = math.inf

    def counts(self, mail: Mail) -> bool:
        return self.ended > mail.came and (self.whom == ALL or self.whom in mail.people)

    def over(self, mail: Mail, day: int) -> bool:
        """Whether its period is over on a day: the period ends with its last day."""
        return day > mail.day + self.days


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[WorkerPool]:
    """Worker processes, shared by all runs."""
    Machine.pool = WorkerPool(1)
    yield Machine.pool
    Machine.pool.close()


class Machine(RuleBasedStateMachine):
    """One vault, two rules and two holds."""

    pool: WorkerPool

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        base = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.folder, self.box = base / "vault", base / "mail"
        for part in ("new", "cur", "tmp"):
            (self.box / part).mkdir(parents=True)
        self.folder.mkdir(mode=0o700)
        self.vault: Vault = create_vault(self.folder)
        self.events = itertools.count()
        self.day = 0
        self.there: dict[bytes, Mail] = {}
        self.gone: set[bytes] = set()
        self.versions: list[Version] = []
        self.holds: dict[str, str] = {}
        self.ends: dict[bytes, int] = {}

    @property
    def now(self) -> int:
        return BEGIN + self.day * DAY + 3600

    @initialize()
    def begin(self) -> None:
        self.vault.change_directory(lambda _: [set_domains(["example.com"])], self.now)

    def teardown(self) -> None:
        try:
            self.dispose(30, True)
            assert {row.sha for row in self.rows()} == set(self.there)
        finally:
            self.vault.close()
            self.stack.close()

    def rows(self) -> list[MessageRow]:
        return self.vault.catalog.messages_after(-1, 1000)

    # --- what happens ---------------------------------------------------------------------------

    @rule(people=st.lists(st.sampled_from(PEOPLE), min_size=1, unique=True))
    def mail_arrives(self, people: list[str]) -> None:
        number = next(self.events)
        mail = plain(sender="x@else.org", to=people, subject=f"mail {number}", body=f"number {number}")
        (self.box / "new" / f"{number:05}.eml").write_bytes(
            report(mail, recipients=[line("To", one) for one in people])
        )
        known = {row.sha for row in self.rows()}
        source = MaildirSource(
            FileEndpoint("maildir", self.folder / "work", path=str(self.box)), lambda _: None
        )
        with mock.patch.object(time, "time_ns", return_value=self.now * 1_000_000_000):
            ArchiveRun(self.vault, source, RunPlan("journal", journal=True, delete=True), self.pool).execute()
        (new,) = (row for row in self.rows() if row.sha not in known)
        assert new.received == self.now
        self.there[new.sha] = Mail(number, self.day, frozenset(people))

    @rule(days=st.integers(1, 30))
    def time_passes(self, days: int) -> None:
        self.day += days

    @rule(name=NAMES, kind=st.sampled_from(RuleKind), days=DAYS, whom=WHOM)
    def rule_is_set(self, name: str, kind: RuleKind, days: int, whom: str) -> None:
        people = (whom,) if whom else ()
        selection = selection_of(self.vault.directory, now=self.now, people=people)
        wanted = RuleVersion(name, 0, kind, selection, Period(days=days), "received")
        made = self.vault.decide(
            RecordKind.RULE,
            lambda rows: [one.value] if (one := new_version(read_rules(rows), wanted)) else [],
            self.now,
        )
        if made:
            self.end(name)
            self.versions.append(Version(name, kind, days, whom, next(self.events)))

    @rule(name=NAMES)
    def rule_is_ended(self, name: str) -> None:
        try:
            self.vault.decide(RecordKind.RULE, lambda rows: [end_value(read_rules(rows), name)], self.now)
        except NotFound:
            assert not any(one.name == name and one.ended == math.inf for one in self.versions)
        self.end(name)

    def end(self, name: str) -> None:
        number = next(self.events)
        self.versions = [
            replace(one, ended=number) if one.name == name and one.ended == math.inf else one
            for one in self.versions
        ]

    @rule(name=NAMES, whom=WHOM)
    def hold_is_placed(self, name: str, whom: str) -> None:
        if name in self.holds:
            return
        people = (whom,) if whom else ()
        selection = selection_of(self.vault.directory, now=self.now, people=people)
        self.vault.decide(
            RecordKind.HOLD, lambda rows: [place_value(rows, name, "", "why", selection, ADA)], self.now
        )
        self.holds[name] = whom

    @rule(name=NAMES)
    def hold_is_released(self, name: str) -> None:
        if self.holds.pop(name, None) is not None:
            self.vault.decide(
                RecordKind.HOLD, lambda rows: [release_value(rows, name, -1, "over", ADA)], self.now
            )

    @rule()
    def catalog_is_rebuilt(self) -> None:
        self.vault.close()
        rebuild_catalog(self.folder)
        self.vault = open_vault(self.folder, write=True)

    @rule(most=st.integers(1, 30), whole=st.booleans())
    def dispose(self, most: int, whole: bool) -> None:
        """Dispose of what is due; with `whole` off, the one who ordered it has looked a day too early."""
        due = DueList(self.vault, most)
        for _ in list_due(self.vault, due, self.now):
            pass
        expected = [sha for sha in self.there if self.should_go(sha)]
        assert due.hashes <= set(expected)
        assert len(due.hashes) == min(most, len(expected))
        at = self.now if whole else self.now + DAY
        disposing = Disposing(self.vault, DisposalOrder(at, list_name(due.hashes), ADA), lambda: self.now)
        if not whole:
            with pytest.raises(UsageError, match="later time"):
                list(disposing.dispose())
            return
        list(disposing.dispose())
        assert disposing.result.messages == len(due.hashes)
        assert disposing.result.refused == {}
        for sha in due.hashes:
            del self.there[sha]
        self.gone |= due.hashes

    # --- what is expected -----------------------------------------------------------------------

    def held(self, mail: Mail) -> bool:
        return any(whom == ALL or whom in mail.people for whom in self.holds.values())

    def must_stay(self, mail: Mail) -> bool:
        """Whether a hold or a version of a rule since it came keeps it."""
        keeping = (one for one in self.versions if one.kind is RuleKind.KEEP and one.counts(mail))
        return self.held(mail) or not all(one.over(mail, self.day) for one in keeping)

    def should_go(self, sha: bytes) -> bool:
        mail = self.there[sha]
        demanding = [
            [one for one in self.versions if (one.name, one.kind) == (last.name, RuleKind.DISPOSE)]
            for last in self.versions
            if last.kind is RuleKind.DISPOSE and last.ended == math.inf and last.counts(mail)
        ]
        demanded = any(
            all(one.over(mail, self.day) for one in versions if one.counts(mail)) for versions in demanding
        )
        return demanded and not self.must_stay(mail)

    @invariant()
    def what_must_stay_is_there_and_protected(self) -> None:
        rows = {row.sha: row for row in self.rows()}
        assert rows.keys() == self.there.keys()
        safe = protected(self.vault, list(rows.values()), self.now)
        assert safe.keys() == {sha for sha, mail in self.there.items() if self.must_stay(mail)}
        assert not self.gone & rows.keys()
        assert {hold.name for hold in open_holds(self.vault)} == self.holds.keys()

    @invariant()
    def minimums_never_end_earlier(self) -> None:
        rows = self.rows()
        found = RuleJudge(self.vault, rules_of(self.vault)).minimums(rows)
        ends = {row.sha: found[row.sequence].until for row in rows if row.sequence in found}
        for sha, before in self.ends.items():
            assert sha in self.gone or ends[sha] >= before
        self.ends |= ends


OPTIONS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
BRIEF = settings(OPTIONS, max_examples=6, stateful_step_count=20)
"""As much as a test run has time for, the same each time."""
LONG = settings(OPTIONS, derandomize=False, max_examples=200, stateful_step_count=40, phases=list(Phase))
"""Much more, and different each time."""
TestMachine = pytest.mark.slow(machine_test(Machine, BRIEF))
TestMachineLong = pytest.mark.soak(pytest.mark.timeout(7200)(machine_test(Machine, LONG)))
