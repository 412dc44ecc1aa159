"""The words that run profiles."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Callable, Iterator

from muniment import api
from muniment.archive.vault import Vault
from muniment.config.model import Profile
from muniment.errors import ConfigError, MunimentError
from muniment.runs.progress import Progress
from muniment.runs.run import ArchiveRun, exit_code, sentence, summary
from muniment.runs.workers import WorkerPool
from muniment.service.profiles import find, plan_of, source_of
from muniment.service.session import Session

EVERY = 0.25
"""Seconds between two progress words."""


def run(session: Session, request: api.Run) -> Iterator[api.Word]:
    """Run one profile, enabled or not: it was asked for by name."""
    return _runs(session, [find(session.settings(), request.profile)])


def run_all(session: Session, request: api.RunAll) -> Iterator[api.Word]:
    """Run every enabled profile, one after another."""
    profiles = [profile for profile in session.settings().profiles if profile.enabled]
    if not profiles:
        raise ConfigError("there is no enabled profile to run: add one with `muniment profile add`")
    return _runs(session, profiles)


def _runs(session: Session, profiles: list[Profile]) -> Iterator[api.Word]:
    with session.writing() as vault:
        pool = WorkerPool()
        try:
            for profile in profiles:
                yield from _watched(vault, profile, pool)
        finally:
            pool.close()


def _watched(vault: Vault, profile: Profile, pool: WorkerPool) -> Iterator[api.Word]:
    """One run in a thread of its own; closing the iterator cancels it and waits for its end."""
    states: queue.Queue[api.Word] = queue.Queue()
    cancel = threading.Event()
    newest: list[Progress] = []

    def observe(progress: Progress) -> None:
        newest[:] = [progress]

    def work() -> None:
        states.put(run_profile(vault, profile, pool, observe, cancel))

    thread = threading.Thread(target=work, name=f"run-{profile.name}", daemon=True)
    thread.start()
    try:
        while True:
            try:
                yield states.get(timeout=EVERY)
                return
            except queue.Empty:
                if newest:
                    yield progress_word(newest[0])
    finally:
        cancel.set()
        thread.join()


def run_profile(
    vault: Vault,
    profile: Profile,
    pool: WorkerPool,
    observe: Callable[[Progress], None],
    cancel: threading.Event,
) -> api.RunSummary:
    """Run a profile to its end. Never raises for what the run met: the summary says it."""
    try:
        source = source_of(profile, vault.folder)
    except MunimentError as error:
        progress = Progress(profile.name, state="failed", error=str(error))
        return api.RunSummary(**summary(progress), exit_code=error.exit_code)
    archive_run = ArchiveRun(vault, source, plan_of(profile), pool, observe, cancel)
    try:
        progress = archive_run.execute()
    except Exception as error:  # noqa: BLE001 - a run must end in a summary
        progress = archive_run.progress
        progress.state, progress.error = "failed", sentence(error)
    return api.RunSummary(**summary(progress), exit_code=exit_code(archive_run))


def progress_word(progress: Progress) -> api.ProgressWord:
    """A run's state as a word."""
    return api.ProgressWord(
        profile=progress.profile,
        stage=progress.stage,
        books=dataclasses.asdict(progress.books),
        stored=progress.stored,
        indexed=progress.indexed,
        bytes=progress.bytes,
        seconds=progress.seconds,
        rates=dict(progress.rates),
    )
