"""Commits changes of the directory of users between two batches, and files the old mail again."""

from __future__ import annotations

import logging
from typing import Any

from muniment.archive.catalog import Catalog
from muniment.archive.facts import DirectoryFact, Fact
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.records import json_record
from muniment.archive.vault.changes import (
    CatalogBehind,
    DirectoryChange,
    Events,
    Plan,
    RefilingProgress,
    affected_by,
    reason_of,
)
from muniment.archive.vault.commit_coordinator import CLOCK, CommitCoordinator
from muniment.errors import MunimentError, VaultError
from muniment.people import changes

log = logging.getLogger("muniment.vault")


class DirectoryChanges:
    """Commits changes of the directory. Thread-safe, but not for a thread that has begun a batch."""

    def __init__(self, commits: CommitCoordinator, catalog: Catalog) -> None:
        self._commits = commits
        self._catalog = catalog
        self.progress: RefilingProgress | None = None
        """How far filing again has come; None while nothing is filed again."""

    def change(self, plan: Plan, time: int, events: Events) -> DirectoryChange:
        """Record changes, and file the mail again that they concern; see `Vault.change_directory`."""
        with self._commits.between_batches():
            changed = self._commit(plan, time, events)
        try:
            affected = affected_by(changed.before, changed.made, time)
            return changed._replace(refiled=self._refile(self._catalog.count_mentioned(affected)))
        except (MunimentError, OSError) as error:
            log.error("mail could not be filed again after a change of users: %s", error)
            raise VaultError(
                f"the change is kept, but its mail could not all be filed again ({reason_of(error)}): do not "
                "repeat the change; the mail is filed with the next change, or when the vault is next opened "
                "for writing"
            ) from error

    def finish_refiling(self) -> int:
        """File the mail again that committed changes concern; returns how many messages were read."""
        return self._refile(0)

    def _refile(self, expected: int) -> int:
        """File mail again; `expected` is the number of messages, 0 if it is not known."""
        done = 0
        try:
            for number in self._catalog.refile():
                done += number
                self.progress = RefilingProgress(done, max(expected, done) if expected else 0)
        finally:
            self.progress = None
        return done

    def _commit(self, plan: Plan, time: int, events: Events) -> DirectoryChange:
        self._commits.require_writable()
        before = self._catalog.directory
        made, after = tuple(plan(before)), before.copy()
        for change in made:  # raises before any change is appended
            after.apply(change, time)
        facts: list[Fact] = [self._append(change, time) for change in made]
        if made:  # a change that changes nothing is not recorded as one
            facts += [self._commits.audit(event) for event in events(made)]
        try:
            if facts:
                self._commits.commit(facts)
        except CatalogBehind as error:
            raise CatalogBehind(
                f"the change is kept, but the catalog could not be updated ({reason_of(error.__cause__)}): "
                "correct this and do not repeat the change; the catalog is completed when the vault is next "
                "written"
            ) from error
        return DirectoryChange(before, after.sealed(), made, 0)

    def _append(self, change: dict[str, Any], time: int) -> DirectoryFact:
        record = json_record(self._commits.encoder, RecordKind.DIRECTORY, change)
        appended = self._commits.append(record, time * CLOCK)
        return DirectoryFact(appended.sequence, time, changes.encode(change))
