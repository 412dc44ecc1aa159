"""The job that writes what was read in attachments into the index, between two runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing

from muniment import api
from muniment.archive.operations.indexing import IndexFeeder
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.contents.model import ReadFile
from muniment.runs.prepare.worker_pool import WorkerPool


class ContentsJob:
    """Writes the attachments of some messages into the index. A run waits for it about a second at most."""

    repairs_catalog = paused = False

    def __init__(self, contents: Mapping[int, tuple[ReadFile, ...]]) -> None:
        """Keep what was read, by the numbers of the messages."""
        self.cancel = threading.Event()
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.written = 0
        """Number of messages whose attachments can be searched now."""
        self.progress_mark: object = object()
        self._contents = contents

    def work(self, vault: Vault, pool: WorkerPool, settings: Settings) -> None:
        """Write it.

        Raises:
            VaultError: The index can't be written.
        """
        with closing(IndexFeeder(vault)) as indexing:
            self.written = indexing.add_contents(self._contents)

    def give_up(self) -> None:
        """End without a start: the messages wait on."""

    def replies(self) -> Iterator[api.WireWord]:
        """Yield nothing: no client watches it."""
        self.ended.wait()
        return iter(())
