"""A service that gets all requests at the same time, from many threads over its socket, while it archives."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.scan import scan
from muniment.archive.operations.search import find
from muniment.archive.vault.layout import CATALOG, segments_of
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import open_vault
from muniment.client.client import Client
from muniment.errors import ConfigError, NotFound, VaultError
from muniment.people import changes
from muniment.people.directory import Directory
from support.reports import plain, report
from support.served import served
from support.vaults import TestVault, put

SECONDS = 1.5
SEEDS = range(*(int(one) for one in os.environ.get("MUNIMENT_HAMMER", "0:30").split(":")))
"""Seeds of the long run: first and end. Each is tried alone and under load. tests/soak/test_debian.py, which
makes 160 rounds in all on the Pythons of Debian, sets the variable."""
BUSY = """
import random, time
while True:
    until = time.perf_counter() + random.uniform(0, 0.02)
    while time.perf_counter() < until:
        pass
    time.sleep(random.uniform(0, 0.02))
"""
"""A program that takes a processor half of the time, at irregular times."""
DEADLINE = 90.0
FIRST = 60


def letters(start: int, count: int) -> list[bytes]:
    people = ("bob", "carol", "dora")
    return [
        report(
            plain(subject=f"Letter {n}", body=f"Number {n} of the series\n"),
            recipients=[f"{people[n % 3]}@example.com", f"b{n % 7}@home.example"],
        )
        for n in range(start, start + count)
    ]  # fmt: skip


class Crowd:
    """Threads that repeat calls until they are stopped. Their first error fails the test."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []
        self.counts: dict[str, int] = {}

    def add(self, name: str, do: Callable[[int], object]) -> None:
        """Add a thread that repeats a call with increasing numbers."""

        def work() -> None:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                try:
                    do(number)
                except BaseException as error:  # noqa: BLE001 - asserted on in the end
                    self.errors.append(error)
                    self._stop.set()
                self.counts[name] = number + 1

        self._threads.append(threading.Thread(target=work, name=name, daemon=True))

    def run(self, seconds: float) -> None:
        """Let the threads work for some seconds; none may be stuck at the end."""
        for thread in self._threads:
            thread.start()
        self._stop.wait(seconds)
        self._stop.set()
        deadline = time.monotonic() + DEADLINE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        if self.errors:
            raise self.errors[0]
        assert not stuck


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with mail and an item in quarantine. Each case has a copy of it."""
    base = tmp_path_factory.mktemp("template")
    made = TestVault(base / "vault")
    put(made.maildir("box", enabled=False), [*letters(0, FIRST), b"X-MS-Journal-Report:\r\n\r\nbroken\r\n"])
    assert made.run("box").new == FIRST
    made.client.close()
    return base


@pytest.fixture
def switching() -> Iterator[Callable[[float], None]]:
    """Sets how often the interpreter switches threads; the former value is restored afterwards."""
    before = sys.getswitchinterval()
    yield sys.setswitchinterval
    sys.setswitchinterval(before)


def all_of(client: Client, request: api.Request) -> api.WireWord:
    *_, last = client.stream(request)
    return last


@pytest.mark.parametrize("interval", [1e-6, 5e-3])
def test_all_requests_at_the_same_time(
    template: Path, tmp_path: Path, switching: Callable[[float], None], interval: float
) -> None:
    switching(interval)
    hammer(template, tmp_path, SECONDS, random.Random(interval))


@pytest.fixture(scope="module", params=["alone", "under load"])
def load(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing, or two busy programs for each processor."""
    count = 2 * len(os.sched_getaffinity(0)) if request.param == "under load" else 0
    programs = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    yield
    assert [one.poll() for one in programs] == [None] * count
    for one in programs:
        one.kill()
        one.wait()


@pytest.mark.soak
@pytest.mark.usefixtures("load")
@pytest.mark.parametrize("seed", SEEDS)
def test_all_requests_at_the_same_time_many_times(
    template: Path, tmp_path: Path, switching: Callable[[float], None], seed: int
) -> None:
    """Repeats the test with different switch intervals and pauses, alone and under load."""
    rng = random.Random(seed)
    switching(10 ** rng.uniform(-6, -2))
    hammer(template, tmp_path, rng.uniform(0.3, 2 * SECONDS), rng)
    shutil.rmtree(tmp_path)


