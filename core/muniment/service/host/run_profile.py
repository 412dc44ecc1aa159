"""Runs a profile, from its settings to the summary of the run."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.config.model import Profile
from muniment.errors import MunimentError
from muniment.runs.pipeline.pause import RunPause
from muniment.runs.pipeline.progress import RunProgress
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.run import ArchiveRun, exit_code, sentence, summary
from muniment.service.host.last_run import note_failure
from muniment.service.host.profile_source import plan_of, source_of


def run_profile(
    vault: Vault,
    profile: Profile,
    pool: WorkerPool,
    observe: Callable[[RunProgress], None],
    cancel: threading.Event,
) -> api.RunSummary:
    """Run a profile to its end.

    Args:
        vault: the vault, open for writing.
        profile: the profile.
        pool: worker processes that prepare mail.
        observe: is called with the progress, in this thread.
        cancel: set it to stop the run after the messages in hand.

    Returns:
        The summary. An error of the run is in it, and is not raised.
    """
    ended = _summary_of_run(vault, profile, pool, observe, cancel)
    if ended.state == "failed" and not ended.listed:
        note_failure(vault, ended)
    return ended


def _summary_of_run(
    vault: Vault,
    profile: Profile,
    pool: WorkerPool,
    observe: Callable[[RunProgress], None],
    cancel: threading.Event,
) -> api.RunSummary:
    pause = RunPause(cancel)
    try:
        source = source_of(profile, vault.folder, pause)
    except MunimentError as error:
        progress = RunProgress(profile.name, state="failed", error=str(error))
        return api.RunSummary(**summary(progress), exit_code=error.exit_code)
    archive_run = ArchiveRun(vault, source, plan_of(profile), pool, observe, pause)
    try:
        progress = archive_run.execute()
    except Exception as error:  # noqa: BLE001 - a run must end in a summary
        progress = archive_run.progress
        progress.state, progress.error = "failed", sentence(error)
    return api.RunSummary(**summary(progress), exit_code=exit_code(archive_run))


def progress_word(progress: RunProgress) -> api.ProgressWord:
    """The progress of a run as a reply."""
    return api.ProgressWord(
        profile=progress.profile,
        stage=progress.stage,
        books=dataclasses.asdict(progress.books),
        expected=progress.expected,
        arrived=progress.arrived,
        decided=progress.decided,
        deletes=progress.deletes,
        stored=progress.stored,
        indexed=progress.indexed,
        bytes=progress.bytes,
        seconds=progress.seconds,
        rates=dict(progress.rates),
        total_known=progress.total_known,
    )


def counters(progress: api.ProgressWord) -> tuple[object, ...]:
    """The values that change when a run makes progress, without those that change with time alone."""
    return (
        progress.stage, progress.books, progress.arrived, progress.decided, progress.stored, progress.indexed,
        progress.bytes,
    )  # fmt: skip
