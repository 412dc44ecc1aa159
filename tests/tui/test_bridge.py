"""Requests run in threads; their answers are handled in the app's loop, or dropped."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot

from muniment.api import (
    Chunk,
    Done,
    ExportFile,
    GetStatus,
    GetTree,
    Request,
    RunsState,
    ShowUser,
    Status,
    Step,
    Tree,
    WatchRuns,
    WireWord,
)
from muniment.client.receiving import receive
from muniment.errors import NotFound
from muniment_tui.engine.bridge import AHEAD, Bridge
from support.engine_double import EngineDouble
from support.screens import until
from support.words import status

STATE = RunsState(profiles=(), log=())


Script = Callable[["Asking", Pilot[Any]], Awaitable[None]]


class Run(Protocol):
    def __call__(self, engine: EngineDouble, script: Script, every: float = 1.0) -> Asking: ...


class Asking(App[None]):
    def __init__(self, engine: EngineDouble, every: float) -> None:
        super().__init__()
        self.refused: list[Exception] = []
        self.engine = Bridge(engine.doors.connect, Path("/v"), self.refused.append, every=every)
        self.got: list[WireWord] = []
        self.loop_thread = threading.get_ident()

    def take(self, word: WireWord) -> None:
        assert threading.get_ident() == self.loop_thread
        self.got.append(word)


@pytest.fixture
def run() -> Run:
    def run(engine: EngineDouble, script: Script, every: float = 1.0) -> Asking:
        app = Asking(engine, every)

        async def main() -> None:
            async with app.run_test() as pilot:
                await script(app, pilot)
            app.engine.close()

        asyncio.run(main())
        return app

    return run


def test_an_answer_is_handled_in_the_loop(run: Run) -> None:
    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        app.engine.ask(app, GetStatus(), Status, app.take)
        await until(pilot, lambda: app.got)

    assert run(EngineDouble({GetStatus: status()}), script).got == [status()]


def test_no_answer_is_handled_after_cancel_all(run: Run) -> None:
    go = threading.Event()

    def states(request: Request) -> Iterator[WireWord]:
        yield STATE
        assert go.wait(20)
        yield STATE

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        app.engine.ask(app, GetStatus(), Status, app.take)  # answered at once, handled after this
        app.engine.stream(app, WatchRuns(), app.take)
        time.sleep(0.2)
        app.engine.cancel_all()
        go.set()
        await until(pilot, lambda: not app.engine.calling)
        await pilot.pause(0.2)

    assert run(EngineDouble({GetStatus: status(), WatchRuns: states}), script).got == []


def test_what_processes_a_stream_gets_no_word_after_it_is_cancelled(run: Run, tmp_path: Path) -> None:
    go, waits = threading.Event(), threading.Event()

    def words(request: Request) -> Iterator[WireWord]:
        yield ExportFile(name="some.zip")
        waits.set()
        assert go.wait(20)
        yield Chunk(data=b"the rest")
        yield Done(message="Exported")

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        line = app.engine.stream(
            app, WatchRuns(), app.take, through=lambda words: receive(words, tmp_path / "some.zip")
        )
        await until(pilot, waits.is_set)
        assert list(tmp_path.iterdir())
        line.cancel()
        go.set()
        await until(pilot, lambda: not app.engine._lines)

    assert run(EngineDouble({WatchRuns: words}), script).got == []
    assert list(tmp_path.iterdir()) == []


def test_an_error_reaches_its_handler_or_becomes_a_notice(run: Run) -> None:
    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        app.engine.ask(app, GetTree(), Tree, app.take)
        await until(pilot, lambda: app.refused)
        own: list[Exception] = []
        app.engine.ask(app, GetTree(), Tree, app.take, failed=own.append)
        await until(pilot, lambda: own)
        assert [str(error) for error in app.refused + own] == ["none such"] * 2
        assert app.got == []

    run(EngineDouble({GetTree: NotFound("none such")}), script)


def test_slow_work_is_done_in_a_thread_and_its_result_handled_in_the_loop(run: Run) -> None:
    app: Asking

    def reading() -> WireWord:
        assert threading.get_ident() != app.loop_thread
        return Step(text="read")

    def failing() -> WireWord:
        raise NotFound("there is no such file")

    async def script(asking: Asking, pilot: Pilot[Any]) -> None:
        nonlocal app
        app = asking
        asking.engine.work(asking, "reading", reading, asking.take)
        await until(pilot, lambda: asking.got == [Step(text="read")])
        asking.engine.work(asking, "reading", failing, asking.take)
        await until(pilot, lambda: bool(asking.refused))

    assert [str(error) for error in run(EngineDouble({}), script).refused] == ["there is no such file"]


def test_an_unexpected_exception_becomes_a_sentence(run: Run) -> None:
    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        app.engine.ask(app, GetTree(), Tree, app.take)
        await until(pilot, lambda: app.refused)
        assert str(app.refused[0]).startswith("Internal error (KeyError)")

    run(EngineDouble(), script)


def test_a_lane_runs_one_request_at_a_time_and_answers_only_the_newest(run: Run) -> None:
    gate = threading.Event()
    running = []

    class Slow(EngineDouble):
        def call(self, request: Request) -> WireWord:
            assert isinstance(request, ShowUser)
            running.append(request.user)
            gate.wait(20)
            return Done(message=request.user)

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        for name in "abcdef":
            app.engine.ask(app, ShowUser(user=name), Done, app.take, lane="search")
        await until(pilot, lambda: running == ["a"])
        gate.set()
        await until(pilot, lambda: app.got)
        assert app.got == [Done(message="f")]
        assert running == ["a", "f"]

    run(Slow(), script)


def test_a_stream_ends_and_can_be_cancelled(run: Run) -> None:
    engine = EngineDouble({WatchRuns: [Step(text=str(n)) for n in range(5)]})

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        ended = []
        app.engine.stream(app, WatchRuns(), app.take, ended=lambda: ended.append(True))
        await until(pilot, lambda: ended)
        assert len(app.got) == 5

    run(engine, script)


def test_cancelling_stops_the_work_and_all_further_answers(run: Run) -> None:
    closed = threading.Event()

    def endless(request: Request) -> Iterator[WireWord]:
        try:
            while True:
                yield Step(text="more")
        finally:
            closed.set()

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        line = app.engine.stream(app, WatchRuns(), app.take)
        await until(pilot, lambda: app.got)
        line.cancel()
        count = len(app.got)
        assert await asyncio.to_thread(closed.wait, 20)
        await pilot.pause()
        assert len(app.got) == count

    run(EngineDouble({WatchRuns: endless}), script)


def test_a_stream_is_read_no_faster_than_it_is_shown(run: Run) -> None:
    read = []

    def endless(request: Request) -> Iterator[WireWord]:
        for number in range(100_000):
            read.append(number)
            yield Step(text=str(number))

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        def take(word: WireWord) -> None:
            time.sleep(0.002)
            app.take(word)

        line = app.engine.stream(app, WatchRuns(), take)
        await until(pilot, lambda: len(app.got) > 10)
        line.cancel()
        assert len(read) <= len(app.got) + AHEAD + 2

    run(EngineDouble({WatchRuns: endless}), script)


def test_states_are_paced(run: Run) -> None:
    times = []

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        app.engine.stream(app, WatchRuns(), lambda word: times.append(time.monotonic()))
        await until(pilot, lambda: len(times) == 4)

    run(EngineDouble({WatchRuns: [STATE] * 4}), script, every=0.2)
    assert times[3] - times[0] > 0.5


def test_a_newer_state_replaces_a_waiting_one(run: Run) -> None:
    """States don't queue up while the app's loop is delayed, for example by a slow terminal."""
    made = threading.Event()

    def states(request: Request) -> Iterator[WireWord]:
        for number in range(100):
            yield RunsState(profiles=(), log=(), quarantined=number)
        made.set()
        yield Done(message="")

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        app.engine.stream(app, WatchRuns(), app.take)
        assert made.wait(20)
        await until(pilot, lambda: app.got and isinstance(app.got[-1], Done))
        states = [word for word in app.got if isinstance(word, RunsState)]
        assert len(states) == len(app.got) - 1
        assert states[-1].quarantined == 99
        assert len(states) <= 2

    run(EngineDouble({WatchRuns: states}), script, every=0.01)


def test_a_blocked_stream_does_not_delay_quitting(run: Run) -> None:
    stuck = threading.Event()

    class Blocking(EngineDouble):
        def stream(self, request: Request) -> Iterator[WireWord]:
            stuck.wait(60)
            yield Done(message="")

        def close(self) -> None:
            stuck.set()

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        app.engine.stream(app, WatchRuns(), app.take)
        await pilot.pause()

    begun = time.monotonic()
    run(Blocking(), script)
    assert time.monotonic() - begun < 20


def test_the_bridge_closes_while_another_thread_starts_a_request(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane's next request starts in the thread of the request before it."""
    start = threading.Thread.start
    starting = threading.Event()

    def slow(thread: threading.Thread) -> None:
        if thread.name == "say-GetTree":
            starting.set()
            time.sleep(0.3)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slow)

    async def script(app: Asking, pilot: Pilot[Any]) -> None:
        context = contextvars.copy_context()
        other = threading.Thread(target=context.run, args=(app.engine.ask, app, GetTree(), Tree, app.take))
        other.start()
        assert starting.wait(20)
        app.engine.close()
        other.join(20)
        assert not other.is_alive()
        assert app.got == []

    run(EngineDouble({GetTree: []}), script)
