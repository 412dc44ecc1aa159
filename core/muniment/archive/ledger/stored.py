"""Single frames by position, and the dictionaries among them."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

from muniment.archive.facts import Position
from muniment.archive.ledger.codec import DecodeError, Decoder
from muniment.archive.ledger.files import segment_path, segments
from muniment.archive.ledger.frame import HEADER_SIZE, FrameError, Header, intact, parse_header
from muniment.archive.ledger.model import Frame, Kind
from muniment.archive.ledger.walk import Found, last_commit, walk
from muniment.errors import LedgerDamaged

log = logging.getLogger("muniment.ledger")

UNKNOWN = -1
"""The sequence of a frame that was read at random."""
OPEN_FILES = 64
GUESS = 16 * 1024
"""Bytes of a frame that are read at first; most frames are smaller."""


class _File:
    """A descriptor that is closed once nobody reads through it any more."""

    __slots__ = ("fd",)

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)


class Files:
    """Frames by position, through a bounded number of open files; usable from any thread."""

    def __init__(self, folder: Path, vault_id: bytes) -> None:
        self.folder = folder
        self.vault_id = vault_id
        self._files: OrderedDict[int, _File] = OrderedDict()
        self._lock = threading.Lock()

    def frame(self, position: Position) -> Frame:
        """The frame at `position`; its sequence is not known.

        Raises:
            LedgerDamaged: there is no intact frame.
        """
        try:
            header, payload = self._read(position)
        except (OSError, FrameError) as error:
            raise LedgerDamaged(f"{place(position)}: {error}") from error
        return made_frame(UNKNOWN, position, header, payload)

    def close(self) -> None:
        """Close all files; they are opened again when needed."""
        with self._lock:
            self._files.clear()

    def _read(self, position: Position) -> tuple[Header, bytes]:
        file = self._file(position.segment)
        data = os.pread(file.fd, GUESS, position.offset)
        header = parse_header(data, self.vault_id)
        payload = data[HEADER_SIZE : HEADER_SIZE + header.length]
        if len(payload) < header.length:
            rest = os.pread(file.fd, header.length - len(payload), position.offset + len(data))
            payload += rest
        if not intact(header, payload):
            raise FrameError(f"the payload of {named(header.kind, header.sha)} is damaged")
        return header, payload

    def _file(self, segment: int) -> _File:
        with self._lock:
            file = self._files.get(segment)
            if file is None:
                file = self._files[segment] = _File(segment_path(self.folder, segment))
                if len(self._files) > OPEN_FILES:
                    self._files.popitem(last=False)
            else:
                self._files.move_to_end(segment)
            return file


def made_frame(sequence: int, position: Position, header: Header, payload: bytes) -> Frame:
    """The frame that a header and a payload make."""
    return Frame(
        sequence,
        position,
        Kind(header.kind),
        header.codec,
        header.dictionary,
        header.time,
        header.size,
        header.sha,
        payload,
        position.offset + HEADER_SIZE + header.length,
    )


def place(position: Position) -> str:
    """Where a frame is, for a message to a person."""
    return f"segment {position.segment}, offset {position.offset}"


def named(kind: int, sha: bytes) -> str:
    """What a frame is, for a message to a person."""
    try:
        name = Kind(kind).name.lower()
    except ValueError:
        name = f"record of kind {kind}"
    return f"{name} {sha.hex()}"


def read_dictionaries(files: Files, places: Mapping[int, Position]) -> dict[int, bytes]:
    """The dictionaries at these places; those that can't be read are left out, with a warning."""
    found = {}
    for number, position in sorted(places.items()):
        try:
            found[number] = Decoder().payload(files.frame(position))
        except (LedgerDamaged, DecodeError) as error:
            log.warning("compression dictionary %d can't be read: %s", number, error)
    return found


class Dictionaries(Mapping[int, bytes]):
    """The ledger's dictionaries, found when they are needed."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: dict[int, bytes] = {}
        self._hint = threading.local()

    def hint(self, segment: int) -> None:
        """Say in which segment this thread now reads: it has a copy of each that it uses."""
        self._hint.segment = segment

    def committed(self) -> dict[int, bytes]:
        """All dictionaries of the last committed state."""
        folder, tag = self._files.folder, self._files.vault_id
        for number in reversed(segments(folder)):
            last = last_commit(segment_path(folder, number), tag)
            if last is not None:
                places = last[1].dictionaries
                missing = {key: at for key, at in places.items() if key not in self._known}
                self._known |= read_dictionaries(self._files, missing)
                return {key: self._known[key] for key in places if key in self._known}
        return {}

    def __getitem__(self, id: int) -> bytes:
        if id not in self._known:
            self._known[id] = self._find(id)
        return self._known[id]

    def __iter__(self) -> Iterator[int]:
        return iter(self.committed())

    def __len__(self) -> int:
        return len(self.committed())

    def _find(self, id: int) -> bytes:
        own = getattr(self._hint, "segment", 0)
        for number in sorted(segments(self._files.folder), key=lambda number: (number != own, number)):
            for item in walk(segment_path(self._files.folder, number), self._files.vault_id, payloads=False):
                if isinstance(item, Found) and _is_dictionary(item.header, id):
                    found = read_dictionaries(self._files, {id: Position(number, item.offset)})
                    if found:
                        return found[id]
        raise KeyError(id)


def _is_dictionary(header: Header, id: int) -> bool:
    return header.kind == Kind.DICTIONARY and header.dictionary == id
