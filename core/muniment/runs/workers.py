"""The pool of worker processes that parse mail.

One thread a worker passes batches of jobs to it over pipes. A worker that dies, or sits on a batch
for too long, is replaced and the batch is tried again one job at a time; a job in whose hand a
worker died twice comes back as None. A process pool of the standard library can't tell which job
killed its worker, and is broken by it as a whole.

A worker reads a sample mail before it gets a job. So one that can't work at all (a broken installation,
no memory, no disk) fails the run, and is not taken for the mail's fault.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from io import BufferedReader
from typing import IO, cast

from muniment.errors import MunimentError
from muniment.runs.copy import Job, PreparedCopy
from muniment.runs.frames import FrameReader, send
from muniment.runs.worker import REPLIES, Reply, Request

log = logging.getLogger("muniment.workers")

MODULE = "muniment.runs.worker"
"""What a worker process runs."""
PIPE_SIZE = 1024 * 1024
ATTEMPTS = 2
"""How often a worker may die over one job."""
Copies = list[PreparedCopy | None]


GREETING = 60.0
"""Seconds a worker may take to start."""
UNUSABLE = (
    "mail can't be read, whichever it is: mend the installation, memory or disk, and run again; "
    "nothing was deleted"
)


class WorkersUnusable(MunimentError):
    """A worker can't start, or fails for a reason that is not the mail's."""


class WorkerDied(Exception):
    """The worker ended, or was ended for its silence, before it answered."""


class Worker:
    """One worker process, as the thread that feeds it sees it."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._told = -1
        self._greeted = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._input = cast(IO[bytes], self._process.stdin)
        self._output = cast(BufferedReader, self._process.stdout)
        self._replies = FrameReader(self._output, REPLIES)
        for stream in (self._input, self._output):
            with contextlib.suppress(OSError):
                fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)

    def prepare(self, jobs: Sequence[Job], version: int, dictionaries: dict[int, bytes]) -> Copies:
        """Have jobs prepared; tells the worker of new dictionaries on the way.

        Raises:
            WorkerDied: it did not answer, and is gone.
            WorkersUnusable: it can't work at all, whatever the mail.
        """
        self._greet()
        news = dictionaries if version != self._told else None
        bare = [Job(b"", job.path, job.journal) for job in jobs]
        sizes = [len(job.content) for job in jobs]
        try:
            send(self._input.fileno(), Request(bare, sizes, news), [job.content for job in jobs])
        except OSError as error:
            raise WorkerDied(str(error)) from error
        reply = self._receive(self._timeout)
        if reply.fault:
            raise WorkersUnusable(f"{UNUSABLE} ({reply.fault})")
        self._told = version
        return reply.copies

    def _greet(self) -> None:
        """See that the worker can read a sample mail, so that what it dies over later is the mail's fault."""
        if self._greeted:
            return
        try:
            reply = self._receive(GREETING)
        except WorkerDied as death:
            raise WorkersUnusable(f"{UNUSABLE} ({death})") from death
        if reply.fault or not reply.copies or reply.copies[0] is None:
            raise WorkersUnusable(f"{UNUSABLE} ({reply.fault or 'a sample mail could not be read'})")
        self._greeted = True

    def _receive(self, timeout: float) -> Reply:
        try:
            if not select.select([self._output], [], [], timeout)[0]:
                raise WorkerDied(f"no answer within {timeout:.0f} s")
            reply = self._replies.receive()
        except OSError as error:
            raise WorkerDied(str(error)) from error
        if reply is None:
            raise WorkerDied(f"ended with status {self._process.wait()}")
        return reply

    def end(self) -> None:
        """Stop the process, whatever it is doing, and wait for it."""
        self._process.kill()
        for stream in (self._input, self._output):
            with contextlib.suppress(OSError):
                stream.close()
        self._process.wait()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid


class WorkerPool:
    """Prepares batches of jobs in worker processes; usable from any thread."""

    def __init__(self, workers: int | None = None, timeout: float = 300.0) -> None:
        """`workers`: how many processes, by default one a core; `timeout`: seconds a batch may take."""
        self._timeout = timeout
        self._queue: queue.Queue[tuple[Sequence[Job], Future[Copies]] | None] = queue.Queue()
        self._dictionaries: tuple[int, dict[int, bytes]] = (0, {})
        count = workers or max(1, len(os.sched_getaffinity(0)))
        self._threads = [
            threading.Thread(target=self._serve, name=f"worker-{n}", daemon=True) for n in range(count)
        ]
        self._workers: dict[int, Worker] = {}
        for thread in self._threads:
            thread.start()

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self._threads)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        return [worker.pid for worker in list(self._workers.values())]

    def use_dictionaries(self, dictionaries: dict[int, bytes]) -> None:
        """Compress with these dictionaries from now on (by id; see archive.ledger.codec)."""
        self._dictionaries = (self._dictionaries[0] + 1, dict(dictionaries))

    def submit(self, jobs: Sequence[Job]) -> Future[Copies]:
        """Prepare jobs; the future yields one copy a job, or None for a job that kills workers."""
        future: Future[Copies] = Future()
        self._queue.put((jobs, future))
        return future

    def close(self) -> None:
        """End all workers; what was submitted before is finished first. Safe to call twice."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        slot = threading.get_ident()
        try:
            with contextlib.suppress(OSError):  # said, if it stays so, to whoever submits
                self._worker(slot)  # starts while the source connects
            while (task := self._queue.get()) is not None:
                jobs, future = task
                try:
                    future.set_result(self._prepare(slot, jobs))
                except BaseException as error:  # noqa: BLE001 - whoever waits must be told
                    future.set_exception(error)
        finally:
            self._drop(slot)

    def _prepare(self, slot: int, jobs: Sequence[Job]) -> Copies:
        try:
            return self._worker(slot).prepare(jobs, *self._dictionaries)
        except WorkerDied as death:
            log.warning("a worker died over a batch of %d: %s; trying one at a time", len(jobs), death)
            self._drop(slot)
        attempts = ATTEMPTS if len(jobs) > 1 else ATTEMPTS - 1
        return [self._prepare_alone(slot, job, attempts) for job in jobs]

    def _prepare_alone(self, slot: int, job: Job, attempts: int) -> PreparedCopy | None:
        for _ in range(attempts):
            try:
                return self._worker(slot).prepare([job], *self._dictionaries)[0]
            except WorkerDied as death:
                log.warning("a worker died over one message: %s", death)
                self._drop(slot)
        return None

    def _worker(self, slot: int) -> Worker:
        worker = self._workers.get(slot)
        if worker is None:
            worker = self._workers[slot] = Worker(self._timeout)
        return worker

    def _drop(self, slot: int) -> None:
        worker = self._workers.pop(slot, None)
        if worker is not None:
            worker.end()
