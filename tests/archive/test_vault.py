"""The vault: no batch is skipped, no other process's files are removed, and reading back is repeated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.files.temp_files import clean_work, make_work, own_work
from muniment.archive.ledger import readback
from muniment.archive.ledger.codec import train
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from muniment.people.changes import add_user
from support.catalogs import fail_next_apply
from support.osusers import needs_root
from support.reports import plain, report
from support.vaults import TestVault

NOW = 1_700_000_000


@pytest.fixture
def made(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault")


@pytest.fixture
def failing_once(made: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call of `SqliteCatalog.apply` fails."""
    fail_next_apply(monkeypatch)


@pytest.mark.usefixtures("failing_once")
def test_an_empty_commit_applies_what_the_catalog_missed(made: TestVault) -> None:
    vault = open_vault(made.folder, write=True)
    try:
        change = add_user("u1", "Bob", "bob@example.com")
        with pytest.raises(VaultError, match="is kept"):
            vault.change_directory(lambda _: [change], NOW)
        vault.commit([])
        assert vault.head == vault.ledger.head
        assert [user.name for user in vault.directory.users()] == ["Bob"]
    finally:
        vault.close()
    made.sound()


@pytest.mark.usefixtures("failing_once")
def test_the_next_change_applies_what_the_catalog_missed(made: TestVault) -> None:
    vault = open_vault(made.folder, write=True)
    try:
        with pytest.raises(VaultError, match="do not repeat the change"):
            vault.change_directory(lambda _: [add_user("u1", "Bob", "bob@example.com")], NOW)
        vault.change_directory(lambda _: [add_user("u2", "Eve", "eve@example.com")], NOW)
        assert {user.name for user in vault.directory.users()} == {"Bob", "Eve"}
    finally:
        vault.close()
    made.sound()


@pytest.mark.usefixtures("failing_once")
def test_a_rebuild_applies_what_the_catalog_missed(made: TestVault) -> None:
    with closing(open_vault(made.folder, write=True)) as vault:
        with pytest.raises(VaultError, match="is kept"):
            vault.change_directory(lambda _: [add_user("u1", "Bob", "bob@example.com")], NOW)
        assert vault.directory.users() == []
        assert vault.renew_catalog() == []
        assert [user.name for user in vault.directory.users()] == ["Bob"]
        vault.change_directory(lambda _: [add_user("u2", "Eve", "eve@example.com")], NOW)
        assert {user.name for user in vault.directory.users()} == {"Bob", "Eve"}
    made.sound()


def test_a_writer_keeps_the_files_of_living_processes(made: TestVault) -> None:
    reader = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    work = made.folder / "work"
    kept = make_work(work / f"{reader.pid}-0a1b")
    gone = [work / "999999999-ff", work / "old"]
    for folder in gone:
        make_work(folder)
        (folder / "read-1").touch()
    (work / "retry-12").touch()
    (kept / "read-1").touch()
    try:
        made.archive([report(plain())])
        assert (kept / "read-1").exists()
        assert not any(folder.exists() for folder in (*gone, work / "retry-12"))
    finally:
        reader.communicate(b"\n")
    clean_work(made.folder)
    assert not kept.exists()


def test_a_process_has_its_own_folder_and_removes_it(made: TestVault) -> None:
    own = make_work(own_work(made.folder))
    assert own.stat().st_mode & 0o077 == 0
    assert own.parent.stat().st_mode & 0o077 == 0
    assert own.name.startswith(f"{os.getpid()}-")
    clean_work(made.folder)
    assert own.exists()
    open_vault(made.folder, write=False).close()
    assert not own.exists()


def test_a_process_keeps_its_folder_while_any_vault_is_open_in_it(made: TestVault) -> None:
    """Otherwise one request would remove the folder after another has made it and before it is used."""
    own = own_work(made.folder)
    first, second = (open_vault(made.folder, write=False) for _ in range(2))
    make_work(own)
    first.close()
    first.close()
    assert own.exists()
    second.close()
    assert not own.exists()


