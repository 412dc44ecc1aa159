"""Turns a copy's bytes into records: unwrap, hash, split, read the text, compress.

This is pure work on bytes in worker processes. Every message and every copy is rebuilt from the exact pieces
that will be stored, and compared with its bytes. If they differ, it is stored whole. Every compressed payload
is decoded again and compared.

A batch passes each stage as a whole, not message by message. So the code and tables of a stage stay in the
processor's cache, which saves up to a quarter of the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from muniment.archive.ledger import recipe
from muniment.archive.ledger.codec import PayloadDecoder, RecordEncoder
from muniment.archive.ledger.model import LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.recipe import ContentSlice, InlineBase64, LiteralBytes, PartBase64, Piece
from muniment.mail.content.content_hash import content_hash
from muniment.mail.headers.routing import named_in, read_routing
from muniment.mail.journal.report import read_report
from muniment.mail.mime.split import split
from muniment.mail.mime.walker import leaves
from muniment.mail.model import JournalReport, MessageCut, MimeLeaf, OriginalSpan, UnwrapError
from muniment.mail.notes import UNREAD
from muniment.mail.text.outline import read_outline
from muniment.mail.text.read_text import read_message
from muniment.runs.prepare.large import decoded, prepare_file
from muniment.runs.prepare.prepared_copy import CopyJob, PreparedCopy, PreparedMessage, bare_message, size_of

T = TypeVar("T")


class TimeBudgets(Protocol):
    """Limits the time for each mail of a batch."""

    def begin(self, number: int) -> None:
        """Work on the mail with this number begins. Work on the previous one has ended.

        `number` counts the mails of the batch from 0.
        """

    def end(self) -> None:
        """Work on the last mail has ended."""


class _Unlimited:
    """No limits."""

    def __init__(self, sizes: Iterable[int]) -> None: ...
    def begin(self, number: int) -> None: ...
    def end(self) -> None: ...


@dataclass(slots=True)
class _Original:
    """A message that a copy brought, while it is prepared. At first only its bytes are known."""

    data: bytes
    message: PreparedMessage
    leaves: list[MimeLeaf] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    """A copy while it is prepared."""

    raw: bytes
    copy: PreparedCopy
    originals: list[_Original] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    """The copy as a recipe that refers to its messages."""


class CopyPreparer:
    """Prepares copies. It holds the compressors, so it belongs to one thread."""

    def __init__(
        self, dictionaries: Mapping[int, bytes], budgets: Callable[[Iterable[int]], TimeBudgets] = _Unlimited
    ) -> None:
        """Prepare the compressors.

        Args:
            dictionaries: compression dictionaries by id.
            budgets: makes the time limits of a batch from the sizes of its mails in bytes.
        """
        self._encoder = RecordEncoder(dictionaries)
        self._decoder = PayloadDecoder(dictionaries)
        self._budgets = budgets

    def prepare(self, jobs: Sequence[CopyJob], outline: bool = False) -> list[PreparedCopy | str]:
        """Prepare copies.

        Args:
            jobs: the copies.
            outline: read no text; each copy then has the note UNREAD.

        Returns:
            For each job, the prepared copy, or the name of the error if the parser raised one.

        Raises:
            OSError: the machine lacks something, such as disk space. Any mail would fail.
            ImportError: the installation is broken. Any mail would fail.
        """
        budgets = self._budgets(map(size_of, jobs))
        try:
            drafts = self._drafts(jobs, budgets, outline)
        finally:
            budgets.end()
        return [draft if isinstance(draft, str) else draft.copy for draft in drafts]

    def _drafts(self, jobs: Sequence[CopyJob], budgets: TimeBudgets, outline: bool) -> list[_Draft | str]:
        """The copies after all stages."""

        def unwrap(job: CopyJob) -> _Draft:
            return self._unwrap(job, outline)

        drafts = [_tried(unwrap, job, budgets, number) for number, job in enumerate(jobs)]
        for stage in (
            _split_messages,
            _split_copy,
            _read_outline if outline else _read,
            _identify,
            self._pack_messages,
            self._pack_parts,
            self._pack_copy,
        ):
            drafts = [
                draft if isinstance(draft, str) else _tried(stage, draft, budgets, number)
                for number, draft in enumerate(drafts)
            ]
        return drafts

    def _unwrap(self, job: CopyJob, outline: bool) -> _Draft:
        if job.path:  # this goes through all stages by itself, in bounded memory
            copy = prepare_file(job, self._encoder, self._decoder, outline)
            return _Draft(b"", copy)
        return _unwrapped(job)

    def _pack_messages(self, draft: _Draft) -> _Draft:
        for original in draft.originals:
            original.message.record = self._packed(original.message.record)
        return draft

    def _pack_parts(self, draft: _Draft) -> _Draft:
        for original in draft.originals:
            original.message.parts = [self._packed(part) for part in original.message.parts]
        return draft

    def _pack_copy(self, draft: _Draft) -> _Draft:
        draft.copy.envelope = self._packed(draft.copy.envelope)
        return draft

    def _packed(self, record: LedgerRecord) -> LedgerRecord:
        packed = self._encoder.pack(record)
        return packed if self._decoder.payload(packed) == record.payload else record


def _tried(stage: Callable[[T], _Draft], value: T, budgets: TimeBudgets, number: int) -> _Draft | str:
    """The result of a stage, or the name of the error that it raised.

    The error itself would keep everything alive that its frames hold.
    """
    try:
        budgets.begin(number)
        return stage(value)
    except (OSError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 - a hostile mail may raise anything
        return type(error).__name__


# --- stages ---------------------------------------------------------------------------------


def _unwrapped(job: CopyJob) -> _Draft:
    """Find the messages in a copy, and the people whom it concerns."""
    raw = job.content
    sha = hashlib.sha256(raw).digest()
    try:
        report = read_report(raw) if job.journal else None
    except UnwrapError as error:
        kept = _raw_record(RecordKind.QUARANTINE, raw, sha)
        return _Draft(raw, PreparedCopy(sha=sha, size=len(raw), envelope=kept, problem=str(error)))
    envelope = report.envelope if report else read_routing(raw)
    copy = PreparedCopy(
        sha=sha,
        size=len(raw),
        envelope=_raw_record(RecordKind.ENVELOPE, raw, sha),
        parties=envelope.parties,
        notes=envelope.notes,
        named=() if report else named_in(raw, job.headers),
    )
    draft = _Draft(raw, copy)
    if report:
        _take_report(draft, report)
    else:
        _take(draft, raw, sha, 0, len(raw))
        draft.pieces = [ContentSlice(sha, 0, len(raw))]
    return draft


def _take_report(draft: _Draft, report: JournalReport) -> None:
    draft.copy.report, draft.copy.tenant, draft.copy.date = True, report.tenant, report.date
    draft.copy.notes += report.notes
    raw, position = draft.raw, 0
    for span in report.originals:
        inner = decode_span(raw[span.start : span.end], span)
        sha = hashlib.sha256(inner).digest()
        exact = span.encoding == "identity" and span.placeholder is None
        _take(draft, inner, sha, span.start if exact else 0, span.end if exact else 0)
        draft.copy.messages[-1].key = span.placeholder.key if span.placeholder else b""
        if raw[position : span.start]:
            draft.pieces.append(LiteralBytes(raw[position : span.start]))
        draft.pieces.append(span_piece(raw, span, sha, len(inner)))
        position = span.end
    if raw[position:]:
        draft.pieces.append(LiteralBytes(raw[position:]))


def _take(draft: _Draft, data: bytes, sha: bytes, start: int, end: int) -> None:
    """Add a message of which only the bytes are known to a draft."""
    message = bare_message(sha, len(data), _raw_record(RecordKind.MESSAGE, data, sha))
    message.start, message.end = start, end
    draft.copy.messages.append(message)
    draft.originals.append(_Original(data, message))


def _split_messages(draft: _Draft) -> _Draft:
    """Cut the messages into text and parts. A message that its pieces do not rebuild stays whole."""
    for original in draft.originals:
        data, message = original.data, original.message
        original.leaves = leaves(data)
        parts: list[LedgerRecord] = []
        made = recipe.encode([_piece(data, cut, parts) for cut in split(data, original.leaves)])
        if _rebuilds(made, data, {part.sha: part.payload for part in parts}):
            message.record = _recipe_record(RecordKind.MESSAGE, made, message.sha, message.size)
            message.parts = parts
    return draft


def _split_copy(draft: _Draft) -> _Draft:
    """Separate a copy's own text from its messages."""
    copy, known = draft.copy, {original.message.sha: original.data for original in draft.originals}
    if known:
        made = recipe.encode(draft.pieces)
        if _rebuilds(made, draft.raw, known):
            copy.envelope = _recipe_record(RecordKind.ENVELOPE, made, copy.sha, copy.size)
    return draft


