"""No key of an answer has another meaning on a screen where the question can appear.

A key that is pressed once too often, or before the question has appeared, must do nothing.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import muniment_tui
from muniment_tui.actions.registry import Action, every

for module in pkgutil.walk_packages(muniment_tui.__path__, "muniment_tui."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

QUESTIONS = ("answers", "prompt")
"""Parts of the app whose actions are answers."""
MOVES = {"escape", "enter", "up", "down", "left", "right", "tab", "space"}
"""Keys that move, open or close everywhere."""
HARMLESS = {("n", "message.next-hit")}
"""Actions that share a key with an answer. They only move, and their key is the usual one."""


def keys(action: Action) -> set[str]:
    return {key for key in action.keys.split(",") if key} - MOVES


def questions() -> list[Action]:
    return [action for action in every() if action.part in QUESTIONS]


ELSEWHERE = {
    "person",
    "person-filter",
    "person-form",
    "person-change",
    "audit",
    "audit-field",
    "message",
    "messages",
    "mail",
    "text",
    "tree",
    "narrowing",
    "query",
    "evidence",
    "history",
    "quarantine",
    "rules",
    "runs",
}
"""Parts of screens that never open a profile form. Only the form asks the questions of `answers`."""


def behind(answer: Action) -> list[Action]:
    """The actions of all screens where the question can appear. A confirmation can appear on every screen."""
    out = {*QUESTIONS, *(ELSEWHERE if answer.part == "answers" else ())}
    return [action for action in every() if action.part not in out]


def test_there_are_answers_and_other_actions_to_compare() -> None:
    assert {"answers.save", "answers.discard", "prompt.yes"} <= {action.id for action in questions()}
    assert all(len(behind(answer)) > 40 for answer in questions())


@pytest.mark.parametrize("answer", questions(), ids=lambda action: action.id)
def test_no_key_of_an_answer_has_another_meaning_on_the_screen_below(answer: Action) -> None:
    taken = {(key, action.id) for action in behind(answer) for key in keys(action) & keys(answer)}
    assert taken <= HARMLESS


def test_no_two_answers_share_a_key() -> None:
    """Any answers can be combined in a question."""
    for part in QUESTIONS:
        found = [key for action in questions() if action.part == part for key in keys(action)]
        assert len(found) == len(set(found)), part


def test_no_two_actions_of_a_part_share_a_key() -> None:
    parts: dict[str, list[str]] = {}
    for action in every():
        parts.setdefault(action.part, []).extend(key for key in action.keys.split(",") if key)
    doubled = {part: found for part, found in parts.items() if len(found) != len(set(found))}
    assert not doubled
