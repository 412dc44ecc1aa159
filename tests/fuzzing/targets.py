"""What fuzzing calls: a function of bytes for each kind of input, which asserts what must hold of any bytes.

A target raises for a fault: an exception that the function under test may not raise, or a broken promise.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path

from muniment.archive import query
from muniment.errors import QueryError
from muniment.mail.charsets import decode as charsets
from muniment.mail.charsets import labels
from muniment.mail.content import fork
from muniment.mail.content.content_hash import content_hash
from muniment.mail.content.public import hidden_bytes, public_header, public_pieces
from muniment.mail.headers import addresses, dates
from muniment.mail.headers import fields as headers
from muniment.mail.headers.routing import read_routing
from muniment.mail.journal import envelope
from muniment.mail.journal.report import read_report
from muniment.mail.mime import cms, rtf, split, tnef, uuencode
from muniment.mail.mime.delimiters import delimiters, last_closing
from muniment.mail.mime.parts import files
from muniment.mail.mime.walker import attachments, content, header_at, leaves, part_bytes
from muniment.mail.model import MimeLeaf, UnwrapError
from muniment.mail.text import html
from muniment.mail.text.likeness import likeness
from muniment.mail.text.listing import read_summary
from muniment.mail.text.read_text import read_file, read_message
from muniment.system import sanitise
from support.growth import MAKERS
from support.reports import fork as forked
from support.reports import line, ndr, plain, report
from support.wrapped import (
    attribute,
    compressed,
    detached,
    enveloped,
    packed_rtf,
    props,
    signed,
    tnef_file,
    tnef_message,
    uuencoded,
    wide,
)
from support.wrapped import tnef as tnef_stream

Target = Callable[[bytes], None]
ROOT = Path(__file__).resolve().parents[2]
ODD = "CO"
"""Unicode's categories of what a terminal must not get: controls, formats, surrogates, unassigned."""
WINMAIL = b"Content-Type: application/ms-tnef\r\n\r\n"
SMIME = b"Content-Type: application/pkcs7-mime\r\n\r\n"
PART = (
    b"From: a\r\nDate: b\r\nContent-Type: text/plain; name=a.txt\r\n\r\nbegin 644 x\r\n#0V%T\r\n`\r\nend\r\n"
)
"""What wraps others in the samples, and what lies within."""
SEED_LIMIT = 64 * 1024
"""Bytes of an input; what is longer is slow to change and finds no more."""


def encodable(*texts: str) -> None:
    """Text that goes into the index and to a terminal has no lone surrogates."""
    for one in texts:
        one.encode("utf-8")


def fuzz_html(data: bytes) -> None:
    document = data.decode("utf-8", "replace")
    text = html.to_text(document)
    encodable(text)
    assert all(line and line == " ".join(line.split()) for line in text.split("\n")) or not text
    if not {"<", "&", "\0"} & set(document):
        assert text.split() == document.split()
    assert html.to_text(f"<p>before</p>{document}").startswith("before")


def fuzz_headers(data: bytes) -> None:
    end = headers.header_end(data)
    assert 0 <= end <= len(data)
    spans = list(headers.spans(data))
    assert b"".join(data[start:stop] for start, stop in spans) == data
    assert [(one.start, one.end) for one in headers.fields(data)] == spans
    for name in (b"to", b"subject", b"content-type"):
        (found,) = headers.gather(data, (name,))
        assert headers.field(data, name) == headers.pick(data, (name,))[0] == (found[0] if found else None)
        for value in found:
            encodable(headers.decode(value))
            headers.parameters(value)
    encodable(headers.decode(data))
    read_routing(data)
    sender = read_summary(data).sender
    encodable(sender)
    harmless(sender)


def fuzz_addresses(data: bytes) -> None:
    found = addresses.parse(data)
    assert len(found) <= addresses.COUNT_LIMIT
    for name, address in found:
        encodable(name, address)
        once = addresses.normalise(address)
        if addresses.usable(once):
            assert addresses.normalise(once) == once
            assert addresses.domain(once) or once.startswith("/")
    text = envelope.read_envelope(data, "utf-8")
    for party in (*text.senders, *text.recipients):
        assert addresses.usable(party.address), party
    encodable(*text.envelope().notes, text.subject)