def _read(draft: _Draft) -> _Draft:
    for original in draft.originals:
        message = original.message
        message.summary, message.text = read_message(original.data, original.leaves)
    return draft


def _read_outline(draft: _Draft) -> _Draft:
    for original in draft.originals:
        message = original.message
        message.summary, message.text = read_outline(original.data, original.leaves)
    draft.copy.notes += (UNREAD,)
    return draft


def _identify(draft: _Draft) -> _Draft:
    for original in draft.originals:
        original.message.content = content_hash(original.data, original.leaves)
        original.leaves = []
    return draft


# --- records --------------------------------------------------------------------------------


def _piece(inner: bytes, cut: MessageCut, parts: list[LedgerRecord]) -> Piece:
    if not cut.encoding or cut.data is None:
        return LiteralBytes(inner[cut.start : cut.end])
    if cut.inline:
        return InlineBase64(cut.data, cut.width, cut.eol)
    sha = hashlib.sha256(cut.data).digest()
    parts.append(_raw_record(RecordKind.PART, cut.data, sha))
    if cut.encoding == "base64":
        return PartBase64(sha, cut.width, cut.eol)
    return ContentSlice(sha, 0, len(cut.data))


def _rebuilds(made: bytes, content: bytes, known: Mapping[bytes, bytes]) -> bool:
    """Whether a recipe gives exactly `content`, from the contents in `known`."""
    at = 0
    for chunk in recipe.rebuild(recipe.decode(made), lambda sha: (known[sha],)):
        if not content.startswith(chunk, at):
            return False
        at += len(chunk)
    return at == len(content)


