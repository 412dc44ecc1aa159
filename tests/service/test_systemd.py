"""The protocols with systemd, over real sockets; systemd need not run."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.service.daemon.systemd import SystemdNotifier, Watchdog, inherited_sockets
from support.program import command
from support.reports import plain, report
from support.vaults import TestVault

JOURNAL = "journal@archive.example.com"
PATIENCE = 60.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(PATIENCE)
        yield sock


def messages_until(manager: socket.socket, wanted: str) -> list[str]:
    """The messages up to the first one that begins with `wanted`."""
    messages: list[str] = []
    while not messages or not messages[-1].startswith(wanted):
        messages.append(manager.recv(4096).decode())
    return messages


def test_notifier_messages_follow_the_protocol(manager: socket.socket, tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000", "PATH": "/bin"}
    notifier = SystemdNotifier.from_environment(environ)
    assert environ == {"PATH": "/bin"}
    assert notifier.interval == 1.0
    notifier.ready()
    notifier.status("two\nlines\x1b[2J")
    notifier.status("two\nlines\x1b[2J")
    notifier.alive()
    notifier.stopping()
    ready, status, *rest = messages_until(manager, "STOPPING")
    assert ready == "READY=1"
    assert status.startswith("STATUS=two lines")
    assert status.isprintable()
    assert rest == ["WATCHDOG=1", "STOPPING=1"]


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0muniment-test-{os.getpid()}")
        sock.settimeout(PATIENCE)
        SystemdNotifier(f"@muniment-test-{os.getpid()}").ready()
        assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"NOTIFY_SOCKET": "/nowhere/at/all"},
        {"WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_service_manager_nothing_is_sent(environ: dict[str, str]) -> None:
    notifier = SystemdNotifier.from_environment(environ)
    assert notifier.interval == 0
    notifier.ready()
    notifier.alive()


class Beats(SystemdNotifier):
    """Counts how often the watchdog is fed."""

    count = 0

    def alive(self) -> None:
        self.count += 1


def test_the_watchdog_is_fed_only_while_all_threads_report() -> None:
    now, notifier = [0.0], Beats(interval=10.0)
    heart = Watchdog(notifier, lambda: now[0])
    heart.expect("schedule", 30)
    heart.beat()
    heart.beat()
    assert notifier.count == 1
    now[0] = 29
    heart.beat()
    assert notifier.count == 2
    now[0] = 40
    heart.beat()
    assert (heart.overdue(), notifier.count) == (["schedule"], 2)
    heart.expect("schedule", 30)
    heart.beat()
    assert (heart.overdue(), notifier.count) == ([], 3)
    now[0] = 100
    heart.forget("schedule")
    heart.beat()
    assert notifier.count == 4


def test_sockets_for_another_process_are_ignored() -> None:
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "gateway"}
    assert inherited_sockets(environ) == {}
    assert environ == {}
    assert inherited_sockets({}) == {}


ACTIVATE = """
import os, sys
for number, given in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(given, number + 100)
for number in range(3, 3 + len(sys.argv[1].split(","))):
    os.dup2(number + 100, number, inheritable=True)
    os.close(number + 100)
count = str(len(sys.argv[1].split(",")))
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=count, LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Passes sockets as systemd does: from descriptor 3 on, in the process that becomes the service."""


def activated(
    sockets: list[socket.socket], names: str, arguments: list[str], **options: object
) -> subprocess.Popen[bytes]:
    numbers = [sock.fileno() for sock in sockets]
    line = [sys.executable, "-c", ACTIVATE, ",".join(map(str, numbers)), names, *arguments]
    return subprocess.Popen(line, pass_fds=numbers, **options)  # type: ignore[call-overload, no-any-return]


def test_sockets_are_found_by_name_and_not_passed_on(tmp_path: Path) -> None:
    script = (
        "from muniment.service.daemon.systemd import inherited_sockets; import os\n"
        "found = inherited_sockets()\n"
        "print({name: [s.getsockname()[1] for s in socks] for name, socks in sorted(found.items())})\n"
        "sockets = [sock for group in found.values() for sock in group]\n"
        "print([sock.get_inheritable() for sock in sockets], 'LISTEN_FDS' in os.environ)\n"
        "print(inherited_sockets())\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        service = activated([one, two], "gateway:", [sys.executable, "-c", script], stdout=subprocess.PIPE)
        output = service.communicate(timeout=PATIENCE)[0].decode().splitlines()
        ports = [sock.getsockname()[1] for sock in (one, two)]
    assert output[0] == str({"gateway": [ports[0]], "unknown": [ports[1]]})
    assert output[1:] == ["[False, False] False", "{}"]


def test_a_service_receives_mail_on_a_port_that_systemd_opened(
    manager: socket.socket, tmp_path: Path
) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.profile("spool", source="spool", every=1)
    toml = vault.folder / "vault.toml"
    toml.write_text(toml.read_text() + f'\n[gateway]\naddresses = ["{JOURNAL}"]\n')
    notify = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
    arguments = command(vault.folder, "service", "--log-format", "keys")
    with socket.create_server(("127.0.0.1", 0)) as sock, (tmp_path / "log").open("wb") as log:
        port = sock.getsockname()[1]
        service = activated([sock], "gateway", arguments, env=os.environ | notify, stderr=log)
    try:
        assert messages_until(manager, "READY=1")[-1] == "READY=1"
        assert messages_until(manager, "WATCHDOG=1")
        assert messages_until(manager, "WATCHDOG=1")
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
            assert smtp.sendmail("exchange@example.com", [JOURNAL], report(plain(subject="Letter"))) == {}
        deadline = time.monotonic() + PATIENCE
        while not vault.search("letter"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        service.send_signal(signal.SIGTERM)
        assert messages_until(manager, "STOPPING=1")
        assert service.wait(PATIENCE) == 0
    finally:
        service.kill()
        service.wait()
        vault.client.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert all(line.startswith("time=") and " level=" in line for line in lines), lines
    assert any(f"port {port}" in line for line in lines)
