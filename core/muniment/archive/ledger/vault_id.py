"""The vault's id: 8 random bytes that are in every frame, and in a text beside the segments."""

from __future__ import annotations

import secrets
from contextlib import closing

from muniment.archive.ledger.frame import HEADER_SIZE, TAG_SIZE, tag_in
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.errors import LedgerDamaged, VaultError


def make_vault_id(segments: SegmentStore) -> bytes:
    """Begin an empty ledger with a random id, durably.

    Returns:
        The id, 8 bytes.

    Raises:
        VaultError: There is an id already.
    """
    tag = secrets.token_bytes(TAG_SIZE)
    try:
        segments.begin(tag.hex().encode() + b"\n")
    except FileExistsError as error:
        raise VaultError(f"there is a ledger in {segments.place} already: nothing was changed") from error
    return tag


def read_vault_id(segments: SegmentStore) -> bytes:
    """Read the vault's id from its text, and compare it with the id in the segments.

    Returns:
        The id, 8 bytes.

    Raises:
        VaultError: There is no ledger.
        LedgerDamaged: The text is damaged, or states another id than the segments.
    """
    stated, framed = _stated_id(segments), framed_id(segments)
    if stated is None and framed is None:
        raise VaultError(
            f"there is no ledger in {segments.place}: restore it from a backup, or name another vault"
        )
    if stated == b"" or (framed and stated and framed != stated):
        remedy = f"write {framed.hex()} into it, as in the segments" if framed else "restore it from a backup"
        raise LedgerDamaged(
            f"{segments.vault_id_name} is damaged: {remedy}; then run `muniment verify --deep`"
        )
    return framed or stated or b""


def framed_id(segments: SegmentStore) -> bytes | None:
    """Return the vault's id from the first segment that begins with an intact header; None if none does."""
    for number in segments.numbers():
        with closing(segments.open(number)) as segment:
            tag = tag_in(segment.read(0, HEADER_SIZE))
        if tag is not None:
            return tag
    return None


def _stated_id(segments: SegmentStore) -> bytes | None:
    """Return the id from its text: None if there is none, b"" if it is damaged."""
    text = segments.vault_id()
    if text is None:
        return None
    try:
        tag = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""
    return tag if len(tag) == TAG_SIZE else b""
