"""Answers GetHistory: the runs in the ledger, and the last failed run of each profile that has no record."""

from __future__ import annotations

import json

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.service.access.roles import AccessRole
from muniment.service.host.last_run import FAILURE
from muniment.service.host.profile_source import find
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import Operation

MOST = 500
"""Largest number of runs on a page."""


def get_history(session: ClientSession, request: api.GetHistory) -> api.History:
    """Answer GetHistory.

    Raises:
        NotFound: there is no such profile, and none of that name ever ran.
    """
    limit = min(max(request.limit, 1), MOST)
    names = [request.profile] if request.profile else [one.name for one in session.settings().profiles]
    with session.reading() as vault:
        rows = vault.catalog.runs(
            request.profile, limit + 1, state=request.state, before=request.after, eventful=request.eventful
        )
        noted = _failures(vault, names)
        if request.profile and not rows and not noted and not vault.catalog.runs(request.profile, 1):
            find(session.settings(), request.profile)  # raises; a removed profile has runs
        failures = noted if request.state in ("", "failed") else []
    shown = rows[:limit]
    after = shown[-1].sequence if len(rows) > limit else 0
    kept = [(row.sequence, _record(row.sequence, row.time, row.summary)) for row in shown]
    early = [(at, run) for at, run in failures if after < at and (not request.after or at <= request.after)]
    ordered = sorted([*kept, *early], key=lambda found: found[0], reverse=True)
    return api.History(runs=tuple(run for _, run in ordered), after=after)


def _record(sequence: int, ended: int, summary: str) -> api.RunRecord:
    return api.RunRecord(sequence=sequence, time=ended, summary=json.loads(summary))


def _failures(vault: Vault, names: list[str]) -> list[tuple[int, api.RunRecord]]:
    """The noted failures, each with the number of the record in the ledger that would come next."""
    found = []
    for name in names:
        noted = vault.catalog.meta_json(FAILURE + name)
        if noted:
            record = api.RunRecord(
                time=noted.get("time", 0), summary=noted["summary"],
                count=noted.get("count", 1), since=noted.get("since", 0),
            )  # fmt: skip
            found.append((noted["after"], record))
    return found


OPERATIONS = (Operation(api.GetHistory, (api.History,), AccessRole.AUDITOR, get_history),)
