"""Files that the reader of mail writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.api import Chunk, Done, Step, Word
from muniment.errors import NotFound, UsageError
from muniment_tui.messages.saving import free, path_of, saved, trouble


def words() -> Iterator[Word]:
    yield Chunk(data=b"one")
    yield Step(text="a note")
    yield Chunk(data=b"two")


def test_what_is_saved_is_whole_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    *rest, done = saved(words(), path)
    assert rest == [Step(text="a note")]
    assert isinstance(done, Done)
    assert path.read_bytes() == b"onetwo"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="name another place"):
        list(saved(words(), path))
    assert path.read_bytes() == b"onetwo"


def test_what_fails_or_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[Word]:
        yield Chunk(data=b"one")
        raise NotFound("it went away")

    with pytest.raises(NotFound):
        list(saved(failing(), tmp_path / "file"))
    given_up = saved(words(), tmp_path / "file")
    next(given_up)
    given_up.close()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="make room"):
        list(_full(tmp_path))
    assert list(tmp_path.iterdir()) == []


def _full(folder: Path) -> Iterator[Word]:
    def filling() -> Iterator[Word]:
        raise OSError(28, "No space left on device")
        yield

    return saved(filling(), folder / "full")


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert trouble("") == "Type a path."
    assert "exists already" in trouble(str(tmp_path / "file"))
    assert "can't be written" in trouble(str(tmp_path / "file" / "below"))
    for fine in ("folder", "new.zip", "new/below"):
        assert trouble(str(tmp_path / fine)) == ""


def test_names_that_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert free(tmp_path, "mail.zip") == tmp_path / "mail.zip"
    (tmp_path / "mail.zip").touch()
    (tmp_path / "mail-2.zip").touch()
    assert free(tmp_path, "mail.zip") == tmp_path / "mail-3.zip"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of(" ~/x ") == tmp_path / "x"
