"""Sizes of files that come and go, as a rebuild's do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from muniment.archive.files.disk_usage import size_of, size_of_files


def test_what_is_gone_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"123")
    (tmp_path / "two").write_bytes(b"45")
    assert size_of(tmp_path) == 5
    assert size_of(tmp_path / "nowhere") == 0
    assert size_of_files([tmp_path / "two", tmp_path / "gone"]) == 2


def test_a_folder_that_goes_while_it_is_walked_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one").write_bytes(b"123")
    real = Path.stat

    def stat(path: Path, **named: bool) -> object:
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        return real(path, **named)

    monkeypatch.setattr(Path, "stat", stat)
    assert size_of(tmp_path) == 0
