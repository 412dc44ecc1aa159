"""The Proof screen on a double of the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.api import (
    BackgroundWork,
    Backup,
    Done,
    GetProof,
    Noted,
    PastBackup,
    PastVerification,
    Proof,
    Rebuild,
    Request,
    RunsState,
    Step,
    StopWork,
    Verified,
    Verify,
    WatchWork,
    WireWord,
)
from muniment.errors import AccessRefused, MunimentError, NotFound, UsageError, VaultError
from muniment_tui.app import MunimentApp
from muniment_tui.proof.typed import wrong_checkpoint, wrong_folder
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import LARGE, NOW, SMALL, app_of, app_on, drive, settled, shows, text_of, until

WIDEST = (200, 60)
SIZES = (SMALL, LARGE, WIDEST)
ROOT = "5f3c" * 16
NOTED = f"8210:{'a17e' * 16}"
CUT = "the ledger was cut or set back: it had 8210 records, and 8000 are left"
OLD_CATALOG = "the catalog is 12 records behind the ledger: run `muniment rebuild --catalog`"
FLIPPED = "segment 1, offset 41,213: message 3f7a91c20b44: its checksum is wrong"


def past(**changes: Any) -> PastVerification:
    values: dict[str, Any] = {
        "time": NOW - 3600, "deep": False, "ok": True, "problems": (), "checkpoint": f"12345:{ROOT}",
        "seconds": 12.0, "who": "ines",
    }  # fmt: skip
    return PastVerification(**(values | changes))


def backup(path: str = "/mnt/backup/acme", **changes: Any) -> PastBackup:
    values: dict[str, Any] = {
        "time": NOW - 7200, "path": path, "ok": True, "checkpoint": f"12300:{ROOT}", "seconds": 75.0,
        "who": "root", "whole": NOW - 7200,
    }  # fmt: skip
    return PastBackup(**(values | changes))


def proof(**changes: Any) -> Proof:
    values: dict[str, Any] = {
        "checkpoint": f"12345:{ROOT}", "tree_size": 12345, "root": ROOT, "written": NOW - 300,
        "verified": past(),
        "deep": past(deep=True, time=NOW - 86400 * 9, seconds=3900.0, checkpoint=f"9900:{ROOT}"),
        "backups": (
            backup(),
            backup("/srv/usb", ok=False, checkpoint="", error="the backup stopped (No space left)",
                   whole=NOW - 90_000),
        ),
    }  # fmt: skip
    return Proof(**(values | changes))


def verified(**changes: Any) -> Verified:
    values: dict[str, Any] = {
        "ok": True, "records": 12345, "messages": 9100, "tree_size": 12345, "root": ROOT, "problems": (),
        "checkpoint": f"12345:{ROOT}",
    }  # fmt: skip
    return Verified(**(values | changes))


UNCHANGED = Noted(
    checkpoint=NOTED,
    state="unchanged",
    text="the ledger has grown from it by 4135 records, unchanged",
    time=NOW - 86400 * 30,
)
STEPS: list[WireWord] = [
    Step(text="reading the ledger and hashing every byte"),
    Step(text="100% of the ledger is read", percent=100),
    Step(text="comparing the catalog"),
    Step(text="12% of the catalog is inspected", percent=12, left=150.0),
    Step(text="45% of the catalog is inspected", percent=45, left=95.0),
]


def app(folder: Path, **answers: Any) -> tuple[MunimentApp, EngineDouble]:
    given: dict[str, Any] = {"GetProof": proof(), "Verify": [*STEPS, verified()]} | answers
    double = EngineDouble({getattr(api, name): answer for name, answer in given.items()})
    return app_on(double, folder, area="proof"), double


def held(words: list[WireWord], gate: threading.Event, last: list[Any]) -> Any:
    """A stream that stops before its last words until the gate is open."""

    def stream(request: Request) -> Iterator[WireWord]:
        yield from words
        gate.wait(60)
        for word in last:
            if isinstance(word, Exception):
                raise word
            yield word

    return stream


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def pressed(*keys: str, then: str = "", paste: str = "") -> Any:
    async def script(pilot: Any) -> None:
        await until(pilot, lambda: "Loading the proof" not in text_of(pilot.app))
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        if paste:
            await pilot.press(*paste, "enter")
        if then:
            await shows(pilot, then)

    return script


# --- pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answers", "script"),
    [
        ("proof", {}, pressed(then="Backups")),
        ("proof-new", {"GetProof": proof(verified=None, deep=None, backups=())}, pressed(then="never")),
        ("proof-whole", {}, pressed("v", then="whole and unchanged")),
        (
            "proof-problems",
            {"Verify": [verified(ok=False, problems=(FLIPPED, OLD_CATALOG))]},
            pressed("V", then="What to do"),
        ),
        (
            "proof-unchanged",
            {"Verify": [verified(was=(UNCHANGED,))]},
            pressed("w", paste=NOTED, then="Unchanged since"),
        ),
        (
            "proof-rewritten",
            {"Verify": [verified(ok=False, was=(Noted(checkpoint=NOTED, state="cut", text=CUT),))]},
            pressed("w", paste=NOTED, then="Not as noted"),
        ),
        ("proof-ask", {}, pressed("w", then="SIZE:ROOT")),
        (
            "proof-damaged",
            {"GetProof": proof(damage=("the catalog knows 12345 records, but the ledger holds 12001",))},
            pressed(then="damaged"),
        ),
        ("proof-refused", {"GetProof": AccessRefused("a user may not do this")}, pressed(then="may not")),
    ],
)
def test_a_state(picture: Any, folder: Path, name: str, answers: dict[str, Any], script: Any) -> None:
    picture(name, lambda: app(folder, **answers)[0], script, SIZES)


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work takes no time that is seen."""
    from muniment_tui.acts import running_work as work

    class Clock:
        monotonic = staticmethod(lambda: 0.0)

    monkeypatch.setattr(work, "time", Clock)


