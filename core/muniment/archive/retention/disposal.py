"""Disposes of mail: makes a list of what is due, and erases it, a version of a rule after the other.

Whoever wants a disposal states the name of the list, so that what is erased is exactly what was looked at. A
disposal that was stopped is resumed by making a list again; one that was approved counts what it has erased
before as part of its list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass, field

from muniment.archive.catalog.model import MessageRow
from muniment.archive.erasure.erase import Erasing, ErasureResult, finish_erasing
from muniment.archive.erasure.plan import ErasureOrder
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.operations.stage_progress import Stage, StageProgress, with_pauses
from muniment.archive.retention.coverage import PAGE
from muniment.archive.retention.due import DueList, due_among, due_pages, list_name, size_of
from muniment.archive.retention.holds import Actor
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError, VaultError

LISTED = "the mail is compared with the rules"
CHANGED = "it is no longer due"
"""Why a message is not erased that was due when the list was made."""


def list_due(vault: Vault, due: DueList, at: int, size: int = PAGE) -> Iterator[StageProgress]:
    """Fill a list with what is due at a moment; yields how far it is.

    Args:
        vault: The vault.
        due: The list.
        at: The moment, in seconds since 1970 UTC.
        size: Most messages that are looked at together.

    Raises:
        VaultError: A rule, a hold or the catalog can't be read.
    """
    if due.full:
        return
    done, total = 0, vault.catalog.totals().messages
    for page in due_pages(vault, at, size):
        due.add(page.due)
        done += page.examined
        yield StageProgress(LISTED, min(done, total), total)
        if due.full:
            return


def exact_list(
    vault: Vault,
    at: int,
    name: str,
    spent: Collection[bytes] = (),
    check: Callable[[], None] = lambda: None,
) -> Generator[StageProgress, None, DueList]:
    """Make the list with a name again, without what was erased of it; yields how far it is.

    Args:
        vault: The vault.
        at: The moment for which it was made.
        name: Its name (see `due.list_name`).
        spent: SHA-256 of what was erased of it.
        check: Called often. An error that it raises ends this.

    Raises:
        UsageError: What is due now is another list.
        VaultError: A rule, a hold or the catalog can't be read.
    """
    due = DueList(vault, hashes=max(size_of(name) - len(spent), 0))
    for progress in list_due(vault, due, at):
        check()
        yield progress
    if list_name({*due.hashes, *spent}) != name:
        raise UsageError(
            "what is due is not what the list had: mail, rules, holds or people have changed since; nothing "
            "was erased, make the list again"
        )
    return due


@dataclass(frozen=True, slots=True)
class DisposalOrder:
    """Which list is to be erased, who decided that, and how."""

    at: int
    """The moment for which the list was made, in seconds since 1970 UTC."""
    name: str
    """The list's name (see `due.list_name`)."""
    by: Actor
    """Who decided it."""
    approval: str = ""
    """The id of the approval by a second person; "" if none was needed."""


@dataclass(slots=True)
class DisposalResult:
    """What a disposal has done so far."""

    messages: int = 0
    """Number of erased messages."""
    records: list[int] = field(default_factory=list)
    """Sequences of the redaction records."""
    refused: dict[bytes, str] = field(default_factory=dict)
    """Why messages of the list were not erased, by their SHA-256."""

    def add(self, erased: ErasureResult | DisposalResult) -> None:
        """Add what was erased, such as by one version of a rule."""
        self.messages += erased.messages
        self.records += erased.records
        self.refused |= erased.refused


class Disposing:
    """One disposal. It belongs to the thread that writes the vault, between two runs."""

    def __init__(
        self,
        vault: Vault,
        order: DisposalOrder,
        now: Callable[[], int],
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare it; nothing happens yet.

        Args:
            vault: The vault, open for writing.
            order: What is to be erased.
            now: Gives the time now, in seconds since 1970 UTC.
            stopped: Whether to stop; it is asked often.
        """
        self.result = DisposalResult()
        self._vault = vault
        self._order = order
        self._now = now
        self._stopped = stopped

    def dispose(self) -> Iterator[Stage]:
        """Erase what is on the list, in batches, and remove all traces of it.

        Yields:
            A sentence for each stage, and its progress.

        Raises:
            UsageError: The list is not the one that was ordered, or is of a later time.
            ErasureStopped: `stopped` returned true. What was erased before stays erased.
            VaultError: The vault can't be read or written.
        """
        if self._order.at > self._now():
            raise UsageError("a disposal can't be of a later time: make the list again")
        yield from finish_erasing(self._vault, self._stopped)
        order, spent = self._order, self._spent()
        due = yield from with_pauses(exact_list(self._vault, order.at, order.name, spent, self._check))
        for rule, numbers in due.rules.items():
            yield from self._erase(rule, numbers)
        yield from finish_erasing(self._vault, self._stopped)

    def _spent(self) -> set[bytes]:
        """What this approved disposal has erased before it was stopped."""
        if not self._order.approval:
            return set()
        every = committed_redactions(self._vault.segments)
        mine = (one.redaction for one in every if one.redaction.request == self._order.approval)
        return {sha for redaction in mine for sha in redaction.messages}

    def _erase(self, rule: tuple[str, int], numbers: list[int]) -> Iterator[Stage]:
        name, version = rule
        order = ErasureOrder(
            basis=f"retention rule {name}, version {version}",
            who=self._order.by.who,
            uid=self._order.by.uid,
            at=self._now(),
            rule=rule,
            request=self._order.approval,
        )
        erasing = Erasing(self._vault, order, self._refused, self._stopped)
        try:
            yield from erasing.erase_content(numbers)
        finally:
            self.result.add(erasing.result)

    def _refused(self, rows: Collection[MessageRow]) -> dict[bytes, str]:
        """Why some messages of the list must not be erased now."""
        page = due_among(self._vault, list(rows), self._order.at)
        due = {one.row.sequence for one in page.due}
        reasons = {number: protection.reason for number, protection in page.kept.items()}
        return {
            row.sha: reasons.get(row.sequence, page.doubts.get(row.sequence, CHANGED))
            for row in rows
            if row.sequence not in due
        }

    def _check(self) -> None:
        if self._stopped():
            raise VaultError("the disposal was stopped before its first message: nothing was erased")
