"""Mail that others wrote, read where it is: the folder that MUNIMENT_CORPUS names, or `../shared`.

The folder has two parts, `corpus` and `cases`; they may not be copied into the project. A test that needs a
part is skipped where that is absent, with the reason. Where MUNIMENT_CORPUS is set, the test fails instead.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

VARIABLE = "MUNIMENT_CORPUS"
_BESIDE = Path(__file__).resolve().parents[2].parent / "shared"


def shared_dir() -> Path:
    """The folder of others' mail; it may be absent."""
    return Path(os.environ.get(VARIABLE) or _BESIDE)


def corpus_dir() -> Path:
    """The folder `corpus`; skips or fails the test where there is none."""
    return part("corpus")


def part(name: str) -> Path:
    """A folder within it; skips the test where it is absent, or fails it where MUNIMENT_CORPUS is set."""
    found = shared_dir() / name
    if not found.is_dir():
        reason = f"others' mail is absent: no folder {found} (see {VARIABLE} in CONTRIBUTING.md)"
        if os.environ.get(VARIABLE):
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
