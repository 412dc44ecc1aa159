"""Prepares a copy that is too large for memory.

It is read from its file, and its records go to another file.

The steps are those of `runs.prepare.prepare`, with a few chunks in memory at a time.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import PayloadDecoder, RecordEncoder
from muniment.archive.ledger.model import CHUNK, LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.recipe import ContentSlice, InlineBase64, LiteralBytes, PartBase64, Piece
from muniment.mail.buffer import FileBuffer, sub, window
from muniment.mail.content.content_hash import content_hash
from muniment.mail.headers.quoted import unquoted_pieces
from muniment.mail.headers.routing import named_in, read_routing
from muniment.mail.journal.report import read_report
from muniment.mail.mime.split import decode_chunks, split
from muniment.mail.model import (
    Envelope,
    JournalReport,
    MailBuffer,
    MessageCut,
    MessageSummary,
    MessageText,
    OriginalSpan,
    UnwrapError,
)
from muniment.mail.notes import UNREAD
from muniment.mail.text.outline import read_outline
from muniment.mail.text.read_text import read_message
from muniment.runs.prepare.prepared_copy import CopyJob, PreparedCopy, PreparedMessage
from muniment.runs.prepare.spill import RecordSpill, hash_of, rebuilds, whole

LITERAL = 1024 * 1024
"""Literal bytes above this number become a record of their own."""
LITERALS = 4 * 1024 * 1024
"""Literal bytes that one recipe contains in all. Beyond these, further ones become records, too."""
READ = 1024 * 1024
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
NOT_BASE64 = bytes(byte for byte in range(256) if byte not in _ALPHABET)


def prepare_file(
    job: CopyJob, encoder: RecordEncoder, decoder: PayloadDecoder, outline: bool = False
) -> PreparedCopy:
    """Prepare the copy in a file. Its parts go to the file that `spill` of the result names.

    Args:
        job: the copy, with a `path`.
        encoder: compresses the records.
        decoder: reads them back for comparison.
        outline: read no text; the copy then has the note UNREAD.

    Raises:
        OSError: the file can't be read, or the records can't be written.
    """
    path = job.path
    spill = RecordSpill(Path(path + ".records"))
    try:
        with FileBuffer(Path(path)) as buffer:
            large = _LargeCopy(
                buffer, path, encoder, decoder, spill, read_outline if outline else read_message
            )
            copy = large.prepare(job.journal)
            if not copy.report and not copy.problem:
                copy.named = named_in(buffer, job.headers)
    finally:
        spill.close()
    copy.spill = str(spill.path)
    if outline and not copy.problem:
        copy.notes += (UNREAD,)
    return copy


class _LargeCopy:
    """One copy while it is prepared. Its records go to the spill."""

    def __init__(
        self,
        buffer: FileBuffer,
        path: str,
        encoder: RecordEncoder,
        decoder: PayloadDecoder,
        spill: RecordSpill,
        read: Callable[[MailBuffer], tuple[MessageSummary, MessageText]],
    ) -> None:
        self._buffer = buffer
        self._path = path
        self._encoder = encoder
        self._decoder = decoder
        self._spill = spill
        self._read = read
        self._sha = hash_of(window(buffer, 0, len(buffer), READ))

    def prepare(self, journal: bool) -> PreparedCopy:
        """Prepare the copy, unwrapped if it is a journal report."""
        try:
            report = read_report(self._buffer) if journal else None
        except UnwrapError as error:
            record = self._whole(RecordKind.QUARANTINE, self._buffer, self._sha)
            return PreparedCopy(self._sha, len(self._buffer), record, problem=str(error))
        if report is None:
            return self._plain(read_routing(self._buffer))
        return self._report(report)

    def _plain(self, envelope: Envelope) -> PreparedCopy:
        message = self._message(self._buffer, self._sha)
        message.end = len(self._buffer)
        record = self._recipe(
            RecordKind.ENVELOPE, [ContentSlice(self._sha, 0, len(self._buffer))], self._sha, len(self._buffer)
        )
        return self._copy(record, envelope, [message])

    def _report(self, report: JournalReport) -> PreparedCopy:
        literals = _Literals(self)
        pieces: list[Piece] = []
        messages: list[PreparedMessage] = []
        position = 0
        for span in report.originals:
            message, piece = self._original(span)
            messages.append(message)
            pieces += literals.pieces(self._buffer, position, span.start if piece else span.end)
            if piece:
                pieces.append(piece)
            position = span.end
        pieces += literals.pieces(self._buffer, position, len(self._buffer))
        record = self._recipe(RecordKind.ENVELOPE, pieces, self._sha, len(self._buffer))
        if not self._rebuilds(record, {message.sha: message.record for message in messages}):
            record = self._whole(RecordKind.ENVELOPE, self._buffer, self._sha)
        copy = self._copy(record, report.envelope, messages)
        copy.report, copy.tenant, copy.date = True, report.tenant, report.date
        copy.notes += report.notes
        return copy

    def _original(self, span: OriginalSpan) -> tuple[PreparedMessage, Piece | None]:
        """The message in a span, and the piece that represents it; None if the span's bytes are kept, too."""
        made = span.placeholder
        if span.encoding == "identity" and made is None:
            view = sub(self._buffer, span.start, span.end)
            sha = hash_of(window(view, 0, len(view), READ))
            message = self._message(view, sha)
            message.start, message.end = span.start, span.end
            return message, ContentSlice(sha, 0, len(view))
        path = Path(f"{self._path}.{span.start}.inner")
        try:
            with path.open("wb") as file:
                pieces = window(self._buffer, span.start, span.end, READ)
                if made is not None:
                    pieces = itertools.chain((made.before,), pieces, (made.after,))
                file.writelines(pieces if made is not None else decoded(pieces, span.encoding))
            with FileBuffer(path) as inner:
                sha = hash_of(window(inner, 0, len(inner), READ))
                message = self._message(inner, sha)
        finally:
            path.unlink(missing_ok=True)
        if made is None:
            return message, None
        message.key = made.key
        return message, ContentSlice(sha, len(made.before), span.end - span.start)

    def _message(self, view: MailBuffer, sha: bytes) -> PreparedMessage:
        cuts = split(view)
        record = None if len(cuts) == 1 else self._split_record(view, sha, cuts)
        if record is None or not self._rebuilds(record, {}):
            record = self._whole(RecordKind.MESSAGE, view, sha)
        summary, text = self._read(view)
        return PreparedMessage(
            sha=sha,
            content=content_hash(view),
            size=len(view),
            record=record,
            parts=[],
            summary=summary,
            text=text,
        )

    def _split_record(self, view: MailBuffer, sha: bytes, cuts: Iterable[MessageCut]) -> LedgerRecord:
        literals = _Literals(self)
        pieces = [piece for cut in cuts for piece in self._cut_pieces(view, cut, literals)]
        return self._recipe(RecordKind.MESSAGE, pieces, sha, len(view))

    def _cut_pieces(self, view: MailBuffer, cut: MessageCut, literals: _Literals) -> list[Piece]:
        if not cut.encoding:
            return literals.pieces(view, cut.start, cut.end)
        if cut.inline and cut.data is not None and literals.fits(len(cut.data)):
            return [InlineBase64(cut.data, cut.width, cut.eol)]
        if cut.encoding == "identity":
            return literals.slices(view, cut.start, cut.end)
        sha = self.keep(decode_chunks(view, cut, CHUNK) if cut.data is None else (cut.data,))
        return [PartBase64(sha, cut.width, cut.eol)]

    def keep(self, chunks: Iterable[bytes]) -> bytes:
        """Write content to the spill as one part, or as chunks and their list. Returns its SHA-256."""
        digest = hashlib.sha256()
        shas: list[bytes] = []
        size = 0
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            shas.append(hashlib.sha256(chunk).digest())
            self._spill.write(self._encoder.encode(RecordKind.PART, chunk, shas[-1]))
        sha = digest.digest()
        if len(shas) != 1:
            self._spill.write(
                LedgerRecord(
                    RecordKind.CHUNKS, sha, size, PayloadCodec.RAW | PayloadCodec.CHUNK_LIST, b"".join(shas)
                )
            )
        return sha

    def _whole(self, kind: RecordKind, view: MailBuffer, sha: bytes) -> LedgerRecord:
        """A record of unsplit content of any kind."""
        chunks = window(view, 0, len(view), CHUNK)
        return whole(kind, sha, len(view), chunks, self._encoder, self._spill)

    def _recipe(self, kind: RecordKind, pieces: list[Piece], sha: bytes, size: int) -> LedgerRecord:
        return self._encoder.encode_recipe(kind, recipe.encode(pieces), sha, size)

    def _rebuilds(self, record: LedgerRecord, messages: dict[bytes, LedgerRecord]) -> bool:
        return rebuilds(record, lambda sha: messages.get(sha) or self._spill.read(sha), self._decoder)

    def _copy(
        self, record: LedgerRecord, envelope: Envelope, messages: list[PreparedMessage]
    ) -> PreparedCopy:
        return PreparedCopy(
            sha=self._sha,
            size=len(self._buffer),
            envelope=record,
            parties=envelope.parties,
            messages=messages,
            notes=envelope.notes,
        )


