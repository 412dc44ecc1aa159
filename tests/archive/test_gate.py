"""The gate: many threads are inside together, or one alone."""

from __future__ import annotations

import threading
import time

import pytest

from muniment.archive.files.gate import ThreadGate

SOON = 10.0


class Guest:
    """A thread that enters a gate, and stays inside until `leave`."""

    def __init__(self, gate: ThreadGate, alone: bool = False) -> None:
        self.inside = threading.Event()
        self._leave = threading.Event()
        self._passing = gate.alone() if alone else gate.together()
        self._thread = threading.Thread(target=self._stay, daemon=True)
        self._thread.start()

    def _stay(self) -> None:
        with self._passing:
            self.inside.set()
            assert self._leave.wait(SOON)

    def leave(self) -> None:
        """Let the thread leave, once it is inside."""
        self._leave.set()
        self._thread.join(SOON)
        assert not self._thread.is_alive()


@pytest.fixture
def gate() -> ThreadGate:
    return ThreadGate()


def test_many_threads_are_inside_together(gate: ThreadGate) -> None:
    guests = [Guest(gate) for _ in range(3)]
    assert all(guest.inside.wait(SOON) for guest in guests)
    for guest in guests:
        guest.leave()


def test_a_thread_that_wants_to_be_alone_goes_before_later_ones(gate: ThreadGate) -> None:
    first = Guest(gate)
    assert first.inside.wait(SOON)
    alone = Guest(gate, alone=True)
    time.sleep(0.05)
    later = Guest(gate)
    time.sleep(0.05)
    assert not alone.inside.is_set()
    assert not later.inside.is_set()
    first.leave()
    assert alone.inside.wait(SOON)
    assert not later.inside.is_set()
    alone.leave()
    assert later.inside.wait(SOON)
    later.leave()


def test_a_thread_that_is_inside_may_enter_again_while_another_waits(gate: ThreadGate) -> None:
    with gate.together():
        alone = Guest(gate, alone=True)
        time.sleep(0.05)
        with gate.together():
            pass
        assert not alone.inside.is_set()
    assert alone.inside.wait(SOON)
    alone.leave()


def test_a_thread_that_is_alone_may_enter_again(gate: ThreadGate) -> None:
    with gate.alone(), gate.together():
        later = Guest(gate)
        time.sleep(0.05)
        assert not later.inside.is_set()
    assert later.inside.wait(SOON)
    later.leave()


def test_an_error_inside_opens_the_gate_again(gate: ThreadGate) -> None:
    for passing in (gate.together, gate.alone):
        with pytest.raises(ZeroDivisionError), passing():
            raise ZeroDivisionError
    Guest(gate, alone=True).leave()
