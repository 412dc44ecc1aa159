"""What the records of subject requests make, against a naive model, and records that can't be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.retention.holds import Actor
from muniment.archive.subject.records import (
    LISTED,
    close_value,
    collect_values,
    decide_values,
    read_record,
    step_value,
)
from muniment.archive.subject.requests import head_named, read_requests, require_open
from muniment.errors import NotFound, UsageError, VaultError

ADA = Actor("ada", 7)


def row(number: int, value: dict[str, Any]) -> DecisionRow:
    return DecisionRow(number, 1_700_000_000 + number, json.dumps({"v": 1, **value}))


def opening(id_: str, name: str = "Anna") -> dict[str, Any]:
    return step_value("open", id_, ADA, name=name, case="", reason="letter", selection={}, end=1_000)


REACHED = st.dictionaries(st.integers(0, 900), st.sampled_from(["party", "unsure", "named"]), max_size=30)
DECISIONS = st.lists(
    st.tuples(st.sampled_from(["include", "withhold"]), st.sets(st.integers(0, 900), max_size=20)), max_size=8
)


@given(reached=REACHED, decisions=DECISIONS, other=REACHED)
def test_a_request_is_what_its_records_say(
    reached: dict[int, str], decisions: list[tuple[str, set[int]]], other: dict[int, str]
) -> None:
    values = [opening("a"), opening("b", "Bob")]
    for id_, messages in (("a", reached), ("b", other)):
        lists = [
            (reach, sorted(number for number, why in messages.items() if why == reach))
            for reach in ("party", "unsure", "named")
        ]
        values += collect_values(id_, ADA, lists)  # type: ignore[arg-type]
    model: dict[int, str] = {}
    for verdict, chosen in decisions:
        values += decide_values("a", ADA, verdict, "why", sorted(chosen))
        model |= {number: verdict for number in chosen if number in reached}
    found = read_requests((row(number, value) for number, value in enumerate(values)), None)
    one = found["a"]
    assert one.collected == len(reached)
    assert [one.message(place) for place in range(len(reached))] == sorted(reached)
    for place, number in enumerate(sorted(reached)):
        decision = one.decision(place)
        assert (one.place(number), one.reach(place)) == (place, reached[number])
        assert (decision.verdict if decision else None) == model.get(number)
    assert all(one.place(number) is None for number in range(-1, 901) if number not in reached)
    counted = list(model.values())
    assert one.progress() == {
        "undecided": len(reached) - len(model), "include": counted.count("include"),
        "withhold": counted.count("withhold"),
    }  # fmt: skip
    assert found["b"].progress()["undecided"] == len(other)


def test_long_lists_are_several_records() -> None:
    values = decide_values("a", ADA, "include", "why", range(LISTED + 1))
    assert [len(value["messages"]) for value in values] == [LISTED, 1]
    assert decide_values("a", ADA, "include", "why", []) == []


def test_the_open_request_of_a_name_is_meant() -> None:
    values = [opening("a"), close_value("a", ADA, ""), opening("b", "ANNA"), opening("c", "Carl")]
    heads = list(read_requests(row(number, value) for number, value in enumerate(values)).values())
    assert head_named(heads, " anna ").id == "b"
    assert head_named(heads[:1], "Anna").id == "a"
    with pytest.raises(UsageError, match="closed"):
        require_open(heads[0])
    with pytest.raises(NotFound):
        head_named(heads, "Ann")


@pytest.mark.parametrize(
    "value",
    [
        {"op": "forget", "id": "a", "who": "ada", "uid": 7},
        opening("a") | {"colour": "red"},
        close_value("a", ADA, "") | {"uid": "seven"},
        decide_values("a", ADA, "include", "why", [1])[0] | {"verdict": "burn"},
        {"op": "close"},
    ],
)
def test_a_record_of_a_newer_release_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(VaultError, match="record 9 can't be read"):
        read_record(row(9, value))
    with pytest.raises(VaultError):
        read_record(DecisionRow(9, 1, "no json"))
