"""No text from outside takes more than n log n time, in any place of a mail."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import FrameType, FunctionType
from typing import Any

import pytest

import muniment.mail
from muniment.archive import query
from muniment.errors import MunimentError
from muniment.mail import names
from muniment.mail.buffer import sub, window
from muniment.mail.charsets import decode as charsets
from muniment.mail.charsets import escapes, labels, recovery
from muniment.mail.content import content_hash as content
from muniment.mail.content import fork, hidden_names, public
from muniment.mail.headers import (
    addresses,
    date_forms,
    date_words,
    dates,
    domains,
    filenames,
    message_ids,
    routing,
)
from muniment.mail.headers import fields as headers
from muniment.mail.journal import envelope, report
from muniment.mail.mime import cms, delimiters, parts, rtf, split, stated_charsets, tnef, uuencode, walker
from muniment.mail.model import UnwrapError
from muniment.mail.signatures import judge, signed_header
from muniment.mail.signatures.model import DKIM, KeyRecord, SignatureFacts
from muniment.mail.signatures.read_signatures import read_signatures
from muniment.mail.text import (
    drawn_text,
    folding,
    html,
    html_drawing,
    likeness,
    links,
    listing,
    outline,
    table_drawing,
    words,
)
from muniment.mail.text import read_text as text
from muniment.people import importer
from muniment.people.directory import Directory
from muniment.system import sanitise
from support.growth import MAKERS, PIECES, functions, repeated, too_steep
from support.soak import in_soak

pytestmark = pytest.mark.slow
HEAD = b"From: anna@example.com\r\nTo: bob@example.com\r\nMessage-ID: <1@example.com>\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
REPORT = MIXED.replace(b"\r\n\r\n", b"\r\nX-MS-Journal-Report:\r\n\r\n")
ORIGINAL = b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
HTML_BEHIND_TEXT = b"--b\r\n\r\nword\r\n--b\r\nContent-Type: text/html\r\n\r\n"
ENCODED = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
SIGNED = bytes.fromhex("308006092a864886f70d010702a0803080020101310030800609") + (
    bytes.fromhex("2a864886f70d010701a0802480")
)
"""Signed data up to the pieces of its content, with open lengths."""
WINMAIL = tnef.SIGNATURE + b"\0\0"
PROPERTIES = WINMAIL + bytes.fromhex("010390 0600 ffffff7f ffffffff")
ENVELOPE = b"--b\r\n\r\nSender: a@b\r\nMessage-Id: <x>\r\nTo: c@d\r\n"
PLACES: dict[str, tuple[bytes, bytes]] = {
    **{
        name: (f"{name}: ".encode(), b"\r\n" + HEAD + b"\r\ntext")
        for name in ("From", "Sender", "To", "Bcc", "Subject", "Date", "Message-ID", "Received", "X-Other")
    },
    "Content-Type": (HEAD + b"Content-Type: ", b"\r\n\r\n--b\r\n\r\ntext"),
    "text's parameters": (HEAD + b"Content-Type: text/plain; charset=", b"\r\n\r\ntext"),
    "boundary": (HEAD + b"Content-Type: multipart/mixed; boundary=", b"\r\n\r\n--b\r\n\r\ntext"),
    "Content-Disposition": (HEAD + b"Content-Disposition: attachment", b"\r\n\r\ntext"),
    "file name": (HEAD + b'Content-Disposition: attachment; filename="', b'"\r\n\r\ntext'),
    "bare file name": (HEAD + b"Content-Disposition: attachment; filename=", b"\r\n\r\ntext"),
    "file name in pieces": (HEAD + b"Content-Type: a/b; name*0*=utf-8''", b"\r\n\r\ntext"),
    "uuencoded file": (HEAD + b"\r\nbegin 644 a\r\n", b"\r\nend\r\n"),
    "uuencoded part": (HEAD + b"Content-Transfer-Encoding: x-uue\r\n\r\nbegin 644 a\r\n", b"\r\nend\r\n"),
    "TNEF": (HEAD + b"Content-Type: application/ms-tnef\r\n\r\n" + WINMAIL, b""),
    "properties of TNEF": (HEAD + b"Content-Type: application/ms-tnef\r\n\r\n" + PROPERTIES, b""),
    "S/MIME": (HEAD + b"Content-Type: application/pkcs7-mime\r\n\r\n" + SIGNED, b""),
    "armoured S/MIME": (HEAD + b"Content-Type: application/pkcs7-mime\r\n\r\nMI", b""),
    "RTF": (HEAD + b"Content-Type: application/rtf\r\n\r\n{\\rtf1 ", b""),
    "attached message": (
        HEAD + b"Content-Type: application/octet-stream; name=a.eml\r\n\r\n" + HEAD + b"\r\n",
        b"",
    ),
    "log file": (HEAD + b"Content-Type: application/octet-stream; name=a.log\r\n\r\n", b""),
    "no header": (b"", b""),
    "header": (HEAD, b"\r\n\r\ntext"),
    "text": (HEAD + b"\r\n", b""),
    "HTML": (HEAD + b"Content-Type: text/html\r\n\r\n", b""),
    "HTML behind text": (MIXED + HTML_BEHIND_TEXT, b"\r\n--b--"),
    "base64": (HEAD + b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n", b""),
    "quoted-printable": (HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b""),
    "an encoded message": (HEAD + ENCODED, b""),
    "multipart": (MIXED + b"--b\r\n", b"\r\n--b--"),
    "open multipart": (MIXED + b"--b\r\n\r\n", b""),
    "part's header": (MIXED + b"--b\r\nContent-", b"\r\n\r\ntext\r\n--b--"),
    "epilogue": (MIXED + b"--b\r\n\r\ntext\r\n--b--\r\n", b""),
    "report": (REPORT + b"--b\r\n", b"\r\n--b--"),
    "envelope": (REPORT + b"--b\r\n\r\n", ORIGINAL + HEAD + b"\r\n--b--"),
    "recipient": (REPORT + b"--b\r\n\r\nTo: ", ORIGINAL + HEAD + b"\r\n--b--"),
    "recipients": (REPORT + b"--b\r\n\r\nRecipients:\r\n", ORIGINAL + HEAD + b"\r\n--b--"),
    "original": (REPORT + ENVELOPE + ORIGINAL, b"\r\n--b--"),
    "behind the report": (REPORT + b"--b\r\n\r\nTo: a@b\r\n" + ORIGINAL + HEAD + b"\r\nx\r\n--b--\r\n", b""),
    "returned report": (MIXED.replace(b"mixed", b"report") + b"--b\r\n", b"\r\n--b--"),
}  # fmt: skip
"""The places in a mail where the text is put: what precedes it, and what follows."""


def read_mail(message: bytes) -> None:
    """Everything that is done with a mail when it is fetched and indexed."""
    with suppress(UnwrapError):
        report.read_report(message)
    routing.read_routing(message)
    routing.named_in(message, ("to", "x-other"))
    found = walker.leaves(message)
    for cut in split.split(message, found):
        if cut.encoding == "base64":
            b"".join(split.decode_chunks(message, cut))
    _, read = text.read_message(message, found)
    for field in (read.body, read.subject, *read.links):
        words.sought_words(field)
        folding.second_spellings(folding.halfway(field))
        links.reduced(field)
    content.content_hash(message, found)
    fork.fork_cuts(message, HEAD + b"\r\ntext")


def show_mail(message: bytes) -> None:
    """Everything that is done with a mail when it is shown, listed or compared, or can't be read."""
    outline.read_outline(message)
    with suppress(ValueError):
        b"".join(public.public_pieces(message, 4096))
    public.hidden_bytes(message)
    hidden_names.hides_others(message, ())
    read = text.read_text(message)
    drawn_text.read_drawn(message, 80)
    for leaf in walker.leaves(message)[:3]:
        text.read_leaf(message, leaf)
        b"".join([*walker.content(message, leaf), walker.part_bytes(message, leaf)])
    for one in walker.attachments(message)[:100]:
        sanitise.filename(one.filename)
    for file in parts.files(message)[:3]:
        text.read_file(file)
        b"".join(walker.content(file.buf, file.leaf))
    sanitise.clean(read.body, newline=True)
    sanitise.clean(f"{read.subject} {read.sender} {read.to}")
    fork.fork_cuts(message, message)
    likeness.likeness(message)


