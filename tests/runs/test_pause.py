"""Waiting for a source until the run is cancelled."""

from __future__ import annotations

import threading
import time

import pytest

from muniment.runs.pipeline.pause import RunCancelled, RunPause


@pytest.mark.timeout(90)
def test_a_wait_ends_when_the_run_is_cancelled() -> None:
    cancel = threading.Event()
    pause = RunPause(cancel)
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises(RunCancelled):
        pause(3600)
    with pytest.raises(RunCancelled):
        pause(0.01)


@pytest.mark.timeout(90)
def test_a_wait_ends_when_the_archivist_has_given_up() -> None:
    pause = RunPause(threading.Event())
    threading.Timer(0.1, pause.give_up).start()
    with pytest.raises(RunCancelled):
        pause(3600)
    assert pause.given_up


def test_a_firm_wait_continues_after_a_cancellation() -> None:
    cancel = threading.Event()
    cancel.set()
    pause = RunPause(cancel)
    before = time.monotonic()
    with pause.firm():
        pause(0.05)
    assert time.monotonic() - before >= 0.05
    with pytest.raises(RunCancelled):
        pause.check()
    pause.give_up()
    with pause.firm(), pytest.raises(RunCancelled):
        pause(3600)
