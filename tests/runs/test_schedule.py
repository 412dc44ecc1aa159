"""The schedule, with a clock that the tests set."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from muniment.config.model import Profile
from muniment.errors import ConfigError, RunFailed
from muniment.runs.schedule import LOOK, RunSchedule, ScheduledTask
from support.waiting import eventually


@dataclass
class World:
    """A clock, profiles, and what ran when."""

    profiles: list[Profile] = field(default_factory=list)
    now: float = 1000.0
    takes: dict[str, float] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    raising: set[str] = field(default_factory=set)
    ran: list[tuple[str, float]] = field(default_factory=list)
    running: int = 0

    def __post_init__(self) -> None:
        self.schedule = RunSchedule(self.tasks, monotonic=lambda: self.now)

    def tasks(self) -> list[ScheduledTask]:
        return tasks(self.profiles, self.run)

    def run(self, name: str) -> bool:
        self.running += 1
        assert self.running == 1
        self.ran.append((name, self.now - 1000))
        self.now += self.takes.get(name, 1)
        self.running -= 1
        if name in self.raising:
            raise RunFailed("the server is gone")
        return name not in self.failing

    def until(self, end: float) -> list[tuple[str, float]]:
        """Let time pass. Returns what ran meanwhile."""
        begin = len(self.ran)
        while self.now - 1000 < end:
            wait = self.schedule.step()
            self.now += max(0.0, min(wait, end + 1000 - self.now))
        return self.ran[begin:]

    def starts(self, name: str) -> list[float]:
        return [at for ran, at in self.ran if ran == name]


def tasks(profiles: list[Profile], run: Callable[[str], bool | None]) -> list[ScheduledTask]:
    """The runs of profiles as tasks of the schedule."""
    return [ScheduledTask(one.name, one.every, partial(run, one.name), one.scheduled) for one in profiles]


def profile(name: str, every: int = 300, enabled: bool = True) -> Profile:
    return Profile.of(name, "spool", every=every, enabled=enabled)


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_a_profile_runs_from_start_to_start() -> None:
    world = World([profile("a", every=300)], takes={"a": 40})
    world.until(1300)
    assert world.starts("a") == [0, 300, 600, 900, 1200]


def test_a_run_longer_than_its_interval_is_followed_at_once_by_one_run() -> None:
    world = World([profile("a", every=60)], takes={"a": 200})
    world.until(600)
    assert world.starts("a") == [0, 200, 400]
    world.takes["a"] = 1
    world.until(760)
    assert world.starts("a") == [0, 200, 400, 600, 660, 720]


def test_a_machine_that_slept_runs_each_profile_once() -> None:
    world = World([profile("a", every=60), profile("b", every=60)])
    world.until(50)
    world.now += 36_000
    ran = world.until(36_070)
    assert sorted(name for name, _ in ran) == ["a", "b"]


def test_profiles_take_turns_and_the_one_due_longest_is_first() -> None:
    world = World(
        [profile("slow", every=10), profile("b", every=10), profile("c", every=10)], takes={"slow": 100}
    )
    world.until(500)
    counts = {name: len(world.starts(name)) for name in ("slow", "b", "c")}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_changes_count_without_a_restart() -> None:
    world = World([profile("a", every=300)])
    world.until(10)
    world.profiles = [profile("a", every=50), profile("b", every=1000)]
    world.until(60)
    assert world.starts("a") == [0, 50]
    assert len(world.starts("b")) == 1
    assert 10 <= world.starts("b")[0] <= 10 + LOOK
    world.profiles = [profile("a", every=50, enabled=False)]
    world.until(400)
    assert world.starts("a") == [0, 50]
    assert world.schedule.next_start("a") is None
    world.profiles = [profile("a", every=50), profile("b", every=1000)]
    world.until(410)
    assert len(world.starts("a")) == 3
    assert len(world.starts("b")) == 2, "it was removed, so it is new"


def test_a_disabled_profile_that_comes_back_early_waits_its_time() -> None:
    world = World([profile("a", every=300)])
    world.until(10)
    world.profiles = [profile("a", every=300, enabled=False)]
    world.until(100)
    world.profiles = [profile("a", every=300)]
    world.until(400)
    assert world.starts("a") == [0, 300]


@pytest.mark.parametrize("how", ["failing", "raising"])
def test_failures_back_off_up_to_a_quarter_of_an_hour_and_success_ends_it(how: str) -> None:
    world = World([profile("a", every=10)], takes={"a": 5})
    getattr(world, how).add("a")
    world.until(4000)
    assert gaps(world.starts("a")) == [65, 125, 245, 485, 905, 905, 905]
    getattr(world, how).clear()
    world.until(4700)
    last = world.starts("a")[8:]
    assert gaps(last)[:5] == [10] * 5


def test_a_long_interval_is_not_shortened_by_failure() -> None:
    world = World([profile("a", every=3600)], failing={"a"})
    world.until(7300)
    assert world.starts("a") == [0, 3600, 7200]


def test_one_profile_that_fails_does_not_hold_up_another() -> None:
    world = World([profile("bad", every=60), profile("good", every=60)], raising={"bad"})
    world.until(600)
    assert len(world.starts("good")) == 10


def test_next_start_is_in_seconds_from_now() -> None:
    world = World([profile("a", every=300)], takes={"a": 20})
    assert world.schedule.next_start("a") is None
    world.schedule.step()
    assert world.schedule.next_start("a") == 280
    world.now += 1000
    assert world.schedule.next_start("a") == 0
    assert world.schedule.next_start("nobody") is None


def test_the_previous_profiles_stay_while_they_can_not_be_read(caplog: pytest.LogCaptureFixture) -> None:
    world = World([profile("a", every=60)])
    broken = False

    def read() -> list[ScheduledTask]:
        if broken:
            raise ConfigError("vault.toml, line 3, column 1: what is that?")
        return world.tasks()

    world.schedule = RunSchedule(read, monotonic=lambda: world.now)
    world.until(10)
    broken = True
    with caplog.at_level(logging.ERROR):
        world.until(200)
    assert world.starts("a") == [0, 60, 120, 180]
    assert caplog.text.count("line 3") == 1


def test_without_profiles_it_looks_again_soon() -> None:
    world = World()
    assert world.schedule.step() == LOOK
    assert world.ran == []


def test_the_thread_runs_wakes_and_stops() -> None:
    profiles = [profile("a", every=3600)]
    ran: list[str] = []
    schedule = RunSchedule(lambda: tasks(profiles, ran.append))
    schedule.start()
    eventually(lambda: ran == ["a"])
    profiles.append(profile("b", every=3600))
    schedule.wake()
    eventually(lambda: ran == ["a", "b"])
    began = time.monotonic()
    assert schedule.stop()
    assert time.monotonic() - began < 1
    assert schedule.stop()


def test_stop_waits_for_the_current_run_until_its_timeout() -> None:
    release, entered = threading.Event(), threading.Event()
    ran: list[str] = []

    def run(name: str) -> None:
        ran.append(name)
        entered.set()
        release.wait(10)

    schedule = RunSchedule(lambda: tasks([profile("a", every=1), profile("b", every=1)], run))
    schedule.start()
    assert entered.wait(5)
    assert not schedule.stop(timeout=0.05)
    release.set()
    assert schedule.stop(timeout=5)
    assert len(ran) == 1


def test_a_schedule_that_never_started_stops() -> None:
    assert RunSchedule(list).stop()
