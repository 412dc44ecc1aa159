"""Judges mail by all retention rules: what must be kept until when, and what is to be disposed of when."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from muniment.archive.catalog.model import MessageRow
from muniment.archive.ledger.model import RecordKind
from muniment.archive.retention.coverage import Coverage, MessagePage, SelectionMatch
from muniment.archive.retention.minimums import Receipt, RuleTime, disposal, minimum
from muniment.archive.retention.rules import RuleKind, RuleVersion, read_rules
from muniment.archive.retention.selection import MailSelection
from muniment.archive.vault.vault import Vault


def rules_of(vault: Vault) -> list[RuleVersion]:
    """Return all versions of a vault's retention rules, in the order in which they were set.

    Raises:
        VaultError: They can't be read.
    """
    return read_rules(vault.catalog.decisions(RecordKind.RULE))


class RuleJudge:
    """The rules of a vault at one moment, and the directory of that moment.

    A minimum counts for all mail that its rule may be about; a disposal only for mail that its rule certainly
    is about.
    """

    def __init__(self, vault: Vault, versions: Sequence[RuleVersion]) -> None:
        self._vault = vault
        self._keeping = [version for version in versions if version.kind is RuleKind.KEEP]
        self._disposing = [version for version in versions if version.kind is RuleKind.DISPOSE]
        self._matches: dict[MailSelection, SelectionMatch] = {}

    @property
    def disposes(self) -> bool:
        """Whether a rule in force disposes of mail."""
        return any(version.in_force for version in self._disposing)

    def minimums(self, rows: Sequence[MessageRow], at: int | None = None) -> dict[int, RuleTime]:
        """Return until when messages must be kept, by number; those that no rule keeps are left out.

        Args:
            rows: The messages.
            at: Only minimums that end after this moment, in seconds since 1970 UTC; None for all.
        """
        judged = _Judged(self, rows, lambda coverage: coverage.numbers)
        found = {}
        for number, receipt in receipts(self._vault, rows).items():
            live = self._keeping
            if at is not None:
                live = [version for version in live if version.until(receipt.time) > at]
            longest = minimum(live, receipt, partial(judged.has, number))
            if longest is not None:
                found[number] = longest
        return found

    def disposals(self, rows: Sequence[MessageRow], at: int | None = None) -> dict[int, RuleTime]:
        """Return when messages are to be disposed of, by number; those that no rule is about are left out.

        Args:
            rows: The messages.
            at: Only messages whose time has come by this moment, in seconds since 1970 UTC; None for all.
        """
        candidates = rows if at is None else [row for row in rows if self._may_be_due(row, at)]
        judged = _Judged(self, candidates, lambda coverage: coverage.certain)
        found = {}
        for number, receipt in receipts(self._vault, candidates).items():
            first = disposal(self._disposing, receipt, partial(judged.has, number))
            if first is not None and (at is None or first.until <= at):
                found[number] = first
        return found

    def doubts(self, rows: Sequence[MessageRow], at: int | None = None) -> dict[int, str]:
        """Return why it is not certain that a disposal rule in force is about messages, by number.

        Args:
            rows: The messages.
            at: Only messages whose time has come by this moment, in seconds since 1970 UTC; None for all.
        """
        candidates = rows if at is None else [row for row in rows if self._may_be_due(row, at)]
        found: dict[int, str] = {}
        page = MessagePage(self._vault, candidates)
        for version in self._disposing if candidates else ():
            if version.in_force:
                found |= self.match(version.selection).coverage(page).possible
        return found

    def _may_be_due(self, row: MessageRow, at: int) -> bool:
        """Whether the time of a message has come, if it is the first rule's that is over."""
        return any(version.in_force and version.until(row.received) <= at for version in self._disposing)

    def match(self, selection: MailSelection) -> SelectionMatch:
        """Return what compares mail with a selection."""
        if selection not in self._matches:
            self._matches[selection] = SelectionMatch(self._vault, selection)
        return self._matches[selection]


class _Judged:
    """Some messages, compared with each selection when it is first asked about."""

    def __init__(
        self,
        judge: RuleJudge,
        rows: Sequence[MessageRow],
        which: Callable[[Coverage], Collection[int]],
    ) -> None:
        self._judge = judge
        self._page = MessagePage(judge._vault, rows)
        self._which = which
        self._numbers: dict[MailSelection, Collection[int]] = {}

    def has(self, number: int, version: RuleVersion) -> bool:
        """Return whether a version is about a message."""
        selection = version.selection
        if selection not in self._numbers:
            self._numbers[selection] = self._which(self._judge.match(selection).coverage(self._page))
        return number in self._numbers[selection]


def receipts(vault: Vault, rows: Iterable[MessageRow]) -> dict[int, Receipt]:
    """Return when messages were received, by number. Of an original, the displaced messages count as well."""
    times = {row.sequence: row.received for row in rows}
    formers = vault.catalog.displaced_by(times)
    return {
        number: Receipt(min([number, *(former for former, _ in formers.get(number, ()))]), time)
        for number, time in times.items()
    }
