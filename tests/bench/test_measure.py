"""The instruments of the benchmarks measure what they say."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from muniment.mail.text.html import to_text

sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.measure import Command, CommandFailed, percentile, run, spread, watched
from benchmarks.report import Aim, Table, aims_table
from benchmarks.sampler import OUTSIDE, Sampler

MEGA = 1_000_000


def python(code: str) -> Command:
    return Command((sys.executable, "-c", code))


def test_percentile_is_a_value_that_so_many_do_not_exceed() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7


def test_spread_is_median_and_range() -> None:
    found = spread([3.0, 1.0, 2.0])
    assert (found.median, found.least, found.most) == (2, 1, 3)


def test_run_counts_the_cpu_of_descendants(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.4: pass"
    usage = run(
        python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}]); print(7)"),
        tmp_path,
    )
    assert usage.cpu >= 0.4
    assert usage.seconds >= 0.4
    assert usage.output == "7\n"


def test_run_says_what_a_failed_command_printed(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no such luck"):
        run(python("raise SystemExit('no such luck')"), tmp_path)


def test_watched_adds_up_a_tree_of_processes(tmp_path: Path) -> None:
    hold = "import time; held = b'x' * 60_000_000; time.sleep(0.8)"
    both = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {hold!r}]); {hold}; p.wait()"
    found = watched(python(both), tmp_path)
    assert found.rss >= 120 * MEGA
    assert 60 * MEGA <= found.largest < 120 * MEGA
    assert found.pss <= found.rss


def test_watched_knows_a_peak_between_two_looks(tmp_path: Path) -> None:
    found = watched(python("import time; held = b'x' * 80_000_000; del held; time.sleep(0.3)"), tmp_path)
    assert found.largest >= 80 * MEGA


def test_sampler_charges_cpu_and_not_waiting() -> None:
    with Sampler() as sampler:
        time.sleep(0.2)
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
    assert 0.15 <= sum(sampler.functions.values()) <= 0.3
    assert list(sampler.functions) == [OUTSIDE]


def test_sampler_tells_functions_of_the_package_apart() -> None:
    text = "<p>a few words " * 2000
    with Sampler() as sampler:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            to_text(text)
    dearest = max(sampler.functions, key=lambda place: sampler.functions[place])
    assert dearest.startswith("mail.text.html: ")


def test_sampler_counts_other_threads() -> None:
    def busy() -> None:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
        ended.wait()

    ended = threading.Event()
    with Sampler() as sampler:
        thread = threading.Thread(target=busy, name="busy")
        thread.start()
        time.sleep(0.6)
        ended.set()
        thread.join()
    assert 0.15 <= sampler.threads["busy"] / 1e9 <= 0.3


def test_table_is_markdown() -> None:
    table = aims_table([Aim("fast", "2.0x", True), Aim("small", "0.4", False)])
    assert table == Table(("Aim", "Measured", "Met"), [("fast", "2.0x", "yes"), ("small", "0.4", "**no**")])
    assert table.markdown()[:2] == ["| Aim | Measured | Met |", "| --- | ---: | ---: |"]