def _raw_record(kind: RecordKind, content: bytes, sha: bytes) -> LedgerRecord:
    """A record of unchanged content, not compressed yet."""
    return LedgerRecord(kind, sha, len(content), PayloadCodec.RAW, content)


def _recipe_record(kind: RecordKind, made: bytes, sha: bytes, size: int) -> LedgerRecord:
    """A record of content that a recipe builds, not compressed yet."""
    return LedgerRecord(kind, sha, size, PayloadCodec.RAW | PayloadCodec.RECIPE, made)


def decode_span(raw: bytes, span: OriginalSpan) -> bytes:
    """The original in a span of a report. A broken encoding is decoded as far as possible."""
    if span.placeholder is not None:
        return span.placeholder.before + raw + span.placeholder.after
    return raw if span.encoding == "identity" else b"".join(decoded((raw,), span.encoding))


def span_piece(raw: bytes, span: OriginalSpan, sha: bytes, size: int) -> Piece:
    """The piece of a report's recipe that represents its original."""
    encoded = raw[span.start : span.end]
    if span.placeholder is not None:
        return ContentSlice(sha, len(span.placeholder.before), len(encoded))
    if span.encoding == "identity":
        return ContentSlice(sha, 0, size)
    if span.encoding == "base64":
        width, eol = line_shape(encoded)
        piece = PartBase64(sha, width, eol)
        if recipe.encoded_length(piece, size) == len(encoded):
            return piece
    return LiteralBytes(encoded)


def line_shape(encoded: bytes) -> tuple[int, bytes]:
    """Line width and line end of base64 text; (76, CRLF) if it has one line."""
    end = encoded.find(b"\n")
    if end <= 0:
        return 76, b"\r\n"
    return (end - 1, b"\r\n") if encoded[end - 1 : end] == b"\r" else (end, b"\n")
