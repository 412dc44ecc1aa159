"""Gives messages to a target one by one, notes each in the journal, and records them in the audit trail."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from muniment import api
from muniment.archive.catalog import MessageRow
from muniment.archive.vault.vault import Vault
from muniment.errors import Erased, LedgerDamaged, SourceError
from muniment.net.retry import RetryPolicy
from muniment.people.directory import User
from muniment.service.operations.exports.export_steps import ExportSteps
from muniment.service.operations.restores.content import form_of, given_mail
from muniment.service.operations.restores.journal import RestoreJournal
from muniment.targets.base import GiveOutcome, MailRefused, MailUncertain, Target, give

LOGGED = 500
"""Most messages that one event of the audit trail names."""
HOPELESS = 20
"""Number of messages that a target may refuse before it takes one; then the rest is not tried."""
OBEYED = 900.0
"""Longest total wait for a target that says how long to wait, in seconds."""


@dataclass(frozen=True, slots=True)
class ChosenMail:
    """A message that is to be given back."""

    number: int
    """The sequence of its record."""
    sha: bytes
    id: str
    """The id by which the caller knows it, in hex."""


class Giving:
    """One restore into one target."""

    def __init__(
        self,
        vault: Vault,
        journal: RestoreJournal,
        target: Target,
        key: bytes,
        person: User | None,
        event: str,
    ) -> None:
        """Set where mail goes.

        Args:
            vault: the vault, open for writing.
            journal: its journal.
            target: the target.
            key: the target's name in the journal.
            person: whose mailbox it is; None for no one whom the directory knows.
            event: the event of the audit trail, as JSON without messages.
        """
        self._vault = vault
        self._journal = journal
        self._target = target
        self._key = key
        self._person = person
        self._event = event
        self._patience = RetryPolicy(obeys=OBEYED)
        self.exact = False
        """Whether exact bytes are wanted in any case."""
        self.again = False
        """Whether messages are given back although that was done before."""
        self.given = self.there = self.before = self.public = 0
        """Counts, as in api.Restored."""
        self.failed: list[api.LeftBehind] = []

    def give(self, chosen: Sequence[ChosenMail]) -> Iterator[api.WireWord]:
        """Give messages to the target, which is open. Closing this stops after the message in hand.

        Yields:
            Steps.

        Raises:
            SourceError: the target fails. What was given back until then is noted.
        """
        steps, done = ExportSteps(), 0
        record_given(self._vault, self._journal)  # of a restore that was killed
        try:
            for start in range(0, len(chosen), self._target.batch):
                with closing(self._batch(chosen[start : start + self._target.batch])) as batch:
                    for _ in batch:
                        done += 1
                        yield from steps.due(done, len(chosen))
        finally:
            record_given(self._vault, self._journal)

    def _batch(self, chosen: Sequence[ChosenMail]) -> Generator[None, None, None]:
        """Give some messages; each yield is one message that is dealt with."""
        known = self._journal.known(self._key, [one.sha for one in chosen])
        rows = {row.sequence: row for row in self._vault.catalog.rows([one.number for one in chosen])}
        waiting: dict[bytes, tuple[ChosenMail, MessageRow, bool]] = {}
        for one in chosen:
            row, earlier = rows.get(one.number), known.get(one.sha)
            if row is None:
                self._fail(one, "it is no longer in the archive: it was erased meanwhile")
            elif earlier is not None and earlier.done and not self.again:
                self.before += 1
            else:
                interrupted = earlier is not None and not earlier.done
                waiting[one.sha] = (one, row, interrupted)
                continue
            yield
        if not waiting:
            return
        self._journal.begin(self._key, list(waiting), self._event)
        ended: list[tuple[bytes, str, bool]] = []
        refused: list[bytes] = []
        untouched = dict(waiting)
        try:
            for sha, (one, row, tried) in waiting.items():
                del untouched[sha]
                self._one(one, row, tried, ended, refused)
                yield
        finally:
            self._journal.end(self._key, ended, self._event)
            self._journal.forget(self._key, refused)
            self._journal.forget(self._key, [sha for sha, (_, _, tried) in untouched.items() if not tried])

    def _one(
        self,
        one: ChosenMail,
        row: MessageRow,
        tried: bool,
        ended: list[tuple[bytes, str, bool]],
        refused: list[bytes],
    ) -> None:
        form = form_of(self._vault, row, self._person, self.exact)

        def claimed(place: str) -> bool:
            return any(place == noted for _, noted, _ in ended) or self._journal.is_claimed(
                self._key, place, one.sha
            )

        try:
            with given_mail(self._vault, row, one.id, form) as mail:
                # Whoever wants it again takes the risk that it comes twice.
                unsure = tried and not self.again
                outcome, place = give(self._target, mail, unsure, claimed, self._patience)
        except MailUncertain as error:  # it stays in the journal, so it is not sent again
            self._fail(one, str(error))
            return
        except (MailRefused, Erased, LedgerDamaged) as error:
            refused.append(one.sha)
            self._fail(one, str(error))
            return
        new = outcome is GiveOutcome.NEW or tried
        ended.append((one.sha, place, new))
        self.given += new
        self.there += not new
        self.public += new and not form.exact

    def _fail(self, one: ChosenMail, reason: str) -> None:
        self.failed.append(api.LeftBehind(id=one.id, reason=reason))
        if len(self.failed) >= HOPELESS and not (self.given or self.there or self.before):
            raise SourceError(
                f"{self._target.address} took none of the first {HOPELESS} messages, so no more were tried "
                f"({reason}): correct this, and repeat it"
            )


def record_given(vault: Vault, journal: RestoreJournal) -> None:
    """Record in the audit trail what was given back and is not recorded yet."""
    while waiting := journal.unlogged(LOGGED):
        for one in waiting:
            event = json.loads(one.request) | {"messages": [sha.hex() for sha in one.messages]}
            vault.log([event | {"at": int(time.time())}])
            journal.mark_logged(one)
