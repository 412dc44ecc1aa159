"""The holds that cover one message, for clients."""

from __future__ import annotations

from muniment import api
from muniment.archive.catalog import MessageRow
from muniment.archive.retention.coverage import MessagePage
from muniment.archive.retention.holds import HeldBy, HoldMatch, holds_of
from muniment.archive.vault.vault import Vault


def held_by_word(held: HeldBy) -> api.HeldByWord:
    """A hold that covers a message, for clients."""
    hold = held.hold
    return api.HeldByWord(
        name=hold.name, case=hold.case, since=hold.placed,
        until=hold.release.time if hold.release else 0, unsure=held.unsure,
    )  # fmt: skip


def holds_over(vault: Vault, row: MessageRow) -> tuple[api.HeldByWord, ...]:
    """The holds that cover a message, and those that did, oldest first."""
    holds = holds_of(vault)
    if not holds:
        return ()
    held = HoldMatch(vault, holds).held(MessagePage(vault, [row])).get(row.sequence, [])
    return tuple(map(held_by_word, held))
