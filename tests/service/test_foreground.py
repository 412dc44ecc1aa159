"""`muniment service` in a process of its own: it receives mail, archives it, and is ended in various ways."""

from __future__ import annotations

import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest

from muniment.archive.vault.open_vault import open_vault
from muniment.client.client import Transport
from muniment.service.access.roles import Caller
from muniment.service.daemon import serve
from muniment.service.host.session import ClientSession
from muniment.service.transport.listener import listening
from support.program import Program, command
from support.reports import letters
from support.vaults import TestVault, put
from support.waiting import eventually

JOURNAL = "journal@archive.example.com"
PATIENCE = 60.0


class Service:
    """A running `muniment service`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder.parent / f"service-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command(folder, "service"), stdout=log, stderr=subprocess.STDOUT)

    def output(self) -> str:
        """All its output so far."""
        return self._log.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until `pattern` matches its output."""
        with suppress(AssertionError):
            eventually(lambda: self.process.poll() is not None or re.search(pattern, self.output()))
        found = re.search(pattern, self.output())
        assert found, self.output()
        return found

    @property
    def port(self) -> int:
        """The port of its gateway."""
        return int(self.wait_for(r"gateway listens on \S+ port (\d+)")[1])

    def send(self, *mails: bytes) -> None:
        """Deliver journal mail to its gateway."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as smtp:
            for mail in mails:
                assert smtp.sendmail("exchange@example.com", [JOURNAL], mail) == {}

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the service; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    made.profile("spool", source="spool", every=1)
    toml = made.folder / "vault.toml"
    toml.write_text(toml.read_text() + f'\n[gateway]\nlisten = "127.0.0.1:0"\naddresses = ["{JOURNAL}"]\n')
    yield made
    made.client.close()


@pytest.fixture
def start(vault: TestVault) -> Iterator[Callable[[], Service]]:
    """Starts services for the vault. Those that still run at the end are killed."""
    started: list[Service] = []

    def one() -> Service:
        started.append(Service(vault.folder))
        return started[-1]

    yield one
    for service in started:
        service.process.kill()
        service.process.wait()


@pytest.fixture
def service(start: Callable[[], Service]) -> Service:
    running = start()
    running.wait_for("serving")
    return running


def count(vault: TestVault) -> int:
    """The number of messages that a search finds."""
    return len(vault.search("letter"))


def test_sent_mail_is_archived_and_the_spool_is_emptied(vault: TestVault, service: Service) -> None:
    service.send(*letters(0, 1, 2))
    eventually(lambda: count(vault) == 3)
    eventually(lambda: list((vault.folder / "spool/new").iterdir()) == [])
    service.send(*letters(3, 4))
    eventually(lambda: count(vault) == 5)
    began = time.monotonic()
    assert service.end() == 0
    assert time.monotonic() - began < PATIENCE / 2
    assert "stopping" in service.output()
    assert "Traceback" not in service.output()
    assert vault.status().owner == ""
    vault.sound()


def test_ctrl_c_ends_the_service(service: Service) -> None:
    assert service.end(signal.SIGINT) == 0


def test_the_service_ends_soon_in_a_run_and_continues_after_a_restart(
    vault: TestVault, start: Callable[[], Service]
) -> None:
    new = vault.maildir("box", delete=True, every=1)
    put(new, letters(*range(3000)))
    service = start()
    eventually(lambda: vault.status().messages > 100)
    began = time.monotonic()
    assert service.end() == 0
    assert time.monotonic() - began < PATIENCE / 2
    assert "box: cancelled" in service.output()
    kept = vault.status().messages
    assert 100 < kept < 3000
    assert vault.run("box").state == "ok"
    assert list(new.iterdir()) == []
    assert vault.status().messages == 3000
    vault.sound()


def test_no_other_process_can_write_the_vault_of_a_service(vault: TestVault, service: Service) -> None:
    program = Program(vault.folder)
    owner = rf"process {service.process.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d(?: [+-]\d{{4}})?"
    for arguments in (
        ["service"],
        ["run", "spool"],
        ["run", "--all"],
        ["users", "add", "Ada", "ada@example.com"],
    ):
        assert re.search(owner, program.refuses(5, *arguments)), arguments
    for arguments in (["rebuild"], ["quarantine", "retry"]):
        assert re.search(owner, program.refuses(5, *arguments)), arguments
    second = program.spawn("service")
    assert (second.code, second.out) == (5, "")
    assert re.search(owner, second.err)
    assert re.fullmatch(owner, program.ask("status")["owner"])
    assert service.process.poll() is None


def test_other_processes_can_read_while_the_service_runs(
    vault: TestVault, service: Service, tmp_path: Path
) -> None:
    program = Program(vault.folder)
    service.send(*letters(0, 1))
    eventually(lambda: count(vault) == 2)
    assert program.ask("list", "bob@example.com/Inbox")["total"] == 2
    (hit,) = program.ask("search", "subject:letter", "--limit", "1")["hits"]
    assert program("show", hit["id"], "--raw").raw.startswith(b"From: Anna Berg")
    assert [user["user"] for user in program.ask("tree")] == ["anna@example.com", "bob@example.com"]
    assert program.ask("profile", "list")[0]["name"] == "spool"
    assert program("verify", "--deep").code == 0
    program("export", "letter", "--to", str(tmp_path / "out.zip"))
    program("backup", str(tmp_path / "backup"))
    assert program("quarantine", "list").code == 0
    assert service.process.poll() is None


def test_changed_settings_are_used_and_wrong_ones_are_not(vault: TestVault, service: Service) -> None:
    toml = vault.folder / "vault.toml"
    right = toml.read_text()
    new = vault.folder.parent / "late" / "new"
    new.mkdir(parents=True)
    put(new, letters(50))
    toml.write_text(right + "\n[profile.late\nsource = 1\n")
    line = right.count("\n") + 2
    service.wait_for(rf"vault\.toml, line {line}, column \d+")
    service.send(*letters(0))
    service.wait_for("spool: ok, listed 1, new 1")
    toml.write_text(right + f'\n[profile.late]\nsource = "maildir"\npath = "{new.parent}"\nevery = 1\n')
    service.wait_for("late: ok, listed 1, new 1")
    eventually(lambda: count(vault) == 2)
    assert service.output().count("vault.toml has an error") == 1
    assert "vault.toml is valid again" in service.output()
    toml.write_text(right)
    eventually(lambda: "late" not in [profile.name for profile in vault.status().profiles])
    assert service.process.poll() is None


def test_a_profile_that_fails_does_not_stop_the_other(
    vault: TestVault, start: Callable[[], Service], tmp_path: Path
) -> None:
    new = vault.maildir("box", every=1)
    vault.profile("gone", source="maildir", path=str(tmp_path / "gone"), every=1)
    put(new, letters(7))
    service = start()
    service.send(*letters(8))
    eventually(lambda: count(vault) == 2)
    service.wait_for(r"gone: failed.*is not a Maildir")
    put(new, letters(9))
    eventually(lambda: count(vault) == 3)
    assert "ok, listed 0" not in service.output()
    assert service.end() == 0
    assert len(re.findall("gone: failed", service.output())) == 1


def test_after_kill_9_another_takes_over_and_nothing_is_lost(
    vault: TestVault, service: Service, start: Callable[[], Service]
) -> None:
    service.send(*letters(*range(40)))
    eventually(lambda: vault.status().messages > 0)
    children = psutil.Process(service.process.pid).children(recursive=True)
    assert service.end(signal.SIGKILL) == -signal.SIGKILL
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert vault.status().owner == ""
    again = start()
    again.send(*letters(*range(40, 50)))
    eventually(lambda: count(vault) == 50)
    eventually(lambda: list((vault.folder / "spool/new").iterdir()) == [])
    assert again.end() == 0
    assert "box" not in again.output()
    vault.sound()


@pytest.mark.parametrize(
    ("line", "part", "code"),
    [
        ('listen = "127.0.0.1:{taken}"', "can't listen on 127.0.0.1 port", 3),
        ('listen = "nonsense"', "listen is 'nonsense'", 3),
        ('listen = "127.0.0.1:0"\ncertificate = "/nowhere.pem"', "/nowhere.pem", 3),
    ],
)
def test_a_gateway_that_can_not_listen_ends_the_service_at_once(
    vault: TestVault, line: str, part: str, code: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        toml = vault.folder / "vault.toml"
        text = toml.read_text().replace('listen = "127.0.0.1:0"', line.format(taken=taken.getsockname()[1]))
        toml.write_text(text)
        began = time.monotonic()
        done = Program(vault.folder).spawn("service")
    assert time.monotonic() - began < PATIENCE / 2
    assert (done.code, done.out) == (code, "")
    assert part in done.err
    assert len(done.err.splitlines()) == 1


def test_a_background_service_yields_after_the_run_in_hand(vault: TestVault) -> None:
    busy, background, stop = threading.Event(), threading.Event(), threading.Event()
    busy.set()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        busy.clear()

    def engine(caller: Caller) -> Transport:
        raise AssertionError("nothing is asked")

    def serves() -> None:
        with (
            closing(open_vault(vault.folder, write=True)),
            listening(vault.folder, engine, background, lambda: True, begun.set, busy=busy.is_set),
        ):
            assert background.wait(PATIENCE)

    begun = threading.Event()
    thread = threading.Thread(target=serves)
    thread.start()
    assert begun.wait(PATIENCE)
    session = ClientSession(vault.folder)
    with ExitStack() as stack:
        assert serve._opened(stack, session, stop, say, takes_over=True) is not None
    thread.join()
    assert ["run in hand" in line for line in lines] == [True]


def test_a_service_that_waits_for_another_ends_at_a_signal(vault: TestVault) -> None:
    stop = threading.Event()
    with closing(open_vault(vault.folder, write=True)), ExitStack() as stack:
        threading.Timer(0.3, stop.set).start()
        assert serve._opened(stack, ClientSession(vault.folder), stop, print, takes_over=True) is None


def test_text_of_mail_in_a_bug_is_not_written_to_standard_error(vault: TestVault, tmp_path: Path) -> None:
    script = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from muniment.service.daemon import serve as foreground\n"
        "def bug(*words, **more):\n"
        "    try: raise ValueError('xyzzysecret of a mail')\n"
        "    except ValueError: logging.getLogger('muniment.runs').exception('a bug')\n"
        "foreground._work = bug\n"
        "foreground.serve(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(vault.folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "ValueError" in done.stderr
    assert "xyzzysecret" not in done.stdout + done.stderr
