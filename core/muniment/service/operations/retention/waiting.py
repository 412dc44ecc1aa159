"""What an administrator should know of holds and approvals: counts, and what waits too long."""

from __future__ import annotations

from typing import NamedTuple

from muniment.archive.retention.approvals import Approval, approvals_of
from muniment.archive.retention.holds import open_holds
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import VaultError
from muniment.service.access.second_person import left_out

LONG = 7
"""Days after which an approval that waits is a problem."""
DAY = 86_400


class WaitingDecisions(NamedTuple):
    """What is held, and what waits for a second person."""

    holds: int = 0
    """Open legal holds."""
    approvals: int = 0
    """Approvals that someone must answer or try again."""
    problems: tuple[str, ...] = ()
    """A sentence for each problem."""


def waiting_decisions(vault: Vault, settings: Settings, now: int) -> WaitingDecisions:
    """Count open holds and waiting approvals, and find what needs attention.

    Args:
        vault: the vault.
        settings: its settings.
        now: seconds since 1970 UTC.
    """
    try:
        holds, book = open_holds(vault), approvals_of(vault)
    except VaultError as error:
        return WaitingDecisions(problems=(str(error),))
    waiting = book.waiting(now)
    problems = [_too_long(one, now) for one in waiting if now - one.asked > LONG * DAY]
    problems += [
        f"[approvals] in vault.toml no longer asks for a second person for {act!r}, which needs one until "
        f'another administrator has approved that: `muniment approvals relax "{act}" --reason TEXT`, or name '
        "it again."
        for act in left_out(book, settings)
    ]
    return WaitingDecisions(len(holds), len(waiting), tuple(problems))


def _too_long(one: Approval, now: int) -> str:
    days = (now - one.asked) // DAY
    return (
        f"The approval {one.id} ({one.act}, asked by {one.by.who}) waits for {days} days. "
        f"Another administrator must approve or refuse it: `muniment approvals show {one.id}`."
    )
