"""Mail that lies beside the project, read where it lies: `../shared/corpus`.

Tests that use it are skipped, saying so, where it is absent; with CI=true its absence is a failure.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def corpus_dir() -> Path:
    """The corpus's folder; skips the test where there is none, or fails it when CI=true."""
    found = _ROOT.parent / "shared" / "corpus"
    if not found.is_dir():
        reason = "the corpus is absent: no folder ../shared/corpus beside the project"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def journal_files() -> list[tuple[str, bytes]]:
    """The genuine journal reports, name and bytes, in the CRLF form that they were sent in."""
    paths = sorted((corpus_dir() / "journal").glob("*.eml"))
    return [(path.name, _crlf(path.read_bytes())) for path in paths]


def malformed() -> Iterator[tuple[str, bytes]]:
    """Every message of malformed.tar.xz, name and bytes, in the archive's order."""
    return _members(corpus_dir() / "malformed.tar.xz")


def real() -> Iterator[tuple[str, bytes]]:
    """Every message of real.tar.xz, name and bytes, in the archive's order; stop when you have enough."""
    return _members(corpus_dir() / "real.tar.xz")


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive, "r|xz") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, content.read()


def _crlf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
