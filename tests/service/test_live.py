"""What a watcher sees is at most two seconds old, with any watcher and for any length of a run.

The run is a clock (support.clock_run); host, socket, client, command line and app are the real ones.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.client.client import Client
from muniment.service.dispatch.engine import Engine
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.transport import server
from muniment_tui.terminal.pace import QUESTION as ASKED
from support.clock_run import TICKS, ClockRun
from support.pace import Waits
from support.served import answering
from support.teletype import Teletype
from support.vaults import TestVault

LENGTHS = [pytest.param(8.0, id="8 s"), pytest.param(60.0, id="60 s", marks=pytest.mark.soak)]
LIMIT = 2.0
"""Largest age of what is shown, in seconds."""
DRAWING = 0.3
"""Further seconds for drawing a screen, and for reading it in this test."""
QUESTION = ASKED.encode()
SPEED = 1000
"""Speed of a slow terminal, in bytes a second."""


def slack() -> float:
    """Additional seconds on a busy machine, where a process waits for the processor."""
    return 1.5 + os.getloadavg()[0] / (os.cpu_count() or 1) / 2


PAGE = 4000
"""Bytes of a whole screen."""
WIDE_PAGE = 12_000
"""Bytes of a whole screen of 200 x 60."""


class Served:
    """A vault with its service in this process, and a run that is a clock."""

    def __init__(self, folder: Path, host: RunHost, line: Client) -> None:
        self.folder = folder
        self.host = host
        self.client = line
        self.job: ClockRun | None = None

    def begin(self, seconds: float) -> ClockRun:
        """Start the run, and wait until it has begun."""
        self.job = job = ClockRun(self.host, "box", seconds)
        self.host.submit(job)
        while not job.began:
            time.sleep(0.01)
        return job

    def command(self, *words: str) -> list[str]:
        """The words of a command for this vault."""
        return [sys.executable, "-m", "muniment_tui", "--vault", str(self.folder), *words]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "vault") as made:
        yield made


@contextmanager
def serving(folder: Path, limits: server.ServerLimits = server.LIMITS) -> Iterator[Served]:
    made = TestVault(folder)
    made.maildir("box", enabled=False)
    made.client.close()
    with (
        closing(open_vault(folder, write=True)) as vault,
        closing(RunHost(ClientSession(folder, vault), in_service=True)) as host,
        answering(
            folder, lambda caller: Engine(ClientSession(folder, vault, caller, host)), limits
        ) as client,
    ):
        yield Served(folder, host, client)


def fetched(reply: api.WireWord) -> int | None:
    """The number of fetched messages in a state; None if nothing runs."""
    if isinstance(reply, api.ProgressWord):
        return reply.books.get("fetched", 0)
    if not isinstance(reply, api.RunsState):
        return None
    running = reply.profiles[0].running
    return None if running is None else running.books.get("fetched", 0)


# --- readers in this process -------------------------------------------------------------------------


class Reader(threading.Thread):
    """Reads states until the run has ended, with a pause after each."""

    def __init__(self, replies: Iterator[api.WireWord], job: ClockRun, pause: float) -> None:
        super().__init__(daemon=True)
        self.ages: list[float] = []
        self.ended = 0.0
        self.last: api.WireWord | None = None
        self._replies = replies
        self._job = job
        self._pause = pause

    def run(self) -> None:
        for reply in self._replies:
            self.last = reply
            count = fetched(reply)
            if count is None:
                break
            if self._job.began:
                self.ages.append(self._job.age(count))
            time.sleep(self._pause)
        self.ended = time.monotonic()


@pytest.mark.parametrize("seconds", LENGTHS)
def test_a_reader_of_any_speed_sees_the_newest_state_and_the_end(served: Served, seconds: float) -> None:
    """Readers of WatchRuns and of Run that pause between states, some for 3 seconds."""
    job = served.begin(seconds)
    readers = [
        Reader(served.client.stream(request), job, pause)
        for request in (api.WatchRuns(), api.Run(profile="box"))
        for pause in (0.0, 1.0, 3.0)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(seconds + 30)
        assert not reader.is_alive()
        assert max(reader.ages) < LIMIT, reader.ages
        assert reader.ended - job.began - seconds < reader._pause + LIMIT
    for asked in readers[3:]:
        assert isinstance(asked.last, api.RunSummary)
        assert asked.last.state == "ok"


def test_a_reader_that_pauses_for_long_loses_its_turn_and_can_continue(tmp_path: Path) -> None:
    with serving(tmp_path / "vault", server.ServerLimits(stalled=0.3)) as served:
        resting = [served.client.stream(api.WatchRuns()) for _ in range(server.OWN_STREAMS)]
        for replies in resting:
            next(replies)
        assert isinstance(next(served.client.stream(api.WatchRuns())), api.RunsState)
        job = served.begin(2.0)
        for replies in resting:
            count = fetched(next(replies))
            assert count is not None
            assert job.age(count) < LIMIT
            replies.close()  # type: ignore[attr-defined]


# --- commands and the app in terminals, and in a pipe -------------------------------------------------


class Slow(Teletype):
    """A terminal that reads SPEED bytes a second and answers requests for its cursor position."""

    def _read(self) -> None:
        asked, took, before = b"", 0.0, time.monotonic()
        while not self._ending.is_set():
            time.sleep(0.02)
            now = time.monotonic()
            took, before = min(took + (now - before) * SPEED, SPEED / 2), now  # no more than it could by now
            if took < 1 or not select.select([self._ours], [], [], 0)[0]:
                continue
            try:
                data = os.read(self._ours, int(took))
            except OSError:
                return
            took -= len(data)
            with self._lock:
                self._written += data
                self.chunks.append((time.perf_counter(), len(self._written)))
            asked = (asked + data)[-len(QUESTION) - len(data) + 1 :]
            for _ in range(asked.count(QUESTION)):
                os.write(self._ours, b"\x1b[1;1R")
            asked = asked.rpartition(QUESTION)[2]


def shown(screen: str) -> int | None:
    """The number of fetched messages on a screen; None if it shows no run."""
    found = re.search(r"([\d,]+) of 1,000,000,? +\d+%", screen)
    return int(found[1].replace(",", "")) if found else None


class Watcher:
    """A command or the app's Runs screen, in a terminal."""

    def __init__(self, tty: Teletype, name: str) -> None:
        self.tty = tty
        self.name = name
        self.ages: list[float] = []
        self.own_ages: list[float] = []
        """The ages without the time for which the watcher and the service had no processor."""
        self.waits = Waits(os.getpid(), tty.process.pid)
        self.size = 0

    def open(self) -> None:
        """Wait until the watcher shows the run."""
        if self.name == "app":
            self.tty.wait_for("Runs")
            self.tty.press("3")
        self.tty.wait(lambda: shown(self.tty.screen()), "the run")

    def is_up_to_date(self, job: ClockRun) -> bool:
        """Whether the watcher shows the newest state."""
        return job.age(shown(self.tty.screen()) or 0) < LIMIT

    def look(self, job: ClockRun) -> None:
        """Note the age of what the watcher shows."""
        now = time.monotonic()
        self.waits.note()
        count = shown(self.tty.screen())
        if count is not None:
            age = now - job.began - (count + 1) / TICKS
            self.ages.append(age)
            self.own_ages.append(age - self.waits.within(age))

    def memory(self) -> int:
        """Memory of the process, in bytes."""
        return int(psutil.Process(self.tty.process.pid).memory_info().rss)

    def signal(self, number: int) -> None:
        """Send a signal that suspends or continues the process."""
        os.kill(self.tty.process.pid, number)


