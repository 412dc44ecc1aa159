"""A real terminal: tmux on its own socket, and a real sshd on loopback.

Nothing here sleeps for a fixed time. Every wait has a condition and a deadline.
"""

from __future__ import annotations

import getpass
import itertools
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

PATIENCE = 60.0
"""Timeout of a wait, in seconds."""
EVERY = 0.05
_NUMBERS = itertools.count(1)
MUNIMENT = [sys.executable, "-m", "muniment_tui"]
"""The command that starts the program, as its console script does."""


def needs(*programs: str) -> None:
    """Skip the test if one of these programs is not installed. With CI=true, fail instead."""
    missing = [name for name in programs if not (shutil.which(name) or Path("/usr/sbin", name).exists())]
    if missing:
        said = f"{', '.join(missing)} missing: sudo apt-get install tmux openssh-server openssh-client"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)


class Terminal:
    """A program in a terminal of `columns` x `rows` cells."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        columns: int = 80,
        rows: int = 24,
        env: dict[str, str] | None = None,
    ) -> None:
        """`env` is added to a plain environment. The program starts in `folder`, which is its HOME."""
        self._name = f"muniment-{os.getpid()}-{next(_NUMBERS)}"
        self._sockets = tempfile.mkdtemp(prefix="mt-", dir="/tmp")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "XDG_STATE_HOME": str(folder / ".state"),
            "XDG_RUNTIME_DIR": str(folder / ".run"),
            **(env or {}),
        }
        inside = ["env", *(f"{key}={value}" for key, value in self.environment.items()), *command]
        # A shell stays behind when the program has ended, so that what it left of the terminal can be seen.
        line = (
            f"stty -a > {folder}/stty.before; {shlex.join(inside)}; code=$?; stty -a > {folder}/stty.after; "
        )
        line += 'echo "ended:$code"; exec cat'
        settings = ["set -g status off", "set -s escape-time 0", "set -g default-terminal screen-256color"]
        settings += ["set -g allow-passthrough off", "set -s set-clipboard off", "set -g history-limit 2000"]
        config = Path(self._sockets, "conf")
        config.write_text("\n".join(settings) + "\n")
        self._tmux(
            "-f", str(config), "new-session", "-d", "-x", str(columns), "-y", str(rows),
            "-c", str(folder), "-s", "t", line,
        )  # fmt: skip
        self.folder = folder

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-L", self._name, *words],
            env={**os.environ, "TMUX_TMPDIR": self._sockets, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names: `Enter`, `Escape`, `Down`, `C-p`, `F2`, or a character."""
        self._tmux("send-keys", "-t", "t", "--", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self._tmux("send-keys", "-t", "t", "-l", "--", text)

    def screen(self) -> str:
        """The text on the screen."""
        return self._tmux("capture-pane", "-t", "t", "-p")

    def wait(self, holds: Callable[[str], object], what: str, patience: float = PATIENCE) -> str:
        """Wait until `holds` accepts the screen's text, and return that text."""
        deadline = time.monotonic() + patience
        while not holds(seen := self.screen()):
            assert time.monotonic() < deadline, (
                f"{what}: not within {patience:.0f} s; the screen says:\n{seen}"
            )
            time.sleep(EVERY)
        return seen

    def wait_for(self, *texts: str, patience: float = PATIENCE) -> str:
        """Wait until all texts appear."""
        return self.wait(lambda seen: all(text in seen for text in texts), f"to read {texts}", patience)

    def wait_gone(self, text: str, patience: float = PATIENCE) -> str:
        """Wait until a text disappears."""
        return self.wait(lambda seen: text not in seen, f"{text!r} to go", patience)

    def wait_ended(self, patience: float = PATIENCE) -> int:
        """Wait until the program has ended, and return its exit code."""
        seen = self.wait(lambda seen: re.search(r"ended:\d+", seen), "the program to end", patience)
        found = re.search(r"ended:(\d+)", seen)
        assert found
        return int(found[1])

    def resize(self, columns: int, rows: int) -> None:
        """Resize the terminal, and verify it, since tmux may ignore an early request."""
        tty = self._tmux("display", "-p", "-t", "t", "#{pane_tty}").strip()
        deadline = time.monotonic() + PATIENCE
        while _size(tty) != (columns, rows):
            assert time.monotonic() < deadline, f"tmux does not resize {tty}"
            self._tmux("resize-window", "-t", "t", "-x", str(columns + 1), "-y", str(rows))
            self._tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(rows))
            time.sleep(0.3)

    def modes(self) -> dict[str, str]:
        """The terminal's modes: alternate screen, mouse, cursor, keypad ("0" or "1" each)."""
        names = [
            "alternate_on",
            "mouse_any_flag",
            "mouse_sgr_flag",
            "cursor_flag",
            "keypad_flag",
            "keypad_cursor_flag",
        ]
        told = self._tmux("display-message", "-t", "t", "-p", " ".join(f"#{{{name}}}" for name in names))
        return dict(zip(names, told.split(), strict=True))

    def pid(self, of: str) -> int:
        """The program's process: the youngest in this terminal whose command line contains `of`."""
        pane = int(self._tmux("display-message", "-t", "t", "-p", "#{pane_pid}"))
        found = [pid for pid in _below(pane) if of in _command_line(pid)]
        assert found, f"no {of} below {pane}"
        return found[-1]

    def close(self) -> None:
        """End the terminal and everything in it."""
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self._tmux("kill-server")
        shutil.rmtree(self._sockets, ignore_errors=True)


