"""Syslog messages: the grammar of RFC 5424, and the limits of RFC 5425."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment import __version__
from muniment.feed.rfc5424 import FACILITIES, LIMIT, SD_ID, SyslogEvent, encoded, framed
from muniment.system.sanitise import clean
from support.syslog_receivers import unframed

_NAME = r"[!#-<>-\\^-~]{1,32}"
_VALUE = r'(?:[^"\\\]]|\\["\\\]])*'
_ELEMENT = rf'\[{_NAME}(?: {_NAME}="{_VALUE}")*\]'
GRAMMAR = re.compile(
    rf"<(\d{{1,3}})>1 (-|\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([!-~]{{1,255}}) ([!-~]{{1,48}}) ([!-~]{{1,128}})"
    rf" ([!-~]{{1,32}}) ((?:{_ELEMENT})+)(?: \ufeff(.*))?",
    re.DOTALL,
)
"""RFC 5424 6, with the parts that Muniment uses."""
PAIR = re.compile(rf' ({_NAME})="({_VALUE})"')
texts = st.builds(
    lambda text, times: (text * times)[:9000],
    st.text(max_size=20) | st.text(alphabet='"\\]é\x1b\n[\ud800😀', max_size=20),
    st.sampled_from([1, 1, 1, 50, 1000]),
)


def parsed(message: bytes) -> tuple[re.Match[str], dict[str, str]]:
    """The parts of a message, and its own parameters as a receiver reads them."""
    found = GRAMMAR.fullmatch(message.decode("utf-8"))
    assert found, message
    own = found[7].rpartition(f"[{SD_ID}")[2]
    return found, {name: re.sub(r'\\(["\\\]])', r"\1", value) for name, value in PAIR.findall(own)}


def event(**fields: object) -> SyslogEvent:
    values = {"number": 1, "time": 0, "kind": "read", "severity": 6, "text": "x", "parameters": {}} | fields
    return SyslogEvent(**values)  # type: ignore[arg-type]


@given(
    number=st.integers(min_value=1, max_value=2**63),
    time=st.integers(),
    kind=texts,
    severity=st.integers(0, 7),
    text=texts,
    parameters=st.dictionaries(texts, texts, max_size=8),
    facility=st.sampled_from(sorted(FACILITIES.values())),
    host=texts,
)
def test_any_event_becomes_one_message_of_the_grammar(
    number: int,
    time: int,
    kind: str,
    severity: int,
    text: str,
    parameters: dict[str, str],
    facility: int,
    host: str,
) -> None:
    made = SyslogEvent(number, time, kind, severity, text, parameters)
    message = encoded(made, facility, host)
    assert len(message) <= LIMIT
    found, _ = parsed(message)
    assert int(found[1]) == facility * 8 + severity
    assert clean(message.decode().replace("\ufeff", "")) == message.decode().replace("\ufeff", "")
    assert unframed(framed(made, facility, host) * 2) == [message] * 2


@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=60), max_size=3), st.text(max_size=60))
def test_short_texts_are_read_back_as_they_are_shown(parameters: dict[str, str], text: str) -> None:
    found, read = parsed(encoded(event(parameters=parameters, text=text), 13, "vault"))
    assert read == {name: clean(value) for name, value in parameters.items()}
    assert found[8] == clean(text)


def test_a_message_in_full() -> None:
    made = event(number=7, time=1_769_824_800, text="read: é", parameters={"query": 'a "b" [c] \\d'})
    assert encoded(made, 13, "vault.example").decode() == (
        '<110>1 2026-01-31T02:00:00Z vault.example muniment - read [meta sequenceId="7"]'
        f'[origin software="muniment" swVersion="{__version__}"]'
        f'[{SD_ID} query="a \\"b\\" [c\\] \\\\d"] \ufeffread: é'
    )


def test_a_long_value_is_cut_at_a_character_and_says_so() -> None:
    _, read = parsed(encoded(event(parameters={"a": "é" * 5000, "b": "short"}), 13, "h"))
    assert re.fullmatch("é{400,}…", read["a"])
    assert read["b"] == "short"
    many = {f"p{n}": '"' * 5000 for n in range(40)}
    _, read = parsed(encoded(event(parameters=many, text="]" * 9000), 13, "h"))
    assert len(read) == 32
    assert all(value.endswith("…") for value in read.values())


@pytest.mark.parametrize(("number", "shown"), [(1, 1), (2**31 - 1, 2**31 - 1), (2**31, 1)])
def test_numbers_stay_in_the_range_of_sequence_ids(number: int, shown: int) -> None:
    found, _ = parsed(encoded(event(number=number), 13, "h"))
    assert f'sequenceId="{shown}"' in found[7]


@pytest.mark.parametrize(("time", "shown"), [(-(10**15), "-"), (-62_135_596_800, "0001-01-01T00:00:00Z")])
def test_times_beyond_all_years_are_left_out(time: int, shown: str) -> None:
    assert parsed(encoded(event(time=time), 13, "h"))[0][2] == shown
