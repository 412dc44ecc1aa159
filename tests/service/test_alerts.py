"""Notifications about a real vault, caused by real events."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment.archive.ledger.local_segments import segment_path
from muniment.config.file import load
from muniment.notify.memory import load as remembered
from muniment.service.daemon.alerts import EVERY, VaultAlerts
from muniment.service.daemon.certificates import OWN, CertificateWatch, expiry
from muniment.service.host.session import ClientSession
from support.certs import EXPIRED, server_certificate
from support.program import Program, command
from support.reports import plain, report
from support.rewriting import cut, heads
from support.vaults import TestVault, put
from support.waiting import eventually

HOUR = 3600.0


class Watch:
    """A vault with alerts, a clock that tests set, and a program that writes down the notifications."""

    def __init__(self, folder: Path) -> None:
        self.vault = TestVault(folder / "vault")
        self.now = time.time()
        self.book = folder / "told.jsonl"
        self.book.touch()
        script = f"import sys; open({str(self.book)!r}, 'a').write(sys.stdin.read())"
        self.configure("[notify.command]", f"run = {json.dumps([sys.executable, '-c', script])}")

    @property
    def toml(self) -> Path:
        return self.vault.folder / "vault.toml"

    def configure(self, *lines: str) -> None:
        """Add lines to vault.toml."""
        self.toml.write_text(self.toml.read_text() + "\n" + "\n".join(lines) + "\n")

    def alerts(self) -> VaultAlerts:
        return VaultAlerts(
            ClientSession(self.vault.folder), lambda: load(self.toml), lambda: self.now, settled=60
        )

    def notified(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.book.read_text().splitlines()]

    def titles(self, alerts: VaultAlerts, after: float = 0.0) -> list[str]:
        """The titles of the new events of a check."""
        self.now += after
        return [event.title for event in alerts.look()]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.vault.client.close()


def test_a_failed_run_is_notified_once_and_so_is_its_end_across_restarts(
    watch: Watch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    watch.vault.profile("box", source="maildir", path=str(gone))
    assert watch.vault.run("box").state == "failed"
    first = watch.alerts()
    assert watch.titles(first) == ["The run of box failed"]
    assert watch.vault.run("box").state == "failed"
    assert watch.titles(first, 300) == []
    again = watch.alerts()
    assert watch.titles(again) == []
    for part in ("new", "cur", "tmp"):
        (gone / part).mkdir(parents=True)
    assert watch.vault.run("box").state == "ok"
    assert watch.titles(again, 300) == ["The run of box succeeded again"]
    assert watch.titles(again, 300) == []


def test_the_end_of_a_run_is_checked_at_once_and_notified_by_the_thread(watch: Watch, tmp_path: Path) -> None:
    watch.vault.profile("box", source="maildir", path=str(tmp_path / "gone"))
    with watch.alerts() as alerts:
        eventually(lambda: alerts._facts.now)
        began = time.monotonic()
        alerts.run_ended(watch.vault.run("box"))
        eventually(watch.notified)
        assert time.monotonic() - began < EVERY / 2
    (event,) = watch.notified()
    assert (event["kind"], event["state"], event["key"]) == ("run-failed", "trouble", "run-failed:box")
    assert event["vault"] == str(watch.vault.folder)


def test_silence_is_measured_by_journal_reports_only(watch: Watch) -> None:
    new = watch.vault.maildir("box")
    put(new, [report(plain(subject="One"))])
    watch.vault.run("box")
    alerts = watch.alerts()
    assert watch.titles(alerts, 23 * HOUR) == []
    put(new, [plain(subject="No report")])
    watch.vault.run("box")
    assert watch.titles(alerts, 1.1 * HOUR) == ["No journal report for 24 hours"]
    assert watch.titles(watch.alerts(), HOUR) == []
    watch.vault.maildir("second")
    assert watch.titles(alerts) == []
    put(new, [report(plain(subject="Two"))])
    watch.vault.run("box")
    watch.now = time.time()
    assert watch.titles(alerts, 60) == ["Journal reports arrive again"]


def test_a_service_that_has_just_started_reports_no_silence(watch: Watch) -> None:
    put(watch.vault.maildir("box"), [report(plain(subject="One"))])
    watch.vault.run("box")
    watch.now += 48 * HOUR
    alerts = watch.alerts()
    assert watch.titles(alerts) == []
    assert watch.titles(alerts, 61) == ["No journal report for 48 hours"]


def test_a_disk_that_is_nearly_full_is_notified(watch: Watch) -> None:
    watch.configure("[notify]", "disk_percent = 0", f"disk_bytes = {1 << 50}")
    alerts = watch.alerts()
    (title,) = watch.titles(alerts)
    assert title.startswith("The vault's disk is almost full")
    watch.toml.write_text(watch.toml.read_text().replace(str(1 << 50), "1"))
    (title,) = watch.titles(alerts, 60)
    assert title.startswith("The vault's disk has enough space again")


def test_an_index_that_makes_no_progress_is_notified(watch: Watch) -> None:
    put(watch.vault.maildir("box"), [report(plain(subject="One"))])
    watch.vault.run("box")
    alerts = watch.alerts()
    (watch.vault.folder / "index").rename(watch.vault.folder / "index.away")
    assert watch.titles(alerts) == []
    assert watch.titles(alerts, 59 * 60) == []
    assert watch.titles(alerts, 60) == ["The search index lacks 1 message"]
    watch.vault.rebuild(catalog=False)
    assert watch.titles(alerts, 60) == ["The search index is complete again"]


def test_the_expiry_of_the_gateways_certificate_is_notified(watch: Watch, tmp_path: Path) -> None:
    made = server_certificate(tmp_path / "tls", expired=True)
    assert expiry(made.certificate) == EXPIRED.timestamp()
    assert expiry(tmp_path / "nowhere.pem") is None
    watch.configure(
        "[gateway]",
        'listen = "127.0.0.1:0"',
        'addresses = ["j@example.com"]',
        f'certificate = "{made.certificate}"',
    )
    alerts = watch.alerts()
    assert watch.titles(alerts) == [f"The certificate of {OWN} has expired"]
    fresh = server_certificate(tmp_path / "fresh")
    made.certificate.write_bytes(fresh.certificate.read_bytes())
    assert watch.titles(alerts) == [f"The certificate of {OWN} was renewed"]


def test_a_ledger_that_was_cut_while_the_service_runs_is_notified(watch: Watch) -> None:
    watch.vault.archive([report(plain(subject="One"))])
    watch.vault.archive([report(plain(subject="Two"))])
    alerts, ledger = watch.alerts(), watch.vault.folder / "ledger"
    assert watch.titles(alerts) == []
    noted = remembered(watch.vault.folder).checkpoint
    assert noted["tree_size"] == heads(ledger)[-1].tree_size
    whole = segment_path(ledger, 1).read_bytes()
    cut(ledger, heads(ledger)[-2])
    assert watch.titles(alerts, 60) == ["The ledger on disk is not what the service wrote"]
    assert remembered(watch.vault.folder).checkpoint == noted
    segment_path(ledger, 1).write_bytes(whole)
    assert watch.titles(alerts, 60) == ["The ledger on disk is what the service wrote again"]


def test_the_noted_checkpoint_stops_writers_of_a_ledger_that_was_cut(watch: Watch) -> None:
    watch.vault.archive([report(plain(subject="One"))])
    alerts = watch.alerts()
    watch.titles(alerts)
    cut(watch.vault.folder / "ledger", heads(watch.vault.folder / "ledger")[-2])
    shutil.rmtree(watch.vault.folder / "index")
    for path in (*watch.vault.folder.glob("catalog.db*"), watch.vault.folder / "checkpoints"):
        path.unlink()
    program = Program(watch.vault.folder)
    assert "the memory of notices in notify.json" in program.refuses(6, "rebuild")
    program("rebuild", "--accept-damage")
    assert remembered(watch.vault.folder).checkpoint == {}
    assert remembered(watch.vault.folder).since


def test_a_daily_summary(watch: Watch) -> None:
    put(watch.vault.maildir("box"), [report(plain(subject="One")), report(plain(subject="Two"))])
    watch.vault.run("box")
    day = time.localtime(watch.now)
    hour = time.mktime((day.tm_year, day.tm_mon, day.tm_mday, day.tm_hour + 1, 0, 0, 0, 0, -1))
    watch.now = hour  # the next one, so that the run is of the last 24 hours whatever the time is now
    half_past = time.strftime("%H:30", time.localtime(hour))
    watch.configure("[notify]", f'daily = "{half_past}"', "silent_hours = 0")
    alerts = watch.alerts()
    assert watch.titles(alerts) == []
    watch.now += 1800
    (event,) = alerts.look()
    assert event.title == "Daily summary: no problems"
    assert "box: 1 runs in 24 hours: 2 new" in event.text
    assert "The vault has 2 messages." in event.text
    assert f"\n  {watch.vault.status().checkpoint}\n" in event.text
    assert "`muniment verify --was` with it later proves" in event.text
    assert watch.titles(watch.alerts(), 60) == []
    assert watch.titles(alerts, 24 * HOUR) == ["Daily summary: no problems"]


def test_notifications_contain_nothing_of_the_mail(watch: Watch) -> None:
    secret = "Salamander"
    new = watch.vault.maildir("box")
    put(new, [report(plain(subject=f"{secret} plans", body=f"{secret} body\n"))])
    watch.vault.run("box")
    watch.configure("[notify]", f"disk_bytes = {1 << 50}", "disk_percent = 0")
    with watch.alerts() as alerts:
        eventually(watch.notified)
        watch.now += 30 * HOUR
        alerts.wake()
        eventually(lambda: len(watch.notified()) >= 2)
    text = watch.book.read_text() + (watch.vault.folder / "notify.json").read_text()
    for word in (secret, "anna@", "bob@", "Berg"):
        assert word not in text


def test_an_error_in_vault_toml_does_not_end_the_alerts(watch: Watch, tmp_path: Path) -> None:
    right = watch.toml.read_text()
    with watch.alerts() as alerts:
        eventually(lambda: alerts._facts.now)
        watch.toml.write_text("nonsense")
        alerts.wake()
        watch.toml.write_text(right)
        watch.vault.profile("box", source="maildir", path=str(tmp_path / "gone"))
        alerts.run_ended(watch.vault.run("box"))
        eventually(watch.notified)
    assert remembered(watch.vault.folder).reported.keys() == {"run-failed:box"}


def test_notify_test_uses_every_way(watch: Watch) -> None:
    program = Program(watch.vault.folder)
    done = program("notify", "test")
    assert "ok" in done.out
    assert "1 of 1 ways worked" in done.out
    assert [event["kind"] for event in watch.notified()] == ["test"]
    watch.configure("[notify]", 'urls = ["json://127.0.0.1:1/secret-token"]')
    failed = program.say("notify", "test", "--json")
    assert failed.code == 1
    assert [way["ok"] for way in failed.json["ways"]] == [False, True]
    assert "secret-token" not in failed.out + failed.err


def test_notify_test_without_a_way_says_what_to_do(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.client.close()
    assert "[notify]" in Program(vault.folder).refuses(3, "notify", "test")


def test_a_service_notifies_of_a_failed_run_and_ends_soon(watch: Watch, tmp_path: Path) -> None:
    watch.vault.profile("box", source="maildir", path=str(tmp_path / "gone"), every=1)
    service = subprocess.Popen(command(watch.vault.folder, "service"), stderr=subprocess.DEVNULL)
    try:
        eventually(watch.notified)
        began = time.monotonic()
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
        assert time.monotonic() - began < 30
    finally:
        service.kill()
        service.wait()
    assert [event["key"] for event in watch.notified()] == ["run-failed:box"]


def test_the_certificate_of_a_mail_server_is_read_without_a_login(watch: Watch, tmp_path: Path) -> None:
    made = server_certificate(tmp_path / "tls", expired=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        received: list[bytes] = []
        thread = threading.Thread(target=_shake_hands, args=(listener, context, received))
        thread.start()
        watch.vault.profile(
            "imap",
            source="imap",
            host="127.0.0.1",
            port=listener.getsockname()[1],
            mailbox="journal",
            journal=True,
            password={"env": "MUNIMENT_NOT_SET"},
        )
        certificates = CertificateWatch(watch.vault.folder, lambda: watch.now)
        settings = load(watch.toml)
        (name,) = certificates.known(settings)
        assert certificates.known(settings) == {name: None}
        certificates.look(settings)
        thread.join(30)
    assert certificates.known(settings) == {name: EXPIRED.timestamp()}
    assert received == [b""]


def _shake_hands(listener: socket.socket, context: ssl.SSLContext, received: list[bytes]) -> None:
    """Accept one client, present the certificate, and note what the client sends then."""
    connection, _ = listener.accept()
    with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True) as secured:
        try:
            received.append(secured.recv(100))
        except OSError:
            received.append(b"")
