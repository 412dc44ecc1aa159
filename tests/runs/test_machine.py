"""Invariants 1 to 4 hold for any order of mail, runs, crashes, rebuilds and changes of the directory.

The machine works out what it expects from what it sent, by its own rules and never by the program's.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from muniment.archive.facts import RoutingReason
from muniment.archive.ledger.check import LedgerCheck
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.writer import Ledger
from muniment.archive.operations.indexing import behind, renew_index
from muniment.archive.operations.search import find
from muniment.archive.operations.verify import verify_vault
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import create_vault, open_vault
from muniment.archive.vault.vault import Vault
from muniment.people.changes import Change, add_address, add_user, remove_user, set_domains
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.retry import retry
from muniment.runs.run import ArchiveRun
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.files.maildir import MaildirSource
from support.crashpoints import FAULTS, POINTS, CrashPoints
from support.machines import machine_test
from support.reports import EPOCH, fork, line, plain, report

OWN = "example.com"
ADDRESSES = ["a@example.com", "a+t@example.com", "b@example.com", "c@example.com", "d@partner.example"]
TIMES = [EPOCH + 1000 * n for n in range(4)]
NOW = EPOCH + 1_000_000
"""When changes of the directory are made. No mail is as new."""
OWNER = "b@example.com"
"""The owner of the ordinary mailbox."""
PLANS = {
    "journal": RunPlan("journal", journal=True, delete=False),
    "own": RunPlan("own", journal=False, delete=False, owner=OWNER),
}
FIELDS = ["To", "Cc", "Bcc", "Recipient"]


@dataclass(frozen=True)
class Mail:
    """One copy as it was sent, and whom it concerns."""

    raw: bytes
    base: int | None
    """The message that it brings, transport headers aside; None for a report that can't be unwrapped."""
    original: bytes
    time: int
    sender: str
    recipients: tuple[str, ...]

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True)
class Trouble:
    """A crash: its point, the number of times that this point is passed, and what the power failure loses."""

    point: str
    count: int
    torn: float | None
    older: bool


