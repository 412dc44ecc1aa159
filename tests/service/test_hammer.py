"""A service that is asked for everything at once, by many threads over its socket, while it archives."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.catalog import Catalog
from muniment.archive.matching import CATALOG, rebuild_catalog
from muniment.archive.vault import Vault
from muniment.client import Client
from muniment.errors import ConfigError, NotFound
from support.reports import plain, report
from support.served import served
from support.vaults import TestVault, put

SECONDS = 4.0
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
    """Threads that repeat something until told to stop; their first error counts."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []
        self.counts: dict[str, int] = {}

    def add(self, name: str, do: Callable[[int], object]) -> None:
        """Do something again and again, with a number that counts up."""

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
        """Let them work for so long; none may be stuck then."""
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


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    put(made.maildir("box", enabled=False), letters(0, FIRST))
    assert made.run("box").new == FIRST
    made.client.close()
    return made


def all_of(client: Client, request: api.Request) -> api.Word:
    *_, last = client.stream(request)
    return last


def test_everything_at_once(vault: TestVault, tmp_path: Path) -> None:
    new = next(tmp_path.glob("maildir-*")) / "new"
    mails = itertools.count(FIRST, 20)
    total = FIRST
    crowd = Crowd()
    with served(vault.folder) as (client, opened):
        id_ = client.call(api.Search(query="letter", limit=1), api.Hits).hits[0].id

        def archive(number: int) -> None:
            nonlocal total
            put(new, letters(next(mails), 20))
            summary = all_of(client, api.Run(profile="box"))
            assert isinstance(summary, api.RunSummary)
            assert (summary.state, summary.balanced, summary.new) == ("ok", True, 20)
            total += 20

        def move(number: int) -> None:
            """An address goes from hand to hand; another thread may have been there first."""
            with suppress(ConfigError, NotFound):
                client.call(
                    api.AddUser(name="Bob", addresses=("bob@example.com", "b1@home.example")), api.Done
                )
            with suppress(ConfigError, NotFound):
                client.call(api.RemoveUser(user="bob@example.com", alias="b1@home.example"), api.Done)

        def read(number: int) -> None:
            found = client.call(api.Search(query="series", limit=5), api.Hits)
            assert len(found.hits) == 5
            page = client.call(api.ListMessages(user="carol@example.com", folder="Inbox"), api.Hits)
            assert page.total >= FIRST // 3
            assert "Number" in client.call(api.Show(id=id_), api.Message).text
            raw = b"".join(
                word.data for word in client.stream(api.ReadRaw(id=id_)) if isinstance(word, api.Chunk)
            )
            assert raw.startswith(b"From")
            client.call(api.GetTree(), api.Tree)
            assert client.call(api.GetStatus(), api.Status).messages >= FIRST

        def rebuild(number: int) -> None:
            done = all_of(client, api.Rebuild(catalog=number % 2 == 0, index=number % 3 == 1))
            assert isinstance(done, api.Done)

        def keep(number: int) -> None:
            assert isinstance(all_of(client, api.Backup(path=str(tmp_path / "backup"))), api.Done)
            assert isinstance(
                all_of(client, api.Export(query="series", path=str(tmp_path / f"x{number}.zip"))), api.Done
            )

        def verify(number: int) -> None:
            proof = all_of(client, api.Verify(deep=number % 2 == 0))
            assert isinstance(proof, api.Verified)
            assert proof.problems == ()

        def watch(number: int) -> None:
            words = client.stream(api.WatchRuns())
            assert isinstance(next(words), api.RunsState)
            client.call(api.GetHistory(), api.History)

        def edit(number: int) -> None:
            client.call(api.PutProfile(name="box", fields={"every": 300 + number % 7}), api.Done)

        crowd.add("archive", archive)
        crowd.add("move", move)
        crowd.add("move too", move)
        crowd.add("read", read)
        crowd.add("read too", read)
        crowd.add("rebuild", rebuild)
        crowd.add("keep", keep)
        crowd.add("verify", verify)
        crowd.add("watch", watch)
        crowd.add("edit", edit)
        crowd.run(SECONDS)
        assert min(crowd.counts.values()) >= 1, crowd.counts
        assert opened.catalog.totals().messages == total
    _as_rebuilt(vault.folder)
    vault.sound()
    assert len(vault.messages()) == min(total, 1000)


def _as_rebuilt(folder: Path) -> None:
    """What the catalog has come to is what the ledger makes of it."""
    Vault.open(folder, write=True).close()
    kept = Catalog.open(folder / CATALOG, readonly=True)
    before = kept.dump()
    kept.close()
    rebuild_catalog(folder)
    again = Catalog.open(folder / CATALOG, readonly=True)
    assert again.dump() == before
    again.close()
