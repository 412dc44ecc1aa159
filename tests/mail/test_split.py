"""Splitting loses no byte, and finds the parts that messages share."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.mail.buffer import FileBuffer
from muniment.mail.mime import split as module
from muniment.mail.mime.split import LIMITS, SplitLimits, decode_chunks, encode, encode_chunks, split
from muniment.mail.model import MailBuffer, MessageCut
from support.corpus import malformed, real
from support.reports import plain

PDF = bytes(range(256)) * 20
WIDTHS = st.integers(1, 249).map(lambda groups: groups * 4)


def rebuilt(buf: MailBuffer, cuts: list[MessageCut]) -> bytes:
    """The cuts joined as an archive joins them: parts from their content, the rest unchanged."""
    out, at = [], 0
    for cut in cuts:
        assert (cut.start, cut.end > cut.start) == (at, True)
        at = cut.end
        if not cut.encoding:
            out.append(buf[cut.start : cut.end])
            continue
        chunks = list(decode_chunks(buf, cut, 1000))
        assert cut.data is None or cut.data == b"".join(chunks)
        if cut.encoding == "base64":
            chunks = list(encode_chunks(chunks, cut.width, cut.eol))
        out.append(b"".join(chunks))
    assert at == len(buf)
    return b"".join(out)


def base64_part(lines: bytes, kind: str = "application/pdf") -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + lines


def parts(message: bytes, limits: SplitLimits = LIMITS) -> list[MessageCut]:
    cuts = split(message, limits=limits)
    assert rebuilt(message, cuts) == message
    return [cut for cut in cuts if cut.encoding]


def test_an_attachment_is_the_same_part_in_two_messages() -> None:
    one = parts(plain(subject="one", attachments=[("a.pdf", PDF)]))
    two = parts(plain(subject="two", body="Another text\n", attachments=[("b.pdf", PDF)], eol=b"\n"))
    assert [cut.data for cut in one] == [cut.data for cut in two] == [PDF]
    assert (one[0].eol, two[0].eol) == (b"\r\n", b"\n")


def test_an_attachment_of_a_forwarded_message_is_shared_too() -> None:
    inner = plain(attachments=[("a.pdf", PDF)])
    outer = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    assert [cut.data for cut in parts(outer + inner + b"\r\n--b--\r\n")] == [PDF]


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
@pytest.mark.parametrize("width", [4, 60, 64, 72, 76, 996])
@pytest.mark.parametrize("size", [1500, 57 * 40, 5000])
def test_base64_of_any_width_and_line_end_is_decoded(width: int, eol: bytes, size: int) -> None:
    content = random.Random(size).randbytes(size)
    [cut] = parts(base64_part(encode(content, width, eol) + eol + eol))
    assert (cut.encoding, cut.width, cut.eol, cut.data, cut.inline) == ("base64", width, eol, content, False)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(b"\r\n", b"\n", 1),
        lambda text: text.replace(b"\r\n", b" \r\n", 1),
        lambda text: text[:-2] + b"=" + text[-2:],
        lambda text: text.replace(b"\r\n", b"\r\n\r\n", 1),
        lambda text: text[:200] + b"\r\n" + text[200:],
        lambda text: text[:100] + b"!" + text[101:],
        lambda text: text[:76] + text[78:],
        lambda text: text + b"\r\nAAAA",
        lambda text: text[:-3] + b"B==",
        lambda text: text + b"\r\n" * 100,
    ],
)
def test_base64_that_would_not_come_back_is_kept_undecoded(spoil: object) -> None:
    text = encode(bytes(range(250)) * 16, 76, b"\r\n")
    assert text.endswith(b"==")
    broken = spoil(text)  # type: ignore[operator]
    assert broken != text
    [cut] = parts(base64_part(broken))
    assert (cut.encoding, cut.data) == ("identity", broken)


def test_base64_text_stays_decoded_with_the_message_if_it_is_short() -> None:
    short, long = b"A short text. " * 200, b"A long text. " * 10_000
    [cut] = parts(base64_part(encode(short, 76, b"\r\n"), "text/plain"))
    assert (cut.inline, cut.data) == (True, short)
    [cut] = parts(base64_part(encode(long, 76, b"\r\n"), "text/plain"))
    assert (cut.inline, cut.data) == (False, long)


def test_a_leaf_that_is_neither_text_nor_base64_is_an_unchanged_part() -> None:
    content = b"\0\xff\r" * 1000
    head = b"Content-Type: image/x-thing\nContent-Transfer-Encoding: binary\n\n"
    [cut] = parts(head + content)
    assert (cut.encoding, cut.data) == ("identity", content)
    assert parts(b"Content-Type: text/csv\n\n" + b"1;2;3\n" * 1000) == []
    assert parts(b"") == []


def test_content_too_large_for_memory_is_read_in_chunks() -> None:
    limits = SplitLimits(chunk=3000, window=500)
    content = random.Random(1).randbytes(10_000)
    message = base64_part(encode(content, 72, b"\n"))
    [cut] = parts(message, limits)
    assert (cut.encoding, cut.data) == ("base64", None)
    chunks = list(decode_chunks(message, cut, 4096, step=500))
    assert [len(chunk) for chunk in chunks] == [4096, 4096, 1808]
    assert b"".join(chunks) == content
    for place in (300, 580, 5000, 13_000):
        text = bytearray(encode(content, 72, b"\n"))
        text[place] = ord("=")
        [cut] = parts(base64_part(bytes(text)), limits)
        assert cut.encoding == "identity"


def test_the_bytes_that_stay_with_a_message_are_bounded() -> None:
    long = b"Content-Type: text/plain\n\n" + b"A line of text\n" * 100
    assert [cut.encoding for cut in parts(long, SplitLimits(verbatim=1000))] == ["identity"]


@given(st.binary(max_size=2000), WIDTHS, st.sampled_from([b"\n", b"\r\n"]), st.data())
def test_encoding_does_not_depend_on_where_chunks_end(
    content: bytes, width: int, eol: bytes, data: st.DataObject
) -> None:
    borders = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    chunks = [content[a:b] for a, b in zip([0, *borders], [*borders, len(content)], strict=True)]
    whole = encode(content, width, eol)
    assert b"".join(encode_chunks(chunks, width, eol)) == whole
    flat = base64.b64encode(content)
    assert whole == eol.join(flat[at : at + width] for at in range(0, len(flat), width))


LINE = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: message/rfc822",
        b"Content-Type: image/png",
        b"Content-Type: text/plain",
        b"Content-Transfer-Encoding: base64",
        b"--b",
        b"--b--",
        b"",
        b"",
        b"text",
        encode(b"\xfa" * 1100, 76, b"\n"),
        encode(b"\xfa" * 1100, 76, b"\r\n"),
        encode(b"\xfb" * 1099, 64, b"\r\n"),
        b"\0" * 2100,
        b"QUJD" * 19,
    ]
)
MESSAGE = st.lists(st.tuples(LINE, st.sampled_from([b"\r\n", b"\n", b"\r", b""])), max_size=30).map(
    lambda lines: b"".join(text + eol for text, eol in lines)
)


@settings(max_examples=300, deadline=None)
@given(MESSAGE | st.binary(max_size=300))
def test_any_bytes_come_back(message: bytes) -> None:
    assert rebuilt(message, split(message)) == message


def test_all_malformed_mail_comes_back() -> None:
    for name, message in malformed():
        assert rebuilt(message, split(message)) == message, name


@pytest.mark.slow
def test_real_mail_comes_back() -> None:
    for name, message in islice(real(), 0, 15_000, 30):
        assert rebuilt(message, split(message)) == message, name


def test_a_file_is_cut_like_bytes(tmp_path: Path) -> None:
    message = plain(attachments=[("a.pdf", PDF), ("b.pdf", PDF * 300)])
    path = tmp_path / "message"
    path.write_bytes(message)
    with FileBuffer(path, 5000) as buf:
        assert split(buf) == split(message)


MEASURE = """
import hashlib, resource, sys
from pathlib import Path
from muniment.mail.buffer import FileBuffer
from muniment.mail.mime.split import decode_chunks, encode_chunks, split
from muniment.mail.text.read_text import read_message
sys.path.insert(0, sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
digest = hashlib.sha256()
with FileBuffer(Path(sys.argv[1])) as buf:
    cuts = split(buf)
    read_message(buf)
    for cut in cuts:
        if not cut.encoding:
            digest.update(buf[cut.start : cut.end])
            continue
        chunks = decode_chunks(buf, cut)
        for piece in encode_chunks(chunks, cut.width, cut.eol) if cut.encoding == "base64" else chunks:
            digest.update(piece)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(digest.hexdigest(), grown, *sorted({cut.encoding for cut in cuts if cut.data is None}), sep="|")
"""


def write_big(path: Path, total: int) -> str:
    """Write a message of about `total` bytes with one base64 part and one of plain lines.

    Returns its SHA-256.
    """
    import hashlib

    digest = hashlib.sha256()
    line = encode(bytes(range(57)), 76, b"\r\n") + b"\r\n"
    with path.open("wb") as file:
        for piece in (
            b"Subject: big\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
            b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            *[line * 1000] * (total * 2 // 3 // len(line) // 1000),
            b"\r\n--b\r\nContent-Type: text/plain\r\n\r\n",
            *[b"Some text of a very long mail\r\n" * 1000] * (total // 3 // 31_000),
            b"\r\n--b--\r\n",
        ):
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


@pytest.mark.slow
def test_a_message_of_100_mb_is_cut_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "big"
    expected = write_big(path, 100_000_000)
    core = str(Path(module.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), core],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": core},
    )
    digest, grown, *streamed = done.stdout.strip().split("|")
    assert digest == expected
    assert streamed == ["", "base64", "identity"]
    assert int(grown) < 140 * 1024, f"{int(grown) // 1024} MiB for a message of 100 MB"


@pytest.mark.soak
def test_all_real_mail_comes_back() -> None:
    for name, message in real():
        assert rebuilt(message, split(message)) == message, name
