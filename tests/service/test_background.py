"""Services that commands start: races, kills, damaged vaults, other versions, and the end of an idle
service."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from muniment.__main__ import ALONE
from muniment.api import GetTree, ProgressWord, Run, RunsState, Tree, WatchRuns
from muniment.archive.vault.open_vault import open_vault
from muniment.client import autostart
from muniment.client.client import Transport
from muniment.errors import MunimentError, VaultLocked
from support.program import Program, one_sentence
from support.reports import plain, report
from support.services import end, muniment, service_of, socket_of, stop_service
from support.vaults import TestVault, put
from support.waiting import eventually

PATIENCE = 60.0
LETTERS = [plain(subject=f"Letter {n}", body=f"Number {n}\n") for n in range(10)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    """A vault with ten letters, and another letter in a maildir."""
    vault = TestVault(tmp_path_factory.mktemp("background") / "vault")
    box = vault.maildir("box", enabled=False)
    put(box, map(report, LETTERS))
    assert vault.run("box").new == 10
    put(box, [report(plain(subject="Late letter"))])
    vault.client.close()
    return vault


@pytest.fixture
def vault(made: TestVault, tmp_path: Path) -> Iterator[Path]:
    """A copy of the vault, without a service."""
    folder = tmp_path / "vault"
    shutil.copytree(made.folder, folder)
    yield folder
    stop_service(socket_of(folder))


def test_every_command_goes_through_one_service(vault: Path, tmp_path: Path) -> None:
    def output(*arguments: str) -> str:
        done = muniment(vault, *arguments)
        assert (done.code, done.err) == (0, ""), arguments
        return done.out

    assert "Letter 9" in output("list", "bob@example.com/Inbox")
    pid = service_of(vault)
    assert output("run", "box").endswith("The books balance.\n")
    id_ = hashlib.sha256(LETTERS[3]).hexdigest()
    assert muniment(vault, "show", id_, "--raw").raw == LETTERS[3]
    (tmp_path / "people.csv").write_text("name,address\nBob Ray,bob@example.com,b.ray@example.com\n")
    output("users", "import", str(tmp_path / "people.csv"))
    assert "Bob Ray" in output("users", "show", "b.ray@example.com")
    output("profile", "edit", "box", "--timeout", "10")
    output("profile", "test", "box")
    output("rebuild")
    assert muniment(vault, "search", "letter", "--json").json["total"] == 11
    assert muniment(vault, "verify", "--deep", "--json").json["ok"]
    output("export", "letter", "--to", str(tmp_path / "out"))
    assert len(list((tmp_path / "out").glob("*.eml"))) == 11
    output("backup", str(tmp_path / "backup"))
    output("quarantine", "list")
    output("audit")
    completing = {"_MUNIMENT_COMPLETE": "bash_complete", "COMP_WORDS": "muniment run b", "COMP_CWORD": "2"}
    env = os.environ | completing | {"MUNIMENT_VAULT": str(vault)}
    done = subprocess.run([sys.executable, "-m", "muniment_tui"], env=env, capture_output=True, text=True)
    assert "box" in done.stdout
    assert muniment(vault, "status", "--json").json["owner"].startswith(f"process {pid}, ")
    assert service_of(vault) == pid
    end(pid)
    assert not socket_of(vault).exists()
    assert not socket_of(vault).with_suffix(".lock").exists()
    TestVault(vault).sound()


def test_errors_come_with_their_exit_code(vault: Path) -> None:
    done = muniment(vault, "search", "from:(")
    assert done.code == 11
    assert done.err.splitlines()[1:] == ["  from:(", "       ^"]
    one_sentence(muniment(vault, "show", "00000000"), 10)
    one_sentence(muniment(vault, "profile", "show", "nosuch"), 10)
    toml = vault / "vault.toml"
    toml.write_text(toml.read_text() + "\nnonsense = 1\n")
    assert "vault.toml" in one_sentence(muniment(vault, "status"), 3)
    end(service_of(vault))
    assert "vault.toml" in one_sentence(muniment(vault, "status"), 3)
    assert "no vault in" in one_sentence(muniment(vault.parent / "nowhere", "status"), 4)
    assert "no vault in" in one_sentence(muniment(vault.parent, "status"), 4)


def test_commands_that_start_a_service_at_the_same_time_share_one(vault: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda n: muniment(vault, "search", "letter", "--json"), range(3)))
    assert [(one.code, one.err) for one in done] == [(0, "")] * 3
    assert [one.json["total"] for one in done] == [10] * 3


def test_a_killed_service_is_replaced(vault: Path) -> None:
    assert muniment(vault, "tree").code == 0
    first = service_of(vault)
    end(first, signal.SIGKILL)
    assert socket_of(vault).exists()
    assert muniment(vault, "tree").code == 0
    assert service_of(vault) not in (0, first)


def test_an_idle_service_ends_unless_a_profile_is_scheduled(vault: Path) -> None:
    env = os.environ | {"MUNIMENT_IDLE": "0.2"}
    assert muniment(vault, "tree", env=env).code == 0
    eventually(lambda: not service_of(vault))
    eventually(lambda: not socket_of(vault).exists())
    assert muniment(vault, "profile", "edit", "box", "--enabled", env=env).code == 0
    if not (pid := service_of(vault)):
        assert muniment(vault, "tree", env=env).code == 0
        pid = service_of(vault)
    eventually(lambda: muniment(vault, "search", "late", "--json").json["total"] == 1)
    time.sleep(1.5)
    assert service_of(vault) == pid


def test_a_service_ends_when_its_vault_is_removed(vault: Path) -> None:
    assert muniment(vault, "tree").code == 0
    shutil.rmtree(vault)
    vault.mkdir(mode=0o700)
    eventually(lambda: not service_of(vault))


def test_the_process_that_holds_the_vault_is_named(vault: Path) -> None:
    line = autostart.connected(vault, ALONE.connect, held=0.1)
    with (
        closing(open_vault(vault, write=True)),
        pytest.raises(VaultLocked, match=rf"process {os.getpid()}, since"),
    ):
        line.call(GetTree())
    assert isinstance(line.call(GetTree()), Tree)


def test_a_damaged_vault_can_be_read_and_repaired(vault: Path) -> None:
    segment = vault / "ledger/000000000001.seg"
    whole = segment.read_bytes()
    segment.write_bytes(whole[: len(whole) // 2])
    done = muniment(vault, "verify", "--json")
    assert (done.code, done.json["ok"]) == (6, False)
    assert muniment(vault, "list", "bob@example.com/Inbox", "--json").json["total"] == 10
    assert "restore a backup" in one_sentence(muniment(vault, "run", "box"), 6)
    segment.write_bytes(whole)
    eventually(lambda: not service_of(vault))
    assert muniment(vault, "run", "box").code == 0


def start_old(vault: Path, before: str = "") -> None:
    """A service that a client of an older version has started; it runs the code `before` first."""
    script = (
        "import sys, muniment; muniment.__version__ = '0.0.1'\n"
        f"from muniment.service.__main__ import main\n{before}\nsys.exit(main(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, str(vault)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    assert done.stdout == b"ready\n"


def test_a_background_service_of_another_version_is_replaced(vault: Path) -> None:
    start_old(vault)
    old = service_of(vault)
    assert muniment(vault, "tree").code == 0
    assert service_of(vault) not in (0, old)


def test_a_service_of_another_version_that_ends_slowly_is_replaced(vault: Path) -> None:
    start_old(
        vault,
        "import time\nfrom muniment.service.transport.listener import _Thread as line\nend = line.end\n"
        "line.end = lambda self: (time.sleep(2), end(self))",
    )
    old = service_of(vault)
    assert muniment(vault, "tree").code == 0
    assert service_of(vault) not in (0, old)


def test_a_service_of_another_version_that_is_needed_stays(vault: Path) -> None:
    Program(vault)("profile", "edit", "box", "--enabled")
    start_old(vault)
    old = service_of(vault)
    done = one_sentence(muniment(vault, "tree"), 4)
    assert "Muniment 0.0.1" in done
    assert f"process {old}" in done
    assert service_of(vault) == old


@contextmanager
def foreground(vault: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A service in the foreground. It is killed if a test does not end it."""
    command = [sys.executable, "-m", "muniment_tui", "--vault", str(vault), "service"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as service:
        try:
            yield service
        finally:
            if service.poll() is None:
                service.kill()


def test_a_foreground_service_takes_over_from_a_background_service(vault: Path) -> None:
    Program(vault)("profile", "edit", "box", "--enabled")  # so that it is needed all the time
    line = autostart.connected(vault, ALONE.connect)
    watched = line.stream(WatchRuns())
    next(watched)
    before = service_of(vault)
    with foreground(vault) as service:
        eventually(lambda: service_of(vault) == service.pid)
        with suppress(MunimentError):  # that the service is stopping
            for _ in watched:
                pass
        with foreground(vault) as second:  # which leaves for nobody
            _, done = second.communicate(timeout=PATIENCE)
        assert second.returncode == VaultLocked.exit_code
        assert f"process {service.pid}, since" in done.decode()
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=PATIENCE)
    assert service.returncode == 0
    assert before not in (0, service.pid)


