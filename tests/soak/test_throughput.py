"""A large archive takes mail in as fast as a small one, in the same memory, and so does one of long mail."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.corpus import DOMAIN, Corpus
from benchmarks.measure import Sample, Watch, peak, run
from benchmarks.peers import muniment

WARM_UP = 2_000
EACH = 20_000
RUNS = 10
LEAST = 0.8
"""Minimum speed of the last run, as a share of the first."""
GROWTH = 1.15
"""Maximum growth of memory from the first to the last run."""
TOTAL_LIMIT, EACH_LIMIT = 500_000_000, 300_000_000
LONG, LENGTH = 2_000, 600_000
"""Mails that consist of one long text, like logs sent by programs, and their size in bytes."""


@dataclass(frozen=True)
class Ended:
    """A run's summary, and the time it was printed, on time.monotonic's clock."""

    time: float
    summary: dict[str, object]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is deleted immediately after the test, since it holds gigabytes."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_throughput_and_memory_stay_flat(folder: Path) -> None:
    sizes = [WARM_UP, *[EACH] * RUNS]
    names = [f"part-{number:02d}" for number in range(len(sizes))]
    prepare(folder, dict(zip(names, sizes, strict=True)))
    ends, samples = watched_runs(folder, names)

    assert [one.summary["profile"] for one in ends] == names
    for one, size in zip(ends, sizes, strict=True):
        assert one.summary["state"] == "ok"
        assert one.summary["balanced"] is True
        assert one.summary["listed"] == one.summary["fetched"] == size

    seconds = [later.time - earlier.time for earlier, later in itertools.pairwise(ends)]
    rates = [EACH / one for one in seconds]
    peaks = [
        peak([one for one in samples if earlier.time < one.time <= later.time], later.time - earlier.time)
        for earlier, later in itertools.pairwise(ends)
    ]
    summary = "\n".join(
        f"{name}: {rate:.0f}/s, {one.rss / 1e6:.0f} MB together, {one.largest / 1e6:.0f} MB the largest"
        for name, rate, one in zip(names[1:], rates, peaks, strict=True)
    )
    print(summary)
    assert rates[-1] >= LEAST * rates[0], summary
    assert peaks[-1].rss <= GROWTH * peaks[0].rss, summary
    assert max(one.rss for one in peaks) <= TOTAL_LIMIT, summary
    assert max(one.largest for one in peaks) <= EACH_LIMIT, summary


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_long_mail_takes_no_more_memory(folder: Path) -> None:
    """Indexing is slower than reading mail. The mail that waits for the index must not pile up."""
    write(folder / "long", long_mail(LONG, LENGTH))
    run(muniment(folder, "init", "--domain", DOMAIN), folder)
    options = ("--source", "maildir", "--path", str(folder / "long"), "--keep")
    run(muniment(folder, "profile", "add", "long", *options), folder)
    (end,), samples = watched_runs(folder, ["long"])
    assert (end.summary["state"], end.summary["new"]) == ("ok", LONG)
    most = peak(samples, 0)
    summary = f"{most.rss / 1e6:.0f} MB together, {most.largest / 1e6:.0f} MB the largest"
    print(summary)
    assert most.rss <= TOTAL_LIMIT, summary
    assert most.largest <= EACH_LIMIT, summary


def long_mail(count: int, length: int) -> Iterator[bytes]:
    """Mails of this many bytes, each with other words of one vocabulary."""
    chance = random.Random(7)
    vocabulary = [f"{chance.getrandbits(4 * chance.randint(2, 10)):x}" for _ in range(60_000)]
    for number in range(count):
        words = chance.choices(vocabulary, k=length // 7)
        lines = (" ".join(words[start : start + 11]) for start in range(0, len(words), 11))
        head = (f"From: log@{DOMAIN}", f"To: admin@{DOMAIN}", f"Message-ID: <{number}@{DOMAIN}>")
        yield "\r\n".join((*head, f"Subject: Log {number}", "", *lines, "")).encode()


def prepare(folder: Path, parts: dict[str, int]) -> None:
    """Create a vault, and a maildir and a profile for each part of one long stream of reports."""
    reports = Corpus().reports(sum(parts.values()))
    run(muniment(folder, "init", "--domain", DOMAIN), folder)
    for name, size in parts.items():
        write(folder / name, itertools.islice(reports, size))
        options = ("--source", "maildir", "--path", str(folder / name), "--keep")
        run(muniment(folder, "profile", "add", name, *options), folder)
    os.sync()


def write(maildir: Path, reports: Iterator[bytes]) -> None:
    """Write reports into a maildir."""
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    for number, report in enumerate(reports):
        (maildir / "cur" / f"{number:07d}.soak:2,S").write_bytes(report)


def watched_runs(folder: Path, names: list[str]) -> tuple[list[Ended], list[Sample]]:
    """Run all profiles, one after another, in one process, and measure its memory."""
    output = folder / "output"
    process = muniment(folder, "run", *names, "--json").start(output, folder)
    ends: list[Ended] = []
    done = threading.Event()
    reader = threading.Thread(target=follow, args=(output, done, ends))
    reader.start()
    with Watch(process.pid) as watch:
        code = process.wait()
    done.set()
    reader.join()
    assert code == 0, output.read_text()[-2000:]
    return ends, watch.samples


def follow(output: Path, done: threading.Event, ends: list[Ended]) -> None:
    """Record when each line appears in a growing file."""
    with output.open() as stream:
        line = ""
        while True:
            last = done.is_set()
            line += stream.readline()
            if line.endswith("\n"):
                ends.append(Ended(time.monotonic(), json.loads(line)))
                line = ""
            elif last:
                return
            else:
                time.sleep(0.01)
