"""The gateway of a complete service: 20,000 messages through kills, and a nearly full disk."""

from __future__ import annotations

import os
import random
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.vaults import TestVault

MANY = int(os.environ.get("MUNIMENT_SOAK_MESSAGES", "20000"))
SENDERS = 16
KILLS = (signal.SIGKILL, signal.SIGTERM) * 3
JOURNAL = "journal@archive.example"
MEGABYTE = 1 << 20

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def vault_at(folder: Path, port: int, enabled: bool = True, **gateway: int) -> TestVault:
    """A vault whose service receives mail on a port. `enabled` archives it every few seconds."""
    vault = TestVault(folder)
    lines = "".join(f"{key} = {value}\n" for key, value in gateway.items())
    with (folder / "vault.toml").open("a") as file:
        file.write(f'[gateway]\nlisten = "127.0.0.1:{port}"\naddresses = ["{JOURNAL}"]\n{lines}')
    vault.profile("in", source="spool", path=str(folder / "spool"), every=10, enabled=enabled)
    return vault


class Service:
    """The service of a vault in a separate process, which is killed and restarted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder.parent / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "muniment", "--vault", str(self._folder), "service"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def end(self, number: int) -> None:
        """Kill the service. Its workers end on their own."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(120)


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    service = Service(folder)
    service.start()
    try:
        yield service
    finally:
        with suppress(ProcessLookupError):
            service.end(signal.SIGTERM)


def mail(number: int, size: int = 2000) -> bytes:
    chance = random.Random(number)
    text = "".join(f"{chance.getrandbits(64):016x}\r\n" for _ in range(size // 18))
    return (
        f"From: anna@example.com\r\nTo: bob@example.com\r\nSubject: number {number}\r\n"
        f"Message-ID: <{number}@example.com>\r\nDate: Mon, 30 Nov 2026 06:00:00 +0000\r\n\r\n{text}"
    ).encode()


class Sender:
    """A mail server's queue: each message is sent again until it is acknowledged."""

    def __init__(self, port: int) -> None:
        self.acknowledged = 0
        self.tries = 0
        self._port = port
        self._lock = threading.Lock()

    def send(self, numbers: range) -> None:
        smtp: smtplib.SMTP | None = None
        for number in numbers:
            data = mail(number)
            while True:
                try:
                    if smtp is None:
                        smtp = smtplib.SMTP("127.0.0.1", self._port, local_hostname="mx.example", timeout=60)
                    smtp.sendmail("anna@example.com", [JOURNAL], data)
                except (OSError, smtplib.SMTPException):
                    if smtp is not None:
                        smtp.close()
                    smtp = None
                    with self._lock:
                        self.tries += 1
                    time.sleep(0.1)
                else:
                    break
            with self._lock:
                self.acknowledged += 1
        if smtp is not None:
            smtp.close()


def test_acknowledged_mail_is_archived_despite_kills(tmp_path: Path) -> None:
    """Each message exactly once, by the books of the last run and by the rebuilt catalog."""
    port = free_port()
    vault = vault_at(tmp_path / "vault", port)
    sender, chance, began = Sender(port), random.Random(1), time.monotonic()
    with serving(vault.folder) as service, ThreadPoolExecutor(SENDERS) as pool:
        jobs = [pool.submit(sender.send, range(first, MANY, SENDERS)) for first in range(SENDERS)]
        for nth, number in enumerate(KILLS, 1):
            while sender.acknowledged < MANY * nth / (len(KILLS) + 1):
                time.sleep(0.05)
            time.sleep(chance.uniform(0, 1))
            service.end(number)
            service.start()
        for job in jobs:
            job.result()
        took = time.monotonic() - began
    assert sender.acknowledged == MANY
    waiting = len(list((vault.folder / "spool" / "new").iterdir()))
    summary = vault.run("in")
    assert summary.balanced
    assert summary.listed == waiting
    assert list((vault.folder / "spool" / "new").iterdir()) == []
    assert list((vault.folder / "spool" / "delivered").iterdir()) == []
    assert vault.status().messages == MANY
    assert vault.tree()["bob@example.com"] == {"Inbox": MANY}
    vault.sound()
    print(f"{MANY} messages in {took:.0f} s, {len(KILLS)} kills, {sender.tries} tries failed")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root, to mount a tmpfs")
def test_a_run_empties_the_spool_on_a_nearly_full_disk(tmp_path: Path) -> None:
    """Mail is deferred at the low-water mark, and accepted again after a run has emptied the spool."""
    disk = tmp_path / "disk"
    disk.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=160m", "none", str(disk)]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        port = free_port()
        vault = vault_at(disk / "vault", port, enabled=False, reserve=100 * MEGABYTE)
        with serving(vault.folder):
            sent, refused = fill(port)
        assert refused.startswith(b"4.3.1")
        assert sent > 10
        assert any("defers mail" in warning for warning in vault.status().warnings)
        summary = vault.run("in")
        assert (summary.new, summary.deleted, summary.balanced) == (sent, sent, True)
        vault.sound()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(port: int) -> tuple[int, bytes]:
    """Send until the gateway defers mail. Returns the number of accepted messages and the gateway's reply."""
    deadline = time.monotonic() + 60
    while True:
        try:
            smtp = smtplib.SMTP("127.0.0.1", port, local_hostname="mx.example", timeout=60)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with smtp:
        for number in range(10_000):
            try:
                smtp.sendmail("anna@example.com", [JOURNAL], mail(number, MEGABYTE // 2))
            except smtplib.SMTPResponseException as error:
                words = error.smtp_error
                return number, words if isinstance(words, bytes) else words.encode()
    raise AssertionError("it took all")