def test_work_under_way(picture: Any, folder: Path) -> None:
    gates: list[threading.Event] = []

    def make() -> MunimentApp:
        gates.append(threading.Event())
        return app(folder, Verify=held(STEPS, gates[-1], [verified()]))[0]

    async def script(pilot: Any) -> None:
        await pressed("V", then="45%")(pilot)
        await shows(pilot, "about 2 min left")

    try:
        picture("proof-working", make, script, SIZES)
    finally:
        for gate in gates:
            gate.set()


# --- what the keys do --------------------------------------------------------------------------


def run(app: MunimentApp, script: Callable[[Any], Any], size: tuple[int, int] = SMALL) -> None:
    drive(app, script, size)


def test_x_stops_the_work_and_another_can_begin(folder: Path) -> None:
    gate = threading.Event()
    made, double = app(folder, Verify=held(STEPS, gate, [verified()]))

    async def script(pilot: Any) -> None:
        await pressed("V", then="45%")(pilot)
        await pilot.press("v")  # not while one is under way
        await pilot.press("x")
        await shows(pilot, "was stopped")
        double.answers[Verify] = [verified()]
        await pilot.press("v")
        await shows(pilot, "whole and unchanged")

    try:
        run(made, script)
    finally:
        gate.set()
    assert [one for one in double.asked if isinstance(one, Verify)] == [Verify(deep=True), Verify()]


def going_on(kind: str) -> Proof:
    return proof(works=(BackgroundWork(number=7, kind=kind, who="ines", begun=NOW - 60),))


def test_work_that_goes_on_in_the_service_is_shown_to_its_end(folder: Path) -> None:
    gate = threading.Event()
    words = held([Step(text="comparing the index", work=7)], gate, [verified()])
    made, double = app(folder, GetProof=going_on("deep verification"), WatchWork=words)

    async def script(pilot: Any) -> None:
        await shows(pilot, "comparing the index")
        await shows(pilot, "It goes on if the app is closed")
        gate.set()
        await shows(pilot, "whole and unchanged")
        await shows(pilot, "deep verification")

    run(made, script)
    assert [one for one in double.asked if isinstance(one, WatchWork)] == [WatchWork(number=7)]


