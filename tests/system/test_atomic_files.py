"""Files are written whole or not at all, privately, and durably where that is asked for."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from muniment.system.atomic_files import (
    PRIVATE,
    STALE,
    copy_file,
    create_file,
    is_temporary,
    sync_folder,
    write_file,
    write_pieces,
)

OLD, NEW = b"old content\n", b"new content\n" * 500_000
STEPS = ("open", "fdopen", "fchmod", "fsync", "replace", "open folder", "fsync folder")
"""The calls of a durable write, in their order."""


class Killed(BaseException):
    """The process is dead: it runs nothing more."""


class Disk:
    """Records the calls of a write, and fails at one of them or kills the process there."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fail_at = ""
        self.kill_at = ""
        self.dead = False

    @contextmanager
    def watching(self) -> Iterator[Disk]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("open", "fdopen", "fchmod", "fsync", "unlink"):
                patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
            patch.setattr(Path, "replace", self._wrapped("replace", Path.replace))
            patch.setattr(Path, "unlink", self._wrapped("unlink", Path.unlink))
            yield self

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            step = name
            if name in ("open", "fsync") and _is_folder(args):
                step = f"{name} folder"
            self.calls.append(step)
            if self.dead or step == self.kill_at:
                self.dead = True
                raise Killed
            if step == self.fail_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call


