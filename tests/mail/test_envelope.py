"""Envelopes larger than any that Exchange writes."""

from __future__ import annotations

import time

import pytest

from muniment.mail.journal.envelope import LINE_LIMIT, PARTY_LIMIT, read_envelope
from muniment.mail.journal.report import ENVELOPE_LIMIT

WHOLE = b"Sender: anna@example.com\nTo: bob@example.com\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", [b"x\n", b" \n", b":\n", b" x\n", b"Recipients:\n", b"To: c@d\n", b"\r\r", b" "]
)
def test_hostile_envelopes_take_seconds_at_most(piece: bytes) -> None:
    started = time.process_time()
    read = read_envelope(WHOLE + piece * (ENVELOPE_LIMIT // len(piece)), "")
    assert time.process_time() - started < 5
    assert [party.address for party in read.recipients][:1] == ["bob@example.com"]


def test_lines_that_are_left_out_are_noted() -> None:
    assert not read_envelope(WHOLE + b"x\n" * (LINE_LIMIT - 2), "").notes
    assert f"only the first {LINE_LIMIT} lines" in read_envelope(WHOLE + b"x\n" * LINE_LIMIT, "").notes[0]


def test_blank_lines_do_not_count() -> None:
    read = read_envelope(b"\n \r\n" * LINE_LIMIT + WHOLE, "")
    assert (len(read.recipients), read.notes) == (1, [])


def test_lists_of_one_line_are_bounded() -> None:
    lists = b"".join(b", Expanded: l%d@example.com" % number for number in range(PARTY_LIMIT + 10))
    assert len(read_envelope(b"To: bob@example.com" + lists, "").recipients) == PARTY_LIMIT + 1
