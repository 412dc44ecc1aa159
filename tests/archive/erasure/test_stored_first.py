"""Nothing is erased before the decision is on the disk, also when a sync of the disk has failed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from muniment.archive.facts import ErasedFrame
from muniment.archive.ledger.check import check
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import RecordKind
from muniment.archive.operations.backup import backup_vault
from muniment.archive.vault.layout import LEDGER, segments_of
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from support.erasing import commit_redaction, named, redaction_of_mail, whole
from support.reports import plain, report
from support.vaults import TestVault

NOW = 1_800_000_000


class Disk:
    """A disk whose syncs fail while `broken`. What they should have stored is then in memory alone."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.broken = False
        self.repairs = True
        """Whether bytes can be stored again after a failed sync."""
        self.stored: dict[str, int] = {}
        """The size that a loss of power leaves of a segment whose sync failed, by its path."""
        self.after_erasing: list[Path] = []
        """What a loss of power after each erasure would have left of the ledger."""
        sync, again, erase = LocalSegments.sync, LocalSegments.sync_again, LocalSegments.patch

        def failing_sync(store: LocalSegments, number: int) -> None:
            if self.broken:
                raise OSError(5, "Input/output error")
            sync(store, number)

        def repairing(store: LocalSegments, number: int, start: int, end: int) -> None:
            if not self.repairs:
                raise OSError(5, "Input/output error")
            again(store, number, start, end)
            if start <= self.stored.get(store.name(number), end):
                self.stored.pop(store.name(number), None)

        def erasing(store: LocalSegments, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
            erase(store, number, changes)
            self.after_erasing.append(self._left(Path(store.place)))

        patch.setattr(LocalSegments, "sync", failing_sync)
        patch.setattr(LocalSegments, "sync_again", repairing)
        patch.setattr(LocalSegments, "patch", erasing)

    def forget_from(self, ledger: Path, size: int) -> None:
        """Let the sync of what follows fail: a loss of power takes it."""
        path = max(ledger.glob("*.seg"))
        self.stored[str(path)] = size

    def _left(self, ledger: Path) -> Path:
        copy = ledger.parent.parent / f"left-{len(self.after_erasing)}"
        shutil.copytree(ledger, copy)
        for path, size in self.stored.items():
            if Path(path).parent == ledger:
                os.truncate(copy / Path(path).name, size)
        return copy


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = TestVault(tmp_path / "vault")
    made.archive([report(plain(subject=f"No {number}", body=f"word{number} " * 90)) for number in range(3)])
    made.client.close()
    return made.folder


def mail_of(folder: Path) -> list[tuple[int, bytes]]:
    segments = segments_of(folder)
    frames = named(segments, lambda frame: frame.kind in (RecordKind.MESSAGE, RecordKind.ENVELOPE))
    return [
        (frame.sequence, whole(segments, 1)[frame.offset : frame.offset + frame.length]) for frame in frames
    ]


def last_mail(folder: Path) -> list[ErasedFrame]:
    mail = (RecordKind.MESSAGE, RecordKind.ENVELOPE)
    return named(segments_of(folder), lambda frame: frame.kind in mail)[-2:]


def size_of(folder: Path) -> int:
    return segment_path(folder / LEDGER, 1).stat().st_size


@pytest.fixture
def failed(folder: Path, disk: Disk) -> Iterator[Vault]:
    """A vault whose decision to erase could not be synced. Its bytes can be read all the same."""
    with closing(open_vault(folder, write=True)) as vault:
        disk.forget_from(folder / LEDGER, size_of(folder))
        disk.broken = True
        with pytest.raises(VaultError):
            vault.erase([redaction_of_mail(last_mail(folder))], NOW, vault.head)
        disk.broken = False
        assert vault.dead
        yield vault


def test_a_vault_whose_disk_failed_erases_nothing(failed: Vault, folder: Path, disk: Disk) -> None:
    before = mail_of(folder)
    with pytest.raises(VaultError, match="may not be stored: nothing is erased; open the vault again"):
        failed.finish_erasures()
    with pytest.raises(VaultError, match="open the vault again"):
        failed.erase([redaction_of_mail(last_mail(folder))], NOW, failed.head)
    with pytest.raises(VaultError, match="open the vault again"):
        failed.renew_catalog()
    assert mail_of(folder) == before
    assert disk.after_erasing == []


def open_again(folder: Path) -> None:
    open_vault(folder, write=True).close()


@pytest.mark.parametrize("reopen", [open_again, rebuild_catalog])
def test_the_next_opening_stores_the_decision_before_it_erases(
    failed: Vault, folder: Path, disk: Disk, reopen: Callable[[Path], object]
) -> None:
    failed.close()
    reopen(folder)
    assert disk.after_erasing
    for left in disk.after_erasing:
        assert check(LocalSegments(left), deep=True).problems == []
    assert check(segments_of(folder), deep=True).erased == 2


def test_a_decision_that_was_never_synced_is_stored_before_it_is_carried_out(
    folder: Path, disk: Disk
) -> None:
    """The program was killed between writing the decision and syncing it."""
    size = size_of(folder)
    commit_redaction(segments_of(folder), last_mail(folder))
    disk.forget_from(folder / LEDGER, size)
    open_vault(folder, write=True).close()
    assert disk.after_erasing
    for left in disk.after_erasing:
        assert check(LocalSegments(left), deep=True).problems == []


def test_a_disk_that_stores_nothing_stops_the_opening_before_anything_is_erased(
    failed: Vault, folder: Path, disk: Disk
) -> None:
    failed.close()
    before = mail_of(folder)
    disk.repairs = False
    with pytest.raises(VaultError, match=r"could not store the ledger's last batch.*nothing was erased"):
        open_vault(folder, write=True)
    assert mail_of(folder) == before
    disk.repairs = True
    open_vault(folder, write=True).close()
    assert check(segments_of(folder), deep=True).erased == 2


def test_a_backup_that_could_not_be_synced_is_stored_before_it_is_called_complete(
    folder: Path, disk: Disk, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    with closing(open_vault(folder, write=False)) as vault:
        disk.broken = True
        with suppress(VaultError):
            list(backup_vault(vault, target))
        disk.broken = False
        disk.forget_from(target / LEDGER, 0)
        list(backup_vault(vault, target))
    assert disk.stored == {}
