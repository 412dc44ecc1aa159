"""Whole runs over files and folders that the disk or their permissions refuse, as a table.

In each row, the books balance, everything else is archived, the refused file or folder is named, and nothing
that is still there counts as deleted. Once it can be read, the next run archives it.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from support.reports import plain
from support.soak import in_soak
from support.vaults import TestVault

_NUMBERS = itertools.count()
LONG_AGO = 1_700_000_000
SEPARATOR = b"From a@example.org Mon Nov 23 10:00:00 2026\r\n"


class SickDisk:
    """Refuses system calls for some paths, as a bad disk does; permissions would not stop root."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sick: dict[str, tuple[tuple[str, ...], int]] = {}
        """The calls that are refused for a path, and the number of the error."""
        for name in ("open", "scandir", "unlink", "stat", "lstat"):
            monkeypatch.setattr(os, name, self._guarded(name, getattr(os, name)))

    def _guarded(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(path: Any, *more: Any, **named: Any) -> Any:
            calls, number = self.sick.get(os.fspath(path), ((), 0)) if not isinstance(path, int) else ((), 0)
            if name in calls:
                raise OSError(number, os.strerror(number), os.fspath(path))
            return call(path, *more, **named)

        return guarded


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SickDisk:
    return SickDisk(monkeypatch)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    """One vault for all rows, which must be sound at their end. Each row has its own folder."""
    made = TestVault(tmp_path_factory.mktemp("disk") / "vault")
    yield made
    made.sound()


FILES = {
    "eml": ("1.eml", "2.eml", "Sub/3.eml", "Sub/4.eml"),
    "mbox": ("one", "two", "Sub/three", "Sub/four"),
    "maildir": ("cur/1:2,S", "new/2", "cur/3:2,S", ".Sub/cur/4:2,"),
    "spool": ("new/1", "new/2", "new/3", "new/4"),
}
"""Files with a message each."""


@dataclass(frozen=True)
class Row:
    """What is refused, and what a run over four files makes of it."""

    kind: str
    sick: str
    calls: tuple[str, ...]
    number: int = errno.EIO
    new: int = 3
    failed: int = 0
    state: str = "failed"
    deleted: int = 3


READ, LIST = ("open",), ("scandir",)
ROWS = [
    Row("eml", "2.eml", READ, failed=1),
    Row("eml", "2.eml", ("unlink",), errno.EACCES, new=4),
    Row("mbox", "two", READ, state="ok", deleted=0),
    Row("maildir", "cur/3:2,S", ("stat", "lstat", "open"), failed=1, deleted=2),
]
LONG = [
    Row("spool", "new/2", ("unlink",), errno.EACCES, new=4),
    Row("eml", "Sub", LIST, errno.EACCES, new=2, deleted=2, state="ok"),
    Row("eml", "2.eml", READ, errno.EACCES, failed=1),
    Row("eml", "2.eml", ("stat", "lstat", "open"), failed=1),
    Row("eml", "", LIST, new=0, deleted=0),
    Row("mbox", "two", READ, errno.EACCES, state="ok", deleted=0),
    Row("mbox", "Sub", LIST, new=2, state="ok", deleted=0),
    Row("mbox", "", LIST, errno.EACCES, new=0, deleted=0),
    Row("maildir", "new/2", READ, errno.EACCES, failed=1, deleted=2),
    Row("maildir", "new/2", ("unlink",), errno.EROFS, new=4, deleted=2),
    Row("maildir", ".Sub", LIST, errno.EACCES, state="ok"),
    Row("maildir", ".Sub/cur", LIST, state="ok"),
    Row("maildir", "cur", LIST, new=0, deleted=0),
    Row("spool", "new/2", READ, failed=1),
    Row("spool", "new/2", ("stat", "lstat", "open"), errno.EACCES, failed=1),
    Row("spool", "delivered/2.json", READ, failed=1),
    Row("spool", "new", LIST, new=0, deleted=0),
]


def _id(row: Row) -> str:
    return f"{row.kind}: {row.calls[0]} {row.sick or 'all'} {errno.errorcode[row.number]}"


def fill(kind: str, root: Path) -> list[Path]:
    """Make the files of a row; the messages are new. Returns the files."""
    paths = [root / name for name in FILES[kind]]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        number = next(_NUMBERS)
        mail = plain(subject=f"m {number}", body=f"Text {number}.\r\n", message_id=f"<{number}@x.example>")
        path.write_bytes(SEPARATOR + mail if kind == "mbox" else mail)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return paths


def present(paths: list[Path]) -> int:
    """Number of files that are there, by the lists of their folders, since looking at one can be refused."""
    return sum(path.name in os.listdir(path.parent) for path in paths)  # noqa: PTH208  a call that is not refused


def run(vault: TestVault, name: str, paths: list[Path], state: str) -> api.RunSummary:
    there = present(paths)
    summary = vault.run(name)
    assert (summary.state, summary.balanced) == (state, True), summary.error
    assert summary.deleted == there - present(paths), "of each deletion, a record"
    return summary


@pytest.mark.parametrize("row", [*ROWS, *in_soak(*LONG)], ids=_id)
def test_a_refused_file_or_folder_costs_only_itself(
    vault: TestVault, disk: SickDisk, tmp_path: Path, row: Row
) -> None:
    root = tmp_path / "mail"
    paths = fill(row.kind, root)
    name = f"{row.kind}-{next(_NUMBERS)}"
    deletes = row.kind != "mbox"
    vault.profile(
        name, source=row.kind, path=str(root), journal=False, owner=f"{name}@example.com", delete=deletes
    )
    disk.sick[str(root / row.sick) if row.sick else str(root)] = row.calls, row.number
    summary = run(vault, name, paths, row.state)
    assert (summary.new, summary.failed, summary.deleted) == (row.new, row.failed, row.deleted), summary.error
    named = " ".join((summary.error, *summary.refused, *(str(one) for one in summary.passed)))
    assert Path(row.sick).name.partition(":")[0].removesuffix(".json") in named
    assert os.strerror(row.number) in named
    disk.sick.clear()
    summary = run(vault, name, paths, "ok")
    assert summary.new == 4 - row.new
    kept = {"mbox": 4, "maildir": 1}.get(row.kind, 0)
    assert present(paths) == kept
