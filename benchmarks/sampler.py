"""A sampling profiler: CPU time of the main thread by function, and of the other threads in total.

cProfile makes each call more expensive and so overstates small functions. A second thread that samples runs
mostly when the first releases the interpreter, and so overstates hashing and compressing. Here a timer
interrupts the main thread. Its CPU time since the last interrupt is charged to the innermost function of the
package.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

INTERVAL = 0.001
THREADS_INTERVAL = 0.02
"""Seconds between two samples of the other threads. At most this much of each is missed."""
PACKAGE = "muniment"
OUTSIDE = "outside the package"
NATIVE = "native"
TASKS = Path("/proc/self/task")


class Sampler:
    """Profiles this process while the block runs. Enter it in the main thread."""

    def __init__(self) -> None:
        self.functions: dict[str, float] = {}
        """CPU seconds of the main thread, by function."""
        self.threads: Counter[str] = Counter()
        """CPU nanoseconds of the other threads, by name; NATIVE for threads that are not Python's."""
        self._last = 0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch_threads, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._before = _clocks()
        self._last = time.thread_time_ns()
        self._watcher.start()
        self._handler = signal.signal(signal.SIGALRM, self._tick)
        signal.siginterrupt(signal.SIGALRM, False)
        signal.setitimer(signal.ITIMER_REAL, INTERVAL, INTERVAL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        self._ended.set()
        self._watcher.join()

    def _tick(self, number: int, frame: FrameType | None) -> None:
        now = time.thread_time_ns()
        place = _place(frame)
        self.functions[place] = self.functions.get(place, 0.0) + (now - self._last) / 1e9
        self._last = time.thread_time_ns()

    def _watch_threads(self) -> None:
        while not self._ended.wait(THREADS_INTERVAL):
            names = {thread.native_id: thread.name for thread in threading.enumerate()}
            for task, clock in _clocks().items():
                self.threads[names.get(task, NATIVE)] += clock - self._before.get(task, 0)
                self._before[task] = clock


def _clocks() -> dict[int, int]:
    """CPU nanoseconds of each thread of this process."""
    found = {}
    for folder in TASKS.iterdir():
        try:
            found[int(folder.name)] = int((folder / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return found


def _place(frame: FrameType | None) -> str:
    """The innermost function of the package that a frame is in or is called from."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(f"{PACKAGE}."):
            return f"{module.removeprefix(f'{PACKAGE}.')}: {frame.f_code.co_qualname}"
        frame = frame.f_back
    return OUTSIDE
