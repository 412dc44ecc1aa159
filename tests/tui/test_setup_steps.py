"""The Setup screen: the form inside a step, the keys of single steps, and the verdict of a check."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from muniment.api import (
    AffirmSetup,
    CheckProfile,
    CheckSetup,
    Done,
    GetSetup,
    ImportUsers,
    ListProfiles,
    PersonChange,
    Problems,
    Profiles,
    ProfileWord,
    PutProfile,
    PutSetup,
    Request,
    Run,
    Setup,
    SetupAct,
    SetupFinding,
    WireWord,
)
from muniment.api import TestProfile as TryProfile
from muniment.errors import VaultError
from muniment.service.daemon.install import UnitInstaller
from muniment.service.dispatch.engine import connect
from muniment_tui.app import MunimentApp
from muniment_tui.profiles.editor import ProfileEditor
from muniment_tui.setup.screen import SetupScreen
from muniment_tui.widgets.field import ChoiceLine
from support.checklists import DONE, checklist, settings, step_of, with_step
from support.engine_double import EngineDouble
from support.screens import LARGE, SMALL, app_on, drive, settled, shows, text_of, until
from support.vaults import TestVault
from support.words import summary
from support.zoned import in_zone

WIDE = (200, 60)
TENANT = "journal-0123456789abcdef0123456789abcdef@quill.onmicrosoft.com"


class Steps(EngineDouble):
    """Answers with one checklist."""

    def __init__(self, setup: Setup) -> None:
        profiles = Profiles(profiles=(), version="1")
        super().__init__({GetSetup: setup, PutSetup: setup, ListProfiles: profiles})
        self.answers[CheckSetup] = lambda request: iter([setup])

    def requests(self, kind: type[Request]) -> list[Any]:
        return [request for request in self.asked if isinstance(request, kind)]


def app(engine: EngineDouble, tmp_path: Path, **options: Any) -> MunimentApp:
    return app_on(engine, tmp_path / "vault", **options)


def screen_of(pilot: Any) -> SetupScreen:
    screen = pilot.app.screen
    assert isinstance(screen, SetupScreen)
    return screen


def at(key: str, *more: str) -> Any:
    """A script that goes to a step and presses keys."""

    async def script(pilot: Any) -> None:
        screen = screen_of(pilot)
        screen.list.focus()
        await shows(pilot, "of 10 done")
        screen.list.go_to(key)
        await until(pilot, lambda: screen._drawn == key)
        await settled(pilot)
        if key == "profile":
            await until(pilot, lambda: screen.profile.editor is not None)
            await settled(pilot)
        await pilot.press(*more)

    return script


# --- the archive profile ------------------------------------------------------------------------------


def unprofiled(reports: str = "gateway", address: str = "mbx-01ab@gw.provider.example") -> Setup:
    """A checklist without an archive profile, whose report address is known."""
    given = settings(reports=reports)
    journaling = msgspec.structs.replace(given.journaling, address=address)
    return checklist(msgspec.structs.replace(given, profiles=(), journaling=journaling))


def form_of(pilot: Any) -> ProfileEditor:
    """The form inside the step."""
    editor = screen_of(pilot).profile.editor
    assert editor is not None
    return editor


def test_pictures_of_the_profile_step(picture: Any, tmp_path: Path) -> None:
    async def typing(pilot: Any) -> None:
        await at("profile", "enter", *"secret")(pilot)
        await shows(pilot, "••••••")

    sizes = (SMALL, LARGE, WIDE)
    picture("setup-profile", lambda: app(Steps(unprofiled()), tmp_path), at("profile"), sizes)
    picture("setup-profile-typing", lambda: app(Steps(unprofiled()), tmp_path), typing, sizes)


def test_the_step_is_the_form_with_host_and_mailbox_filled_in(tmp_path: Path) -> None:
    engine = Steps(unprofiled())
    engine.answers[CheckProfile] = Problems(problems={}, tested=True)
    engine.answers[PutProfile] = Done(message="added")

    async def script(pilot: Any) -> None:
        await at("profile")(pilot)
        await shows(pilot, "mbx-01ab")
        assert screen_of(pilot).unsaved == ""
        await pilot.press("enter")
        await until(pilot, lambda: form_of(pilot)._entries["secret"].entry().has_focus)
        await until(pilot, lambda: "Undeliverable" not in text_of(pilot.app))  # the list gives its room
        await pilot.press(*"pw")
        await until(pilot, lambda: screen_of(pilot).unsaved)
        await pilot.press("f2")
        await until(pilot, lambda: engine.requests(CheckSetup))

    drive(app(engine, tmp_path), script)
    (put,) = engine.requests(PutProfile)
    assert (put.name, put.new, put.password, put.keep) == ("gateway", True, "pw", "file")
    assert put.fields == {"source": "gateway", "host": "gw.provider.example", "mailbox": "mbx-01ab"}
    assert engine.requests(PutSetup) == [PutSetup(values={"profile": "gateway"})]
    assert engine.requests(CheckSetup) == [CheckSetup(step="profile")]


def test_an_untested_profile_of_the_step_runs_only_if_the_user_says_so(tmp_path: Path) -> None:
    engine = Steps(unprofiled())
    engine.answers[CheckProfile] = Problems(problems={}, tested=False)
    engine.answers[PutProfile] = Done(message="added")

    async def script(pilot: Any) -> None:
        await at("profile", "enter", *"pw", "f2")(pilot)
        await shows(pilot, "gateway was not tested. Run it automatically every 300 s? Archived mail")
        await pilot.press("enter")
        await shows(pilot, "It runs by hand only.")

    drive(app(engine, tmp_path), script)
    assert engine.requests(PutProfile)[0].fields["enabled"] is False


def test_a_name_error_is_shown_at_the_field(tmp_path: Path) -> None:
    async def script(pilot: Any) -> None:
        await at("profile", "enter")(pilot)
        form_of(pilot)._entries["name"].entry().focus()
        await pilot.press("ctrl+u", *"MailStore gw")
        await shows(pilot, "✗ a profile can't be named 'MailStore gw'")

    drive(app(Steps(unprofiled()), tmp_path), script)


def test_a_kind_is_chosen_where_several_fit(tmp_path: Path) -> None:
    engine = Steps(unprofiled("mailbox", "reports@mail.example"))

    async def script(pilot: Any) -> None:
        await at("profile")(pilot)
        await shows(pilot, "(•) imap  ( ) pop3")
        await pilot.press("enter")
        form_of(pilot)._entries["source"].entry().focus()
        await pilot.press("right")
        await shows(pilot, "( ) imap  (•) pop3")
        draft = form_of(pilot).draft
        assert (draft.kind.name, draft.name) == ("pop3", "journal")
        assert (draft.text("mailbox"), draft.text("journal")) == ("reports@mail.example", "yes")

    drive(app(engine, tmp_path), script, LARGE)


async def back_to_the_list(pilot: Any) -> None:
    """Press Esc until the list of steps has the focus: a notice and the form's results take one each."""
    for _ in range(4):
        if pilot.app.screen.list.has_focus:
            return
        await pilot.press("escape")
    assert pilot.app.screen.list.has_focus


