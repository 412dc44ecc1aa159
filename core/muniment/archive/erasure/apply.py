"""Erases the content of frames in place, and finishes erasures that were interrupted.

A committed redaction names the frames. First zeros overwrite the payload, then a header of codec 0x40
overwrites the header. Whatever a crash leaves of this, the same writing again gives the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

from muniment.archive.facts import ErasedFrame, FramePosition
from muniment.archive.ledger.erased.named import committed_redactions, is_frame
from muniment.archive.ledger.frame import HEADER_SIZE, erased_header
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.recovery import examine, rewrite_last_batch
from muniment.archive.ledger.segment_store import PatchRefused, SegmentStore, segment_size
from muniment.archive.ledger.stored import describe_position, describe_record
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.errors import VaultError

log = logging.getLogger("muniment.ledger")

_ZEROS = bytes(1024 * 1024)


def require_frames(segments: SegmentStore, frames: Iterable[ErasedFrame]) -> None:
    """Check that frames are where they are named, before a redaction that names them is committed.

    Raises:
        VaultError: A frame is not there, or a segment can't be read.
    """
    tag = read_vault_id(segments)
    for frame in frames:
        try:
            there = is_frame(segments, tag, frame)
        except OSError as error:
            raise VaultError(f"the ledger can't be read ({error.strerror}): nothing was erased") from error
        if not there:
            raise VaultError(
                f"{_where(frame)} is not there, so nothing was erased: run `muniment verify`, then try again"
            )


def erase_frames(segments: SegmentStore, frames: Collection[ErasedFrame]) -> int:
    """Erase the content of frames that a committed redaction names, durably. It may be done again.

    A frame that is not where it is named is left as it is: other bytes must not be lost for it.

    Args:
        segments: The ledger's segments.
        frames: The frames, in the order of the ledger.

    Returns:
        How many frames were erased.

    Raises:
        VaultError: A segment can't be changed. Some frames may be erased; do it again.
    """
    tag = read_vault_id(segments)
    done = 0
    for number, some in groupby(frames, key=lambda frame: frame.segment):
        mine = list(_present(segments, tag, some))
        try:
            if mine:
                segments.patch(number, _changes(tag, mine))
        except PatchRefused as error:
            raise VaultError(f"{segments.name(number)} can't be erased in: {error}") from error
        except OSError as error:
            raise VaultError(
                f"the disk could not erase in {segments.name(number)} ({error.strerror}): check the disk, "
                "then try again, or open the vault again: both finish the erasure"
            ) from error
        done += len(mine)
    return done


def _present(segments: SegmentStore, tag: bytes, frames: Iterable[ErasedFrame]) -> Iterator[ErasedFrame]:
    for frame in frames:
        if is_frame(segments, tag, frame):
            yield frame
        else:
            log.error("%s was to be erased, but it is not there", _where(frame))


def _where(frame: ErasedFrame) -> str:
    position = describe_position(FramePosition(frame.segment, frame.offset))
    return f"{position}: {describe_record(frame.kind, frame.sha)}"


def _changes(tag: bytes, frames: Iterable[ErasedFrame]) -> Iterator[tuple[int, bytes]]:
    """Yield what is written, in order: the zeros of a frame before its header."""
    for frame in frames:
        offset, left = frame.offset + HEADER_SIZE, frame.length
        while left:
            zeros = _ZEROS[:left]
            yield offset, zeros
            offset, left = offset + len(zeros), left - len(zeros)
        yield frame.offset, erased_header(tag, frame)


def finish_erasures(segments: SegmentStore, since: LedgerHead | None = None, *, durable: bool = False) -> int:
    """Erase what committed redactions name, all of it again; returns how many frames that were.

    Args:
        segments: The ledger's segments. Nothing may append to them meanwhile.
        since: The committed state before which all redactions are known to be done; None if that is unknown.
        durable: Whether the last batch is known to be on the disk. If not, it is written and synced again
            first: else a loss of power could leave erased content and no decision that explains it.

    Raises:
        VaultError: There is no ledger, a newer program wrote it, or a segment can't be changed.
        LedgerDamaged: The text with the vault's id is damaged.
    """
    done = 0
    for found in committed_redactions(segments, since):
        if not durable:
            _sync_last_batch(segments)
            durable = True
        done += erase_frames(segments, found.redaction.frames)
    return done


def _sync_last_batch(segments: SegmentStore) -> None:
    """Write the last batch again. A sync that failed, or never was, may have left it in memory alone."""
    try:
        rewrite_last_batch(segments, examine(segments).state)
    except OSError as error:
        raise VaultError(
            f"the disk could not store the ledger's last batch ({error.strerror}), so nothing was erased: "
            "check the disk, then open the vault again"
        ) from error


def erase_present(copies: SegmentStore, frames: Iterable[ErasedFrame]) -> int:
    """Erase in a copy of a ledger the frames that it holds completely; returns how many that are.

    Raises:
        VaultError: A segment can't be changed. Some frames may be erased; do it again.
    """
    return erase_frames(copies, _within(copies, frames))


def _within(segments: SegmentStore, frames: Iterable[ErasedFrame]) -> list[ErasedFrame]:
    """Leave out frames that a segment does not hold completely, as in a copy that was interrupted."""
    kept: list[ErasedFrame] = []
    present = set(segments.numbers())
    for number, some in groupby(frames, key=lambda frame: frame.segment):
        size = segment_size(segments, number) if number in present else 0
        kept += [frame for frame in some if frame.offset + HEADER_SIZE + frame.length <= size]
    return kept
