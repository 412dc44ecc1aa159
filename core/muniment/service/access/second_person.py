"""Which acts need a second person: those in [approvals] of vault.toml, and those that an approval has not
taken off the list in the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.approvals import RELAX, ApprovalBook, approvals_of, need_values
from muniment.archive.retention.holds import Actor
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.service.access.roles import login_name

FILE_WORD = "vault.toml"
"""The name of the request in the audit event of acts that an edit of that file added."""


def needed_acts(book: ApprovalBook, settings: Settings) -> frozenset[str]:
    """The acts that need a second person."""
    return book.needed | frozenset(settings.approvals.need) | {RELAX}


def left_out(book: ApprovalBook, settings: Settings) -> list[str]:
    """The acts that vault.toml no longer names, although no approval has taken them off the list."""
    return sorted(book.needed - frozenset(settings.approvals.need))


def record_needs(vault: Vault, read: Callable[[], tuple[str, ...]]) -> None:
    """Record the acts of vault.toml that the ledger does not know to need a second person. None is removed.

    Args:
        vault: the vault, open for writing.
        read: gives the acts that vault.toml names now. It is called again at this writer's turn.

    Raises:
        VaultError: the ledger can't be written now, or an approval can't be read.
    """
    if frozenset(read()) <= approvals_of(vault).needed:
        return
    by = Actor(login_name(os.geteuid()), os.geteuid())
    event = {
        "event": "changed", "who": by.who, "uid": by.uid, "role": "administrator", "word": FILE_WORD,
        "at": int(time.time()),
    }  # fmt: skip
    vault.decide(
        RecordKind.APPROVAL,
        lambda earlier: need_values(earlier, read(), by),
        int(time.time()),
        lambda made: [event | {"acts": made[0]["acts"]}],
    )