STOPS = VaultError("the backup was stopped: start it again")


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (STOPS, "Backup was stopped"),
        (Done(message="Backup in /mnt/backup/acme is complete."), "is complete"),
        (VaultError("the disk is gone"), "the disk is gone"),
    ],
)
def test_x_stops_work_that_goes_on_in_the_service(folder: Path, last: Any, said: str) -> None:
    gate = threading.Event()
    words = held([Step(text="copying", work=7)], gate, [last])
    made, double = app(folder, Backup=words, StopWork=Done(message="The backup stops."))

    async def script(pilot: Any) -> None:
        await pressed("b", then="Back up to which folder")(pilot)
        await pilot.press("enter")
        await shows(pilot, "copying")
        await pilot.press("x")
        await shows(pilot, "Stopping ...")
        assert "was stopped" not in text_of(pilot.app)
        gate.set()
        await shows(pilot, said)
        assert ("was stopped" in text_of(pilot.app)) is (last is STOPS)

    try:
        run(made, script)
    finally:
        gate.set()
    assert StopWork(number=7) in double.asked
    assert not [one for one in double.asked if isinstance(one, WatchWork)]


def test_work_is_watched_again_after_the_connection_was_lost(folder: Path) -> None:
    gate = threading.Event()
    words = [Step(text="reading the ledger", work=7), MunimentError("the answer is incomplete")]
    again = held([Step(text="comparing the index", work=7)], gate, [verified()])
    made, double = app(folder, Verify=words, WatchWork=again)

    async def script(pilot: Any) -> None:
        await shows(pilot, "Backups")
        double.answers[GetProof] = going_on("verification")
        await pilot.press("v")
        await shows(pilot, "comparing the index")
        double.answers[GetProof] = proof()
        gate.set()
        await shows(pilot, "whole and unchanged")

    try:
        run(made, script)
    finally:
        gate.set()


def test_an_answer_from_before_the_end_of_work_does_not_hide_its_result(folder: Path) -> None:
    made, double = app(folder, Verify=[Step(text="x"), verified()], WatchWork=NotFound("it has ended"))

    async def script(pilot: Any) -> None:
        await pressed("v", then="whole and unchanged")(pilot)
        double.answers[GetProof] = going_on("verification")
        await until(pilot, lambda: WatchWork(number=7) in double.asked)
        await shows(pilot, "whole and unchanged")
        asked = len([one for one in double.asked if isinstance(one, GetProof)])
        await until(
            pilot, lambda: len([one for one in double.asked if isinstance(one, GetProof)]) > asked + 1
        )
        assert double.asked.count(WatchWork(number=7)) == 1

    run(made, script)


def test_work_that_has_just_ended_or_may_not_be_stopped_is_no_failure(folder: Path) -> None:
    gate = threading.Event()
    made, double = app(
        folder,
        GetProof=going_on("backup"),
        WatchWork=held([Step(text="copying", work=7)], gate, []),
        StopWork=AccessRefused("the backup is of root"),
    )

    async def script(pilot: Any) -> None:
        await shows(pilot, "copying")
        await pilot.press("x")
        await shows(pilot, "Stop the backup by ines?")
        await pilot.press("y")
        await shows(pilot, "the backup is of root")
        await shows(pilot, "x stops it")
        double.answers[WatchWork] = NotFound("it has ended")
        gate.set()
        await until(pilot, lambda: "copying" not in text_of(pilot.app))
        assert "Backup failed" not in text_of(pilot.app)

    try:
        run(made, script)
    finally:
        gate.set()


def test_a_noted_checkpoint_is_compared(folder: Path) -> None:
    made, double = app(folder, Verify=[verified(was=(UNCHANGED,))])

    async def script(pilot: Any) -> None:
        await pressed("w", paste=f" {NOTED}, {NOTED} ", then="Unchanged since 2025-12-06 12:00")(pilot)

    run(made, script)
    assert Verify(was=(NOTED, NOTED)) in double.asked


