"""Wall time, CPU time and memory of a command and all its processes."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

INTERVAL = 0.05
"""Seconds between two samples of the memory of a process tree."""
KIB = 1024


@dataclass(frozen=True)
class Command:
    """A command line and its additional environment."""

    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)

    def start(self, output: Path, folder: Path) -> subprocess.Popen[bytes]:
        """Start the command in `folder`. Its output and errors go to the file `output`."""
        with output.open("wb") as stream:
            return subprocess.Popen(
                self.args,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **self.env},
            )


@dataclass(frozen=True)
class Usage:
    """The resources that a command used, including its descendants, and its output."""

    seconds: float
    cpu: float
    """CPU time in seconds, user and system."""
    output: str


class CommandFailed(Exception):
    """A measured command ended with an error."""


def run(command: Command, folder: Path) -> Usage:
    """Run a command to its end.

    Raises:
        CommandFailed: its exit code is not 0.
    """
    output = folder / "output"
    began = time.perf_counter()
    process = command.start(output, folder)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    printed = output.read_text(errors="replace")
    if process.returncode:
        raise CommandFailed(
            f"{' '.join(command.args[:4])} ended with {process.returncode}: {printed[-2000:]}"
        )
    return Usage(seconds, used.ru_utime + used.ru_stime, printed)


@dataclass(frozen=True)
class Sample:
    """Memory of a process tree at one moment, in bytes."""

    time: float
    """On time.monotonic's clock."""
    rss: int
    """Sum of the resident sets. Shared pages are counted for each process."""
    pss: int
    """Sum of the proportional sets. Shared pages are divided among the processes."""
    largest: int
    """The largest resident set of any process so far, as the kernel remembers it."""
    processes: int


class Watch:
    """Samples the memory of a process and its descendants while the block runs."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(INTERVAL):
            if sample := sample_tree(self._root):
                self.samples.append(sample)


def sample_tree(root: psutil.Process) -> Sample | None:
    """Memory of a process and its descendants now; None if it is gone."""
    try:
        pids = [root.pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.Error:
        return None
    seen = [memory for pid in pids if (memory := _memory(pid))]
    if not seen:
        return None
    resident, peaks, shared = zip(*seen, strict=True)
    return Sample(time.monotonic(), sum(resident), sum(shared), max(peaks), len(seen))


def _memory(pid: int) -> tuple[int, int, int] | None:
    """Resident set, its peak, and proportional set of one process in bytes; None if it is gone."""
    folder = Path("/proc") / str(pid)
    try:
        status = _fields((folder / "status").read_text())
        shared = _fields((folder / "smaps_rollup").read_text())
    except (OSError, ProcessLookupError):
        return None
    if "VmRSS" not in status or "Pss" not in shared:
        return None
    return status["VmRSS"], status["VmHWM"], shared["Pss"]


def _fields(text: str) -> dict[str, int]:
    """`Name: 123 kB` lines, in bytes."""
    lines = (line.split() for line in text.splitlines() if line.endswith(" kB"))
    return {words[0].rstrip(":"): int(words[1]) * KIB for words in lines if len(words) == 3}


@dataclass(frozen=True)
class Peak:
    """The maximum memory of a command, in bytes (see Sample)."""

    rss: int
    pss: int
    largest: int
    seconds: float


def watched(command: Command, folder: Path) -> Peak:
    """Run a command and measure its memory.

    Raises:
        CommandFailed: its exit code is not 0.
    """
    output = folder / "output"
    began = time.perf_counter()
    process = command.start(output, folder)
    with Watch(process.pid) as watch:
        process.wait()
    if process.returncode:
        raise CommandFailed(output.read_text(errors="replace")[-2000:])
    return peak(watch.samples, time.perf_counter() - began)


def peak(samples: Sequence[Sample], seconds: float) -> Peak:
    """The maxima of the samples."""
    return Peak(
        rss=max((one.rss for one in samples), default=0),
        pss=max((one.pss for one in samples), default=0),
        largest=max((one.largest for one in samples), default=0),
        seconds=seconds,
    )


@dataclass(frozen=True)
class Spread:
    """Median and range of a measure."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Median and range of `values`, which must not be empty."""
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` % of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
