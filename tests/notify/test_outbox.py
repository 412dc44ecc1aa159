"""The outbox: nobody waits for it, what fails is tried again, and a restart forgets nothing."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from muniment.notify import outbox as module
from muniment.notify.memory import NAME, Memory, Told, load
from muniment.notify.model import Event
from muniment.notify.outbox import Outbox
from muniment.notify.ways import NotTold, Origin

NOW = 1_770_000_000.0


class Friend:
    """A way that keeps what it is told, or fails, or is slow."""

    def __init__(self, name: str = "friend") -> None:
        self.name = name
        self.heard: list[str] = []
        self.failures = 0
        """How many times more it fails."""
        self.error: Exception = NotTold("the line is dead")
        self.free = threading.Event()
        self.free.set()

    def tell(self, event: Event, origin: Origin) -> None:
        self.free.wait(60)
        if self.failures:
            self.failures -= 1
            raise self.error
        self.heard.append(event.title)


def event(title: str, state: str = "trouble", at: float = NOW) -> Event:
    return Event(kind="disk-short", state=state, key="disk-short", title=title, text="", time=int(at))  # type: ignore[arg-type]


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Bench:
    """Outboxes on one folder, with a clock that tests set."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.now = NOW
        self.friends = [Friend()]
        self._stack = stack

    def open(self) -> Outbox:
        box = Outbox(self.folder, lambda: list(self.friends), lambda: Origin("o", "v"), lambda: self.now)
        self._stack.enter_context(closing(box))
        box.start()
        return box

    def post(self, box: Outbox, *events: Event) -> None:
        box.update(lambda memory: list(events))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, stack)


def test_what_is_posted_is_told_by_every_way(bench: Bench) -> None:
    bench.friends.append(Friend("second"))
    box = bench.open()
    bench.post(box, event("one"), event("two"))
    eventually(lambda: box.waiting == 0)
    assert [friend.heard for friend in bench.friends] == [["one", "two"]] * 2
    assert load(bench.folder).parcels == []
    assert (bench.folder / NAME).stat().st_mode & 0o777 == 0o600


def test_nobody_waits_for_a_slow_way(bench: Bench) -> None:
    (friend,) = bench.friends
    friend.free.clear()
    box = bench.open()
    began = time.monotonic()
    for number in range(5):
        bench.post(box, event(str(number)))
    assert time.monotonic() - began < 5
    assert friend.heard == []
    friend.free.set()
    eventually(lambda: friend.heard == list("01234"))


def test_a_failure_is_tried_again_with_more_and_more_patience(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (friend,) = bench.friends
    friend.failures = 2
    box = bench.open()
    bench.post(box, event("one"))
    for pause in (module.BACKOFF, 2 * module.BACKOFF):
        eventually(lambda pause=pause: [p.due for p in load(bench.folder).parcels] == [bench.now + pause])
        bench.now += pause
        bench.post(box)
    eventually(lambda: friend.heard == ["one"])
    assert caplog.text.count("the line is dead") == 2


def test_a_library_s_fault_ends_nothing_and_shows_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (friend,) = bench.friends
    friend.failures, friend.error = 1, ValueError("json://ines:hunter2@host")
    box = bench.open()
    bench.post(box, event("one"), event("two"))
    eventually(lambda: friend.heard == ["two"])
    assert "hunter2" not in caplog.text
    assert "ValueError" in caplog.text


def test_after_a_day_nobody_wants_to_know(bench: Bench) -> None:
    (friend,) = bench.friends
    friend.failures = 1000
    box = bench.open()
    bench.post(box, event("old", at=bench.now - module.GIVE_UP))
    eventually(lambda: box.waiting == 0)
    assert friend.heard == []


def test_the_queue_is_bounded(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    (friend,) = bench.friends
    friend.free.clear()
    box = bench.open()
    bench.post(box, *(event(str(n)) for n in range(module.MOST + 20)))
    assert box.waiting == module.MOST
    assert caplog.text.count("oldest is dropped") == 1
    friend.free.set()
    eventually(lambda: box.waiting == 0)
    assert friend.heard[-1] == str(module.MOST + 19)


def test_what_waits_and_what_was_told_survive_a_restart(bench: Bench) -> None:
    (friend,) = bench.friends
    friend.failures = 1

    def change(memory: Memory) -> list[Event]:
        memory.told["disk-short"] = Told(int(NOW), "short")
        memory.reports["gw"] = 7
        return [event("one")]

    with closing(bench.open()) as box:
        box.update(change)
        eventually(lambda: [parcel.tries for parcel in load(bench.folder).parcels] == [1])
    assert friend.heard == []
    bench.now += module.BACKOFF
    again = bench.open()
    eventually(lambda: friend.heard == ["one"])
    seen: list[Memory] = []
    again.update(lambda memory: seen.append(memory) or [])
    assert seen[0].told == {"disk-short": Told(int(NOW), "short")}
    assert seen[0].reports == {"gw": 7}


def test_at_the_end_what_was_never_tried_is_tried_once(bench: Bench) -> None:
    (friend,) = bench.friends
    box = bench.open()
    bench.post(box, event("last words"))
    box.close()
    assert friend.heard == ["last words"]


def test_a_way_that_is_gone_is_not_waited_for(bench: Bench) -> None:
    (friend,) = bench.friends
    friend.failures = 1
    box = bench.open()
    bench.post(box, event("one"))
    eventually(lambda: [parcel.tries for parcel in load(bench.folder).parcels] == [1])
    bench.friends.clear()
    bench.now += module.BACKOFF
    bench.post(box)
    eventually(lambda: box.waiting == 0)


def test_a_file_that_is_broken_or_can_not_be_written_stops_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder / NAME).write_text("{ nonsense")
    box = bench.open()
    assert "may be told again" in caplog.text

    def full(folder: Path, memory: Memory) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(module, "save", full)
    bench.post(box, event("one"))
    bench.post(box, event("two"))
    eventually(lambda: bench.friends[0].heard == ["one", "two"])
    assert caplog.text.count("can't be remembered") == 1


def test_a_trouble_is_in_the_log_even_where_nobody_is_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.friends.clear()
    bench.post(bench.open(), event("short"), event("room", "well"))
    assert [(r.levelname, r.message) for r in caplog.records] == [("WARNING", "short"), ("INFO", "room")]
