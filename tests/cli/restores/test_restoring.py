"""restore."""

from __future__ import annotations

import json

from muniment.api import LeftBehind, Restore, Restored, Step
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

DONE = Restored(
    message="2 messages given back to ada@q.example/Restored.", to="ada@q.example/Restored", given=2
)


def test_words_that_are_all_ids_name_messages() -> None:
    double = EngineDouble({Restore: [Step(text="1 of 2 messages", percent=50), DONE]})
    result = invoke(double, "restore", "3f9a21c0", "77aa00bb11", "--to", "ada@q.example")
    assert double.asked == [Restore(to="ada@q.example", ids=("3f9a21c0", "77aa00bb11"))]
    assert (result.code, result.out) == (0, f"{DONE.message}\n")


def test_anything_else_is_a_query() -> None:
    double = EngineDouble({Restore: [DONE]})
    options = ("--by", "office", "--user", "ada@q.example", "--exact", "--again", "--reason", "lost")
    invoke(double, "restore", "3f9a21c0", "invoice", "--to", "ada@q.example/Inbox", *options)
    assert double.asked == [
        Restore(
            to="ada@q.example/Inbox", query="3f9a21c0 invoice", profile="office", user="ada@q.example",
            exact=True, again=True, reason="lost",
        )
    ]  # fmt: skip


def test_messages_that_stay_behind_are_named_and_counted() -> None:
    failed = tuple(LeftBehind(id=f"{number:064x}", reason="it is too large") for number in range(25))
    answer = Restored(message="25 could not be given back.", failed=failed, missed=30)
    result = invoke(EngineDouble({Restore: [answer]}), "restore", "x", "--to", "ada@q.example")
    assert result.code == 1
    assert result.err.count("it is too large") == 20
    assert "10 more could not be given back" in result.err
    result = invoke(EngineDouble({Restore: [answer]}), "restore", "x", "--to", "ada@q.example", "--json")
    printed = json.loads(result.out)
    assert (result.code, printed["missed"], len(printed["failed"])) == (1, 30, 25)
    assert printed["failed"][1] == {"id": f"{1:064x}", "reason": "it is too large"}


def test_a_servers_words_are_made_harmless() -> None:
    answer = Restored(message=HOSTILE, failed=(LeftBehind(id="0" * 64, reason=HOSTILE),), missed=1)
    double = EngineDouble({Restore: [answer]})
    assert_shown_harmlessly(invoke(double, "restore", "x", "--to", "ada@q.example").out)


def test_an_interrupted_restore_says_how_to_go_on() -> None:
    double = EngineDouble({Restore: [Step(text="1"), KeyboardInterrupt()]})
    result = invoke(double, "restore", "x", "--to", "ada@q.example")
    assert result.code == 130
    assert "goes on from here" in result.err