def fuzz_mime(data: bytes) -> None:
    found = leaves(data)
    assert all(leaf.head <= leaf.body <= leaf.end <= len(data) for leaf in found)
    assert all(before.end <= after.body for before, after in pairwise(found))
    rebuilt(data, found)
    summary, text = read_message(data, found)
    encodable(summary.subject, summary.sender, summary.to, text.body, *text.filenames, *text.notes)
    harmless(text.body[:1000])
    for one in attachments(data, found):
        name = sanitise.filename(one.filename)
        assert name == sanitise.filename(name)
        assert not set(name) & set("/\\\0\n")
    for leaf in found:
        assert b"".join(content(data, leaf)) == part_bytes(data, leaf)


def rebuilt(data: bytes, found: Sequence[MimeLeaf]) -> None:
    """What the archive cuts a message into gives it back byte for byte."""
    made = []
    for cut in split.split(data, found):
        if cut.encoding == "base64":
            assert cut.data is not None
            made.append(split.encode(cut.data, cut.width, cut.eol))
            assert b"".join(split.decode_chunks(data, cut)) == cut.data
        else:
            made.append(data[cut.start : cut.end])
    assert b"".join(made) == data


def harmless(text: str) -> None:
    """What is shown of any text does nothing to a terminal but show."""
    shown = sanitise.clean(text)
    assert shown == sanitise.clean(shown)
    assert not [char for char in shown if unicodedata.category(char)[0] == "C" or char == "\n"]


def fuzz_tnef(data: bytes) -> None:
    stream = tnef.SIGNATURE + b"\0\0" + data
    found = tnef.read_tnef(stream)
    spans = [(one.start, one.end) for one in (found.plain, found.html, *found.files) if one]
    assert all(0 <= start <= end <= len(stream) for start, end in (*spans, found.rtf or (0, 0)))
    encodable(found.subject, *(file.name for file in found.files))
    wrapped(WINMAIL + stream)


def fuzz_cms(data: bytes) -> None:
    found = cms.read_cms(data)
    assert all(0 <= start <= end <= len(data) for start, end in found.spans)
    assert len(cms.content_of(data, found, 1000)) <= (1000 if found.kind == "compressed" else len(data))
    wrapped(SMIME + data)


def fuzz_uuencode(data: bytes) -> None:
    found = uuencode.blocks(data)
    for block in found:
        assert block.start < block.first <= block.last <= block.end <= len(data)
        if not block.base64:
            size = sum(map(len, uuencode.uu_content(data, block.first, block.last)))
            assert size <= uuencode.uu_length(data, block.first, block.last)
    assert all(before.end <= after.start for before, after in pairwise(found))
    wrapped(b"\r\n" + data)
    wrapped(b"Content-Transfer-Encoding: x-uue\r\n\r\n" + data)


def fuzz_rtf(data: bytes) -> None:
    encodable(rtf.read_rtf(data).text)
    assert len(rtf.decompressed(data, 1000)) <= 1000


def wrapped(mail: bytes) -> None:
    """What lies within files is listed, counted and read alike."""
    found = files(mail)
    summary, text = read_message(mail)
    assert summary.attachments == sum(1 for file in found if not file.inline)
    assert sorted(text.filenames) == sorted(file.filename for file in found if file.filename)
    encodable(text.body, *text.filenames, *text.notes)
    for number, file in enumerate(found[:20], start=1):
        assert file.within < number
        encodable(read_file(file).body)
        b"".join(content(file.buf, file.leaf))


def fuzz_journal(data: bytes) -> None:
    try:
        found = read_report(data)
    except UnwrapError as error:
        encodable(str(error))
        return
    if found is None:
        return
    at = 0
    for span in found.originals:
        assert at <= span.start < span.end <= len(data)
        at = span.end
    assert len(found.originals) in (1, 2)
    assert all(addresses.usable(party.address) for party in found.envelope.parties)
    encodable(found.envelope.subject, found.envelope.message_id, *found.notes, *found.envelope.notes)


def fuzz_public(data: bytes) -> None:
    shown = b"".join(public_pieces(data, 4096))
    assert len(data) - len(shown) == hidden_bytes(data)
    assert b"".join(public_pieces(data, 1)) == shown
    end = headers.header_end(data)
    assert shown.endswith(data[end:])
    assert len(shown) - (len(data) - end) == sum(stop - start for start, stop in public_header(data)[0])


