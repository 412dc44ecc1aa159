"""What the app remembers."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from muniment_tui.shell.state import State, load, save, state_file


def test_it_is_remembered_for_its_owner_alone(tmp_path):
    path = tmp_path / "deep" / "app.json"
    save(path, State(area="runs", theme="light", vault="/v", widths={"tree": 30}))
    assert load(path) == State(area="runs", theme="light", vault="/v", widths={"tree": 30})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["app.json"]


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\xff\xfe", b"[]", b'{"area": 3}', b'{"widths": "x"}', b"[" * 100_000, b'{"area":"r'],
)
def test_garbage_is_nothing(tmp_path, garbage):
    path = tmp_path / "app.json"
    path.write_bytes(garbage)
    assert load(path) == State()


def test_what_a_newer_program_wrote_is_no_trouble(tmp_path):
    path = tmp_path / "app.json"
    path.write_text('{"area": "runs", "new": [1, 2]}')
    assert load(path).area == "runs"


def test_a_place_that_can_not_be_written_is_no_trouble(tmp_path):
    (tmp_path / "file").touch()
    save(tmp_path / "file" / "app.json", State(area="runs"))
    assert load(tmp_path / "file" / "app.json") == State()


def test_a_link_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_text("theirs")
    path = tmp_path / "app.json"
    path.symlink_to(target)
    save(path, State(area="runs"))
    assert target.read_text() == "theirs"
    assert load(path).area == "runs"


def test_where_it_is(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert state_file() == Path("/state/muniment/app.json")
    for nowhere in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", nowhere)
        assert state_file() == Path("/home/ada/.local/state/muniment/app.json")
