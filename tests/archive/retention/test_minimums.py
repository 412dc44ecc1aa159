"""Minimums and disposal times, for all histories of rules: what is lengthened, what is never shortened."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.retention.minimums import Receipt, RuleTime, disposal, minimum
from muniment.archive.retention.periods import Anchor, Period
from muniment.archive.retention.rules import RuleKind, RuleVersion, read_rules
from muniment.archive.retention.selection import MailSelection

DAY = 86_400
ANY = MailSelection()
ONE_DAY = Period(days=1)
SOME = MailSelection(domains=("example.com",))
"""The mail of half of all messages."""


@dataclass(frozen=True)
class Act:
    """A record of a rule."""

    name: str
    kind: RuleKind | None
    """None ends the rule."""
    period: Period = ONE_DAY
    anchor: Anchor = "received"
    selection: MailSelection = ANY


def history(acts: list[Act]) -> list[RuleVersion]:
    """Rules after some records, the record of number n on day n."""
    return read_rules(rows(acts))


def rows(acts: list[Act]) -> list[DecisionRow]:
    found, numbers = [], dict.fromkeys((act.name for act in acts), 0)
    for sequence, act in enumerate(acts):
        value: dict[str, Any] = {"op": "end", "name": act.name}
        if act.kind is not None:
            numbers[act.name] += 1
            version = RuleVersion(
                act.name, numbers[act.name], act.kind, act.selection, act.period, act.anchor
            )
            value = version.value
        found.append(DecisionRow(sequence * 10, sequence * DAY, json.dumps({"v": 1} | value)))
    return found


def concerns(number: int) -> Any:
    """What a message is: those with an even number are of example.com."""
    return lambda version: version.selection == ANY or number % 2 == 0


def receipt(sequence: int) -> Receipt:
    return Receipt(sequence, sequence * DAY // 10)


periods = st.builds(Period, st.integers(0, 30), st.integers(0, 30), st.integers(0, 800)).filter(
    lambda period: bool(period.value)
)
acts = st.lists(
    st.builds(
        Act,
        st.sampled_from(["invoices", "Invoices", "letters"]),
        st.sampled_from([*RuleKind, None]),
        periods,
        st.sampled_from(["received", "year"]),
        st.sampled_from([ANY, SOME]),
    ),
    max_size=8,
)
numbers = st.integers(-5, 90)


@given(acts, numbers)
def test_a_minimum_never_ends_earlier_because_of_further_records(made: list[Act], number: int) -> None:
    """However rules are changed: also ended, renamed in case, turned into a disposal, or about other mail."""
    first_after = max(0, number // 10 + 1)
    ends = [
        longest.until if (longest := minimum(history(made[:count]), receipt(number), concerns(number))) else 0
        for count in range(first_after, len(made) + 1)
    ]
    assert ends == sorted(ends)


@given(acts, numbers)
def test_a_minimum_is_the_longest_of_all_versions_since_the_message_came(
    made: list[Act], number: int
) -> None:
    """By a naive replay: on each day since the receipt, note what every rule then in force demands."""
    came = receipt(number)
    known: dict[str, Act] = {}
    longest = 0
    for sequence, act in enumerate([*made, Act("end of time", None)]):
        if sequence * 10 > number:
            for rule in known.values():
                if rule.kind is RuleKind.KEEP and concerns(number)(rule):
                    until = replace(history([rule])[0]).until(came.time)
                    longest = max(longest, until)
        known.pop(act.name.casefold(), None)
        if act.kind is not None:
            known[act.name.casefold()] = act
    for rule in known.values():
        if rule.kind is RuleKind.KEEP and concerns(number)(rule):
            longest = max(longest, history([rule])[0].until(came.time))
    found = minimum(history(made), came, concerns(number))
    assert (found.until if found else 0) == longest


@given(st.integers(2, 40), st.integers(1, 39), st.sampled_from(["received", "year"]))
def test_shortening_counts_for_mail_to_come_only(long: int, less: int, anchor: Anchor) -> None:
    short = max(1, long - less)
    rules = history([Act("a", RuleKind.KEEP, Period(years=n), anchor) for n in (long, short)])
    before, after = receipt(5), receipt(15)
    assert found(minimum(rules, before, concerns(0))).rule.period == Period(years=long)
    assert found(minimum(rules, after, concerns(0))).rule.period == Period(years=short)


@given(st.integers(1, 40), st.integers(1, 40))
def test_lengthening_counts_at_once_also_for_older_mail(short: int, more: int) -> None:
    rules = history([Act("a", RuleKind.KEEP, Period(years=n)) for n in (short, short + more)])
    for number in (-5, 5, 15):
        assert found(minimum(rules, receipt(number), concerns(0))).rule.period == Period(years=short + more)


@pytest.mark.parametrize("number", [-5, 5])
def test_an_ended_rule_keeps_its_minimum_for_mail_that_came_before(number: int) -> None:
    rules = history([Act("a", RuleKind.KEEP, Period(years=6)), Act("a", None)])
    assert found(minimum(rules, receipt(number), concerns(0))).rule.version == 1
    assert minimum(rules, receipt(15), concerns(0)) is None


def test_the_place_in_the_ledger_decides_which_versions_count_and_not_the_clock() -> None:
    """The clock went back by ten days after the rule was ended."""
    rules = history([Act("a", RuleKind.KEEP, Period(years=6)), Act("a", None)])
    assert minimum(rules, Receipt(15, -10 * DAY), concerns(0)) is None
    assert minimum(rules, Receipt(5, 99 * DAY), concerns(0)) is not None


def found(time: RuleTime | None) -> RuleTime:
    assert time is not None
    return time


@given(acts, numbers)
def test_a_disposal_is_demanded_by_rules_in_force_alone(made: list[Act], number: int) -> None:
    rules = history(made)
    time = disposal(rules, receipt(number), concerns(number))
    demanding = [
        rule for rule in rules
        if rule.in_force and rule.kind is RuleKind.DISPOSE and concerns(number)(rule)
    ]  # fmt: skip
    assert (time is not None) == bool(demanding)
    if time is not None:
        assert time.until >= min(rule.until(receipt(number).time) for rule in demanding)


def test_a_disposal_can_be_put_off_at_once_and_brought_forward_for_mail_to_come() -> None:
    rules = history([Act("a", RuleKind.DISPOSE, Period(years=n)) for n in (8, 10, 6)])
    assert found(disposal(rules, receipt(5), concerns(0))).rule.period == Period(years=10)
    assert found(disposal(rules, receipt(15), concerns(0))).rule.period == Period(years=10)
    assert found(disposal(rules, receipt(25), concerns(0))).rule.period == Period(years=6)


def test_the_first_of_several_disposals_decides() -> None:
    rules = history(
        [Act("a", RuleKind.DISPOSE, Period(years=10)), Act("b", RuleKind.DISPOSE, Period(months=6))]
    )
    assert found(disposal(rules, receipt(5), concerns(0))).rule.name == "b"


def test_a_rule_that_changes_its_kind_keeps_what_it_kept_before() -> None:
    rules = history([Act("a", RuleKind.KEEP, Period(years=6)), Act("a", RuleKind.DISPOSE, Period(years=1))])
    assert found(minimum(rules, receipt(5), concerns(0))).rule.version == 1
    assert found(disposal(rules, receipt(5), concerns(0))).rule.version == 2
    assert minimum(rules, receipt(15), concerns(0)) is None
