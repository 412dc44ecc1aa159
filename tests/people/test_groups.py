"""Groups: who is in one when, what is never forgotten, and what an administrator's wish changes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.errors import ConfigError, NotFound
from muniment.people import changes
from muniment.people.changes import Change, add_user, join_group, leave_group, remove_user
from muniment.people.csv_groups import read_groups
from muniment.people.directory import Directory
from muniment.people.group_planning import (
    WantedMember,
    all_changes,
    join_changes,
    leave_changes,
    member_named,
)
from muniment.people.groups import GroupMember, Span, united

ADA, BOB = add_user("ada", "Ada", "ada@x.example"), add_user("bob", "Bob", "bob@x.example")
A, B, OUT = GroupMember("ada"), GroupMember("bob"), GroupMember(address="eve@else.example")


def directory(*given: tuple[Change, int]) -> Directory:
    made = Directory()
    made.apply(changes.set_domains(["x.example"]), 0)
    for change in (ADA, BOB):
        made.apply(change, 0)
    for change, time in given:
        made.apply(change, time)
    return made


def joined(group: str, member: GroupMember, time: int = 0, **times: Any) -> tuple[Change, int]:
    return join_group(group, member.value, **times), time


def left(group: str, member: GroupMember, time: int, **times: Any) -> tuple[Change, int]:
    return leave_group(group, member.value, **times), time


def test_a_member_without_dates_was_always_in_the_group() -> None:
    made = directory(joined("Board", A), joined("board", OUT))
    group = made.groups.named("  BOARD ")
    assert group.name == "Board"
    assert set(group.at(-(10**12))) == set(group.at(10**12)) == {A, OUT}
    assert made.groups.of("ada", 5) == {"Board"}
    assert made.groups.users("board", 5) == {"ada"}
    assert made.groups.users("none", 5) == frozenset()


def test_dates_say_when_someone_is_in_the_group() -> None:
    made = directory(joined("g", A, valid_from=10, valid_to=20), joined("g", A, valid_from=30))
    assert [time for time in (9, 10, 19, 20, 29, 30, 10**9) if made.groups.of("ada", time)] == [
        10, 19, 30, 10**9
    ]  # fmt: skip


def test_who_leaves_is_out_at_once_and_was_in_before() -> None:
    made = directory(joined("g", A), left("g", A, 50))
    known = made.groups.named("g").members[A]
    assert (known.at(49), known.at(50)) == (True, False)
    assert (known.once_at(50), known.once_at(51)) == (True, False), "mail may have come in that second"


def test_an_end_in_the_past_is_not_forgotten_until_the_day_it_was_recorded() -> None:
    made = directory(joined("g", A), left("g", A, 50, valid_to=20))
    known = made.groups.named("g").members[A]
    assert [known.at(time) for time in (19, 20)] == [True, False]
    assert [known.once_at(time) for time in (19, 20, 50, 51)] == [True, True, True, False]
    later = directory(joined("g", A), left("g", A, 50, valid_to=70), left("g", A, 60, valid_to=65))
    assert later.groups.named("g").members[A].once == ()  # nothing of it had begun


def test_a_removed_user_is_in_no_group_and_a_new_one_with_the_same_id_neither() -> None:
    made = directory(joined("g", A), (remove_user("ada"), 50), (ADA, 60))
    assert made.groups.users("g", 55) == made.groups.users("g", 65) == frozenset()
    assert made.groups.users("g", 49) == {"ada"}


def test_a_copy_does_not_change_its_original() -> None:
    made = directory(joined("g", A)).sealed()
    copy = made.copy()
    copy.apply(join_group("g", B.value), 1)
    copy.apply(leave_group("g", A.value), 1)
    assert made.groups.users("g", 5) == {"ada"}
    assert copy.groups.users("g", 5) == {"bob"}


@pytest.mark.parametrize(
    "wrong",
    [
        join_group("", A.value), join_group("x" * 81, A.value), join_group("a\x1bb", A.value),
        join_group("g", {}), join_group("g", {"user": "ada", "address": "a@b.example"}),
        join_group("g", {"address": "no address"}), join_group("g", {"user": "nobody"}),
        join_group("g", A.value, valid_from=5, valid_to=5),
        leave_group("none", A.value), leave_group("g", B.value),
        {**join_group("g", A.value), "valid_from": "x"},
    ],
)  # fmt: skip
def test_a_wrong_change_changes_nothing(wrong: Change) -> None:
    made = directory(joined("g", A))
    with pytest.raises((ConfigError, NotFound)):
        made.apply(wrong, 9)
    assert {one.name: set(one.members) for one in made.groups.all()} == {"g": {A}}


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: Span(*pair)), max_size=8)


@settings(max_examples=50)
@given(SPANS)
def test_united_periods_hold_the_same_times(spans: list[Span]) -> None:
    made = united(spans)
    assert all(one.end < other.start for one, other in itertools.pairwise(made))
    for time in range(-1, 32):
        assert any(one.has(time) for one in made) == any(one.has(time) for one in spans)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 20)), max_size=10))
def test_a_membership_agrees_with_a_set_of_times(steps: list[tuple[bool, int, int]]) -> None:
    """Compare with sets of seconds: those of today, and those that were so at any moment until it came."""
    made, now, today, once = directory(joined("g", B)), 0, set[int](), set[int]()
    for joins, one, other in steps:
        now += 2
        once |= {time for time in today if time <= now}
        if joins and one < other:
            made.apply(join_group("g", A.value, valid_from=one, valid_to=other), now)
            today |= set(range(one, other))
        elif not joins and A in made.groups.named("g").members:
            made.apply(leave_group("g", A.value, valid_to=one), now)
            today = {time for time in today if time < one}
    known = made.groups.named("g").members.get(A)
    for time in range(22):
        assert (known is not None and known.at(time)) == (time in today)
        assert (known is not None and known.once_at(time)) == (time in today or time in once)


# --- what an administrator wants -----------------------------------------------------------------------


def planned(made: Directory, *names: str, now: int = 100, **times: Any) -> list[Change]:
    return list(join_changes(made, "g", [WantedMember(name, **times) for name in names], now))


def test_a_name_means_a_user_or_an_address() -> None:
    made = directory()
    assert member_named(made, "ADA@x.example") == A
    assert member_named(made, "Eve@ELSE.example") == OUT
    assert member_named(made, "unknown@x.example") == GroupMember(address="unknown@x.example")
    for wrong in ("nobody", "catch-all", "@"):
        with pytest.raises((NotFound, ConfigError)):
            member_named(made, wrong)


def test_joining_again_changes_nothing_and_rejoining_begins_now() -> None:
    made = directory(joined("g", A))
    assert planned(made, "ada@x.example") == []
    assert planned(made, "ada@x.example", since=10) == []
    made.apply(leave_group("g", A.value), 50)
    assert planned(made, "ada@x.example") == [join_group("g", A.value, valid_from=100)]
    assert planned(made, "ada@x.example", since=20) == [join_group("g", A.value, valid_from=20)]


def test_an_end_without_a_beginning_does_not_shorten() -> None:
    made = directory(joined("g", A))
    assert planned(made, "ada@x.example", until=200) == []
    assert planned(made, "bob@x.example", until=200) == [join_group("g", B.value, valid_to=200)]
    with pytest.raises(ConfigError, match="before they join"):
        planned(made, "bob@x.example", since=200, until=200)


def test_an_address_leaves_also_once_it_is_a_users() -> None:
    made = directory(joined("g", GroupMember(address="late@x.example")))
    made.apply(changes.add_address("ada", "late@x.example"), 5)
    (change,) = leave_changes(made, "g", ["late@x.example"], None, 100)
    assert change == leave_group("g", {"address": "late@x.example"})
    with pytest.raises(NotFound, match="no member"):
        list(leave_changes(made, "g", ["bob@x.example"], None, 100))


def test_a_complete_list_lets_others_leave() -> None:
    made = directory(joined("g", A), joined("g", B), joined("h", A))
    wanted = {"g": [WantedMember("bob@x.example"), WantedMember("eve@else.example")]}
    assert list(all_changes(made, wanted, 100)) == [join_group("g", OUT.value)]
    assert list(all_changes(made, wanted, 100, complete=True)) == [
        join_group("g", OUT.value), leave_group("g", A.value)
    ]  # fmt: skip


def day(text: str) -> tuple[int, int]:
    return int(text), int(text) + 1


def test_a_file_names_groups_members_and_days() -> None:
    text = "\ufeffgroup;member;since;until\r\nBoard;ada@x.example;10;20\r\n"
    text += "board;bob@x.example\r\nstaff;c@d.e;;7\n"
    assert read_groups(text, "f.csv", day) == {
        "Board": [WantedMember("ada@x.example", 10, 21), WantedMember("bob@x.example")],
        "staff": [WantedMember("c@d.e", None, 8)],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1"), ("a@b.example,board\n", "line 1"),
        ("group,member\n,ada@x.example\n", "line 2"), ("group,member\nboard,\n", "line 2"),
        ("group,member\nboard,ada@x.example,soon\n", "line 2"), ('group,member\n"board', "line 2"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"f.csv, {said}"):
        read_groups(text, "f.csv", day)
