"""Answers the requests that start, stop and watch runs, ListQuarantine and RetryQuarantine."""

from __future__ import annotations

from collections.abc import Iterator

from muniment import api
from muniment.errors import ConfigError
from muniment.runs.retry import chosen
from muniment.service.access.roles import AccessRole
from muniment.service.host.jobs import WriterJob
from muniment.service.host.profile_source import find
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import AuditRule, Changed, Operation


def run(session: ClientSession, request: api.Run) -> Iterator[api.WireWord]:
    """Answer Run. The profile need not be enabled."""
    find(session.settings(), request.profile)
    return _runs(session.host, [request.profile])


def run_all(session: ClientSession, request: api.RunAll) -> Iterator[api.WireWord]:
    """Answer RunAll: run all enabled profiles."""
    profiles = [profile.name for profile in session.settings().profiles if profile.enabled]
    if not profiles:
        raise ConfigError("there is no enabled profile to run: add one with `muniment profile add`")
    return _runs(session.host, profiles)


def _runs(host: RunHost, profiles: list[str]) -> Iterator[api.WireWord]:
    """Queue all runs at once, so that a service does them even if the client leaves; then watch each."""
    queued = [host.run(profile) for profile in profiles]
    try:
        for job, _ in queued:
            yield from job.replies()
    finally:
        _leave(host, [job for job, new in queued if new])


def _leave(host: RunHost, jobs: list[WriterJob]) -> None:
    """Without a service, stop the jobs that no client watches any more, and release the vault."""
    if host.in_service:
        return
    for job in jobs:
        host.stop(job)
    for job in jobs:
        job.ended.wait()
    host.wait_released()


def retry_quarantine(session: ClientSession, request: api.RetryQuarantine) -> Iterator[api.WireWord]:
    """Answer RetryQuarantine: archive the quarantined items that can be unwrapped now."""
    session.settings()
    with session.reading() as vault:
        chosen(vault, request.ids)  # raises NotFound
    return _retried(session.host, request.ids)


def _retried(host: RunHost, ids: tuple[str, ...]) -> Iterator[api.WireWord]:
    job = host.retry(ids)
    try:
        yield from job.replies()
    finally:
        _leave(host, [job])


def cancel_run(session: ClientSession, request: api.CancelRun) -> Changed:
    """Answer CancelRun: stop the run of a profile, or all runs."""
    if request.profile:
        find(session.settings(), request.profile)
    stopped = session.host.cancel(request.profile)
    if not stopped:
        idle = f"Profile {request.profile} is not running" if request.profile else "Nothing is running"
        return Changed(api.Done(message=f"{idle}: there is nothing to cancel."), made=False)
    return Changed(api.Done(message=f"Stopping {', '.join(stopped)} after the messages in hand."))


def watch_runs(session: ClientSession, request: api.WatchRuns) -> Iterator[api.WireWord]:
    """Answer WatchRuns: the state of all runs, until the client leaves."""
    return session.host.watch()


def list_quarantine(session: ClientSession, request: api.ListQuarantine) -> api.Quarantine:
    """Answer ListQuarantine: the items that could not be unwrapped."""
    with session.reading() as vault:
        return api.Quarantine(
            items=tuple(
                api.QuarantineItem(
                    id=item.sha.hex(),
                    time=item.time,
                    size=item.size,
                    reason=item.reason,
                    profile=item.profile,
                )
                for item in vault.catalog.quarantine()
            )
        )


OPERATIONS = (
    Operation(api.ListQuarantine, (api.Quarantine,), AccessRole.AUDITOR, list_quarantine),
    Operation(
        api.Run, (api.ProgressWord, api.RunSummary), AccessRole.ADMINISTRATOR, run,
        streams=True, audit=AuditRule.STARTED,
    ),
    Operation(
        api.RunAll, (api.ProgressWord, api.RunSummary), AccessRole.ADMINISTRATOR, run_all,
        streams=True, audit=AuditRule.STARTED,
    ),
    Operation(api.WatchRuns, (api.RunsState,), AccessRole.AUDITOR, watch_runs, streams=True),
    Operation(api.CancelRun, (api.Done,), AccessRole.ADMINISTRATOR, cancel_run, audit=AuditRule.CHANGE),
    Operation(
        api.RetryQuarantine, (api.Step, api.Done), AccessRole.ADMINISTRATOR, retry_quarantine,
        streams=True, audit=AuditRule.STARTED,
    ),
)  # fmt: skip
