"""The Settings area on a double of the engine."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from muniment import api
from muniment.api import (
    Done,
    GetSettings,
    Logins,
    LoginWord,
    Problems,
    PutSettings,
    SettingsGroup,
    Step,
    TestNotify,
    VaultSettings,
)
from muniment.config.file import interpret
from muniment.errors import AccessRefused, SettingsChanged
from muniment.service.host.session import ClientSession
from muniment.service.operations.settings import get_settings
from muniment_tui.app import MunimentApp
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import LARGE, SMALL, app_on, drive, settled, shows, text_of, until

WIDEST = (200, 60)
SIZES = (SMALL, LARGE, WIDEST)
TOML = """\
version = 1
name = "Quill"
domains = ["quill.example"]
[gateway]
listen = "0.0.0.0:25"
addresses = ["journal@quill.example"]
certificate = "/etc/ssl/archive.pem"
[notify]
urls = ["json://ines:hunter2@hooks.example/token-123", { file = "ntfy.url" }]
daily = "07:30"
[notify.mail]
host = "smtp.quill.example"
to = ["ines@quill.example"]
login = "archive"
password = { file = "secrets/notify-1" }
[access]
administrators = ["ines"]
auditors = ["audrey"]
[access.users]
bob = "bob@quill.example"
[profile.hq]
source = "gateway"
host = "gw.quill.example"
mailbox = "mbx-1"
password = { env = "P" }
"""
BOB = "bob@quill.example"
LOGINS = Logins(
    logins=(
        LoginWord(
            login="bob", address="bob@quill.example", state="bound", user="bob@quill.example", holder=""
        ),
        LoginWord(login="eve", address="eve@quill.example", state="nobody", user="", holder=""),
    )
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> VaultSettings:
    """The settings as the engine answers them, from a real file."""
    folder = tmp_path_factory.mktemp("vault")
    (folder / "vault.toml").write_text(TOML)
    assert interpret(TOML, "vault.toml").name == "Quill"
    answer = get_settings(ClientSession(folder), GetSettings())
    return msgspec.structs.replace(answer, version="v1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def app(folder: Path, settings: VaultSettings, **answers: Any) -> tuple[MunimentApp, EngineDouble]:
    given: dict[str, Any] = {
        "GetSettings": settings, "ListLogins": LOGINS, "CheckSettings": Problems(problems={}),
        "PutSettings": Done(message="1 setting of Organisation changed."),
    } | answers  # fmt: skip
    options = given.pop("options", {})
    double = EngineDouble({getattr(api, name): answer for name, answer in given.items()})
    return app_on(double, folder, area="settings", **options), double


def pressed(*keys: str, then: str = "") -> Any:
    async def script(pilot: Any) -> None:
        await until(pilot, lambda: "Loading the settings" not in text_of(pilot.app))
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        if then:
            await shows(pilot, then)

    return script


def put(double: EngineDouble) -> list[PutSettings]:
    return [one for one in double.asked if isinstance(one, PutSettings)]


# --- pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "keys", "then", "answers"),
    [
        ("settings", (), "quill.example", {}),
        ("settings-notifications", ("down",), "smtp.quill.example", {}),
        ("settings-access", ("down", "down"), "reads nothing", {}),
        ("settings-schedule", ("down", "down", "down"), "hq: Every", {}),
        ("settings-form", ("down", "e"), "kept in", {}),
        ("settings-form-more", ("down", "e", "f4"), "▾ More options", {}),
        ("settings-form-access", ("down", "down", "e"), "Administrators", {}),
        (
            "settings-problem",
            ("e", "down", "space", "x"),
            "not a mail domain",
            {"CheckSettings": Problems(problems={"domains": "Mail domains: 'x' is not a mail domain"})},
        ),
        (
            "settings-tested",
            ("down", "t"),
            "1 of 2 ways worked",
            {
                "TestNotify": [
                    Step(text="mail through smtp.quill.example: sent"),
                    Step(text="json: failed (ConnectionError)", ok=False),
                    Done(message="1 of 2 ways worked: check that the message arrived."),
                ]
            },
        ),
        ("settings-rights", ("down", "down", "e", "end", "comma", "x", "f2"), "Change 1 setting", {}),
        ("settings-leave", ("e", "x", "escape"), "Leave without saving", {}),
        ("settings-refused", (), "may not", {"GetSettings": AccessRefused("an auditor may not do this")}),
    ],
)
def test_a_state(
    picture: Any, folder: Path, settings: VaultSettings, name: str, keys: tuple[str, ...], then: str,
    answers: dict[str, Any],
) -> None:  # fmt: skip
    picture(name, lambda: app(folder, settings, **answers)[0], pressed(*keys, then=then), SIZES)


def test_a_conflict(picture: Any, folder: Path, settings: VaultSettings) -> None:
    doubles: list[EngineDouble] = []

    def make() -> MunimentApp:
        made, double = app(folder, settings, PutSettings=SettingsChanged("vault.toml was changed"))
        doubles.append(double)
        return made

    async def script(pilot: Any) -> None:
        await pressed("e", "x")(pilot)
        doubles[-1].answers[GetSettings] = changed(settings, "name", "Other")
        await pressed("f2", then="vault.toml was edited")(pilot)

    picture("settings-conflict", make, script, SIZES)


def changed(settings: VaultSettings, key: str, value: Any) -> VaultSettings:
    groups = []
    for group in settings.groups:
        words = tuple(
            msgspec.structs.replace(word, value=value) if word.key == key else word for word in group.settings
        )
        groups.append(msgspec.structs.replace(group, settings=words))
    return VaultSettings(groups=tuple(groups), version="v2")


# --- what the keys do --------------------------------------------------------------------------


def test_a_change_is_saved_with_the_version_that_was_read(folder: Path, settings: VaultSettings) -> None:
    made, double = app(folder, settings)

    async def script(pilot: Any) -> None:
        await pressed("enter", "x", then="Mail domains")(pilot)
        await pilot.press("f2")
        await shows(pilot, "1 setting of Organisation changed.")

    drive(made, script)
    assert put(double) == [PutSettings(values={"name": "Quillx"}, version="v1")]


def test_values_have_the_width_of_their_pane_at_once(folder: Path, settings: VaultSettings) -> None:
    """The answer comes before the pane has a width."""
    named = changed(settings, "name", "The Quill Company of Long Names, Inc.")
    made, _ = app(folder, named, ListLogins=AccessRefused("not yours"))
    drive(made, pressed(then="The Quill Company of Long Names, Inc."), LARGE)


def test_a_problem_of_the_service_stops_saving_and_focuses_the_field(
    folder: Path, settings: VaultSettings
) -> None:
    wrong = Problems(problems={"domains": "Mail domains: 'x' is not a mail domain"})
    made, double = app(folder, settings, CheckSettings=wrong)

    async def script(pilot: Any) -> None:
        await pressed("e", "x", "f2", then="✗ Mail domains")(pilot)
        assert pilot.app.focused.parent.parent.key == "domains"

    drive(made, script)
    assert not put(double)


def test_a_problem_elsewhere_in_the_file_is_named(folder: Path, settings: VaultSettings) -> None:
    wrong = Problems(problems={"gateway.listen": "Listens on is 'x'"})
    made, double = app(folder, settings, CheckSettings=wrong)
    drive(made, pressed("e", "x", "f2", then="gateway.listen: Listens on is 'x'"))
    assert not put(double)


def test_rights_change_only_after_y(folder: Path, settings: VaultSettings) -> None:
    made, double = app(folder, settings)

    async def script(pilot: Any) -> None:
        await pressed("down", "down", "e", "end", *", eve", "f2", then="ines, eve")(pilot)
        await pilot.press("enter")  # the default is no
        await settled(pilot)
        assert not put(double)
        await pilot.press("f2")
        await shows(pilot, "Change 1 setting of Access?")
        await pilot.press("y")
        await until(pilot, lambda: put(double))

    drive(made, script)
    assert put(double)[0].values == {"access.administrators": ["ines", "eve"]}


def test_what_is_typed_while_a_form_is_saved_is_kept(folder: Path, settings: VaultSettings) -> None:
    made, double = app(folder, settings)
    answered = double.held[PutSettings] = threading.Event()

    async def script(pilot: Any) -> None:
        await pressed("e", "x")(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: put(double))
        double.answers[GetSettings] = changed(settings, "name", "Quillx")
        await pilot.press("y")
        answered.set()
        await shows(pilot, "What you typed meanwhile is not saved: F2 saves it.")
        await pilot.press("f2")
        await shows(pilot, "1 setting of Organisation changed.")

    drive(made, script)
    assert put(double) == [
        PutSettings(values={"name": "Quillx"}, version="v1"),
        PutSettings(values={"name": "Quillxy"}, version="v2"),
    ]


def test_a_typed_password_is_sent_apart_and_never_drawn(folder: Path, settings: VaultSettings) -> None:
    made, double = app(folder, settings)

    async def script(pilot: Any) -> None:
        await pressed("down", "e", *["down"] * 6, then="new one to replace")(pilot)
        await pilot.press(*"hunter2")
        assert "hunter2" not in text_of(pilot.app)
        await pilot.press("f2")
        await until(pilot, lambda: put(double))

    drive(made, script, LARGE)
    (request,) = put(double)
    assert (request.values, request.password, request.keep) == ({}, "hunter2", "file")


def test_a_change_by_hand_elsewhere_is_merged(folder: Path, settings: VaultSettings) -> None:
    made, double = app(folder, settings, PutSettings=SettingsChanged("changed"))

    async def script(pilot: Any) -> None:
        await pressed("e", "x")(pilot)
        double.answers[GetSettings] = changed(settings, "gateway.listen", "127.0.0.1:25")
        await pilot.press("f2")
        await until(pilot, lambda: len(put(double)) > 1)
        double.answers[PutSettings] = Done(message="saved")
        await shows(pilot, "saved")

    drive(made, script)
    assert [one.version for one in put(double)][:2] == ["v1", "v2"]


@pytest.mark.parametrize(("key", "values"), [("o", {"name": "Quillx"}), ("f", None)])
def test_a_change_by_hand_of_the_same_group_asks(
    folder: Path, settings: VaultSettings, key: str, values: dict[str, Any] | None
) -> None:
    made, double = app(folder, settings, PutSettings=SettingsChanged("changed"))

    async def script(pilot: Any) -> None:
        await pressed("e", "x")(pilot)
        double.answers[GetSettings] = changed(settings, "name", "Other")
        await pilot.press("f2")
        await shows(pilot, "was Quill, is now Other; you changed it to Quillx")
        double.answers[PutSettings] = Done(message="saved")
        await pilot.press(key)
        await shows(pilot, "saved" if values else "The form now shows the settings")
        if not values:
            assert "Other" in text_of(pilot.app)

    drive(made, script)
    assert (put(double)[-1].version == "v2") is bool(values)


def test_leaving_asks_about_unsaved_changes(folder: Path, settings: VaultSettings) -> None:
    made, double = app(folder, settings)

    async def script(pilot: Any) -> None:
        await pressed("e", "x", "escape", then="Leave without saving 1 setting of Organisation?")(pilot)
        await pilot.press("D")
        await shows(pilot, "Groups")

    drive(made, script)
    assert not put(double)


def test_read_only_shows_the_form_and_saves_nothing(folder: Path, settings: VaultSettings) -> None:
    made, double = app(folder, settings, options={"read_only": True})
    drive(made, pressed("e", "x", "f2", then="read-only"))
    assert not put(double)


def test_the_test_is_offered_only_for_notifications(folder: Path, settings: VaultSettings) -> None:
    made, double = app(folder, settings, TestNotify=[Done(message="2 of 2 ways worked")])

    async def script(pilot: Any) -> None:
        await pressed("t")(pilot)
        assert TestNotify() not in double.asked
        await pressed("down", "t", then="2 of 2 ways worked")(pilot)

    drive(made, script)


def test_a_setting_that_the_app_does_not_know_is_shown_and_saved(
    folder: Path, settings: VaultSettings
) -> None:
    new = api.SettingWord(
        key="later.key", label="Later", kind="number", help="Something new.", value=1, default=1
    )
    group = SettingsGroup(id="later", title="Later on", help="New settings.", settings=(new,))
    made, double = app(folder, VaultSettings(groups=(group,), version="v1"))

    async def script(pilot: Any) -> None:
        await pressed("e", "2", "f2")(pilot)
        await until(pilot, lambda: put(double))

    drive(made, script)
    assert put(double)[0].values == {"later.key": 12}


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_hostile_strings_are_harmless(folder: Path, size: tuple[int, int]) -> None:
    word = api.SettingWord(
        key=HOSTILE, label=HOSTILE, kind="text", help=HOSTILE, value=HOSTILE, sample=HOSTILE, default=""
    )
    group = SettingsGroup(id="access", title=HOSTILE, help=HOSTILE, settings=(word,))
    login = LoginWord(login=HOSTILE, address=HOSTILE, state="nobody", user="", holder="")
    made, _ = app(
        folder, VaultSettings(groups=(group,), version="v1"), ListLogins=Logins(logins=(login,)),
        CheckSettings=Problems(problems={HOSTILE: HOSTILE}),
    )  # fmt: skip

    async def script(pilot: Any) -> None:
        await pressed(then="[/x]")(pilot)
        assert_harmless(text_of(pilot.app))
        await pressed("e", "x", "f2", then="✗")(pilot)
        assert_harmless(text_of(pilot.app))

    drive(made, script, size)