@pytest.mark.parametrize("typed", ["", "12", "12:", f"x:{ROOT}", f"12:{ROOT[1:]}", f"12:{ROOT} x", HOSTILE])
def test_a_line_that_is_no_checkpoint_is_refused(typed: str) -> None:
    assert "SIZE:ROOT" in wrong_checkpoint(typed)


def test_a_relative_folder_is_refused() -> None:
    assert wrong_folder("backup")
    assert not wrong_folder(" /mnt/backup")


def test_a_backup_asks_for_the_folder_and_says_what_failed(folder: Path) -> None:
    made, double = app(folder, Backup=UsageError("/mnt/x is a file: name a folder for the backup"))

    async def script(pilot: Any) -> None:
        await pressed("b", then="Back up to which folder")(pilot)
        assert "/mnt/backup/acme" in text_of(pilot.app)
        await pilot.press(*["backspace"] * len("backup/acme"), "x", "enter")
        await shows(pilot, "Backup failed")
        await shows(pilot, "is a file")

    run(made, script)
    assert Backup(path="/mnt/x") in double.asked


def test_a_rebuild_is_offered_only_where_it_mends_something(folder: Path) -> None:
    made, double = app(
        folder,
        Verify=[verified(ok=False, problems=(OLD_CATALOG,))],
        Rebuild=[Step(text="rebuilding the catalog from the ledger"), Done(message="Rebuilt catalog.")],
    )

    async def script(pilot: Any) -> None:
        await pressed("r")(pilot)
        assert not [one for one in double.asked if isinstance(one, Rebuild)]
        await pressed("v", then="Press r to rebuild")(pilot)
        await pilot.press("r", "enter")
        assert not [one for one in double.asked if isinstance(one, Rebuild)]
        await pilot.press("r", "y")
        await shows(pilot, "Rebuilt catalog.")

    run(made, script)
    assert Rebuild() in double.asked


def test_damage_is_accepted_only_by_the_phrase(folder: Path) -> None:
    made, double = app(folder, GetProof=proof(damage=("the ledger was cut",)), Rebuild=[Done(message="ok")])

    async def script(pilot: Any) -> None:
        await pressed("A", then="accept the loss")(pilot)
        await pilot.press("y", "enter")
        await shows(pilot, "Nothing was changed")
        assert not [one for one in double.asked if isinstance(one, Rebuild)]
        await pilot.press("backspace", *"accept the loss", "enter")
        await until(pilot, lambda: [one for one in double.asked if isinstance(one, Rebuild)])

    run(made, script)
    assert Rebuild(catalog=True, index=False, accept_damage=True) in double.asked


def test_read_only_allows_verification_and_no_backup(folder: Path) -> None:
    double = EngineDouble({GetProof: proof(), Verify: [verified()]})
    made = app_on(double, folder, area="proof", read_only=True)

    async def script(pilot: Any) -> None:
        await pressed("b", then="read-only")(pilot)
        await pressed("v", then="whole and unchanged")(pilot)

    run(made, script)


@pytest.mark.parametrize("read_only", [False, True])
def test_work_of_another_is_stopped_only_after_a_question(folder: Path, read_only: bool) -> None:
    gate = threading.Event()
    words = held([Step(text="copying", work=7)], gate, [STOPS])
    double = EngineDouble({GetProof: going_on("backup"), WatchWork: words, StopWork: Done(message="x")})
    made = app_on(double, folder, area="proof", read_only=read_only)

    async def script(pilot: Any) -> None:
        await shows(pilot, "copying")
        await pilot.press("x")
        if read_only:
            await shows(pilot, "The backup by ines can't be stopped")
            return
        await shows(pilot, "Stop the backup by ines?")
        await pilot.press("enter", "x")
        assert StopWork(number=7) not in double.asked
        await pilot.press("y")
        await shows(pilot, "Stopping ...")
        gate.set()
        await shows(pilot, "Backup was stopped")

    try:
        run(made, script)
    finally:
        gate.set()
    assert (StopWork(number=7) in double.asked) is not read_only


