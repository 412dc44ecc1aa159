"""A working day with the app, in minutes: neither the app nor its service grows."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.corpus import Corpus
from benchmarks.watch import GROWTH, store
from muniment import api
from muniment.client.client import Client
from support.served import line_to
from support.services import end, service_of
from support.teletype import Teletype
from support.vaults import TestVault, put

REPORT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
HOURS = 8
RUNS = 60
"""Runs in an hour, as for a profile that is due every minute. Each brings one message."""
SCREENS = 60
"""Number of tours through all screens in an hour."""
PAGES = 120
"""Pages that are scrolled in an hour."""
STATES = 0.02
"""Seconds between two states of the runs. The program's own values are half a second and a second."""
SERVICE = """
import sys
from functools import partial
from muniment.service.daemon import serve
from muniment.service.host.run_host import OFTEN, SELDOM, RunHost
assert (OFTEN, SELDOM) == (0.5, 1.0)
serve.RunHost = partial(RunHost, often={states}, seldom={states})
from muniment.service.__main__ import main
sys.exit(main(sys.argv[1]))
"""
APP = """
import sys
from functools import partial
from muniment_tui import app
from muniment_tui.shell.times import TIMES, AppTimes
assert (TIMES.states, TIMES.drawings) == (1.0, 0.9)
app.MunimentApp = partial(app.MunimentApp, times=AppTimes(states={states}, drawings={states}))
from muniment_tui.__main__ import main
sys.exit(main())
"""
"""The real programs, except for the time between two states."""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    """A vault of 2,000 messages. Only the pace of its service differs."""
    made = TestVault(tmp_path / "vault", domains=("werft.example",))
    made.archive(itertools.islice(Corpus().reports(4_000), 2_000), enabled=False)
    made.client.close()
    place = os.path.realpath(made.folder)
    source = SERVICE.format(states=STATES)
    subprocess.run(
        [sys.executable, "-c", source, place], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    yield made
    if pid := service_of(made.folder):
        end(pid)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_neither_app_nor_service_grows_in_eight_hours(vault: TestVault, tmp_path: Path) -> None:
    reports = itertools.islice(Corpus().reports(4_000), 2_000, None)
    client = Client(line_to(vault.folder))
    new = tmp_path / "new"
    for name in ("new", "cur", "tmp"):
        (new / name).mkdir(parents=True)
    fields = {"source": "maildir", "path": str(new), "delete": True, "enabled": False}
    client.call(api.PutProfile(name="new", fields=fields, new=True), api.Done)
    command = [sys.executable, "-c", APP.format(states=STATES), "--vault", str(vault.folder)]
    sizes: list[tuple[int, int]] = []
    with closing(client), Teletype(command, folder=tmp_path, env={"MUNIMENT_IDLE": "3600"}) as tty:
        tty.wait_for("4 M")
        tty.press("4")
        tty.wait_for("All mail")
        tty.press("Enter")
        tty.wait_for("x Export")
        for _ in range(HOURS):
            watch(tty, client, new / "new", reports)
            go_round(tty)
            scroll(tty)
            sizes.append((peak_of(tty.process.pid), peak_of(service_of(vault.folder))))
            print("app {:,}  service {:,}  terminal {:,}".format(*sizes[-1], tty.count))
    result = store(sizes, REPORT)
    print(result)
    assert max(result.growth) <= GROWTH, result


def peak_of(pid: int) -> int:
    """The most resident memory that a process has had, in bytes.

    The memory of a moment depends on what a run or a merge of the index left. What leaks raises each later
    peak.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def watch(tty: Teletype, client: Client, new: Path, reports: Iterator[bytes]) -> None:
    """Measure one hour of runs."""
    tty.press("3")
    tty.wait_for("r Run now")
    for report in itertools.islice(reports, RUNS):
        put(new, [report])
        *_, summary = client.stream(api.Run(profile="new"))
        assert isinstance(summary, api.RunSummary)
        assert summary.state == "ok"
    tty.wait_quiet(0.5)


def go_round(tty: Teletype) -> None:
    """Tour all screens, repeatedly."""
    for _ in range(SCREENS):
        for key, seen in (("1", "F5 Check"), ("2", "t Test"), ("3", "r Run now"), ("4", "x Export")):
            tty.press(key)
            tty.wait_for(seen)


def scroll(tty: Teletype) -> None:
    """Scroll through a list of mail, and read messages."""
    for key in ["PageDown", "PageUp"] * (PAGES // 2):
        tty.press(key)
        tty.wait_quiet(0.02)
    for _ in range(20):
        for key, seen in (("Enter", "Message-ID"), ("Escape", "Enter Open")):
            tty.press(key)
            tty.wait_for(seen)
            tty.wait_quiet(0.12)
