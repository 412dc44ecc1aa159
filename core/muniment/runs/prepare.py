"""From a copy's bytes to records ready to be kept: unwrap, hash, split, encode, read the text.

Pure work on bytes, done in worker processes. Every message and every copy is rebuilt from the very
payloads that will be framed and compared with its hash; where that fails, it is stored whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import Decoder, Encoder
from muniment.archive.ledger.model import Kind, Record
from muniment.archive.ledger.recipe import InlineBase64, Literal, PartBase64, Piece, Slice
from muniment.mail.fork import content_hash
from muniment.mail.journal import read_report
from muniment.mail.mime import leaves
from muniment.mail.model import Cut, Envelope, Leaf, Report, Span, UnwrapError
from muniment.mail.routing import read_routing
from muniment.mail.split import split
from muniment.mail.text import read_message
from muniment.runs.copy import Job, PreparedCopy, PreparedMessage
from muniment.runs.large import decoded, prepare_file


class Preparer:
    """Prepares copies; holds the compressors, so it belongs to one thread."""

    def __init__(self, dictionaries: dict[int, bytes]) -> None:
        self._encoder = Encoder(dictionaries)
        self._decoder = Decoder(dictionaries)

    def prepare(self, job: Job) -> PreparedCopy:
        """Prepare one copy. Raises only what means that the parser itself is broken."""
        if job.path:
            return prepare_file(job.path, job.journal, self._encoder, self._decoder)
        return self._prepare_bytes(job.content, job.journal)

    def _prepare_bytes(self, raw: bytes, journal: bool) -> PreparedCopy:
        sha = hashlib.sha256(raw).digest()
        try:
            report = read_report(raw) if journal else None
        except UnwrapError as error:
            return quarantined(self._encoder, raw, sha, str(error))
        if report is None:
            return self._plain(raw, sha)
        return self._report(raw, sha, report)

    def _plain(self, raw: bytes, sha: bytes) -> PreparedCopy:
        envelope = read_routing(raw)
        message = self._message(raw, sha)
        message.end = len(raw)
        record = self._envelope(raw, sha, [Slice(sha, 0, len(raw))], [(sha, raw)])
        return _copy(raw, sha, record, envelope, [message])

    def _report(self, raw: bytes, sha: bytes, report: Report) -> PreparedCopy:
        pieces: list[Piece] = []
        contents: list[tuple[bytes, bytes]] = []
        messages = []
        position = 0
        for span in report.originals:
            inner = decode_span(raw[span.start : span.end], span)
            inner_sha = hashlib.sha256(inner).digest()
            message = self._message(inner, inner_sha)
            if span.encoding == "identity":
                message.start, message.end = span.start, span.end
            messages.append(message)
            contents.append((inner_sha, inner))
            if raw[position : span.start]:
                pieces.append(Literal(raw[position : span.start]))
            pieces.append(span_piece(raw, span, inner_sha, len(inner)))
            position = span.end
        if raw[position:]:
            pieces.append(Literal(raw[position:]))
        record = self._envelope(raw, sha, pieces, contents)
        copy = _copy(raw, sha, record, report.envelope, messages)
        copy.report, copy.tenant, copy.date = True, report.tenant, report.date
        copy.notes += report.notes
        return copy

    def _envelope(
        self, raw: bytes, sha: bytes, pieces: list[Piece], contents: Iterable[tuple[bytes, bytes]]
    ) -> Record:
        record = self._encoder.encode_recipe(Kind.ENVELOPE, recipe.encode(pieces), sha, len(raw))
        known = dict(contents)
        return record if self._rebuilds(record, raw, known) else self._encoder.encode(Kind.ENVELOPE, raw, sha)

    def _message(self, inner: bytes, sha: bytes) -> PreparedMessage:
        found = leaves(inner)
        pieces, parts = self._split(inner, found)
        record = self._encoder.encode_recipe(Kind.MESSAGE, recipe.encode(pieces), sha, len(inner))
        if not self._rebuilds(record, inner, {p.sha: self._decoder.payload(p) for p in parts}):
            record, parts = self._encoder.encode(Kind.MESSAGE, inner, sha), []
        summary, text = read_message(inner, found)
        return PreparedMessage(
            sha=sha,
            content=content_hash(inner),
            size=len(inner),
            record=record,
            parts=parts,
            summary=summary,
            text=text,
        )

    def _split(self, inner: bytes, found: list[Leaf]) -> tuple[list[Piece], list[Record]]:
        pieces: list[Piece] = []
        parts: list[Record] = []
        for cut in split(inner, found):
            pieces.append(self._piece(inner, cut, parts))
        return pieces, parts

    def _piece(self, inner: bytes, cut: Cut, parts: list[Record]) -> Piece:
        if not cut.encoding or cut.data is None:
            return Literal(inner[cut.start : cut.end])
        if cut.inline:
            return InlineBase64(cut.data, cut.width, cut.eol)
        sha = hashlib.sha256(cut.data).digest()
        parts.append(self._encoder.encode(Kind.PART, cut.data, sha))
        if cut.encoding == "base64":
            return PartBase64(sha, cut.width, cut.eol)
        return Slice(sha, 0, len(cut.data))

    def _rebuilds(self, record: Record, content: bytes, known: dict[bytes, bytes]) -> bool:
        pieces = recipe.decode(self._decoder.payload(record))
        return b"".join(recipe.rebuild(pieces, lambda sha: (known[sha],))) == content


def _copy(
    raw: bytes, sha: bytes, record: Record, envelope: Envelope, messages: list[PreparedMessage]
) -> PreparedCopy:
    return PreparedCopy(
        sha=sha,
        size=len(raw),
        envelope=record,
        parties=envelope.parties,
        messages=messages,
        notes=envelope.notes,
    )


def quarantined(encoder: Encoder, raw: bytes, sha: bytes, reason: str) -> PreparedCopy:
    """A copy that can't be unwrapped, kept byte for byte."""
    return PreparedCopy(
        sha=sha, size=len(raw), envelope=encoder.encode(Kind.QUARANTINE, raw, sha), problem=reason
    )


def decode_span(raw: bytes, span: Span) -> bytes:
    """The original that a report's part encodes; what is broken in it is decoded as far as it goes."""
    return raw if span.encoding == "identity" else b"".join(decoded((raw,), span.encoding))


def span_piece(raw: bytes, span: Span, sha: bytes, size: int) -> Piece:
    """The piece of a report's recipe that stands for its original."""
    encoded = raw[span.start : span.end]
    if span.encoding == "identity":
        return Slice(sha, 0, size)
    if span.encoding == "base64":
        width, eol = line_shape(encoded)
        piece = PartBase64(sha, width, eol)
        if recipe.encoded_length(piece, size) == len(encoded):
            return piece
    return Literal(encoded)


def line_shape(encoded: bytes) -> tuple[int, bytes]:
    """Line width and line end of base64 text; (76, CRLF) where it has one line."""
    end = encoded.find(b"\n")
    if end <= 0:
        return 76, b"\r\n"
    return (end - 1, b"\r\n") if encoded[end - 1 : end] == b"\r" else (end, b"\n")
