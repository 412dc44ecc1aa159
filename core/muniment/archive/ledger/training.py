"""Compression dictionaries of a vault's own mail, trained on its first messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from muniment.archive.ledger.codec import Decoder, train
from muniment.archive.ledger.model import Codec, Frame, Kind

SAMPLES = 500
"""Records of a kind that a dictionary is trained on; more gain nothing."""
LONGEST = 64 * 1024
"""Bytes of a sample; what is longer would outweigh the rest."""
SIZES = {Kind.MESSAGE: 110 * 1024, Kind.ENVELOPE: 32 * 1024}
"""Bytes of the dictionary for each kind of record."""


def trained(frames: Iterable[Frame], decoder: Decoder) -> Iterator[bytes]:
    """A dictionary for each kind in SIZES that `frames`, read from the ledger's beginning, allow for.

    Frames are read until there are enough of each kind.
    """
    samples: dict[Kind, list[bytes]] = {kind: [] for kind in SIZES}
    for frame in frames:
        found = samples.get(frame.kind)
        if found is None or len(found) >= SAMPLES or frame.codec & Codec.CHUNK_LIST:
            continue
        found.append(decoder.payload(frame)[:LONGEST])
        if all(len(some) >= SAMPLES for some in samples.values()):
            break
    for kind, some in samples.items():
        try:
            yield train(some, SIZES[kind], kind)
        except ValueError:  # too few, or too much alike: that kind goes without
            continue
