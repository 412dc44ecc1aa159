"""The last run of a profile, also where it got nowhere.

A run that got nowhere (no login, no server) changed nothing, so the ledger does not record it. The catalog
keeps a note, which counts how often in a row that happened.
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
"""Before a profile's name: under which the catalog keeps its last run that got nowhere."""


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
