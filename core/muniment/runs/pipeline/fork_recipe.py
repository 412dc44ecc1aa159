"""A fork's report as recipe: what differs from the message that is kept, and where the rest stands there."""

from __future__ import annotations

from muniment.archive.ledger import recipe
from muniment.archive.ledger.recipe import Literal, Piece, Slice
from muniment.mail.content.fork import fork_cuts


def fork_pieces(raw: bytes, start: int, end: int, stored: bytes, sha: bytes) -> list[Piece]:
    """A fork's report as differences from the stored message `sha`."""
    pieces: list[Piece] = []
    if start:
        pieces.append(Literal(raw[:start]))
    inner = raw[start:end]
    for cut in fork_cuts(inner, stored):
        if cut.offset is None:
            pieces.append(Literal(inner[cut.start : cut.end]))
        else:
            pieces.append(Slice(sha, cut.offset, cut.end - cut.start))
    if raw[end:]:
        pieces.append(Literal(raw[end:]))
    return pieces


def rebuilt(pieces: list[Piece], contents: dict[bytes, bytes]) -> bytes:
    """What a recipe yields once it went through its own encoding."""
    return b"".join(recipe.rebuild(recipe.decode(recipe.encode(pieces)), lambda sha: (contents[sha],)))
