"""The Setup screen: its display and its keys."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment.api import (
    AffirmSetup,
    CheckSetup,
    GetSetup,
    ListProfiles,
    Profiles,
    PutSetup,
    Request,
    Setup,
    SetupFinding,
    WireWord,
)
from muniment.errors import ConfigError
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from muniment_tui.shell.times import AppTimes
from muniment_tui.widgets.field import Form
from support.checklists import DONE, checklist, settings, step_of, with_step
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import LARGE, SMALL, app_on, drive, settled, shows, text_of, until
from support.vaults import TestVault

ALL = tuple(DONE)
PARTLY = checklist(
    settings(),
    {
        "report-address": (
            "failed",
            "journal@quill.example is a mailbox in Exchange Online (its MX is "
            "quill-example.mail.protection.outlook.com): Microsoft does not allow that as journal target. "
            "Choose an address whose mail goes elsewhere.",
        ),
        "first-report": ("to do", "Waiting for the first journal report; no profile fetches reports yet."),
    },
    done=("organisation", "users"),
)
FINISHED = checklist(
    settings(),
    done=ALL,
    health=(
        "No journal report for 14 days for eve@quill.example: make sure that the journal rule covers them "
        "(muniment users list).",
        "1 journal report came back as undeliverable in the last 30 days and was archived: look for others "
        "in the undeliverable mailbox.",
    ),
)


class Engine(EngineDouble):
    """Answers with one checklist, which a test can replace."""

    def __init__(self, setup: Setup, **more: Any) -> None:
        profiles = Profiles(profiles=(), version="1")
        super().__init__({GetSetup: setup, PutSetup: setup, AffirmSetup: setup, ListProfiles: profiles})
        self.setup = setup
        self.answers[CheckSetup] = lambda request: iter([self.setup])

    def now(self, setup: Setup) -> None:
        self.setup = setup
        for kind in (GetSetup, PutSetup, AffirmSetup):
            self.answers[kind] = setup

    def requests(self, kind: type[Request]) -> list[Any]:
        return [request for request in self.asked if isinstance(request, kind)]


def app(engine: EngineDouble, tmp_path: Path, **options: Any) -> Any:
    return app_on(engine, tmp_path / "vault", **options)


# --- pictures ---------------------------------------------------------------------------------------


def at(key: str, *more: str) -> Any:
    """A script that goes to a step and presses keys."""

    async def script(pilot: Any) -> None:
        screen = pilot.app.screen
        screen.remove_class("-typing")  # as Esc does
        screen.list.focus()
        await shows(pilot, "of 10 done")
        screen.list.go_to(key)
        await until(pilot, lambda: screen._drawn == key)
        await settled(pilot)
        await pilot.press(*more)

    return script


@pytest.mark.parametrize("platform", ["microsoft-365", "exchange-server"])
def test_pictures_of_the_rule(picture: Any, tmp_path: Path, platform: str) -> None:
    setup = checklist(settings(platform), done=("organisation", "report-address", "undeliverable"))
    picture(f"setup-rule-{platform}", lambda: app(Engine(setup), tmp_path), at("journal-rule"))


def test_pictures_of_a_new_vault(picture: Any, tmp_path: Path) -> None:
    picture("setup-empty", lambda: app(Engine(checklist()), tmp_path), at("organisation"))


def test_pictures_of_a_failure(picture: Any, tmp_path: Path) -> None:
    picture("setup-failed", lambda: app(Engine(PARTLY), tmp_path), at("report-address"))


def test_pictures_of_the_last_step_and_of_health(picture: Any, tmp_path: Path) -> None:
    waiting = checklist(
        settings(),
        {"first-report": ("to do", "Waiting for the first journal report; profile gateway has not run yet.")},
        done=ALL[:-1],
    )
    picture("setup-waiting", lambda: app(Engine(waiting), tmp_path), at("first-report"))
    picture("setup-done", lambda: app(Engine(FINISHED), tmp_path), at("first-report"))
    picture("setup-health", lambda: app(Engine(FINISHED), tmp_path), at("health"))


def test_pictures_of_typing(picture: Any, tmp_path: Path) -> None:
    picture("setup-typing", lambda: app(Engine(PARTLY), tmp_path), at("profile", "enter", "x", "down", "y"))


def test_pictures_of_an_embedded_gateway(picture: Any, tmp_path: Path) -> None:
    setup = checklist(settings(reports="embedded"), done=("organisation",))
    picture("setup-embedded", lambda: app(Engine(setup), tmp_path), at("report-address", "enter"), (LARGE,))


def test_pictures_of_a_confirmation(picture: Any, tmp_path: Path) -> None:
    picture("setup-saying", lambda: app(Engine(PARTLY), tmp_path), at("journal-rule", "d"), (SMALL,))


def test_pictures_of_a_check(picture: Any, tmp_path: Path) -> None:
    def make() -> Any:
        engine = Engine(PARTLY)
        engine.answers[CheckSetup] = lambda request: halfway()
        return app(engine, tmp_path)

    def halfway() -> Iterator[WireWord]:
        yield step_of(PARTLY, "profile", state="checking")
        yield SetupFinding(text="Profile gateway is complete; the password is available.", verdict="fine")
        yield SetupFinding(text="Connected to 192.0.2.7, port 110.", verdict="fine")
        yield SetupFinding(
            text="The server's certificate expires on 2026-01-12: have it renewed.", verdict="note"
        )

    async def script(pilot: Any) -> None:
        await at("profile", "c")(pilot)
        await shows(pilot, "renewed.")

    picture("setup-checking", make, script)


# --- keys ---------------------------------------------------------------------------------------------


def test_the_cursor_starts_at_the_first_open_step(tmp_path: Path) -> None:
    async def script(pilot: Any) -> None:
        await shows(pilot, "2 of 10 done")
        assert "─ Report address" in text_of(pilot.app)

    drive(app(Engine(PARTLY), tmp_path), script)


def test_fields_are_saved_by_f2_and_kept_until_then(tmp_path: Path) -> None:
    engine = Engine(PARTLY)

    async def script(pilot: Any) -> None:
        await at("undeliverable", "enter")(pilot)
        await pilot.press(*"x")
        await shows(pilot, "not saved: F2 saves")
        await pilot.press("escape")
        await shows(pilot, "edited")
        await pilot.press("up", "down")
        await settled(pilot)
        assert pilot.app.screen.query_one("Form").values == {"undeliverable": "ndr@elsewhere.examplex"}
        assert not engine.requests(PutSetup)
        await pilot.press("f2")
        await shows(pilot, "Saved in vault.toml.")
        assert "not saved" not in text_of(pilot.app)

    drive(app(engine, tmp_path), script)
    assert engine.requests(PutSetup) == [PutSetup(values={"undeliverable": "ndr@elsewhere.examplex"})]


def test_enter_in_the_last_field_saves_and_a_refusal_keeps_the_text(tmp_path: Path) -> None:
    engine = Engine(PARTLY)
    engine.answers[PutSetup] = ConfigError("vault.toml: journaling: undeliverable is wrong")

    async def script(pilot: Any) -> None:
        await at("undeliverable", "enter", "x", "enter")(pilot)
        await shows(pilot, "undeliverable is wrong")
        assert "ndr@elsewhere.examplex" in text_of(pilot.app)
        assert "not saved" in text_of(pilot.app)

    drive(app(engine, tmp_path), script)


def test_arrows_change_a_choice_and_the_fields(tmp_path: Path) -> None:
    engine = Engine(PARTLY)

    async def script(pilot: Any) -> None:
        await at("report-address", "enter", "right", "right")(pilot)
        engine.now(checklist(settings(reports="embedded")))
        await pilot.press("f2")
        await shows(pilot, "Listens on")

    drive(app(engine, tmp_path), script, LARGE)
    assert engine.requests(PutSetup) == [PutSetup(values={"reports": "embedded"})]


def test_a_check_is_live_and_saves_first(tmp_path: Path) -> None:
    engine = Engine(PARTLY)
    go_on = threading.Event()
    good = with_step(PARTLY, step_of(PARTLY, "undeliverable", state="done", detail="It is accepted."))

    def words(request: Request) -> Iterator[WireWord]:
        yield step_of(PARTLY, "undeliverable", state="checking")
        yield SetupFinding(text="Connected.", verdict="fine")
        go_on.wait(20)
        yield SetupFinding(text="It is accepted.", verdict="fine")
        yield step_of(good, "undeliverable")
        engine.now(good)
        yield good

    engine.answers[CheckSetup] = words

    async def script(pilot: Any) -> None:
        await at("undeliverable", "enter", "x", "f5")(pilot)
        await shows(pilot, "✓ Connected.")
        assert "checking" in text_of(pilot.app)
        go_on.set()
        await shows(pilot, "Undeliverable: done")
        await pilot.press("escape")
        await shows(pilot, "3 of 10 done")
        await shows(pilot, "It is accepted.")

    drive(app(engine, tmp_path), script)
    assert engine.requests(PutSetup)
    assert engine.requests(CheckSetup) == [CheckSetup(step="undeliverable")]


def test_all_steps_can_be_checked(tmp_path: Path) -> None:
    engine = Engine(PARTLY)
    engine.answers[CheckSetup] = [PARTLY]

    async def script(pilot: Any) -> None:
        await at("organisation", "C")(pilot)
        await until(pilot, lambda: engine.requests(CheckSetup))

    drive(app(engine, tmp_path), script)
    assert engine.requests(CheckSetup) == [CheckSetup(step="")]


def test_a_step_is_confirmed_and_taken_back(tmp_path: Path) -> None:
    engine = Engine(PARTLY)

    async def script(pilot: Any) -> None:
        await at("journal-rule", "d")(pilot)
        await shows(pilot, "the rule exists and is enabled?")
        await pilot.press("enter")  # declines
        await pilot.press("d")
        confirmed = step_of(PARTLY, "journal-rule", state="done", affirmed=1_767_600_000, affirmed_by="ines")
        engine.now(with_step(PARTLY, confirmed))
        await pilot.press("y")
        await shows(pilot, "confirmed by ines")
        await pilot.press("d")
        await shows(pilot, "Take back the confirmation by ines")
        await pilot.press("y")
        await until(pilot, lambda: len(engine.requests(AffirmSetup)) == 2)

    drive(app(engine, tmp_path), script)
    assert [(one.step, one.done) for one in engine.requests(AffirmSetup)] == [
        ("journal-rule", True),
        ("journal-rule", False),
    ]


def test_the_command_is_copied_and_written_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def script(pilot: Any) -> None:
        await at("journal-rule", "Y")(pilot)
        await shows(pilot, "Sent to the terminal's clipboard")
        assert pilot.app.clipboard == step_of(PARTLY, "journal-rule").command
        await pilot.press("w")
        await shows(pilot, "to the new file")
        await pilot.press("enter")
        await shows(pilot, "Written to")
        await pilot.press("w", "enter")
        await shows(pilot, "exists already")

    drive(app(Engine(PARTLY), tmp_path), script, LARGE)
    assert b"New-JournalRule -Name 'Muniment'" in (tmp_path / "journal-rule.ps1").read_bytes()


def test_only_usable_actions_are_offered(tmp_path: Path) -> None:
    engine = Engine(PARTLY)

    async def script(pilot: Any) -> None:
        await at("organisation", "d", "Y", "w", "f2", "r", "i", "p", "s", "e")(pilot)
        hidden = ("Copy", "Write", "Mark done", "Save", "Run now", "Import", "Pin", "Install")
        assert not [key for key in hidden if key in keys(pilot)]
        await at("journal-rule")(pilot)
        assert [key for key in ("Copy", "Write", "Mark done") if key in keys(pilot)]

    drive(app(engine, tmp_path), script)
    assert not engine.requests(AffirmSetup)


def keys(pilot: Any) -> str:
    return text_of(pilot.app).splitlines()[-1]


def test_read_only_changes_nothing(tmp_path: Path) -> None:
    engine = Engine(PARTLY)

    async def script(pilot: Any) -> None:
        await at("journal-rule", "d", "c", "C", "w")(pilot)
        await shows(pilot, "read-only")

    drive(app(engine, tmp_path, read_only=True), script)
    assert {type(request) for request in engine.asked} <= {GetSetup, *engine.answers}
    assert not engine.requests(AffirmSetup) + engine.requests(CheckSetup) + engine.requests(PutSetup)


def test_the_first_report_is_noticed(tmp_path: Path) -> None:
    engine = Engine(checklist(settings(), done=ALL[:-1]))

    async def script(pilot: Any) -> None:
        await shows(pilot, "9 of 10 done")
        await until(pilot, lambda: len(engine.requests(GetSetup)) > 3)
        engine.now(FINISHED)
        await shows(pilot, "The first journal report has arrived.")
        await shows(pilot, "10 of 10 done")
        await shows(pilot, "2 notes")

    drive(app(engine, tmp_path, times=AppTimes(setup=0.02)), script)


def test_an_answer_after_the_fields_are_gone_is_harmless(tmp_path: Path) -> None:
    """When the app ends, its widgets are removed from the inside out while answers still come."""
    engine = Engine(checklist(settings(), done=ALL[:-1]))

    async def script(pilot: Any) -> None:
        await shows(pilot, "9 of 10 done")
        await pilot.app.screen.query_one(Form).remove_children()
        engine.now(FINISHED)
        await shows(pilot, "10 of 10 done")
        await shows(pilot, "from ada@quill.example")

    drive(app(engine, tmp_path, times=AppTimes(setup=0.02)), script)


def test_an_engine_error_is_shown(tmp_path: Path) -> None:
    engine = Engine(PARTLY)
    engine.answers[GetSetup] = ConfigError("vault.toml is wrong: mend it.")

    async def script(pilot: Any) -> None:
        await shows(pilot, "Setup can't be shown")
        await shows(pilot, "mend it")

    drive(app(engine, tmp_path), script)


def test_hostile_text_is_harmless(tmp_path: Path) -> None:
    rule = step_of(
        PARTLY, "journal-rule", title=HOSTILE, guide=HOSTILE, detail=HOSTILE, command=HOSTILE, affirm=HOSTILE
    )
    setup = Setup(steps=with_step(PARTLY, rule).steps, platform=HOSTILE, health=(HOSTILE,))
    engine = Engine(setup)
    engine.answers[CheckSetup] = [SetupFinding(text=HOSTILE, verdict="wrong"), setup]

    async def script(pilot: Any) -> None:
        await at("journal-rule", "c")(pilot)
        await shows(pilot, "[/x]")
        assert_harmless(text_of(pilot.app))
        await pilot.press("d")
        assert_harmless(text_of(pilot.app))
        await pilot.press("escape")
        await at("health")(pilot)
        assert_harmless(text_of(pilot.app))

    drive(app(engine, tmp_path), script)


def test_setup_on_a_real_vault(tmp_path: Path) -> None:
    """Driven by keys, from the screen to vault.toml and back."""
    vault = TestVault(tmp_path / "vault", domains=())
    made = MunimentApp(connect, vault.folder, area="setup")

    async def script(pilot: Any) -> None:
        await at("report-address", "enter", "down")(pilot)
        await pilot.press(*"j@archive.example", "f2")
        await shows(pilot, "Saved in vault.toml.")
        await at("journal-rule", "d", "y")(pilot)
        await shows(pilot, "confirmed by")

    drive(made, script)
    assert 'address = "j@archive.example"' in (vault.folder / "vault.toml").read_text()