def test_what_is_typed_in_the_form_is_tested_and_not_lost(tmp_path: Path) -> None:
    engine = Steps(unprofiled())
    engine.answers[TryProfile] = [Done(message="Profile gateway works.")]

    async def script(pilot: Any) -> None:
        await at("profile", "enter", *"pw", "f5")(pilot)
        await shows(pilot, "Profile gateway works.")
        await back_to_the_list(pilot)
        await pilot.press("up", "down", "q")
        await shows(pilot, "Leave without saving")
        await pilot.press("escape")
        assert form_of(pilot).draft.password == "pw"
        await back_to_the_list(pilot)
        await pilot.press("q")
        await shows(pilot, "Leave without saving")
        await pilot.press("D")
        await until(pilot, lambda: pilot.app.return_code == 0)

    drive(app(engine, tmp_path), script)
    assert engine.requests(TryProfile)[0].password == "pw"
    assert not engine.requests(PutProfile)


def test_what_was_discarded_does_not_come_back(tmp_path: Path) -> None:
    engine = Steps(unprofiled())

    async def script(pilot: Any) -> None:
        await at("profile", "enter", *"pw")(pilot)
        await until(pilot, lambda: screen_of(pilot).unsaved)
        screen = screen_of(pilot)
        await back_to_the_list(pilot)
        await pilot.press("escape")
        await shows(pilot, "Leave without saving")
        await pilot.press("D")
        await until(pilot, lambda: pilot.app.screen is not screen)
        await pilot.app.places.open_checklist()
        await until(pilot, lambda: screen_of(pilot).profile.editor is not None)
        await until(pilot, lambda: form_of(pilot).draft.password == "")
        await settled(pilot)
        assert "••" not in text_of(pilot.app)
        assert screen_of(pilot).unsaved == ""
        form_of(pilot)._entries["secret"].entry().focus()
        await pilot.press(*"new")
        await until(pilot, lambda: screen_of(pilot).unsaved)

    drive(app(engine, tmp_path), script)


