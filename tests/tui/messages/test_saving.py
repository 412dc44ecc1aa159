"""Files that the app writes for the user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.api import Chunk, Done, Step, WireWord
from muniment.errors import NotFound, UsageError
from muniment_tui.messages.saving import free_path, path_of, path_problem, save_stream


def words() -> Iterator[WireWord]:
    yield Chunk(data=b"one")
    yield Step(text="a note")
    yield Chunk(data=b"two")


def test_a_saved_file_is_complete_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    *rest, done = save_stream(words(), path)
    assert rest == [Step(text="a note")]
    assert isinstance(done, Done)
    assert path.read_bytes() == b"onetwo"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="name another path"):
        list(save_stream(words(), path))
    assert path.read_bytes() == b"onetwo"


def test_a_failed_or_abandoned_save_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> Iterator[WireWord]:
        yield Chunk(data=b"one")
        raise NotFound("it is gone")

    with pytest.raises(NotFound):
        list(save_stream(failing(), tmp_path / "file"))
    abandoned = save_stream(words(), tmp_path / "file")
    next(abandoned)
    abandoned.close()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="make room"):
        list(_full(tmp_path))
    assert list(tmp_path.iterdir()) == []


def _full(folder: Path) -> Iterator[WireWord]:
    def filling() -> Iterator[WireWord]:
        raise OSError(28, "No space left on device")
        yield

    return save_stream(filling(), folder / "full")


def test_unusable_paths_are_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert path_problem("") == "Type a path."
    assert "already exists" in path_problem(str(tmp_path / "file"))
    assert "not writable" in path_problem(str(tmp_path / "file" / "below"))
    for fine in ("folder", "new.zip", "new/below"):
        assert path_problem(str(tmp_path / fine)) == ""


def test_free_path_adds_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_path(tmp_path, "mail.zip") == tmp_path / "mail.zip"
    (tmp_path / "mail.zip").touch()
    (tmp_path / "mail-2.zip").touch()
    assert free_path(tmp_path, "mail.zip") == tmp_path / "mail-3.zip"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of(" ~/x ") == tmp_path / "x"
