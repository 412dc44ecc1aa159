"""Mbox files of many writers: which lines separate messages, and which are text."""

from __future__ import annotations

import mailbox
import re
import tracemalloc
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from muniment.errors import SourceError
from muniment.sources.base import FetchedItem, Source, UnfetchedItem
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.factory import open_source
from muniment.sources.files import mbox_scan
from muniment.sources.files.mbox_scan import spots
from muniment.sources.files.separator import is_bare, separator
from support.cases import cases_dir

Opener = Callable[[Path], Source]
NOON = 1258974000
"""2009-11-23 11:00 UTC."""
SEP = b"From ann@example.org Mon Nov 23 11:00:00 2009\n"
LF = SEP + b"Subject: 1\n\n>From the desk\nFrom\n\n" + SEP + b"Subject: 2\n\nx\n\n"


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    def make(path: Path) -> Source:
        source = open_source(FileEndpoint(kind="mbox", path=str(path), work=tmp_path / "work"))
        source.connect()
        return source

    return make


def bodies(source: Source) -> list[bytes]:
    answers = source.fetch(list(source.listing()))
    return [
        answer.content
        for answer in answers
        if isinstance(answer, FetchedItem) and isinstance(answer.content, bytes)
    ]


def cut(path: Path, block: int = mbox_scan.BLOCK) -> list[bytes]:
    """The messages of a file, read in blocks of this size."""
    content = path.read_bytes()
    with path.open("rb") as file:
        return [content[spot.start : spot.end] for spot in spots(file, block)]


# --- separator lines ------------------------------------------------------------------------------

SEPARATORS = [
    b"From ann@example.org Mon Nov 23 11:00:00 2009",
    b"From ann@example.org  Mon Nov 23 11:00:00 2009  ",
    b"From ann@example.org Mon, Nov 23 11:00:00 2009",
    b"From ann@example.org MON NOV 23 11:00:00 2009",
    b"From ann@example.org Mon Nov 23 11:00 2009",
    b"From - Mon Nov 23 11:00:00 2009",
    b"From MAILER-DAEMON Mon Nov 23 11:00:00 2009",
    b"From root Mon Nov 23 11:00:00 2009",
    b"From  Mon Nov 23 11:00:00 2009",
    b"From 1234567890@xxx Mon Nov 23 11:00:00 +0000 2009",
    b"From 1234567890@xxx Mon Nov 23 12:00:00 +0100 2009",
    b"From ann@example.org Mon Nov 23 06:00:00 EST 2009",
    b"From ann@example.org Mon Nov 23 06:00:00 2009 EST",
    b"From ann@example.org Mon Nov 23 06:00:00 2009 -0500",
    b"From ann@example.org Mon, 23 Nov 2009 12:00:00 +0100",
    b"From ann@example.org 23 Nov 2009 11:00:00 GMT",
    b"From ann@example.org 23-Nov-2009 11:00:00 +0000",
    b"From ann@example.org 2009-11-23T11:00:00Z",
    b"From ann@example.org 2009-11-23 12:00:00+01:00",
    b"From ann@example.org 2009-11-23T11:00:00.123456+0000",
    b"From ???@??? Mon Nov 23 11:00:00 2009",
    b"From ann at example.org  Mon Nov 23 11:00:00 2009",
    b'From "Ann Lee" <ann@example.org> Mon Nov 23 11:00:00 2009',
    b"From Ann Lee <ann@example.org> Mon Nov 23 11:00:00 2009",
    b"From ann@host Mon Nov 23 11:00:00 2009 remote from relay",
    b"From ann@example.org Mon Nov 23 11:00:00 09",
    b"From <ann@example.org> Mon Nov 23 11:00:00 2009",
    b"From gr\xc3\xbc\xc3\x9fe@example.org Mon Nov 23 11:00:00 2009 (added by hand)",
]


@pytest.mark.parametrize("line", SEPARATORS)
def test_a_separator_has_an_address_and_a_date(line: bytes) -> None:
    found = separator(line)
    assert found is not None
    assert found.date == NOON


@pytest.mark.parametrize(
    "line",
    [
        b"From our point of view the heron project is done.",
        b"From Monday on we invoice.",
        b"From Monday at 11:00 we meet.",
        b"From ann@example.org",
        b"From ann@example.org Mon Nov 23 2009",
        b"From ann@example.org Mon Nov 23 11:00:00 2009 on we meet",
        b"From the notes of last week: Mon Nov 23 11:00:00 2009",
        b"From 11:00 to 12:00",
        b"From: ann@example.org Mon Nov 23 11:00:00 2009",
        b">From ann@example.org Mon Nov 23 11:00:00 2009",
        b" From ann@example.org Mon Nov 23 11:00:00 2009",
        b"from ann@example.org Mon Nov 23 11:00:00 2009",
        b"From " + b"a" * 5000 + b" Mon Nov 23 11:00:00 2009",
        b"From ",
        b"From",
    ],
)
def test_other_lines_are_text(line: bytes) -> None:
    assert separator(line) is None


