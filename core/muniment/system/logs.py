"""Formats of log lines. Lines are sanitised first, since their text may come from mail or a server."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from muniment.system.sanitise import clean

LogFormat = Literal["keys", "json"]

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Python's levels and their syslog priorities (RFC 5424 6.2.1). Everything below is 7, debug."""


class HarmlessFormatter(logging.Formatter):
    """Formats a record without control characters, and with a traceback only if `details` is set."""

    def __init__(self, details: bool) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._details = details

    def format(self, record: logging.LogRecord) -> str:
        if self._details:
            return clean(super().format(record), newline=True)
        return clean(f"{record.levelname} {record.name}: {record.getMessage()}")


class StructuredFormatter(logging.Formatter):
    """Formats a record as one line for programs: key=value pairs (logfmt), or a JSON object.

    Keys are `time` (UTC), `level`, `logger` and `message`, then those of `extra={"fields": {...}}`. For an
    exception there are its kind and the lines of code that it passed, but never its own text, which may quote
    mail.
    """

    def __init__(self, form: LogFormat, journald: bool = False) -> None:
        """Prepare the format.

        With `journald`, a line begins with its priority (sd-daemon(3)) and has no time, which journald adds.
        """
        super().__init__()
        self._form = form
        self._journald = journald

    def format(self, record: logging.LogRecord) -> str:
        values = self._values(record)
        if self._form == "json":
            line = json.dumps(values)
        else:
            line = " ".join(f"{key}={_quoted(value)}" for key, value in values.items())
        return f"<{priority(record.levelno)}>{line}" if self._journald else line

    def _values(self, record: logging.LogRecord) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if not self._journald:
            values["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        values |= {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        values |= {key: clean(value) if isinstance(value, str) else value for key, value in fields.items()}
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            values["error"] = kind.__name__
            values["trace"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(trace)]
        return values


def _quoted(value: object) -> str:
    """A value of a key=value line, in JSON's quotes if it has a space, a quote or an equals sign."""
    text = value if isinstance(value, str) else json.dumps(value)
    plain = text and not any(c.isspace() or c in '"=\\' for c in text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def priority(level: int) -> int:
    """The syslog priority of one of Python's levels."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def to_journald(stream: TextIO) -> bool:
    """Whether `stream` is connected to journald: JOURNAL_STREAM names it (systemd.exec(5))."""
    device, colon, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        state = os.fstat(stream.fileno())
        return bool(colon) and (int(device), int(inode)) == (state.st_dev, state.st_ino)
    except (OSError, ValueError):
        return False


def log_to_stderr(form: LogFormat) -> None:
    """Write all log lines from INFO on to standard error, each as one structured line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(StructuredFormatter(form, journald=to_journald(sys.stderr)))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def say_in_log(line: str) -> None:
    """Write a line to the service's log instead of standard output."""
    logging.getLogger("muniment.service").info("%s", line)


def harmless_warnings() -> None:
    """Sanitise warnings without a handler, which Python writes to standard error."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(HarmlessFormatter(details=bool(os.environ.get("MUNIMENT_DEBUG"))))
