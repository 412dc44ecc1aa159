"""Writes the audit trail to a CSV file. It gets its name when it is whole, and replaces no other file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from muniment.api import AuditEvent
from muniment.cli.trail.event_csv import csv_of
from muniment.errors import UsageError
from muniment.system.partial_files import discard, partial_path, publish_file


class AuditCsvFile:
    """A CSV file that is being written."""

    def __init__(self, path: Path) -> None:
        """Create the temporary file.

        Raises:
            UsageError: it can't be written.
        """
        self.path = path
        self.events = 0
        """How many events were written."""
        self._part = partial_path(path)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._part, flags, 0o600), "wb")
        except OSError as error:
            raise self._refused(error) from error
        self._write(csv_of((), header=True))

    def add(self, events: Iterable[AuditEvent]) -> None:
        """Add a page of events. Raises UsageError if the disk refuses it; the file is then removed."""
        page = tuple(events)
        self._write(csv_of(page))
        self.events += len(page)

    def finish(self) -> None:
        """Give the file its name. Raises UsageError if that is impossible; the file is then removed."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            publish_file(self._part, self.path)
        except OSError as error:
            self.discard()
            raise self._refused(error) from error
        self.discard()

    def discard(self) -> None:
        """Close and remove the temporary file. Safe to call twice."""
        with suppress(OSError):
            self._file.close()
        discard(self._part)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self.discard()
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> UsageError:
        why = "it exists by now" if isinstance(error, FileExistsError) else error.strerror or str(error)
        return UsageError(f"{self.path} can't be written ({why}): name another path")
