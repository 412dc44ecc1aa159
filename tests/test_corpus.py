"""Tests that need others' mail are skipped without it, and fail where it is demanded."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import corpus


def test_absent_mail_skips_a_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(corpus.VARIABLE, raising=False)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception, match="absent"):
        corpus.corpus_dir(beside=tmp_path)


def test_absent_mail_fails_a_test_where_it_is_demanded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(corpus.VARIABLE, str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="absent"):
        corpus.corpus_dir()


def test_the_named_folder_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    monkeypatch.setenv(corpus.VARIABLE, str(tmp_path))
    assert corpus.corpus_dir() == tmp_path / "corpus"
