"""Runs that have ended: those the ledger keeps, and of each profile the last that got nowhere.

A run that got nowhere (no login, no server) changed nothing, so the ledger says nothing of it; the
catalog keeps a note, which counts how often in a row that was so.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from muniment import api
from muniment.archive.vault.vault import Vault
from muniment.service.host.session import Session
from muniment.service.operations.profiles import find

log = logging.getLogger("muniment.service")

FAILURE = "failure:"
"""Before a profile's name: under which the catalog keeps its last run that got nowhere."""
MOST = 500
"""Runs on a page, at most."""


def note_failure(vault: Vault, ended: api.RunSummary) -> None:
    """Remember a run that got nowhere."""
    told = {key: getattr(ended, key) for key in ended.__struct_fields__ if key != "exit_code"}
    now = int(time.time())
    try:
        before = _noted(vault, ended.profile) or {}
        note = {
            "after": vault.head.tree_size,
            "summary": told,
            "time": now,
            "since": before.get("since", now),
            "count": before.get("count", 0) + 1,
        }
        vault.catalog.meta_set(FAILURE + ended.profile, json.dumps(note))
    except Exception as error:  # noqa: BLE001 - the run's own failure is the one to tell
        log.warning("the failed run of %s could not be noted: %r", ended.profile, error)


def _noted(vault: Vault, profile: str) -> dict[str, Any] | None:
    """The note of a profile's failure, unless a run has got somewhere since."""
    noted: dict[str, Any] = vault.catalog.meta_json(FAILURE + profile) or {}
    if not noted:
        return None
    kept = vault.catalog.last_run(profile)
    return noted if kept is None or kept.sequence < noted["after"] else None


def last_run(vault: Vault, profile: str) -> dict[str, Any] | None:
    """A profile's last run, be it one that got nowhere: its summary and `ended`; None before the first."""
    ended = last_end(vault, profile)
    return None if ended is None else {**ended[1], "ended": ended[0]}


def last_end(vault: Vault, profile: str) -> tuple[int, dict[str, Any]] | None:
    """When a profile's last run ended, seconds since 1970 UTC, and its summary; as `last_run`."""
    noted = _noted(vault, profile)
    if noted is not None:
        return noted.get("time", 0), {**noted["summary"], "in_a_row": noted.get("count", 1)}
    kept = vault.catalog.last_run(profile)
    return None if kept is None else (kept.time, json.loads(kept.summary))


def get_history(session: Session, request: api.GetHistory) -> api.History:
    """A page of the runs that have ended, newest first.

    Raises:
        NotFound: there is no such profile, and never was one that ran.
    """
    limit = min(max(request.limit, 1), MOST)
    names = [request.profile] if request.profile else [one.name for one in session.settings().profiles]
    with session.reading() as vault:
        rows = vault.catalog.runs(
            request.profile, limit + 1, state=request.state, before=request.after, eventful=request.eventful
        )
        noted = _failures(vault, names)
        if request.profile and not rows and not noted and not vault.catalog.runs(request.profile, 1):
            find(session.settings(), request.profile)  # a removed one has runs, a misspelt one has none
        failures = noted if request.state in ("", "failed") else []
    shown = rows[:limit]
    after = shown[-1].sequence if len(rows) > limit else 0
    kept = [(row.sequence, _record(row.sequence, row.time, row.summary)) for row in shown]
    nowhere = [(at, run) for at, run in failures if after < at and (not request.after or at <= request.after)]
    ordered = sorted([*kept, *nowhere], key=lambda found: found[0], reverse=True)
    return api.History(runs=tuple(run for _, run in ordered), after=after)


def _record(sequence: int, ended: int, summary: str) -> api.RunRecord:
    return api.RunRecord(sequence=sequence, time=ended, summary=json.loads(summary))


def _failures(vault: Vault, names: list[str]) -> list[tuple[int, api.RunRecord]]:
    """The noted failures: each with the place in the ledger that it stands just before."""
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
