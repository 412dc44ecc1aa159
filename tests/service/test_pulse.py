"""The watchdog is fed while the host and its schedule work, and only then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from muniment.runs.schedule import LATE, RunSchedule, ScheduledTask
from muniment.service.daemon.systemd import SystemdNotifier, Watchdog
from muniment.service.daemon.watchdog import GRACE, STUCK, HostPulse
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from support.vaults import TestVault


class Beats(SystemdNotifier):
    """Counts how often the watchdog is fed."""

    count = 0

    def alive(self) -> None:
        self.count += 1


class Bench:
    """A host that is watched, with a clock that tests set."""

    def __init__(self, host: RunHost) -> None:
        self.host = host
        self.now = 0.0
        self.beats = Beats(interval=1.0)
        self.pulse = HostPulse(host, Watchdog(self.beats, lambda: self.now), lambda: self.now)

    def beat(self, after: float = 1.0) -> bool:
        """Whether the watchdog was fed after some seconds with a check every half minute."""
        end = self.now + after
        while self.now < end:
            self.now = min(self.now + 30.0, end)
            before = self.beats.count
            self.pulse.feel()
        return self.beats.count > before


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    vault = TestVault(tmp_path / "vault")
    vault.client.close()
    with closing(RunHost(ClientSession(vault.folder), in_service=False, seldom=0.01)) as host:
        yield Bench(host)


def test_an_idle_host_feeds_the_watchdog(bench: Bench) -> None:
    assert bench.beat()
    assert bench.beat(10 * STUCK)


def test_a_host_with_a_stuck_lock_does_not_feed_the_watchdog(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    taken, free = threading.Event(), threading.Event()

    def hold() -> None:
        with bench.host._changed:
            taken.set()
            free.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(60)
    assert bench.beat()
    assert not bench.beat(2 * GRACE)
    assert not bench.beat(2 * GRACE)
    assert caplog.text.count("make no progress") == 1
    free.set()
    thread.join()
    assert bench.beat()


def test_a_job_must_make_progress_within_two_hours(bench: Bench) -> None:
    job: Any = SimpleNamespace(progress_mark=object(), cancel=threading.Event())
    bench.host._jobs.append(job)
    assert bench.beat(STUCK)
    job.progress_mark = object()
    assert bench.beat(STUCK)
    assert not bench.beat(3 * GRACE)
    job.progress_mark = object()
    assert bench.beat()
    bench.host._jobs.clear()


def test_a_schedule_that_hangs_is_noticed_but_not_one_that_waits_for_a_run(bench: Bench) -> None:
    now, inside = [0.0], []

    def run() -> None:
        now[0] += 10 * LATE
        inside.append(schedule.lively)

    schedule = RunSchedule(lambda: [ScheduledTask("profile gw", 300, run)], lambda: now[0])
    bench.host._schedule = schedule
    schedule.step()
    assert inside == [True]
    assert bench.beat()
    now[0] += LATE
    assert not bench.beat(2 * GRACE)
    schedule.step()
    assert bench.beat()
    bench.host._schedule = None