@pytest.mark.parametrize(
    "date", [b"Mon Feb 30 11:00:00 2009", b"Mon Nov 23 25:00:00 2009", b"Mon Nov 23 11:00:00 1066"]
)
def test_an_impossible_date_still_makes_a_separator(date: bytes) -> None:
    found = separator(b"From ann@example.org " + date)
    assert found is not None
    assert found.date is None


@given(st.binary(max_size=60).map(lambda rest: b"From " + rest.replace(b"\n", b"")))
def test_any_line_can_be_read(line: bytes) -> None:
    separator(line)
    is_bare(line)


# --- where messages begin and end -----------------------------------------------------------------


def test_text_that_begins_with_from_is_no_separator() -> None:
    first, second = cut(cases_dir() / "files" / "mbox" / "unescaped-from.mbox")
    assert (
        b"From our point of view the heron project is done.\nFrom Monday on we invoice.\n\nRegards\n" in first
    )
    assert message_from_bytes(second)["Subject"] == "mb second"


@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("attached-mbox.mbox", ["mb with attached mbox"]),
        ("bom.mbox", ["mb bom"]),
        ("crlf.mbox", ["mb crlf", "mb crlf second"]),
        ("leading-blank.mbox", ["mb leading blank"]),
        ("mboxrd.mbox", ["mb rd", "mb rd second"]),
        ("no-blank-between.mbox", ["mb nb first", "mb nb second"]),
        ("no-date.mbox", ["mb no date from line 2009"]),
        ("no-final-newline.mbox", ["mb no final nl"]),
        ("takeout.mbox", ["mb thunderbird"]),
        ("tb-dash.mbox", ["mb thunderbird"]),
        ("unescaped-from.mbox", ["mb unescaped from", "mb second"]),
        ("Apple.mbox/mbox", ["mb apple package"]),
        ("Inbox.sbd/nested", ["mb nested folder file"]),
    ],
)
def test_each_case_is_split_where_its_mails_end(name: str, subjects: list[str]) -> None:
    found = cut(cases_dir() / "files" / "mbox" / name)
    assert [message_from_bytes(mail)["Subject"] for mail in found] == subjects


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_mbox_messages_are_unchanged(opened: Opener, tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / "box"
    path.write_bytes(LF.replace(b"\n", ending))
    expected = [b"Subject: 1\n\n>From the desk\nFrom\n", b"Subject: 2\n\nx\n"]
    assert bodies(opened(path)) == [m.replace(b"\n", ending) for m in expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SEP, [b""]),
        (SEP[:-1], [b""]),
        (SEP + b"\n", [b""]),
        (SEP + b"x", [b"x"]),
        (SEP + SEP + b"x\n", [b"", b"x\n"]),
        (SEP + b"x\n" + SEP + b"A: y\n", [b"x\n", b"A: y\n"]),
        (SEP + b"x\n" + SEP + b"y\n", [b"x\n" + SEP + b"y\n"]),
        (SEP + b"x\n\n" + SEP + b"y\n", [b"x\n", b"y\n"]),
        (SEP + b"x\n\n\n", [b"x\n\n"]),
        (SEP + b"A: x\n\nFrom a@x\nB: y\n", [b"A: x\n\nFrom a@x\nB: y\n"]),
        (SEP + b"A: x\n\ny\n\nFrom \nB: y\n", [b"A: x\n\ny\n", b"B: y\n"]),
        (SEP + b"A: x\n\ny\n\nFrom -\nB: y\n", [b"A: x\n\ny\n", b"B: y\n"]),
        (SEP + b"A: x\n\ny\nFrom \nB: y\n", [b"A: x\n\ny\nFrom \nB: y\n"]),
        (SEP + b"A: x\n\ny\n\nFrom \nno field\n", [b"A: x\n\ny\n\nFrom \nno field\n"]),
        (b"From \r\nA: x\r\n\r\ny\r\n\r\nFrom \r\nB: y\r\n", [b"A: x\r\n\r\ny\r\n", b"B: y\r\n"]),
        (b"From a@x\nA: x\n", [b"A: x\n"]),
        (b"\xef\xbb\xbf\r\n\n" + SEP + b"A: x\n", [b"A: x\n"]),
        (b"From our point of view\nit is done\n", []),
        (b"junk\n\n" + SEP + b"A: x\n", []),
        (b"", []),
    ],
)
def test_mbox_edges(tmp_path: Path, content: bytes, expected: list[bytes]) -> None:
    path = tmp_path / "box"
    path.write_bytes(content)
    assert cut(path) == expected


