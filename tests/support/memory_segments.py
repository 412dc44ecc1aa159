"""Segments in memory: a second `SegmentStore`, whose place can lose everything that was not synced."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from muniment.archive.ledger.segment_store import SegmentLost

_GENERATIONS = itertools.count(1)


@dataclass
class Content:
    """One generation of a segment."""

    data: bytearray = field(default_factory=bytearray)
    durable: int = 0
    """Number of bytes that a crash leaves."""
    named: bool = False
    """Whether a crash leaves the segment itself."""
    generation: str = field(default_factory=lambda: str(next(_GENERATIONS)))


@dataclass
class MemoryPlace:
    """What a disk is for files."""

    vault_id: bytes | None = None
    segments: dict[int, Content] = field(default_factory=dict)
    aside: dict[str, bytes] = field(default_factory=dict)

    def crash(self) -> None:
        """Lose what no store has synced."""
        self.segments = {number: content for number, content in self.segments.items() if content.named}
        for content in self.segments.values():
            del content.data[content.durable :]


class MemorySegments:
    """A `SegmentStore` in memory."""

    def __init__(self, place: MemoryPlace) -> None:
        self._memory = place
        self._own: Content | None = None
        self._number = 0

    @property
    def place(self) -> str:
        return "memory"

    def name(self, number: int) -> str:
        return f"memory/{number}"

    # --- the vault's id -----------------------------------------------------------------------

    @property
    def vault_id_name(self) -> str:
        return "memory/vault-id"

    def begin(self, vault_id: bytes) -> None:
        if self._memory.vault_id is not None:
            raise FileExistsError("there is a vault's id in memory")
        self._memory.vault_id = vault_id
        self._memory.segments.setdefault(1, Content(named=True))

    def vault_id(self) -> bytes | None:
        return self._memory.vault_id

    # --- reading ------------------------------------------------------------------------------

    def numbers(self) -> list[int]:
        return sorted(self._memory.segments)

    def open(self, number: int) -> MemorySegment:
        return MemorySegment(self._found(number))

    def generation(self, number: int) -> str:
        return self._found(number).generation

    def _found(self, number: int) -> Content:
        try:
            return self._memory.segments[number]
        except KeyError:
            raise FileNotFoundError(f"there is no segment {number} in memory") from None

    # --- the segment that grows ---------------------------------------------------------------

    def append(self, number: int, offset: int, data: bytes) -> None:
        self._growing(number).data[offset:] = data

    def own_size(self, number: int) -> int:
        own = self._growing(number)
        found = self._memory.segments.get(number)
        if found is None:
            raise SegmentLost("was removed")
        if found is not own:
            raise SegmentLost("was replaced")
        return len(own.data)

    def sync(self, number: int) -> None:
        own = self._growing(number)
        own.durable, own.named = len(own.data), True

    def cut(self, number: int, size: int) -> None:
        if self._own is not None and self._number == number:
            del self._own.data[size:]

    def seal(self, number: int) -> None:
        if self._number == number:
            self.close()

    def close(self) -> None:
        self._own = None

    def _growing(self, number: int) -> Content:
        if self._own is None or self._number != number:
            self._own = self._memory.segments.setdefault(number, Content())
            self._number = number
        return self._own

    # --- repair and replacement ---------------------------------------------------------------

    def sync_again(self, number: int, start: int, end: int) -> None:
        found = self._found(number)
        found.durable, found.named = max(found.durable, end), True

    def set_aside(self, number: int, offset: int) -> str:
        found = self._found(number)
        name = f"memory/torn/{number}-{offset}-{len(self._memory.aside)}"
        self._memory.aside[name] = bytes(found.data[offset:])
        del found.data[offset:]
        found.durable = min(found.durable, offset)
        return name

    def patch(self, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
        found = self._found(number)
        for offset, data in changes:
            found.data[offset : offset + len(data)] = data
        found.durable, found.named = max(found.durable, len(found.data)), True

    def put(self, number: int, content: Iterable[bytes]) -> None:
        data = bytearray(b"".join(content))
        self._memory.segments[number] = Content(data, len(data), named=True)


class MemorySegment:
    """An `OpenSegment` in memory."""

    def __init__(self, content: Content) -> None:
        self._content = content

    @property
    def generation(self) -> str:
        return self._content.generation

    def size(self) -> int:
        return len(self._content.data)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self._content.data[offset : offset + length])

    def close(self) -> None:
        return
