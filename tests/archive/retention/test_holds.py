"""Holds as records: names, history, and what can't be read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.retention.holds import (
    Actor,
    Hold,
    named,
    open_named,
    place_value,
    read_holds,
    release_value,
)
from muniment.archive.retention.selection import MailSelection, describe
from muniment.errors import NotFound, UsageError, VaultError

ADA, EVE = Actor("ada", 7), Actor("eve", 8)


def rows(*values: dict[str, Any]) -> list[DecisionRow]:
    return [
        DecisionRow(10 + number, 1000 * (number + 1), json.dumps({"v": 1} | value))
        for number, value in enumerate(values)
    ]


def placed(earlier: Iterable[DecisionRow] = (), name: str = "Fall 7", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"case": "7 O 12", "reason": "lawsuit", "selection": MailSelection(query="plum")}
    return place_value(earlier, name, by=ADA, **(fields | more))


def history() -> list[DecisionRow]:
    first = placed()
    second = placed(name="Other")
    released = release_value(rows(first, second), "fall 7", -1, "settled", EVE, approval="a1")
    return rows(first, second, released, placed(rows(first, second, released), name="FALL  7"))


def test_records_make_the_history() -> None:
    first, other, again = read_holds(history())
    assert [(hold.number, hold.name, hold.open) for hold in (first, other, again)] == [
        (10, "Fall 7", False), (11, "Other", True), (13, "FALL  7", True),
    ]  # fmt: skip
    assert (first.title, first.reason, first.placed, first.by) == (
        "Fall 7 (case 7 O 12)",
        "lawsuit",
        1000,
        ADA,
    )
    assert first.release is not None
    assert (first.release.time, first.release.by, first.release.reason) == (3000, EVE, "settled")
    assert first.release.approval == "a1"
    assert describe(first.selection) == "mail found by 'plum'"


def test_a_name_means_the_open_hold_and_else_the_last_one() -> None:
    holds = read_holds(history())
    assert named(holds, "fall 7").number == 13
    assert named(holds[:2], "FALL 7").number == 10
    assert open_named(holds, " fall  7 ").number == 13
    for name in ("fall", "fall 7\u202e8"):
        with pytest.raises(NotFound, match="hold list"):
            named(holds, name)
    with pytest.raises(NotFound, match="released"):
        open_named(holds[:1], "fall 7")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": " fall  7"}, "open already"),
        ({"name": " "}, "needs a name"),
        ({"name": "x", "reason": "\n"}, "needs a name and a reason"),
        ({"name": "x" * 81}, "at most 80"),
        ({"name": "x", "reason": "x" * 2001}, "at most 2000"),
        ({"name": "x", "case": "x" * 81}, "at most 80"),
    ],
)
def test_what_a_hold_needs(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        placed(rows(placed()), **more)


def test_a_release_means_one_hold() -> None:
    records = history()
    with pytest.raises(NotFound, match="placed again"):
        release_value(records, "Fall 7", 10, "x", ADA)
    assert release_value(records, "Fall 7", 13, "x", ADA)["hold"] == 13
    with pytest.raises(UsageError, match="reason"):
        release_value(records, "Other", -1, " ", ADA)
    with pytest.raises(NotFound, match="hold list"):
        release_value([], "Other", -1, "x", ADA)


def test_texts_are_harmless() -> None:
    value = placed(name="a\x1b[31mb\u202ec", reason="x\ny", case="\x00")
    assert not any(char in json.dumps(value) for char in ("\\u001b", "\\u202e", "\\n"))


@pytest.mark.parametrize(
    "change",
    [{"more": 1}, {"op": "move"}, {"selection": {"power": 1}}, {"uid": "7"}, {"name": None}],
)
def test_a_hold_that_cannot_be_read_stops_everything(change: dict[str, Any]) -> None:
    with pytest.raises(VaultError, match="newer"):
        read_holds(rows(placed() | change))


def test_a_hold_is_frozen() -> None:
    (hold,) = read_holds(rows(placed()))
    with pytest.raises(AttributeError):
        hold.name = "x"  # type: ignore[misc]
    assert isinstance(hold, Hold)
