"""The act of erasing messages from an open vault, and the end of one that was interrupted.

For each batch, the decision is committed first; the catalog forgets the mail with it. Then the ledger's
records are overwritten. At the end the index, the catalog's file and other files lose their traces. The file
`erasing` of the vault says from when until when this is not finished; without it, nothing is left to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from muniment.archive.catalog import MessageRow
from muniment.archive.erasure.plan import ErasureOrder, ErasurePlan, plan_erasure
from muniment.archive.erasure.redaction import MAX_MESSAGES
from muniment.archive.erasure.traces import Traces, remove_traces
from muniment.archive.erasure.unfinished import begin_erasing, clear_erasing, erasing_since
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.archive.operations.indexing import forget_messages
from muniment.archive.operations.stage_progress import StageProgress
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError, VaultError

log = logging.getLogger("muniment.vault")

Protected = Callable[[Collection[MessageRow]], dict[bytes, str]]
"""Takes messages, and returns why some of them must not be erased, by their SHA-256."""
READ = "the ledger is read"
INDEXED = "the index is written again"


class ErasureStopped(VaultError):
    """An erasure was stopped before its end; what it has erased stays erased."""


@dataclass(slots=True)
class ErasureResult:
    """What an erasure has done so far."""

    messages: int = 0
    """Number of erased messages."""
    records: list[int] = field(default_factory=list)
    """Sequences of the redaction records."""
    frames: int = 0
    """Number of erased records of the ledger."""
    size: int = 0
    """Bytes of those records on the disk."""
    refused: dict[bytes, str] = field(default_factory=dict)
    """Why messages were not erased, by their SHA-256."""
    needed: list[bytes] = field(default_factory=list)
    """SHA-256 of messages whose bytes stay in the ledger, since other mail has them as an attachment."""
    unreadable: int = 0
    """Bytes of the ledger that are no intact record, so what they held is not known."""
    traces: Traces = field(default_factory=Traces)
    """What else was removed."""


class Erasing:
    """One act of erasing. It belongs to the thread that writes the vault, between two runs."""

    def __init__(
        self,
        vault: Vault,
        order: ErasureOrder,
        protected: Protected,
        stopped: Callable[[], bool] = lambda: False,
        batch: int = MAX_MESSAGES,
    ) -> None:
        """Prepare it; nothing happens yet.

        Args:
            vault: The vault, open for writing.
            order: Who erases, and why.
            protected: Says which messages must not be erased.
            stopped: Whether to stop; it is asked often.
            batch: Messages that are erased by one decision, at most MAX_MESSAGES.
        """
        self._vault = vault
        self._size = batch
        self._order = order
        self._protected = protected
        self._stopped = stopped
        self.result = ErasureResult()

    def erase(self, messages: Sequence[int]) -> Iterator[str | StageProgress]:
        """Erase messages, in batches, and remove all traces of them.

        Args:
            messages: Their numbers. A number that is no message any more is passed over.

        Yields:
            A sentence for each stage, and its progress.

        Raises:
            ErasureStopped: `stopped` returned true. `finish_erasing` removes what is left of erased messages.
            LedgerDamaged: A record that may share content with the messages can't be read.
            VaultError: The vault can't be written, or contradicts itself. What is erased stays erased.
        """
        self._vault.require_writable()
        for start in range(0, len(messages), self._size):
            yield from self._batch(self._allowed(messages[start : start + self._size]))
            self._check()
        yield from finish_erasing(self._vault, self._stopped, self.result.traces)

    def _check(self) -> None:
        if self._stopped():
            raise ErasureStopped(
                f"the erasure was stopped: {self.result.messages} messages are erased, and stay so"
            )

    def _allowed(self, messages: Sequence[int]) -> list[MessageRow]:
        rows = self._vault.catalog.rows(messages)
        refused = self._refused(rows)
        self.result.refused |= refused
        return [row for row in rows if row.sha not in refused]

    def _batch(self, rows: list[MessageRow]) -> Iterator[str | StageProgress]:
        if not rows:
            return
        yield f"finding all records of {len(rows)} messages"
        plan = plan_erasure(self._vault, rows, lambda sequence: self._check())
        yield f"erasing {len(plan.frames)} records"
        begin_erasing(self._vault.folder, self._vault.head)
        redactions = list(plan.redactions(self._order))
        made = self._vault.erase(redactions, int(time.time()), lambda: not self._newly_protected(rows))
        if not made:
            yield from self._batch([row for row in rows if row.sha not in self.result.refused])
            return
        self.result.records += made
        self._count(plan, len(rows))

    def _newly_protected(self, rows: list[MessageRow]) -> bool:
        """Whether one of the messages has been protected since they were looked at."""
        refused = self._refused(rows)
        self.result.refused |= refused
        return bool(refused)

    def _refused(self, rows: Sequence[MessageRow]) -> dict[bytes, str]:
        """The messages that must stay, with the reason.

        A message also stays if one of its copies brought a protected message: that copy is evidence of it.
        """
        catalog = self._vault.catalog
        refused, own = dict(self._protected(rows)), {row.sha for row in rows}
        beside: dict[bytes, list[bytes]] = {}
        for row in rows:
            for copy in catalog.envelopes_of(row.sequence):
                for sha in set(copy.messages) - own:
                    beside.setdefault(sha, []).append(row.sha)
        others = [row for row in map(catalog.message_by_sha, beside) if row is not None]
        for sha, why in self._protected(others).items() if others else ():
            refused |= dict.fromkeys(beside[sha], f"its report also brought a protected message: {why}")
        return refused

    def _count(self, plan: ErasurePlan, messages: int) -> None:
        self.result.messages += messages
        self.result.frames += len(plan.frames)
        self.result.size += sum(frame.length for frame in plan.frames)
        self.result.needed += plan.needed
        self.result.unreadable = max(self.result.unreadable, plan.unreadable)


def finish_erasing(
    vault: Vault, stopped: Callable[[], bool] = lambda: False, traces: Traces | None = None
) -> Iterator[str | StageProgress]:
    """Remove what is left of erased messages outside the ledger, as far as an erasure is not finished.

    Args:
        vault: The vault, open for writing, between two runs.
        stopped: Whether to stop; it is asked often.
        traces: Gets what was removed.

    Yields:
        A sentence for each stage, and its progress.

    Raises:
        ErasureStopped: `stopped` returned true; call it again.
        VaultError: The index or the catalog can't be written; correct this, and call it again.
        OSError: A file can't be removed.
    """
    since = erasing_since(vault.folder)
    if since is None:
        return
    numbers, shas = _erased_since(vault, since)
    yield "removing what the index has of it"
    total = vault.catalog.totals().messages
    with closing(forget_messages(vault, numbers)) as steps:
        for done in steps:
            if stopped():
                raise ErasureStopped("the erasure was stopped before its end: the next one finishes it")
            yield StageProgress(INDEXED, min(done, total), total)
    yield "removing what other files have of it"
    remove_traces(vault, shas, Traces() if traces is None else traces)
    yield "copying the catalog without it"
    vault.clean_catalog()
    clear_erasing(vault.folder)


def finish_interrupted(vault: Vault) -> None:
    """Finish an erasure that was interrupted, before a job. If that fails, the next job tries again."""
    try:
        vault.finish_erasures()
        for _ in finish_erasing(vault):
            pass
    except (MunimentError, OSError) as error:
        log.error("an erasure is not finished yet: %s", error)


def _erased_since(vault: Vault, since: LedgerHead) -> tuple[list[int], set[bytes]]:
    """Return the numbers of messages that were erased since a state, and the hashes of all erased records."""
    numbers, shas = list[int](), set[bytes]()
    for found in committed_redactions(vault.segments, since if since.tree_size else None):
        frames = found.redaction.frames
        numbers += [frame.sequence for frame in frames if frame.kind == RecordKind.MESSAGE]
        shas.update(frame.sha for frame in frames)
        shas.update(found.redaction.messages, found.redaction.copies)
    return numbers, shas