def test_work_that_this_app_began_is_stopped_without_a_question_after_the_connection_was_lost(
    folder: Path,
) -> None:
    gate = threading.Event()
    words: list[Any] = [Step(text="reading the ledger", work=7), MunimentError("the answer is incomplete")]
    again = held([Step(text="comparing the index", work=7)], gate, [])
    double = EngineDouble({GetProof: proof(), Verify: words, WatchWork: again, StopWork: Done(message="x")})
    made = app_on(double, folder, area="proof", read_only=True)

    async def script(pilot: Any) -> None:
        await shows(pilot, "Backups")
        double.answers[GetProof] = going_on("verification")
        await pilot.press("v")
        await shows(pilot, "comparing the index")
        await pilot.press("x")
        await shows(pilot, "Stopping ...")

    try:
        run(made, script)
    finally:
        gate.set()
    assert StopWork(number=7) in double.asked


def test_work_that_is_stopped_before_its_first_step_is_stopped_with_it(folder: Path) -> None:
    begins, gate = threading.Event(), threading.Event()

    def words(request: Request) -> Iterator[WireWord]:
        begins.wait(60)
        yield Step(text="copying", work=7)
        gate.wait(60)
        raise STOPS

    made, double = app(folder, Backup=words, StopWork=Done(message="x"))

    async def script(pilot: Any) -> None:
        await pressed("b", then="Back up to which folder")(pilot)
        await pilot.press("enter", "x")
        await shows(pilot, "Stopping ...")
        assert StopWork(number=7) not in double.asked
        begins.set()
        await until(pilot, lambda: StopWork(number=7) in double.asked)
        gate.set()
        await shows(pilot, "Backup was stopped")

    try:
        run(made, script)
    finally:
        begins.set()
        gate.set()


def test_work_is_named_after_the_app_also_if_runs_were_looked_at(folder: Path) -> None:
    gate = threading.Event()
    words = held([Step(text="copying", work=7)], gate, [])
    made, _ = app(
        folder, GetProof=going_on("backup"), WatchWork=words, WatchRuns=RunsState(profiles=(), log=())
    )

    async def script(pilot: Any) -> None:
        await shows(pilot, "copying")
        await pilot.press("3")
        await shows(pilot, "No profiles yet")
        assert made.vaults.with_runs == [folder]

    try:
        run(made, script)
    finally:
        gate.set()


def test_work_of_another_person_is_shown(folder: Path) -> None:
    made, _ = app(folder, GetProof=proof(doing="a deep verification by ines", since=NOW - 60))
    run(made, pressed(then="a deep verification by ines, since 2026-01-05 11:59"))


def test_the_checkpoint_is_renewed_while_the_screen_is_shown(folder: Path) -> None:
    made, double = app(folder)

    async def script(pilot: Any) -> None:
        await shows(pilot, "12,345 records")
        double.answers[GetProof] = proof(tree_size=12346, checkpoint=f"12346:{ROOT}")
        await shows(pilot, "12,346 records")

    run(made, script)


def test_c_copies_the_checkpoint(folder: Path) -> None:
    made, _ = app(folder)

    async def script(pilot: Any) -> None:
        await pressed("c", then="in the clipboard")(pilot)
        assert app_of(pilot).clipboard == f"12345:{ROOT}"

    run(made, script)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_hostile_strings_are_harmless(folder: Path, size: tuple[int, int]) -> None:
    hostile = backup(HOSTILE, ok=False, error=HOSTILE, who=HOSTILE)
    noted = Noted(checkpoint=HOSTILE, state="cut", text=HOSTILE)
    made, _ = app(
        folder,
        GetProof=proof(
            verified=past(who=HOSTILE, checkpoint=HOSTILE, ok=False, problems=(HOSTILE,)),
            backups=(hostile,), damage=(HOSTILE,), doing=HOSTILE,
        ),
        Verify=[Step(text=HOSTILE), verified(ok=False, problems=(HOSTILE,), was=(noted,), notes=(HOSTILE,))],
    )  # fmt: skip

    async def script(pilot: Any) -> None:
        await pressed("tab", then="[/x]")(pilot)
        assert_harmless(text_of(pilot.app))
        await pressed("v", then="Not as noted")(pilot)
        assert_harmless(text_of(pilot.app))

    run(made, script, size)