COMMANDS = {"watch": ("watch",), "run": ("run", "box"), "app": ()}


@pytest.mark.parametrize("seconds", LENGTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_an_ordinary_terminal_shows_the_newest_state_all_the_time(
    served: Served, tmp_path: Path, name: str, seconds: float
) -> None:
    """It is watched without a pause from the first state that it shows."""
    job = served.begin(seconds + 60)
    with Teletype(served.command(*COMMANDS[name]), folder=tmp_path) as tty:
        watcher = Watcher(tty, name)
        watcher.open()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            watcher.look(job)
            time.sleep(0.05)
        assert len(watcher.ages) > seconds
        assert max(watcher.own_ages) < LIMIT + DRAWING, (watcher.own_ages, watcher.ages)


@pytest.mark.parametrize("seconds", LENGTHS)
def test_slow_and_suspended_terminals_show_the_newest_state_and_the_end(
    served: Served, tmp_path: Path, seconds: float
) -> None:
    job = served.begin(seconds + 60)
    with ExitStack() as stack:
        watchers: list[Watcher] = []
        for name, words in COMMANDS.items():
            for kind in (Slow, Teletype):
                folder = tmp_path / f"{name}-{kind.__name__}"
                folder.mkdir()
                tty = stack.enter_context(kind(served.command(*words), folder=folder))
                watchers.append(Watcher(tty, name))
        slow, suspended = watchers[::2], watchers[1::2]
        for watcher in watchers:
            watcher.open()
        for watcher in watchers:
            watcher.tty.wait(lambda: watcher.is_up_to_date(job), f"{watcher.name} to be up to date", 90)  # noqa: B023
            watcher.size = watcher.memory()
        for watcher in suspended:
            watcher.signal(signal.SIGSTOP)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for watcher in slow:
                watcher.look(job)
            time.sleep(0.1)
        for watcher in slow:
            assert max(watcher.ages) < LIMIT + slack(), (watcher.name, watcher.ages)
        _continue(suspended, lambda watcher: watcher.is_up_to_date(job))
        for watcher in watchers:
            assert watcher.memory() < watcher.size + 20_000_000, watcher.name
        for watcher in suspended:
            watcher.signal(signal.SIGSTOP)
        job.cancel.set()
        _within(LIMIT + slack() + PAGE / SPEED, slow, lambda watcher: shown(watcher.tty.screen()) is None)
        _continue(suspended, lambda watcher: shown(watcher.tty.screen()) is None)


@pytest.mark.soak
def test_a_wide_terminal_on_a_slow_line_is_up_to_date_and_answers_keys(
    served: Served, tmp_path: Path
) -> None:
    job = served.begin(300.0)
    with Slow(served.command(), folder=tmp_path, columns=200, rows=60) as tty:
        watcher = Watcher(tty, "app")
        watcher.open()
        tty.wait(lambda: watcher.is_up_to_date(job), "the app to be up to date", 90)
        until = time.monotonic() + 20.0
        while time.monotonic() < until:
            watcher.look(job)
            time.sleep(0.1)
        assert max(watcher.own_ages) < LIMIT + slack(), watcher.own_ages
        for key, seen in (("4", r"No folder is open"), ("3", r"of 1,000,000")) * 2:
            pressed = time.monotonic()
            tty.press(key)
            tty.wait(lambda: re.search(seen, tty.screen()), seen)  # noqa: B023
            assert time.monotonic() - pressed < WIDE_PAGE / SPEED + LIMIT + slack(), key


def _continue(watchers: list[Watcher], holds: Callable[[Watcher], bool]) -> None:
    for watcher in watchers:
        watcher.signal(signal.SIGCONT)
    _within(LIMIT + slack(), watchers, holds)


def _within(seconds: float, watchers: list[Watcher], holds: Callable[[Watcher], bool]) -> None:
    """Assert that a condition becomes true for all watchers in time."""
    late = time.monotonic() + seconds
    left = list(watchers)
    while left := [watcher for watcher in left if not holds(watcher)]:
        names = [watcher.name for watcher in left]
        assert time.monotonic() < late, (names, left[0].tty.screen())
        time.sleep(0.05)


@pytest.mark.parametrize("seconds", LENGTHS)
def test_a_slow_pipe_holds_no_old_states(served: Served, seconds: float) -> None:
    """The reader takes a line every 1.5 seconds. The pipe alone could buffer dozens."""
    job = served.begin(seconds + 60)
    ages: list[float] = []
    with subprocess.Popen(served.command("watch", "--json"), stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        begun = time.monotonic()
        while not ages or time.monotonic() - begun < seconds:
            running = json.loads(command.stdout.readline())["profiles"][0]["running"]
            ages.append(job.age(running["books"]["fetched"]))
            time.sleep(1.5)
        command.terminate()
    # What is read in one round was written as soon as the round before had read.
    assert max(ages) < 1.5 + LIMIT, ages
