"""users import, list, add, remove, show."""

import io
import json
import sys
from pathlib import Path

import pytest

from muniment.api import (
    AddressWord,
    AddUser,
    Done,
    ImportUsers,
    ListUsers,
    PersonChange,
    RemoveUser,
    ShowUser,
    Users,
    UserWord,
)
from muniment.cli import users as program
from muniment.errors import ConfigError
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

ADA = UserWord(user="ada@quill.example", name="Ada Quill", aliases=("a@quill.example",), messages=1234)
BOT = UserWord(user="bot@quill.example", name="", automatic=True)
DONE = Done(message="Done.")


def test_import_passes_the_text_on(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes("\ufeffname,address\r\nÄda,ada@quill.example\r\n".encode())
    double = EngineDouble({ImportUsers: Done(message="1 user added.")})
    assert invoke(double, "users", "import", str(file)).out == "1 user added.\n"
    assert double.asked == [
        ImportUsers(text="name,address\r\nÄda,ada@quill.example\r\n", filename=str(file)),
    ]


def test_import_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"name,address\n")))
    double = EngineDouble({ImportUsers: DONE})
    assert invoke(double, "users", "import", "-").code == 0
    assert double.asked == [ImportUsers(text="name,address\n", filename="-")]


def test_import_from_a_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    result = invoke(EngineDouble(), "users", "import", "-")
    assert (result.code, result.err.startswith("muniment: Standard input is closed")) == (3, True)


def test_import_of_a_missing_file(tmp_path: Path) -> None:
    result = invoke(EngineDouble(), "users", "import", str(tmp_path / "no.csv"))
    assert result.code == 3
    assert "no.csv can't be read" in result.err


def test_import_of_a_file_in_another_charset_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(b"name,address\nBr\xfcck,b@quill.example\n")
    result = invoke(EngineDouble(), "users", "import", str(file))
    assert result.code == 3
    assert "line 2" in result.err
    assert "UTF-8" in result.err


def test_list() -> None:
    out = invoke(EngineDouble({ListUsers: Users(users=(ADA, BOT))}), "users", "list").out
    head, ada, bot = out.splitlines()
    assert head.split() == ["User", "Messages", "Aliases", "Name"]
    assert ada.split() == ["ada@quill.example", "1,234", "1", "Ada", "Quill"]
    assert "(made automatically)" in bot


def test_list_in_json() -> None:
    data = json.loads(invoke(EngineDouble({ListUsers: Users(users=(ADA,))}), "users", "list", "--json").out)
    assert data == [
        {
            "user": "ada@quill.example",
            "name": "Ada Quill",
            "aliases": ["a@quill.example"],
            "automatic": False,
            "messages": 1234,
            "addresses": [],
            "former": False,
            "id": "",
        }
    ]


def test_show() -> None:
    double = EngineDouble({ShowUser: ADA})
    out = invoke(double, "users", "show", "A@quill.example").out
    assert double.asked == [ShowUser(user="A@quill.example")]
    assert "alias     a@quill.example" in out
    assert json.loads(invoke(double, "users", "show", "x", "--json").out)["messages"] == 1234


def test_add_and_remove() -> None:
    double = EngineDouble({AddUser: DONE, RemoveUser: DONE})
    invoke(double, "users", "add", "Ada", "ada@q.example", "a@q.example", "--since", "2025-01-01")
    invoke(double, "users", "remove", "ada@q.example")
    invoke(double, "users", "remove", "ada@q.example", "--alias", "a@q.example")
    assert double.asked == [
        AddUser(name="Ada", addresses=("ada@q.example", "a@q.example"), since="2025-01-01"),
        RemoveUser(user="ada@q.example"),
        RemoveUser(user="ada@q.example", alias="a@q.example"),
    ]


def test_add_needs_an_address() -> None:
    assert invoke(EngineDouble(), "users", "add", "Ada").code == 2


@pytest.mark.parametrize("argv", [["users", "list"], ["users", "show", "x"]])
def test_hostile_names_are_made_harmless(argv: list[str]) -> None:
    hostile = UserWord(user=HOSTILE, name=HOSTILE, aliases=(HOSTILE,))
    double = EngineDouble({ListUsers: Users(users=(hostile,)), ShowUser: hostile})
    assert_shown_harmlessly(invoke(double, *argv).out)


def test_a_dry_run_names_the_people_and_counts_the_mail() -> None:
    people = (
        PersonChange(
            user="ada@quill.example",
            name="Ada",
            kind="added",
            addresses=("ada@quill.example", "a@quill.example"),
        ),
        PersonChange(user="bob@quill.example", name=HOSTILE, kind="changed", addresses=("b2@quill.example",)),
    )
    answer = Done(message="Nothing was changed. 3 messages would be filed again.", people=people, refiled=3)
    double = EngineDouble({AddUser: answer})
    out = invoke(double, "users", "add", "Ada", "ada@quill.example", "--dry-run").out
    assert "added    Ada <ada@quill.example>: a@quill.example\n" in out
    assert "3 messages would be filed again" in out
    assert_shown_harmlessly(out)
    data = json.loads(invoke(double, "users", "add", "Ada", "a@x.example", "--dry-run", "--json").out)
    assert (data["refiled"], data["people"][1]["kind"]) == (3, "changed")


def test_show_names_periods_and_origins_of_addresses() -> None:
    addresses = (
        AddressWord(address="ada@quill.example", origin="csv"),
        AddressWord(address="old@quill.example", until=1_769_904_000, origin="hand"),
    )
    user = UserWord(user="ada@quill.example", name="Ada", addresses=addresses)
    out = invoke(EngineDouble({ShowUser: user}), "users", "show", "ada@quill.example").out
    assert "address   ada@quill.example, from a CSV file" in out
    assert "old@quill.example, until 2026-0" in out
    former = UserWord(user="x@quill.example", name="Xaver", former=True)
    assert "Xaver (former)" in invoke(EngineDouble({ListUsers: Users(users=(former,))}), "users", "list").out


def test_a_csv_file_that_is_too_large_is_refused_and_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"x" * (program.CSV_LIMIT + 1))
    double = EngineDouble({})
    result = invoke(double, "users", "import", str(path))
    assert result.code == ConfigError.exit_code
    assert "people.csv is larger than 7 MiB" in result.err
    with pytest.raises(ConfigError, match="larger than"):
        program.csv_text("/dev/zero")
    path.write_bytes(b"x" * 1024**2)
    assert len(program.csv_text(str(path), 1024**2)) == 1024**2
    assert double.asked == []