def read_query(value: bytes) -> None:
    with suppress(MunimentError):
        query.parse(value.decode("utf-8", "replace"))
    with suppress(MunimentError):
        query.parse(value[: query.MAX_QUERY].decode("utf-8", "replace"))


def read_words(value: bytes) -> None:
    written = value.decode("utf-8", "replace")
    folding.spelled(folding.fold(written))
    for sought in words.sought_words(written[:512])[:3]:
        sought.matches(folding.halfway(written))
    words.SoughtWord("ab*", "ab*").matches(folding.halfway(written))
    words.SoughtWord("a*b*c", "a*b*c").matches(folding.halfway(written))
    placed = words.placed_words(written, 0, len(written))
    for number in list(placed.places(words.SoughtWord("a*", "a*")))[-3:]:
        placed.span(number, number)
    words.wildcards(f"a*{written}")
    list(words.wild_words(written))
    sanitise.without_hidden(written)
    message_ids.bare_id(written)
    message_ids.bare_ids(written)
    links.reduced(written)
    links.is_target(written)
    links.is_reduced(written)
    words.pattern_of(written)


def read_people(value: bytes) -> None:
    for data in (value, b"name,address\n" + value):
        with suppress(MunimentError):
            importer.import_csv(importer.decode(data), Directory())
    with suppress(MunimentError):
        Directory().find(value.decode("utf-8", "replace"))
    Directory().resolve(value.decode("utf-8", "replace"), 0)


