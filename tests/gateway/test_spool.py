"""The spool: a message in `new/` is complete and on disk; a message that can't be stored leaves nothing."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from muniment.errors import VaultError
from muniment.gateway.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool")
    made.open()
    yield made
    made.close()


def put(spool: Spool, *blocks: bytes) -> str:
    incoming = spool.begin()
    for block in blocks:
        incoming.add(block)
        incoming.flush()
    incoming.commit()
    return incoming.name


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class FailingSync:
    """os.fsync that fails for folders or for files, and counts its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folders: bool) -> None:
        self.failing = True
        self.calls = 0
        self._folders = folders
        self._real = os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode) == self._folders:
            self.calls += 1
            if self.failing:
                raise OSError(5, "Input/output error")
        self._real(handle)


def test_a_message_is_private_and_complete(spool: Spool) -> None:
    name = put(spool, b"From: a\r\n", b"\r\nbody\n")
    assert (spool.new / name).read_bytes() == b"From: a\r\n\r\nbody\n"
    assert stat.S_IMODE((spool.new / name).stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (spool.new.parent, spool.new, spool.tmp)] == [
        0o700
    ] * 3
    assert entries(spool.tmp) == []


def test_names_sort_by_arrival_and_do_not_repeat(spool: Spool) -> None:
    names = [put(spool, b"x") for _ in range(50)]
    assert len(set(names)) == 50
    assert sorted(names, key=lambda name: int(name.split(".")[0])) == names


def test_a_discarded_message_leaves_nothing(spool: Spool) -> None:
    incoming = spool.begin()
    incoming.add(b"half")
    incoming.flush()
    assert len(entries(spool.tmp)) == 1
    incoming.discard()
    incoming.discard()
    assert entries(spool.tmp) == entries(spool.new) == []
    with pytest.raises(OSError):
        incoming.commit()
    assert entries(spool.new) == []


def test_a_committed_message_can_not_be_discarded(spool: Spool) -> None:
    incoming = spool.begin()
    incoming.add(b"whole")
    incoming.commit()
    incoming.discard()
    assert entries(spool.new) == [incoming.name]


@pytest.mark.parametrize("folders", [True, False])
def test_a_failed_sync_leaves_nothing_behind(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, folders: bool
) -> None:
    sync = FailingSync(monkeypatch, folders)
    with pytest.raises(OSError, match="Input/output"):
        put(spool, b"x")
    assert entries(spool.tmp) == entries(spool.new) == []
    sync.failing = False
    put(spool, b"y")
    assert len(entries(spool.new)) == 1


def test_a_failed_sync_fails_for_all_that_wait(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two renames wait for one sync, which fails. The second must not pass by a sync of its own."""
    sync = FailingSync(monkeypatch, folders=True)
    assert spool.arrivals is not None
    with ThreadPoolExecutor(2) as pool:
        with spool.arrivals._syncing:
            work = [pool.submit(put, spool, b"x") for _ in range(2)]
            _until(lambda: spool.arrivals._changed == 2)
        failures = [job.exception() for job in work]
    assert all(isinstance(failure, OSError) for failure in failures)
    assert sync.calls == 1
    assert entries(spool.new) == []


def test_one_sync_serves_all_that_wait(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = FailingSync(monkeypatch, folders=True)
    sync.failing = False
    assert spool.arrivals is not None
    with ThreadPoolExecutor(12) as pool:
        with spool.arrivals._syncing:
            work = [pool.submit(put, spool, b"x") for _ in range(12)]
            _until(lambda: spool.arrivals._changed == 12)
        assert len({job.result() for job in work}) == 12
    assert sync.calls == 1
    assert len(entries(spool.new)) == 12


def _until(happened: object) -> None:
    pause = threading.Event()
    for _ in range(500):
        if callable(happened) and happened():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen within 5 s")


def test_incomplete_messages_are_removed_at_the_next_start(spool: Spool) -> None:
    incoming = spool.begin()
    incoming.add(b"half")
    incoming.flush()
    kept = put(spool, b"whole")
    again = Spool(spool.new.parent)
    again.open()
    again.close()
    assert (entries(spool.tmp), entries(spool.new)) == ([], [kept])
    incoming.discard()


def test_a_spool_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VaultError, match="can't be written"):
        Spool(tmp_path / "file" / "spool").open()


def test_a_folder_that_vanishes_fails_only_that_message(spool: Spool) -> None:
    spool.new.rmdir()
    with pytest.raises(OSError):
        put(spool, b"x")
    assert entries(spool.tmp) == []
