"""On a bare Debian: the demo, the app in a terminal, all tests, and the hammer on Debian's own Python.

Each Debian has its essential packages, `python3` and `make`, and nothing else. Muniment's own make targets
install the rest. All tests run in a folder that other users can enter, in random order. Those that work as
other users run again in a folder that they can't enter.
Needs root, debootstrap, and access to Debian's and Python's packages.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.corpus import shared_dir
from support.teletype import Teletype

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "debian.py"
SUITES = {"bookworm": "3.11", "trixie": "3.13"}
"""Each Debian and its Python version."""
OPEN, CLOSED = "/srv/muniment", "/home/keeper/muniment"
"""Folders of the clone: one that everyone can enter, and one of mode 0700."""
SCREENS = {
    "2": "No profiles yet",
    "3": "Press 2 to add one",
    "4": "No mail is archived yet",
    "1": "Journal rule",
}
"""The key of each area, and a text that it shows in a new vault."""
LONG = 5400
"""Timeout of all tests, in seconds."""
HAMMERED = {"3.11": (0, 40), "3.13": (40, 80)}
"""Seeds of the hammer for each Python: first and end. Each makes a round alone and one under load."""
REASONS = (
    "Dovecot stores no NUL",
    "Graph states no sizes",
    "mbox files are read only",
    "root may read everything",
    "smtp-source is in Debian's postfix package",
    "this machine has no address but loopback",
    " absent",  # others' mail
)
"""Reasons for which root may skip a test."""
AS_OTHERS = "from support.osusers import"
"""What a file of tests that work as other users holds."""
REPORT = "--junitxml=/tmp/report.xml"
SHUT = f"other users can't enter {Path(CLOSED).parent}"
"""A further reason in a folder that others can't enter."""

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(LONG + 900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a Debian"),
]


@dataclass
class Debian:
    """A Debian in a folder, with a clone of this project."""

    root: Path
    python: str
    shown: list[str] = field(default_factory=list)

    def line(self, folder: str, *words: str) -> list[str]:
        """The command line that runs `words` inside, in a folder."""
        return [sys.executable, str(TOOL), "run", "--in", folder, *self.shown, str(self.root), *words]

    def __call__(self, folder: str, *words: str, timeout: float = 1800) -> str:
        """Run `words` inside, which must succeed. Returns their output."""
        done = subprocess.run(
            self.line(folder, *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout[-8000:]}"
        return done.stdout

    def report(self) -> tuple[int, dict[str, str]]:
        """The number of cases of the last run with REPORT, and why those that were skipped were skipped."""
        cases = list(ET.parse(self.root / "tmp" / "report.xml").getroot().iter("testcase"))
        skipped = {
            f"{case.get('classname')}::{case.get('name')}": skip.get("message", "")
            for case in cases
            for skip in case.iter("skipped")
        }
        return len(cases), skipped

    def clone(self, folder: str) -> None:
        """Put a clone of this project there, with others' mail in `../shared`."""
        inside = self.root / folder.lstrip("/")
        if inside.exists():
            return
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.parent.chmod(0o700 if folder == CLOSED else 0o755)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(inside)], check=True, timeout=300)
        subprocess.run(["chown", "-R", "root:root", str(inside)], check=True, timeout=300)
        if (shared := shared_dir()).is_dir():
            self.shown += ["--at", f"{shared}={Path(folder).parent / 'shared'}"]


@pytest.fixture(scope="module", params=SUITES)
def debian(request: pytest.FixtureRequest) -> Iterator[Debian]:
    with tempfile.TemporaryDirectory(prefix="muniment-debian-", dir="/var/tmp") as folder:
        root = Path(folder, request.param)
        words = ["make", request.param, str(root), "python3", "make"]
        done = subprocess.run(
            [sys.executable, str(TOOL), *words], capture_output=True, text=True, timeout=1800
        )
        if done.returncode == 2 and not os.environ.get("CI"):
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr
        yield Debian(root, SUITES[request.param])
        assert str(root) not in Path("/proc/self/mounts").read_text()


def test_the_demo(debian: Debian) -> None:
    debian.clone(OPEN)
    output = debian(OPEN, "make", "demo")
    assert "1,000" in output
    assert "Traceback" not in output


def test_the_app_in_a_terminal(debian: Debian) -> None:
    """The app starts, creates a vault by keys, shows each area, and restores the terminal."""
    debian.clone(OPEN)
    debian(OPEN, "make", ".venv/.set-up")
    assert f"Python {debian.python}." in debian(OPEN, ".venv/bin/python", "-V")
    debian("/", "mkdir", "-p", "/srv/empty")
    # A home of its own: the vault of the demo is known in root's.
    words = ("env", "HOME=/srv/empty", "TERM=xterm-256color", f"{OPEN}/.venv/bin/muniment")
    command = debian.line("/srv/empty", *words)
    with Teletype(command, folder=debian.root, env=dict(os.environ)) as terminal:
        terminal.wait_for("Create it here", patience=120)
        terminal.press("Quill", "F2")
        terminal.wait_for("Vault made", patience=120)
        for key, text in SCREENS.items():
            terminal.press(key)
            terminal.wait_for(text, patience=60)
        terminal.press("q")
        assert terminal.wait_ended(60) == 0
        assert terminal.settings() == terminal.before


def test_the_whole_suite(debian: Debian) -> None:
    debian.clone(OPEN)
    options = f"{REPORT} --random-order --random-order-seed={random.randrange(10**6)}"
    output = debian(OPEN, "env", f"PYTEST_ADDOPTS={options}", "make", "test", timeout=LONG)
    print(options, output[-3000:], sep="\n")
    cases, skipped = debian.report()
    assert cases > 10_000
    assert not {name: why for name, why in skipped.items() if not any(one in why for one in REASONS)}


def test_a_folder_that_others_cannot_enter(debian: Debian) -> None:
    """One test alone may be skipped for it."""
    debian.clone(CLOSED)
    debian(CLOSED, "make", ".venv/.set-up")
    paths = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if AS_OTHERS in path.read_text()
    ]
    assert len(paths) > 5
    debian(CLOSED, ".venv/bin/pytest", REPORT, "-n", "2", *paths, timeout=LONG)
    cases, skipped = debian.report()
    assert cases > 100
    others = [name for name, why in skipped.items() if SHUT in why]
    assert len(others) == 1, others
    assert not {
        name: why
        for name, why in skipped.items()
        if name not in others and not any(one in why for one in REASONS)
    }


def test_the_hammer(debian: Debian) -> None:
    """Many rounds of tests/service/test_hammer.py in a row, while no other test runs in this Debian."""
    debian.clone(OPEN)
    debian(OPEN, "make", ".venv/.set-up")
    first, end = HAMMERED[debian.python]
    pytest_line = [".venv/bin/pytest", "-n", "0", "-m", "soak", "-q", "-x", "--timeout", "600"]
    seeds = f"MUNIMENT_HAMMER={first}:{end}"
    output = debian(OPEN, "env", seeds, *pytest_line, "tests/service/test_hammer.py", timeout=LONG)
    print(output[-1000:])
    assert f"{2 * (end - first)} passed" in output
