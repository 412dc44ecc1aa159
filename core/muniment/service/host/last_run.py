"""The last run of each profile, and notes of runs that failed early.

A run that fails before it lists anything (no login, no server) changes nothing, so it has no record in the
ledger. The catalog keeps a note of the last one, which counts how many came in a row.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from muniment import api
from muniment.archive.vault.vault import Vault

log = logging.getLogger("muniment.service")

FAILURE = "failure:"
"""Prefix of the key of such a note in the catalog. The name of the profile follows."""


def note_failure(vault: Vault, ended: api.RunSummary) -> None:
    """Note a run that failed before it listed anything. A failure to do so is logged."""
    summary = {key: getattr(ended, key) for key in ended.__struct_fields__ if key != "exit_code"}
    now = int(time.time())
    try:
        before = _noted(vault, ended.profile) or {}
        note = {
            "after": vault.head.tree_size,
            "summary": summary,
            "time": now,
            "since": before.get("since", now),
            "count": before.get("count", 0) + 1,
        }
        vault.catalog.meta_set(FAILURE + ended.profile, json.dumps(note))
    except Exception as error:  # noqa: BLE001 - the caller must get the run's own failure
        log.warning("the failed run of %s could not be noted: %r", ended.profile, error)


def _noted(vault: Vault, profile: str) -> dict[str, Any] | None:
    """The note of a profile's failed run, unless a later run has a record in the ledger."""
    noted: dict[str, Any] = vault.catalog.meta_json(FAILURE + profile) or {}
    if not noted:
        return None
    kept = vault.catalog.last_run(profile)
    return noted if kept is None or kept.sequence < noted["after"] else None


def last_run(vault: Vault, profile: str) -> dict[str, Any] | None:
    """The summary of a profile's last run and `ended`, the time of its end; None before the first run.

    If the run failed early, `in_a_row` counts such runs.
    """
    ended = last_end(vault, profile)
    return None if ended is None else {**ended[1], "ended": ended[0]}


def last_end(vault: Vault, profile: str) -> tuple[int, dict[str, Any]] | None:
    """When a profile's last run ended, seconds since 1970 UTC, and its summary; None before the first run."""
    noted = _noted(vault, profile)
    if noted is not None:
        return noted.get("time", 0), {**noted["summary"], "in_a_row": noted.get("count", 1)}
    kept = vault.catalog.last_run(profile)
    return None if kept is None else (kept.time, json.loads(kept.summary))