def test_a_writer_removes_the_files_of_an_earlier_process_with_the_same_id(made: TestVault) -> None:
    """In a container, each process has the same process id as the one before it."""
    left = make_work(made.folder / "work" / f"{os.getpid()}-00000000")
    (left / "read-1").touch()
    open_vault(made.folder, write=True).close()
    assert not left.exists()


def configurations(vault: Vault) -> list[bytes]:
    """Return the hashes of the configurations in the ledger."""
    return [frame.sha for frame in scan(segments_of(vault.folder)) if frame.kind is RecordKind.CONFIG]


def test_a_configuration_that_returns_is_recorded_also_after_a_crash(made: TestVault) -> None:
    """The catalog knows the latest configuration from its batch alone, not from a later step."""
    with closing(open_vault(made.folder, write=True)) as vault:
        before = configurations(vault)
        vault.note_configuration(lambda: {"name": "one"}, NOW)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SqliteCatalog, "meta_set", lambda *_: 1 // 0)
            vault.note_configuration(lambda: {"name": "two"}, NOW)
        vault.note_configuration(lambda: {"name": "one"}, NOW)
        vault.note_configuration(lambda: {"name": "one"}, NOW)
        one, two, again = configurations(vault)[len(before) :]
        assert one == again != two


def test_content_is_read_back_again_after_a_while(made: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    made.archive([report(plain())])
    vault = open_vault(made.folder, write=True)
    try:
        sha = bytes.fromhex(made.messages()[0].id)
        assert vault.reads_back(sha)
        segment = next((made.folder / "ledger").glob("*.seg"))
        segment.write_bytes(b"\0" * segment.stat().st_size)
        assert vault.reads_back(sha)
        later = time.monotonic() + readback.REMEMBERED
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert not vault.reads_back(sha)
    finally:
        vault.close()


@needs_root
def test_root_leaves_no_files_of_its_own_in_another_users_vault(made: TestVault) -> None:
    shutil.rmtree(made.folder / "work", ignore_errors=True)
    for path in (made.folder, *made.folder.rglob("*")):
        os.chown(path, 61_101, 61_101)
    with pytest.raises(VaultError, match="run as uid 61101"):
        open_vault(made.folder, write=True)
    with pytest.raises(VaultError, match="run as uid 61101"):
        rebuild_catalog(made.folder)
    open_vault(made.folder, write=False).close()
    make_work(own_work(made.folder))
    assert {path.stat().st_uid for path in made.folder.rglob("*")} == {61_101}


def test_a_vault_with_an_older_dictionary_gets_one_that_holds_only_what_mails_share(made: TestVault) -> None:
    mails = [
        plain(subject=f"Mail {n}", body=f"The harbour master of quay {n} writes.\r\n" * 3) for n in range(80)
    ]
    mails[5] = plain(subject="Secret", body="The pass phrase is correct horse battery.\r\n" * 40)
    made.archive(mails)
    made.client.close()
    with closing(open_vault(made.folder, write=True)) as vault:
        assert not vault.train_if_due()
        older = vault.ledger.add_dictionary(train(mails, 8192))
        vault.commit([])
    with mock.patch("muniment.archive.vault.open_vault.Vault", partial(Vault, train_at=80)):
        vault = open_vault(made.folder, write=True)
    with closing(vault):
        assert set(vault.dictionaries) == {older}
        assert b"Subject: Secret" in vault.dictionaries[older]
        assert vault.train_if_due()
        assert not vault.train_if_due()
        newer = {number: data for number, data in vault.dictionaries.items() if number != older}
        assert newer
        assert not any(b"Subject: Secret" in data for data in newer.values())
        assert vault.encoder.encode(RecordKind.MESSAGE, mails[9]).dictionary in newer
    TestVault(made.folder).sound()
