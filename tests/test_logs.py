"""Log lines are sanitised, and never contain the text of an exception."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from datetime import datetime
from pathlib import Path

import pytest

from muniment.system.logs import HarmlessFormatter, StructuredFormatter, to_journald


def record() -> logging.LogRecord:
    """A line with an escape sequence and a traceback."""
    try:
        raise ValueError("\x1b]52;c;evil\x07")
    except ValueError:
        return logging.LogRecord("muniment", 40, "", 0, "key %s", ("\x1b[2Jx",), sys.exc_info())


def test_a_log_line_is_sanitised_and_has_no_traceback() -> None:
    line = HarmlessFormatter(details=False).format(record())
    assert line.isprintable()
    assert "Traceback" not in line


def test_details_are_sanitised_too() -> None:
    text = HarmlessFormatter(details=True).format(record())
    assert "Traceback" in text
    assert "\x1b" not in text


def test_a_structured_line_has_no_text_of_an_exception() -> None:
    line = StructuredFormatter("json").format(record())
    values = json.loads(line)
    assert values["level"] == "error"
    assert values["message"].isprintable()
    assert values["error"] == "ValueError"
    assert "test_logs.py" in values["trace"][0]
    assert "evil" not in line
    assert datetime.fromisoformat(values["time"]).tzinfo is not None


def test_fields_are_on_the_line_and_can_be_read_back() -> None:
    told = logging.LogRecord("muniment", 20, "", 0, 'a "b"=c\nd', (), None)
    told.fields = {"profile": "gw", "new": 3, "text": "\x1b[2Jx y", "none": ""}
    line = StructuredFormatter("keys").format(told)
    assert "\n" not in line
    assert line.isprintable()
    pairs = dict(word.split("=", 1) for word in shlex.split(line))
    assert pairs["message"] == 'a "b"=c d'
    assert (pairs["profile"], pairs["new"], pairs["none"]) == ("gw", "3", "")
    assert pairs["text"].endswith("x y")


@pytest.mark.parametrize(
    ("level", "start"), [(40, "<3>"), (30, "<4>"), (20, "<6>"), (10, "<7>"), (50, "<3>")]
)
def test_journald_gets_the_priority_and_adds_the_time(level: int, start: str) -> None:
    told = logging.LogRecord("muniment", level, "", 0, "x", (), None)
    assert StructuredFormatter("keys", journald=True).format(told).startswith(f"{start}level=")


def test_journald_is_recognised_by_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("w") as stream:
        state = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{state.st_dev}:{state.st_ino}")
        assert to_journald(stream)
        for other in (f"{state.st_dev}:{state.st_ino + 1}", "x", ""):
            monkeypatch.setenv("JOURNAL_STREAM", other)
            assert not to_journald(stream)
