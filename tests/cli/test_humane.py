"""Numbers, sizes and times as text for people."""

import time
from collections.abc import Iterator

import pytest

from muniment.system import formatting


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_960, "1.0 MB"),
        (23_400_000, "23.4 MB"), (5 * 10**12, "5.0 TB"), (5 * 10**15, "5.0 PB"),
    ],
)  # fmt: skip
def test_sizes(number: int, text: str) -> None:
    assert formatting.size(number) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (192, "3 min 12 s"), (7500, "2 h 05 min")]
)
def test_durations(value: float, text: str) -> None:
    assert formatting.seconds(value) == text


def test_counts() -> None:
    assert formatting.count(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        (1736186997, "2025-01-06T18:09:57Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (10**18, "9999-12-31T23:59:59Z"),
        (-(10**18), "0001-01-01T00:00:00Z"),
    ],
)
def test_iso(timestamp: int, text: str) -> None:
    assert formatting.iso(timestamp) == text


@pytest.mark.usefixtures("_berlin")
def test_local_time() -> None:
    assert formatting.local(1736186997) == "2025-01-06 19:09"
    assert formatting.local(10**18).startswith("9999-12-31")
