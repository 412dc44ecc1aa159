"""No key of a question means something else on a screen that the question can lie over.

A key that is pressed once too often, or where a question was expected and none came, must do nothing.
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
"""Parts whose actions answer a question."""
MOVES = {"escape", "enter", "up", "down", "left", "right", "tab", "space"}
"""Keys that move, open or close wherever one is."""
HARMLESS = {("n", "message.next-hit")}
"""Actions that may share a key with an answer: they only move, and no other key is as well known for it."""


def keys(action: Action) -> set[str]:
    return {key for key in action.keys.split(",") if key} - MOVES


def questions() -> list[Action]:
    return [action for action in every() if action.part in QUESTIONS]


ELSEWHERE = {
    "message",
    "messages",
    "mail",
    "text",
    "tree",
    "narrowing",
    "query",
    "history",
    "quarantine",
    "runs",
}
"""Parts of screens that no profile form is opened from, whose questions `answers` are."""


def behind(answer: Action) -> list[Action]:
    """What the screens offer that the question can lie over. A plain confirmation can be asked on any."""
    out = {*QUESTIONS, *(ELSEWHERE if answer.part == "answers" else ())}
    return [action for action in every() if action.part not in out]


def test_there_are_questions_and_something_behind_them() -> None:
    assert {"answers.save", "answers.discard", "prompt.yes"} <= {action.id for action in questions()}
    assert all(len(behind(answer)) > 40 for answer in questions())


@pytest.mark.parametrize("answer", questions(), ids=lambda action: action.id)
def test_no_key_of_an_answer_means_something_else_behind_it(answer: Action) -> None:
    taken = {(key, action.id) for action in behind(answer) for key in keys(action) & keys(answer)}
    assert taken <= HARMLESS


def test_no_two_answers_of_one_question_have_a_key_in_common() -> None:
    """Whatever is asked together: all answers have keys of their own."""
    for part in QUESTIONS:
        found = [key for action in questions() if action.part == part for key in keys(action)]
        assert len(found) == len(set(found)), part


def test_no_part_has_a_key_twice() -> None:
    parts: dict[str, list[str]] = {}
    for action in every():
        parts.setdefault(action.part, []).extend(key for key in action.keys.split(",") if key)
    doubled = {part: found for part, found in parts.items() if len(found) != len(set(found))}
    assert not doubled
