"""The words about runs: to ask for them, to stop them, to watch them."""

from __future__ import annotations

from collections.abc import Iterator

from muniment import api
from muniment.errors import ConfigError
from muniment.service.access.roles import Role
from muniment.service.host.jobs import Job
from muniment.service.host.profile_source import find
from muniment.service.host.run_host import Host
from muniment.service.host.session import Session
from muniment.service.operations.operation import Operation


def run(session: Session, request: api.Run) -> Iterator[api.Word]:
    """Run one profile, enabled or not: it was asked for by name."""
    find(session.settings(), request.profile)
    return _runs(session.host, [request.profile])


def run_all(session: Session, request: api.RunAll) -> Iterator[api.Word]:
    """Run every enabled profile, one after another."""
    profiles = [profile.name for profile in session.settings().profiles if profile.enabled]
    if not profiles:
        raise ConfigError("there is no enabled profile to run: add one with `muniment profile add`")
    return _runs(session.host, profiles)


def _runs(host: Host, profiles: list[str]) -> Iterator[api.Word]:
    """Ask for all of them at once, so that they go on in a service whoever hangs up, and watch each."""
    asked = [host.run(profile) for profile in profiles]
    try:
        for job, _ in asked:
            yield from job.words()
    finally:
        _leave(host, [job for job, new in asked if new])


def _leave(host: Host, jobs: list[Job]) -> None:
    """Where nothing lasts, what is no longer watched is stopped, and the vault let go of."""
    if host.lasting:
        return
    for job in jobs:
        host.stop(job)
    for job in jobs:
        job.ended.wait()
    host.rest()


def retry_quarantine(session: Session, request: api.RetryQuarantine) -> Iterator[api.Word]:
    """Try quarantined items again; what can be unwrapped now is archived."""
    session.settings()
    job = session.host.retry(request.ids)
    try:
        yield from job.words()
    finally:
        _leave(session.host, [job])


def cancel_run(session: Session, request: api.CancelRun) -> api.Done:
    """Stop a profile's run, or all runs, after the messages in hand."""
    if request.profile:
        find(session.settings(), request.profile)
    stopped = session.host.cancel(request.profile)
    if not stopped:
        nothing = f"Profile {request.profile} is not running" if request.profile else "Nothing is running"
        return api.Done(message=f"{nothing}: there is nothing to cancel.")
    return api.Done(message=f"Stopping {', '.join(stopped)} after the messages in hand.")


def watch_runs(session: Session, request: api.WatchRuns) -> Iterator[api.Word]:
    """How the runs stand, until the caller hangs up."""
    return session.host.watch()


OPERATIONS = (
    Operation(api.Run, (api.ProgressWord, api.RunSummary), Role.ADMINISTRATOR, run, streams=True),
    Operation(api.RunAll, (api.ProgressWord, api.RunSummary), Role.ADMINISTRATOR, run_all, streams=True),
    Operation(api.WatchRuns, (api.RunsState,), Role.AUDITOR, watch_runs, streams=True),
    Operation(api.CancelRun, (api.Done,), Role.ADMINISTRATOR, cancel_run),
    Operation(api.RetryQuarantine, (api.Step, api.Done), Role.ADMINISTRATOR, retry_quarantine, streams=True),
)
