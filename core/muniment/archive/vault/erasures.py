"""Carries out erasures in a vault, and finishes those that a crash has interrupted.

The file `erased.json` says up to which state of the ledger all erasures are done. It only saves work: without
it, all of them are done again, which changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from muniment.archive.catalog.model import Erasure
from muniment.archive.erasure.apply import erase_frames, finish_erasures
from muniment.archive.erasure.redaction import Redaction
from muniment.archive.ledger.erased.named import committed_redactions
from muniment.archive.ledger.model import ERASABLE, LedgerHead
from muniment.archive.ledger.scan import has_commit, last_head, scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.vault.changes import PlanOutdated
from muniment.archive.vault.known_roots import as_json
from muniment.archive.vault.layout import ERASED
from muniment.errors import LedgerDamaged, VaultError
from muniment.system.atomic_files import write_file

log = logging.getLogger("muniment.vault")


class VaultErasures:
    """The erasures of one vault that is open for writing."""

    def __init__(self, folder: Path, segments: SegmentStore) -> None:
        self._path = folder / ERASED
        self._segments = segments
        self._since: LedgerHead | None = None
        """The state after which an erasure may have begun that is not finished; None if all are."""

    def finish(self, *, again: bool = False) -> int:
        """Do all erasures again that are not known to be done; returns how many records they concern.

        Nothing may write the ledger meanwhile. Call it before the ledger is opened for writing, since what an
        interrupted erasure leaves looks like damage.

        Args:
            again: Whether to do even those again that are known to be done.

        Raises:
            VaultError: There is no ledger, a newer program wrote it, or its disk can't be written.
        """
        try:
            since, head = None if again else self._noted(), last_head(self._segments)
            if head is None or since == head:
                return 0
            done = finish_erasures(self._segments, since)
        except LedgerDamaged:  # opening the ledger says what is damaged, and what to do
            return 0
        if done:
            log.info("erased again what decisions name since the last note: %d records", done)
        self.note(head)
        return done

    def require_no_mail_since(self, planned: LedgerHead) -> None:
        """Check that no mail was archived since a state, which may need what is to be erased.

        Raises:
            PlanOutdated: Mail was archived.
        """
        since = planned if planned.tree_size else None
        for frame in scan(self._segments, since, on_damage=lambda damage: None, payloads=False):
            if frame.kind in ERASABLE:
                raise PlanOutdated(
                    "mail was archived since it was looked up what the erasure takes: nothing was erased, "
                    "try again"
                )

    def begin(self, since: LedgerHead) -> None:
        """Say that decisions to erase may be committed after a state. Until they are erased, no note is made.

        Call it before the commit: nothing may come between a commit and this.
        """
        if self._since is None or since.tree_size < self._since.tree_size:
            self._since = since

    def erase(self, redactions: Iterable[Redaction]) -> None:
        """Erase what committed redactions name: all that were committed since `begin`.

        Raises:
            VaultError: The disk can't be written. `finish_begun` or the next opening finishes the erasure.
        """
        for redaction in redactions:
            erase_frames(self._segments, redaction.frames)
        self._since = None

    @property
    def unfinished(self) -> bool:
        """Whether an erasure may have begun that is not finished."""
        return self._since is not None

    def finish_begun(self, *, dead: bool) -> None:
        """Erase what was committed since `begin`, if that is not done. Nothing may append meanwhile.

        The ledger says what that is.

        Args:
            dead: Whether the ledger is closed, or its disk failed. Then a decision that can be read may not
                be on the disk, and nothing is erased.

        Raises:
            VaultError: The ledger is dead, or the disk can't be read or written; call it again.
        """
        if dead:
            why = "the ledger is closed, or its disk failed, so that a decision to erase may not be stored"
            raise VaultError(f"{why}: nothing is erased; open the vault again")
        if self._since is not None:
            since = self._since if self._since.tree_size else None
            finish_erasures(self._segments, since, durable=True)
            self._since = None

    def note(self, head: LedgerHead) -> None:
        """Note that all erasures up to a state are done, unless one is not finished."""
        if self.unfinished or self._read() == head:
            return
        with suppress(OSError):  # then they are done again
            write_file(self._path, (json.dumps(as_json(head)) + "\n").encode(), durable=False)

    def _noted(self) -> LedgerHead | None:
        """Return the state up to which all erasures are done; None if that is not known of this ledger."""
        head = self._read()
        if head is None or not has_commit(self._segments, read_vault_id(self._segments), head):
            return None
        return head

    def _read(self) -> LedgerHead | None:
        try:
            value = json.loads(self._path.read_bytes())
            numbers = [int(value[name]) for name in ("tree_size", "segment", "offset")]
            root = bytes.fromhex(value["root"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        return LedgerHead(numbers[0], root, numbers[1], numbers[2]) if min(numbers) > 0 else None


def waiting_erasures(segments: SegmentStore, head: LedgerHead) -> dict[bytes, Erasure]:
    """Return what decisions erase that a catalog does not know yet, by the hash of messages and copies.

    Args:
        segments: The ledger's segments.
        head: The state that the catalog has reached.
    """
    found: dict[bytes, Erasure] = {}
    with suppress(VaultError, OSError):  # then there is nothing to read either
        for one in committed_redactions(segments, head if head.tree_size else None):
            decision = Erasure(one.sequence, one.redaction.at, one.redaction.basis)
            found |= dict.fromkeys((*one.redaction.messages, *one.redaction.copies), decision)
    return found
