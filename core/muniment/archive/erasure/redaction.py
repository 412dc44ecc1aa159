"""The redaction record: which messages were erased, why, and which frames of the ledger that concerns.

The record is committed before anything is erased, so it is also the log by which an erasure that was
interrupted is done again. `docs/ledger-format.md` specifies its fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from muniment.archive.facts import ErasedFrame, KeptCopy, RedactionFact
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.frame import HEADER_SIZE, MAX_PAYLOAD
from muniment.archive.ledger.model import ERASABLE, LedgerRecord, RecordKind
from muniment.archive.ledger.records import VERSION, json_record, parse
from muniment.mail.model import AddressRole, EnvelopeParty

MAX_MESSAGES = 500
"""Most messages that one record erases."""
MAX_FRAMES = 20_000
"""Most frames that one record names."""
MAX_TEXT = 1_000
"""Most characters of a text."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """An erasure of some messages, as one record holds it."""

    at: int
    """When it was decided, in seconds since 1970 UTC."""
    basis: str
    """Why, such as the article of a law; sanitised, never empty."""
    who: str
    """Login of the person who decided it."""
    uid: int
    """The number of that login in the operating system."""
    messages: tuple[bytes, ...]
    """SHA-256 of each erased message."""
    frames: tuple[ErasedFrame, ...]
    """The frames whose content is erased, in the order of the ledger."""
    contents: dict[bytes, bytes] = field(default_factory=dict)
    """Content hash of erased messages by their SHA-256: their forks are not archived again."""
    copies: tuple[bytes, ...] = ()
    """SHA-256 of each erased envelope or quarantine record: such a copy is not archived again."""
    kept: tuple[KeptCopy, ...] = ()
    """What stays of those copies that have also brought messages which are kept."""
    rule: tuple[str, int] | None = None
    """Id and version of the retention rule that disposed of the messages."""
    request: str = ""
    """The approved request to which it belongs."""


_Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Small = Annotated[int, Meta(ge=0, le=2**32 - 1)]
_Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
_Position = Annotated[int, Meta(ge=1, le=2**63 - 1)]
_Time = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_FrameForm = tuple[_Count, _Position, _Count, _Small, _Small, _Time, _Count, _Hash]


class _RuleForm(Struct, frozen=True, forbid_unknown_fields=True):
    id: _Text
    version: _Count


class _KeptForm(Struct, frozen=True, forbid_unknown_fields=True):
    sha: _Hash
    parties: tuple[tuple[int, str, str], ...]
    report: bool = False
    date: _Time | None = None
    notes: tuple[str, ...] = ()
    key: _Hash | None = None


class _Form(Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    at: _Time
    basis: _Text
    who: Annotated[str, Meta(max_length=MAX_TEXT)]
    uid: _Count
    messages: Annotated[tuple[_Hash, ...], Meta(max_length=MAX_MESSAGES)]
    frames: Annotated[tuple[_FrameForm, ...], Meta(max_length=MAX_FRAMES)]
    contents: dict[_Hash, _Hash] = {}
    copies: tuple[_Hash, ...] = ()
    kept: tuple[_KeptForm, ...] = ()
    rule: _RuleForm | None = None
    request: _Text | None = None


def redaction_value(redaction: Redaction) -> dict[str, Any]:
    """Return the value of a redaction's record.

    Raises:
        ValueError: The redaction is too large, or contradicts itself.
    """
    _check(redaction)
    value: dict[str, Any] = {
        "v": VERSION,
        "at": redaction.at,
        "basis": redaction.basis,
        "who": redaction.who,
        "uid": redaction.uid,
        "messages": [sha.hex() for sha in redaction.messages],
        "frames": [[*frame[:-1], frame.sha.hex()] for frame in redaction.frames],
    }
    if redaction.contents:
        value["contents"] = {sha.hex(): content.hex() for sha, content in redaction.contents.items()}
    if redaction.copies:
        value["copies"] = [sha.hex() for sha in redaction.copies]
    if redaction.kept:
        value["kept"] = [_kept_value(copy) for copy in redaction.kept]
    if redaction.rule is not None:
        value["rule"] = {"id": redaction.rule[0], "version": redaction.rule[1]}
    if redaction.request:
        value["request"] = redaction.request
    return value


def _kept_value(copy: KeptCopy) -> dict[str, Any]:
    value: dict[str, Any] = {
        "sha": copy.sha.hex(),
        "parties": [[int(party.role), party.address, party.via] for party in copy.parties],
    }
    if copy.report:
        value["report"] = True
    if copy.date is not None:
        value["date"] = copy.date
    if copy.notes:
        value["notes"] = list(copy.notes)
    if copy.key:
        value["key"] = copy.key.hex()
    return value


def redaction_record(redaction: Redaction) -> LedgerRecord:
    """Make the record of a redaction. It needs no dictionary, so that it can be read before anything else.

    Raises:
        ValueError: The redaction is too large, or contradicts itself.
    """
    return json_record(RecordEncoder(), RecordKind.REDACTION, redaction_value(redaction))


def read_redaction(content: bytes) -> Redaction:
    """Decode the content of a redaction record.

    Raises:
        ValueError: The content is of another form, is of a later version, or contradicts itself.
    """
    try:
        form = msgspec.convert(parse(content), _Form, strict=True)
        redaction = _redaction(form)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the redaction record can't be read: {error}") from error
    return redaction


def _redaction(form: _Form) -> Redaction:
    redaction = Redaction(
        at=form.at,
        basis=form.basis,
        who=form.who,
        uid=form.uid,
        messages=_hashes(form.messages),
        frames=tuple(ErasedFrame(*frame[:-1], bytes.fromhex(frame[-1])) for frame in form.frames),
        contents={bytes.fromhex(sha): bytes.fromhex(content) for sha, content in form.contents.items()},
        copies=_hashes(form.copies),
        kept=tuple(_kept(copy) for copy in form.kept),
        rule=None if form.rule is None else (form.rule.id, form.rule.version),
        request=form.request or "",
    )
    _check(redaction)
    return redaction


def _kept(form: _KeptForm) -> KeptCopy:
    parties = tuple(EnvelopeParty(AddressRole(role), address, via) for role, address, via in form.parties)
    key = bytes.fromhex(form.key or "")
    return KeptCopy(bytes.fromhex(form.sha), form.report, form.date, parties, form.notes, key)


def _hashes(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in texts)


def _check(redaction: Redaction) -> None:
    """Check what the form of the record can't say.

    Raises:
        ValueError: The redaction is too large, or contradicts itself.
    """
    if not redaction.basis or len(redaction.basis) > MAX_TEXT:
        raise ValueError(f"a basis of 1 to {MAX_TEXT} characters is needed")
    if len(redaction.messages) > MAX_MESSAGES or len(redaction.frames) > MAX_FRAMES:
        raise ValueError(f"it has more than {MAX_MESSAGES} messages or {MAX_FRAMES:,} frames")
    if len(set(redaction.messages)) < len(redaction.messages):
        raise ValueError("it names a message twice")
    if not redaction.contents.keys() <= set(redaction.messages):
        raise ValueError("it has the content hash of a message that it does not name")
    if not {copy.sha for copy in redaction.kept} <= set(redaction.copies):
        raise ValueError("it keeps what a copy says that it does not name")
    if any(frame.kind not in ERASABLE or frame.length > MAX_PAYLOAD for frame in redaction.frames):
        raise ValueError("it names a frame that holds no mail")
    for frame, following in pairwise(redaction.frames):
        end = (frame.segment, frame.offset + HEADER_SIZE + frame.length)
        if frame.sequence >= following.sequence or end > (following.segment, following.offset):
            raise ValueError("its frames are not in the order of the ledger")


def redaction_fact(redaction: Redaction, record: bytes, size: int, sequence: int, time: int) -> RedactionFact:
    """Make the catalog's fact of a redaction.

    Args:
        redaction: The redaction.
        record: SHA-256 of its record's content.
        size: Size of that content, in bytes.
        sequence: Leaf index of the record.
        time: When the record was written, in seconds since 1970 UTC.
    """
    return RedactionFact(
        sequence=sequence,
        time=time,
        record=record,
        size=size,
        at=redaction.at,
        basis=redaction.basis,
        messages=redaction.messages,
        contents=redaction.contents,
        copies=redaction.copies,
        kept=redaction.kept,
        frames=redaction.frames,
    )