def read_header(value: bytes) -> None:
    headers.unfold(value)
    headers.header_end(value)
    headers.block(value)
    list(headers.fields(value))
    list(headers.spans(value))
    headers.field(value, b"to")
    headers.pick(value, (b"to", b"x"))
    headers.gather(value, (b"to", b"x"))
    walker.header_at(value, 0, len(value))
    fork.is_transport(value)
    content.content_header(value)
    public.public_header(value)
    public.is_public(value)
    public.is_prose(value)


def read_value(value: bytes) -> None:
    headers.decode(value)
    headers.decode_words(value.decode("utf-8", "replace"))
    headers.parameters(value)
    headers.parameters(b"text/plain" + value)
    walker.media_type(value)
    walker.decoded(value, "base64")
    walker.decoded(value, "quoted-printable")
    dates.parse_date(value)
    dates.parse_date(value, (1, 2))
    dates.received_dates([value, b";" + value])
    date_forms.readings(value)
    date_words.folded(value.decode("utf-8", "replace"))
    read_label(value.decode("utf-8", "replace"))
    stated_charsets.stated_charset(value)
    for kind in ("text/html", "text/vcard"):
        stated_charsets.charset_of_text(value, value, kind)
        stated_charsets.charset_within(value, kind)
    names.name_of(value.decode("utf-8", "replace"))
    listing.joined([value, value])
    list(delimiters.delimiters(value, b"b", 0, len(value)))
    delimiters.last_closing(value, b"b", 0, len(value))
    list(delimiters.delimiters(value, value[: len(value) // 8], 0, len(value)))
    b"".join(window(sub(value, 1, len(value)), 0, len(value)))
    split.layout(value, 0, len(value))
    split.is_regular(value, 0, len(value), 76, b"\r\n")
    b"".join(split.encode_chunks([split.encode(value, 76, b"\r\n")], 76, b"\n"))


def read_label(label: str) -> None:
    charsets.codec(label)
    charsets.says_little(label)
    charsets.writes_lines(label)
    labels.charset_of(label[: labels.LENGTH_LIMIT])


def read_bytes(value: bytes) -> None:
    charsets.marked(value)
    charsets.to_text(value, "", lambda: ["gb2312", "koi8-r"])
    charsets.to_text(value, "utf-8", lambda: ["shift_jis"], cut=True)
    charsets.none_stated()
    charsets.table_is_ascii("cp500")
    escapes.switches(value)
    for charset in ("iso2022_jp", "iso2022_kr", "iso2022_cn"):
        escapes.read_iso2022(b"\x1b$B" + value + b"\xff", charset)
    escapes.read_hz(b"~{" + value)
    escapes.read_utf7(b"+" + value)
    recovery.read_single(value, "koi8_r")
    for name in sorted(recovery.MULTIBYTE):
        recovery.read_strictly(value, name)
        recovery.read_with_faults(b"\xff" + value, name)
    recovery.as_microsoft(value.decode("utf-8", "replace"))


def read_wrapping(value: bytes) -> None:
    """Read the value as the containers in which programs wrap texts and files."""
    for before in (b"", WINMAIL, PROPERTIES):
        tnef.is_tnef(before + value)
        tnef.read_tnef(before + value)
    for before in (b"", SIGNED):
        cms.read_cms(before + value)
    for kind in ("signed", "compressed"):
        found = cms.CmsStructure(kind, ((0, len(value) // 2), (len(value) // 2, len(value))))
        cms.content_of(value, found, 1_000_000)
    rtf.is_rtf(value)
    rtf.read_rtf(value)
    rtf.read_rtf(rb"{\rtf1\fromhtml1{\*\htmltag1 " + value)
    for magic in (b"LZFu", b"MELA"):
        rtf.decompressed(bytes(4) + b"\xff\xff\xff\x7f" + magic + bytes(4) + value, 1_000_000)
    for begun in (b"begin 644 a\n", b"begin-base64 644 a\n", b""):
        uuencode.blocks(begun + value)
    uuencode.uu_line(value)
    uuencode.uu_length(value, 0, len(value))
    b"".join(uuencode.uu_content(value, 0, len(value)))
    filenames.name_stated(b"attachment; filename=" + value, b"a/b; name*0=" + value)


def read_envelope(value: bytes) -> None:
    envelope.looks_like_envelope(value)
    envelope.read_envelope(value, "utf-8").envelope()
    envelope.read_envelope(b"Sender: " + value, "")


def read_address(value: bytes) -> None:
    written = value.decode("utf-8", "replace")
    addresses.parse(value)
    addresses.parse(written, 10**9)
    addresses.usable(addresses.normalise(written))
    addresses.usable(written)
    addresses.domain(written)
    addresses.without_tag(written)
    addresses.mailboxes((value, written))
    routing.enveloped((), [written])
    domains.canonical(written)
    domains.ascii_form(written)
    domains.readable(written)
    domains.spellings(written)
    addresses.normalise("a@" + written)


def read_page(value: bytes) -> None:
    html.to_text(value.decode("utf-8", "replace"))
    html.link_targets(value.decode("utf-8", "replace"))
    html.link_targets("<a " + value.decode("utf-8", "replace"))
    html.target_of("<a " + value.decode("utf-8", "replace"))
    list(html.tokens(value.decode("utf-8", "replace")))
    for before in ("", "<table><tr><td>a<td>b", "<blockquote><ul>" * 20, "<pre>", "<a href=//x>"):
        html_drawing.draw(before + value.decode("utf-8", "replace"), 80)
    table_drawing.cells_of(value.decode("utf-8", "replace"))
    list(table_drawing.wrapped(value.decode("utf-8", "replace"), 20))


def read_signed(value: bytes) -> None:
    """Read the value as a signed body, as a signature, and as the record of a key."""
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=b; bh=AA==; b=AA==; "
    for form in (b"relaxed/relaxed", b"simple/simple"):
        read_signatures(signature + b"h=from; c=" + form + b"\r\n" + HEAD + b"\r\n" + value)
    for begun in (b"DKIM-Signature: ", signature + b"h=from:", b"ARC-Seal: i=1; ", b"ARC-Message-Signature:"):
        found = read_signatures(begun + value + b"\r\n" + HEAD + b"\r\ntext").found
        judge.best(judge.judge(found, lambda domain, selector: KeyRecord(value)))
    facts = SignatureFacts(DKIM, "a.example", "b", "rsa-sha256", bytes(32), b"x")
    judge.needs_key(facts)
    judge.judge([facts], lambda domain, selector: KeyRecord(b"p=AAAA; " + value))
    with suppress(ValueError):
        signed_header.read_tags(value)


READERS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (
        *(read_query, read_words, read_people, read_header, read_value, read_bytes, read_envelope),
        read_address,
        read_page,
        read_signed,
        read_wrapping,
    )
}
NOT_READ = {
    "headers.date_forms.seconds_at": "takes numbers",
    "headers.date_forms.time_of_day": "takes numbers",
    "charsets.grids.grid": "takes a name of the program",
    "charsets.recovery.table": "takes a name of the program",
    "headers.dates.clamp": "takes numbers",
    "headers.dates.is_sane": "takes numbers",
    "headers.dates.message_date": "takes numbers",
    "headers.fields.remembered": "takes functions",
    "content.public.names_recipients": "takes the name of a field",
    "mime.walker.is_text": "takes a type that was read",
    "model.senders_of": "takes people that were read",
    "patterns.any_case": "takes words of the program",
    "patterns.any_of": "takes words of the program",
    "patterns.begins_any": "takes words of the program",
}
CHARSETS = sorted({labels.charset_of(label) for label in labels.KNOWN})
MAIL, SHORT, LONG = 4 * 1024, 8 * 1024, 64 * 1024


def in_mail(place: str, read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """A reader of a mail that has the text in that place."""
    before, behind = PLACES[place]
    return lambda value: read(before + value + behind)


def steep(function: Callable[[bytes], None], size: int) -> list[str]:
    """The kinds of text for which the time grows too fast."""
    found = ((name, too_steep(function, make, size)) for name, make in MAKERS.items())
    return [f"{name}: {measured}" for name, measured in found if measured]


@pytest.mark.parametrize("place", PLACES)
def test_time_does_not_grow_with_the_square_of_a_mail(place: str) -> None:
    assert not steep(in_mail(place, read_mail), MAIL)


@pytest.mark.parametrize("reader", READERS)
def test_time_does_not_grow_with_the_square_of_a_text(reader: str) -> None:
    assert not steep(READERS[reader], SHORT)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("read", [read_mail, show_mail])
@pytest.mark.parametrize("place", PLACES)
def test_time_does_not_grow_with_the_square_of_a_long_mail(place: str, read: Callable[[bytes], None]) -> None:
    assert not steep(in_mail(place, read), LONG)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("reader", READERS)
def test_time_does_not_grow_with_the_square_of_a_long_text(reader: str) -> None:
    assert not steep(READERS[reader], LONG)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [SHORT, *in_soak(LONG)])
def test_no_charset_takes_time_that_grows_with_the_square(size: int) -> None:
    names = ("bad bytes", "cut UTF-8", "shifts", "UTF-7", "HZ", "Chinese", "marks", "dashes")
    for charset in CHARSETS:
        for name in names:
            steepness = too_steep(partial(charsets.to_text, charset=charset), repeated(PIECES[name]), size)
            assert not steepness, (charset, name, steepness)


def public_functions() -> Iterator[tuple[str, FunctionType]]:
    """Every public function that the modules of muniment.mail define, as "module.name"."""
    for info in pkgutil.walk_packages(muniment.mail.__path__, "muniment.mail."):
        for name, function in functions(import_module(info.name)):
            yield name.removeprefix("mail."), function


def test_every_public_function_that_reads_mail_is_measured() -> None:
    called: set[object] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        called.add(frame.f_code)

    sys.setprofile(note)
    try:
        for place in PLACES:
            for read in (read_mail, show_mail):
                in_mail(place, read)(split.encode(bytes(9000), 76, b"\r\n"))
        for reader in READERS.values():
            reader(b"a@b, c")
    finally:
        sys.setprofile(None)
    missing = {name for name, function in public_functions() if function.__code__ not in called}
    assert missing <= set(NOT_READ), (
        "call them in read_mail, show_mail or a reader, or give the reason in NOT_READ"
    )
