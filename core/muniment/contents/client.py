"""Speaks to the worker that reads attachments."""

from __future__ import annotations

import logging
from contextlib import closing

from msgspec.structs import replace

from muniment.contents.model import (
    ANSWERS,
    GAVE_UP,
    NO_MAIL,
    ContentsAnswer,
    ContentsRequest,
    ReadFile,
    WantedContents,
)
from muniment.parsing.process import WorkerDied, WorkerProcess, WorkersUnusable
from muniment.parsing.reader import OpenMail

log = logging.getLogger("muniment.workers")

MODULE = "muniment.contents.worker"
"""The module that the worker runs."""
GREETING = 60.0
"""Seconds that the worker may take to start."""
PATIENCE = 100.0
"""Seconds that the worker may take for one attachment. Each also has a limit of processor time."""
DEATHS = 5
"""How often the worker may die on one message. Its other attachments are then not read."""
MESSAGES = 2_000
"""Messages after which another worker begins, since libraries do not return all memory."""
UNUSABLE = "attachments can't be read: repair the installation, memory or disk"


class ContentsReader:
    """Reads attachments in a worker process, which starts with the first message. For one thread."""

    def __init__(self, module: str = MODULE, patience: float = PATIENCE) -> None:
        """Prepare it; no process starts yet.

        Args:
            module: The module that the worker runs.
            patience: Seconds that the worker may take for one attachment.
        """
        self._module = module
        self._patience = patience
        self._process: WorkerProcess[ContentsAnswer] | None = None
        self._done = 0

    def read(self, mail: OpenMail, wanted: WantedContents) -> tuple[ReadFile, ...]:
        """Return what was read in the attachments of a message, and close it.

        An attachment on which the worker dies has a note, and the others are read.

        Raises:
            WorkersUnusable: The worker can't start.
        """
        found: list[ReadFile] = []
        with closing(mail):
            first = 1
            for _ in range(DEATHS):
                died = self._ask(mail, ContentsRequest(_size(mail), wanted, first), found)
                if died is None:
                    break
                if died.files is None:
                    why = GAVE_UP if died.number else NO_MAIL
                    found.append(ReadFile(died.name, why=why, number=died.number))
                if not died.number:
                    break
                first = died.number + 1
        return tuple(found)

    def _ask(self, mail: OpenMail, request: ContentsRequest, found: list[ReadFile]) -> ContentsAnswer | None:
        """Add what the worker reads in a message; returns its last answer if it died, None if it is done."""
        process = self._started()
        last = ContentsAnswer(0)
        try:
            if isinstance(mail.content, bytes):
                last = process.ask(request, [mail.content], timeout=self._patience)
            else:
                process.pass_files(mail.content.fileno())
                last = process.ask(request, timeout=self._patience)
            while last.number:
                found += (replace(file, number=last.number) for file in last.files or ())
                last = process.receive(self._patience)
        except WorkerDied as death:
            log.warning("a worker died on an attachment: %s", death)
            self.close()
            return last
        except BaseException:  # an answer that is not read must not answer the next request
            self.close()
            raise
        return None

    def _started(self) -> WorkerProcess[ContentsAnswer]:
        """Return the worker, which is started if there is none, or if it has read many messages.

        Raises:
            WorkersUnusable: It can't start.
        """
        if self._done >= MESSAGES:
            self.close()
        if self._process is None:
            try:
                self._process = WorkerProcess(self._module, ANSWERS)
                self._process.receive(GREETING)
            except (OSError, WorkerDied) as error:
                self.close()
                raise WorkersUnusable(f"{UNUSABLE} ({error})") from error
        self._done += 1
        return self._process

    def close(self) -> None:
        """End the worker. The next message starts another one."""
        process, self._process, self._done = self._process, None, 0
        if process is not None:
            process.end()


def _size(mail: OpenMail) -> int:
    return len(mail.content) if isinstance(mail.content, bytes) else -1
