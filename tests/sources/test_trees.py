"""Trees of files: contents of containers, folders for paths, and what is passed over and why."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.sources import passing
from muniment.sources.base import FetchedItem, MailItem, SkippingSource, Source, UnfetchedItem
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.factory import open_source
from muniment.sources.files import unpacking
from muniment.sources.files.base import open_plain
from muniment.sources.source_limits import SourceLimits
from support.cases import cases_dir

Opener = Callable[..., Source]
MAIL = b"From: ann@example.org\r\nSubject: %d\r\n\r\ntext\r\n"
SEP = b"From ann@example.org Mon Nov 23 11:00:00 2009\n"
MBOX = SEP + MAIL % 1 + b"\r\n" + SEP + MAIL % 2 + b"\r\n"
DATE = 1258974000
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": lambda data: bz2.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": zstandard.compress,
}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    sources = []

    def make(kind: str, path: Path, **limits: int) -> Source:
        work = tmp_path / "work"
        source = open_source(
            FileEndpoint(kind=kind, path=str(path), work=work, limits=SourceLimits(**limits))
        )
        source.connect()
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()


def read(source: Source) -> list[tuple[MailItem, bytes]]:
    """Every item with its bytes; each one must be fetched."""
    found = []
    for answer in source.fetch(list(source.listing())):
        assert isinstance(answer, FetchedItem), answer
        content = answer.content
        if isinstance(content, Path):
            content = content.read_bytes()
        found.append((answer.item, content))
    return found


def passed(source: Source) -> dict[str, tuple[str, ...]]:
    """The names of files that were passed over, by reason."""
    assert isinstance(source, SkippingSource)
    for one in source.passed_over():
        assert one.count == len(one.examples)
    return {one.reason: tuple(sorted(one.examples)) for one in source.passed_over()}


def fill(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


# --- single files -----------------------------------------------------------------------------------


def test_each_file_of_the_cases_is_read_or_named(opened: Opener) -> None:
    source = opened("eml", cases_dir() / "files" / "eml")
    found = {item.key: content for item, content in read(source)}
    assert len(found) == 18
    for name, content in found.items():
        assert content.lower().startswith((b"from: nora", b">from nora@")), name
    assert passed(source) == {
        passing.EMPTY: ("empty.eml",),
        passing.BLANK: ("whitespace.eml",),
        passing.WEB_PAGE: ("html-saved.eml",),
        passing.OUTLOOK: ("msg-renamed.eml", "outlook.msg"),
    }
    assert source.expected == 23
    assert found["utf16.eml"].endswith("\r\n\r\nx grüße\r\n".encode())
    assert found["12345.emlx"].endswith(b"\n\nemlx body\n")


CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "a.eml": lambda mail: mail,
    "bom.eml": lambda mail: b"\xef\xbb\xbf" + mail,
    "blank.eml": lambda mail: b"\r\n\n" + mail,
    "both.eml": lambda mail: b"\xef\xbb\xbf\r\n" + SEP + mail,
    "separator.eml": lambda mail: SEP + mail,
    "banner.eml": lambda mail: b"Microsoft Mail Internet Headers Version 2.0\r\n" + mail,
    "le.eml": lambda mail: b"\xff\xfe" + mail.decode().encode("utf-16-le"),
    "be.eml": lambda mail: b"\xfe\xff" + mail.decode().encode("utf-16-be"),
    "unmarked.eml": lambda mail: mail.decode().encode("utf-16-le"),
    "unmarked-be.eml": lambda mail: mail.decode().encode("utf-16-be"),
    "a.emlx": lambda mail: b"%d      \n" % len(mail) + mail + b"<plist><dict></dict></plist>",
    **{f"a.eml{ending}": pack for ending, pack in PACKERS.items()},
    "a.emlx.gz": lambda mail: gzip.compress(b"%d\n" % len(mail) + mail + b"<plist/>"),
    "wide.eml.gz": lambda mail: gzip.compress(b"\xff\xfe" + mail.decode().encode("utf-16-le")),
    "two.eml.gz": lambda mail: gzip.compress(mail[:9]) + gzip.compress(mail[9:]),
    "two.eml.xz": lambda mail: lzma.compress(mail[:9], preset=0) + lzma.compress(mail[9:], preset=0),
    "two.eml.zst": lambda mail: zstandard.compress(mail[:9]) + zstandard.compress(mail[9:]),
}


LARGE = 9 * 1024 * 1024
"""Size in bytes above which a message is passed on as a file."""


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, 0) for name in CONTAINERS), *((n, LARGE) for n in ("a.emlx", "le.eml", "a.eml.gz"))],
)
def test_the_content_of_a_container_is_the_message(
    opened: Opener, tmp_path: Path, name: str, size: int
) -> None:
    mail = MAIL % 1 + "grüße 漢字 😀\r\n".encode() + os.urandom(512).hex().encode() * (size // 1024)
    source = opened("eml", fill(tmp_path / "box", {name: CONTAINERS[name](mail)}))
    ((item, content),) = read(source)
    assert content == mail
    assert item.size in (None, len(mail))
    assert passed(source) == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.text(st.characters(codec="utf-8"), max_size=60), st.sampled_from(sorted(CONTAINERS)))
def test_any_text_is_read_unchanged(opened: Opener, tmp_path: Path, text: str, name: str) -> None:
    mail = MAIL % 1 + text.encode()
    box = tmp_path / "box"
    for old in box.glob("*"):
        old.unlink()
    ((_, content),) = read(opened("eml", fill(box, {name: CONTAINERS[name](mail)})))
    assert content == mail


def test_invalid_utf_16_is_read_unchanged(opened: Opener, tmp_path: Path) -> None:
    mail = b"\xff\xfe" + (MAIL % 1).decode().encode("utf-16-le") + b"\x00\xd8x\0"
    ((_, content),) = read(opened("eml", fill(tmp_path / "box", {"a.eml": mail})))
    assert content == mail


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.eml", b"", passing.EMPTY),
        ("empty.emlx", b"", passing.EMPTY),
        ("blank.eml", b"\r\n \t\n", passing.BLANK),
        ("page.eml", b"<!DOCTYPE html>\n<html>\nSubject: x", passing.WEB_PAGE),
        ("page.eml", b"\xef\xbb\xbf\r\n<HTML><body>weasel", passing.WEB_PAGE),
        ("wide.eml", b"\xff\xfe" + "<html>weasel".encode("utf-16-le"), passing.WEB_PAGE),
        ("item.eml", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), passing.OUTLOOK),
        ("item.MSG", b"x", passing.OUTLOOK),
        ("._a.eml", b"\x00\x05\x16\x07\x00\x02" + bytes(60), passing.APPLE_DOUBLE),
        ("double.eml", b"\x00\x05\x16\x07\x00\x02" + bytes(60), passing.APPLE_DOUBLE),
        ("letter.eml", b"Dear Ann,\r\nNote: it rains.\r\n", passing.NO_MAIL),
        ("list.eml", b"Note: it rains\r\nTodo: go home\r\n", passing.NO_MAIL),
        ("late.eml", b"Dear Ann,\r\n\r\nSubject: x\r\n", passing.NO_MAIL),
        ("a.pdf.eml", b"%PDF-1.7\n" + bytes(100), passing.NO_MAIL),
        ("image.eml", b"\x89PNG\r\n\x1a\n" + bytes(100), passing.NO_MAIL),
        ("wrong.emlx", b"99999\n" + MAIL % 1, passing.NO_MAIL),
        ("bare.emlx", MAIL % 1, passing.NO_MAIL),
        ("broken.eml.gz", gzip.compress(MAIL % 1, mtime=0)[:12], passing.NO_MAIL),
        ("notes.txt", MAIL % 1, "a file that is not named .eml or .emlx"),
        ("old.pst", b"!BDN", passing.OUTLOOK_DATA),
        ("mails.zip", b"PK", passing.PACKED_FILES),
        ("mails.tar.gz", b"x", passing.PACKED_FILES),
        (".DS_Store", b"x", passing.INDEX),
    ],
)
def test_files_that_are_no_mail_are_named(
    opened: Opener, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    source = opened("eml", fill(tmp_path / "box", {f"in/{name}": content, "good.eml": MAIL % 1}))
    assert [content for _, content in read(source)] == [MAIL % 1]
    assert passed(source) == {reason: (f"in/{name}",)}


@pytest.mark.parametrize(
    "mail",
    [
        b"Received: x\r\n by y\r\n\r\n",
        b"X-Mozilla-Status: 0001\n\n",
        b"A line of junk\r\nReceived: x\r\n\r\n",
        b"subject : x\r\n",
        b"Subject: cr only\r\rtext\r",
        b"X-Long: " + b"a" * 60_000 + b"\r\nSubject: s\r\n\r\n",
        b">From ann@example.org Mon Nov 23 11:00:00 2009\nSubject: s\n\n",
        b" folded first\r\nTo: b@example.com\r\n\r\n<html>",
        b"To: b@example.com\0\r\n\r\n\0",
    ],
)
def test_a_file_with_a_mail_header_field_is_mail(opened: Opener, tmp_path: Path, mail: bytes) -> None:
    ((_, content),) = read(opened("eml", fill(tmp_path / "box", {"a.eml": mail})))
    assert content == mail


def test_flags_of_an_apple_mail_are_read(opened: Opener, tmp_path: Path) -> None:
    plist = b"<plist><dict><key>flags</key>\n\t<integer>8590195733</integer></dict></plist>"
    mail = MAIL % 1
    source = opened("eml", fill(tmp_path / "box", {"a.emlx": b"%d\n" % len(mail) + mail + plist}))
    (item,) = source.listing()
    assert item.flags == ("F", "R", "S")


def test_a_file_has_the_date_of_its_last_write(opened: Opener, tmp_path: Path) -> None:
    box = fill(tmp_path / "box", {"a.eml": MAIL % 1})
    os.utime(box / "a.eml", (DATE, DATE))
    assert [item.date for item in opened("eml", box).listing()] == [DATE]


@pytest.mark.soak
def test_a_tree_of_any_depth_is_read(opened: Opener, tmp_path: Path) -> None:
    folders = [str(tmp_path / "box")]
    folders += [f"{folders[0]}{'/d' * depth}" for depth in range(1, 1100)]
    for folder in folders:
        os.mkdir(folder)  # noqa: PTH102  paths this long are slow as Path
    mail = Path(f"{folders[-1]}/a.eml")
    mail.write_bytes(MAIL % 1)
    try:
        assert len(read(opened("eml", tmp_path / "box"))) == 1
    finally:
        mail.unlink()
        for folder in reversed(folders):
            os.rmdir(folder)  # noqa: PTH106


def test_many_files_with_one_reason_are_counted(opened: Opener, tmp_path: Path) -> None:
    source = opened("eml", fill(tmp_path / "box", {f"{n:03}.txt": b"" for n in range(200)}))
    assert list(source.listing()) == []
    assert isinstance(source, SkippingSource)
    (one,) = source.passed_over()
    assert (one.count, len(one.examples)) == (200, passing.EXAMPLES)
    assert list(source.listing()) == []
    assert [one.count for one in source.passed_over()] == [200]


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_named(opened: Opener, tmp_path: Path) -> None:
    box = fill(tmp_path / "box", {"a.eml": MAIL % 1, "shut/b.eml": MAIL % 2})
    (box / "shut").chmod(0)
    source = opened("eml", box)
    try:
        assert len(read(source)) == 1
        ((reason, names),) = passed(source).items()
    finally:
        (box / "shut").chmod(0o700)
    assert "Permission denied" in reason
    assert names == ("shut",)


@pytest.mark.parametrize("kind", ["eml", "mbox", "maildir"])
def test_a_folder_that_fails_is_named_and_the_rest_is_read(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    files = {"eml": ("a.eml", MAIL % 1), "mbox": ("a", SEP + MAIL % 1), "maildir": ("cur/a", MAIL % 1)}
    name, content = files[kind]
    box = fill(tmp_path / "box", {name: content, f"broken/{name}": content})
    scandir = os.scandir

    def failing(path: Path) -> Any:
        if Path(path).name == "broken":
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    source = opened(kind, box)
    assert [content for _, content in read(source)] == [MAIL % 1]
    ((reason, names),) = passed(source).items()
    assert "Input/output error" in reason
    assert names == ("broken",)


def test_a_file_that_fails_in_a_tree_is_named_and_the_rest_is_read(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened("mbox", fill(tmp_path / "box", {"a": MBOX, "b": MBOX}))
    plain = open_plain

    def failing(path: Path) -> BinaryIO:
        if Path(path).name == "a":
            raise OSError(5, "Input/output error")
        return plain(path)

    monkeypatch.setattr(unpacking, "open_plain", failing)
    assert [item.place.folder for item, _ in read(source)] == ["b", "b"]
    ((reason, names),) = passed(source).items()
    assert "Input/output error" in reason
    assert names == ("a",)


# --- bombs and damage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("kind", ["eml", "mbox"])
def test_a_bomb_is_refused_in_bounded_memory(opened: Opener, tmp_path: Path, kind: str, ending: str) -> None:
    bomb = PACKERS[ending](MBOX + bytes(24 * 2**20))
    box = fill(tmp_path / "box", {f"a.eml{ending}": bomb, f"b.eml{ending}": PACKERS[ending](MBOX)})
    source = opened(kind, box, unpacked=4 * 2**20)
    tracemalloc.start()
    items = list(source.listing())
    answers = list(source.fetch(items))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    source.close()
    assert peak < 16 * 2**20
    if kind == "eml":
        assert isinstance(answers[0], UnfetchedItem)
        assert passing.BOMB in answers[0].reason
        assert isinstance(answers[1], FetchedItem)
    else:
        assert [item.place.folder for item in items] == [f"b.eml{ending}"] * 2
        assert passed(source) == {passing.BOMB: (f"a.eml{ending}",)}
    assert list((tmp_path / "work").iterdir()) == []


def test_a_huge_dictionary_is_refused(opened: Opener, tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**28}]
    packed = lzma.compress(MBOX, filters=filters)
    source = opened("mbox", fill(tmp_path / "box", {"a.mbox.xz": packed}))
    assert list(source.listing()) == []
    assert passed(source) == {passing.DAMAGED: ("a.mbox.xz",)}


def test_a_full_disk_is_not_filled_further(opened: Opener, tmp_path: Path) -> None:
    box = fill(
        tmp_path / "box",
        {"a.gz": gzip.compress(MBOX + os.urandom(2**22), 1), "b.gz": gzip.compress(MBOX)},
    )
    source = opened("mbox", box, free_space=2**60, unchecked=2**20)
    assert {item.place.folder for item in source.listing()} == {"b.gz"}
    assert passed(source) == {passing.NO_ROOM: ("a.gz",)}


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_the_part_before_the_damage_is_read(opened: Opener, tmp_path: Path, ending: str) -> None:
    mails = b"".join(SEP + MAIL % n + os.urandom(5_000).hex().encode() + b"\r\n\r\n" for n in range(40))
    packed = PACKERS[ending](mails)
    source = opened("mbox", fill(tmp_path / "box", {f"a.mbox{ending}": packed[: len(packed) * 2 // 3]}))
    found = read(source)
    assert 10 < len(found) < 40
    assert b"".join(content for _, content in found[:5]) in mails.replace(b"\r\n\r\n" + SEP, b"\r\n")
    assert passed(source) == {passing.DAMAGED: (f"a.mbox{ending}",)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.sampled_from(sorted(PACKERS)), st.integers(0, 200), st.integers(0, 255), st.booleans())
def test_any_damage_can_be_read(
    opened: Opener, tmp_path: Path, ending: str, at: int, byte: int, cut: bool
) -> None:
    packed = bytearray(PACKERS[ending](MBOX))
    at %= len(packed)
    packed[at:] = b"" if cut else bytes([byte]) + packed[at + 1 :]
    for kind, name in (("mbox", "box"), ("eml", "a.eml"), ("maildir", "cur/a")):
        root = tmp_path / kind
        source = opened(kind, fill(root, {name: bytes(packed)}))
        list(source.fetch(list(source.listing())))
        source.close()


# --- trees of mbox files --------------------------------------------------------------------------------


def test_each_file_of_the_mbox_cases_is_read(opened: Opener) -> None:
    source = opened("mbox", cases_dir() / "files" / "mbox")
    found = read(source)
    assert len(found) == 18
    assert passed(source) == {}
    titles = {item.place.folder: item.place.title for item, _ in found if item.place.title}
    assert titles == {"Apple.mbox/mbox": "Apple", "Inbox.sbd/nested": "Inbox/nested", "mbox.gz": "mbox"}


def test_a_tree_of_thunderbird_and_apple(opened: Opener, tmp_path: Path) -> None:
    files = {
        "Inbox": MBOX,
        "Inbox.msf": b'// <!-- <mdb:mork:z v="1.4"/> -->',
        "Inbox.sbd/Kunden": MBOX,
        "Inbox.sbd/Kunden.sbd/München": MBOX,
        "Inbox.sbd/Kunden.msf": b"x",
        "Trash": b"",
        "msgFilterRules.dat": b"version=9",
        "Work.mbox/mbox": MBOX,
        "Work.mbox/table_of_contents": b"x",
        "Work.mbox/a\\b.mbox/mbox": MBOX,
        "takeout/All mail.mbox.gz": gzip.compress(MBOX),
        "letter.eml": MAIL % 9,
        "notes.txt": b"From our point of view\nall is well\n",
        "UPPER.SBD/X.MBX": MBOX,
    }
    source = opened("mbox", fill(tmp_path / "box", files))
    titles = {item.place.folder: item.place.title for item in source.listing()}
    assert titles == {
        "Inbox": "",
        "Inbox.sbd/Kunden": "Inbox/Kunden",
        "Inbox.sbd/Kunden.sbd/München": "Inbox/Kunden/München",
        "Work.mbox/mbox": "Work",
        "Work.mbox/a\\b.mbox/mbox": "Work/a\\\\b",
        "takeout/All mail.mbox.gz": "takeout/All mail",
        "UPPER.SBD/X.MBX": "UPPER/X",
    }
    assert [content for _, content in read(source)] == [MAIL % 1, MAIL % 2] * 7
    assert passed(source) == {
        passing.INDEX: (
            "Inbox.msf",
            "Inbox.sbd/Kunden.msf",
            "Work.mbox/table_of_contents",
            "msgFilterRules.dat",
        ),
        passing.EMPTY: ("Trash",),
        "a file of a single mail: use a profile of kind eml": ("letter.eml",),
        passing.NO_MAIL: ("notes.txt",),
    }


def test_names_that_are_not_unicode_are_read_and_shown(opened: Opener, tmp_path: Path) -> None:
    for kind, name, content in (
        ("mbox", b"a\xff", MBOX),
        ("eml", b"\xfc.eml", MAIL % 1),
        ("eml", b"\xfc.txt", b"x"),
    ):
        box = tmp_path / kind
        fill(box / os.fsdecode(b"\xfe"), {os.fsdecode(name): content})
    source = opened("mbox", tmp_path / "mbox")
    assert len(read(source)) == 2
    assert {item.place.title for item in source.listing()} == {"\ufffd/a\ufffd"}
    source = opened("eml", tmp_path / "eml")
    assert len(read(source)) == 1
    assert list(itertools.chain(*passed(source).values())) == ["\ufffd/\ufffd.txt"]


def test_compressed_files_keep_their_keys_and_are_unpacked_once(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = fill(tmp_path / "box", {f"{name}.gz": gzip.compress(MBOX) for name in "abc"})
    source = opened("mbox", box)
    items = list(source.listing())
    assert [item.key for item in items] == [item.key for item in source.listing()]
    plain = fill(tmp_path / "plain", {"a": MBOX})
    assert {item.key for item in items} == {item.key for item in opened("mbox", plain).listing()}
    unpacked: list[str] = []
    unpack = unpacking._unpack

    def watched(file: BinaryIO, kind: str, into: BinaryIO, limits: SourceLimits) -> str:
        unpacked.append(kind)
        return unpack(file, kind, into, limits)

    monkeypatch.setattr(unpacking, "_unpack", watched)
    assert len([answer for answer in source.fetch(items) if isinstance(answer, FetchedItem)]) == 6
    assert len(unpacked) <= 3
    source.close()
    assert len(read(opened("mbox", box / "a.gz"))) == 2


# --- Maildir++ ------------------------------------------------------------------------------------------


def test_folders_below_a_maildir_are_folders(opened: Opener, tmp_path: Path) -> None:
    files = {
        "cur/1.a:2,S": MAIL % 1,
        "new/2.b": MAIL % 2,
        "tmp/3.c": MAIL % 3,
        ".Sent/cur/1.a:2,S": MAIL % 4,
        ".Kunden.M&APw-nchen & Co/new/5.e": MAIL % 5,
        ".Empty/cur/.keep": b"",
        "fs/Below/cur/6.f": MAIL % 6,
        ".work.directory/old/cur/7.g": gzip.compress(MAIL % 7),
        "dovecot-uidlist": b"3 V1",
        "courierimapkeywords/:list": b"x",
        ".Sent/maildirfolder": b"",
        ".Sent/dovecot.index.log": b"x",
        ".Sent/notes.txt": b"x",
    }
    source = opened("maildir", fill(tmp_path / "box", files))
    (tmp_path / "box" / ".Empty" / "cur" / ".keep").unlink()
    found = [(item.place.title, item.key, content) for item, content in read(source)]
    assert found == [
        ("", "1.a", MAIL % 1),
        ("", "2.b", MAIL % 2),
        ("Kunden/München & Co", "5.e", MAIL % 5),
        ("Sent", "1.a", MAIL % 4),
        ("work/old", "7.g", MAIL % 7),
        ("fs/Below", "6.f", MAIL % 6),
    ]
    assert passed(source) == {
        passing.INDEX: (".Sent/dovecot.index.log", ".Sent/maildirfolder", "dovecot-uidlist"),
        "a file beside new/ and cur/": (".Sent/notes.txt", "courierimapkeywords/:list"),
    }
    items = list(source.listing())
    (tmp_path / "box" / ".Sent" / "cur" / "1.a:2,S").rename(tmp_path / "box" / ".Sent" / "cur" / "1.a:2,RS")
    answers = list(source.fetch(items))
    assert [answer.content for answer in answers if isinstance(answer, FetchedItem)].count(MAIL % 4) == 1
    assert [item.key for item in source.delete(items)] == ["1.a", "2.b"]
    left = [path for sub in ("new", "cur") for path in (tmp_path / "box").rglob(f"{sub}/*")]
    assert len(left) == 4  # nothing is deleted in folders below


def test_a_tree_without_a_maildir_at_the_top_is_read(opened: Opener, tmp_path: Path) -> None:
    source = opened("maildir", fill(tmp_path / "box", {"INBOX/cur/1": MAIL % 1, "Sent/new/1": MAIL % 2}))
    assert [item.place.title for item in source.listing()] == ["INBOX", "Sent"]
    assert [content for _, content in read(source)] == [MAIL % 1, MAIL % 2]
