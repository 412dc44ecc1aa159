"""Journal reports are recognised and unwrapped, in every form that servers and gateways send."""

from __future__ import annotations

import base64
import re
import time
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.mail.buffer import FileBuffer
from muniment.mail.content.content_hash import content_hash
from muniment.mail.content.fork import fork_cuts
from muniment.mail.headers.routing import read_routing
from muniment.mail.journal.report import read_report
from muniment.mail.mime.walker import decoded
from muniment.mail.model import AddressRole, EnvelopeParty, JournalReport, UnwrapError
from support.corpus import journal_files, malformed, real
from support.reports import EPOCH, TENANT, fork, line, ndr, plain, report

ORIGINAL = plain(cc=["carl@example.com"], attachments=[("plan.bin", bytes(range(256)) * 20)])
SENDER = EnvelopeParty(AddressRole.SENDER, "anna@example.com")
BOB = EnvelopeParty(AddressRole.RECIPIENT, "bob@example.com")


def unwrapped(raw: bytes) -> JournalReport:
    found = read_report(raw)
    assert found is not None
    return found


def originals(raw: bytes, found: JournalReport) -> list[bytes]:
    return [decoded(raw[span.start : span.end], span.encoding)[0] for span in found.originals]


def test_genuine_reports() -> None:
    senders = {"jrobinson@company.com", "unixfreak0037@gmail.com", "ming.lei@redhat.com"}
    for name, raw in journal_files():
        found = unwrapped(raw)
        sender, recipient = found.envelope.parties
        assert sender.role is AddressRole.SENDER, name
        assert recipient.role is AddressRole.RECIPIENT
        senders.remove(sender.address)
        (original,) = originals(raw, found)
        assert original.startswith(b"Received: from ")
        assert found.envelope.message_id.encode() in original
        assert found.envelope.subject
        assert raw[found.originals[0].end :].startswith(b"\r\n--_")
        assert raw.count(b"\r\n--_", found.originals[0].end) == 1
        assert found.tenant.startswith("microsoftexchange329e71ec88ae4615bbc36ab6ce41109e@")
        assert found.date is not None
        assert found.notes == found.envelope.notes == ()
    assert not senders


def test_ordinary_report() -> None:
    raw = report(ORIGINAL)
    found = unwrapped(raw)
    assert originals(raw, found) == [ORIGINAL]
    assert found.envelope.parties == (SENDER, BOB)
    assert found.envelope.subject == "Plan for Monday"
    assert found.envelope.message_id.encode() in ORIGINAL
    assert (found.tenant, found.date) == (TENANT.lower(), EPOCH + 1)
    assert found.notes == found.envelope.notes == ()


@pytest.mark.parametrize(
    "marker",
    [
        "X-MS-Journal-Report:",
        "x-ms-journal-report: ",
        "X-MS-Exchange-Organization-Journal-Report:",
        "Content-Identifier: ExJournalReport",
        "Content-Identifer: ExJournalReport",
        "X-WM-Journal-Report: journal",
        None,
    ],
)
def test_a_report_with_any_marker_or_without_one_is_recognised(marker: str | None) -> None:
    raw = report(ORIGINAL, marker=marker)
    assert originals(raw, unwrapped(raw)) == [ORIGINAL]


def test_fields_of_the_envelope() -> None:
    raw = report(
        ORIGINAL,
        sender="PA@example.com",
        on_behalf_of="Boss@example.com",
        subject="A: b, c",
        subject_first=False,
        extra_fields=[
            "Label: Secret",
            "Mailbox: boss@example.com",
            "SentUtc: 1/2/2023",
            "ReceivedUtc: 1/2/2023",
        ],
        recipients=[
            line("To", "to@example.com"),
            line("CC", "SMTP:Cc@example.com"),
            line("bcc", "<bcc@example.com>"),
            line("To", "member@example.com", expanded="list@example.com"),
            line("Cc", "next@example.com", forwarded="gone@example.com"),
        ],
    )
    assert unwrapped(raw).envelope.parties == (
        EnvelopeParty(AddressRole.SENDER, "pa@example.com"),
        EnvelopeParty(AddressRole.ON_BEHALF_OF, "boss@example.com"),
        EnvelopeParty(AddressRole.TO, "to@example.com"),
        EnvelopeParty(AddressRole.CC, "cc@example.com"),
        EnvelopeParty(AddressRole.BCC, "bcc@example.com"),
        EnvelopeParty(AddressRole.EXPANDED, "list@example.com"),
        EnvelopeParty(AddressRole.TO, "member@example.com", "list@example.com"),
        EnvelopeParty(AddressRole.FORWARDED, "gone@example.com"),
        EnvelopeParty(AddressRole.CC, "next@example.com", "gone@example.com"),
    )
    assert unwrapped(raw).envelope.subject == "A: b, c"


