"""The history of runs, a run's record, and the quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.api import (
    Chunk,
    Done,
    GetHistory,
    History,
    ListQuarantine,
    Quarantine,
    QuarantineItem,
    ReadRaw,
    RetryQuarantine,
    Step,
    WatchRuns,
)
from muniment.errors import AccessRefused, VaultError
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.running import cancelled, failed, finished, forever, profile, record, state
from support.screens import LARGE, NOW, SMALL, app_on, drive, settled, shows, text_of, until

BROKEN = "3 could not be fetched and will be tried again; the first: 17: the server closed the line"
RUNS = (
    record(1),
    record(2, sequence=0, summary=failed(profile="partner"), count=37, since=NOW - 90_000),
    record(3, summary=cancelled()),
    record(4, summary=finished("failed", failed=3, listed=1013, error=BROKEN)),
    *(record(n, summary=finished(new=n * 7, bytes=n * 1_000_000)) for n in range(5, 40)),
)  # fmt: skip
ITEMS = tuple(
    QuarantineItem(id=f"{n:x}" * 64, time=NOW - n * 3600, size=n * 1400, reason=reason, profile="gateway")
    for n, reason in enumerate(
        ("it has no message part", "its envelope can't be read: line 3", "two messages in one report"),
        1,
    )
)  # fmt: skip
RAW = b"From: postmaster@example.com\r\nSubject: Journal\r\n\r\nSender: \x1b[31mred\x07\r\n"


def app(folder: Path, **answers: Any) -> tuple[Any, EngineDouble]:
    given = {
        "WatchRuns": forever(state(profile("gateway"), profile("partner", source="imap"), quarantined=3)),
        "GetHistory": History(runs=RUNS),
        "ListQuarantine": Quarantine(items=ITEMS),
        "ReadRaw": [Chunk(data=RAW)],
    } | answers
    double = EngineDouble({getattr(api, name): answer for name, answer in given.items()})
    return app_on(double, folder, area="runs"), double


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def keys(*pressed: str, until_shown: str = "") -> Any:
    """A script that presses keys, each after the answer to the key before."""

    async def script(pilot: Any) -> None:
        await shows(pilot, "partner")
        for key in pressed:
            await pilot.press(key)
            await settled(pilot)
        if until_shown:
            await shows(pilot, until_shown)

    return script


@pytest.mark.parametrize(
    ("name", "pressed", "answers"),
    [
        ("history", ["h"], {}),
        ("history-empty", ["h", "s"], {"GetHistory": History(runs=())}),
        (
            "history-error",
            ["h"],
            {"GetHistory": VaultError("the catalog must be rebuilt: run `muniment rebuild`")},
        ),
        ("record", ["h", "enter"], {}),
        ("record-failed", ["h", "down", "enter"], {}),
        ("quarantine", ["x", "space"], {}),
        ("quarantine-empty", ["x"], {"ListQuarantine": Quarantine(items=())}),
        ("quarantine-retry", ["x", "space", "space", "t"], {}),
        ("quarantine-raw", ["x", "enter"], {}),
    ],
)
def test_pictures(picture: Any, folder: Path, name: str, pressed: list[str], answers: Any) -> None:
    sizes = (SMALL, LARGE) if name in ("history", "record", "quarantine") else (SMALL,)
    picture(f"runs-{name}", lambda: app(folder, **answers)[0], keys(*pressed), sizes)


# --- history -----------------------------------------------------------------------------------------


def test_keys_filter_by_profile_state_and_result(folder: Path) -> None:
    made, double = app(folder)
    drive(made, keys("h", "p", "s", "e", "f5"))
    asked = [request for request in double.asked if isinstance(request, GetHistory)]
    assert asked == [
        GetHistory(eventful=True, limit=10),
        GetHistory(eventful=True, limit=100),
        GetHistory(profile="gateway", eventful=True, limit=100),
        GetHistory(profile="gateway", state="failed", eventful=True, limit=100),
        GetHistory(profile="gateway", state="failed", limit=100),
        GetHistory(profile="gateway", state="failed", limit=100),
    ]


def test_scrolling_down_loads_the_next_page(folder: Path) -> None:
    made, double = app(folder)
    pages = {
        0: History(runs=RUNS, after=500),
        500: History(runs=(record(90, summary=finished(new=4242)),)),
    }
    double.call = lambda request: (  # type: ignore[method-assign]
        pages[request.after] if isinstance(request, GetHistory) else EngineDouble.call(double, request)
    )

    async def script(pilot: Any) -> None:
        await shows(pilot, "partner")
        await pilot.press("h")
        await shows(pilot, "39 runs and more")
        await pilot.press("end")
        await shows(pilot, "40 runs")
        await pilot.press("end")
        await shows(pilot, "4,242 new")

    drive(made, script)


def test_a_record_shows_all_facts(folder: Path) -> None:
    made, _ = app(folder)

    async def script(pilot: Any) -> None:
        await keys("h", "down", "enter")(pilot)
        seen = text_of(pilot.app)
        for text in (
            "partner",
            "the last of 37 failed runs",
            "not in the ledger",
            "refused the name",
        ):
            assert text in seen
        await pilot.press("escape")
        await shows(pilot, "39 runs")

    drive(made, script, LARGE)


# --- quarantine -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pressed", "asked"),
    [
        (["x", "t", "y"], RetryQuarantine(ids=(ITEMS[-1].id,))),
        (["x", "space", "space", "t", "y"], RetryQuarantine(ids=(ITEMS[2].id, ITEMS[1].id))),
        (["x", "T", "y"], RetryQuarantine()),
        (["x", "T", "enter"], None),
        (["x", "t", "escape"], None),
    ],
)
def test_retrying_asks_with_the_name_or_count(folder: Path, pressed: list[str], asked: Any) -> None:
    steps = [Step(text="1111: archived"), Step(text="2222: no message part", ok=False)]
    made, double = app(folder, RetryQuarantine=[*steps, Done(message="1 of 2 quarantined items archived.")])
    drive(made, keys(*pressed, until_shown="Still broken: 2222" if asked else ""))
    assert [request for request in double.asked if isinstance(request, RetryQuarantine)] == (
        [asked] if asked else []
    )


def test_a_required_reason_is_asked_for(folder: Path) -> None:
    def raw(request: Any) -> Any:
        if not request.reason:
            raise AccessRefused("reading others' mail needs a reason")
        yield Chunk(data=RAW)

    made, double = app(folder, ReadRaw=raw)

    async def script(pilot: Any) -> None:
        await keys("x", "enter")(pilot)
        await shows(pilot, "Why do you read this item?")
        await pilot.press(*"ticket", "enter")
        await shows(pilot, "Subject: Journal")
        assert_harmless(text_of(pilot.app))

    drive(made, script)
    assert ReadRaw(id=ITEMS[-1].id, what="quarantine", reason="ticket") in double.asked


def test_of_a_large_item_only_the_beginning_is_read(folder: Path) -> None:
    read = []

    def raw(request: Any) -> Any:
        for number in range(10_000):
            read.append(number)
            yield Chunk(data=b"x" * 4096)

    big = QuarantineItem(id="a" * 64, time=NOW, size=40_960_000, reason="it has no end", profile="gateway")
    made, _ = app(folder, ReadRaw=raw, ListQuarantine=Quarantine(items=(big,)))

    async def script(pilot: Any) -> None:
        await keys("x", "enter")(pilot)
        await shows(pilot, "xxxx")
        await until(pilot, lambda: not pilot.app.engine.calling)

    drive(made, script)
    assert len(read) < 200


def test_hostile_strings_are_harmless(folder: Path) -> None:
    item = QuarantineItem(id="a" * 64, time=0, size=1, reason="[/x]" + HOSTILE, profile=HOSTILE)
    made, _ = app(
        folder,
        WatchRuns=forever(state(profile("partner " + HOSTILE))),
        GetHistory=History(runs=(record(summary=failed(profile=HOSTILE, state=HOSTILE, error=HOSTILE)),)),
        ListQuarantine=Quarantine(items=(item,)),
        ReadRaw=[Chunk(data=HOSTILE.encode() * 20)],
        RetryQuarantine=[Step(text=HOSTILE, ok=False), Done(message=HOSTILE)],
    )

    async def script(pilot: Any) -> None:
        await shows(pilot, "partner")
        for key in ("h", "p", "enter", "escape", "escape", "x", "t", "y", "enter"):
            await pilot.press(key)
            await settled(pilot)
            assert_harmless(text_of(pilot.app))
        await shows(pilot, "won")

    drive(made, script, LARGE)


def test_the_runs_are_watched_below_other_screens(folder: Path) -> None:
    made, double = app(folder)
    drive(made, keys("h", "escape", "x", "escape"))
    assert [request for request in double.asked if isinstance(request, WatchRuns)] == [WatchRuns()]
    assert not any(
        isinstance(request, ListQuarantine) and request != ListQuarantine() for request in double.asked
    )