def test_mbox_separators_are_found_across_blocks(tmp_path: Path) -> None:
    block = mbox_scan.BLOCK
    for shift in range(-60, 12, 3):
        head = b"A: b\n\n" + b"x" * (block + shift - len(SEP)) + b"\n"
        path = tmp_path / "box"
        path.write_bytes(SEP + head + b"\n" + SEP + b"second\n\n" + SEP + b"y" * block + b"\n")
        assert cut(path) == [head, b"second\n", b"y" * block + b"\n"], shift


@pytest.mark.parametrize("block", [64, 100, 257])
def test_the_size_of_blocks_makes_no_difference(block: int) -> None:
    for path in (cases_dir() / "files" / "mbox").glob("*.mbox"):
        if path.is_file():
            assert cut(path, block) == cut(path)


# --- Content-Length ---------------------------------------------------------------------------------

INNER = b"see:\n\n" + SEP + b"Subject: forged\n\nnot a mail\n"


def sized(length: int) -> bytes:
    return SEP + b"Subject: 1\nContent-Length: %d\n\n" % length + INNER + b"\n" + SEP + b"Subject: 2\n\nx\n"


@pytest.mark.parametrize("more", [0, 1])
def test_a_length_that_leads_to_a_separator_is_used(tmp_path: Path, more: int) -> None:
    path = tmp_path / "box"
    path.write_bytes(sized(len(INNER) + more))
    first, second = cut(path)
    assert first.endswith(INNER)
    assert second == b"Subject: 2\n\nx\n"


@pytest.mark.parametrize("more", [-len(INNER), -1, 2, 3, 40, 10**6, 10**14])
def test_a_wrong_length_is_ignored(tmp_path: Path, more: int) -> None:
    path = tmp_path / "box"
    path.write_bytes(sized(len(INNER) + more))
    assert [mail.splitlines()[0] for mail in cut(path)] == [b"Subject: 1", b"Subject: forged", b"Subject: 2"]


def test_two_different_lengths_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(sized(len(INNER)).replace(b"Subject: 1\n", b"Subject: 1\ncontent-length: 3\n"))
    assert len(cut(path)) == 3


def test_a_length_can_lead_to_the_end(tmp_path: Path) -> None:
    for end in (b"", b"\n", b"\r\n"):
        path = tmp_path / "box"
        path.write_bytes(SEP + b"Content-Length: %d\n\n" % len(INNER) + INNER + end)
        assert len(cut(path)) == 1


# --- attached files -----------------------------------------------------------------------------------

ATTACHED = SEP + b"Subject: 1\n\n--b1234567\nContent-Type: text/plain\n\n" + SEP + b"Subject: inner\n\nx\n\n"


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (ATTACHED + b"--b1234567--\n\n" + SEP + b"Subject: 2\n\n", 2),
        # The next mail does not close it, nor does what follows.
        (ATTACHED + SEP + b"Subject: 2\n\n--b1234567--\n\n", 3),
        (ATTACHED + b"--b1234567-\n\n" + SEP + b"Subject: 2\n\n", 3),
        (ATTACHED + b"--b1234567--x\n\n" + SEP + b"Subject: 2\n\n", 3),
        (ATTACHED.replace(b"b1234567", b"---Original Message---") + b"-----Original Message-----\n", 2),
        (ATTACHED.replace(b"Content-Type", b"Subject") + b"--b1234567--\n\n", 2),
    ],
)
def test_an_attached_mbox_is_part_of_its_mail(tmp_path: Path, content: bytes, count: int) -> None:
    path = tmp_path / "box"
    path.write_bytes(content)
    assert len(cut(path)) == count


# --- any mail, any writer -----------------------------------------------------------------------------

TEXTS = st.lists(
    st.sampled_from(
        [b"", b"", b"text", b"From the desk", b">From the desk", b"From ", b"Subject: x", b"From ann@x.org",
         b"--b1234567", b"Content-Length: 20", b"\xff\xfe", b"From: ann@x.org", SEP[:-1]]
    ),
    max_size=12,
)  # fmt: skip
MAILS = st.lists(st.tuples(st.integers(0, 99), TEXTS), max_size=5)


def written(number: int, text: list[bytes]) -> bytes:
    return b"Subject: %d\n\n" % number + b"".join(line + b"\n" for line in text)


