"""The reading workers of a process.

They start when mail is to be read, and end after a while without work.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import IO, TypeVar

from muniment.errors import MailUnreadable
from muniment.mail.model import Likeness, MessageText
from muniment.mail.signatures.model import MessageSignatures
from muniment.parsing.process import WorkerDied, WorkerProcess, WorkersUnusable
from muniment.parsing.reader import MailReader, OpenMail
from muniment.parsing.tasks import (
    ANSWERS,
    CONTENT,
    CONTENT_TEXT,
    COPY,
    DOCUMENT,
    LIKENESS,
    MESSAGE,
    SIGNATURES,
    TEXT,
    VIEW,
    AttachmentContent,
    CopyFacts,
    MessageDocument,
    MessageFacts,
    MessageView,
    ReaderAnswer,
    ReaderRequest,
    ReaderTask,
)
from muniment.system.sanitise import clean

log = logging.getLogger("muniment.workers")

MODULE = "muniment.parsing.worker"
"""The module that a reading worker runs."""
ATTEMPTS = 2
"""How often a worker may die on one mail. The first may have died of an earlier mail."""
GREETING = 60.0
"""Seconds that a worker may take to start."""
PATIENCE = 100.0
"""Seconds that an answer may take. Each mail also has a limit of processor time (`parsing.budget`)."""
SECONDS_PER_BYTE = 1 / 1024 / 1024
"""Further seconds that an answer may take for each byte of mail."""
IDLE = 60.0
"""Seconds without work after which a worker ends."""
BATCH_ITEMS, BATCH_BYTES = 64, 2 * 1024 * 1024
"""Mails, and their bytes, in one request when many are read."""
REMEMBERED = 1000
"""Mails on which workers died that are remembered."""
UNUSABLE = "no mail can be read: repair the installation, memory or disk, and try again"
UNREADABLE = "the parser failed on this message"

V = TypeVar("V")
Question = tuple[OpenMail, int]
"""A mail, and the option of the task (see `tasks.ReaderRequest`)."""


class _Worker:
    """One reading worker that has read its sample mail."""

    def __init__(self, module: str, patience: float) -> None:
        """Start the worker.

        Args:
            module: the module that it runs.
            patience: seconds that an answer may take.

        Raises:
            WorkersUnusable: it can't start, or can't read a sample mail.
        """
        try:
            self._process = WorkerProcess(module, ANSWERS)
        except OSError as error:
            raise WorkersUnusable(f"{UNUSABLE} ({error.strerror})") from error
        self._patience = patience
        self.since = 0.0
        try:
            (hello,) = self._process.receive(GREETING)
            if hello.problem:
                raise WorkersUnusable(f"{UNUSABLE} ({clean(hello.problem)})")
        except (WorkerDied, ValueError) as error:
            self._process.end()
            raise WorkersUnusable(f"{UNUSABLE} ({error})") from error
        except BaseException:
            self._process.end()
            raise

    def ask(self, task: str, questions: list[Question], into: IO[bytes] | None) -> list[ReaderAnswer]:
        """One answer for each question. Raises WorkerDied."""
        asks, contents, size = [], [], 0
        for mail, option in questions:
            if isinstance(mail.content, bytes):
                contents.append(mail.content)
                length = len(mail.content)
                size += length
            else:
                descriptors = [mail.content.fileno()] + ([into.fileno()] if into is not None else [])
                self._process.pass_files(*descriptors)
                length = -1
                size += os.fstat(mail.content.fileno()).st_size
            asks.append(ReaderRequest(task, length, mail.start, mail.end, mail.outline, option))
        answers = self._process.ask(asks, contents, timeout=self._patience + size * SECONDS_PER_BYTE)
        if len(answers) != len(questions):
            raise WorkerDied("its answer does not match the request")
        return answers

    def end(self) -> None:
        self._process.end()

    @property
    def pid(self) -> int:
        return self._process.pid


class ReaderPool:
    """A MailReader with worker processes. `close` ends them; the pool can be used again afterwards."""

    def __init__(
        self,
        size: int | None = None,
        idle: float = IDLE,
        module: str = MODULE,
        patience: float = PATIENCE,
    ) -> None:
        """Prepare the pool. No worker starts yet.

        Args:
            size: largest number of workers; None for one a core and at least two.
            idle: seconds without work after which a worker ends.
            module: the module that a worker runs.
            patience: seconds that an answer may take.
        """
        self.module = module
        self.patience = patience
        self.size = size or max(2, len(os.sched_getaffinity(0)))
        self._idle_after = idle
        self._changed = threading.Condition()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._starting = 0
        self._reaper: threading.Thread | None = None
        self._killers: OrderedDict[tuple[bytes, bool], str] = OrderedDict()
        """What happened to the workers that died on a mail, by the mail's name and whether only its outline
        was read."""

    # --- one mail ---------------------------------------------------------------------------

    def view(self, mail: OpenMail, width: int = 0) -> MessageView:
        return self._one(VIEW, mail, width)

    def content(self, mail: OpenMail, number: int, into: IO[bytes] | None = None) -> AttachmentContent:
        return self._one(CONTENT, mail, number, into)

    def content_text(self, mail: OpenMail, number: int) -> AttachmentContent:
        return self._one(CONTENT_TEXT, mail, number)

    def document(self, mail: OpenMail, into: IO[bytes]) -> MessageDocument:
        return self._one(DOCUMENT, mail, into=into)

    def copy(self, mail: OpenMail, *, journal: bool) -> CopyFacts:
        return self._one(COPY, mail, int(journal))

    def likeness(self, mail: OpenMail) -> Likeness:
        return self._one(LIKENESS, mail)

    def _one(self, task: ReaderTask[V], mail: OpenMail, option: int = 0, into: IO[bytes] | None = None) -> V:
        with closing(mail):
            value = self._alone(task, (mail, option), into)
        if isinstance(value, MailUnreadable):
            raise value
        return value

    # --- many mails -------------------------------------------------------------------------

    def texts(self, mails: Iterable[OpenMail]) -> Iterator[MessageText | MailUnreadable]:
        return self._many(TEXT, ((mail, 0) for mail in mails))

    def messages(self, mails: Iterable[OpenMail]) -> Iterator[MessageFacts | MailUnreadable]:
        return self._many(MESSAGE, ((mail, 0) for mail in mails))

    def copies(self, mails: Iterable[tuple[OpenMail, bool]]) -> Iterator[CopyFacts | MailUnreadable]:
        return self._many(COPY, ((mail, int(journal)) for mail, journal in mails))

    def signatures(self, mails: Iterable[OpenMail]) -> Iterator[MessageSignatures | MailUnreadable]:
        return self._many(SIGNATURES, ((mail, 0) for mail in mails))

    def _many(self, task: ReaderTask[V], questions: Iterable[Question]) -> Iterator[V | MailUnreadable]:
        """Read in batches, several at a time. One worker is left to callers that read a single mail."""
        threads = max(1, self.size - 1)
        waiting: deque[tuple[list[Question], Future[list[V | MailUnreadable]]]] = deque()
        with ThreadPoolExecutor(threads, "reading") as executor:
            try:
                for batch in _batches(questions):
                    waiting.append((batch, executor.submit(self._together, task, batch)))
                    if len(waiting) > threads:
                        yield from waiting.popleft()[1].result()
                while waiting:
                    yield from waiting.popleft()[1].result()
            finally:
                for batch, future in waiting:
                    if future.cancel():
                        _close(batch)

    def _together(self, task: ReaderTask[V], questions: list[Question]) -> list[V | MailUnreadable]:
        try:
            if len(questions) > 1 and not any(self._known_killer(mail) for mail, _ in questions):
                try:
                    with self._taken() as worker:
                        return _values(task, worker.ask(task.name, questions, None))
                except WorkerDied as death:
                    count = len(questions)
                    log.warning("a worker died on %d messages (%s): trying one at a time", count, death)
            found: list[V | MailUnreadable] = []
            for question in questions:
                one = self._alone(task, question)
                found.append(one)
            return found
        finally:
            _close(questions)

    # --- workers ----------------------------------------------------------------------------

    def _alone(
        self, task: ReaderTask[V], question: Question, into: IO[bytes] | None = None
    ) -> V | MailUnreadable:
        """The answer to one question.

        If a worker dies, another one tries again, unless the time was used up.
        """
        mail, _ = question
        why = known = self._known_killer(mail)
        silent = False
        for _ in range(0 if why else ATTEMPTS):
            try:
                with self._taken() as worker:
                    return _values(task, worker.ask(task.name, [question], into))[0]
            except WorkerDied as death:
                log.warning("a worker died on one message: %s", death)
                why, silent = str(death), death.silent
                if death.timed_out:
                    break
        if mail.name and not known and not silent:
            self._remember(mail, why)
        return MailUnreadable(f"{UNREADABLE} ({why})")

    def _known_killer(self, mail: OpenMail) -> str:
        """What happened to the workers that read this mail before; "" if none died."""
        return self._killers.get((mail.name, mail.outline), "")

    def _remember(self, mail: OpenMail, why: str) -> None:
        with self._changed:
            self._killers[mail.name, mail.outline] = why
            while len(self._killers) > REMEMBERED:
                self._killers.popitem(last=False)

    @contextmanager
    def _taken(self) -> Iterator[_Worker]:
        """A worker for the block.

        It returns to the pool afterwards, unless it died or its answer was not read.
        """
        worker = self._take()
        try:
            yield worker
        except BaseException:
            with self._changed:
                self._busy.discard(worker)
                self._changed.notify_all()
            worker.end()
            raise
        with self._changed:
            self._busy.discard(worker)
            worker.since = time.monotonic()
            self._idle.append(worker)
            self._changed.notify_all()
            self._reap_later()

    def _take(self) -> _Worker:
        with self._changed:
            self._changed.wait_for(
                lambda: self._idle or len(self._busy) + len(self._idle) + self._starting < self.size
            )
            if self._idle:
                worker = self._idle.pop()
                self._busy.add(worker)
                return worker
            self._starting += 1
        started = None
        try:
            started = _Worker(self.module, self.patience)
            return started
        finally:
            with self._changed:
                self._starting -= 1
                if started is not None:
                    self._busy.add(started)
                self._changed.notify_all()

    def _reap_later(self) -> None:
        if self._reaper is None:
            self._reaper = threading.Thread(target=self._reap, name="idle-workers", daemon=True)
            self._reaper.start()

    def _reap(self) -> None:
        """End workers that had no work for a while, until there is none."""
        with self._changed:
            while self._idle or self._busy:
                now = time.monotonic()
                gone = [worker for worker in self._idle if now - worker.since >= self._idle_after]
                self._idle = [worker for worker in self._idle if worker not in gone]
                for worker in gone:
                    worker.end()
                self._changed.wait(self._idle_after / 2)
            self._reaper = None

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        with self._changed:
            return [worker.pid for worker in (*self._idle, *self._busy)]

    def close(self) -> None:
        """End the workers that are idle. Safe to call twice."""
        with self._changed:
            gone, self._idle = self._idle, []
            self._killers.clear()
            self._changed.notify_all()
        for worker in gone:
            worker.end()


def _batches(questions: Iterable[Question]) -> Iterator[list[Question]]:
    """Yield groups of small mails, and each large mail by itself."""
    batch: list[Question] = []
    size = 0
    try:
        for question in questions:
            content = question[0].content
            length = len(content) if isinstance(content, bytes) else BATCH_BYTES
            whole: list[Question] = []
            if size + length > BATCH_BYTES or len(batch) >= BATCH_ITEMS:
                whole, batch, size = batch, [], 0
            batch.append(question)
            size += length
            if whole:
                yield whole
    except BaseException:
        _close(batch)
        raise
    if batch:
        yield batch


def _close(questions: list[Question]) -> None:
    for mail, _ in questions:
        mail.close()


def _values(task: ReaderTask[V], answers: list[ReaderAnswer]) -> list[V | MailUnreadable]:
    """The values in answers. Raises WorkerDied if an answer is none of the task."""
    found: list[V | MailUnreadable] = []
    for answer in answers:
        if answer.problem:
            log.warning("the parser failed on one message (%s)", clean(answer.problem[:80]))
            found.append(MailUnreadable(f"{UNREADABLE} ({clean(answer.problem[:80])})"))
            continue
        try:
            value = task.decoder.decode(answer.value)
        except ValueError as error:
            raise WorkerDied(f"an answer that can't be read: {error}") from error
        found.append(value)
    return found


_shared = ReaderPool()


def mail_reader() -> MailReader:
    """The mail reader of this process."""
    return _shared


@atexit.register
def end_readers() -> None:
    """End the idle reading workers of this process. The next mail to read starts another one."""
    _shared.close()