def test_exchange_2003() -> None:
    raw = report(
        ORIGINAL,
        marker="Content-Identifer: ExJournalReport",
        recipients=["bob@example.com", "carl@example.com", "  <SMTP:dora@example.com>"],
        recipients_block=True,
    )
    found = unwrapped(raw)
    names = [party.address for party in found.envelope.parties if party.role is AddressRole.RECIPIENT]
    assert names == ["bob@example.com", "carl@example.com", "dora@example.com"]
    assert originals(raw, found) == [ORIGINAL]


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "us-ascii", "windows-1252"])
@pytest.mark.parametrize("marker", ["X-MS-Journal-Report:", None])
def test_subject_in_the_charset_of_the_part(encoding: str, charset: str, marker: str | None) -> None:
    raw = report(
        ORIGINAL, subject="Grüße aus Köln", charset=charset, envelope_encoding=encoding, marker=marker
    )
    found = unwrapped(raw)
    assert found.envelope.subject == "Grüße aus Köln"
    assert found.envelope.parties == (SENDER, BOB)
    assert originals(raw, found) == [ORIGINAL]


@pytest.mark.parametrize("eol", [b"\n", b"\r"])
@pytest.mark.parametrize("marker", ["X-MS-Journal-Report:", None])
def test_other_line_ends(eol: bytes, marker: str | None) -> None:
    original = plain(eol=eol)
    raw = report(
        original, eol=eol, marker=marker, recipients=["bob@example.com", line("Bcc", "eve@example.com")]
    )
    found = unwrapped(raw)
    assert originals(raw, found) == [original]
    assert found.envelope.parties == (SENDER, BOB, EnvelopeParty(AddressRole.BCC, "eve@example.com"))


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_encoded_original(encoding: str) -> None:
    raw = report(ORIGINAL, original_encoding=encoding)
    found = unwrapped(raw)
    assert found.originals[0].encoding == encoding
    assert originals(raw, found)[0].rstrip(b"\r\n") == ORIGINAL.rstrip(b"\r\n")


def test_an_encoding_that_is_named_but_not_applied_is_ignored() -> None:
    raw = report(ORIGINAL).replace(
        b"message/rfc822\r\n", b"message/rfc822\r\nContent-Transfer-Encoding: base64\r\n", 1
    )
    found = unwrapped(raw)
    assert originals(raw, found) == [ORIGINAL]
    assert "not encoded" in found.notes[0]


@pytest.mark.parametrize("encoding", ["", "base64"])
def test_headers_replace_a_missing_text_part(encoding: str) -> None:
    raw = report(ORIGINAL, text_part=False, original_encoding=encoding)
    found = unwrapped(raw)
    assert originals(raw, found) == [ORIGINAL]
    assert found.envelope.parties == (
        SENDER,
        EnvelopeParty(AddressRole.TO, "bob@example.com"),
        EnvelopeParty(AddressRole.CC, "carl@example.com"),
    )
    assert found.envelope.subject == "Plan for Monday"
    assert "own headers" in found.notes[0]


def test_envelope_without_recipients_keeps_its_sender() -> None:
    found = unwrapped(report(ORIGINAL, sender="pa@example.com", recipients=[]))
    assert found.envelope.parties[0] == EnvelopeParty(AddressRole.SENDER, "pa@example.com")
    assert EnvelopeParty(AddressRole.TO, "bob@example.com") in found.envelope.parties
    assert EnvelopeParty(AddressRole.SENDER, "anna@example.com") not in found.envelope.parties
    assert "no recipients" in found.notes[0]


