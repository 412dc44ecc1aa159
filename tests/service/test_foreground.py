"""`muniment service`, in a process of its own: takes mail in, archives it, and is ended in every way."""

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

from muniment.archive.vault.vault import Vault
from muniment.client.client import Transport
from muniment.service.access.roles import Caller
from muniment.service.daemon import serve
from muniment.service.host.session import Session
from muniment.service.transport.listener import listening
from support.program import Program, command
from support.reports import plain, report
from support.vaults import TestVault, put

JOURNAL = "journal@archive.example.com"
PATIENCE = 30.0


class Service:
    """A running `muniment service`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder.parent / f"service-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command(folder, "service"), stdout=log, stderr=subprocess.STDOUT)

    def said(self) -> str:
        """All that it said so far."""
        return self._log.read_text()

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it has said what `pattern` finds."""
        with suppress(AssertionError):
            eventually(lambda: self.process.poll() is not None or re.search(pattern, self.said()))
        found = re.search(pattern, self.said())
        assert found, self.said()
        return found

    @property
    def port(self) -> int:
        """Where its gateway listens."""
        return int(self.says(r"gateway listens on \S+ port (\d+)")[1])

    def send(self, *mails: bytes) -> None:
        """Deliver journal mail to it."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as smtp:
            for mail in mails:
                assert smtp.sendmail("exchange@example.com", [JOURNAL], mail) == {}

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def eventually(holds: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


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
    """Starts services on the vault; whatever still runs at the end is killed."""
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
    running.says("serving")
    return running


def letters(*numbers: int) -> list[bytes]:
    return [report(plain(subject=f"Letter {n}", body=f"Text {n}\n")) for n in numbers]


def count(vault: TestVault) -> int:
    """How many messages can be found."""
    return len(vault.search("letter"))


def test_mail_that_is_sent_is_archived_and_the_spool_emptied(vault: TestVault, service: Service) -> None:
    service.send(*letters(0, 1, 2))
    eventually(lambda: count(vault) == 3)
    eventually(lambda: list((vault.folder / "spool/new").iterdir()) == [])
    service.send(*letters(3, 4))
    eventually(lambda: count(vault) == 5)
    began = time.monotonic()
    assert service.end() == 0
    assert time.monotonic() - began < 15
    assert "stopping" in service.said()
    assert "Traceback" not in service.said()
    assert vault.status().owner == ""
    vault.sound()


def test_ctrl_c_ends_it_too(service: Service) -> None:
    assert service.end(signal.SIGINT) == 0


def test_it_ends_soon_in_the_middle_of_a_run_and_goes_on_from_there(
    vault: TestVault, start: Callable[[], Service]
) -> None:
    new = vault.maildir("box", delete=True, every=1)
    put(new, letters(*range(3000)))
    service = start()
    eventually(lambda: vault.status().messages > 100)
    began = time.monotonic()
    assert service.end() == 0
    assert time.monotonic() - began < 15
    assert "box: cancelled" in service.said()
    kept = vault.status().messages
    assert 100 < kept < 3000
    assert vault.run("box").state == "ok"
    assert list(new.iterdir()) == []
    assert vault.status().messages == 3000
    vault.sound()


def test_nobody_else_writes_the_vault_meanwhile(vault: TestVault, service: Service) -> None:
    program = Program(vault.folder)
    owner = rf"process {service.process.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    for words in (
        ["service"],
        ["run", "spool"],
        ["run", "--all"],
        ["users", "add", "Ada", "ada@example.com"],
    ):
        assert re.search(owner, program.refuses(5, *words)), words
    for words in (["rebuild"], ["quarantine", "retry"]):
        assert re.search(owner, program.refuses(5, *words)), words
    second = program.spawn("service")
    assert (second.code, second.out) == (5, "")
    assert re.search(owner, second.err)
    assert re.fullmatch(owner, program.ask("status")["owner"])
    assert service.process.poll() is None


def test_reading_goes_on_beside_it(vault: TestVault, service: Service, tmp_path: Path) -> None:
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


def test_settings_are_taken_up_and_wrong_ones_are_not(vault: TestVault, service: Service) -> None:
    toml = vault.folder / "vault.toml"
    right = toml.read_text()
    new = vault.folder.parent / "late" / "new"
    new.mkdir(parents=True)
    put(new, letters(50))
    toml.write_text(right + "\n[profile.late\nsource = 1\n")
    line = right.count("\n") + 2
    service.says(rf"vault\.toml, line {line}, column \d+")
    service.send(*letters(0))
    service.says("spool: ok, listed 1, new 1")
    toml.write_text(right + f'\n[profile.late]\nsource = "maildir"\npath = "{new.parent}"\nevery = 1\n')
    service.says("late: ok, listed 1, new 1")
    eventually(lambda: count(vault) == 2)
    assert service.said().count("can't be used as it stands") == 1
    assert "can be used again" in service.said()
    toml.write_text(right)
    eventually(lambda: "late" not in [profile.name for profile in vault.status().profiles])
    assert service.process.poll() is None


def test_two_profiles_both_run_and_one_that_fails_stops_nothing(
    vault: TestVault, start: Callable[[], Service], tmp_path: Path
) -> None:
    new = vault.maildir("box", every=1)
    vault.profile("gone", source="maildir", path=str(tmp_path / "gone"), every=1)
    put(new, letters(7))
    service = start()
    service.send(*letters(8))
    eventually(lambda: count(vault) == 2)
    service.says(r"gone: failed.*is not a Maildir")
    put(new, letters(9))
    eventually(lambda: count(vault) == 3)
    assert "ok, listed 0" not in service.said()
    assert service.end() == 0
    assert len(re.findall("gone: failed", service.said())) == 1


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
    assert "box" not in again.said()
    vault.sound()


@pytest.mark.parametrize(
    ("line", "part", "code"),
    [
        ('listen = "127.0.0.1:{taken}"', "can't listen on 127.0.0.1 port", 3),
        ('listen = "nonsense"', "listen is 'nonsense'", 3),
        ('listen = "127.0.0.1:0"\ncertificate = "/nowhere.pem"', "/nowhere.pem", 3),
    ],
)
def test_a_gateway_that_can_not_work_ends_it_at_once(
    vault: TestVault, line: str, part: str, code: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        toml = vault.folder / "vault.toml"
        text = toml.read_text().replace('listen = "127.0.0.1:0"', line.format(taken=taken.getsockname()[1]))
        toml.write_text(text)
        began = time.monotonic()
        said = Program(vault.folder).spawn("service")
    assert time.monotonic() - began < 15
    assert (said.code, said.out) == (code, "")
    assert part in said.err
    assert len(said.err.splitlines()) == 1


def test_one_in_the_background_leaves_when_what_it_has_in_hand_has_ended(vault: TestVault) -> None:
    busy, background, stop = threading.Event(), threading.Event(), threading.Event()
    busy.set()
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        busy.clear()

    def engine(caller: Caller) -> Transport:
        raise AssertionError("nothing is asked")

    def serves() -> None:
        with (
            closing(Vault.open(vault.folder, write=True)),
            listening(vault.folder, engine, background, lambda: True, begun.set, busy=busy.is_set),
        ):
            assert background.wait(PATIENCE)

    begun = threading.Event()
    thread = threading.Thread(target=serves)
    thread.start()
    assert begun.wait(PATIENCE)
    session = Session(vault.folder)
    with ExitStack() as stack:
        assert serve._opened(stack, session, stop, tell, takes_over=True) is not None
    thread.join()
    assert ["run in hand" in line for line in told] == [True]


def test_waiting_for_another_ends_when_it_is_to_stop(vault: TestVault) -> None:
    stop = threading.Event()
    with closing(Vault.open(vault.folder, write=True)), ExitStack() as stack:
        threading.Timer(0.3, stop.set).start()
        assert serve._opened(stack, Session(vault.folder), stop, print, takes_over=True) is None


def test_what_a_bug_quotes_of_mail_is_not_on_standard_error(vault: TestVault, tmp_path: Path) -> None:
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
