"""Retention rules as records: versions, names, and what can't be read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from muniment.archive.catalog.model import DecisionRow
from muniment.archive.retention.periods import Period
from muniment.archive.retention.rules import (
    NAME_LIMIT,
    RULE_LIMIT,
    RuleKind,
    RuleVersion,
    end_value,
    new_version,
    read_rules,
)
from muniment.archive.retention.selection import MailSelection
from muniment.errors import NotFound, UsageError, VaultError

TEN = RuleVersion(
    "Invoices", 0, RuleKind.KEEP, MailSelection(kinds=("pdf",)), Period(years=10), "year", "CET"
)
SET = {
    "op": "set", "name": "Invoices", "version": 1, "selection": {"kinds": ["pdf"]}, "period": {"years": 10},
    "anchor": "year", "kind": "keep", "zone": "CET",
}  # fmt: skip


def rows(*values: dict[str, Any]) -> list[DecisionRow]:
    return [DecisionRow(n * 10, n * 100, json.dumps({"v": 1} | value)) for n, value in enumerate(values, 1)]


def test_a_version_is_read_back_from_its_record() -> None:
    made = new_version([], TEN)
    assert made is not None
    assert json.loads(json.dumps(made.value)) == SET
    (read,) = read_rules(rows(made.value))
    assert read == replace(made, sequence=10, time=100)
    assert read.describe() == "keep at least 10 years from the end of the year of receipt"


def test_a_version_is_in_force_until_the_next_one_or_the_end() -> None:
    later = SET | {"version": 2, "name": "INVOICES", "period": {"years": 6}}
    again = SET | {"version": 3}
    versions = read_rules(rows(SET, later, {"op": "end", "name": "invoices"}, again))
    assert [(one.version, one.sequence, one.ended, one.ended_time) for one in versions] == [
        (1, 10, 20, 200), (2, 20, 30, 300), (3, 40, -1, 0),
    ]  # fmt: skip


def test_the_next_version_has_the_name_and_the_next_number_of_the_rule() -> None:
    versions = read_rules(rows(SET))
    made = new_version(versions, replace(TEN, name=" invoices ", period=Period(years=6)))
    assert made is not None
    assert (made.name, made.version) == ("Invoices", 2)


def test_a_rule_that_is_set_as_it_is_makes_no_version() -> None:
    assert new_version(read_rules(rows(SET)), TEN) is None
    ended = read_rules(rows(SET, {"op": "end", "name": "Invoices"}))
    made = new_version(ended, TEN)
    assert made is not None
    assert made.version == 2


@pytest.mark.parametrize("name", ["", "  ", "x" * (NAME_LIMIT + 1), "a\x1b[31mb", "a\u202eb", "a\nb"])
def test_a_name_that_can_not_be_shown_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="characters that can be shown"):
        new_version([], replace(TEN, name=name))


def test_the_number_of_rules_in_force_is_limited() -> None:
    many = read_rules(rows(*(SET | {"name": f"rule {n}"} for n in range(RULE_LIMIT))))
    with pytest.raises(UsageError, match="end some first"):
        new_version(many, TEN)
    assert new_version(many, replace(TEN, name="rule 7", period=Period(days=1))) is not None


def test_only_a_rule_in_force_can_be_ended() -> None:
    versions = read_rules(rows(SET))
    assert end_value(versions, "INVOICES") == {"op": "end", "name": "Invoices"}
    ended = read_rules(rows(SET, {"op": "end", "name": "Invoices"}))
    with pytest.raises(NotFound, match="those in force: none"):
        end_value(ended, "Invoices")
    with pytest.raises(NotFound, match="those in force: Invoices"):
        end_value(versions, "letters")


@pytest.mark.parametrize(
    "change",
    [
        {"op": "pause"},
        {"kind": "hide"},
        {"anchor": "sent"},
        {"period": {"weeks": 1}},
        {"period": {}},
        {"selection": {"moods": ["sad"]}},
        {"selection": None},
        {"unless": "asked"},
        {"version": None},
    ],
)
def test_a_record_that_can_not_be_read_is_an_error(change: dict[str, Any]) -> None:
    """A rule that is ignored could be one that keeps mail."""
    with pytest.raises(VaultError, match="the retention rule in record 10 can't be read"):
        read_rules(rows(SET | change))


def test_a_rule_of_a_zone_that_this_machine_does_not_know_is_an_error() -> None:
    (version,) = read_rules(rows(SET | {"zone": "Mars/Olympus"}))
    with pytest.raises(VaultError, match="no time zone 'Mars/Olympus'"):
        version.until(0)
