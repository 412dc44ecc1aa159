"""The report of a fork as a recipe: the differences from the kept message, and references to the rest."""

from __future__ import annotations

from muniment.archive.ledger import recipe
from muniment.archive.ledger.recipe import ContentSlice, LiteralBytes, Piece
from muniment.mail.content.fork import fork_cuts


def fork_pieces(raw: bytes, start: int, end: int, stored: bytes, sha: bytes) -> list[Piece]:
    """The report of a fork as differences from a stored message.

    Args:
        raw: the report.
        start: where the fork begins in it.
        end: where the fork ends in it.
        stored: the stored message.
        sha: its SHA-256.
    """
    pieces: list[Piece] = []
    if start:
        pieces.append(LiteralBytes(raw[:start]))
    inner = raw[start:end]
    for cut in fork_cuts(inner, stored):
        if cut.offset is None:
            pieces.append(LiteralBytes(inner[cut.start : cut.end]))
        else:
            pieces.append(ContentSlice(sha, cut.offset, cut.end - cut.start))
    if raw[end:]:
        pieces.append(LiteralBytes(raw[end:]))
    return pieces


def rebuilt(pieces: list[Piece], contents: dict[bytes, bytes]) -> bytes:
    """The content that a recipe gives after it was encoded and decoded."""
    return b"".join(recipe.rebuild(recipe.decode(recipe.encode(pieces)), lambda sha: (contents[sha],)))
