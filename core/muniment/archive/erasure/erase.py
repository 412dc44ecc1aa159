"""The act of erasing messages from an open vault, and the end of one that was interrupted.

One reading of the ledger finds what goes with all messages. For each batch, the decision is committed first;
the catalog forgets the mail with it. Then the ledger's records are overwritten. At the end the index, the
catalog's file and other files lose their traces. The file `erasing` of the vault says from when until when
this is not finished; without it, nothing is left to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain

from muniment.archive.catalog import MessageRow
from muniment.archive.erasure.closure import Closure
from muniment.archive.erasure.plan import ErasureOrder, ErasurePlan, mail_of, plan_erasure
from muniment.archive.erasure.redaction import MAX_MESSAGES
from muniment.archive.erasure.traces import Traces, remove_traces
from muniment.archive.erasure.unfinished import begin_erasing, clear_erasing, erasing_since
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.operations.indexing import forget_messages
from muniment.archive.operations.stage_progress import PAUSE, Stage, StageProgress
from muniment.archive.vault.changes import PlanOutdated
from muniment.archive.vault.vault import Vault
from muniment.errors import MunimentError, VaultError

log = logging.getLogger("muniment.vault")

Protected = Callable[[Collection[MessageRow]], dict[bytes, str]]
"""Takes messages, and returns why some of them must not be erased, by their SHA-256."""
READ = "the ledger is read"
ERASED = "the messages are erased"
INDEXED = "the index is written again"
TRIES = 3
"""How often in a row mail may come between, or change what is to be erased, before this gives up."""
AGAIN = (
    "mail that belongs to these messages was archived again and again meanwhile, so the rest was not erased: "
    "try again when fewer runs are under way"
)


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

    def erase(self, messages: Sequence[int]) -> Iterator[Stage]:
        """Erase messages, and remove all traces of them; see `erase_content` and `finish_erasing`."""
        yield from self.erase_content(messages)
        yield from finish_erasing(self._vault, self._stopped, self.result.traces)

    def erase_content(self, messages: Sequence[int]) -> Iterator[Stage]:
        """Erase the content of messages, in batches. `finish_erasing` removes what else has traces of them.

        The ledger is read once for all batches. It is read again if mail comes meanwhile that belongs to the
        messages, or one of them must stay.

        Args:
            messages: Their numbers. A number that is no message any more is passed over.

        Yields:
            A sentence for each stage, and its progress.

        Raises:
            ErasureStopped: `stopped` returned true. `finish_erasing` removes what is left of erased messages.
            LedgerDamaged: A record that may share content with the messages can't be read.
            VaultError: The vault can't be written, or contradicts itself, or mail that belongs to the
                messages comes again and again. What is erased stays erased.
        """
        self._vault.require_writable()
        left, tries = list(messages), 0
        while left:
            before = self.result.messages, len(self.result.refused)
            left = yield from self._round(left)
            tries = 0 if before != (self.result.messages, len(self.result.refused)) else tries + 1
            if left and tries >= TRIES:
                raise VaultError(AGAIN)

    def _check(self) -> None:
        if self._stopped():
            raise ErasureStopped(
                f"the erasure was stopped: {self.result.messages} messages are erased, and stay so"
            )

    def _round(self, messages: list[int]) -> Generator[Stage, None, list[int]]:
        """Erase messages by one reading of the ledger; returns what is left for the next one."""
        vault = self._vault
        with closing(Closure(vault.segments, vault.reader, vault.catalog.locate, self._is_part)) as closure:
            batches: list[list[int]] = []
            for start in range(0, len(messages), self._size):
                rows = self._allowed(messages[start : start + self._size])
                yield PAUSE
                self._check()
                if rows:
                    closure.add(len(batches), mail_of(vault, rows))
                    batches.append([row.sequence for row in rows])
            if not batches:
                return []
            yield f"finding all records of {sum(map(len, batches)):,} messages"
            for sequence in closure.read():
                self._check()
                yield StageProgress(READ, sequence, closure.head.tree_size)
                yield PAUSE
            for batch, numbers in enumerate(batches):
                if not (yield from self._batch(closure, batch, numbers)):
                    return list(chain.from_iterable(batches[batch:]))
                yield StageProgress(ERASED, sum(map(len, batches[: batch + 1])), sum(map(len, batches)))
                yield PAUSE
                self._check()
        return []

    def _allowed(self, messages: Sequence[int]) -> list[MessageRow]:
        rows = self._vault.catalog.rows(messages)
        refused = self._refused(rows)
        self.result.refused |= refused
        return [row for row in rows if row.sha not in refused]

    def _is_part(self, sha: bytes) -> bool:
        """Whether a message was erased whose record stays as a part of other mail."""
        catalog = self._vault.catalog
        return catalog.part_known(sha) and catalog.message_by_sha(sha) is None

    def _batch(self, closure: Closure, batch: int, numbers: list[int]) -> Generator[Stage, None, bool]:
        """Erase a batch; returns whether that was done, or what was read of the ledger does not fit it."""
        rows = self._vault.catalog.rows(numbers)
        for _ in range(TRIES):
            closure.read_on()
            plan = plan_erasure(self._vault, rows, closure, batch)
            if plan is None:
                return False
            yield f"erasing {len(plan.frames)} records"
            begin_erasing(self._vault.folder, self._vault.head)
            redactions = list(plan.redactions(self._order))
            try:
                made = self._vault.erase(
                    redactions, int(time.time()), closure.head, lambda: not self._newly_protected(rows)
                )
            except PlanOutdated:
                continue
            if made:
                closure.erased(batch)
                self.result.records += made
                self._count(plan, len(rows))
            return bool(made)
        return False

    def _newly_protected(self, rows: list[MessageRow]) -> bool:
        """Whether one of the messages has been protected since they were looked at."""
        refused = self._refused(rows)
        self.result.refused |= refused
        return bool(refused)

    def _refused(self, rows: Sequence[MessageRow]) -> dict[bytes, str]:
        """The messages that must stay, with the reason.

        A message also stays if one of its copies brought a protected message: that copy is evidence of it.
        """
        catalog, refused = self._vault.catalog, dict(self._protected(rows))
        going = {row.sha for row in rows if row.sha not in refused}
        beside: dict[bytes, list[bytes]] = {}
        for row in rows:
            for copy in catalog.envelopes_of(row.sequence) if row.sha in going else ():
                for sha in set(copy.messages) - going:
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
) -> Iterator[Stage]:
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
            if done is None:
                yield PAUSE
            else:
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
    stored = set[bytes]()
    for found in committed_redactions(vault.segments, since if since.tree_size else None):
        frames = found.redaction.frames
        gone = [frame for frame in frames if frame.kind == RecordKind.MESSAGE]
        numbers += [frame.sequence for frame in gone]
        stored.update(set(found.redaction.messages).difference(frame.sha for frame in gone))
        shas.update(frame.sha for frame in frames)
        shas.update(found.redaction.messages, found.redaction.copies)
    numbers += _numbers_of(vault, stored)
    return numbers, shas


def _numbers_of(vault: Vault, messages: Collection[bytes]) -> Iterator[int]:
    """Yield the numbers of messages whose record stays, since other mail has them as an attachment."""
    if messages:
        for frame in scan(vault.segments, on_damage=lambda damage: None, payloads=False):
            if frame.kind is RecordKind.MESSAGE and frame.sha in messages:
                yield frame.sequence
