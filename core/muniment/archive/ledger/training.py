"""Trains compression dictionaries on what the first mails of a vault share.

A dictionary can't be changed once records use it, so it must not hold what may have to be erased. It is
trained only on strings that at least `shared_strings.MAILS` mails share. Its own content is checked by the
same rule, since training joins strings that were apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import DecodeError, PayloadDecoder, train
from muniment.archive.ledger.model import Frame, PayloadCodec, RecordKind
from muniment.archive.ledger.shared_strings import SharedStrings

SAMPLES = 500
"""Number of mails that a dictionary is trained on; more make it no better."""
LONGEST = 64 * 1024
"""Longest sample, in bytes; a longer one would outweigh the others, and is cut."""
MOST = 6 * 1024 * 1024
"""Most bytes of samples of one kind, since each takes 8 bytes of memory."""
LOOK = 256 * 1024 * 1024
"""Bytes of the ledger that are read for samples; a vault may have few records of a kind."""
SIZES = {RecordKind.MESSAGE: 110 * 1024, RecordKind.ENVELOPE: 32 * 1024}
"""Size of the dictionary for each kind of record, in bytes."""
_MESSAGE_ID = re.compile(rb"message-id:\s*(<[^<>\s]+>)", re.IGNORECASE)
_BODY = re.compile(rb"\r?\n\r?\n\s*(?=\S)")


def train_dictionaries(frames: Iterable[Frame], decoder: PayloadDecoder) -> Iterator[bytes]:
    """Train a dictionary for each kind in SIZES.

    It takes about 1 s for 3 MB of samples, and at most 100 MB of memory.

    Args:
        frames: The ledger's frames from its beginning; they are read until there are enough of each kind.
        decoder: Decodes their payloads.

    Yields:
        A dictionary for each kind that has enough samples.
    """
    for kind, some in _samples(frames, decoder).items():
        shared = SharedStrings(some)
        try:
            yield train([shared.only(sample) for sample in some], SIZES[kind], kind, keep=shared.only)
        except ValueError:  # too few samples, or too similar: this kind gets no dictionary
            continue


class _Mails:
    """Samples of one kind of record, each of another mail.

    Copies of a mail share all of its strings, so only the first is a sample. A sample is a copy if it has a
    Message-ID of an earlier one, or the same text after its header.
    """

    def __init__(self) -> None:
        self.samples: list[bytes] = []
        self._known: set[bytes] = set()
        self._left = MOST

    @property
    def enough(self) -> bool:
        return len(self.samples) >= SAMPLES or self._left <= 0

    def add(self, sample: bytes, refers: Iterable[bytes]) -> None:
        """Take a sample that is no copy of an earlier one; `refers` are the messages that it refers to."""
        marks = {*_MESSAGE_ID.findall(sample), *refers}
        body = _BODY.search(sample)
        if body is not None:
            marks.add(b" ".join(sample[body.end() :].split()))
        if not marks & self._known:
            self.samples.append(sample)
            self._left -= len(sample)
        self._known |= marks


def _samples(frames: Iterable[Frame], decoder: PayloadDecoder) -> dict[RecordKind, list[bytes]]:
    mails = {kind: _Mails() for kind in SIZES}
    left = LOOK
    for frame in frames:
        left -= len(frame.payload)
        found = mails.get(frame.kind)
        if found is not None and not found.enough and not frame.codec & PayloadCodec.CHUNK_LIST:
            _add(found, frame, decoder)
        if left <= 0 or all(some.enough for some in mails.values()):
            break
    return {kind: some.samples for kind, some in mails.items()}


def _add(mails: _Mails, frame: Frame, decoder: PayloadDecoder) -> None:
    try:
        payload = decoder.payload(frame)
        refers = recipe.references(payload) if _is_about_a_message(frame) else ()
    except (DecodeError, recipe.RecipeError):  # what can't be read any more is no sample
        return
    mails.add(payload[:LONGEST], refers)


def _is_about_a_message(frame: Frame) -> bool:
    """Whether the record refers to the message that it is a copy of, and not to parts."""
    return frame.kind is RecordKind.ENVELOPE and bool(frame.codec & PayloadCodec.RECIPE)
