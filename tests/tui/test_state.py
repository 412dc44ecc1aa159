"""The state that the app keeps between two starts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from muniment_tui.shell.state import AppState, load, save, state_file


def test_the_state_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "app.json"
    save(path, AppState(area="runs", theme="light", widths={"tree": 30}))
    assert load(path) == AppState(area="runs", theme="light", widths={"tree": 30})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["app.json"]


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\xff\xfe", b"[]", b'{"area": 3}', b'{"widths": "x"}', b"[" * 100_000, b'{"area":"r'],
)
def test_an_invalid_state_file_is_ignored(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "app.json"
    path.write_bytes(garbage)
    assert load(path) == AppState()


def test_unknown_fields_of_a_newer_version_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    path.write_text('{"area": "runs", "new": [1, 2]}')
    assert load(path).area == "runs"


def test_an_unwritable_state_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    save(tmp_path / "file" / "app.json", AppState(area="runs"))
    assert load(tmp_path / "file" / "app.json") == AppState()


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("theirs")
    path = tmp_path / "app.json"
    path.symlink_to(target)
    save(path, AppState(area="runs"))
    assert target.read_text() == "theirs"
    assert load(path).area == "runs"


def test_the_path_of_the_state_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert state_file() == Path("/state/muniment/app.json")
    for nowhere in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", nowhere)
        assert state_file() == Path("/home/ada/.local/state/muniment/app.json")