def test_bounce_has_no_sender() -> None:
    found = unwrapped(report(ORIGINAL, sender="<>"))
    assert found.envelope.parties == (BOB,)
    assert found.envelope.notes == ()


def test_missing_closing_delimiter() -> None:
    raw = report(ORIGINAL, closing=False)
    found = unwrapped(raw)
    assert originals(raw, found) == [ORIGINAL + b"\r\n"]
    assert "closing delimiter" in found.notes[0]
    assert found.originals[0].end == len(raw)


def test_original_may_nest_messages_and_reports() -> None:
    inner = report(ORIGINAL, boundary="inner", recipients=["other@example.com"])
    raw = report(inner, boundary="outer")
    found = unwrapped(raw)
    assert originals(raw, found) == [inner]
    assert found.envelope.parties == (SENDER, BOB)


@pytest.mark.parametrize(
    "look_alike",
    [b"--outer\r\n", b"--outer--\r\n", b"--outer\r\nContent-Type: text/plain\r\n\r\nx\r\n", b"--outerX\r\n"],
)
def test_line_in_the_original_that_looks_like_a_delimiter(look_alike: bytes) -> None:
    original = plain(body=b"before\r\n" + look_alike + b"after\r\n")
    raw = report(original, boundary="outer")
    assert originals(raw, unwrapped(raw)) == [original]


def test_boundary_of_the_original_that_begins_like_the_reports() -> None:
    original = plain(attachments=[("a", b"x" * 3000)])
    raw = report(original, boundary="_parts-of-a")
    assert originals(raw, unwrapped(raw)) == [original]


@pytest.mark.parametrize("marker", ["X-MS-Journal-Report:", None])
def test_protected_mail_comes_with_its_decrypted_copy(marker: str | None) -> None:
    clear = plain(body="In clear.\n")
    raw = report(ORIGINAL, second=clear, marker=marker)
    assert originals(raw, unwrapped(raw)) == [ORIGINAL, clear]


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_report_inside_a_non_delivery_report(eol: bytes) -> None:
    original = plain(eol=eol)
    raw = ndr(report(original, eol=eol), eol=eol)
    found = unwrapped(raw)
    assert originals(raw, found) == [original]
    assert found.envelope.parties == (SENDER, BOB)
    assert found.tenant == TENANT.lower()
    assert "non-delivery" in found.notes[0]


def test_other_non_delivery_reports_are_plain_mail() -> None:
    assert read_report(ndr(plain())) is None
    assert read_report(ndr(ndr(report(ORIGINAL), boundary="inner"))) is None


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/mixed; boundary=simple", "simple"),
        ('multipart/mixed;\r\n\tboundary="with space"; charset=x', "with space"),
        ("Multipart/Mixed; BOUNDARY=_0=odd'()+,./:?", "_0=odd'()+,./:?"),
        ('multipart/mixed; boundary*0="in-"; boundary*1="pieces"', "in-pieces"),
        ("multipart/mixed; boundary*=us-ascii''with%20percent", "with percent"),
        ('multipart/mixed; boundary="esc\\"aped"', 'esc"aped'),
    ],
)
def test_ways_to_write_a_boundary(content_type: str, boundary: str) -> None:
    raw = report(ORIGINAL, content_type=content_type, boundary=boundary)
    assert originals(raw, unwrapped(raw)) == [ORIGINAL]


def test_preamble_and_epilogue() -> None:
    raw = report(ORIGINAL, preamble=b"This is MIME.\r\n\r\n", epilogue=b"\r\nscanned by a gateway\r\n")
    assert originals(raw, unwrapped(raw)) == [ORIGINAL]