def _is_folder(args: tuple[Any, ...]) -> bool:
    if isinstance(args[0], int):
        return stat.S_ISDIR(os.fstat(args[0]).st_mode)
    return bool(args[1] & os.O_DIRECTORY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "settings.toml"
    found.write_bytes(OLD)
    return found


def beside(path: Path) -> list[str]:
    """What is in the folder besides the file."""
    return [entry.name for entry in path.parent.iterdir() if entry != path]


def test_a_durable_write_syncs_the_file_before_it_replaces_and_the_folder_after(path: Path) -> None:
    with Disk().watching() as disk:
        write_file(path, NEW, durable=True)
    assert tuple(disk.calls) == STEPS
    assert path.read_bytes() == NEW
    assert beside(path) == []


def test_a_write_that_is_not_durable_syncs_nothing(path: Path) -> None:
    with Disk().watching() as disk:
        write_file(path, NEW, durable=False)
    assert not [call for call in disk.calls if "fsync" in call]
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_an_error_leaves_the_old_content_or_none_and_no_temporary_file(
    path: Path, step: str, there: bool, durable: bool
) -> None:
    if not there:
        path.unlink()
    disk = Disk()
    disk.fail_at = step
    failed = False
    with disk.watching():
        try:
            write_file(path, NEW, durable=durable)
        except OSError as error:
            failed = error.errno == errno.ENOSPC
    assert failed == (step in disk.calls)
    replaced = "replace" in disk.calls and step != "replace"
    assert content(path) == (NEW if replaced else OLD if there else None)
    assert beside(path) == []


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_process_leaves_the_old_or_the_new_content(path: Path, step: str) -> None:
    disk = Disk()
    disk.kill_at = step
    with disk.watching(), pytest.raises(Killed):
        write_file(path, NEW, durable=True)
    assert path.read_bytes() == (NEW if "folder" in step else OLD)
    left = beside(path)
    assert all(is_temporary(name) and mode_of(path.with_name(name)) == PRIVATE for name in left)
    assert len(left) == (step in ("fdopen", "fchmod", "fsync", "replace"))
    write_file(path, b"next", durable=True)
    assert path.read_bytes() == b"next"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_full_disk(path: Path) -> None:
    """A limit on the size of files is the same to a program as a disk that fills up while it writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(NEW) // 2, hard))
    try:
        with pytest.raises(OSError):
            write_file(path, NEW, durable=True)
        with pytest.raises(OSError):
            create_file(path.with_name("another"), NEW, durable=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == OLD
    assert beside(path) == []


def test_what_a_killed_process_left_is_removed_later(path: Path) -> None:
    left, others, fresh = (path.with_name(name) for name in (
        ".settings.toml.0123abcd.tmp", ".settings.toml.old.0123abcd.tmp", ".settings.toml.0123abce.tmp"
    ))  # fmt: skip
    for one in (left, others, fresh):
        one.write_bytes(b"a secret")
    for one in (left, others):
        os.utime(one, (0, time.time() - STALE - 60))
    write_file(path, NEW, durable=False)
    assert sorted(beside(path)) == sorted([others.name, fresh.name])


def test_the_file_is_private_from_its_first_byte(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    real = os.fdopen

    def fdopen(handle: int, *args: Any) -> Any:
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return real(handle, *args)

    before = os.umask(0)
    try:
        monkeypatch.setattr(os, "fdopen", fdopen)
        write_file(path, NEW, durable=False)
        write_file(path.with_name("public"), NEW, durable=False, mode=0o644)
    finally:
        os.umask(before)
    assert modes == [PRIVATE, PRIVATE]
    assert mode_of(path) == PRIVATE
    assert mode_of(path.with_name("public")) == 0o644


def test_the_umask_takes_nothing_from_the_mode(path: Path) -> None:
    before = os.umask(0o777)
    try:
        write_file(path, NEW, durable=False, mode=0o640)
    finally:
        os.umask(before)
    assert mode_of(path) == 0o640


def test_the_last_check_can_keep_the_old_content(path: Path) -> None:
    def refuse() -> None:
        assert beside(path), "all is written when the check is made"
        raise ValueError("changed meanwhile")

    with pytest.raises(ValueError, match="changed meanwhile"):
        write_file(path, NEW, durable=True, last_check=refuse)
    assert path.read_bytes() == OLD
    assert beside(path) == []


def test_a_link_is_replaced_and_its_target_is_kept(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    write_file(link, NEW, durable=False)
    assert not link.is_symlink()
    assert path.read_bytes() == OLD


def test_a_folder_is_never_replaced(path: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path / "folder", NEW, durable=True)
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "missing" / "file", NEW, durable=True)
    assert sorted(beside(path)) == ["folder"]


def test_readers_never_see_a_part(path: Path) -> None:
    seen: set[bytes] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(50):
            write_file(path, (OLD, NEW)[number % 2], durable=False)
    finally:
        ended.set()
        reader.join()
    assert seen <= {OLD, NEW}


def test_two_writers_at_once_leave_the_content_of_one(path: Path) -> None:
    contents = [bytes([65 + number]) * 100_000 for number in range(8)]
    writers = [
        threading.Thread(target=write_file, args=(path, data), kwargs={"durable": False}) for data in contents
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in contents
    assert beside(path) == []


def test_a_copy_is_private_and_replaces_in_one_step(path: Path) -> None:
    source = path.with_name("source")
    source.write_bytes(NEW)
    source.chmod(0o644)
    disk = Disk()
    disk.fail_at = "replace"
    with disk.watching(), suppress(OSError):
        copy_file(source, path, durable=True)
    assert path.read_bytes() == OLD
    copy_file(source, path, durable=True)
    assert (path.read_bytes(), mode_of(path)) == (NEW, PRIVATE)
    assert beside(path) == ["source"]


def test_pieces_replace_in_one_step_or_not_at_all(path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield NEW
        raise OSError("the other end is gone")

    with pytest.raises(OSError, match="is gone"):
        write_pieces(path, broken(), durable=True)
    assert (path.read_bytes(), beside(path)) == (OLD, [])
    write_pieces(path, iter([b"one", b"", b"two"]), durable=True)
    assert (path.read_bytes(), mode_of(path)) == (b"onetwo", PRIVATE)


def test_a_new_file_replaces_nothing(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path.with_name("target"))
    for one in (path, link):
        with pytest.raises(FileExistsError):
            create_file(one, NEW, durable=True)
    assert path.read_bytes() == OLD
    assert beside(path) == ["link"]


def test_a_new_file_is_synced_with_its_folder(tmp_path: Path) -> None:
    with Disk().watching() as disk:
        create_file(tmp_path / "secret", NEW, durable=True)
    assert disk.calls == [step for step in STEPS if step != "replace"]
    assert ((tmp_path / "secret").read_bytes(), mode_of(tmp_path / "secret")) == (NEW, PRIVATE)


@pytest.mark.parametrize("step", [step for step in STEPS if step != "replace"])
def test_nothing_is_left_of_a_new_file_that_could_not_be_written(tmp_path: Path, step: str) -> None:
    disk = Disk()
    disk.fail_at = step
    with disk.watching(), pytest.raises(OSError):
        create_file(tmp_path / "secret", NEW, durable=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_synced_is_an_error(tmp_path: Path) -> None:
    disk = Disk()
    disk.fail_at = "fsync folder"
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with disk.watching(), pytest.raises(OSError):
        sync_folder(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_names_of_temporary_files() -> None:
    assert is_temporary(".vault.toml.0123abcd.tmp")
    assert not any(map(is_temporary, ["vault.toml", ".vault.toml.tmp", "vault.toml.0123abcd.tmp", ".01.tmp"]))
