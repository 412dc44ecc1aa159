"""Faults during a run, none of which loses mail."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import LedgerDamaged, VaultError, VaultLocked
from support.catalogs import fail_next_apply
from support.crashing import assert_complete, command, sample_reports, server_profile
from support.dovecot import Dovecot
from support.proxy import Proxy
from support.reports import plain, report
from support.run_workers import run_workers
from support.vaults import TestVault, put


@pytest.mark.parametrize("pattern", [b"QUIT", b"DELE"])
def test_a_line_cut_around_deletion_loses_nothing(vault: TestVault, dovecot: Dovecot, pattern: bytes) -> None:
    # Without TLS on loopback, so that the proxy sees the command at which it cuts.
    mails = sample_reports(60)
    mailbox = dovecot.mailbox()
    mailbox.put(mails)
    with Proxy(("127.0.0.1", dovecot.pop3)) as proxy:
        server_profile(vault, dovecot, mailbox, "gateway", port=proxy.port, security="none")
        proxy.cut_before(pattern)
        vault.run("box")
        assert proxy.cuts() == 1
        assert_complete(vault, mailbox, mails)


def test_a_line_cut_in_the_middle_of_fetching_loses_nothing(vault: TestVault, dovecot: Dovecot) -> None:
    mails = sample_reports(300)
    mailbox = dovecot.mailbox()
    mailbox.put(mails)
    with Proxy(("127.0.0.1", dovecot.pop3)) as proxy:
        server_profile(vault, dovecot, mailbox, "gateway", port=proxy.port, security="none")
        proxy.cut_after(150_000)
        summary = vault.run("box")
        assert (summary.state, summary.balanced) == ("ok", True)
        assert_complete(vault, mailbox, mails)


def test_a_full_disk_fails_the_run_and_loses_nothing(small_disk: Path) -> None:
    vault = TestVault(small_disk / "vault")
    new = vault.folder.parent.parent / "mail" / "new"
    new.mkdir(parents=True)
    vault.profile("box", source="maildir", path=str(new.parent), delete=True)
    mails = [
        report(plain(subject=f"No {n}", attachments=[("a.bin", os.urandom(40_000))])) for n in range(100)
    ]
    put(new, mails)
    summary = vault.run("box")
    assert (summary.state, summary.balanced) == ("failed", True)
    assert "space" in summary.error
    assert len(list(new.iterdir())) == 100 - summary.deleted
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    again = vault.run("box")
    assert (again.state, again.error) == ("ok", "")
    assert {vault.report(hit.id) for hit in vault.messages()} == set(mails)
    vault.sound()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failed_fsync_stops_the_run_and_deletes_nothing(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    new = vault.maildir("box", delete=True)
    vault.run("box")  # records the configuration
    put(new, [report(plain(subject=f"No {n}")) for n in range(10)])
    real = os.fdatasync

    def failing(file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fdatasync", failing)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(VaultError, match=r"could not be written|space"):
        vault.run("box")  # it is not even opened
    monkeypatch.setattr("muniment.archive.ledger.writer.rewrite_last_batch", lambda segments, state: None)
    summary = vault.run("box")
    assert (summary.state, summary.deleted) == ("failed", 0)
    assert len(list(new.iterdir())) == 10
    monkeypatch.undo()
    assert os.fdatasync is real
    assert vault.run("box").deleted == 10
    vault.sound()


def test_a_catalog_that_missed_a_commit_gets_it(vault: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    new = vault.maildir("box", delete=True)
    vault.run("box")  # records the configuration
    put(new, [report(plain(subject=f"No {n}")) for n in range(10)])
    fail_next_apply(monkeypatch)
    summary = vault.run("box")
    assert (summary.state, summary.deleted, summary.balanced) == ("failed", 0, True)
    assert vault.status().messages == 10
    again = vault.run("box")
    assert (again.state, again.merged, again.deleted) == ("ok", 10, 10)
    vault.sound()


def test_an_older_catalog_is_brought_up_to_date(vault: TestVault) -> None:
    vault.archive([report(plain(subject="first"))])
    shutil.copy(vault.folder / "catalog.db", vault.folder / "old.db")
    vault.archive([report(plain(subject="second"))])
    for path in vault.folder.glob("catalog.db*"):
        path.unlink()
    (vault.folder / "old.db").rename(vault.folder / "catalog.db")
    assert vault.archive([report(plain(subject="third"))]).new == 1
    assert len(vault.messages()) == 3
    vault.sound()


def test_a_catalog_of_another_vault_is_an_alarm(vault: TestVault, tmp_path: Path) -> None:
    """It may be the ledger that was replaced."""
    other = TestVault(tmp_path / "other")
    for one, subject in ((vault, "ours"), (other, "theirs")):
        one.archive([report(plain(subject=subject))])
    for path in vault.folder.glob("catalog.db*"):
        path.unlink()
    shutil.copy(other.folder / "catalog.db", vault.folder / "catalog.db")
    with pytest.raises(LedgerDamaged, match="the catalog belongs to vault"):
        vault.archive([report(plain(subject="more"))])
    vault.rebuild(accept_damage=True)
    vault.archive([report(plain(subject="more"))])
    assert {hit.subject for hit in vault.messages()} == {"ours", "more"}
    vault.sound()


def test_a_ledger_that_lost_its_end_is_an_alarm_until_an_admin_decides(vault: TestVault) -> None:
    vault.archive([report(plain(subject="first"))])
    segment = next((vault.folder / "ledger").glob("*.seg"))
    size = segment.stat().st_size
    vault.archive([report(plain(subject="second"))])
    os.truncate(segment, size)
    new = vault.maildir("box", delete=True)
    put(new, [report(plain(subject="third"))])
    with pytest.raises(LedgerDamaged, match="rebuild --accept-damage"):
        vault.run("box")
    with pytest.raises(LedgerDamaged, match="rebuild --accept-damage"):
        vault.rebuild()
    assert len(list(new.iterdir())) == 1
    assert segment.stat().st_size == size
    vault.rebuild(accept_damage=True)
    assert vault.run("box").deleted == 1
    assert {hit.subject for hit in vault.messages()} == {"first", "third"}


def test_a_second_writer_learns_who_has_the_vault(vault: TestVault) -> None:
    owner = open_vault(vault.folder, write=True)
    try:
        with pytest.raises(VaultLocked, match=rf"process {os.getpid()}, since "):
            vault.archive([report(plain())])
    finally:
        owner.close()


def test_two_runs_at_once_archive_everything_once(vault: TestVault) -> None:
    new = vault.maildir("box", delete=True)
    mails = sample_reports(200)
    put(new, mails)
    runs = [
        subprocess.Popen(
            command(vault.folder, "run", "box"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    codes = sorted(run.wait(60) for run in runs)
    for run in runs:
        assert run.stderr is not None
        run.stderr.close()
    assert codes in ([0, 0], [0, 5])
    vault.run("box")
    assert list(new.iterdir()) == []
    vault.sound()


def test_a_clock_that_was_moved_back_does_no_harm(vault: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.archive([report(plain(subject="first"))])
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 10**9 * 86_400 * 365)
    vault.archive([report(plain(subject="second"))])
    assert len(vault.messages()) == 2
    vault.sound()


def test_mail_that_kills_its_parser_is_stored_whole(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worker is made to die on one subject, since no mail is known that kills it.
    run_workers(monkeypatch, "support.dying_worker")
    killer = report(plain(subject="Killer"))
    others = [report(plain(subject=f"No {n}")) for n in range(10)]
    summary = vault.archive([*others[:5], killer, *others[5:]])
    assert (summary.state, summary.new) == ("ok", 11)
    (hit,) = [hit for hit in vault.messages() if hit.folders == ("catch-all/Inbox",)]
    assert vault.raw(hit.id) == killer
    assert "parser" in " ".join(vault.show(hit.id).notes)
    vault.rebuild()
    vault.sound()


def test_workers_that_cannot_work_fail_the_run_and_not_the_mail(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = vault.maildir("box", delete=True)
    put(new, [report(plain(subject=f"No {n}")) for n in range(5)])
    run_workers(monkeypatch, "muniment.no_such_module")
    summary = vault.run("box")
    assert (summary.state, summary.fetched, summary.deleted, summary.balanced) == ("failed", 0, 0, True)
    assert "nothing was deleted" in summary.error
    monkeypatch.undo()
    assert vault.run("box").deleted == 5


def test_a_cancelled_run_keeps_its_books(vault: TestVault) -> None:
    new = vault.maildir("box", delete=True)
    mails = [report(plain(subject=f"No {n}", body="x" * 20_000)) for n in range(1500)]
    put(new, mails)
    stream = vault.client.stream(api.Run(profile="box"))
    next(iter(stream))
    closer = threading.Thread(target=stream.close)  # type: ignore[attr-defined]
    closer.start()
    closer.join(30)
    assert not closer.is_alive()
    last = vault.status().profiles[0].last
    assert last is not None
    assert last["balanced"]
    assert last["state"] in ("cancelled", "ok")
    assert vault.run("box").balanced
    assert list(new.iterdir()) == []
    assert vault.status().messages == 1500
