"""--columns of list and search."""

from __future__ import annotations

import pytest

from muniment.api import Hits, ListMessages, Search
from muniment.cli.layout.list_columns import LIST_COLUMNS
from support.engine_double import EngineDouble, Result, assert_shown_harmlessly, invoke
from support.words import hit, hostile_hit

PLACES = {"list": "a/Inbox", "search": "x"}
LONG = "Ada " * 60 + "<ada@quill.example>"


def asked(command: str, *words: str, terminal: bool = False) -> Result:
    page = Hits(total=2, behind=0, hits=(hit(), hit(sender=LONG, subject="s" * 300, attachments=0)))
    double = EngineDouble({ListMessages: page, Search: page})
    return invoke(double, command, PLACES[command], *words, terminal=terminal)


@pytest.mark.parametrize("command", PLACES)
def test_the_columns_that_are_named_are_shown_in_their_order(command: str) -> None:
    head, first, *_ = asked(command, "--columns", "subject, FOLDERS,size").out.splitlines()
    assert head.split() == ["Subject", "Folders", "Size"]
    assert first.split()[-3:] == ["bob@quill.example/Inbox", "12.3", "kB"]


def test_every_column_can_be_shown() -> None:
    page = Hits(total=1, behind=0, hits=(hostile_hit(),))
    for name in LIST_COLUMNS:
        result = invoke(EngineDouble({Search: page}), "search", "x", "--columns", name)
        assert result.code == 0
        if name in ("from", "to", "subject", "folders"):
            assert_shown_harmlessly(result.out)


@pytest.mark.parametrize("command", PLACES)
def test_help_lists_the_names_without_a_vault(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
    double = EngineDouble()
    result = invoke(double, command, "--columns", "help", vault="")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()] == list(LIST_COLUMNS)
    assert double.opened == []


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    result = asked("list", "--columns", "date,subjct")
    assert result.code == 2
    assert "did you mean subject?" in result.err
    assert asked("search", "--columns", "zzz").err.count("mean") == 0
    for wrong in (",", "date,", "date,date"):
        assert asked("list", "--columns", wrong).code == 2, wrong


def test_json_has_every_field_and_no_columns() -> None:
    result = asked("list", "--columns", "date", "--json")
    assert (result.code, result.out) == (2, "")
    assert "--columns" in result.err


def test_a_pipe_gets_whole_cells_and_a_terminal_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    piped = asked("list").out
    assert LONG in piped
    assert "s" * 300 in piped
    drawn = asked("list", terminal=True).out
    assert max(map(len, drawn.splitlines())) == 80
    assert drawn.count("…") == 2
    monkeypatch.setenv("COLUMNS", "200")
    assert max(map(len, asked("list", terminal=True).out.splitlines())) == 200
