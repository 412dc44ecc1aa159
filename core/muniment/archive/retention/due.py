"""Finds the mail that is to be disposed of: a rule demands it, and neither a rule nor a hold keeps it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from muniment.archive.catalog.model import MessageRow
from muniment.archive.retention.coverage import PAGE, pages
from muniment.archive.retention.judging import RuleJudge, rules_of
from muniment.archive.retention.minimums import RuleTime
from muniment.archive.retention.protection import Protection, protections
from muniment.archive.retention.rules import RuleVersion
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError


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


_NAME = re.compile(r"([0-9]{1,9}):[0-9a-f]{64}", re.ASCII)
LIST_LIMIT = 100_000
"""Most messages that one disposal takes."""


class DueList:
    """What one disposal takes: the first messages that are due, in the order of the ledger."""

    def __init__(self, vault: Vault, most: int = LIST_LIMIT, hashes: int = -1) -> None:
        """Make an empty list of at most `most` messages and, unless negative, exactly `hashes` hashes."""
        self.rules: dict[tuple[str, int], list[int]] = {}
        """Numbers of messages, by name and version of the rule, in the order of the ledger."""
        self.messages = 0
        """Number of messages."""
        self.hashes: set[bytes] = set()
        """SHA-256 of each message, and of those that it has displaced."""
        self._vault = vault
        self._most = most
        self._wanted = hashes

    @property
    def full(self) -> bool:
        """Whether it takes no more messages."""
        return self.messages >= self._most or 0 <= self._wanted <= len(self.hashes)

    def add(self, due: Sequence[DueMessage]) -> None:
        """Take messages until it is full."""
        formers = self._vault.catalog.displaced_by([one.row.sequence for one in due])
        for one in due:
            if self.full:
                return
            rule = one.time.rule
            self.rules.setdefault((rule.name, rule.version), []).append(one.row.sequence)
            self.messages += 1
            self.hashes |= {one.row.sha, *(sha for _, sha in formers.get(one.row.sequence, ()))}


def list_name(hashes: Collection[bytes]) -> str:
    """Return the name of a list: how many hashes it has, and the SHA-256 over them, sorted, in hex."""
    return f"{len(hashes)}:{hashlib.sha256(b''.join(sorted(hashes))).hexdigest()}"


def size_of(name: str) -> int:
    """Return how many hashes the list with a name has.

    Raises:
        UsageError: It is no name of a list.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise UsageError(f"{name[:80]!r} is not the name of a list: take it from a simulation")
    return int(found[1])


def due_pages(
    vault: Vault, at: int, size: int = PAGE, rules: Sequence[RuleVersion] | None = None
) -> Iterator[DuePage]:
    """Find what is to be disposed of at a moment, in ascending order of numbers, with bounded memory.

    Args:
        vault: The vault.
        at: The moment, in seconds since 1970 UTC.
        size: Most messages of a page.
        rules: Versions of rules for a simulation; by default those of the vault.

    Raises:
        VaultError: A rule or a hold can't be read, or the catalog can't be read.
    """
    judge = RuleJudge(vault, rules_of(vault) if rules is None else rules)
    if judge.disposes:
        for page in pages(vault, size):
            yield _judged(vault, judge, page.rows, at, rules)


def due_among(vault: Vault, rows: Sequence[MessageRow], at: int) -> DuePage:
    """Find which of some messages are to be disposed of; see `due_pages`."""
    return _judged(vault, RuleJudge(vault, rules_of(vault)), rows, at)


def _judged(
    vault: Vault,
    judge: RuleJudge,
    rows: Sequence[MessageRow],
    at: int,
    rules: Sequence[RuleVersion] | None = None,
) -> DuePage:
    times = judge.disposals(rows, at)
    demanded = [row for row in rows if row.sequence in times]
    kept = protections(vault, demanded, at, rules) if demanded else {}
    due = [DueMessage(row, times[row.sequence]) for row in demanded if row.sequence not in kept]
    doubts = judge.doubts(rows, at)
    return DuePage(len(rows), due, kept, {n: why for n, why in doubts.items() if n not in times})
