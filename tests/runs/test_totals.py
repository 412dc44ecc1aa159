"""The progress of a run: totals of the whole mailbox, although mail is fetched in portions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.config.file import load
from muniment.runs.pipeline.pause import RunPause
from muniment.runs.pipeline.progress import RunProgress
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.run import ArchiveRun
from muniment.service.host.jobs import RunJob
from muniment.service.host.profile_source import find, plan_of, source_of
from muniment.sources.files import base
from muniment.sources.files.maildir import MaildirSource
from support.reports import plain, report
from support.vaults import TestVault, put

COUNT = 200
PORTION = 50
"""Messages of a session. Real sessions have 5,000."""


def letters(count: int) -> list[bytes]:
    return [report(plain(subject=f"Letter {n}", body=f"Text {n}\n")) for n in range(count)]


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base.FileSource, "session", PORTION)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[api.ProgressWord]:
    """Every state that a service would show of the run."""
    seen: list[api.ProgressWord] = []
    observe = RunJob._observe

    def spy(job: RunJob, progress: RunProgress) -> None:
        observe(job, progress)
        if progress.stage not in ("starting", "done"):
            seen.append(job.progress)

    monkeypatch.setattr(RunJob, "_observe", spy)
    return seen


@pytest.mark.parametrize("delete", [False, True])
def test_the_whole_mailbox_counts_from_the_first_portion_on(
    vault: TestVault, small_portions: None, watched: list[api.ProgressWord], delete: bool
) -> None:
    put(vault.maildir("box", delete=delete), letters(COUNT))
    summary = vault.run("box")
    assert (summary.state, summary.listed, summary.new, summary.pending) == ("ok", COUNT, COUNT, 0)
    assert {(word.expected, word.books["listed"], word.total_known) for word in watched} == {
        (COUNT, COUNT, True)
    }
    percents = [word.percent for word in watched if word.percent is not None]
    assert all(before <= after for before, after in pairwise(percents))
    assert (percents[0] < 50, percents[-1]) == (True, 100)
    for word in watched:
        assert_balanced(word)


def assert_balanced(word: api.ProgressWord) -> None:
    books = word.books
    parts = ("fetched", "already", "failed", "skipped", "pending")
    assert books["listed"] == sum(books[part] for part in parts), books
    assert books["pending"] >= 0


def test_a_source_that_lists_during_the_run_has_no_total_at_first(
    vault: TestVault, small_portions: None, watched: list[api.ProgressWord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The total grows while the source lists, and there is no percentage until it is known."""
    monkeypatch.setattr(MaildirSource, "expected", property(lambda self: None, lambda self, value: None))
    put(vault.maildir("box"), letters(COUNT + 10))
    assert vault.run("box").state == "ok"
    totals = [word.expected for word in watched]
    assert totals == sorted(totals)
    listing = [word for word in watched if not word.total_known]
    assert {word.expected for word in listing} == {50, 100, 150, 200}
    assert {word.percent for word in listing} == {None}
    assert watched[-1].total_known
    assert watched[-1].percent == 100


def test_items_that_a_cancelled_run_did_not_reach_are_pending(vault: TestVault, small_portions: None) -> None:
    put(vault.maildir("box"), letters(COUNT))
    summary = stopped(vault, lambda progress: progress.books.listed > 0)
    assert summary.state == "cancelled"
    assert summary.books.listed == COUNT
    assert summary.books.pending == COUNT - summary.books.fetched > 0
    assert summary.books.balanced
    assert vault.run("box").already == summary.books.fetched


def stopped(vault: TestVault, at: Callable[[RunProgress], bool]) -> RunProgress:
    """Run the profile, and cancel it once a condition holds."""
    cancel = threading.Event()

    def observe(progress: RunProgress) -> None:
        if at(progress):
            cancel.set()

    profile = find(load(vault.folder / "vault.toml"), "box")
    pause = RunPause(cancel)
    with closing(open_vault(vault.folder, write=True)) as opened, closing(WorkerPool()) as pool:
        source = source_of(profile, vault.folder, pause)
        return ArchiveRun(opened, source, plan_of(profile), pool, observe, pause).execute()


def test_mail_that_disappears_during_the_listing_does_not_stay_pending(
    vault: TestVault, small_portions: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source may announce more than it lists in the end, as a server can."""
    announced = property(lambda self: COUNT + 30, lambda self, value: None)
    monkeypatch.setattr(MaildirSource, "expected", announced)
    put(vault.maildir("box"), letters(COUNT))
    summary = vault.run("box")
    assert (summary.state, summary.listed, summary.pending, summary.balanced) == ("ok", COUNT, 0, True)
