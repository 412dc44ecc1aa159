"""Trains compression dictionaries on the first messages of a vault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from muniment.archive.ledger.codec import PayloadDecoder, train
from muniment.archive.ledger.model import Frame, PayloadCodec, RecordKind

SAMPLES = 500
"""Number of records that a dictionary is train_dictionaries on; more make it no better."""
LONGEST = 64 * 1024
"""Longest sample, in bytes; a longer one would outweigh the others, and is cut."""
SIZES = {RecordKind.MESSAGE: 110 * 1024, RecordKind.ENVELOPE: 32 * 1024}
"""Size of the dictionary for each kind of record, in bytes."""


def train_dictionaries(frames: Iterable[Frame], decoder: PayloadDecoder) -> Iterator[bytes]:
    """Train a dictionary for each kind in SIZES.

    Args:
        frames: The ledger's frames from its beginning; they are read until there are enough of each kind.
        decoder: Decodes their payloads.

    Yields:
        A dictionary for each kind that has enough samples.
    """
    samples: dict[RecordKind, list[bytes]] = {kind: [] for kind in SIZES}
    for frame in frames:
        found = samples.get(frame.kind)
        if found is None or len(found) >= SAMPLES or frame.codec & PayloadCodec.CHUNK_LIST:
            continue
        found.append(decoder.payload(frame)[:LONGEST])
        if all(len(some) >= SAMPLES for some in samples.values()):
            break
    for kind, some in samples.items():
        try:
            yield train(some, SIZES[kind], kind)
        except ValueError:  # too few samples, or too similar: this kind gets no dictionary
            continue
