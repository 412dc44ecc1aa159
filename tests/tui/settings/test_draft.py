"""Texts of settings, what they mean, and what they change."""

from __future__ import annotations

from typing import Any

import pytest

from muniment.api import SettingsGroup, SettingWord
from muniment.system.sanitise import clean
from muniment_tui.settings.draft import NOWHERE, SettingsDraft, text_of_value, value_text


def word(kind: str, value: Any, default: Any = None, key: str = "x", **facts: Any) -> SettingWord:
    return SettingWord(key=key, label=key, kind=kind, help="", value=value, default=default, **facts)


def draft(*words: SettingWord) -> SettingsDraft:
    return SettingsDraft(SettingsGroup(id="g", title="G", help="", settings=words), "v1")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("text", "Acme", "Acme"),
        ("number", 24, "24"),
        ("number", None, ""),
        ("flag", True, "yes"),
        ("list", ["a@b.example", "c, d"], '"c, d"'),
        ("urls", ("json:… (1)", "file ntfy.url"), "json:… (1), file ntfy.url"),
        ("words", ["/usr/bin/page", "--to", "two words"], "/usr/bin/page --to 'two words'"),
        ("pairs", {"bob": "bob@example.org"}, "bob = bob@example.org"),
        ("counts", {"box": 48}, "box = 48"),
    ],
)
def test_a_value_comes_back_from_its_text(kind: str, value: Any, text: str) -> None:
    known = word(kind, value)
    assert text in text_of_value(known, value)
    made = draft(word(kind, [] if kind in ("list", "urls", "words") else None))
    made.type("x", text_of_value(known, value))
    wanted = list(value) if isinstance(value, tuple) else value
    assert made.changes() == ({"x": wanted} if wanted is not None else {})


def test_the_default_is_sent_as_none() -> None:
    made = draft(word("number", 72, 24, most=100), word("list", ["a"], (), key="y"))
    made.type("x", "24")
    made.type("y", "")
    assert made.changes() == {"x": None, "y": None}


def test_a_text_that_is_typed_back_is_no_change() -> None:
    made = draft(word("text", "Acme"))
    made.type("x", "Other")
    assert made.changed == 1
    made.type("x", "Acme")
    assert (made.changed, made.changes()) == (0, {})


def test_a_text_that_a_field_shows_without_control_characters_is_no_change() -> None:
    made = draft(word("text", "Acme\x1b[2J"))
    made.type("x", clean("Acme\x1b[2J"))
    assert made.changed == 0


@pytest.mark.parametrize(
    ("kind", "text", "part"),
    [
        ("number", "many", "whole number"),
        ("number", "101", "from 1 to 100"),
        ("words", "page 'x", "quote"),
        ("pairs", "bob", "NAME = VALUE"),
        ("pairs", "bob = a, bob = b", "once"),
        ("counts", "box = many", "whole number"),
    ],
)
def test_a_text_without_meaning_is_a_problem(kind: str, text: str, part: str) -> None:
    made = draft(word(kind, None, least=1, most=100))
    made.type("x", text)
    assert part in made.problems()["x"]


def test_a_password_is_typed_moved_or_removed() -> None:
    made = draft(word("password", {"env": "P"}))
    assert (made.place, made.where, made.changed) == ("env", "P", 0)
    made.place, made.where = "file", ""
    assert "where it is" in made.problems()["x"]
    made.where = "/etc/secret"
    assert made.changes() == {"x": {"file": "/etc/secret"}}
    made.place = "vault"
    assert "enter the password" in made.problems()["x"]
    made.password = "hunter2"
    assert (made.problems(), made.changes(), made.keep) == ({}, {}, "file")
    made.place, made.password = NOWHERE, ""
    assert made.changes() == {"x": None}
    assert "hunter2" not in repr(made)


def test_the_changes_of_the_file_are_named_beside_ones_own() -> None:
    made = draft(word("number", 24, 24), word("text", "a", key="y"), word("text", "b", key="z"))
    made.type("x", "72")
    now = [word("number", 48, 24), word("text", "a", key="y"), word("text", "c", key="z")]
    found = [(one.label, one.before, one.now, one.mine) for one in made.against(now)]
    assert found == [("x", "24", "48", "72"), ("z", "b", "c", "")]


def test_a_typed_address_is_shown_by_its_scheme() -> None:
    typed = ["json:… (1)", "ntfy://hunter2", "https://a:hunter2@b/c", "x y://hunter2"]
    text = value_text(word("urls", []), typed)
    assert "hunter2" not in text
    assert text == "json:… (1), ntfy:…, https:…, y:…"


def test_values_are_shown_in_words() -> None:
    flag = word("flag", True, says=("required", "not required"))
    choice = word("choice", "tls", choices=("starttls", "tls"), says=("STARTTLS", "TLS"))
    assert value_text(flag, False) == "not required"
    assert value_text(choice, "tls") == "TLS"
    assert value_text(word("password", None), {"file": "secrets/x-1"}) == "kept in the vault"
    assert value_text(word("text", ""), "") == "not set"
    assert value_text(word("number", 0), 2_147_483_648) == "2,147,483,648"