def test_parts_without_headers() -> None:
    raw = report(ORIGINAL, part_headers=False)
    found = unwrapped(raw)
    assert originals(raw, found) == [ORIGINAL]
    assert found.envelope.parties == (SENDER, BOB)
    assert found.notes
    tight = re.sub(rb"(--_0b9a[^\r]*\r\n)\r\n", rb"\1", raw)
    assert originals(tight, unwrapped(tight)) == [ORIGINAL]
    assert unwrapped(tight).envelope.parties == (SENDER, BOB)


def test_a_disclaimer_between_envelope_and_original() -> None:
    raw = report(ORIGINAL).replace(
        b"\r\n--_0b9a3a52-7c1e-4d0e-9a54-report_\r\nContent-Type: message",
        b"\r\n--_0b9a3a52-7c1e-4d0e-9a54-report_\r\nContent-Type: text/html\r\n\r\n<p>Disclaimer</p>"
        b"\r\n--_0b9a3a52-7c1e-4d0e-9a54-report_\r\nContent-Type: message",
    )
    found = unwrapped(raw)
    assert originals(raw, found) == [ORIGINAL]
    assert found.envelope.parties == (SENDER, BOB)


def test_malformed_recipient_lines_are_noted() -> None:
    found = unwrapped(
        report(ORIGINAL, recipients=["bob@example.com", "Recipient: no address", "Bcc: @", "To:"])
    )
    assert found.envelope.parties == (SENDER, BOB)
    assert [note.partition(":")[0] for note in found.envelope.notes] == ["recipient line not understood"] * 3
    assert "no address" in found.envelope.notes[0]


def test_notes_are_bounded_but_count_everything() -> None:
    found = unwrapped(report(ORIGINAL, recipients=["bob@example.com"] + ["To: bad"] * 1000))
    assert len(found.envelope.notes) == 21
    assert found.envelope.notes[-1].startswith("980 ")


def test_several_addresses_on_a_line_and_a_folded_line() -> None:
    found = unwrapped(report(ORIGINAL, recipients=["To: a@x, B <b@x>", "Cc: c@x,\n  Expanded: l@x"]))
    assert found.envelope.parties[1:] == (
        EnvelopeParty(AddressRole.TO, "a@x"),
        EnvelopeParty(AddressRole.TO, "b@x"),
        EnvelopeParty(AddressRole.EXPANDED, "l@x"),
        EnvelopeParty(AddressRole.CC, "c@x", "l@x"),
    )


def test_no_charset_or_lone_cr_turns_a_subject_into_recipients() -> None:
    for charset, subject in (
        ("utf-7", b"x+AAo-Bcc: eve@example.com"),
        ("us-ascii", b"x\rBcc: eve@example.com"),
        ("utf-8", "x\u2028Bcc: eve@example.com\x0bBcc: eve@example.com".encode()),
        ("us-ascii", b"=?utf-8?q?x=0ABcc:_eve@example.com?="),
    ):
        text = (
            b"Sender: anna@example.com\r\nSubject: "
            + subject
            + b"\r\nMessage-Id: <1@x>\r\nRecipient: bob@example.com\r\n"
        )
        assert unwrapped(report(ORIGINAL, envelope=text, charset=charset)).envelope.parties == (SENDER, BOB)


def test_second_sender_line_does_not_count() -> None:
    found = unwrapped(report(ORIGINAL, extra_fields=["Sender: eve@example.com"]))
    assert found.envelope.parties == (SENDER, BOB)
    assert "eve@example.com" in found.envelope.notes[0]