class CountedKeys:
    """Presses keys in a terminal, and counts them. A pasted text is not counted."""

    def __init__(self, screen: Terminal) -> None:
        self.count = 0
        self._screen = screen

    def press(self, *keys: str) -> None:
        """Press keys, each of which counts."""
        self.count += len(keys)
        self._screen.press(*keys)

    def type(self, text: str) -> None:
        """Type a text, each character of which counts."""
        self.count += len(text)
        self._screen.type(text)


def _size(tty: str) -> tuple[int, int]:
    """Columns and rows of a terminal."""
    with Path(tty).open() as stream:
        size = os.get_terminal_size(stream.fileno())
    return size.columns, size.lines


def _below(pid: int) -> list[int]:
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_below(child)]
    return found


def _command_line(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return ""


def running(*words: str) -> list[int]:
    """Processes whose command line contains all of these words."""
    pids = (int(one.name) for one in Path("/proc").glob("[0-9]*"))
    return [pid for pid in pids if all(word in _command_line(pid) for word in words)]


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[OpenTerminal]:
    """`terminal(command, ...)` opens a terminal in an empty folder. All are closed at the end."""
    needs("tmux")
    opened: list[Terminal] = []

    def open_one(command: Sequence[str] = (), **options: object) -> Terminal:
        folder = tmp_path / "home"
        folder.mkdir(exist_ok=True, mode=0o700)
        made = Terminal([*(command or MUNIMENT)], **{"folder": folder, **options})  # type: ignore[arg-type]
        opened.append(made)
        return made

    yield open_one
    for one in opened:
        one.close()


class Sshd:
    """A real sshd on loopback that admits its own user by a key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
            )
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        host_key = " ".join((folder / "host.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}\n")
        config = folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            f"PasswordAuthentication no\nPidFile {folder}/pid\nPrintMotd no\nPrintLastLog no\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=self._log, stdin=subprocess.DEVNULL
        )
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                if line.recv(4).startswith(b"SSH"):
                    return
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "sshd does not answer"
            time.sleep(EVERY)

    def command(self, *words: str, env: dict[str, str] | None = None, port: int = 0) -> list[str]:
        """The command that runs `words` on the remote side, in a terminal. `port` is another port, such as
        a proxy's."""
        settings = " ".join(f"{key}={shlex.quote(value)}" for key, value in (env or {}).items())
        known = f"UserKnownHostsFile={self._folder}/known_hosts"
        return [
            "ssh", "-tt", "-F", "/dev/null", "-p", str(port or self.port), "-i", str(self._folder / "user"),
            "-o", known, "-o", "LogLevel=ERROR", "-o", "BatchMode=yes",
            "-o", f"HostKeyAlias=[127.0.0.1]:{self.port}", "-o", "ControlPath=none",
            f"{getpass.getuser()}@127.0.0.1", f"{settings} exec {shlex.join(words)}",
        ]  # fmt: skip

    def close(self) -> None:
        """Stop the server."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """An sshd for one test."""
    needs("sshd", "ssh", "ssh-keygen")
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    server = Sshd(folder)
    yield server
    server.close()
