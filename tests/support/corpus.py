"""Mail from outside, read in its place: the folder that MUNIMENT_CORPUS names, or `../shared`.

The folder has two parts, `corpus` and `cases`, which may not be copied into the project. A test that needs a
part is skipped if the part is missing, with the reason. If MUNIMENT_CORPUS is set, the test fails instead.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

VARIABLE = "MUNIMENT_CORPUS"
_BESIDE = Path(__file__).resolve().parents[2].parent / "shared"


def shared_dir(beside: Path = _BESIDE) -> Path:
    """The folder of mail from outside, which may be missing; by default the one `beside` the project."""
    return Path(os.environ.get(VARIABLE) or beside)


def corpus_dir(beside: Path = _BESIDE) -> Path:
    """The folder `corpus`. Without it the test is skipped or fails."""
    return part("corpus", beside)


def part(name: str, beside: Path = _BESIDE) -> Path:
    """A folder inside it. Without it the test is skipped, or fails if MUNIMENT_CORPUS is set."""
    found = shared_dir(beside) / name
    if not found.is_dir():
        reason = f"others' mail is absent: no folder {found} (see {VARIABLE} in CONTRIBUTING.md)"
        if os.environ.get(VARIABLE):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def journal_files() -> list[tuple[str, bytes]]:
    """The genuine journal reports, name and bytes, in the CRLF form in which they were sent."""
    paths = sorted((corpus_dir() / "journal").glob("*.eml"))
    assert paths, "the corpus has no journal report, so a loop over them would check nothing"
    return [(path.name, _crlf(path.read_bytes())) for path in paths]


def malformed() -> Iterator[tuple[str, bytes]]:
    """Every message of malformed.tar.xz, name and bytes, in the archive's order."""
    return _members(corpus_dir() / "malformed.tar.xz")


def real() -> Iterator[tuple[str, bytes]]:
    """Every message of real.tar.xz, name and bytes, in the archive's order. A caller may stop early."""
    return _members(corpus_dir() / "real.tar.xz")


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    count = 0
    with tarfile.open(archive, "r|xz") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                count += 1
                yield member.name, content.read()
    assert count, f"{archive} has no message, so a loop over it would check nothing"


def _crlf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