def test_what_was_discarded_in_a_field_with_the_focus_does_not_come_back(tmp_path: Path) -> None:
    engine = Steps(unprofiled())

    async def script(pilot: Any) -> None:
        await at("profile", "enter", *"pw")(pilot)
        await until(pilot, lambda: screen_of(pilot).unsaved)
        await back_to_the_list(pilot)
        await at("undeliverable", "enter", *"xyz", "f10")(pilot)
        await shows(pilot, "Leave without saving your changes to Undeliverable and")
        await pilot.press("D")
        await shows(pilot, "Leave without saving your changes to profile")
        await pilot.press("escape")
        screen_of(pilot).list.go_to("undeliverable")
        await shows(pilot, "Undeliverable")
        await settled(pilot)
        assert "xyz" not in text_of(pilot.app)

    drive(app(engine, tmp_path), script, LARGE)


def asked_again(engine: Steps, before: int) -> bool:
    """Whether the profiles were requested once more."""
    return len(engine.requests(ListProfiles)) > before


def test_an_error_of_the_profile_step_is_told_once(tmp_path: Path) -> None:
    engine = Steps(unprofiled())
    engine.answers[ListProfiles] = VaultError("the profiles can't be read")

    async def script(pilot: Any) -> None:
        screen = screen_of(pilot)
        await shows(pilot, "of 10 done")
        screen.list.go_to("profile")
        for _ in range(3):
            before = len(engine.requests(ListProfiles))
            screen._ask()
            await until(pilot, partial(asked_again, engine, before))
            await settled(pilot)
        said = [notice.text for notice in pilot.app.notices.kept]
        assert said.count("the profiles can't be read") == 1

    drive(app(engine, tmp_path), script)


@pytest.mark.parametrize("key", ["S", "D"])
def test_fields_of_steps_are_saved_or_lost_only_if_the_user_says_so(tmp_path: Path, key: str) -> None:
    engine = Steps(checklist(settings()))

    async def script(pilot: Any) -> None:
        await at("undeliverable", "enter", "x", "escape")(pilot)
        await at("report-address", "enter", "down", "y", "escape", "q")(pilot)
        await shows(pilot, "Leave without saving your changes to Report address, Undeliverable?")
        await pilot.press("escape", "q")
        await shows(pilot, "Leave without saving")
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.return_code == 0)

    drive(app(engine, tmp_path), script)
    values = {"address": "journal@archive.exampley", "undeliverable": "ndr@elsewhere.examplex"}
    assert engine.requests(PutSetup) == ([PutSetup(values=values)] if key == "S" else [])


# --- keys of a step -----------------------------------------------------------------------------------


def acting(key: str, *acts: SetupAct) -> Steps:
    """An engine whose step offers these acts."""
    setup = checklist(settings())
    return Steps(with_step(setup, step_of(setup, key, acts=acts)))


def test_r_runs_the_profile(tmp_path: Path) -> None:
    engine = acting("first-run", SetupAct(kind="run", subject="gateway"))
    engine.answers[Run] = [summary(profile="gateway")]

    async def script(pilot: Any) -> None:
        await at("first-run")(pilot)
        await shows(pilot, "r runs profile gateway now.")
        await pilot.press("r")
        await shows(pilot, "gateway: ok")

    drive(app(engine, tmp_path), script)
    assert [request.profile for request in engine.requests(Run)] == ["gateway"]


def test_p_pins_the_tenant_that_was_found_in_two_keys(tmp_path: Path) -> None:
    engine = acting("first-report", SetupAct(kind="pin", subject=TENANT))

    async def script(pilot: Any) -> None:
        await at("first-report", "p")(pilot)
        await shows(pilot, "Pin the tenant journal-0123")
        await pilot.press("enter")  # declines
        assert not engine.requests(PutSetup)
        await pilot.press("p", "y")
        await shows(pilot, "The tenant is pinned")

    drive(app(engine, tmp_path), script)
    assert engine.requests(PutSetup) == [PutSetup(values={"tenant": TENANT})]


