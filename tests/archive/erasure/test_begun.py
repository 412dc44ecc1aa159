"""An erasure that fails while its vault stays open is not noted as done. The next job finishes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.erasure.erase import finish_interrupted
from muniment.archive.erasure.redaction import Redaction
from muniment.archive.ledger.check import check
from muniment.archive.ledger.frame import HEADER_SIZE
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import RecordKind
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from support.erasing import named, redaction_of_mail
from support.reports import plain, report
from support.vaults import TestVault

NOW = 1_800_000_000
Break = Callable[[Vault, pytest.MonkeyPatch], type[BaseException]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun") / "vault"
    vault = TestVault(folder)
    vault.archive([report(plain(subject=f"No {number}", body=f"word{number} " * 90)) for number in range(4)])
    vault.client.close()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "vault")
    return tmp_path / "vault"


def decisions(folder: Path) -> tuple[Redaction, Redaction]:
    """Decisions to erase the last two messages, each with its report."""
    mail = (RecordKind.MESSAGE, RecordKind.ENVELOPE)
    frames = named(segments_of(folder), lambda frame: frame.kind in mail)
    return redaction_of_mail(frames[-2:]), redaction_of_mail(frames[-4:-2])


def the_disk(vault: Vault, patch: pytest.MonkeyPatch) -> type[BaseException]:
    def fail(self: LocalSegments, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
        raise OSError(5, "Input/output error")

    patch.setattr(LocalSegments, "patch", fail)
    return VaultError


def a_key_in_the_catalog(vault: Vault, patch: pytest.MonkeyPatch) -> type[BaseException]:
    def interrupt(self: SqliteCatalog, *facts: object) -> None:
        raise KeyboardInterrupt

    patch.setattr(type(vault.catalog), "apply", interrupt)
    return KeyboardInterrupt


def a_key_between_two_records(vault: Vault, patch: pytest.MonkeyPatch) -> type[BaseException]:
    real, calls = LocalSegments.patch, list[int]()

    def interrupt(self: LocalSegments, number: int, changes: Iterable[tuple[int, bytes]]) -> None:
        calls.append(number)
        if len(calls) > 1:
            raise KeyboardInterrupt
        real(self, number, changes)

    patch.setattr(LocalSegments, "patch", interrupt)
    return KeyboardInterrupt


def the_seal(vault: Vault, patch: pytest.MonkeyPatch) -> type[BaseException]:
    def fail(self: LocalSegments, number: int) -> None:
        raise OSError(5, "Input/output error")

    patch.setattr(vault.ledger, "_limit", 1)
    patch.setattr(LocalSegments, "seal", fail)
    return OSError


BROKEN: list[Break] = [the_disk, a_key_in_the_catalog, a_key_between_two_records, the_seal]


def fail_to_erase(vault: Vault, broken: Break, redactions: list[Redaction]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        expected = broken(vault, patch)
        with pytest.raises(expected):
            vault.erase(redactions, NOW, vault.head)


def erased(folder: Path) -> int:
    found = check(segments_of(folder), deep=True)
    assert (found.problems, found.notes) == ([], [])
    return found.erased


@pytest.mark.parametrize("broken", BROKEN)
def test_the_next_opening_finishes_what_failed(folder: Path, broken: Break) -> None:
    with closing(open_vault(folder, write=True)) as vault:
        fail_to_erase(vault, broken, list(decisions(folder)[::-1]))
    assert check(segments_of(folder), deep=True).notes
    open_vault(folder, write=True).close()
    assert erased(folder) == 4


@pytest.mark.parametrize("broken", BROKEN)
def test_the_next_job_finishes_what_failed(folder: Path, broken: Break) -> None:
    with closing(open_vault(folder, write=True)) as vault:
        fail_to_erase(vault, broken, list(decisions(folder)[::-1]))
        finish_interrupted(vault)
        assert erased(folder) == 4


@pytest.mark.parametrize("broken", [the_disk, a_key_in_the_catalog])
def test_the_next_erasure_finishes_the_one_before(folder: Path, broken: Break) -> None:
    first, second = decisions(folder)
    with closing(open_vault(folder, write=True)) as vault:
        fail_to_erase(vault, broken, [first])
        vault.erase([second], NOW, vault.head)
        assert erased(folder) == 4
    open_vault(folder, write=True).close()
    assert erased(folder) == 4


def test_while_the_disk_fails_no_other_erasure_is_decided(folder: Path) -> None:
    first, second = decisions(folder)
    with closing(open_vault(folder, write=True)) as vault:
        fail_to_erase(vault, the_disk, [first])
        head = vault.head
        fail_to_erase(vault, the_disk, [second])
        assert vault.head == head


def test_a_decision_that_was_not_committed_is_never_carried_out(folder: Path) -> None:
    first, second = decisions(folder)
    with closing(open_vault(folder, write=True)) as vault:
        with pytest.MonkeyPatch.context() as patch:

            def full(self: LocalSegments, number: int, offset: int, data: bytes) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(LocalSegments, "append", full)
            with pytest.raises(OSError, match="No space left"):
                vault.erase([first], NOW, vault.head)
        vault.finish_erasures()
        assert vault.reader.content_bytes(first.frames[0].sha)
        vault.erase([second], NOW, vault.head)
    open_vault(folder, write=True).close()
    assert erased(folder) == 2


def test_a_rebuild_that_fails_to_erase_is_finished_before_the_next_erasure(folder: Path) -> None:
    """The rebuild goes over what was erased long ago, such as in a segment that was copied back."""
    first, second = decisions(folder)
    segments = segments_of(folder)
    with closing(open_vault(folder, write=True)) as vault:
        vault.erase([first], NOW, vault.head)
        segments.patch(1, [(first.frames[0].offset + HEADER_SIZE, b"hello")])
        with pytest.MonkeyPatch.context() as patch, pytest.raises(the_disk(vault, patch)):
            vault.renew_catalog()
        assert check(segments, deep=True).notes
        vault.erase([second], NOW, vault.head)
        assert erased(folder) == 4
