"""Which files are deleted: only those that are kept to the last byte and have not changed since."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.errors import SourceError
from muniment.sources.base import FetchedItem, MailItem, RemarkingSource
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.factory import open_source
from muniment.sources.files.base import FileSource
from muniment.sources.files.eml import SETTLED
from muniment.sources.files.maildir import TWIN

MAIL = b"From: ann@example.org\r\nSubject: good\r\n\r\ntext\r\n"
SEPARATOR = b"From ann@example.org Mon Nov 23 11:00:00 2009\n"
PACKED = gzip.compress(MAIL * 50, mtime=0)


def opened(kind: str, path: Path) -> FileSource:
    source = open_source(FileEndpoint(kind=kind, path=str(path), work=path.parent / "work", deletes=True))
    source.connect()
    assert isinstance(source, FileSource)
    return source


def put(path: Path, content: bytes, age: float = 3600) -> Path:
    """A file that was written `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def read(source: FileSource) -> list[MailItem]:
    """The items of all messages, as they are after fetching."""
    answers = list(source.fetch(list(source.listing())))
    assert all(isinstance(one, FetchedItem) for one in answers), answers
    return [one.item for one in answers]


# --- single files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "deleted"),
    [
        ("plain.eml", MAIL, True),
        ("whole.eml.gz", PACKED, True),
        ("bom.eml", b"\xef\xbb\xbf" + MAIL, False),
        ("blank.eml", b"\r\n\r\n" + MAIL, False),
        ("separated.eml", SEPARATOR + MAIL, False),
        ("wide.eml", MAIL.decode().encode("utf-16"), False),
        ("wide-without-mark.eml", MAIL.decode().encode("utf-16-le"), False),
        ("packed-wide.eml.gz", gzip.compress(MAIL.decode().encode("utf-16")), False),
        ("1.emlx", b"%d\n" % len(MAIL) + MAIL + b"<plist/>", False),
        ("2.partial.emlx", b"%d\n" % len(MAIL) + MAIL + b"<plist/>", False),
        ("3.emlx.gz", gzip.compress(b"%d\n" % len(MAIL) + MAIL), False),
        ("still-coming.eml.gz", PACKED[:-8], False),
        ("cut.eml.gz", PACKED[:-40], False),
        ("and-more.eml.gz", PACKED + b"more", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_stays_unless_every_byte_is_kept(
    tmp_path: Path, name: str, content: bytes, deleted: bool
) -> None:
    path = put(tmp_path / "box" / name, content)
    source = opened("eml", path.parent)
    items = read(source)
    assert len(items) == 1
    assert [one.key for one in source.delete(items)] == [name] * deleted
    assert path.exists() != deleted


def rewritten(path: Path) -> None:
    path.write_bytes(MAIL + b"one line more\r\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))


def replaced(path: Path) -> None:
    other = put(path.with_name("other"), MAIL.replace(b"good", b"evil"))
    os.utime(other, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def linked(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.symlink_to("away")


def moved(path: Path) -> None:
    path.rename(path.parent.parent / "kept-by-others")


@pytest.mark.parametrize("kind", ["eml", "maildir", "spool"])
@pytest.mark.parametrize("change", [rewritten, replaced, linked, moved])
def test_a_changed_file_is_neither_deleted_nor_confirmed(
    tmp_path: Path, kind: str, change: Callable[[Path], None]
) -> None:
    path = put(tmp_path / "box" / ("" if kind == "eml" else "new") / "1.eml", MAIL)
    source = opened(kind, tmp_path / "box")
    items = read(source)
    change(path)
    assert source.delete(items) == []
    assert [one for one in tmp_path.rglob("*") if one.is_file() and "work" not in one.parts]


def test_a_file_that_was_just_written_stays_for_the_next_run(tmp_path: Path) -> None:
    """Its writer may not have finished, and what is written to a deleted file is lost."""
    path = put(tmp_path / "box" / "a.eml", MAIL, age=SETTLED - 10)
    ahead = put(tmp_path / "box" / "b.eml", MAIL, age=-100_000)
    source = opened("eml", path.parent)
    assert [one.key for one in source.delete(read(source))] == ["b.eml"]
    assert (path.exists(), ahead.exists()) == (True, False)
    put(path, MAIL)
    assert len(source.delete(read(source))) == 1


# --- Maildir ------------------------------------------------------------------------------------


def test_nothing_is_deleted_in_folders_below_a_maildir(tmp_path: Path) -> None:
    box = tmp_path / "box"
    own = [put(box / "new" / "1", MAIL), put(box / "cur" / "2:2,S", MAIL)]
    below = [".Trash", ".Junk", ".Sent.2025", "deep/er", ".Bert"]
    others = [put(box / name / "cur" / f"{n}:2,T", MAIL) for n, name in enumerate(below)]
    source = opened("maildir", box)
    items = read(source)
    assert len(items) == 7
    assert {one.stays for one in items if one.place.folder} == {True}
    assert sorted(one.key for one in source.delete(items)) == ["1", "2"]
    # This holds even if an item allows it.
    assert source.delete([MailItem(one.place, one.key) for one in items]) == []
    assert not any(path.exists() for path in own)
    assert all(path.exists() for path in others)
    assert isinstance(source, RemarkingSource)
    (remark,) = source.remarks()
    assert remark.startswith("5 folders below are read, and nothing is deleted there")
    own_profile = opened("maildir", box / ".Sent.2025")
    assert len(own_profile.delete(read(own_profile))) == 1


def test_a_damaged_file_of_a_maildir_stays(tmp_path: Path) -> None:
    cut = put(tmp_path / "box" / "cur" / "1:2,", PACKED[:-20])
    whole = put(tmp_path / "box" / "cur" / "2:2,", PACKED)
    source = opened("maildir", tmp_path / "box")
    assert [one.key for one in source.delete(read(source))] == ["2"]
    assert (cut.exists(), whole.exists()) == (True, False)


def test_two_messages_with_one_unique_name_are_named(tmp_path: Path) -> None:
    """One of them is read; the other is passed over and named."""
    put(tmp_path / "box" / "new" / "1", MAIL)
    put(tmp_path / "box" / "cur" / "1:2,S", MAIL + b"another")
    source = opened("maildir", tmp_path / "box")
    items = read(source)
    (passed,) = source.passed_over()
    assert (len(items), passed.reason, passed.examples) == (1, TWIN, ("cur/1:2,S",))
    assert source.expected == 2
    assert len(source.delete(items)) == 1
    (content,) = [one.content for one in source.fetch(list(source.listing())) if isinstance(one, FetchedItem)]
    assert content == MAIL + b"another"


def test_a_folder_that_can_not_be_read_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("", ".Shut", ".Open"):
        put(tmp_path / "box" / folder / "cur" / "1", MAIL)
    scan = os.scandir

    def denied(path: os.PathLike[str] | str) -> object:
        if os.fspath(path).endswith(".Shut/cur"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    source = opened("maildir", tmp_path / "box")
    assert sorted(one.place.folder for one in source.listing()) == ["", ".Open"]
    (passed,) = source.passed_over()
    assert passed.examples == (".Shut/cur",)
    assert "Permission denied" in passed.reason

    def shut(path: os.PathLike[str] | str) -> object:
        if os.fspath(path).endswith("box/cur"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", shut)
    with pytest.raises(SourceError, match="can't be read"):
        list(source.listing())
