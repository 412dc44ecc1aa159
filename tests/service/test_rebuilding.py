"""A rebuild in a running service: with readers in other processes, stopped, twice; and jobs that fail."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from muniment import api
from muniment.archive.catalog.replay import replay as catalog_replay
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.records import json_record
from muniment.archive.operations.indexing import renew_index
from muniment.archive.vault import vault as vault_module
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from muniment.runs.pipeline.archivist import Archivist
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.prepare.prepare import CopyPreparer
from muniment.runs.prepare.prepared_copy import CopyJob, PreparedCopy
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.retry import retry
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.operations.rebuilding import CATALOG, WAITING, RebuildJob
from support.reports import plain, report
from support.served import served
from support.vaults import TestVault, put
from support.waiting import eventually

SOON = 30.0
SWAPS = 10
BESIDE = """
import sys
from contextlib import closing
from pathlib import Path
from muniment.archive.operations.search import find
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.operations.verify import index_problems

folder, times = Path(sys.argv[1]), 0
print("begun", flush=True)
while not (folder.parent / "enough").exists():
    with closing(open_vault(folder, write=False)) as vault:
        for _ in range(3):
            assert vault.catalog.totals().messages == 9
            assert vault.catalog.tree()[0][1][0][1] > 0
            assert [user.name for user in vault.directory.users()] == ["Bob"]
            assert len(find(vault, "series", limit=9).ids) == 9
            assert not (problems := index_problems(vault)), problems
    times += 1
