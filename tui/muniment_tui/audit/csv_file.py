"""Writes the audit trail to a CSV file. It gets its name when it is whole, and replaces no other file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from muniment.api import AuditEvent
from muniment.cli.trail.event_csv import csv_of
from muniment.errors import UsageError
from muniment.system.partial_files import discard, partial_path, publish_file


class AuditCsvFile:
    """A CSV file that is being written. For any thread: disks can be slow."""

    def __init__(self, path: Path) -> None:
        """Nothing is written before the first page."""
        self.path = path
        self.events = 0
        """How many events were written."""
        self._part = partial_path(path)
        self._file: BinaryIO | None = None
        self._lock = threading.RLock()
        self._is_over = False

    def _open(self) -> BinaryIO:
        """Create the temporary file, with the titles of the columns."""
        path = self.path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            opened = self._file = os.fdopen(os.open(self._part, flags, 0o600), "wb")
        except OSError as error:
            raise self._refused(error) from error
        self._write(opened, csv_of((), header=True))
        return opened

    def add(self, events: Iterable[AuditEvent]) -> None:
        """Add a page of events, unless the file was discarded.

        Raises:
            UsageError: it can't be written; the temporary file is removed.
        """
        page = tuple(events)
        with self._lock:
            if self._is_over:
                return
            self._write(self._file or self._open(), csv_of(page))
            self.events += len(page)

    def finish(self) -> None:
        """Give the file its name, unless it was discarded.

        Raises:
            UsageError: it can't be written; the temporary file is removed.
        """
        with self._lock:
            if self._is_over:
                return
            file = self._file or self._open()
            try:
                file.flush()
                os.fsync(file.fileno())
                file.close()
                publish_file(self._part, self.path)
            except OSError as error:
                raise self._refused(error) from error
            finally:
                self.discard()

    def discard(self) -> None:
        """Close and remove the temporary file, once a page that is being written is. Safe to call twice."""
        with self._lock:
            if self._file is not None and not self._is_over:
                with suppress(OSError):
                    self._file.close()
                discard(self._part)
            self._is_over = True

    def _write(self, file: BinaryIO, data: bytes) -> None:
        try:
            file.write(data)
        except OSError as error:
            self.discard()
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> UsageError:
        why = "it exists by now" if isinstance(error, FileExistsError) else error.strerror or str(error)
        return UsageError(f"{self.path} can't be written ({why}): name another path")
