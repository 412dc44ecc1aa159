"""Files: other files are passed over, moved ones are found, unreadable ones are named."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.errors import SourceError
from muniment.mail.text.read_text import read_message
from muniment.sources import passing
from muniment.sources.base import FetchedItem, PassedOver, SkippingSource, Source, UnfetchedItem
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.factory import open_source
from support.cases import cases_dir

Opener = Callable[[str, Path], Source]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    def make(kind: str, path: Path) -> Source:
        source = open_source(FileEndpoint(kind=kind, path=str(path), work=tmp_path / "work"))
        source.connect()
        return source

    return make


MAIL = b"Subject: good\r\n\r\ntext\r\n"


def passed(source: Source) -> list[PassedOver]:
    """What a source has passed over in its current listing."""
    assert isinstance(source, SkippingSource)
    return source.passed_over()


def everything(source: Source) -> dict[str, bytes]:
    found = {}
    for answer in source.fetch(list(source.listing())):
        assert isinstance(answer, FetchedItem)
        assert isinstance(answer.content, bytes)
        found[answer.item.key] = answer.content
    return found


def age(box: Path) -> None:
    """Give all files below an old time of writing."""
    for path in box.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def maildir(root: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (root / name).mkdir(parents=True)
    return root


# --- maildir ------------------------------------------------------------------------------------


def test_maildir_flags_are_not_part_of_the_key(opened: Opener, tmp_path: Path) -> None:
    box = maildir(tmp_path / "m")
    (box / "new" / "1.a").write_bytes(b"A")
    (box / "cur" / "2.b,S=1:2,FS").write_bytes(b"B")
    (box / "tmp" / "3.c").write_bytes(b"not delivered")
    source = opened("maildir", box)
    assert [(i.key, i.flags) for i in source.listing()] == [("1.a", ()), ("2.b,S=1", ("F", "S"))]
    assert everything(source) == {"1.a": b"A", "2.b,S=1": b"B"}


def test_renamed_maildir_messages_are_found(opened: Opener, tmp_path: Path) -> None:
    box = maildir(tmp_path / "m")
    for n in range(6):
        (box / "new" / f"{n}.x").write_bytes(b"%d" % n)
    source = opened("maildir", box)
    items = list(source.listing())
    (box / "new" / "1.x").rename(box / "cur" / "1.x:2,S")
    (box / "new" / "2.x").rename(box / "cur" / "2.x:2,")
    (box / "new" / "3.x").unlink()
    answers = {a.item.key: a for a in source.fetch(items)}
    assert {k: a.content for k, a in answers.items() if isinstance(a, FetchedItem)} == {
        f"{n}.x": b"%d" % n for n in (0, 1, 2, 4, 5)
    }
    assert [a.gone for a in answers.values() if isinstance(a, UnfetchedItem)] == [True]
    (box / "new" / "4.x").rename(box / "cur" / "4.x:2,RS")
    assert sorted(one.key for one in source.delete(items)) == [f"{n}.x" for n in (0, 1, 2, 4, 5)]
    assert [p for p in box.rglob("*") if p.is_file()] == []


def test_a_path_that_is_not_a_maildir_is_named(opened: Opener, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(SourceError, match="is not a Maildir"):
            opened("maildir", path)


# --- other files --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "inside"), [("maildir", "new"), ("eml", ""), ("spool", "new")])
def test_links_pipes_and_folders_are_passed_over(
    opened: Opener, tmp_path: Path, kind: str, inside: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.eml").write_bytes(b"secret")
    box = maildir(tmp_path / "box")
    folder = box / inside
    (folder / "good.eml").write_bytes(MAIL)
    (folder / "link.eml").symlink_to(outside / "secret.eml")
    (folder / "folder").symlink_to(outside)
    os.mkfifo(folder / "pipe.eml")
    source = opened(kind, box)
    assert everything(source) == {"good.eml": MAIL}
    counts = {one.reason: one.count for one in passed(source)}
    assert counts == {passing.LINK: 2, passing.SPECIAL: 1}


def test_a_file_that_becomes_a_link_or_a_pipe_is_not_followed(opened: Opener, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    for name in ("a.eml", "b.eml"):
        (box / name).write_bytes(MAIL)
    source = opened("eml", box)
    items = list(source.listing())
    (tmp_path / "secret").write_bytes(b"secret")
    (box / "a.eml").unlink()
    (box / "a.eml").symlink_to(tmp_path / "secret")
    (box / "b.eml").unlink()
    os.mkfifo(box / "b.eml")
    answers = list(source.fetch(items))
    assert [isinstance(a, UnfetchedItem) and not a.gone for a in answers] == [True, True]


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(opened: Opener, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    (box / "a.eml").write_bytes(b"mail")
    (box / "a.eml").chmod(0)
    source = opened("eml", box)
    (answer,) = source.fetch(list(source.listing()))
    assert isinstance(answer, UnfetchedItem)
    assert "Permission denied" in answer.reason


def test_a_file_that_fails_to_read_is_named(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "a.eml").write_bytes(MAIL)
    source = opened("eml", tmp_path / "box")
    items = list(source.listing())

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("muniment.sources.files.unpacking.open_plain", broken)
    (answer,) = source.fetch(items)
    assert isinstance(answer, UnfetchedItem)
    assert not answer.gone
    assert "Input/output error" in answer.reason


# --- eml ------------------------------------------------------------------------------------------


def test_eml_files_with_any_names_are_found_in_order(opened: Opener, tmp_path: Path) -> None:
    box = tmp_path / "box"
    (box / "b" / "deep").mkdir(parents=True)
    (box / "a.EML").write_bytes(MAIL + b"1")
    (box / "b" / "deep" / "ü.eml").write_bytes(MAIL + b"2")
    (box / "b" / "notes.txt").write_bytes(b"no mail")
    Path(os.fsdecode(os.fsencode(box) + b"/\xff\xfe.eml")).write_bytes(MAIL + b"3")
    source = opened("eml", box)
    found = everything(source)
    assert found == {"/fffe2e656d6c": MAIL + b"3", "a.EML": MAIL + b"1", "b/deep/ü.eml": MAIL + b"2"}
    assert list(found) == sorted(found)
    age(box)
    assert len(source.delete(list(source.listing()))) == 3
    assert [p.name for p in box.rglob("*") if p.is_file()] == ["notes.txt"]


CASES = {
    "12345.emlx": ("em emlx", "emlx body\n"),
    "Grüße aus Köln.eml": ("em umlaut filename", "x\n"),
    "UPPER.EML": ("em upper ext", "x\n"),
    "bom.eml": ("em utf8 bom", "x\n"),
    "cr-only.eml": ("em cr only", "x\ny\n"),
    "fold-blank.eml": ("em folded blank  next", "x\n"),
    "from-line.eml": ("em from line", "x\n"),
    "gt-from-line.eml": ("em gt from line", "x\n"),
    "gz.eml.gz": ("em gz", "x\n"),
    "header-only.eml": ("em header only", ""),
    "junk-line.eml": (
        "em junk line in header",
        "Microsoft Mail Internet Headers Version 2.0\nbody after junk line\n",
    ),
    "long-header.eml": ("em long header", "x\n"),
    "lower-headers.eml": ("em lower", "x\n"),
    "mixed-eol.eml": ("em mixed eol", "body mixed\nline\n"),
    "nul.eml": ("em nul", "a\0b nulbeast\n"),
    "space-before-colon.eml": ("em space colon", "x\n"),
    "tab-fold.eml": ("em folded\tsubject  here", "x\n"),
    "utf16.eml": ("em utf16", "x grüße\n"),
}
"""By the name of a file: the subject and the text of its mail."""


def test_the_mail_in_each_file_of_the_cases_is_read(opened: Opener) -> None:
    read = {
        name: read_message(content)
        for name, content in everything(opened("eml", cases_dir() / "files" / "eml")).items()
    }
    assert {name: (summary.subject, text.body) for name, (summary, text) in read.items()} == CASES
    assert {(summary.sender, summary.to, summary.date) for summary, _ in read.values()} == {
        ("Nora Quist <nora@outside.example>", "bob@contoso.com", 1_793_693_700)  # 2026-11-03 09:15 +0100
    }


def test_a_missing_folder_is_named(opened: Opener, tmp_path: Path) -> None:
    for kind, sentence in (("eml", "There is no folder"), ("mbox", "can't be read")):
        with pytest.raises(SourceError, match=sentence):
            opened(kind, tmp_path / "nowhere")


def test_deletion_that_fails_is_not_confirmed(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "a.eml").write_bytes(MAIL)
    age(tmp_path / "box")
    source = opened("eml", tmp_path / "box")
    items = list(source.listing())

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", denied)
        assert source.delete(items) == []
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", denied)
        with pytest.raises(SourceError, match="can't be synced"):
            source.delete(items)


# --- spool ----------------------------------------------------------------------------------------


def test_a_spool_is_made_and_shows_only_complete_messages(opened: Opener, tmp_path: Path) -> None:
    source = opened("spool", tmp_path / "spool")
    assert list(source.listing()) == []
    (tmp_path / "spool" / "tmp" / "1.half").write_bytes(b"ha")
    (tmp_path / "spool" / "new" / "0.whole").write_bytes(b"whole")
    assert everything(source) == {"0.whole": b"whole"}