print(times, flush=True)
"""


@pytest.fixture
def made(tmp_path: Path) -> TestVault:
    """A vault with mail, a user, and an item in quarantine."""
    vault = TestVault(tmp_path / "vault")
    vault.client.call(api.AddUser(name="Bob", addresses=("bob@example.com",)), api.Done)
    new = vault.maildir("box", enabled=False)
    put(
        new,
        [report(plain(subject=f"No {n}", body="A series"), recipients=["bob@example.com"]) for n in range(9)],
    )
    put(new, [b"X-MS-Journal-Report:\r\n\r\nbroken\r\n"])
    assert vault.run("box").new == 9
    vault.client.close()
    return vault


def test_another_process_reads_while_catalog_and_index_are_replaced(made: TestVault) -> None:
    command = [sys.executable, "-c", BESIDE, str(made.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as beside:
        assert beside.stdout is not None
        assert beside.stdout.readline() == "begun\n"
        with closing(open_vault(made.folder, write=True)) as vault:
            for _ in range(SWAPS):
                assert vault.renew_catalog() == []
                for _ in renew_index(vault):
                    pass
        (made.folder.parent / "enough").touch()
        output = beside.stdout.read()
    assert beside.returncode == 0
    assert int(output) > 0
    made.sound()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """A rebuild that reports its begin, and waits until the test lets it continue."""
    begun, go_on = threading.Event(), threading.Event()
    real = catalog_replay

    def replay(*arguments: Any) -> None:
        begun.set()
        assert go_on.wait(SOON)
        real(*arguments)

    monkeypatch.setattr(vault_module, "replay", replay)
    yield begun, go_on
    go_on.set()


def left(folder: Path) -> list[str]:
    """Files that a rebuild can leave behind."""
    return [path.name for path in folder.iterdir() if ".new" in path.name or ".old" in path.name]


def test_a_rebuild_is_stopped_by_its_number(
    made: TestVault, held: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = held
    with served(made.folder) as (client, vault):
        before = (made.folder / "catalog.db").stat().st_ino
        replies = client.stream(api.Rebuild(catalog=True, index=True))
        assert isinstance(replies, Generator)
        first = next(replies)
        assert isinstance(first, api.Step)
        assert begun.wait(SOON)
        replies.close()
        client.call(api.StopWork(number=first.work), api.Done)
        eventually(lambda: not client.call(api.GetProof(), api.Proof).works)
        go_on.set()
        assert client.call(api.AddUser(name="Eve", addresses=("eve@example.com",)), api.Done)
        put(made.maildir("more"), [report(plain(subject="after"))])
        assert isinstance([*client.stream(api.Run(profile="more"))][-1], api.RunSummary)
        assert left(made.folder) == []
        assert (made.folder / "catalog.db").stat().st_ino == before
        assert vault.catalog.totals().messages == 10
    made.sound()


def test_a_rebuild_that_waits_says_so_and_is_stopped_by_its_number(
    made: TestVault, held: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = held
    with served(made.folder) as (client, _):
        first = client.stream(api.Rebuild())
        next(first)
        assert begun.wait(SOON)
        replies = client.stream(api.Rebuild(index=False))
        waits = [next(replies), next(replies)]
        assert [(one.text, one.work > 0) for one in waits if isinstance(one, api.Step)] == [
            (WAITING.text, True), (WAITING.text, True),
        ]  # fmt: skip
        works = client.call(api.GetProof(), api.Proof).works
        assert [(one.kind, one.waits) for one in works] == [("rebuild", False), ("rebuild", True)]
        client.call(api.StopWork(number=works[1].number), api.Done)
        with pytest.raises(VaultError, match="stopped"):
            list(replies)
        eventually(lambda: len(client.call(api.GetProof(), api.Proof).works) == 1)
        go_on.set()
        assert isinstance([*first][-1], api.Done)
    made.sound()


def test_a_step_of_a_rebuild_comes_again_until_the_next_one() -> None:
    job = RebuildJob(api.Rebuild())
    replies = job.replies()
    assert next(replies) == WAITING
    for step in (CATALOG, api.Step(text="damaged: x", ok=False)):
        job._steps.put(step)
    steps = [next(replies) for _ in range(3)]
    assert steps == [CATALOG, api.Step(text="damaged: x", ok=False), CATALOG]


def test_a_service_that_stops_ends_a_rebuild(
    made: TestVault, held: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = held
    with closing(open_vault(made.folder, write=True)) as vault:
        host = RunHost(ClientSession(made.folder, vault), in_service=True)
        job, waiting = RebuildJob(api.Rebuild()), RebuildJob(api.Rebuild())
        host.submit(job)
        host.submit(waiting)
        assert begun.wait(SOON)
        closer = threading.Thread(target=host.close)
        closer.start()
        assert waiting.ended.wait(SOON)
        go_on.set()
        closer.join(SOON)
        assert not closer.is_alive()
    for one in (job, waiting):
        with pytest.raises(VaultError, match="stopped"):
            list(one.replies())
    assert left(made.folder) == []
    made.sound()


def test_two_rebuilds_run_one_after_the_other(made: TestVault) -> None:
    with served(made.folder) as (client, _):
        ends: list[api.WireWord] = []

        def rebuild() -> None:
            *_, end = client.stream(api.Rebuild(catalog=True, index=True))
            ends.append(end)

        threads = [threading.Thread(target=rebuild) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
        assert [type(end) for end in ends] == [api.Done] * 3
    assert left(made.folder) == []
    made.sound()


def test_a_service_removes_what_a_killed_rebuild_left(made: TestVault) -> None:
    for name in ("catalog.db.new", "catalog.db.new-wal", "catalog.db.new-shm"):
        (made.folder / name).write_bytes(b"half")
    (made.folder / "index.new").mkdir()
    (made.folder / "index.old").mkdir()
    open_vault(made.folder, write=True).close()
    assert left(made.folder) == []
    made.sound()


def test_an_index_swap_that_a_kill_interrupted_is_completed(made: TestVault) -> None:
    (made.folder / "index").rename(made.folder / "index.new")
    (made.folder / "index.old").mkdir()
    with closing(open_vault(made.folder, write=True)) as vault:
        assert vault.index().docs == 9
    assert left(made.folder) == []
    made.sound()


class _Unwrapping:
    """A double of the worker pool, whose workers can unwrap what is in quarantine. It starts no process."""

    def submit(self, jobs: Sequence[CopyJob]) -> Future[list[PreparedCopy]]:
        """Prepare the bytes of each job as an ordinary message."""
        done: Future[list[PreparedCopy]] = Future()
        mended = [CopyJob(b"Subject: mended\r\n\r\n" + job.content, "", False) for job in jobs]
        made = CopyPreparer({}).prepare(mended)
        done.set_result([copy for copy in made if isinstance(copy, PreparedCopy)])
        return done


def test_a_retry_that_fails_leaves_nothing_for_the_next_commit(
    made: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next commit would include records that the catalog has not seen."""
    with closing(open_vault(made.folder, write=True)) as vault:
        size, totals = vault.ledger.head.tree_size, vault.catalog.totals()
        pool = cast("WorkerPool", _Unwrapping())
        with monkeypatch.context() as patch:
            patch.setattr(Archivist, "commit", lambda _: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                list(retry(vault, lambda name: RunPlan(name, True, False), (), pool))
        vault.log([{"event": "read", "what": "after"}])
        assert vault.ledger.head.tree_size == size + 2
        assert vault.catalog.totals().messages == totals.messages
    made.sound()


def test_a_job_that_fails_leaves_nothing_for_the_next_commit(made: TestVault) -> None:
    class Failing(RebuildJob):
        def work(self, vault: Vault, *_: object) -> None:
            vault.append(json_record(vault.encoder, RecordKind.RUN, {"v": 1, "profile": "x"}), 1)
            raise ZeroDivisionError

    with (
        closing(open_vault(made.folder, write=True)) as vault,
        closing(RunHost(ClientSession(made.folder, vault), in_service=True)) as host,
    ):
        size = vault.ledger.head.tree_size
        job = Failing(api.Rebuild())
        host.submit(job)
        with pytest.raises(ZeroDivisionError):
            list(job.replies())
        vault.log([{"event": "read", "what": "after"}])
        assert vault.ledger.head.tree_size == size + 2
    made.sound()
