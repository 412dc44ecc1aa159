"""group add, remove, list, show, import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.errors import UsageError
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke
from support.program import Program
from support.vaults import TestVault

BOARD = api.GroupWord(name="board", count=1_200, former=2)
MEMBERS = (
    api.MemberWord(member="ada@x.example", now=True),
    api.MemberWord(member="eve@else.example", address=True, since=0, until=86_400),
    api.MemberWord(member="eve@else.example", address=True, since=86_400, until=90_000, withdrawn=True),
)


def test_add_and_remove_pass_their_options_on() -> None:
    double = EngineDouble(
        {api.JoinGroup: api.Decided(message="1 joined."), api.LeaveGroup: api.Done(message="ok")}
    )
    assert (
        invoke(double, "group", "add", "board", "a", "b", "--since", "2026", "--until", "2027").out
        == "1 joined.\n"
    )
    assert invoke(double, "group", "remove", "board", "a", "--until", "2027", "--dry-run").out == "ok\n"
    assert double.asked == [
        api.JoinGroup(group="board", members=("a", "b"), since="2026", until="2027"),
        api.LeaveGroup(group="board", members=("a",), until="2027", check=True),
    ]


def test_the_list_and_one_group() -> None:
    double = EngineDouble({
        api.ListGroups: api.Groups(groups=(BOARD,)),
        api.ShowGroup: api.GroupWord(name="board", count=1, former=1, members=MEMBERS),
    })  # fmt: skip
    assert "1,200       2  board" in invoke(double, "group", "list").out
    shown = invoke(double, "group", "show", "board", "--on", "2026-01-01").out
    assert "ada@x.example" in shown
    assert "always" in shown
    assert "withdrawn: mail of that time stays kept" in shown
    assert json.loads(invoke(double, "group", "list", "--json").out)[0]["count"] == 1200
    assert json.loads(invoke(double, "group", "show", "board", "--json").out)["members"][0]["now"] is True


def test_import_passes_the_file_on(tmp_path: Path) -> None:
    file = tmp_path / "g.csv"
    file.write_text("group,member\nboard,ada@x.example\n")
    double = EngineDouble({api.ImportGroups: api.Done(message="done")})
    assert invoke(double, "group", "import", str(file), "--complete").code == 0
    assert double.asked == [api.ImportGroups(text=file.read_text(), filename=str(file), complete=True)]


def test_names_are_shown_harmlessly() -> None:
    word = api.GroupWord(name=HOSTILE, count=1, members=(api.MemberWord(member=HOSTILE),))
    double = EngineDouble({api.ListGroups: api.Groups(groups=(word,)), api.ShowGroup: word})
    for call in (("group", "list"), ("group", "show", "x")):
        assert_shown_harmlessly(invoke(double, *call).out)


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    made.client.call(api.AddUser(name="Ada", addresses=("ada@example.com",)), api.Done)
    return made


def call(vault: TestVault, request: Any) -> Any:
    return vault.client.call(request, api.WireWord)


def test_a_group_is_made_changed_and_kept_by_a_rebuild(vault: TestVault) -> None:
    said = call(vault, api.JoinGroup(group=" The  Board ", members=("ada@example.com", "eve@else.example")))
    assert said.message == "2 joined the group The Board."
    again = call(vault, api.JoinGroup(group="the board", members=("ada@example.com",)))
    assert "nothing was changed" in again.message
    assert call(vault, api.LeaveGroup(group="the board", members=("ada@example.com",), check=True))
    assert call(vault, api.ShowGroup(group="THE BOARD")).count == 2
    call(vault, api.LeaveGroup(group="the board", members=("ada@example.com",)))
    shown = call(vault, api.ShowGroup(group="the board"))
    assert (shown.count, shown.former) == (1, 1)
    assert call(vault, api.ShowGroup(group="the board", on="2020-01-01")).count == 2
    vault.rebuild()
    vault.sound()
    assert call(vault, api.ShowGroup(group="the board")) == shown
    text = "group,member,since\nThe Board,ada@example.com,2026-01-01\nstaff,ada@example.com\n"
    call(vault, api.ImportGroups(text=text, complete=True))
    names = {one.name: one.count for one in call(vault, api.ListGroups()).groups}
    assert names == {"staff": 1, "The Board": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        api.JoinGroup(group="g", members=()), api.JoinGroup(group="g", members=("x@y.z",), since="soon"),
        api.LeaveGroup(group="g", members=("x@y.z",), until="soon"), api.ShowGroup(group="g", on="soon"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_refused(vault: TestVault, wrong: Any) -> None:
    with pytest.raises(UsageError):
        call(vault, wrong)


def test_the_program_keeps_groups(vault: TestVault) -> None:
    vault.client.close()
    program = Program(vault.folder)
    program.ask("group", "add", "board", "ada@example.com")
    assert program.ask("group", "list")[0]["name"] == "board"
