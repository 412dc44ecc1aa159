"""The redaction record: what it holds is read back, and every other form is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.erasure.redaction import (
    MAX_FRAMES,
    MAX_MESSAGES,
    MAX_TEXT,
    Redaction,
    read_redaction,
    redaction_fact,
    redaction_record,
    redaction_value,
)
from muniment.archive.facts import ErasedFrame, KeptCopy
from muniment.archive.ledger.codec import PayloadDecoder
from muniment.archive.ledger.frame import HEADER_SIZE
from muniment.archive.ledger.model import ERASABLE, RecordKind
from muniment.archive.ledger.records import canonical
from muniment.mail.model import AddressRole, EnvelopeParty

SHAS = st.binary(min_size=32, max_size=32)
TEXTS = st.text(min_size=1, max_size=50)
PARTIES = st.builds(EnvelopeParty, st.sampled_from(AddressRole), TEXTS, st.text(max_size=9))


@st.composite
def redactions(draw: st.DrawFn) -> Redaction:
    frames, sequence, segment, offset = [], 0, 1, 0
    for _ in range(draw(st.integers(0, 6))):
        sequence += draw(st.integers(1, 1000))
        if draw(st.booleans()):
            segment, offset = segment + draw(st.integers(1, 3)), 0
        offset += draw(st.integers(0, 10_000))
        length = draw(st.integers(0, 1 << 26))
        kind = draw(st.sampled_from(sorted(ERASABLE)))
        time, size = draw(st.integers(-(2**63), 2**63 - 1)), draw(st.integers(0, 2**63 - 1))
        frames.append(ErasedFrame(sequence, segment, offset, length, kind, time, size, draw(SHAS)))
        offset += HEADER_SIZE + length
    messages = tuple(draw(st.lists(SHAS, max_size=4, unique=True)))
    copies = tuple(draw(st.lists(SHAS, max_size=4)))
    kept = st.builds(
        KeptCopy,
        st.sampled_from(copies) if copies else st.nothing(),
        st.booleans(),
        st.none() | st.integers(-(2**40), 2**40),
        st.lists(PARTIES, max_size=3).map(tuple),
        st.lists(TEXTS, max_size=2).map(tuple),
        st.just(b"") | SHAS,
    )
    return Redaction(
        at=draw(st.integers(0, 2**40)),
        basis=draw(TEXTS),
        who=draw(st.text(max_size=9)),
        uid=draw(st.integers(0, 2**31)),
        messages=messages,
        frames=tuple(frames),
        contents={sha: draw(SHAS) for sha in messages if draw(st.booleans())},
        copies=copies,
        kept=tuple(draw(st.lists(kept, max_size=2))) if copies else (),
        rule=draw(st.none() | st.tuples(TEXTS, st.integers(0, 99))),
        request=draw(st.text(max_size=9)),
    )


@given(redactions())
def test_a_redaction_is_read_back(redaction: Redaction) -> None:
    record = redaction_record(redaction)
    assert (record.kind, record.dictionary) == (RecordKind.REDACTION, 0)
    content = PayloadDecoder().payload(record)
    assert hashlib.sha256(content).digest() == record.sha
    assert read_redaction(content) == redaction
    fact = redaction_fact(redaction, record.sha, record.size, 7, 8)
    assert (fact.sequence, fact.time, fact.frames) == (7, 8, redaction.frames)
    assert (fact.messages, fact.copies, fact.kept) == (redaction.messages, redaction.copies, redaction.kept)


A, B = bytes(32), bytes(range(32))
FRAME = ErasedFrame(4, 1, 1000, 50, RecordKind.MESSAGE, 9, 70, A)
GOOD = Redaction(5, "Art. 17", "ada", 7, (A,), (FRAME,), {A: B}, (B,), (KeptCopy(B, True, 3, ()),))


def value(**changed: Any) -> dict[str, Any]:
    return redaction_value(GOOD) | changed


def frame(**changed: Any) -> list[Any]:
    fields = FRAME._asdict() | {"sha": A.hex()} | changed
    return list(fields.values())


WRONG: dict[str, Callable[[], dict[str, Any]]] = {
    "unknown field": lambda: value(more=1),
    "later version": lambda: value(v=2),
    "no basis": lambda: value(basis=""),
    "long basis": lambda: value(basis="x" * (MAX_TEXT + 1)),
    "number as text": lambda: value(uid="7"),
    "truth as number": lambda: value(at=True),
    "fraction": lambda: value(at=1.5),
    "short hash": lambda: value(messages=["00"]),
    "capital hash": lambda: value(messages=["A" * 64]),
    "a message twice": lambda: value(messages=[A.hex()] * 2),
    "too many messages": lambda: value(messages=[f"{n:064x}" for n in range(MAX_MESSAGES + 1)]),
    "content of another message": lambda: value(contents={B.hex(): A.hex()}),
    "kept of another copy": lambda: value(copies=[]),
    "short frame": lambda: value(frames=[frame()[:-1]]),
    "long frame": lambda: value(frames=[[*frame(), 1]]),
    "frame with text": lambda: value(frames=[frame(offset="1000")]),
    "negative offset": lambda: value(frames=[frame(offset=-1)]),
    "segment 0": lambda: value(frames=[frame(segment=0)]),
    "impossible length": lambda: value(frames=[frame(length=(1 << 26) + 1)]),
    "frame twice": lambda: value(frames=[frame(), frame()]),
    "frames out of order": lambda: value(frames=[frame(), frame(sequence=3, offset=5000)]),
    "frames that overlap": lambda: value(frames=[frame(), frame(sequence=5, offset=1129)]),
    "frames of an earlier segment": lambda: value(frames=[frame(segment=2), frame(sequence=5)]),
    "too many frames": lambda: value(
        frames=[frame(sequence=n, offset=n * 200) for n in range(MAX_FRAMES + 1)]
    ),
    "role unknown": lambda: value(kept=[{"sha": B.hex(), "parties": [[99, "a@b", ""]]}]),
    "party with a number": lambda: value(kept=[{"sha": B.hex(), "parties": [[1, 2, ""]]}]),
} | {
    f"frame of kind {kind.name}": lambda kind=kind: value(frames=[frame(kind=kind)])
    for kind in set(RecordKind) - ERASABLE
}


@pytest.mark.parametrize("name", WRONG)
def test_every_other_form_is_refused(name: str) -> None:
    assert read_redaction(canonical(value())) == GOOD
    with pytest.raises(ValueError, match="redaction record can't be read"):
        read_redaction(canonical(WRONG[name]()))


@pytest.mark.parametrize("key", ["at", "basis", "who", "uid", "messages", "frames"])
def test_no_field_may_be_missing(key: str) -> None:
    shortened = value()
    del shortened[key]
    with pytest.raises(ValueError, match=key):
        read_redaction(canonical(shortened))


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"{}", b"[" * 100_000])
def test_what_is_no_redaction_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="redaction record can't be read"):
        read_redaction(content)


def test_frames_that_touch_are_accepted() -> None:
    touching = FRAME._replace(sequence=5, offset=1000 + HEADER_SIZE + 50)
    redaction = Redaction(5, "x", "", 0, (), (FRAME, touching))
    assert read_redaction(canonical(redaction_value(redaction))) == redaction


def test_a_redaction_that_is_too_large_is_not_written() -> None:
    many = tuple(bytes([n // 256, n % 256]) + bytes(30) for n in range(MAX_MESSAGES + 1))
    with pytest.raises(ValueError, match="more than 500"):
        redaction_record(Redaction(5, "x", "", 0, many, ()))


def test_keys_without_a_value_are_left_out() -> None:
    assert set(json.loads(canonical(redaction_value(Redaction(5, "x", "ada", 0, (A,), ()))))) == {
        *("v", "at", "basis", "who", "uid", "messages", "frames"),
    }
