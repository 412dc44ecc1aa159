"""Ledgers after an attack by somebody with access to the disk: cut at a commit, or rewritten without some
records.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from muniment.archive.ledger.codec import PayloadDecoder
from muniment.archive.ledger.local_segments import VAULT_ID, LocalSegments, segment_path
from muniment.archive.ledger.model import Frame, LedgerHead, LedgerRecord, RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.walk import FrameGap, commit_of, walk
from muniment.archive.ledger.writer import Ledger

Edit = Callable[[Frame], LedgerRecord | None]
"""The record that replaces a frame's record; None to remove it."""


def heads(folder: Path) -> list[LedgerHead]:
    """Every committed state of a ledger, in order."""
    tag = bytes.fromhex((folder / VAULT_ID).read_text())
    found = []
    for number in LocalSegments(folder).numbers():
        for item in walk(LocalSegments(folder), number, tag):
            commit = None if isinstance(item, FrameGap) else commit_of(item)
            if commit is not None and not commit.segment and not isinstance(item, FrameGap):
                found.append(LedgerHead(commit.tree.size, commit.root, number, item.end))
    return found


def cut(folder: Path, head: LedgerHead) -> None:
    """Remove everything from a ledger that follows a committed state."""
    for number in LocalSegments(folder).numbers():
        path = segment_path(folder, number)
        if number > head.segment:
            path.unlink()
        elif number == head.segment:
            path.write_bytes(path.read_bytes()[: head.offset])


def as_it_is(frame: Frame) -> LedgerRecord:
    """The frame's record, unchanged."""
    return LedgerRecord(frame.kind, frame.sha, frame.size, frame.codec, frame.payload, frame.dictionary)


def rewrite(folder: Path, edit: Edit, segment: int = 1 << 28) -> None:
    """Write a new ledger with records changed by `edit`, the time of each batch kept and every root correct.

    Nothing in the ledger itself can show the change.
    """
    frames, old = list(scan(LocalSegments(folder))), folder.with_name(folder.name + ".old")
    folder.rename(old)
    folder.mkdir(mode=0o700)
    shutil.copy(old / VAULT_ID, folder)
    segment_path(folder, 1).touch(0o600)
    ledger = Ledger.open(LocalSegments(folder), segment=segment)
    decoder = PayloadDecoder()
    for frame in frames:
        if frame.kind is RecordKind.COMMIT:
            ledger.commit()
        elif frame.kind is RecordKind.DICTIONARY and frame.dictionary in ledger.dictionaries:
            continue  # the writer gives each segment its copy
        elif frame.kind is RecordKind.DICTIONARY:
            ledger.add_dictionary(decoder.payload(frame), frame.time)
        elif (record := edit(frame)) is not None:
            ledger.append(record, frame.time)
    ledger.commit()
    ledger.close()
    shutil.rmtree(old)
