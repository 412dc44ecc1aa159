"""The report of the results, in Markdown."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.lab import Trial
from benchmarks.measure import spread
from benchmarks.peers import PROGRAMS
from benchmarks.settings import Settings

LIBRARIES = ("tantivy", "zstandard", "sqlalchemy")
MEGA = 1_000_000
INTRODUCTION = """\
Written by `make bench`. The absolute figures belong to this machine. The ratios matter: they are measured
side by side on the same mail. Every contestant has all cores, a warm page cache and a fresh state each
time. Contestants take turns (A B C, A B C, ...), {runs} times each. Figures are medians, with the range
in brackets."""


@dataclass(frozen=True)
class Aim:
    """An aim, the measured value, and whether the aim is met."""

    text: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Table:
    """Columns and rows. The first column is text, the others are figures."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> list[str]:
        """The table as lines of Markdown."""
        rule = ["---", *("---:" for _ in self.columns[1:])]
        return [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]


@dataclass(frozen=True)
class Section:
    """The results of one scenario."""

    title: str
    text: str
    """How it was measured, and how to read the figures."""
    commands: Sequence[str]
    tables: Sequence[Table]
    aims: Sequence[Aim] = field(default=())

    def markdown(self) -> list[str]:
        """The section as lines of Markdown."""
        lines = [f"## {self.title}", "", self.text, ""]
        if self.commands:
            lines += ["```", *self.commands, "```", ""]
        for table in self.tables:
            lines += [*table.markdown(), ""]
        return lines


def document(settings: Settings, sections: Iterable[Section]) -> str:
    """The whole report."""
    sections = list(sections)
    aims = [aim for section in sections for aim in section.aims]
    lines = [
        "# Benchmarks",
        "",
        INTRODUCTION.format(runs=settings.runs),
        "",
        *aims_table(aims).markdown(),
        "",
        "## Where it was measured",
        "",
        *machine().markdown(),
        "",
    ]
    for section in sections:
        lines += section.markdown()
    return "\n".join(lines).rstrip() + "\n"


def aims_table(aims: Iterable[Aim]) -> Table:
    """Every aim, and whether it is met."""
    rows = [(aim.text, aim.measured, "yes" if aim.met else "**no**") for aim in aims]
    return Table(("Aim", "Measured", "Met"), rows)


def machine() -> Table:
    """The facts about the machine that influence the figures."""
    memory = psutil.virtual_memory().total / 2**30
    rows = [
        ("Processor", f"{len(os.sched_getaffinity(0))} cores of {_processor()}"),
        ("Memory", f"{memory:.0f} GiB"),
        ("System", f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}"),
        ("Python", f"{platform.python_version()} ({sys.implementation.name})"),
        ("Muniment", _library("muniment")),
        ("With", ", ".join(f"{name} {_library(name)}" for name in LIBRARIES)),
        ("Peers", ", ".join(f"{one.name} {one.version() or 'not installed'}" for one in PROGRAMS)),
    ]
    return Table(("", ""), rows)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _library(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


# --- figures --------------------------------------------------------------------------------------


def ranged(values: Sequence[float], digits: int = 1) -> str:
    """Median and range."""
    found = spread(values)
    if len(values) == 1:
        return f"{found.median:,.{digits}f}"
    return f"{found.median:,.{digits}f} ({found.least:,.{digits}f} to {found.most:,.{digits}f})"


def seconds(trials: Sequence[Trial]) -> float:
    """The median of the wall times."""
    return spread([trial.seconds for trial in trials]).median


def race_row(name: str, count: int, trials: Sequence[Trial], first: float) -> tuple[str, ...]:
    """A contestant's row. `first` is the median wall time of the contestant that all are compared with."""
    wall = seconds(trials)
    return (
        name,
        ranged([trial.seconds for trial in trials]),
        f"{count / wall:,.0f}",
        ranged([trial.cpu / count * MEGA for trial in trials], 0),
        f"{wall / first:.2f}",
    )


RACE_COLUMNS = ("", "Wall, s", "Messages/s", "CPU, µs/message", "Wall, relative")


def megabytes(size: float) -> str:
    """Bytes as MB."""
    return f"{size / MEGA:,.1f}"


def times(ratio: float) -> str:
    """A ratio as text."""
    return f"{ratio:.1f}x"
