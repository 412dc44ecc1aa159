"""Reads the attachments of messages that are indexed already, so that searches find the text inside them.

Which messages wait is a fact of the index: a message that is indexed without the text of its attachments
waits, and one that is written again because a copy of it came waits again. So nothing else is stored, a crash
loses at most what was in hand, and a rebuilt index is read again from its newest message on.

A worker process reads, and only while the vault has nothing else to do. What it has read is written by a job
of its own between two runs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from muniment.archive.catalog import MessageRow
from muniment.archive.files.contents import mail_from
from muniment.archive.files.temp_files import own_work
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.contents.client import ContentsReader
from muniment.contents.model import DAMAGED, NO_MAIL, ReadFile, WantedContents
from muniment.errors import Erased, LedgerDamaged, MunimentError
from muniment.mail.notes import OPAQUE, UNREAD
from muniment.service.contents.job import ContentsJob
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession

log = logging.getLogger("muniment.service")

LOOK = 5.0
"""Seconds between two looks for messages that wait."""
PAGE = 200
"""Messages that are read before they are written."""
PAGE_TEXT, PAGE_BYTES, PAGE_SECONDS = 16_000_000, 64 * 1024 * 1024, 30.0
"""Characters of text, bytes of mail, and seconds after which they are written anyway."""
STOPPING = 10.0
"""Longest time to wait for the attachment in hand when the service stops, in seconds."""


class ContentsKeeper:
    """Reads the attachments of one vault. A context that does so while it is open."""

    def __init__(
        self,
        session: ClientSession,
        host: RunHost,
        settings: Callable[[], Settings],
        *,
        look: float = LOOK,
        page: int = PAGE,
        reader: ContentsReader | None = None,
    ) -> None:
        """Prepare it; nothing is read yet.

        Args:
            session: Reads the vault.
            host: Does the jobs of the vault.
            settings: Returns the current settings. It must not raise.
            look: Seconds between two looks for messages that wait.
            page: Messages that are read before they are written.
            reader: Reads attachments; by default in a worker process.
        """
        self._session = session
        self._host = host
        self._settings = settings
        self._look = look
        self._page = page
        self._reader = reader or ContentsReader()
        self._problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="contents", daemon=True)
        self.busy = False
        """Whether messages are being read."""

    def __enter__(self) -> ContentsKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOPPING)

    def _work(self) -> None:
        with closing(self._reader):
            while not self._stop.wait(self._look):
                try:
                    while self._idle and self.read_page():
                        self.busy = True
                    self._problem = ""
                except MunimentError as error:
                    self._say(str(error))
                except Exception as error:  # noqa: BLE001 - the next look must come in any case
                    self._say(f"an unexpected error ({type(error).__name__})")
                self.busy = False
                if self._idle:
                    self._reader.close()

    @property
    def _idle(self) -> bool:
        """Whether there is nothing else to do."""
        return not (self._stop.is_set() or self._host.busy)

    def _say(self, problem: str) -> None:
        if problem != self._problem and not self._stop.is_set():
            log.warning("attachments can't be read now: %s", problem)
        self._problem = problem

    def read_page(self) -> int:
        """Read the attachments of the newest messages that wait, and write them into the index.

        Returns:
            The number of messages that were written; 0 if none wait, or if nothing is to be read.

        Raises:
            VaultError: The index can't be read or written.
            WorkersUnusable: The worker can't start.
        """
        section = self._settings().contents
        if not section.kinds:
            return 0
        wanted = WantedContents(section.kinds, section.largest_file)
        with self._session.reading() as vault:
            found = dict(self._read(vault, wanted))
        if not found:
            return 0
        job = ContentsJob(found)
        self._host.submit(job)
        job.ended.wait()
        if job.error is not None:
            raise job.error
        return job.written

    def _read(self, vault: Vault, wanted: WantedContents) -> Iterator[tuple[int, tuple[ReadFile, ...]]]:
        """Yield the numbers of messages that wait, and what was read in their attachments."""
        index = vault.index()
        if not is_bound(vault, index.watermark, index.binding):
            return
        text = size = 0
        until = time.monotonic() + PAGE_SECONDS
        for row in vault.catalog.rows(index.with_contents("waiting", self._page)[1]):
            files = self._files(vault, row, wanted)
            yield row.sequence, files
            text += sum(len(file.text) for file in files)
            size += row.size
            if not self._idle or text > PAGE_TEXT or size > PAGE_BYTES or time.monotonic() > until:
                return

    def _files(self, vault: Vault, row: MessageRow, wanted: WantedContents) -> tuple[ReadFile, ...]:
        if OPAQUE in row.notes or UNREAD in row.notes:
            return (ReadFile("", why=NO_MAIL),)
        try:
            content = vault.reader.content(row.sha)
            mail = mail_from(content, row.size, own_work(vault.folder), row.sha)
        except (LedgerDamaged, Erased):
            return (ReadFile("", why=DAMAGED),)
        return self._reader.read(mail, wanted)
