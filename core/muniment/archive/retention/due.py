"""Finds the mail that is to be disposed of: a rule demands it, and neither a rule nor a hold keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from muniment.archive.catalog.model import MessageRow
from muniment.archive.retention.coverage import PAGE, pages
from muniment.archive.retention.judging import RuleJudge, rules_of
from muniment.archive.retention.minimums import RuleTime
from muniment.archive.retention.protection import Protection, protections
from muniment.archive.vault.vault import Vault


class DueMessage(NamedTuple):
    """A message that is to be disposed of."""

    row: MessageRow
    time: RuleTime
    """Since when, and by which version of which rule."""


class DuePage(NamedTuple):
    """What is to be disposed of among the next messages of a vault."""

    examined: int
    """Messages that were looked at."""
    due: list[DueMessage]
    kept: dict[int, Protection]
    """Messages whose time has come, but that are kept, by number."""
    doubts: dict[int, str]
    """Messages that stay since it is not certain that the rule is about them, by number, with the reason."""


LIST_LIMIT = 100_000
"""Most messages that one disposal takes."""


def list_digest(messages: Iterable[bytes]) -> str:
    """Return the SHA-256, in hex, over the sorted SHA-256 of messages: the name of this list."""
    return hashlib.sha256(b"".join(sorted(messages))).hexdigest()


def due_pages(vault: Vault, at: int, size: int = PAGE) -> Iterator[DuePage]:
    """Find what is to be disposed of at a moment, in ascending order of numbers, with bounded memory.

    Args:
        vault: The vault.
        at: The moment, in seconds since 1970 UTC.
        size: Most messages of a page.

    Raises:
        VaultError: A rule or a hold can't be read, or the catalog can't be read.
    """
    judge = RuleJudge(vault, rules_of(vault))
    if judge.disposes:
        for page in pages(vault, size):
            yield _judged(vault, judge, page.rows, at)


def due_among(vault: Vault, rows: Sequence[MessageRow], at: int) -> DuePage:
    """Find which of some messages are to be disposed of; see `due_pages`."""
    return _judged(vault, RuleJudge(vault, rules_of(vault)), rows, at)


def _judged(vault: Vault, judge: RuleJudge, rows: Sequence[MessageRow], at: int) -> DuePage:
    times = judge.disposals(rows, at)
    demanded = [row for row in rows if row.sequence in times]
    kept = protections(vault, demanded, at) if demanded else {}
    due = [DueMessage(row, times[row.sequence]) for row in demanded if row.sequence not in kept]
    doubts = judge.doubts(rows, at)
    return DuePage(len(rows), due, kept, {n: why for n, why in doubts.items() if n not in times})
