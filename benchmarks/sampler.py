"""A profiler that samples: whose CPU time passes, and in which function of ours.

cProfile makes each call dearer, and so shifts the figures towards small functions; here the program runs
as it is. The kernel counts the CPU time of each thread (/proc/self/task/ID/schedstat); what has been used
since the last look is charged to the innermost function of the package in which the thread is found.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

INTERVAL = 0.001
PACKAGE = "muniment"
OUTSIDE = "outside the package"
TASKS = Path("/proc/self/task")


class Sampler:
    """Profiles this process while the block runs."""

    def __init__(self) -> None:
        self.threads: dict[str, Counter[str]] = {}
        """Seconds of CPU by function, for each thread by name; "native" for threads that aren't Python's."""
        self._clocks: dict[int, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._switch = sys.getswitchinterval()
        sys.setswitchinterval(INTERVAL)
        self._clocks = _clocks()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        sys.setswitchinterval(self._switch)

    def places(self, thread: str = "") -> Counter[str]:
        """Seconds by function, of the threads whose name begins so."""
        found: Counter[str] = Counter()
        for name, places in self.threads.items():
            if name.startswith(thread):
                found.update(places)
        return found

    @property
    def total(self) -> float:
        """Seconds of CPU of all threads."""
        return self.places().total()

    def _sample(self) -> None:
        while not self._ended.is_set():
            time.sleep(INTERVAL)
            names = {thread.native_id: thread for thread in threading.enumerate()}
            frames = sys._current_frames()
            for task, clock in _clocks().items():
                used, self._clocks[task] = clock - self._clocks.get(task, 0), clock
                if thread := names.get(task):
                    self._charge(thread.name, _place(frames.get(thread.ident or 0)), used)
                else:
                    self._charge("native", "native", used)

    def _charge(self, thread: str, place: str, nanoseconds: int) -> None:
        if nanoseconds and thread != self._thread.name:
            self.threads.setdefault(thread, Counter())[place] += nanoseconds / 1e9  # type: ignore[assignment]


def _clocks() -> dict[int, int]:
    """Nanoseconds of CPU that each thread of this process has used."""
    found = {}
    for folder in TASKS.iterdir():
        try:
            found[int(folder.name)] = int((folder / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return found


def _place(frame: FrameType | None) -> str:
    """The innermost function of the package that a frame is in, or is called from."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(f"{PACKAGE}."):
            return f"{module.removeprefix(f'{PACKAGE}.')}: {frame.f_code.co_qualname}"
        frame = frame.f_back
    return OUTSIDE
