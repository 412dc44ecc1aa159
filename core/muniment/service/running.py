"""The words that run profiles."""

from __future__ import annotations

import dataclasses
import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from muniment import api
from muniment.archive.vault import Vault
from muniment.config.model import Profile
from muniment.errors import ConfigError, MunimentError
from muniment.runs.progress import Progress
from muniment.runs.run import ArchiveRun, exit_code, sentence, summary
from muniment.runs.workers import WorkerPool
from muniment.service.profiles import find, plan_of, source_of
from muniment.service.session import Session

log = logging.getLogger("muniment.service")

FAILURE = "failure:"
"""Before a profile's name: under which the catalog keeps its last run that got nowhere."""
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
    ended = _ended(vault, profile, pool, observe, cancel)
    if ended.state == "failed" and not ended.listed:
        note_failure(vault, ended)
    return ended


def _ended(
    vault: Vault,
    profile: Profile,
    pool: WorkerPool,
    observe: Callable[[Progress], None],
    cancel: threading.Event,
) -> api.RunSummary:
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


def note_failure(vault: Vault, ended: api.RunSummary) -> None:
    """Remember a run that got nowhere, for `status`; it changed nothing, so the ledger says nothing of it."""
    told = {key: getattr(ended, key) for key in ended.__struct_fields__ if key != "exit_code"}
    try:
        note = json.dumps({"after": vault.head.tree_size, "summary": told})
        vault.catalog.meta_set(FAILURE + ended.profile, note)
    except Exception as error:  # noqa: BLE001 - the run's own failure is the one to tell
        log.warning("the failed run of %s could not be noted: %r", ended.profile, error)


def last_run(vault: Vault, profile: str) -> dict[str, Any] | None:
    """The summary of a profile's last run, one that got nowhere included; None before the first."""
    kept = vault.catalog.last_run(profile)
    noted = json.loads(vault.catalog.meta_get(FAILURE + profile) or "{}")
    if noted and (kept is None or kept.sequence < noted["after"]):
        failed: dict[str, Any] = noted["summary"]
        return failed
    return None if kept is None else json.loads(kept.summary)


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
