"""Files of an export that the engine sends: complete under their names, or not there at all."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment.api import Chunk, Done, ExportFile, Step, WireWord
from muniment.client.receiving import receive
from muniment.errors import NotFound, UsageError

DONE = Done(message="2 messages exported.")


def sent(*files: tuple[str, bytes]) -> list[WireWord]:
    words: list[WireWord] = []
    for name, data in files:
        words += [ExportFile(name=name), Step(text="1 of 2"), Chunk(data=data[:1]), Chunk(data=data[1:])]
    return words


def there(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


DEEP = sent(("out/NATIVES/0001/a.eml", b"first"), ("out/manifest.jsonl", b"{}"))
FOLDER = sent(("out/a.eml", b"first"), ("out/manifest.jsonl", b"{}"))
MBOX = sent(("out.mbox", b"first"), ("out.mbox.manifest.jsonl", b"{}"))


@pytest.mark.parametrize(("name", "words"), [("out", FOLDER), ("out.mbox", MBOX)])
@pytest.mark.parametrize("made", [False, True])
def test_all_files_have_their_names_when_done_arrives(
    tmp_path: Path, name: str, words: list[WireWord], made: bool
) -> None:
    if made and name == "out":
        (tmp_path / name).mkdir()
    seen = []
    for word in receive(iter([*words, DONE]), tmp_path / "new" / name if not made else tmp_path / name):
        if isinstance(word, Step):
            assert all(
                path.split("/")[-2 if name == "out" else -1].endswith(".part") for path in there(tmp_path)
            )
        else:
            seen = sorted(Path(path).name for path in there(tmp_path))
    assert seen == sorted(Path(word.name).name for word in words if isinstance(word, ExportFile))
    assert set(there(tmp_path).values()) == {b"first", b"{}"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*.eml"))


@pytest.mark.parametrize("made", [False, True])
def test_folders_in_an_export_are_made_for_their_owner_alone(tmp_path: Path, made: bool) -> None:
    target = tmp_path / "out"
    if made:
        target.mkdir(mode=0o700)
    list(receive(iter([*DEEP, DONE]), target))
    assert there(target) == {"NATIVES/0001/a.eml": b"first", "manifest.jsonl": b"{}"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (target, *target.rglob("*")))


def test_a_folder_with_files_is_not_filled_up(tmp_path: Path) -> None:
    (tmp_path / "out/NATIVES").mkdir(parents=True)
    (tmp_path / "out/NATIVES/mine").write_bytes(b"mine")
    with pytest.raises(UsageError, match="not empty: name a new folder"):
        list(receive(iter([*DEEP, DONE]), tmp_path / "out"))
    assert there(tmp_path) == {"out/NATIVES/mine": b"mine"}


@pytest.mark.parametrize(("name", "words"), [("out", FOLDER), ("out", DEEP), ("out.mbox", MBOX)])
def test_nothing_is_left_of_an_export_that_fails_or_is_stopped(
    tmp_path: Path, name: str, words: list[WireWord]
) -> None:
    def failing() -> Iterator[WireWord]:
        yield from words
        raise NotFound("gone")

    with pytest.raises(NotFound):
        list(receive(failing(), tmp_path / name))
    assert list(tmp_path.iterdir()) == []
    stopped = receive(iter([*words, DONE]), tmp_path / name)
    next(stopped)
    assert there(tmp_path)
    stopped.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../out", "out/../x", "other", "out/a/../b", "out/a/b/c/d", "a/b/c", "/etc/x", "out/.."]
)
def test_a_file_outside_of_the_export_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="does not belong"):
        list(receive(iter(sent((name, b"x"))), tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "words"), [("out", FOLDER), ("out.mbox", MBOX)])
def test_nothing_that_exists_is_replaced(tmp_path: Path, name: str, words: list[WireWord]) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        list(receive(iter([*words, DONE]), tmp_path / name))
    assert there(tmp_path) == {name: b"mine"}


def test_a_name_that_is_taken_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    words = receive(iter([*MBOX, DONE]), tmp_path / "out.mbox")
    next(words)
    (tmp_path / "out.mbox").write_bytes(b"mine")
    with pytest.raises(UsageError, match="can't be written"):
        list(words)
    assert there(tmp_path) == {"out.mbox": b"mine"}


class FullDisk(io.BufferedWriter):
    """A file on a disk without room, which is noticed when its buffer is written."""

    def __init__(self, handle: int, mode: str) -> None:
        super().__init__(io.FileIO(handle, mode), buffer_size=4)

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, data: Any) -> int:
        if len(data) >= 4:
            self.flush()
        return super().write(data)


@pytest.mark.parametrize("size", [2, 100])
@pytest.mark.parametrize("name", ["out/a.eml", "out.mbox"])
def test_a_full_disk_is_named_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int
) -> None:
    """A small file fills the disk when it is closed, a large one while it is written."""
    monkeypatch.setattr(os, "fdopen", FullDisk)
    with pytest.raises(UsageError, match=r"No space left on device.*make room and try again"):
        list(receive(iter([*sent((name, b"x" * size)), DONE]), tmp_path / name.partition("/")[0]))
    assert list(tmp_path.iterdir()) == []
