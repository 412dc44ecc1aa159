"""Ledgers after an attack by somebody with access to the disk: cut at a commit, or rewritten without some
records.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from muniment.archive.ledger.codec import Decoder
from muniment.archive.ledger.files import VAULT_ID, segment_path, segments
from muniment.archive.ledger.model import Frame, Head, Kind, Record
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.walk import Gap, commit_of, walk
from muniment.archive.ledger.writer import Ledger

Edit = Callable[[Frame], Record | None]
"""The record that replaces a frame's record; None to remove it."""


def heads(folder: Path) -> list[Head]:
    """Every committed state of a ledger, in order."""
    tag = bytes.fromhex((folder / VAULT_ID).read_text())
    found = []
    for number in segments(folder):
        for item in walk(segment_path(folder, number), tag):
            commit = None if isinstance(item, Gap) else commit_of(item)
            if commit is not None and not commit.segment and not isinstance(item, Gap):
                found.append(Head(commit.tree.size, commit.root, number, item.end))
    return found


def cut(folder: Path, head: Head) -> None:
    """Remove everything from a ledger that follows a committed state."""
    for number in segments(folder):
        path = segment_path(folder, number)
        if number > head.segment:
            path.unlink()
        elif number == head.segment:
            path.write_bytes(path.read_bytes()[: head.offset])


def as_it_is(frame: Frame) -> Record:
    """The frame's record, unchanged."""
    return Record(frame.kind, frame.sha, frame.size, frame.codec, frame.payload, frame.dictionary)


def rewrite(folder: Path, edit: Edit, segment: int = 1 << 28) -> None:
    """Write a new ledger with records changed by `edit`, the time of each batch kept and every root correct.

    Nothing in the ledger itself can show the change.
    """
    frames, old = list(scan(folder)), folder.with_name(folder.name + ".old")
    folder.rename(old)
    folder.mkdir(mode=0o700)
    shutil.copy(old / VAULT_ID, folder)
    segment_path(folder, 1).touch(0o600)
    ledger = Ledger.open(folder, segment=segment)
    decoder = Decoder()
    for frame in frames:
        if frame.kind is Kind.COMMIT:
            ledger.commit()
        elif frame.kind is Kind.DICTIONARY and frame.dictionary in ledger.dictionaries:
            continue  # the writer gives each segment its copy
        elif frame.kind is Kind.DICTIONARY:
            ledger.add_dictionary(decoder.payload(frame), frame.time)
        elif (record := edit(frame)) is not None:
            ledger.append(record, frame.time)
    ledger.commit()
    ledger.close()
    shutil.rmtree(old)