def test_i_imports_people_after_it_says_what_changes(tmp_path: Path) -> None:
    engine = acting("users", SetupAct(kind="import"))
    file = tmp_path / "people.csv"
    file.write_text("name,address\nAda,ada@quill.example\nBob,bob@quill.example,b@quill.example\n")
    people = (
        PersonChange(user="ada@quill.example", name="Ada", kind="added"),
        PersonChange(user="bob@quill.example", name="Bob", kind="changed"),
    )
    planned = Done(message="planned", people=people, refiled=1204, warnings=("one address moves",))
    engine.answers[ImportUsers] = planned

    async def script(pilot: Any) -> None:
        await at("users", "i")(pilot)
        await shows(pilot, "Import people from the CSV file")
        await pilot.press("ctrl+u", *str(tmp_path / "gone.csv"), "enter")
        await shows(pilot, "can't be read")
        await pilot.press("i", "ctrl+u", *str(file), "enter")
        await shows(pilot, "Import of people.csv: 1 added, 1 changed. 1,204 messages are filed again. Do it?")
        assert "! one address moves" in text_of(pilot.app)
        assert re.search(r"\+ added +Ada +ada@quill.example", text_of(pilot.app))
        engine.answers[ImportUsers] = Done(message="3 imported.")
        await pilot.press("y")
        await shows(pilot, "3 imported.")

    drive(app(engine, tmp_path), script, LARGE)
    assert [request.check for request in engine.requests(ImportUsers)] == [True, False]


class Held(Steps):
    """A checklist whose answers to one kind of request wait until `go` is set."""

    def __init__(self, setup: Setup, kind: type[Request]) -> None:
        super().__init__(setup)
        self.kind = kind
        self.go = threading.Event()

    def call(self, request: Request) -> WireWord:
        word = super().call(request)
        if not isinstance(request, self.kind):
            return word
        assert self.go.wait(60)
        answer = self.answers[self.kind]
        assert isinstance(answer, WireWord)
        return answer


def notices(pilot: Any) -> str:
    """The texts of the notices so far, also of those that a line above them covers."""
    return " ".join(notice.text for notice in pilot.app.notices.kept)


def test_a_question_about_an_import_takes_no_key_from_elsewhere(tmp_path: Path) -> None:
    setup = checklist(settings())
    acts = (SetupAct(kind="import"),)
    engine = Held(with_step(setup, step_of(setup, "users", acts=acts)), ImportUsers)
    file = tmp_path / "people.csv"
    file.write_text("name,address\nAda,ada@quill.example\n")
    people = (PersonChange(user="ada@quill.example", name="Ada", kind="added"),)
    engine.answers[ImportUsers] = Done(message="planned", people=people, refiled=12)

    async def script(pilot: Any) -> None:
        await at("users", "i")(pilot)
        await pilot.press("ctrl+u", *str(file), "enter")
        await until(pilot, lambda: engine.requests(ImportUsers))
        await pilot.press("down")
        engine.go.set()
        await until(pilot, lambda: "The preview is ready: F2 in it asks" in notices(pilot))
        await pilot.press("y")
        await settled(pilot)
        assert len(engine.requests(ImportUsers)) == 1
        await pilot.press("f2")
        await shows(pilot, "Import of people.csv: 1 added. 12 messages are filed again. Do it?")
        await pilot.press("y")
        await until(pilot, lambda: len(engine.requests(ImportUsers)) == 2)

    drive(app(engine, tmp_path), script, LARGE)


def test_what_is_typed_while_fields_are_saved_stays(tmp_path: Path) -> None:
    setup = checklist(settings())
    engine = Held(setup, PutSetup)

    async def script(pilot: Any) -> None:
        screen = screen_of(pilot)
        await at("report-address", "enter")(pilot)
        await pilot.press("down", "x", "f2")
        await until(pilot, lambda: engine.requests(PutSetup))
        await pilot.press("y")
        (sent,) = engine.requests(PutSetup)
        (name,) = sent.values
        step = step_of(setup, "report-address")
        fields = tuple(
            msgspec.structs.replace(one, value=sent.values.get(one.name, one.value)) for one in step.fields
        )
        stored = with_step(setup, msgspec.structs.replace(step, fields=fields))
        engine.answers.update({PutSetup: stored, GetSetup: stored})
        engine.go.set()
        await shows(pilot, "Saved in vault.toml")
        await settled(pilot)
        assert screen.page.values[name] == f"{sent.values[name]}y"
        assert screen.unsaved
        await pilot.press("f2")
        await until(pilot, lambda: len(engine.requests(PutSetup)) == 2)
        assert engine.requests(PutSetup)[1].values == {name: f"{sent.values[name]}y"}

    drive(app(engine, tmp_path), script, LARGE)


def test_e_lets_the_service_run_the_profile(tmp_path: Path) -> None:
    engine = acting("schedule", SetupAct(kind="enable", subject="gateway"))
    word = ProfileWord(name="gateway", source="gateway", fields={"enabled": False}, version="7", tested=False)
    engine.answers[ListProfiles] = Profiles(profiles=(word,), version="7")
    engine.answers[PutProfile] = Done(message="changed")

    async def script(pilot: Any) -> None:
        await at("schedule", "e")(pilot)
        await shows(pilot, "Run gateway automatically every 300 s? It was not tested.")
        await shows(pilot, "deleted at the source.")
        await pilot.press("y")
        await shows(pilot, "gateway now runs automatically.")

    drive(app(engine, tmp_path), script, LARGE)
    (put,) = engine.requests(PutProfile)
    assert (put.fields, put.version) == ({"enabled": True}, "7")


