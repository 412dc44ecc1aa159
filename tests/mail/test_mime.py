"""Leaves, their content, and the names of attachments."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.mail.buffer import window
from muniment.mail.mime import walker
from muniment.mail.mime.walker import DEPTH, attachments, content, content_size, leaves, part_bytes
from muniment.mail.model import MimeLeaf
from support.corpus import malformed
from support.reports import plain


def types(message: bytes) -> list[str]:
    return [leaf.content_type for leaf in leaves(message)]


def contents(message: bytes) -> list[bytes]:
    return [part_bytes(message, leaf) for leaf in leaves(message)]


def multipart(*parts: bytes, boundary: bytes = b"b", kind: bytes = b"mixed", eol: bytes = b"\r\n") -> bytes:
    head = b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"' + eol * 2
    body = b"".join(b"--" + boundary + eol + part + eol for part in parts)
    return head + body + b"--" + boundary + b"--" + eol


@pytest.mark.parametrize("eol", [b"\r\n", b"\n", b"\r"])
def test_leaves_of_nested_multiparts_and_messages(eol: bytes) -> None:
    text = eol.join([b"Content-Type: text/plain", b"", b"one"])
    inner = multipart(text, eol.join([b"", b"two"]), boundary=b"bb", kind=b"alternative", eol=eol)
    nested = b"Content-Type: message/rfc822" + eol * 2 + b"Subject: x" + eol * 2 + b"three"
    message = b"Subject: outer" + eol + multipart(inner, nested, eol=eol)
    assert types(message) == ["text/plain", "", ""]
    assert contents(message) == [b"one", b"two", b"three"]
    first, _, third = leaves(message)
    assert first.message == 0
    assert message[third.message :].startswith(b"Subject: x")


def test_a_digest_holds_messages() -> None:
    message = multipart(b"\r\nSubject: one\r\n\r\nfirst", b"\r\nSubject: two\r\n\r\nsecond", kind=b"digest")
    assert contents(message) == [b"first", b"second"]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: multipart/mixed; boundary=b b",
        b'Content-Type: multipart/mixed boundary="b b"',
        b"Content-Type: multipart/mixed; boundary*=us-ascii''b%20b",
        b"Content-Type: multipart/mixed",
        b'Content-Type: multipart/mixed; boundary=""',
        b'Content-Type: multipart/mixed; boundary="wrong"',
        b'Content-type : Multipart/Mixed;\r\n\tBoundary="b b "',
    ],
)
def test_a_boundary_is_found_in_every_form(head: bytes) -> None:
    body = b"--b b\nContent-Type: text/plain\n\none\n--b b  \nContent-Type: text/html\n\ntwo\n--b b--\n"
    assert types(head + b"\n\n" + body) == ["text/plain", "text/html"]


def test_a_delimiter_is_a_line_of_its_own() -> None:
    message = multipart(b"\r\nnot --b\r\n--bc\r\n --b\r\nthe end")
    assert contents(message) == [b"not --b\r\n--bc\r\n --b\r\nthe end"]


def test_text_at_the_ends_of_a_broken_message_is_not_lost() -> None:
    assert contents(multipart(b"\r\none")[:-9]) == [b"one"]
    assert contents(multipart(b"\r\none") + b"behind") == [b"one", b"behind"]
    assert contents(b"no header at all\r\n\r\nreally") == [b"no header at all\r\n\r\nreally"]
    assert contents(b"Content-Type: multipart/mixed; boundary=b\r\n\r\nno delimiter") == [b"no delimiter"]
    assert contents(b"Content-Type: multipart/mixed; boundary=b\n \n--b\n\none\n--b--\n") == [b"one"]
    assert contents(b"Content-Type: multipart/mixed; boundary=b\r\n\r\ntext\r\n--b--\r\n") == [
        b"text\r\n--b--\r\n"
    ]
    assert contents(b"") == [b""]


def test_nesting_is_walked_to_a_depth() -> None:
    message = b"Content-Type: text/plain\r\n\r\ndeep"
    for level in range(2 * DEPTH):
        message = multipart(message, boundary=b"b%d-" % level)
    [leaf] = leaves(message)
    assert leaf.content_type == "multipart/mixed"


@pytest.mark.parametrize(
    ("encoding", "encoded", "content"),
    [
        ("base64", b"SGVs\r\nbG8h\r\n", b"Hello!"),
        ("base64", b"SGVsbG8", b"Hello"),
        ("base64", b"SGVsbG8hA", b"Hello!"),
        ("base64", b"SGVs!bG8h", b"Hello!"),
        ("base64", b"SGVsbG8=SGVsbG8=", b"HelloHello"),
        ("base64", b"=", b""),
        ("quoted-printable", b"a=\r\nb=3D=ZZ", b"ab==ZZ"),
        ("8bit", b"\xff\0", b"\xff\0"),
        ("x-unknown", b"as it is", b"as it is"),
    ],
)
def test_content_is_decoded_as_far_as_possible(encoding: str, encoded: bytes, content: bytes) -> None:
    message = b"Content-Transfer-Encoding: " + encoding.upper().encode() + b"\r\n\r\n" + encoded
    assert contents(message) == [content]
    [leaf] = leaves(message)
    assert leaf.encoding == encoding
    assert content_size(message, leaf) == (len(content) if encoding == "base64" else len(encoded))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b'Content-Disposition: attachment; filename="a b.pdf"', "a b.pdf"),
        (b"Content-Disposition: attachment; filename=a.pdf", "a.pdf"),
        (b'Content-Type: application/pdf; name="a.pdf"', "a.pdf"),
        (b"Content-Disposition: attachment; filename*=UTF-8''%D0%94%D0%BE%D0%BA.pdf", "Док.pdf"),
        (b"Content-Disposition: attachment; filename*=koi8-r'ru'%E4%CF%CB.pdf", "Док.pdf"),
        (
            b"Content-Disposition: x;\r\n filename*0*=koi8-r''%E4%CF;\r\n filename*1*=%CB; filename*2=.pdf",
            "Док.pdf",
        ),
        (b'Content-Disposition: attachment; filename="=?koi8-r?B?5M/L?=.pdf"', "Док.pdf"),
        (b'Content-Disposition: attachment; filename="=?UTF-8?Q?D=C3=B6?=\r\n =?UTF-8?Q?k.pdf?="', "Dök.pdf"),
        ('Content-Disposition: attachment; filename="Док.pdf"'.encode(), "Док.pdf"),
        ("Content-Disposition: attachment; filename=Dök.pdf".encode("latin-1"), "Dök.pdf"),
        (b"Content-Disposition: attachment", ""),
        (b'Content-Disposition: attachment; filename="', ""),
        (b"Content-Disposition: attachment; filename*=no-such-set''%FF%", "ÿ%"),
    ],
)
def test_names_of_attachments(header: bytes, name: str) -> None:
    [found] = attachments(header + b"\r\n\r\ncontent")
    assert found.filename == name
    assert found.size == 7


def test_what_counts_as_an_attachment() -> None:
    picture = (
        b"Content-Type: image/png\r\nContent-ID: <1>\r\nContent-Disposition: inline; filename=p.png\r\n\r\nx"
    )
    message = multipart(
        b"Content-Type: text/plain\r\n\r\nbody",
        b"Content-Type: text/html\r\n\r\n<p>body",
        picture,
        picture.replace(b"inline", b"attachment"),
        picture.replace(b"Content-ID: <1>\r\n", b""),
        b'Content-Type: text/plain; name="notes.txt"\r\n\r\nnotes',
        b"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\nAAAA",
        b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nx",
        b"Content-Type: application/octet-stream\r\n\r\nx",
    )
    found = attachments(message)
    assert [each.filename for each in found if each.inline] == ["p.png", "smime.p7s"]
    assert [each.filename for each in found if not each.inline] == [
        "p.png",
        "p.png",
        "notes.txt",
        "winmail.dat",
        "",
    ]
    assert [each.size for each in found if each.filename == "winmail.dat"] == [3]
    assert attachments(message, leaves(message)) == found


def test_an_ordinary_message_and_its_attachment() -> None:
    message = plain(attachments=[("Plan.pdf", b"%PDF" * 100)])
    [found] = attachments(message)
    assert (found.filename, found.content_type, found.size) == ("Plan.pdf", "application/octet-stream", 400)
    assert part_bytes(message, found.leaf) == b"%PDF" * 100


def ordered(found: list[MimeLeaf], size: int) -> bool:
    places = [place for leaf in found for place in (leaf.head, leaf.body, leaf.end)]
    return places == sorted(places) and places[-1] <= size


def test_leaves_of_all_malformed_mail_are_in_order() -> None:
    for name, message in malformed():
        found = leaves(message)
        assert ordered(found, len(message)), name
        for each in attachments(message, found):
            assert isinstance(each.filename, str)
            assert 0 <= each.size <= len(message), name


LINES = st.sampled_from(
    [
        b"Content-Type: multipart/digest; boundary=b",
        b"Content-Type: multipart/mixed; boundary=c",
        b"Content-Type: message/rfc822",
        b"Content-Type: text/html; charset=\xff; name*1=x; name*=x''%",
        b"Content-Disposition: attachment; filename==?x?B?=?=",
        b"Content-Transfer-Encoding: base64",
        b"--b",
        b"--c",
        b"--b--",
        b"",
        b" ",
        b"QUJD=",
        b"\xff\0",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(LINES, st.sampled_from([b"\r\n", b"\n", b"\r"])), max_size=30))
def test_no_bytes_raise(lines: list[tuple[bytes, bytes]]) -> None:
    message = b"".join(text + eol for text, eol in lines)
    found = leaves(message)
    assert ordered(found, len(message))
    for leaf in found:
        part_bytes(message, leaf)
    attachments(message, found)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", ""])
@given(data=st.data())
def test_content_in_pieces_is_the_content(encoding: str, data: st.DataObject) -> None:
    """For any pieces: an escape, a group of base64 digits or a line end may be cut between two of them."""
    alphabet = {"base64": b"Aa+/=\r\n -Zz09", "quoted-printable": b"=3D0A \t\r\nxyz", "": bytes(range(256))}
    raw = bytes(data.draw(st.lists(st.sampled_from(alphabet[encoding]), max_size=60)))
    leaf = MimeLeaf(0, 0, len(raw), "application/octet-stream", encoding, 0)
    size = data.draw(st.integers(1, 30))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walker, "window", partial(window, size=size))
        assert b"".join(content(raw, leaf)) == part_bytes(raw, leaf)