def test_a_run_goes_on_when_its_connection_is_cut_and_stops_at_ctrl_c(vault: Path, tmp_path: Path) -> None:
    new = tmp_path / "many" / "new"
    new.mkdir(parents=True)
    put(new, [report(plain(subject=f"Many {n}", body=f"text {n}\n")) for n in range(1500)])
    Program(vault)("profile", "add", "many", "--source", "maildir", "--path", str(new.parent), "--disabled")
    line = autostart.connected(vault, ALONE.connect)
    replies = line.stream(Run(profile="many"))
    assert isinstance(next(replies), ProgressWord)
    replies.close()  # type: ignore[attr-defined]
    eventually(lambda: muniment(vault, "status", "--json").json["messages"] == 1510)
    eventually(lambda: not _running(line))
    put(new, [report(plain(subject=f"More {n}", body=f"text {n}\n")) for n in range(6000)])
    command = [sys.executable, "-m", "muniment_tui", "--vault", str(vault), "run", "many", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as stopped:
        eventually(lambda: _running(line))
        stopped.send_signal(signal.SIGINT)
        out, err = stopped.communicate(timeout=PATIENCE)
    assert stopped.returncode == 130, err
    assert b'"state":"cancelled"' in out.replace(b" ", b"")
    assert muniment(vault, "status", "--json").json["messages"] < 7510


def _running(line: Transport) -> bool:
    replies = line.stream(WatchRuns())
    state = next(iter(replies))
    assert isinstance(state, RunsState)
    return any(profile.running is not None for profile in state.profiles)


def test_a_background_service_keeps_nothing_of_the_process_that_started_it(
    vault: Path, tmp_path: Path
) -> None:
    assert muniment(vault, "tree", cwd=tmp_path, umask=0).code == 0
    pid = service_of(vault)
    assert os.getsid(pid) != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    files = [str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in range(3)]
    assert files == ["/dev/null"] * 3
    assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()
    assert socket_of(vault).stat().st_mode & 0o777 == 0o666
    logs = list((Path(os.environ["XDG_STATE_HOME"]) / "muniment").glob("vault-*.log"))
    assert logs
    assert all(log.stat().st_mode & 0o077 == 0 for log in logs)
