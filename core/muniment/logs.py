"""How log lines are written: made harmless first, since what they name may come from mail or a server."""

from __future__ import annotations

import logging
import os

from muniment.mail.sanitise import clean


class Harmless(logging.Formatter):
    """Formats a record without control characters; with a traceback only where `details` is set."""

    def __init__(self, details: bool) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._details = details

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines, of a record."""
        if self._details:
            return clean(super().format(record), newline=True)
        return clean(f"{record.levelname} {record.name}: {record.getMessage()}")


def harmless_warnings() -> None:
    """Have warnings that no handler takes, which Python writes to standard error, written so."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Harmless(details=bool(os.environ.get("MUNIMENT_DEBUG"))))