def fuzz_delimiters(data: bytes) -> None:
    boundary, _, body = data.partition(b"\n")
    boundary = boundary.rstrip(b"\r") or b"b"
    if b"\r" in boundary:
        return
    found = list(delimiters(body, boundary, 0, len(body)))
    for one in found:
        assert body.startswith(b"--" + boundary, one.at)
        assert one.at == 0 or body[one.at - 1] in b"\r\n"
    closing = [one for one in found if one.closing]
    assert last_closing(body, boundary, 0, len(body)) == (closing[-1] if closing else None)


def fuzz_dates(data: bytes) -> None:
    found = dates.parse_date(data)
    assert found is None or -86_400 <= found < 2**33
    assert dates.parse_date(data.decode("latin-1")) == found or not data.isascii()


def fuzz_charsets(data: bytes) -> None:
    label, _, raw = data.partition(b"\n")
    encodable(charsets.to_text(raw, label.decode("latin-1")))
    harmless(charsets.to_text(raw, label.decode("latin-1")))


def fuzz_queries(data: bytes) -> None:
    try:
        read = query.parse(data.decode("utf-8", "replace"), now=1_700_000_000)
    except QueryError as found:
        error = found
    else:
        assert query.parse(query.unparse(read), now=1_700_000_000) == read
        return
    assert 0 <= error.position <= len(error.query)


