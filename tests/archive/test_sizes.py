"""Disk usage: files that are removed meanwhile count as 0."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from muniment.archive.files.disk_usage import size_of, size_of_files


def test_a_missing_file_counts_as_zero(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"123")
    (tmp_path / "two").write_bytes(b"45")
    assert size_of(tmp_path) == 5
    assert size_of(tmp_path / "nowhere") == 0
    assert size_of_files([tmp_path / "two", tmp_path / "gone"]) == 2


def test_a_folder_that_is_removed_while_it_is_read_counts_as_zero(
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
