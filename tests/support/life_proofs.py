"""What must hold of a vault through the life of its mail: earlier proofs, and nothing of erased mail."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from muniment.archive.erasure.apply import erase_frames
from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.check import check
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.frame import HEADER_SIZE, leaf_hash
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.scan import scan
from muniment.archive.vault.layout import LEDGER, segments_of
from muniment.evidence.tree_proofs import inclusion_proof, verify_inclusion
from support.erased import pieces
from support.erasing import named, whole
from support.mail_life import PEOPLE, MailLife
from support.reports import line, plain, report
from support.witnesses import LeafTree

ELSEWHERE = plain(sender="x@else.org", to=PEOPLE, subject="mail", body="", attachments=[("a.bin", b"")])
"""What all mail has in common, addresses above all: other records may have it as well."""


def only_erased(life: MailLife) -> set[bytes]:
    """The pieces that only erased mail has."""
    if not life.gone:
        return set()
    stay = [raw for mail in life.there.values() for raw in mail.bytes]
    for mail in life.there.values():  # a report of two goes with the first, and the other stays
        stay.append(report(mail.raw, recipients=[line("To", one) for one in sorted(mail.people)]))
    erased = [raw for mail in life.gone.values() for raw in mail.bytes]
    return pieces(erased) - pieces([*stay, ELSEWHERE, report(ELSEWHERE)])


class Proof(NamedTuple):
    """That a record was in the ledger, in a state of it."""

    leaf: int
    checkpoint: Checkpoint
    hashes: tuple[bytes, ...]


class KeptProofs:
    """Proofs of a vault's records that somebody keeps."""

    def __init__(self, vault: Path) -> None:
        self._vault = vault
        self._proofs: list[Proof] = []

    def hold(self, head: LedgerHead) -> None:
        """Check all of them, and the whole ledger; then keep some of its present state."""
        segments = segments_of(self._vault)
        found = check(segments, deep=True, checkpoints=[one.checkpoint for one in self._proofs])
        assert (found.problems, found.notes) == ([], [])
        assert all(proof.state == "unchanged" for proof in found.proofs)
        leaves = [leaf_hash(one.kind, one.time, one.size, one.sha) for one in scan(segments, payloads=False)]
        for leaf, checkpoint, hashes in self._proofs:
            assert verify_inclusion(leaves[leaf], leaf, checkpoint.tree_size, hashes, checkpoint.root)
        for leaf in {head.tree_size - 1, head.tree_size // 2} if head.tree_size else ():
            hashes = tuple(inclusion_proof(LeafTree(leaves), leaf, head.tree_size))
            self._proofs.append(Proof(leaf, Checkpoint(head.tree_size, head.root), hashes))

    def drop_after(self, head: LedgerHead) -> None:
        """Forget those of later states, since a backup took the vault's place."""
        self._proofs = [one for one in self._proofs if one.checkpoint.tree_size <= head.tree_size]


def require_damage_seen(vault: Path, copy: Path) -> None:
    """Erase a record in a copy of a ledger without a decision: that is damage."""
    shutil.copytree(vault / LEDGER, copy)
    segments = LocalSegments(copy)
    frames = [frame for frame in named(segments) if any(_payload(segments, frame))]
    if frames:
        erase_frames(segments, frames[:1])
        assert len(check(segments, deep=False).problems) == 1


def _payload(segments: LocalSegments, frame: ErasedFrame) -> bytes:
    start = frame.offset + HEADER_SIZE
    return whole(segments, frame.segment)[start : start + frame.length]