def quoted(mail: bytes) -> bytes:
    """Quote a mail like mailbox.mbox and other writers of mboxo."""
    return mail.replace(b"\nFrom ", b"\n>From ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(MAILS, st.data())
def test_files_of_the_standard_library_are_read(
    tmp_path: Path, mails: list[tuple[int, list[bytes]]], data: st.DataObject
) -> None:
    path = tmp_path / "box"
    path.unlink(missing_ok=True)
    box = mailbox.mbox(path)
    for mail in mails:
        box.add(written(*mail))
    box.close()
    assert cut(path) == [quoted(written(*mail)) for mail in mails]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@example([(1, [b"x"]), (2, [SEP[:-1], b"Subject: x"])], b"\n", True, SEP)
@given(
    MAILS,
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
    st.sampled_from([line + b"\n" for line in SEPARATORS] + [b"From \n", b"From -\n"]),
)
def test_files_with_and_without_lengths_are_read(
    tmp_path: Path, mails: list[tuple[int, list[bytes]]], ending: bytes, sizes: bool, line: bytes
) -> None:
    path = tmp_path / "box"
    whole, expected = b"", []
    for number, text in mails:
        mail = written(number, text)
        if sizes:
            head, _, body = mail.partition(b"\n\n")
            mail = head + b"\nContent-Length: %d\n\n" % len(body.replace(b"\n", ending)) + body
        else:
            mail = quoted(mail)
        expected.append(mail.replace(b"\n", ending))
        whole += (line + mail + b"\n").replace(b"\n", ending)
    path.write_bytes(whole)
    assert cut(path) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(
    st.lists(
        st.sampled_from(
            [SEP, b"\n", b"\r\n", b"Content-Length: 9\n", b"A: b\n", b"From ", b"x\n", b"--b1234567\n",
             b"Content-Type: x\n", b"--b1234567--\n", b"\r", b"\xef\xbb\xbf"]
        ),
        max_size=30,
    )
)  # fmt: skip
def test_any_file_is_split_in_order_and_loses_no_text(tmp_path: Path, pieces: list[bytes]) -> None:
    path = tmp_path / "box"
    content = SEP + b"".join(pieces)
    path.write_bytes(content)
    with path.open("rb") as file:
        found = list(spots(file))
    at = 0
    for spot in found:
        assert at <= spot.start <= spot.end <= len(content)
        assert re.fullmatch(rb"(?:\r?\n)?(?:\xef\xbb\xbf)?[\r\n]*From [^\n]*\n?", content[at : spot.start])
        at = spot.end
    assert content[at:] in (b"", b"\n", b"\r\n")


# --- keys, and files that change ------------------------------------------------------------------------


def test_mbox_keys_stay_when_mail_is_appended(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(LF)
    source = opened(path)
    before = list(source.listing())
    with path.open("ab") as file:
        file.write(SEP + b"late\n\n")
    assert list(source.listing())[:2] == before
    path.write_bytes(LF.replace(b"Subject: 1", b"Subject: 9"))
    answers = list(source.fetch(before))
    assert [isinstance(a, UnfetchedItem) and a.gone for a in answers] == [True, False]


def test_a_message_that_is_still_being_written_is_not_fetched(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(LF + SEP + b"Subject: 3\n\nhalf of")
    source = opened(path)
    listed = list(source.listing())
    with path.open("ab") as file:
        file.write(b" it\n\n")
    *answers, last = source.fetch(listed)
    assert all(isinstance(answer, FetchedItem) for answer in answers)
    assert isinstance(last, UnfetchedItem)
    assert last.gone
    assert bodies(source)[2:] == [b"Subject: 3\n\nhalf of it\n"]


def test_a_mail_is_dated_by_its_separator(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "box"
    path.write_bytes(LF)
    assert [item.date for item in opened(path).listing()] == [NOON, NOON]


def test_a_folder_of_mbox_files_is_read_file_by_file(opened: Opener, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    (box / "b").write_bytes(SEP + b"second\n\n")
    (box / "a").write_bytes(SEP + b"first\n\n")
    (box / "a.msf").write_bytes(b"an index\n" + SEP)
    source = opened(box)
    items = list(source.listing())
    assert [i.place.folder for i in items] == ["a", "b"]
    assert [a.content for a in source.fetch(items) if isinstance(a, FetchedItem)] == [b"first\n", b"second\n"]


@pytest.mark.parametrize("content", [b"%PDF-1.4\n" + SEP, b"From our point of view\nall is well\n"])
def test_a_file_that_is_not_an_mbox_is_named(opened: Opener, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "box"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="is not an mbox file"):
        opened(path)


@pytest.mark.slow
def test_memory_does_not_grow_with_a_file_or_a_message(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "box"
    large = b"Subject: large\n\n" + b"a line of text\n" * 2**20
    with path.open("wb") as file:
        file.write(SEP + large + b"\n")
        for number in range(2000):
            file.write(SEP + written(number, [b"text"]) + b"\n")
    source = opened(path)
    tracemalloc.start()
    answers = [answer for item in source.listing() for answer in source.fetch([item])]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(answers) == 2001
    assert peak < 14 * 2**20  # 8 MiB of it can be one message before it goes to a file
    (first,) = [answer.content for answer in answers if isinstance(answer, FetchedItem)][:1]
    assert isinstance(first, Path)
    assert first.read_bytes() == large
