"""The People area on a double of the engine: list, filter, form, import with a preview."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from muniment import api
from muniment.api import (
    AddressWord,
    AddUser,
    Done,
    GetRefiling,
    ImportUsers,
    ListLogins,
    ListUsers,
    Logins,
    LoginWord,
    PersonChange,
    Refiling,
    RemoveUser,
    Users,
    UserWord,
)
from muniment.cli.users import CSV_LIMIT
from muniment.errors import AccessRefused, ConfigError
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import LARGE, NOW, SMALL, app_of, app_on, drive, settled, shows, text_of, until

WIDE = (200, 60)
YEAR = 365 * 86_400
ADA = UserWord(
    user="ada@example.com", name="Ada Quill", aliases=("a.quill@example.com",), messages=1234,
    addresses=(AddressWord(address="a.quill@example.com", since=NOW - YEAR, origin="hand"),
               AddressWord(address="ada@example.com", origin="csv")),
)  # fmt: skip
BOB = UserWord(
    user="bob@example.com", name="Bob Reed", messages=77, former=True,
    addresses=(AddressWord(address="bob@example.com", until=NOW - YEAR, origin="csv"),),
)  # fmt: skip
BOT = UserWord(
    user="printer@example.com", name="", automatic=True, messages=9,
    addresses=(AddressWord(address="printer@example.com", origin="mail"),),
)  # fmt: skip
MANY = tuple(
    UserWord(
        user=f"p{n:03}@example.com", name=f"Person {n:03}", messages=n,
        addresses=(AddressWord(address=f"p{n:03}@example.com", origin="csv"),),
    )
    for n in range(60)
)  # fmt: skip
CSV = "name,address,alias\nAda Quill,ada@example.com,quill@example.com\nNew Nora,nora@example.com\n"
PLANNED = Done(
    message="Nothing was changed.",
    people=(
        PersonChange(
            user="ada@example.com", name="Ada Quill", kind="changed", addresses=("quill@example.com",)
        ),
        PersonChange(user="nora@example.com", name="New Nora", kind="added", addresses=("nora@example.com",)),
    ),
    refiled=1204,
    warnings=("quill@example.com belonged to bob@example.com and belongs to ada@example.com now",),
)
LOGINS = Logins(logins=(LoginWord("ada", "ada@example.com", "bound", "ada@example.com", ""),))
NO_LOGINS = Logins(logins=())
MADE = Done(message="Users imported: 2 changes to the directory, 1204 messages filed again.", refiled=1204)


class Directory(EngineDouble):
    """An engine with a few people. A change that is no dry run waits until `go` is set."""

    def __init__(self, users: tuple[UserWord, ...] = (ADA, BOB, BOT, *MANY), planned: Any = PLANNED) -> None:
        super().__init__(
            {
                ListUsers: Users(users=users, catch_all=41),
                ListLogins: Logins(
                    logins=(LoginWord("ada", "ada@example.com", "bound", "ada@example.com", ""),)
                ),
                GetRefiling: Refiling(running=True, done=600, expected=1204),
            }
        )
        self.planned = planned
        self.go = threading.Event()

    def call(self, request: api.Request) -> api.WireWord:
        if not isinstance(request, ImportUsers | AddUser | RemoveUser):
            return super().call(request)
        self.asked.append(request)
        if isinstance(self.planned, Exception):
            raise self.planned
        if request.check:
            assert isinstance(self.planned, Done)
            return self.planned
        assert self.go.wait(60)
        return MADE

    def changes(self, check: bool) -> list[api.Request]:
        """The changes that were asked for, as dry runs or for real."""
        kinds = ImportUsers | AddUser | RemoveUser
        return [one for one in self.asked if isinstance(one, kinds) and one.check is check]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "p.csv"
    path.write_text(CSV)
    return path


def keys(*pressed: str) -> Any:
    """A script that presses keys, each after the answer to the key before."""

    async def script(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in pressed:
            await pilot.press(key)
            await settled(pilot)

    return script


@pytest.mark.parametrize(
    ("name", "pressed", "make"),
    [
        ("people", [], Directory),
        ("people-former", ["down"], Directory),
        ("people-filter", ["slash", *"quill"], Directory),
        ("people-nobody", ["slash", *"xyz"], Directory),
        ("people-form", ["e"], Directory),
        ("people-remove", ["d"], Directory),
        ("people-refused", ["d"], lambda: Directory(planned=ConfigError("Ada Quill can't be removed."))),
        ("people-empty", [], lambda: EngineDouble({ListUsers: Users(users=()), ListLogins: NO_LOGINS})),
        ("people-denied", [], lambda: EngineDouble(
            {ListUsers: AccessRefused("mallory may not use this vault: ask ines"), ListLogins: NO_LOGINS}
        )),
    ],
)  # fmt: skip
def test_pictures_of_people(picture: Any, folder: Path, name: str, pressed: list[str], make: Any) -> None:
    picture(name, lambda: app_on(make(), folder, area="people"), keys(*pressed), (SMALL, LARGE, WIDE))


def test_the_picture_of_an_import(
    picture: Any, folder: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(people.parent)
    script = keys("i", *"p.csv", "enter")
    picture("people-import", lambda: app_on(Directory(), folder, area="people"), script, (SMALL, LARGE, WIDE))


def test_an_import_is_seen_then_confirmed_and_its_progress_is_shown(folder: Path, people: Path) -> None:
    engine = Directory()
    pressed = ("5", "i", *str(people), "enter", "y")

    async def script(pilot: Pilot[Any]) -> None:
        await keys(*pressed[:-1])(pilot)
        await shows(pilot, "1 added, 1 changed")
        text = " ".join(text_of(pilot.app).split())
        assert "1,204 messages are filed again" in text
        assert "belonged to bob@example.com" in text
        assert engine.changes(check=False) == []
        await pilot.press("y")
        await until(pilot, lambda: "600 of 1,204" in text_of(pilot.app))
        engine.go.set()
        await shows(pilot, "Users imported: 2 changes")

    drive(app_on(engine, folder, area="setup"), script, LARGE)
    assert len(pressed) - len(str(people)) == 4
    assert engine.changes(check=False) == [ImportUsers(text=CSV, filename="p.csv")]


def test_an_import_is_not_made_without_an_answer(folder: Path, people: Path) -> None:
    engine = Directory()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("i", *str(people), "enter")(pilot)
        await shows(pilot, "Do it?")
        await keys("enter")(pilot)  # the default is No
        assert "Do it?" not in text_of(pilot.app)
        await keys("f2")(pilot)
        await shows(pilot, "Do it?")
        await keys("n", "escape")(pilot)
        await shows(pilot, "Ada Quill")

    drive(app_on(engine, folder, area="people"), script)
    assert engine.changes(check=False) == []


def test_the_result_of_a_change_is_said_after_its_preview_was_closed(folder: Path, people: Path) -> None:
    engine = Directory()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("i", *str(people), "enter")(pilot)
        await shows(pilot, "Do it?")
        await pilot.press("y")
        await until(pilot, lambda: "600 of 1,204" in text_of(pilot.app))
        await pilot.press("escape")
        await shows(pilot, "The change goes on")
        before = engine.asked.count(ListUsers())
        engine.go.set()
        await shows(pilot, "Users imported: 2 changes")
        await until(pilot, lambda: engine.asked.count(ListUsers()) > before)
        assert "Ada Quill" in text_of(pilot.app)

    drive(app_on(engine, folder, area="people"), script, LARGE)


class Failing(Directory):
    """A directory whose changes fail once `go` is set."""

    def call(self, request: api.Request) -> api.WireWord:
        word = super().call(request)
        if isinstance(request, ImportUsers | AddUser | RemoveUser) and not request.check:
            raise ConfigError("the disk is full")
        return word


async def confirmed(pilot: Pilot[Any]) -> None:
    """Confirm a change, and wait for its progress."""
    await shows(pilot, "Do it?")
    await pilot.press("y")
    await until(pilot, lambda: "600 of 1,204" in text_of(pilot.app))


def test_a_form_keeps_what_was_typed_until_its_change_is_made(folder: Path) -> None:
    engine = Failing()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("e", *"x", "f2")(pilot)
        await confirmed(pilot)
        await pilot.press("escape")
        await shows(pilot, "The change goes on")
        await shows(pilot, "Edit ada@example.com")
        await pilot.press("f2")
        await shows(pilot, "The change is being made")
        engine.go.set()
        await shows(pilot, "the disk is full")
        assert "Ada Quillx" in text_of(pilot.app)
        await keys("escape", "f2")(pilot)
        await shows(pilot, "Do it?")

    drive(app_on(engine, folder, area="people"), script, LARGE)


@pytest.mark.parametrize("left", ["escape", "5"])
def test_a_form_closes_by_itself_once_its_change_is_made(folder: Path, left: str) -> None:
    engine = Directory()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("e", *"x", "f2")(pilot)
        await confirmed(pilot)
        await pilot.press(left)
        await shows(pilot, "Edit ada@example.com")
        engine.go.set()
        await shows(pilot, "Users imported: 2 changes")
        await shows(pilot, "· 64")
        await pilot.press("q")  # no question about unsaved changes
        await until(pilot, lambda: not pilot.app.is_running)

    drive(app_on(engine, folder, area="people"), script, LARGE)


@pytest.mark.parametrize(("make", "said"), [(Failing, "the disk is full"), (Directory, "Users imported")])
@pytest.mark.parametrize("pressed", [("d",), ("e", "x", "f2")], ids=["remove", "edit"])
def test_the_key_of_the_area_closes_the_preview_of_a_change_under_way(
    folder: Path, make: type[Directory], said: str, pressed: tuple[str, ...]
) -> None:
    engine = make()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(*pressed)(pilot)
        await confirmed(pilot)
        await pilot.press("5")
        if len(pressed) > 1:
            await shows(pilot, "Its change is being made")
            await pilot.press("y")
        await shows(pilot, "· 64")
        engine.go.set()
        await shows(pilot, said)
        await shows(pilot, "· 64")

    drive(app_on(engine, folder, area="people"), script, LARGE)


def test_a_change_that_is_made_behind_another_screen_closes_only_its_own(folder: Path, people: Path) -> None:
    engine = Directory()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("i", *str(people), "enter")(pilot)
        await shows(pilot, "Do it?")
        await pilot.press("y")
        await until(pilot, lambda: "600 of 1,204" in text_of(pilot.app))
        await pilot.press("f1")
        await until(pilot, lambda: "600 of 1,204" not in text_of(pilot.app))
        help_page = pilot.app.screen
        before = engine.asked.count(ListUsers())
        engine.go.set()
        await until(pilot, lambda: engine.asked.count(ListUsers()) > before)
        assert pilot.app.screen is help_page
        await pilot.press("escape")
        if pilot.app.screen is help_page:
            await pilot.press("escape")  # the first one removed the notice
        await shows(pilot, "· 64")

    drive(app_on(engine, folder, area="people"), script, LARGE)


def test_a_file_that_is_too_large_is_refused(folder: Path, people: Path) -> None:
    people.write_bytes(b"x" * (CSV_LIMIT + 1))
    engine = Directory()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("i", *str(people), "enter")(pilot)
        await shows(pilot, "is larger than")

    drive(app_on(engine, folder, area="people"), script, LARGE)
    assert engine.changes(check=True) == []


def test_a_file_is_read_while_the_app_goes_on(
    folder: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go = threading.Event(), threading.Event()

    def slow(file: str) -> str:
        reading.set()
        assert go.wait(60)
        return CSV

    monkeypatch.setattr("muniment_tui.people.screen.csv_text", slow)

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("i", *str(people), "enter")
        await until(pilot, reading.is_set)
        await pilot.press("down")
        await shows(pilot, "Bob Reed · former")
        go.set()
        await shows(pilot, "Do it?")

    drive(app_on(Directory(), folder, area="people"), script, LARGE)


def test_a_file_that_is_missing_or_wrong_is_named(folder: Path, people: Path) -> None:
    people.with_name("bad.csv").write_bytes(b"name,address\n\xff,x@example.com\n")
    engine = Directory(planned=ConfigError("p.csv, line 2: the name is empty."))

    async def script(pilot: Pilot[Any]) -> None:
        await keys("i", *str(people.with_name("no.csv")), "enter")(pilot)
        await shows(pilot, "There is no file no.csv")
        await keys("ctrl+u", *str(people.with_name("bad.csv")), "enter")(pilot)
        await shows(pilot, "is not UTF-8")
        await keys("escape", "i", "ctrl+u", *str(people), "enter")(pilot)  # it offers the last path
        await shows(pilot, "line 2: the name is empty")

    drive(app_on(engine, folder, area="people"), script, LARGE)


def test_people_are_filtered_while_typing(folder: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await keys("slash", *"former")(pilot)
        text = text_of(pilot.app)
        assert "1 of 64" in text
        assert "Bob Reed" in text
        await keys("enter")(pilot)
        assert "until 2025-01-05" in text_of(pilot.app)
        await keys("slash", "ctrl+u", *"a.quill")(pilot)
        assert "Ada Quill" in text_of(pilot.app)
        await keys("escape")(pilot)
        await shows(pilot, "· 64")

    drive(app_on(Directory(), folder, area="people"), script)


def test_a_line_of_home_opens_the_row_of_its_person(folder: Path) -> None:
    """Also before the list has come, and where a filter leaves the person out."""

    async def script(pilot: Pilot[Any]) -> None:
        for _ in range(2):
            await app_of(pilot).places.open("people", BOB.user)
            await shows(pilot, "› Bob Reed")
            await pilot.press("slash", *"ada", "down")
            await shows(pilot, "› Ada Quill")

    drive(app_on(Directory(), folder, area="people"), script, LARGE)


def test_the_form_adds_a_person_after_a_preview(folder: Path) -> None:
    engine = Directory()
    engine.go.set()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("a", *"Nora", "down", *"nora@x.example", "down", *"n@x.example no", "f2")(pilot)
        await shows(pilot, "no has no @")
        await keys("backspace", "backspace", "backspace", "f2")(pilot)
        await shows(pilot, "Do it?")
        await keys("y")(pilot)
        await shows(pilot, "Users imported")
        await shows(pilot, "Ada Quill")

    drive(app_on(engine, folder, area="people"), script, LARGE)
    assert engine.changes(check=False) == [
        AddUser(name="Nora", addresses=("nora@x.example", "n@x.example"), zone="")
    ]


MOVED = UserWord(
    user="quill@example.com", name="Ada Quill", aliases=("ada@example.com", "old@example.com"), id="u1",
    addresses=(AddressWord(address="ada@example.com", until=NOW - YEAR, origin="csv"),
               AddressWord(address="also@example.com", origin="csv"),
               AddressWord(address="old@example.com", until=NOW - 2 * YEAR),
               AddressWord(address="old@example.com", since=NOW - 2 * YEAR, until=NOW - YEAR),
               AddressWord(address="quill@example.com", since=NOW - YEAR, origin="hand")),
)  # fmt: skip
GONE = UserWord(
    user="bob#2 (former)", name="Bob Reed", aliases=("bob@example.com",), former=True, id="bob#2",
    addresses=(AddressWord(address="bob@example.com", until=NOW - YEAR, origin="csv"),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("pressed", "addresses"),
    [
        (["down", "ctrl+u", *"reed@example.com"], ("reed@example.com",)),
        (["down", "down", *" new@example.com"], ("quill@example.com", "new@example.com")),
    ],
)
def test_an_edit_keeps_the_person_and_sends_no_address_again_that_was_there(
    folder: Path, pressed: list[str], addresses: tuple[str, ...]
) -> None:
    engine = Directory(users=(MOVED,))
    engine.go.set()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("e", *pressed, "f2")(pilot)
        await shows(pilot, "Do it?")
        await keys("y")(pilot)
        await shows(pilot, "Users imported")

    drive(app_on(engine, folder, area="people"), script, LARGE)
    assert engine.changes(check=False) == [AddUser(name="Ada Quill", addresses=addresses, of="u1")]


def test_a_former_person_is_edited_without_their_former_address(folder: Path) -> None:
    engine = Directory(users=(GONE,))

    async def script(pilot: Pilot[Any]) -> None:
        await keys("e", *"x")(pilot)
        text = text_of(pilot.app)
        assert "Edit bob#2 (former)" in text
        assert "bob@example.com" not in text
        await keys("f2")(pilot)
        await shows(pilot, "Write it like")

    drive(app_on(engine, folder, area="people"), script)
    assert engine.changes(check=True) == []


def test_a_person_and_an_address_are_removed_after_a_preview(folder: Path) -> None:
    engine = Directory()
    engine.go.set()

    async def script(pilot: Pilot[Any]) -> None:
        await keys("d")(pilot)
        await shows(pilot, "Do it?")
        await keys("y")(pilot)
        await shows(pilot, "Users imported")
        await keys("escape", "x", "ctrl+u", *"none@x.example", "enter")(pilot)
        await shows(pilot, "none of the addresses")
        await keys("ctrl+u", *"a.quill@example.com", "enter")(pilot)
        await shows(pilot, "Do it?")
        await keys("y")(pilot)
        await shows(pilot, "Users imported")

    drive(app_on(engine, folder, area="people"), script, LARGE)
    assert engine.changes(check=False) == [
        RemoveUser(user="ada@example.com"),
        RemoveUser(user="ada@example.com", alias="a.quill@example.com"),
    ]


def test_an_unsaved_form_asks_before_it_is_left(folder: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await keys("e", *"x", "escape")(pilot)
        await shows(pilot, "without saving")
        await keys("n", "escape")(pilot)
        await shows(pilot, "without saving")
        await keys("y")(pilot)
        await until(pilot, lambda: "Further ones" not in text_of(pilot.app))

    drive(app_on(Directory(), folder, area="people"), script)


def test_automatic_users_and_the_catch_all_can_not_be_removed(folder: Path) -> None:
    engine = Directory(users=(BOT,))

    async def script(pilot: Pilot[Any]) -> None:
        await keys("d", "down", "d", "e", "x")(pilot)
        assert "Catch-all" in text_of(pilot.app)
        assert engine.changes(check=True) == []

    drive(app_on(engine, folder, area="people"), script, LARGE)


def test_hostile_texts_are_harmless(folder: Path, people: Path) -> None:
    hostile = UserWord(
        user=HOSTILE, name=HOSTILE, messages=1,
        addresses=(AddressWord(address=HOSTILE, origin=HOSTILE),),
    )  # fmt: skip
    change = PersonChange(user=HOSTILE, name=HOSTILE, kind=HOSTILE, addresses=(HOSTILE,))
    engine = Directory((hostile,), Done(message=HOSTILE, people=(change,), warnings=(HOSTILE,)))

    async def script(pilot: Pilot[Any]) -> None:
        assert "[/x]" in text_of(pilot.app)
        assert_harmless(text_of(pilot.app))
        await keys("i", *str(people), "enter")(pilot)
        await shows(pilot, "Do it?")
        assert_harmless(text_of(pilot.app))

    drive(app_on(engine, folder, area="people"), script, LARGE)
