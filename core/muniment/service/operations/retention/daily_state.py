"""What the last daily disposal was, and why it failed: the service notes it, and health shows it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import MunimentError
from muniment.notify.model import DisposalFacts

DAY = "disposal:day"
"""The name in the catalog of the local date of the last daily disposal."""
PROBLEM = "disposal:problem"
"""The name in the catalog of why it failed, as a sentence; "" if it did not."""


def note_problem(vault: Vault, problem: str) -> None:
    """Note why the disposal of today failed; "" if it did not. An unwritable catalog keeps nothing."""
    with suppress(MunimentError, OSError):
        if (vault.catalog.meta_get(PROBLEM) or "") != problem:
            vault.catalog.meta_set(PROBLEM, problem)


def disposal_facts(vault: Vault, settings: Settings) -> DisposalFacts | None:
    """The facts about a vault's daily disposal that notifications need; None if it has none.

    Raises:
        MunimentError: the catalog can't be read.
    """
    if not settings.retention.dispose:
        return None
    day, last = vault.catalog.meta_get(DAY) or "", 0.0
    with suppress(ValueError):
        last = datetime.fromisoformat(day).timestamp()  # the day is one of this machine's time zone
    return DisposalFacts(
        due=settings.retention.dispose, day=day, last=last, problem=vault.catalog.meta_get(PROBLEM) or ""
    )
