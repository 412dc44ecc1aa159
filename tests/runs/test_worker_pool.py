"""The pool starts as many workers as there is work for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing

import pytest

from muniment.runs.prepare.prepared_copy import CopyJob
from muniment.runs.prepare.worker_pool import WorkerPool
from support.reports import plain, report

MAILS = [report(plain(subject=f"Offer {number}")) for number in range(8)]


def job(content: bytes) -> CopyJob:
    return CopyJob(content, "", journal=True)


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with closing(WorkerPool(4, timeout=60)) as made:
        yield made


def test_one_batch_after_another_needs_one_worker(pool: WorkerPool) -> None:
    for content in MAILS:
        (copy,) = pool.submit([job(content)]).result(60)
        assert copy is not None
    assert len(pool.pids) == 1


def test_batches_that_wait_start_more_workers_up_to_the_limit(pool: WorkerPool) -> None:
    many = [pool.submit([job(content) for content in MAILS]) for _ in range(40)]
    assert wait(many, 60).not_done == set()
    assert all(None not in future.result() for future in many)
    assert len(pool.pids) == pool.size == 4


def test_work_that_was_submitted_is_done_before_the_pool_is_closed() -> None:
    pool = WorkerPool(2, timeout=60)
    many = [pool.submit([job(content)]) for content in MAILS]
    pool.close()
    assert all(future.done() and None not in future.result() for future in many)
    assert pool.pids == []


def test_a_machine_that_starts_no_more_threads_has_the_work_done_by_one(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    many = [pool.submit([job(content) for content in MAILS]) for _ in range(10)]
    assert wait(many, 60).not_done == set()
    assert all(None not in future.result() for future in many)
    assert len(pool.pids) == 1