CRASHES = st.builds(
    Trouble,
    st.sampled_from(POINTS),
    st.integers(1, 4),
    st.none() | st.sampled_from([0.0, 0.3, 0.9]),
    st.booleans(),
)
MAYBE = st.none() | CRASHES
SENDERS = st.sampled_from(ADDRESSES)
TIME = st.sampled_from(TIMES)
RECIPIENTS = st.lists(
    st.tuples(st.sampled_from(FIELDS), st.sampled_from(ADDRESSES), st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one[1],
)
Recipients = list[tuple[str, str, bool]]


@dataclass
class People:
    """The directory as a table: the owner of an address at each of a few times."""

    known: set[str] = field(default_factory=set)
    owners: dict[str, dict[int, str]] = field(default_factory=dict)

    def give(self, address: str, person: str, since: int | None) -> None:
        """Give an address from `since` on, or from the end of the last other holder's time; otherwise from
        the beginning.
        """
        self.known.add(person)
        owners = self.owners.setdefault(address, {})
        others = [time for time, owner in owners.items() if owner != person]
        if owners.get(NOW) == person:
            return
        last = max(others, default=0)
        start = 0 if not others else since or (NOW if last == NOW else last + 1)
        owners |= {time: person for time in (*TIMES, NOW) if time >= start}

    def remove(self, person: str) -> None:
        self.known.discard(person)
        for address, owners in self.owners.items():
            self.owners[address] = {time: owner for time, owner in owners.items() if owner != person}

    def who(self, address: str, time: int) -> str | None:
        base = address.replace("+t@", "@")
        for candidate in (address, base):
            if time in self.owners.get(candidate, {}):
                return self.owners[candidate][time]
        return f"auto:{base}" if base.endswith("@" + OWN) else None


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[WorkerPool]:
    """Worker processes, shared by all runs."""
    Machine.pool = WorkerPool(1)
    yield Machine.pool
    Machine.pool.close()


class Machine(RuleBasedStateMachine):
    """One vault, a journal mailbox and an ordinary one."""

    pool: WorkerPool

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.base = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.folder, self.mail = self.base / "vault", self.base / "mail"
        self.older = self.base / "older.db"
        self.points = CrashPoints([self.folder, self.mail], self.base / "copies")
        (self.base / "copies").mkdir()
        for method in (Ledger.open, Ledger.create):
            assert isinstance(method, MethodType)
            self.stack.enter_context(mock.patch.dict(method.__func__.__kwdefaults__, segment=12_000))
        learning = partial(Vault, train_at=8)
        self.stack.enter_context(mock.patch("muniment.archive.vault.open_vault.Vault", learning))
        self.stack.enter_context(self.points.watching())
        self.numbers = itertools.count(1)
        self.sent: dict[str, Mail] = {}
        self.times: dict[str, set[int]] = {}
        """When each copy was received or journaled. A copy may come more than once."""
        self.originals: dict[int, bytes] = {}
        self.people = People()
        self.findable = False
        for box, part in itertools.product(PLANS, ("new", "cur", "tmp")):
            (self.mail / box / part).mkdir(parents=True)
        self.folder.mkdir(mode=0o700)
        self.vault = create_vault(self.folder)

    @initialize()
    def begin(self) -> None:
        self.vault.change_directory(lambda _: [set_domains([OWN])], NOW)

    def teardown(self) -> None:
        try:
            self.run("journal", False, None)
            self.run("own", False, None)
            self.rebuild_catalog()
            self.verify()
        finally:
            self.vault.close()
            self.stack.close()

    # --- what is sent -------------------------------------------------------------------------

    def send(self, box: str, mail: Mail) -> None:
        """Deliver a copy. The time of its file is when it was received."""
        self.sent[mail.sha] = mail
        self.times.setdefault(mail.sha, set()).add(mail.time)
        path = self.mail / box / "new" / f"{next(self.numbers):06d}.test"
        path.write_bytes(mail.raw)
        os.utime(path, (mail.time, mail.time))

    def new_original(self, sender: str, recipients: Recipients, message_id: str | None = None) -> int:
        base = len(self.originals)
        shown = [address for name, address, _ in recipients if name != "Bcc"] or ["x@partner.example"]
        self.originals[base] = plain(
            sender=sender,
            to=shown,
            subject=f"Message {base}",
            body=f"The text of number {base}.\r\n" * 5,
            message_id=message_id,
            attachments=[("shared.bin", bytes(range(256)) * 8)] if base % 2 else [],
        )
        return base

    def send_report(self, base: int, number: int, sender: str, recipients: Recipients, time: int) -> None:
        original = fork(self.originals[base], number) if number else self.originals[base]
        lines = [
            line(name, address, expanded="list@example.com" if expanded else "")
            for name, address, expanded in recipients
        ]
        raw = report(original, sender=sender, recipients=lines, date=time)
        named = tuple(address for _, address, _ in recipients)
        self.send("journal", Mail(raw, base, original, time, sender, named))

    def send_plain(self, box: str, base: int, number: int, time: int) -> None:
        """Deliver a copy that is no report. Its headers name the people whom it concerns."""
        original = fork(self.originals[base], number) if number else self.originals[base]
        head = original.decode().split("\r\n\r\n")[0].replace("\r\n", "\n")
        fields = dict(each.split(": ", 1) for each in head.split("\n") if ": " in each)
        named = tuple(fields["To"].split(", "))
        self.send(box, Mail(original, base, original, time, fields["From"], named))

    @rule(sender=SENDERS, recipients=RECIPIENTS, time=TIME)
    def report_comes(self, sender: str, recipients: Recipients, time: int) -> None:
        self.send_report(self.new_original(sender, recipients), 0, sender, recipients, time)

    @rule(sender=SENDERS, recipients=RECIPIENTS, time=TIME, box=st.sampled_from(list(PLANS)))
    def plain_message_comes(self, sender: str, recipients: Recipients, time: int, box: str) -> None:
        self.send_plain(box, self.new_original(sender, recipients), 0, time)

    @precondition(lambda self: self.originals)
    @rule(data=st.data(), number=st.integers(0, 5), sender=SENDERS, recipients=RECIPIENTS, time=TIME)
    def fork_is_reported(
        self, data: st.DataObject, number: int, sender: str, recipients: Recipients, time: int
    ) -> None:
        base = data.draw(st.sampled_from(sorted(self.originals)))
        self.send_report(base, number, sender, recipients, time)

    @precondition(lambda self: self.originals)
    @rule(data=st.data(), number=st.integers(0, 5), box=st.sampled_from(list(PLANS)))
    def fork_comes_plain(self, data: st.DataObject, number: int, box: str) -> None:
        base = data.draw(st.sampled_from(sorted(self.originals)))
        self.send_plain(box, base, number, TIMES[number % len(TIMES)])

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat_comes(self, data: st.DataObject) -> None:
        self.send("journal", self.sent[data.draw(st.sampled_from(sorted(self.sent)))])

    @rule(sender=SENDERS, recipients=RECIPIENTS, time=TIME)
    def two_bodies_under_one_message_id(self, sender: str, recipients: Recipients, time: int) -> None:
        for _ in range(2):
            base = self.new_original(sender, recipients, message_id="<same@example.com>")
            self.send_report(base, 0, sender, recipients, time)

    @rule(number=st.integers(0, 3))
    def broken_report_comes(self, number: int) -> None:
        raw = b"X-MS-Journal-Report:\r\nX-Number: %d\r\n\r\nnothing to unwrap\r\n" % number
        self.send("journal", Mail(raw, None, b"", TIMES[0], "", ()))

    # --- what is done -------------------------------------------------------------------------

    @rule(box=st.sampled_from(list(PLANS)), delete=st.booleans(), crash=MAYBE)
    def run(self, box: str, delete: bool, crash: Trouble | None) -> None:
        files = self.files(box)
        archive_run = self.new_run(box, delete)
        if not self.survives(archive_run.execute, crash):
            self.check()
            return
        progress = archive_run.progress
        assert (progress.error, progress.state) == ("", "ok")
        assert progress.books.balanced
        assert (progress.books.pending, progress.books.listed) == (0, len(files))
        assert self.kept_copies() >= set(files.values())
        assert self.files(box) == ({} if delete else files)
        self.findable = True
        self.check()

    @rule(
        box=st.sampled_from(list(PLANS)),
        delete=st.booleans(),
        point=st.sampled_from(FAULTS),
        count=st.integers(1, 4),
        reopened=st.booleans(),
    )
    def run_on_a_failing_disk(self, box: str, delete: bool, point: str, count: int, reopened: bool) -> None:
        archive_run = self.new_run(box, delete)
        with self.points.armed(point, count, fault=True):
            progress = archive_run.execute()
        assert progress.books.balanced
        assert progress.state in ("ok", "failed")
        self.findable = False
        if reopened or point == "sync:before":
            self.reopen()
        self.check()

    @rule(
        person=st.sampled_from("xyz"),
        address=st.sampled_from(ADDRESSES),
        since=st.none() | TIME,
        crash=MAYBE,
    )
    def give_address(self, person: str, address: str, since: int | None, crash: Trouble | None) -> None:
        if person in self.people.known:
            change = add_address(person, address, since=since)
        else:
            change = add_user(person, f"Person {person}", address, since=since)
        self.change(change, lambda: self.people.give(address, person, since), crash)

    @rule(person=st.sampled_from("xyz"), crash=MAYBE)
    def remove_person(self, person: str, crash: Trouble | None) -> None:
        if person in self.people.known:
            self.change(remove_user(person), lambda: self.people.remove(person), crash)

    def change(self, change: Change, apply: Callable[[], None], crash: Trouble | None) -> None:
        version = self.vault.directory.version
        self.survives(lambda: self.vault.change_directory(lambda _: [change], NOW), crash)
        if self.vault.directory.version > version:
            apply()
        self.check()

    @rule()
    def rebuild_catalog(self) -> None:
        self.vault.require_writable()
        before = self.vault.catalog.dump()
        self.vault.close()
        shutil.copy(self.folder / "catalog.db", self.older)
        rebuild_catalog(self.folder)
        self.vault = open_vault(self.folder, write=True)
        assert self.vault.catalog.dump() == before

    @rule()
    def rebuild_index(self) -> None:
        for _ in renew_index(self.vault):
            pass
        self.findable = True
        self.check_search()

    @rule()
    def retry_quarantine(self) -> None:
        results = dict(retry(self.vault, lambda name: PLANS[name], (), self.pool))
        assert all(results.values())

    @rule()
    def verify(self) -> None:
        *_, found = verify_vault(self.vault, deep=True)
        assert isinstance(found, LedgerCheck)
        assert found.problems == []
        self.check_bytes()
        self.check_search()

    # --- how it is done -----------------------------------------------------------------------

    def new_run(self, box: str, delete: bool) -> ArchiveRun:
        endpoint = FileEndpoint("maildir", self.folder / "work", path=str(self.mail / box))
        plan = PLANS[box]
        chosen = RunPlan(plan.profile, plan.journal, delete, owner=plan.owner)
        return ArchiveRun(self.vault, MaildirSource(endpoint, lambda _: None), chosen, self.pool)

    def survives(self, work: Callable[[], Any], crash: Trouble | None) -> bool:
        """Do some work; False if it crashed and everything was opened again."""
        if crash is None:
            work()
            return True
        try:
            with self.points.armed(crash.point, crash.count):
                work()
        except Exception:
            if not self.points.dead:
                raise
        if not self.points.dead:
            return True
        self.findable = False
        self.vault.close()
        self.points.aftermath()
        if crash.torn is not None:
            self.points.tear(self.folder / "ledger", crash.torn)
        if crash.older and self.older.exists():
            for path in self.folder.glob("catalog.db*"):
                path.unlink()
            shutil.copy(self.older, self.folder / "catalog.db")
        self.vault = open_vault(self.folder, write=True)
        return False

    def reopen(self) -> None:
        self.vault.close()
        self.vault = open_vault(self.folder, write=True)

    def files(self, box: str) -> dict[str, str]:
        """The content of a mailbox: hashes by file name."""
        found = (self.mail / box / "new").iterdir()
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    def kept_copies(self) -> set[str]:
        items = {row.sha.hex() for row in self.vault.catalog.quarantine()}
        return items | set(self.vault.catalog.dump()["envelopes"])

    # --- what must hold -----------------------------------------------------------------------

    def check(self) -> None:
        """Nothing is lost or stored twice, and everybody sees the mail that concerns them."""
        at_source = {sha for box in PLANS for sha in self.files(box).values()}
        assert set(self.sent) <= at_source | self.kept_copies()
        self.check_ledger()
        dump = self.vault.catalog.dump()
        bases = self.bases(dump)
        placed = {(user, folder, bases[sha]) for user, folder, _, sha in dump["placements"]}
        assert placed == self.expected_places(dump)
        assert threading.active_count() < 20

    def check_ledger(self) -> None:
        copies, messages = Counter[str](), Counter[str]()
        for frame in scan(segments_of(self.folder)):
            if frame.kind in (RecordKind.ENVELOPE, RecordKind.QUARANTINE):
                copies[frame.sha.hex()] += 1
            elif frame.kind in (RecordKind.MESSAGE, RecordKind.PART):
                messages[frame.sha.hex()] += 1
        assert {sha for sha, count in (*copies.items(), *messages.items()) if count > 1} == set()
        assert set(copies) == self.kept_copies()

    def bases(self, dump: dict[str, Any]) -> dict[str, int]:
        """The message that each kept one is, by the copies that brought it. None is there twice."""
        bases: dict[str, int] = {}
        for sha, row in dump["envelopes"].items():
            (message,) = row[10]
            base = self.sent[sha].base
            assert base is not None
            assert bases.setdefault(message, base) == base
        assert set(bases) == set(dump["messages"])
        assert len(set(bases.values())) == len(bases)
        return bases

    def expected_places(self, dump: dict[str, Any]) -> set[tuple[str, str, int]]:
        """Where the messages of all kept copies must be, by what was sent."""
        places: dict[int, set[tuple[str | None, str]]] = {}
        for sha, row in dump["envelopes"].items():
            mail, time, route = self.sent[sha], row[3], row[5]
            assert time in self.times[sha]
            assert mail.base is not None
            found = places.setdefault(mail.base, set())
            if route & RoutingReason.OWNER:
                found.add((self.people.who(OWNER, time), "Inbox"))
            if route & (RoutingReason.JOURNAL | RoutingReason.HEADERS):
                found.add((self.people.who(mail.sender, time), "Sent"))
                found.update((self.people.who(address, time), "Inbox") for address in mail.recipients)
        return {
            (user, folder, base)
            for base, found in places.items()
            for user, folder in {(user, folder) for user, folder in found if user} or {("catch-all", "Inbox")}
        }

    def check_bytes(self) -> None:
        """Every copy, message and quarantined item comes back byte for byte."""
        reader = self.vault.reader
        for item in self.vault.catalog.quarantine():
            assert b"".join(reader.content_at(item.position)) == self.sent[item.sha.hex()].raw
        for message in self.vault.catalog.dump()["messages"]:
            row = self.vault.catalog.message_by_prefix(message)
            envelopes = self.vault.catalog.envelopes_of(row.sequence)
            mails = [self.sent[envelope.sha.hex()] for envelope in envelopes]
            assert reader.content_bytes(row.sha) in {mail.original for mail in mails}
            for envelope, mail in zip(envelopes, mails, strict=True):
                assert b"".join(reader.content_at(envelope.position)) == mail.raw

    def check_search(self) -> None:
        """Each user finds exactly the mail in their folders."""
        if not self.findable:
            return
        assert behind(self.vault) == 0
        dump = self.vault.catalog.dump()
        for user in {user for user, _, _, _ in dump["placements"]}:
            placed = {sha for owner, _, _, sha in dump["placements"] if owner == user}
            found = find(self.vault, "", user=self.vault.directory.label(user), limit=1000)
            assert {row.sha.hex() for row in self.vault.catalog.rows(found.ids)} == placed, user


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
TestMachine = machine_test(Machine, BRIEF)
TestMachineLong = pytest.mark.soak(pytest.mark.timeout(7200)(machine_test(Machine, LONG)))
