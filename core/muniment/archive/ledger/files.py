"""The ledger's folder: segment files, the file with the vault's id, and durable writes of both."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.archive.ledger.frame import HEADER_SIZE, TAG_SIZE, tag_in
from muniment.errors import LedgerDamaged, VaultError
from muniment.system.atomic_files import create_file

VAULT_ID = "vault-id"
TORN = "torn"
_SEGMENT = re.compile(r"(\d{12})\.seg")


def segment_path(folder: Path, number: int) -> Path:
    """Return the path of a segment file."""
    return folder / f"{number:012d}.seg"


def segments(folder: Path) -> list[int]:
    """Return the numbers of all segments in the folder, in order."""
    names = (_SEGMENT.fullmatch(entry.name) for entry in os.scandir(folder))
    return sorted(int(match[1]) for match in names if match)


@contextmanager
def descriptor(path: Path, flags: int) -> Iterator[int]:
    """Open a file descriptor and close it at the end. A new file is readable by its owner only."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def make_vault_id(folder: Path) -> bytes:
    """Write a random id for a new ledger, durably.

    Returns:
        The id, 8 bytes.

    Raises:
        VaultError: The folder has an id already.
    """
    tag = secrets.token_bytes(TAG_SIZE)
    try:
        create_file(folder / VAULT_ID, tag.hex().encode() + b"\n", durable=True)
    except FileExistsError as error:
        raise VaultError(f"there is a ledger in {folder} already: nothing was changed") from error
    return tag


def read_vault_id(folder: Path) -> bytes:
    """Read the vault's id from its file, and compare it with the id in the segments.

    Returns:
        The id, 8 bytes.

    Raises:
        VaultError: There is no ledger in the folder.
        LedgerDamaged: The file is damaged, or states another id than the segments.
    """
    stated, framed = _stated_id(folder), framed_id(folder)
    if stated is None and framed is None:
        raise VaultError(f"there is no ledger in {folder}: restore it from a backup, or name another vault")
    if stated == b"" or (framed and stated and framed != stated):
        remedy = f"write {framed.hex()} into it, as in the segments" if framed else "restore it from a backup"
        raise LedgerDamaged(f"{folder / VAULT_ID} is damaged: {remedy}; then run `muniment verify --deep`")
    return framed or stated or b""


def framed_id(folder: Path) -> bytes | None:
    """Return the vault's id from the first segment that begins with an intact header; None if none does."""
    for number in segments(folder) if folder.is_dir() else ():
        with segment_path(folder, number).open("rb") as file:
            tag = tag_in(file.read(HEADER_SIZE))
        if tag is not None:
            return tag
    return None


def _stated_id(folder: Path) -> bytes | None:
    """Return the id from its file: None if there is no such file, b"" if the file is damaged."""
    try:
        text = (folder / VAULT_ID).read_bytes()
    except FileNotFoundError:
        return None
    try:
        tag = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""
    return tag if len(tag) == TAG_SIZE else b""