def fuzz_forks(data: bytes) -> None:
    for stored in (forked(plain(), 1), data[: len(data) // 2]):
        at = 0
        for piece in fork.fork_cuts(data, stored):
            assert piece.start == at < piece.end
            at = piece.end
            if piece.offset is not None:
                size = piece.end - piece.start
                assert stored[piece.offset : piece.offset + size] == data[piece.start : piece.end]
        assert at == len(data)
    assert content_hash(data) == content_hash(data, leaves(data))
    assert likeness(data) == likeness(data)


TARGETS: dict[str, Target] = {
    "html": fuzz_html,
    "headers": fuzz_headers,
    "addresses": fuzz_addresses,
    "mime": fuzz_mime,
    "tnef": fuzz_tnef,
    "cms": fuzz_cms,
    "uuencode": fuzz_uuencode,
    "rtf": fuzz_rtf,
    "journal": fuzz_journal,
    "public": fuzz_public,
    "delimiters": fuzz_delimiters,
    "dates": fuzz_dates,
    "charsets": fuzz_charsets,
    "queries": fuzz_queries,
    "forks": fuzz_forks,
}


def everything(data: bytes) -> None:
    """All targets in one: the first byte says which."""
    chosen = list(TARGETS.values())
    if data:
        chosen[data[0] % len(chosen)](data[1:])


# --- seeds ----------------------------------------------------------------------------------------


def seeds(name: str) -> list[bytes]:
    """What fuzzing of a target begins with: the tests' own samples, and real mail where it lies beside."""
    own: list[bytes] = [make(200) for make in MAKERS.values()]
    if name in ("mime", "journal", "headers", "public", "forks"):
        own += [*samples(), *islice(beside(), 400)]
    elif name == "tnef":
        own += [tnef_sample()[6:], *(part[6:] for part in parts_of(b"\x78\x9f\x3e\x22"))]
    elif name == "cms":
        own += [signed(PART), signed(PART, 9), compressed(PART, 9), detached(), enveloped()]
        own += parts_of(b"\x30")
    elif name == "uuencode":
        own += [
            b"a\nbegin 644 a.eml\n" + uuencoded(PART, blanks=blanks) + b"end\nb\n" for blanks in (True, False)
        ]
        own += [b"begin-base64 644 a.eml\nRnJvbTogYQ==\n====\n"]
    elif name == "rtf":
        own += [rb"{\rtf1\ansicpg1251{\fonttbl{\f0\fcharset204 A;}}\f0\uc1 \'cf\u8364?{\*\x y}\bin2 }}\par}"]
        own += [rb"{\rtf1\fromhtml1{\*\htmltag1 <p>}\htmlrtf {\htmlrtf0 a}}", packed_rtf(b"{\\rtf1 a}")]
    elif name == "html":
        own += [*pages(samples()), *pages(islice(beside(), 2000)), *crashes()]
    elif name == "addresses":
        own += [value for raw in (*samples(), *islice(beside(), 400)) for value in values(raw)]
    elif name == "dates":
        own += [
            date
            for raw in islice(beside(), 400)
            if (date := headers.field(header_at(raw, 0, len(raw)), b"date"))
        ]
        own.append(b"Tue, 14 Nov 2023 22:13:20 +0100 (CET)")
    elif name == "charsets":
        names = sorted({labels.charset_of(one) for one in labels.KNOWN})
        own += [f"{name}\nGr\u00fc\u00dfe \u6f22\u5b57".encode() for name in names]
    elif name == "queries":
        own += [
            b'from:anna (a OR "b c") -d* larger:5M after:2024-05 in:inbox user:"a" id:3f9a01c2',
            b"NOT a AND b",
        ]
    elif name == "delimiters":
        own += [b"b\n--b\r\nx\r\n--b--\r\n" + b"x--b" * 40 + b"\r\n--b\r\n"]
    return [one[:SEED_LIMIT] for one in own if one]


def tnef_sample() -> bytes:
    """A stream with texts, files and a message within."""
    text = props((0x1000, 31, wide("body")), (0x1009, 258, packed_rtf(b"{\\rtf1 rich}")))
    inner = tnef_stream(tnef_file("b.eml", PART))
    return tnef_stream(
        attribute(0x18004, b"subject\0"), attribute(0x69003, text),
        tnef_file("a.txt", b"one"), tnef_message("m", inner),
    )  # fmt: skip


def parts_of(begin: bytes) -> Iterable[bytes]:
    """The contents of parts of mail beside the project that begin so."""
    for raw in islice(beside(), 400):
        for leaf in leaves(raw):
            if leaf.encoding == "base64" and (found := part_bytes(raw, leaf)).startswith(begin):
                yield found


def samples() -> list[bytes]:
    """Reports and messages of the tests."""
    letter = plain(attachments=[("Plan.pdf", bytes(range(256)) * 8)], cc=["C <c@x>"], bcc=["d@x"])
    page = plain(body="<p>Hello <b>Bob</b>").replace(b"text/plain", b"text/html")
    who = ["bob@example.com", line("Bcc", "eve@example.com"), line("To", "l@x", expanded="m@x")]
    forms = [
        report(letter, recipients=who),
        report(page, recipients=who, recipients_block=True),
        report(letter, original_encoding="base64", envelope_encoding="quoted-printable", charset="utf-8"),
        report(letter, original_encoding="quoted-printable", closing=False, eol=b"\n"),
        report(letter, text_part=False, second=page),
        report(letter, marker=None, part_headers=False),
    ]
    return [letter, page, forked(letter, 2), *forms, ndr(forms[0])]


def beside() -> Iterable[bytes]:
    """Mail that others wrote, where it is there: malformed mail and journal reports first."""
    from support import corpus

    shared = corpus.shared_dir()
    if (shared / "corpus").is_dir():
        yield from (raw for _, raw in corpus.journal_files())
        yield from (raw for _, raw in islice(corpus.malformed(), 300) if len(raw) < SEED_LIMIT)
    if (shared / "cases").is_dir():
        yield from (path.read_bytes()[:SEED_LIMIT] for path in sorted((shared / "cases").rglob("*.eml")))
    if (shared / "corpus").is_dir():
        yield from (raw for _, raw in islice(corpus.real(), 3000) if len(raw) < SEED_LIMIT)


def pages(mails: Iterable[bytes]) -> Iterable[bytes]:
    """The HTML parts of mails."""
    for raw in mails:
        for leaf in leaves(raw):
            if leaf.content_type == "text/html":
                yield part_bytes(raw, leaf)


def crashes() -> list[bytes]:
    """Documents that crash parsers in native code."""
    return [path.read_bytes() for path in sorted((ROOT / "tests" / "mail" / "crashes").iterdir())]


def values(raw: bytes) -> list[bytes]:
    """The address fields of a mail, and its envelope if it is a report."""
    header = header_at(raw, 0, len(raw))
    found = headers.gather(header, (b"from", b"to", b"cc", b"reply-to"))
    with suppress(UnwrapError):
        if read_report(raw) is not None:
            found.append([raw])
    return [value for each in found for value in each]
