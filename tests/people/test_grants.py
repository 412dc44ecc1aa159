"""The rights of any day, computed from grant records, against a naive model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.people.grants import (
    access_book,
    grant_value,
    revoke_value,
    roles_value,
    seal_value,
    unseal_value,
)


@dataclass(frozen=True)
class Row:
    time: int
    content: str


def rows(*values: tuple[int, dict[str, Any]]) -> list[Row]:
    return [Row(time, json.dumps(value)) for time, value in values]


LOGINS, PEOPLE, IDS = ("ann", "ben"), ("u1", "u2"), ("a1", "b2", "c3")
TIMES = st.integers(0, 30)
OPERATIONS = st.one_of(
    st.tuples(
        st.just("grant"), st.sampled_from(IDS), st.sampled_from(LOGINS), st.sampled_from(PEOPLE),
        st.none() | st.integers(1, 40),
    ),
    st.tuples(st.just("revoke"), st.sampled_from(IDS)),
    st.tuples(st.just("seal"), st.sampled_from(PEOPLE), st.sets(st.sampled_from(LOGINS), min_size=1)),
    st.tuples(st.just("unseal"), st.sampled_from(PEOPLE)),
)  # fmt: skip


@given(st.lists(st.tuples(TIMES, OPERATIONS), max_size=20), TIMES)
def test_the_rights_of_a_moment_are_those_of_the_records_up_to_then(
    steps: list[tuple[int, tuple[Any, ...]]], moment: int
) -> None:
    made: list[tuple[int, dict[str, Any]]] = []
    granted: dict[str, tuple[str, str, int | None]] = {}
    over: set[str] = set()
    seals: dict[str, set[str]] = {}
    names: set[str] = set()
    for time, (op, *rest) in sorted(steps, key=lambda step: step[0]):
        if op == "grant":
            id_, login, user, until = rest
            if id_ in names:  # ids are never used again
                continue
            names.add(id_)
            made.append((time, grant_value(id_, login, user, user, until, "why", "root", 0)))
            if time <= moment:
                granted[id_] = login, user, until
        elif op == "revoke":
            if rest[0] not in names:
                continue
            made.append((time, revoke_value(rest[0], "why", "root", 0)))
            if time <= moment:
                over.add(rest[0])
        elif op == "seal":
            made.append((time, seal_value(rest[0], rest[0], rest[1], "why", "root", 0)))
            if time <= moment:
                seals[rest[0]] = rest[1]
        else:
            made.append((time, unseal_value(rest[0], rest[0], "why", "root", 0)))
            if time <= moment:
                seals.pop(rest[0], None)
    book = access_book(rows(*made))
    for login in LOGINS:
        wanted = {
            id_
            for id_, (whose, _, until) in granted.items()
            if whose == login and id_ not in over and (until is None or moment < until)
        }
        assert {one.id for one in book.grants_of(login, moment)} == wanted
        assert book.closed_to(login, moment) == {
            user for user, logins in seals.items() if login not in logins
        }


def test_a_grant_is_over_at_its_end_and_when_it_is_revoked() -> None:
    made = grant_value("a1", "ann", "u1", "ada@example.com", 20, "leave", "root", 0)
    book = access_book(rows((10, made), (15, revoke_value("a1", "back", "ines", 0))))
    assert [at for at in range(25) if book.grants_of("ann", at)] == [10, 11, 12, 13, 14]
    assert (book.grants["a1"].ended, book.grants["a1"].ended_by) == (15, "ines")
    book = access_book(rows((10, made)))
    assert [at for at in range(25) if book.grants_of("ann", at)] == list(range(10, 20))


def test_the_roles_of_a_day_are_the_last_that_were_recorded_by_then() -> None:
    book = access_book(rows((5, roles_value(["ines"], [])), (9, roles_value([], ["audrey", "audrey"]))))
    assert book.roles_on(4) is None
    assert [book.roles_on(at).administrators for at in (5, 8)] == [("ines",), ("ines",)]  # type: ignore[union-attr]
    last = book.roles_on(9)
    assert last is not None
    assert (last.administrators, last.auditors) == ((), ("audrey",))


@pytest.mark.parametrize(
    "value",
    [
        {"op": "bequeath"},
        {"op": "grant", "id": "a1"},
        {"op": "revoke", "id": "unknown", "who": "x"},
        {"op": "seal", "user": "u1", "person": "p", "logins": None, "reason": "", "who": ""},
        ["op"],
    ],
)
def test_a_record_that_is_not_understood_gives_no_right(value: Any) -> None:
    with pytest.raises(ValueError, match="grant record"):
        access_book(rows((1, value)))