def hammer(template: Path, base: Path, seconds: float, rng: random.Random) -> None:
    """Send all requests at the same time for some seconds; then check that nothing is lost or invented."""
    shutil.copytree(template, base, dirs_exist_ok=True)
    folder, new = base / "vault", next(base.glob("maildir-*")) / "new"
    text = (folder / "vault.toml").read_text()
    (folder / "vault.toml").write_text(text.replace(str(template), str(base)))
    mails = itertools.count(FIRST, 20)
    total = FIRST
    pauses = [rng.choice((0.0, 0.0, 0.002, 0.02)) for _ in range(20)]
    crowd = Crowd()
    with served(folder) as (client, opened):
        id_ = client.call(api.Search(query="letter", limit=1), api.Hits).hits[0].id

        def archive(number: int) -> None:
            nonlocal total
            put(new, letters(next(mails), 20))
            summary = all_of(client, api.Run(profile="box"))
            assert isinstance(summary, api.RunSummary)
            assert (summary.state, summary.error, summary.balanced, summary.new) == ("ok", "", True, 20)
            total += 20

        def move(number: int) -> None:
            """Move an address between users. Another thread may have moved it first."""
            with suppress(ConfigError, NotFound):
                client.call(
                    api.AddUser(name="Bob", addresses=("bob@example.com", "b1@home.example")), api.Done
                )
            with suppress(ConfigError, NotFound):
                client.call(api.RemoveUser(user="bob@example.com", alias="b1@home.example"), api.Done)
            if number % 5 == 4:
                with suppress(ConfigError, NotFound):
                    client.call(api.RemoveUser(user="bob@example.com"), api.Done)

        def read(number: int) -> None:
            time.sleep(pauses[number % 20])
            found = client.call(api.Search(query="series", limit=5), api.Hits)
            assert len(found.hits) == 5
            page = client.call(api.ListMessages(user="carol@example.com", folder="Inbox"), api.Hits)
            assert page.total >= FIRST // 3
            assert "Number" in client.call(api.Show(id=id_), api.Message).text
            raw = b"".join(
                reply.data for reply in client.stream(api.ReadRaw(id=id_)) if isinstance(reply, api.Chunk)
            )
            assert raw.startswith(b"From")
            client.call(api.GetTree(), api.Tree)
            client.call(api.ListUsers(), api.Users)
            assert client.call(api.GetStatus(), api.Status).messages >= FIRST

        def worked(request: api.Request) -> api.WireWord:
            """The last reply to a request for a work, repeated while its user has too many of them."""
            while True:
                try:
                    return all_of(client, request)
                except VaultError as error:
                    if "repeat this" not in str(error):
                        raise
                    time.sleep(0.05)

        def rebuild(number: int) -> None:
            time.sleep(pauses[number % 20])
            assert isinstance(worked(api.Rebuild(catalog=number % 3 != 1, index=number % 3 == 1)), api.Done)

        def stop_rebuild(number: int) -> None:
            """A client requests a rebuild, leaves before its end, and every other time stops it."""
            replies = client.stream(api.Rebuild(catalog=True, index=True))
            assert isinstance(replies, Generator)
            with closing(replies), suppress(VaultError):  # a user may have four such works at a time
                step = next(replies)
                time.sleep(pauses[number % 20])
                if number % 2 and isinstance(step, api.Step):
                    with suppress(NotFound):  # it has ended
                        client.call(api.StopWork(number=step.work), api.Done)
            time.sleep(0.1)

        def keep(number: int) -> None:
            assert isinstance(worked(api.Backup(path=str(base / "backup"))), api.Done)
            assert isinstance(
                all_of(client, api.Export(query="series", path=str(base / f"x{number}.zip"))), api.Done
            )

        def verify(number: int) -> None:
            proof = worked(api.Verify(deep=number % 2 == 0))
            assert isinstance(proof, api.Verified)
            assert proof.problems == ()

        def look_in(number: int) -> None:
            """Read the vault as another process does while the service runs."""
            time.sleep(pauses[number % 20])
            with closing(open_vault(folder, write=False)) as beside:
                assert beside.catalog.totals().messages >= FIRST
                beside.catalog.tree()
                assert len(find(beside, "series", limit=3).ids) == 3
                assert beside.catalog.directory.domains == ("example.com",)

        def watch(number: int) -> None:
            replies = client.stream(api.WatchRuns())
            assert isinstance(next(replies), api.RunsState)
            client.call(api.GetHistory(), api.History)
            client.call(api.GetAudit(), api.Audit)

        def edit(number: int) -> None:
            client.call(api.PutProfile(name="box", fields={"every": 300 + number % 7}), api.Done)

        def retry(number: int) -> None:
            time.sleep(pauses[number % 20])
            assert isinstance(all_of(client, api.RetryQuarantine()), api.Done)

        for name, do in {
            "archive": archive,
            "move": move,
            "move too": move,
            "read": read,
            "read too": read,
            "rebuild": rebuild,
            "stop a rebuild": stop_rebuild,
            "keep": keep,
            "verify": verify,
            "look in": look_in,
            "watch": watch,
            "edit": edit,
            "retry": retry,
        }.items():
            crowd.add(name, do)
        crowd.run(seconds)
        assert min(crowd.counts.values()) >= 1, crowd.counts
        assert opened.catalog.totals().messages == total
        assert opened.catalog.directory.users() == directory_in(folder).users()
    _as_rebuilt(folder)
    made = TestVault(folder)
    made.sound()
    assert len(made.messages()) == min(total, 1000)


def directory_in(folder: Path) -> Directory:
    """The directory that results from the changes in a ledger."""
    made = Directory()
    with closing(LedgerReader(segments_of(folder), lambda sha: None)) as reader:
        for frame in scan(segments_of(folder)):
            if frame.kind is RecordKind.DIRECTORY:
                made.apply(changes.decode(reader.payload(frame).decode()), frame.time // 1_000_000)
    return made


def _as_rebuilt(folder: Path) -> None:
    """Check that the catalog is what a rebuild makes from the ledger."""
    open_vault(folder, write=True).close()
    kept = SqliteCatalog.open(folder / CATALOG, readonly=True)
    before = kept.dump()
    kept.close()
    rebuild_catalog(folder)
    again = SqliteCatalog.open(folder / CATALOG, readonly=True)
    assert again.dump() == before
    again.close()