class _Literals:
    """Decides for one recipe which bytes stay in it and which become records of their own."""

    def __init__(self, copy: _LargeCopy) -> None:
        self._copy = copy
        self._kept = 0

    def pieces(self, view: MailBuffer, start: int, end: int) -> list[Piece]:
        """Pieces for bytes [start, end) of `view`."""
        length = end - start
        if length <= 0:
            return []
        if self.fits(length):
            return [LiteralBytes(view[start:end])]
        return self.slices(view, start, end)

    def fits(self, length: int) -> bool:
        """Whether `length` more bytes may stay in the recipe. If so, they are counted."""
        if length > LITERAL or self._kept + length > LITERALS:
            return False
        self._kept += length
        return True

    def slices(self, view: MailBuffer, start: int, end: int) -> list[Piece]:
        """Pieces for bytes [start, end) of `view` that refer to records of their own."""
        return [
            ContentSlice(self._copy.keep((chunk,)), 0, len(chunk))
            for chunk in window(view, start, end, CHUNK)
        ]


def decoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield an original that its report encodes, a chunk at a time.

    A broken encoding is decoded as far as possible.
    """
    if encoding != "base64":
        yield from unquoted_pieces(chunks)
        return
    rest = b""
    for chunk in chunks:
        text = rest + chunk.translate(None, NOT_BASE64)
        cut = len(text) // 4 * 4
        yield base64.b64decode(text[:cut])
        rest = text[cut:]
    if len(rest) > 1:  # a single character holds no byte
        yield base64.b64decode(rest + b"=" * (4 - len(rest)))