@pytest.mark.parametrize(
    "raw",
    [
        plain(),
        ORIGINAL,
        plain(body="Sender: a@x\nMessage-Id: <1@x>\nRecipient: b@x\n"),
        report(ORIGINAL, marker=None, envelope="See the attached report.\n"),
        report(ORIGINAL, marker=None, message_id=""),
        report(ORIGINAL, marker=None, recipients=[]),
        report(ORIGINAL, marker=None, sender=""),
        report(ORIGINAL, marker=None, text_part=False),
        report(ORIGINAL, marker=None, closing=False),
        report(ORIGINAL, marker=None, original_encoding="", part_headers=False),
        report(ORIGINAL, marker=None).replace(b"multipart/mixed", b"multipart/alternative"),
        report(ORIGINAL, marker=None).replace(b"message/rfc822", b"application/octet-stream"),
        report(report(ORIGINAL, boundary="inner"), marker=None, envelope="FW: a journal report\n"),
        b"",
        b"\r\n",
    ],
)
def test_mail_that_is_no_report_is_left_alone(raw: bytes) -> None:
    assert read_report(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"X-MS-Journal-Report:\r\n\r\n",
        plain(headers=["X-MS-Journal-Report:"]),
        report(b"", text_part=True),
        report(ORIGINAL).partition(b"\r\n--_0b9a")[0],
        report(ORIGINAL, content_type="multipart/mixed"),
        report(ORIGINAL, content_type="multipart/mixed; boundary=other"),
        report(ORIGINAL).partition(b"\r\n--_0b9a3a52-7c1e-4d0e-9a54-report_\r\nContent-Type: message")[0],
        ndr(report(ORIGINAL).partition(b"\r\n--_0b9a")[0]),
    ],
)
def test_marked_report_that_can_not_be_unwrapped(raw: bytes) -> None:
    with pytest.raises(UnwrapError, match="journal report"):
        read_report(raw)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.data())
def test_mutated_reports_raise_nothing_but_unwrap_errors(data: st.DataObject) -> None:
    raw = bytearray(
        data.draw(st.sampled_from([report(plain()), ndr(report(plain())), report(plain(), marker=None)]))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 30))
        raw[at : at + cut] = data.draw(
            st.binary(max_size=12) | st.sampled_from([b"\r\n\r\n", b"\r\n--", b'"', b"\n"])
        )
    try:
        found = read_report(bytes(raw))
    except UnwrapError:
        return
    if found is not None:
        for span in found.originals:
            assert 0 <= span.start < span.end <= len(raw)


@pytest.mark.slow
def test_malformed_mail_plain_and_wrapped() -> None:
    for name, mail in malformed():
        assert read_report(mail) is None, name
        raw = report(mail)
        assert originals(raw, unwrapped(raw)) == [mail], name
        encoded = report(mail, original_encoding="base64")
        span = unwrapped(encoded).originals[0]
        assert base64.b64decode(encoded[span.start : span.end]) == mail


@pytest.mark.slow
def test_hostile_reports_take_linear_time() -> None:
    started = time.perf_counter()
    for body in (
        b"--b\r\n",
        b"--b--x\r\n",
        b"--b",
        b"\n",
        b"--b--\r\n",
        b"--b\r\nContent-Type: message/rfc822\r\n",
    ):
        read_report(report(plain(body=body * (2_000_000 // len(body))), boundary="b"))
    for lines in (
        b"To: bad\r\n",
        b" x\r\n",
        b"Recipients:\r\n x\r\n",
        b"To: a@x,Expanded:\r\n",
        b",Expanded:",
        b"\r",
    ):
        text = b"Sender: a@x\r\nRecipient: b@x\r\n" + lines * (1_000_000 // len(lines))
        unwrapped(report(plain(), envelope=text))
    assert time.perf_counter() - started < 30


def test_a_report_in_a_file_is_read_like_one_in_memory(tmp_path: Path) -> None:
    original = plain(body="A long line of text.\n" * 2000, attachments=[("big", bytes(200_000))])
    for raw in (
        report(original, second=plain()),
        ndr(report(original)),
        report(original, closing=False),
        original,
    ):
        path = tmp_path / "mail"
        path.write_bytes(raw)
        with FileBuffer(path, window=1024) as buf:
            assert read_report(buf) == read_report(raw)
            assert read_routing(buf) == read_routing(raw)
            assert content_hash(buf) == content_hash(raw)
            assert fork_cuts(buf, original) == fork_cuts(raw, original)


def test_real_mail_wrapped() -> None:
    for name, mail in islice(real(), 0, 2000, 10):
        raw = report(mail)
        assert originals(raw, unwrapped(raw)) == [mail], name
        assert read_report(mail) is None
        assert read_routing(mail).parties
        assert content_hash(fork(mail, 7)) == content_hash(mail)
