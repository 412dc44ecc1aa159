"""A gate for threads: many may be inside together, or one alone (a readers-writer lock)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ThreadGate:
    """Lets threads in together, or one thread alone.

    A thread that waits to be alone goes before threads that arrive later. A thread that is inside may enter
    again, so functions that use the gate may call each other. A thread that is inside together with others
    must not ask to be alone: it would wait for itself.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._alone = False
        """Whether a thread is alone inside, or waits for that."""
        self._own = threading.local()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Be inside together with others."""
        if getattr(self._own, "inside", False):
            yield
            return
        with self._changed:
            while self._alone:
                self._changed.wait()
            self._inside += 1
        self._own.inside = True
        try:
            yield
        finally:
            self._own.inside = False
            with self._changed:
                self._inside -= 1
                if self._alone:
                    self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be inside while no other thread is."""
        with self._changed:
            while self._alone:
                self._changed.wait()
            self._alone = True
        try:
            with self._changed:
                while self._inside:
                    self._changed.wait()
            self._own.inside = True
            yield
        finally:
            self._own.inside = False
            with self._changed:
                self._alone = False
                self._changed.notify_all()
