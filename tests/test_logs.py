from __future__ import annotations

import logging
import sys

from muniment.logs import Harmless


def record() -> logging.LogRecord:
    """A line with an escape sequence and a traceback."""
    try:
        raise ValueError("\x1b]52;c;evil\x07")
    except ValueError:
        return logging.LogRecord("muniment", 40, "", 0, "key %s", ("\x1b[2Jx",), sys.exc_info())


def test_a_log_line_is_harmless_and_without_a_traceback() -> None:
    line = Harmless(details=False).format(record())
    assert line.isprintable()
    assert "Traceback" not in line


def test_details_are_harmless_too() -> None:
    text = Harmless(details=True).format(record())
    assert "Traceback" in text
    assert "\x1b" not in text