def test_s_writes_the_units_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real installer, in a folder that is not the system's."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    vault = TestVault(tmp_path / "vault")
    made = MunimentApp(connect, vault.folder, area="setup", installer=lambda: UnitInstaller(tmp_path))

    async def script(pilot: Any) -> None:
        await at("service", "s")(pilot)
        await shows(pilot, "Write the systemd units")
        await pilot.press("y")
        await shows(pilot, "Wrote")
        await shows(pilot, "systemctl enable --now muniment.service")

    drive(made, script, LARGE)
    assert str(vault.folder) in (tmp_path / "muniment.service").read_text()


class BrokenInstaller(UnitInstaller):
    """Fails as no installer should."""

    def install(self, *args: Any, **kwargs: Any) -> list[str]:
        raise KeyError("secret")


def test_an_error_of_the_installer_is_told_and_does_not_end_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    engine = acting("service", SetupAct(kind="install"))

    async def script(pilot: Any) -> None:
        await at("service", "s", "y")(pilot)
        await shows(pilot, "The units can't be written (KeyError)")

    drive(app(engine, tmp_path, installer=BrokenInstaller), script)


def test_s_without_root_or_sudo_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = acting("service", SetupAct(kind="install"))

    async def script(pilot: Any) -> None:
        await at("service", "s")(pilot)
        await shows(pilot, "Installing needs root: run the command")

    drive(app(engine, tmp_path, installer=lambda: UnitInstaller(tmp_path)), script)


def test_s_asks_sudo_only_in_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the app can't give the terminal away, it says so, and nothing is run."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    sudo = tmp_path / "sudo"
    sudo.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    sudo.chmod(0o755)
    engine = acting("service", SetupAct(kind="install"))

    async def script(pilot: Any) -> None:
        await at("service", "s")(pilot)
        await shows(pilot, "Let sudo run the command of this step in this terminal?")
        await pilot.press("y")
        await shows(pilot, "sudo can't be run here")

    drive(app(engine, tmp_path, installer=lambda: UnitInstaller(tmp_path)), script)
    assert not (tmp_path / "ran").exists()


# --- the verdict --------------------------------------------------------------------------------------


def verdict_of(setup: Setup) -> Iterator[WireWord]:
    yield step_of(setup, "report-address", state="checking")
    for number in range(6):
        yield SetupFinding(text=f"Fine number {number}.", verdict="fine")
    yield SetupFinding(text="It has no mailbox journal@archive.example: correct it.", verdict="wrong")
    yield setup


def test_the_verdict_is_on_the_screen_while_a_field_has_the_focus(tmp_path: Path, picture: Any) -> None:
    failed = checklist(settings(), {"report-address": ("failed", "It has no mailbox.")})

    def make() -> MunimentApp:
        engine = Steps(failed)
        engine.answers[CheckSetup] = lambda request: verdict_of(failed)
        return app(engine, tmp_path)

    async def script(pilot: Any) -> None:
        await at("report-address", "enter", "f5")(pilot)
        await shows(pilot, "✗ Report address: failed")
        await shows(pilot, "no mailbox journal@archive.example")
        assert isinstance(pilot.app.focused, ChoiceLine)
        assert "Undeliverable" not in text_of(pilot.app) or pilot.app.size.width > 80
        await settled(pilot)

    picture("setup-verdict", make, script)


def test_a_confirmation_is_checked_at_once(tmp_path: Path) -> None:
    engine = Steps(checklist(settings()))
    engine.answers[AffirmSetup] = checklist(settings())

    async def script(pilot: Any) -> None:
        await at("undeliverable", "d", "y")(pilot)
        await until(pilot, lambda: engine.requests(CheckSetup))

    drive(app(engine, tmp_path), script)
    assert engine.requests(CheckSetup) == [CheckSetup(step="undeliverable")]


def test_times_are_local_and_the_offset_is_said_once(tmp_path: Path) -> None:
    async def script(pilot: Any) -> None:
        await at("first-report")(pilot)
        await shows(pilot, "2026-01-05 06:58")
        text = text_of(pilot.app)
        assert "11:58" not in text
        assert text.count("UTC-05:00") == 1

    with in_zone("America/New_York"):
        drive(app(Steps(checklist(settings(), done=tuple(DONE))), tmp_path), script, LARGE)
