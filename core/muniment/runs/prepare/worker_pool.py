"""The pool of worker processes that parse mail.

One thread for each worker sends it batches of jobs over pipes. A worker that dies or does not answer in time
is replaced, and its batch is tried again one job at a time. A job on which a worker died twice is prepared
without its text. If a worker dies on that as well, the job comes back as None. A process pool of the standard
library doesn't know which job killed its worker, and one dead worker breaks the whole pool.

A worker reads a sample mail before it gets a job. So a worker that can't work at all (a broken installation,
no memory, no disk) fails the run, and no mail is blamed for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from muniment.parsing.process import WorkerDied, WorkerProcess, WorkersUnusable
from muniment.runs.prepare.messages import REPLIES, WorkerRequest
from muniment.runs.prepare.prepared_copy import CopyJob, PreparedCopy, size_of
from muniment.system.sanitise import clean

log = logging.getLogger("muniment.workers")

MODULE = "muniment.runs.prepare.worker_process"
"""The module that a worker process runs."""
ATTEMPTS = 2
"""How often a worker may die on the text of one job."""
SECONDS_PER_BYTE = 1 / 1024 / 1024
"""Seconds that a batch gets for each byte in addition to its timeout, so that no mail is too large to be
read."""
Copies = list[PreparedCopy | None]


GREETING = 60.0
"""Seconds that a worker may take to start."""
UNUSABLE = "no mail can be read: repair the installation, memory or disk, and run again; nothing was deleted"


class PreparingWorker:
    """One worker process. It belongs to the thread that sends it jobs."""

    def __init__(self, timeout: float, module: str) -> None:
        self._timeout = timeout
        self._sent_version = -1
        self._checked = False
        self._process = WorkerProcess(module, REPLIES)

    def prepare(
        self, jobs: Sequence[CopyJob], version: int, dictionaries: dict[int, bytes], outline: bool = False
    ) -> Copies:
        """Let the worker prepare jobs. New dictionaries are sent along.

        Args:
            jobs: the copies.
            version: number of the dictionaries.
            dictionaries: compression dictionaries by id.
            outline: read no text.

        Returns:
            One copy for each job; None for a job on which the parser failed.

        Raises:
            WorkerDied: it did not answer in time, or died. It is gone.
            WorkersUnusable: it can't work at all, with any mail.
        """
        self._check_start()
        news = dictionaries if version != self._sent_version else None
        bare = [CopyJob(b"", job.path, job.journal, job.headers) for job in jobs]
        sizes = [len(job.content) for job in jobs]
        patience = self._timeout + sum(map(size_of, jobs)) * SECONDS_PER_BYTE
        request = WorkerRequest(bare, sizes, news, outline)
        reply = self._process.ask(request, [job.content for job in jobs], timeout=patience)
        if reply.fault:
            raise WorkersUnusable(f"{UNUSABLE} ({clean(reply.fault)})")
        if len(reply.copies) != len(jobs):
            raise WorkerDied("its answer does not match the request")
        for problem in reply.problems[: len(jobs)]:
            log.warning("the parser failed on one message (%s)", clean(problem[:80]))
        self._sent_version = version
        return reply.copies

    def _check_start(self) -> None:
        """Check that the worker can read a sample mail. If it dies later, the mail is to blame."""
        if self._checked:
            return
        try:
            reply = self._process.receive(GREETING)
        except WorkerDied as death:
            raise WorkersUnusable(f"{UNUSABLE} ({death})") from death
        if reply.fault or not reply.copies or reply.copies[0] is None:
            raise WorkersUnusable(f"{UNUSABLE} ({reply.fault or 'a sample mail could not be read'})")
        self._checked = True

    def end(self) -> None:
        """Stop the process at once, and wait until it is gone."""
        self._process.end()

    @property
    def pid(self) -> int:
        return self._process.pid


class WorkerPool:
    """Prepares batches of jobs in worker processes. Usable from any thread."""

    def __init__(self, workers: int | None = None, timeout: float = 300.0, module: str = MODULE) -> None:
        """Start the first worker. The others start when batches wait.

        Args:
            workers: largest number of processes; None for one a core.
            timeout: seconds that a batch may take, see SECONDS_PER_BYTE.
            module: the module that a worker process runs.
        """
        self._timeout = timeout
        self._module = module
        self._queue: queue.Queue[tuple[Sequence[CopyJob], Future[Copies]] | None] = queue.Queue()
        self._dictionaries: tuple[int, dict[int, bytes]] = (0, {})
        self._limit = workers or max(1, len(os.sched_getaffinity(0)))
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        """Batches that wait or are being prepared."""
        self._counting = threading.Lock()
        self._workers: dict[int, PreparingWorker] = {}
        self._add_thread()

    @property
    def size(self) -> int:
        """Largest number of workers."""
        return self._limit

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        return [worker.pid for worker in list(self._workers.values())]

    def use_dictionaries(self, dictionaries: dict[int, bytes]) -> None:
        """Compress with these dictionaries from now on (by id, see `archive.ledger.codec`)."""
        self._dictionaries = (self._dictionaries[0] + 1, dict(dictionaries))

    def submit(self, jobs: Sequence[CopyJob]) -> Future[Copies]:
        """Queue jobs.

        Returns:
            A future with one copy for each job, None for a job that kills workers. It raises WorkersUnusable
            if no worker can work, and OSError if a file can't be read or a worker can't be started.
        """
        future: Future[Copies] = Future()
        with self._counting:
            self._unfinished += 1
            if len(self._threads) < min(self._unfinished, self._limit):
                with contextlib.suppress(RuntimeError):  # no thread can start now: the others do the work
                    self._add_thread()
        self._queue.put((jobs, future))
        return future

    def close(self) -> None:
        """End all workers after the jobs that were submitted. Safe to call twice."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _add_thread(self) -> None:
        """Start one more thread with its worker.

        Most runs bring a few messages, for which one worker is enough, and starting one takes time.
        """
        name = f"worker-{len(self._threads)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self) -> None:
        slot = threading.get_ident()
        try:
            with contextlib.suppress(OSError):  # if the error lasts, a submitted batch gets it
                self._worker(slot)  # it starts while the source connects
            while (task := self._queue.get()) is not None:
                jobs, future = task
                try:
                    copies = self._prepare(slot, jobs)
                except BaseException as error:  # noqa: BLE001 - the future's owner gets the error
                    self._finished()
                    future.set_exception(error)
                else:
                    self._finished()
                    future.set_result(copies)
        finally:
            self._drop(slot)

    def _finished(self) -> None:
        with self._counting:
            self._unfinished -= 1

    def _prepare(self, slot: int, jobs: Sequence[CopyJob]) -> Copies:
        if len(jobs) == 1:
            return [self._prepare_alone(slot, jobs[0])]
        try:
            copies = self._worker(slot).prepare(jobs, *self._dictionaries)
        except WorkerDied as death:
            log.warning(
                "a worker died on a batch of %d messages (%s): trying one at a time", len(jobs), death
            )
            self._drop(slot)
            return [self._prepare_alone(slot, job) for job in jobs]
        return [copy or self._outlined(slot, job) for copy, job in zip(copies, jobs, strict=True)]

    def _prepare_alone(self, slot: int, job: CopyJob) -> PreparedCopy | None:
        """One copy; without its text if workers die on that; None if they die on its outline, too."""
        for _ in range(ATTEMPTS):
            try:
                copy = self._worker(slot).prepare([job], *self._dictionaries)[0]
            except WorkerDied as death:
                log.warning("a worker died on one message: %s", death)
                self._drop(slot)
                if death.timed_out:  # a second try would take as long
                    break
                continue
            if copy is not None:
                return copy
            break  # the parser raised an error, and would do so again
        return self._outlined(slot, job)

    def _outlined(self, slot: int, job: CopyJob) -> PreparedCopy | None:
        """One copy without its text. Our own code reads its report, people, subject and parts."""
        try:
            return self._worker(slot).prepare([job], *self._dictionaries, outline=True)[0]
        except WorkerDied as death:
            log.warning("a worker died on the outline of one message: %s", death)
            self._drop(slot)
            return None

    def _worker(self, slot: int) -> PreparingWorker:
        worker = self._workers.get(slot)
        if worker is None:
            worker = self._workers[slot] = PreparingWorker(self._timeout, self._module)
        return worker

    def _drop(self, slot: int) -> None:
        worker = self._workers.pop(slot, None)
        if worker is not None:
            worker.end()
