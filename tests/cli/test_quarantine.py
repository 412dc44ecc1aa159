"""quarantine list, show, retry."""

import json

import pytest

from muniment.api import (
    Chunk,
    Done,
    ListQuarantine,
    Quarantine,
    QuarantineItem,
    ReadRaw,
    RetryQuarantine,
    Step,
)
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

ID = "9be1770c" + "0" * 56
ITEM = QuarantineItem(id=ID, time=1736186997, size=2345, reason="no message in the report", profile="gw")
FULL = EngineDouble({ListQuarantine: Quarantine(items=(ITEM,))})


def test_list() -> None:
    _, row = invoke(FULL, "quarantine", "list").out.splitlines()
    assert row.startswith("9be1770c0000  2025-01-0")
    assert row.endswith("gw       no message in the report")
    empty = EngineDouble({ListQuarantine: Quarantine(items=())})
    assert invoke(empty, "quarantine", "list").out == "The quarantine is empty.\n"


def test_list_in_json() -> None:
    assert json.loads(invoke(FULL, "quarantine", "list", "--json").out) == [
        {
            "id": ID,
            "time": "2025-01-06T18:09:57Z",
            "size": 2345,
            "reason": "no message in the report",
            "profile": "gw",
        }
    ]


def test_show() -> None:
    out = invoke(FULL, "quarantine", "show", "9BE1770C").out
    assert "Reason   no message in the report" in out
    assert json.loads(invoke(FULL, "quarantine", "show", ID, "--json").out)["id"] == ID


@pytest.mark.parametrize(("id", "code"), [("ffffffff", 10), ("9be1", 2)])
def test_show_of_an_unknown_or_too_short_id(id: str, code: int) -> None:
    assert invoke(FULL, "quarantine", "show", id).code == code


def test_show_of_an_ambiguous_id() -> None:
    twice = EngineDouble({ListQuarantine: Quarantine(items=(ITEM, ITEM))})
    result = invoke(twice, "quarantine", "show", "9be1770c")
    assert result.code == 10
    assert "More than one" in result.err


def test_raw_is_the_exact_bytes() -> None:
    double = EngineDouble({ReadRaw: [Chunk(data=b"\x00broken\xff"), Chunk(data=b"\n")]})
    assert invoke(double, "quarantine", "show", ID, "--raw").raw == b"\x00broken\xff\n"
    assert double.asked == [ReadRaw(id=ID, what="quarantine")]
    assert invoke(double, "quarantine", "show", ID, "--raw", "--json").code == 2


def test_retry() -> None:
    double = EngineDouble({RetryQuarantine: [Step(text="9be1: archived"), Done(message="1 of 1 archived.")]})
    result = invoke(double, "quarantine", "retry")
    assert double.asked == [RetryQuarantine()]
    assert (result.code, result.out) == (0, "1 of 1 archived.\n")


def test_retry_that_fails() -> None:
    words = [Step(text=f"9be1: {HOSTILE}", ok=False), Done(message="0 of 1 archived.")]
    result = invoke(EngineDouble({RetryQuarantine: words}), "quarantine", "retry", ID)
    assert result.code == 1
    assert_shown_harmlessly(result.err)


def test_hostile_reasons_are_made_harmless() -> None:
    item = QuarantineItem(id=ID, time=0, size=1, reason=HOSTILE, profile=HOSTILE)
    double = EngineDouble({ListQuarantine: Quarantine(items=(item,))})
    assert_shown_harmlessly(invoke(double, "quarantine", "list").out)
    assert_shown_harmlessly(invoke(double, "quarantine", "show", ID).out)
