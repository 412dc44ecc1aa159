"""The outbox: its callers do not wait, failures are tried again, and a restart loses nothing."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from muniment.notify import outbox as module
from muniment.notify.memory import NAME, NotifyMemory, ReportedTrouble, load
from muniment.notify.model import NotifyEvent
from muniment.notify.outbox import Outbox
from muniment.notify.telling import ArchiveOrigin, NotifyFailed
from support.waiting import eventually

NOW = 1_770_000_000.0


class Friend:
    """A way that records what it sends, or fails, or is slow."""

    def __init__(self, name: str = "friend") -> None:
        self.name = name
        self.sent: list[str] = []
        self.failures = 0
        """Number of further failures."""
        self.error: Exception = NotifyFailed("the line is dead")
        self.free = threading.Event()
        self.free.set()

    def send(self, event: NotifyEvent, origin: ArchiveOrigin) -> None:
        self.free.wait(60)
        if self.failures:
            self.failures -= 1
            raise self.error
        self.sent.append(event.title)


def event(title: str, state: str = "trouble", at: float = NOW) -> NotifyEvent:
    return NotifyEvent(kind="disk-short", state=state, key="disk-short", title=title, text="", time=int(at))  # type: ignore[arg-type]


class Bench:
    """Outboxes on one folder, with a clock that tests set."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.now = NOW
        self.friends = [Friend()]
        self._stack = stack

    def open(self) -> Outbox:
        box = Outbox(
            self.folder, lambda: list(self.friends), lambda: ArchiveOrigin("o", "v"), lambda: self.now
        )
        self._stack.enter_context(closing(box))
        box.start()
        return box

    def post(self, box: Outbox, *events: NotifyEvent) -> None:
        box.update(lambda memory: list(events))

    def is_due(self, due: float) -> bool:
        """Whether the only mail that waits is tried again at this time."""
        return [parcel.due for parcel in load(self.folder).parcels] == [due]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, stack)


def test_events_are_sent_in_every_way(bench: Bench) -> None:
    bench.friends.append(Friend("second"))
    box = bench.open()
    bench.post(box, event("one"), event("two"))
    eventually(lambda: box.waiting == 0)
    assert [friend.sent for friend in bench.friends] == [["one", "two"]] * 2
    assert load(bench.folder).parcels == []
    assert (bench.folder / NAME).stat().st_mode & 0o777 == 0o600


def test_senders_do_not_wait_for_a_slow_way(bench: Bench) -> None:
    (friend,) = bench.friends
    friend.free.clear()
    box = bench.open()
    began = time.monotonic()
    for number in range(5):
        bench.post(box, event(str(number)))
    assert time.monotonic() - began < 5
    assert friend.sent == []
    friend.free.set()
    eventually(lambda: friend.sent == list("01234"))


def test_a_failure_is_tried_again_after_growing_waits(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    (friend,) = bench.friends
    friend.failures = 2
    box = bench.open()
    bench.post(box, event("one"))
    for pause in (module.BACKOFF, 2 * module.BACKOFF):
        due = bench.now + pause
        eventually(partial(bench.is_due, due))
        bench.now += pause
        bench.post(box)
    eventually(lambda: friend.sent == ["one"])
    assert caplog.text.count("the line is dead") == 2


def test_an_error_of_a_library_ends_nothing_and_shows_no_secret(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (friend,) = bench.friends
    friend.failures, friend.error = 1, ValueError("json://ines:hunter2@host")
    box = bench.open()
    bench.post(box, event("one"), event("two"))
    eventually(lambda: friend.sent == ["two"])
    assert "hunter2" not in caplog.text
    assert "ValueError" in caplog.text


def test_an_event_is_given_up_after_a_day(bench: Bench) -> None:
    (friend,) = bench.friends
    friend.failures = 1000
    box = bench.open()
    bench.post(box, event("old", at=bench.now - module.GIVE_UP))
    eventually(lambda: box.waiting == 0)
    assert friend.sent == []


def test_the_queue_is_bounded(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    (friend,) = bench.friends
    friend.free.clear()
    box = bench.open()
    bench.post(box, *(event(str(n)) for n in range(module.MOST + 20)))
    assert box.waiting == module.MOST
    assert caplog.text.count("oldest ones are dropped") == 1
    friend.free.set()
    eventually(lambda: box.waiting == 0)
    assert friend.sent[-1] == str(module.MOST + 19)


def test_waiting_and_reported_events_survive_a_restart(bench: Bench) -> None:
    (friend,) = bench.friends
    friend.failures = 1

    def change(memory: NotifyMemory) -> list[NotifyEvent]:
        memory.reported["disk-short"] = ReportedTrouble(int(NOW), "short")
        memory.reports["gw"] = 7
        return [event("one")]

    with closing(bench.open()) as box:
        box.update(change)
        eventually(lambda: [parcel.tries for parcel in load(bench.folder).parcels] == [1])
    assert friend.sent == []
    bench.now += module.BACKOFF
    again = bench.open()
    eventually(lambda: friend.sent == ["one"])
    seen: list[NotifyMemory] = []

    def look(memory: NotifyMemory) -> list[NotifyEvent]:
        seen.append(memory)
        return []

    again.update(look)
    assert seen[0].reported == {"disk-short": ReportedTrouble(int(NOW), "short")}
    assert seen[0].reports == {"gw": 7}


def test_new_events_are_tried_once_at_the_end(bench: Bench) -> None:
    (friend,) = bench.friends
    box = bench.open()
    bench.post(box, event("last words"))
    box.close()
    assert friend.sent == ["last words"]


def test_events_of_a_removed_way_are_dropped(bench: Bench) -> None:
    (friend,) = bench.friends
    friend.failures = 1
    box = bench.open()
    bench.post(box, event("one"))
    eventually(lambda: [parcel.tries for parcel in load(bench.folder).parcels] == [1])
    bench.friends.clear()
    bench.now += module.BACKOFF
    bench.post(box)
    eventually(lambda: box.waiting == 0)
    assert load(bench.folder).parcels == []
    assert friend.sent == []


def test_a_broken_or_unwritable_file_stops_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder / NAME).write_text("{ nonsense")
    box = bench.open()
    assert "may be sent again" in caplog.text

    def full(folder: Path, memory: NotifyMemory) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(module, "save", full)
    bench.post(box, event("one"))
    bench.post(box, event("two"))
    eventually(lambda: bench.friends[0].sent == ["one", "two"])
    assert caplog.text.count("can't be stored") == 1


def test_problems_are_logged_even_without_a_way(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.friends.clear()
    bench.post(bench.open(), event("short"), event("room", "well"))
    assert [(r.levelname, r.message) for r in caplog.records] == [("WARNING", "short"), ("INFO", "room")]
