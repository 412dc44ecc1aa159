"""Erasures in a backup: what the vault has erased is erased in the copy as well.

A decision names its records by their places, which are the same in the copy. So the copy is erased in place,
by the function that erases in a vault.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from muniment.archive.erasure.apply import erase_present
from muniment.archive.ledger.erased.frames import end_of
from muniment.archive.ledger.erased.named import NamedFrames, committed_redactions
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.system.atomic_files import write_file

ERASED_IDS = "erased-ids.txt"
"""The file of a backup with the ids of all erased messages, for the restore of an older copy."""


def erase_in_copy(
    segments: SegmentStore, copies: SegmentStore, before: LedgerHead, head: LedgerHead, target: Path
) -> int:
    """Erase in a backup what decisions have erased in the vault since the last complete backup.

    Args:
        segments: The vault's segments.
        copies: The backup's segments.
        before: The state of the last complete backup; an empty one does all again.
        head: The state that the copy has; later decisions are not in it.
        target: The backup's folder.

    Returns:
        How many records were erased.

    Raises:
        VaultError: The backup's disk can't be written.
        OSError: The list of ids can't be written.
    """
    done, ids = 0, list[str]()
    for one in committed_redactions(segments, before if before.tree_size else None):
        if one.sequence >= head.tree_size:
            break
        done += erase_present(copies, one.redaction.frames)
        ids += [sha.hex() for sha in one.redaction.messages]
    if ids:
        _add_ids(target / ERASED_IDS, ids)
    return done


def _add_ids(path: Path, ids: list[str]) -> None:
    try:
        known = path.read_text("ascii").split()
    except (FileNotFoundError, UnicodeDecodeError):
        known = []
    lines = dict.fromkeys([*known, *ids])
    write_file(path, "".join(f"{line}\n" for line in lines).encode(), durable=True)


def has_erased_since(segments: SegmentStore, head: LedgerHead) -> bool:
    """Return whether decisions to erase were committed after a state: then a copy may hold what is named."""
    return any(True for _ in committed_redactions(segments, head if head.tree_size else None))


def same_but_for_erasures(
    segments: SegmentStore, before: LedgerHead, number: int, start: int, pair: tuple[bytes, bytes]
) -> bool:
    """Return whether two pieces of a segment differ only where decisions have erased one of them.

    Args:
        segments: The vault's segments.
        before: The state of the last complete backup, in which all earlier decisions are carried out.
        number: The segment's number.
        start: Byte offset of the pieces.
        pair: The bytes in the vault and in the backup, of equal length.
    """
    one, other = (bytearray(piece) for piece in pair)
    if len(one) != len(other):
        return False
    with closing(NamedFrames()) as named:
        for decision in committed_redactions(segments, before if before.tree_size else None):
            named.add(decision.redaction.frames)
        for frame in named.overlapping(number, start, start + len(one)):
            first, last = max(frame.offset - start, 0), min(end_of(frame) - start, len(one))
            one[first:last] = other[first:last] = bytes(last - first)
    return one == other
