"""Removes what files beside the ledger, the catalog and the index still have of erased mail."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from muniment.archive.files.temp_files import WORK, clean_work
from muniment.archive.ledger.frame import HEADER_SIZE, FrameError, parse_header
from muniment.archive.ledger.vault_id import read_vault_id
from muniment.archive.vault.layout import INDEX, torn_folder
from muniment.archive.vault.vault import Vault

SPOOL, DELIVERED = "spool", "delivered"
BLOCK = 1024 * 1024


@dataclass(slots=True)
class Traces:
    """What was removed: numbers of files and folders."""

    torn: int = 0
    """Tails of the ledger that were never committed."""
    temporary: int = 0
    """Temporary files."""
    spooled: int = 0
    """Messages in the spool of the embedded gateway."""
    indexes: int = 0
    """Indexes that were set aside, since they were damaged."""

    @property
    def any(self) -> bool:
        """Whether anything was removed."""
        return bool(self.torn or self.temporary or self.spooled or self.indexes)

    def __str__(self) -> str:
        parts = (
            (self.torn, "uncommitted tails of the ledger"),
            (self.temporary, "temporary files"),
            (self.spooled, "messages in the spool"),
            (self.indexes, "damaged indexes"),
        )
        return ", ".join(f"{count} {what}" for count, what in parts if count)


def remove_traces(vault: Vault, erased: Collection[bytes], found: Traces) -> None:
    """Remove files that have content which was erased, and record in the ledger which were.

    A tail of the ledger that can't be read to its end is removed as well, since what it holds is not known.

    Args:
        vault: The vault, open for writing.
        erased: SHA-256 of erased messages, copies and parts.
        found: Gets the numbers of what was removed.

    Raises:
        OSError: A file can't be removed.
        VaultError: The removal can't be recorded.
    """
    before = str(found)
    tag = read_vault_id(vault.segments)
    for path in _files(torn_folder(vault.folder)):
        if _is_suspect(path, tag, erased):
            path.unlink(missing_ok=True)
            found.torn += 1
    clean_work(vault.folder)
    found.temporary += len(_remove_by_hash(vault.folder / WORK, erased))
    spooled = _remove_by_hash(vault.folder / SPOOL, erased)
    for path in spooled:  # the note of its delivery has its SMTP envelope
        (vault.folder / SPOOL / DELIVERED / f"{path.name}.json").unlink(missing_ok=True)
    found.spooled += len(spooled)
    for aside in vault.folder.glob(f"{INDEX}.broken-*"):
        shutil.rmtree(aside)
        found.indexes += 1
    if found.any and str(found) != before:
        event = {"event": "traces erased", "uid": os.getuid(), "at": int(time.time()), "said": str(found)}
        vault.log([event])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _remove_by_hash(folder: Path, erased: Collection[bytes]) -> list[Path]:
    removed: list[Path] = []
    for path in _files(folder):
        try:
            gone = _hash(path) in erased
        except FileNotFoundError:  # its process has removed it
            continue
        if gone:
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _is_suspect(path: Path, tag: bytes, erased: Collection[bytes]) -> bool:
    """Return whether a tail has a record that was erased, or bytes that are no record."""
    return any(sha is None or sha in erased for sha in _hashes(path, tag))


def _hashes(path: Path, tag: bytes) -> Iterator[bytes | None]:
    """Yield the hash of each record in a tail, and None at bytes that are none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        offset = 0
        while offset < size:
            file.seek(offset)
            try:
                header = parse_header(file.read(HEADER_SIZE), tag)
            except FrameError:
                yield None
                return
            yield header.sha
            offset += HEADER_SIZE + header.length
