"""The memory of the app and its service over eight hours of work, as tests/soak/test_watch.py measures it.

`make bench` writes the report anew and does not measure this. So the test stores its figures in a file, and
puts the section into the report.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.report import Aim, Section, Table, aims_table, megabytes

STORED = Path(__file__).with_name("watch.json")
WARM_UP = 2
"""Hours until everything that is loaded once is loaded."""
GROWTH = 0.05
"""Largest growth after that."""
TITLE = "Eight hours of work"
AIM = "app and service over eight hours: at most 5% more memory"
TEXT = """\
The app is open for eight hours, in minutes: each hour has 60 runs of one message, 60 tours through all
screens, 120 scrolled pages and 20 opened messages, and as many states of the runs as an hour has. Figures are
the most resident memory that app and service have had until the end of each hour, as the kernel remembers it.
Growth is that of all eight hours, compared with that of the first two. Measured with Python {python}."""


@dataclass(frozen=True)
class Watch:
    """The result of a watch."""

    python: str
    app: Sequence[int]
    """Peak of the app until the end of each hour, in bytes."""
    service: Sequence[int]
    """Peak of the service."""

    @property
    def growth(self) -> tuple[float, float]:
        """By which share its peak has grown after the first hours: app, service."""
        return _growth(self.app), _growth(self.service)

    def section(self) -> Section:
        """The section of the report."""
        app, service = self.growth
        aim = Aim(AIM, f"app {app:+.1%}, service {service:+.1%}", max(app, service) <= GROWTH)
        rows = [
            (str(hour), megabytes(one), megabytes(other))
            for hour, (one, other) in enumerate(zip(self.app, self.service, strict=True), 1)
        ]
        table = Table(("Hour", "App, MB", "Service, MB"), rows)
        return Section(TITLE, TEXT.format(python=self.python), ["make soak"], [table], [aim])


def _growth(sizes: Sequence[int]) -> float:
    return sizes[-1] / sizes[WARM_UP - 1] - 1


def stored(path: Path = STORED) -> Watch:
    """The result of the last watch."""
    return Watch(**json.loads(path.read_text()))


def store(sizes: Iterable[tuple[int, int]], report: Path, path: Path = STORED) -> Watch:
    """Keep the peaks of app and service until the end of each hour, also in the report."""
    app, service = zip(*sizes, strict=True)
    watch = Watch(platform.python_version(), list(app), list(service))
    path.write_text(json.dumps(asdict(watch), indent=1) + "\n")
    report.write_text(put_in(report.read_text(), watch.section()))
    return watch


def put_in(report: str, section: Section) -> str:
    """A report with this section, and with its aims in the table of aims, in place of former ones."""
    head, *parts = (part.strip("\n") for part in f"\n{report}".split("\n## "))
    texts = [aim.text for aim in section.aims]
    lines = [line for line in head.split("\n") if line.split(" | ")[0].removeprefix("| ") not in texts]
    lines += aims_table(section.aims).markdown()[2:]  # the head ends with the table
    own = "\n".join(section.markdown()).removeprefix("## ").strip("\n")
    titles = [part.partition("\n")[0] for part in parts]
    if section.title in titles:
        parts[titles.index(section.title)] = own
    else:
        parts.append(own)
    return "\n\n## ".join(["\n".join(lines), *parts]) + "\n"
