"""The seam between the ledger and the place where its segments are.

A segment is a sequence of bytes with a number. The ledger decides what the bytes mean; a store only keeps
them. `LocalSegments` keeps them as files in a folder. Each implementation must pass the tests in
`tests/archive/ledger/test_segment_store.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Protocol


class SegmentLost(Exception):
    """Another program replaced or removed the segment that a store appends to; the text says which."""


class PatchRefused(Exception):
    """The bytes of a segment can't be changed in place; the text says why."""


class OpenSegment(Protocol):
    """One generation of a segment, open for reading. Thread-safe.

    It sees bytes that are appended meanwhile. If the segment is replaced, it continues to read the bytes that
    were there before. It closes itself when the last reference to it is gone.
    """

    @property
    def generation(self) -> str:
        """Which content of the segment this is; see `SegmentStore.generation`."""

    def size(self) -> int:
        """Return how many bytes the segment has now.

        Raises:
            OSError: The segment can't be read.
        """

    def read(self, offset: int, length: int) -> bytes:
        """Read a range of bytes.

        Args:
            offset: Byte offset of the first byte.
            length: Number of bytes.

        Returns:
            The bytes; fewer than `length` only where the segment ends.

        Raises:
            OSError: The segment can't be read.
        """

    def close(self) -> None:
        """Release what it holds. It may be called twice; nothing may be read afterwards."""


class SegmentStore(Protocol):
    """The place of a ledger's segments, and of its vault's id.

    Any number of stores may read one place at the same time, in any threads and processes. One store at a
    time may change it, in one thread at a time; the vault's lock and the turns of its writers see to this.

    Only the last segment grows. What `append` and `cut` do is durable after `sync`; what all other methods do
    is durable when they return. After a crash, a reader may find any part of what was appended since the last
    `sync`, or other bytes in its place, and any part of a `patch` that had not returned; nothing else has
    changed. After a `sync` or `patch` that failed, what is durable is not known: a caller must not change
    anything by this store again.
    """

    @property
    def place(self) -> str:
        """Where the segments are, as text for messages, such as the path of a folder."""

    def name(self, number: int) -> str:
        """Return where a segment is, as text for messages; there need not be such a segment."""

    # --- the vault's id -----------------------------------------------------------------------

    @property
    def vault_id_name(self) -> str:
        """Where the vault's id is, as text for messages."""

    def begin(self, vault_id: bytes) -> None:
        """Make an empty place with a vault's id and an empty segment 1, durably.

        Args:
            vault_id: The text that `vault_id` returns from then on.

        Raises:
            FileExistsError: The place has an id already; nothing is changed.
            OSError: The place can't be written.
        """

    def vault_id(self) -> bytes | None:
        """Return the text that `begin` wrote; None if there is none.

        Raises:
            OSError: The place can't be read.
        """

    # --- reading ------------------------------------------------------------------------------

    def numbers(self) -> list[int]:
        """List the segments: their numbers, in ascending order; none if the place was not begun.

        Raises:
            OSError: The place can't be read.
        """

    def open(self, number: int) -> OpenSegment:
        """Open a segment for reading.

        Raises:
            FileNotFoundError: There is no such segment.
            OSError: The segment can't be read.
        """

    def generation(self, number: int) -> str:
        """Return which content of a segment there is now.

        Appending and sealing keep it. `put` changes it, and so does another program that replaces the
        segment. The same text may come again once no segment is open that has it. So compare it only with
        that of an `OpenSegment` which is still open.

        Raises:
            FileNotFoundError: There is no such segment.
            OSError: The segment can't be read.
        """

    # --- the segment that grows ---------------------------------------------------------------

    def append(self, number: int, offset: int, data: bytes) -> None:
        """Write bytes at the end of a segment; a segment that does not exist is made.

        Args:
            number: The segment's number: that of the last segment, or a higher one after it was sealed.
            offset: Byte offset at which the segment ends now.
            data: The bytes.

        Raises:
            OSError: The bytes could not be written; a part of them may be there. Call `cut`.
        """

    def own_size(self, number: int) -> int:
        """Check that a segment is still the one that this store appends to, and return its size in bytes.

        Call it before `sync`: what is synced into a segment that was replaced is lost.

        Raises:
            SegmentLost: Another program replaced or removed it since the first `append`.
            OSError: The segment can't be read.
        """

    def sync(self, number: int) -> None:
        """Make all bytes of a segment durable, and the segment itself if this store began it.

        It does not repair a `sync` of an earlier store that failed; `sync_again` does.

        Raises:
            OSError: What is durable is not known. This is final.
        """

    def cut(self, number: int, size: int) -> None:
        """Take back what this store has appended to a segment since it had `size` bytes.

        It changes nothing if this store has not appended to the segment.

        Raises:
            OSError: The bytes may still be there.
        """

    def seal(self, number: int) -> None:
        """End a segment: nothing is appended to it any more. What was appended must be synced before.

        It may be called twice, and for a segment that this store has not appended to. It must not fail, since
        the batch before it is kept already: what can fail, such as a copy to another machine, is done later.
        """

    # --- repair and replacement ---------------------------------------------------------------

    def sync_again(self, number: int, start: int, end: int) -> None:
        """Make bytes durable that an earlier store has appended, and may have failed to sync.

        After a failed sync, an operating system may return bytes that are not on the disk. So a store that
        writes to one must write the bytes again, in place and unchanged.

        Args:
            number: The segment's number.
            start: Byte offset of the first byte.
            end: Byte offset after the last byte, where the segment ends.

        Raises:
            OSError: The bytes may not be durable.
        """

    def set_aside(self, number: int, offset: int) -> str:
        """Move the end of a segment to another place, and cut it off only once it is durable there.

        Args:
            number: The segment's number.
            offset: Byte offset of the first byte to move.

        Returns:
            Where the bytes are now, as text for messages.

        Raises:
            OSError: The bytes are still in the segment.
        """

    def patch(self, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
        """Overwrite bytes of a segment in place and in order, durably. Its size and generation stay.

        Only erasure does this. A segment that is open for reading shows the new bytes. A store may give the
        space of zeros back to the disk.

        Args:
            number: The segment's number; it may be the one that a store appends to.
            changes: Offset and new bytes of each range. All of them are within the segment.

        Raises:
            PatchRefused: This store can't do it, such as for a segment under a lock; nothing was changed.
            FileNotFoundError: There is no such segment.
            OSError: Any part of the bytes may be changed, and what is durable is not known.
        """

    def put(self, number: int, content: Iterable[bytes]) -> None:
        """Make or replace a whole segment in one step. It must not be one that a store appends to.

        A reader finds the old segment or the new one, never a part of it. So does everybody after a crash.

        Args:
            number: The segment's number.
            content: The new bytes, in pieces of any size.

        Raises:
            OSError: The segment could not be replaced. The old one is there, or the new one and it may not be
                durable.
        """

    def close(self) -> None:
        """Release what appending holds. It may be called twice; segments that are open stay open."""


def segment_size(segments: SegmentStore, number: int) -> int:
    """Return how many bytes a segment has now.

    Raises:
        FileNotFoundError: There is no such segment.
        OSError: The segment can't be read.
    """
    with closing(segments.open(number)) as segment:
        return segment.size()
