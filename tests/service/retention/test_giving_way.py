"""Runs go first while mail is erased: an erasure lets them at its pauses, and goes on after them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from muniment import api
from muniment.archive.erasure.erase import Erasing, ErasureStopped
from muniment.archive.erasure.unfinished import ERASING
from muniment.archive.operations.stage_progress import PAUSE, Stage
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.service.host.run_host import RunHost, RunObserver
from muniment.service.host.session import ClientSession
from muniment.service.host.vault_act import GIVES_WAY, VaultAct
from muniment.service.operations.proving import StageSteps
from support.erased import ORDER, left_of, nothing_is_protected
from support.reports import plain, report
from support.vaults import TestVault, put

PATIENCE = 120.0
SECRETS = [plain(subject=f"Secret {n}", body=f"zyxwvut{n} giants turn {n}\n") for n in range(4)]


class Slow(RunObserver):
    """Notes how many messages were erased when each run ended."""

    def __init__(self) -> None:
        self.erasing: Erasing | None = None
        self.found: list[int] = []

    def ended(self, summary: api.RunSummary) -> None:
        assert self.erasing is not None
        self.found.append(self.erasing.result.messages)


@pytest.fixture
def host(vault: TestVault) -> Iterator[RunHost]:
    vault.archive([report(one) for one in SECRETS], journal=True)
    put(vault.maildir("box"), [plain(subject="New", body="It came meanwhile.\n")])
    with (
        closing(open_vault(vault.folder, write=True)) as opened,
        closing(RunHost(ClientSession(vault.folder, opened), in_service=True)) as made,
    ):
        yield made


def secrets(vault: Vault) -> list[int]:
    rows = vault.catalog.messages_after(-1, 100)
    return [row.sequence for row in rows if row.subject.startswith("Secret")]


def submitted(host: RunHost, watch: Slow, at: int) -> VaultAct:
    """Begin an erasure in batches of one; a run is asked for once so many messages are erased."""
    host.observe(watch)

    def act(vault: Vault, stopped: object) -> Iterator[Stage]:
        assert callable(stopped)
        erasing = watch.erasing = Erasing(vault, ORDER, nothing_is_protected, stopped, batch=1)
        asked = False
        for stage in erasing.erase(secrets(vault)):
            if erasing.result.messages == at and not asked:
                asked = True
                host.run("box")
            yield stage

    job = VaultAct(act, StageSteps().step, lambda: api.Done(message="erased"), host.run_waits, 0)
    host.submit(job)
    return job


@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_run_goes_first_at_the_next_pause(vault: TestVault, host: RunHost, at: int) -> None:
    watch = Slow()
    job = submitted(host, watch, at)
    words = list(job.replies())
    assert words[-1] == api.Done(message="erased")
    assert any(isinstance(word, api.Step) and word.text == GIVES_WAY for word in words)
    assert watch.found == [at]
    assert not (vault.folder / ERASING).exists()
    assert [hit.subject for hit in vault.messages()] == ["New"]
    kept = plain(subject="New", body="It came meanwhile.\n")
    assert left_of(vault.folder, [*SECRETS, *map(report, SECRETS)], [kept, report(kept)]) == {}


def test_an_erasure_that_waits_for_a_run_can_be_stopped(vault: TestVault, host: RunHost) -> None:
    """It ends properly, in the thread of the host: what it has erased stays erased, and is counted."""
    watch, gone = Slow(), threading.Event()
    job = submitted(host, watch, 2)

    class Stopping(RunObserver):
        def started(self, profile: str) -> None:
            host.stop(job)
            gone.set()

    host.observe(Stopping())
    with pytest.raises(ErasureStopped, match="2 messages are erased, and stay so"):
        list(job.replies())
    assert gone.is_set()
    assert watch.found == [2]


def test_without_a_run_an_act_does_not_pause(host: RunHost) -> None:
    def act(vault: Vault, stopped: object) -> Iterator[Stage]:
        yield from ("one", PAUSE, "two")

    job = VaultAct(act, StageSteps().step, lambda: api.Done(message="done"), host.run_waits, 0)
    host.submit(job)
    assert job.ended.wait(PATIENCE)
    assert [word for word in job.replies() if isinstance(word, api.Step)] == [
        api.Step(text="one"), api.Step(text="two"),
    ]  # fmt: skip


def test_runs_without_end_do_not_hold_it_up(host: RunHost) -> None:
    """It goes on for some time before the next run."""
    ended = list[api.RunSummary]()

    class Counting(RunObserver):
        def ended(self, summary: api.RunSummary) -> None:
            ended.append(summary)

    def act(vault: Vault, stopped: object) -> Iterator[Stage]:
        for _ in range(25):
            time.sleep(0.1)
            yield PAUSE

    def always() -> bool:
        host.run("box")
        return host.run_waits()

    host.observe(Counting())
    job = VaultAct(act, StageSteps().step, lambda: api.Done(message="done"), always, 1.0)
    host.submit(job)
    assert job.ended.wait(PATIENCE)
    assert 1 <= len(ended) <= 3
