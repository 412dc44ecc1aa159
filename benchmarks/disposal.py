"""`python -m benchmarks.disposal`: a disposal from a large vault while runs go on and searches are answered.

It takes hours at full size, so it is no part of `make bench`, which keeps the figures of the last one. The
vault is made once, in steps; whoever stops this goes on later. Each disposal works on a copy of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from benchmarks.corpus import Corpus
from benchmarks.large_vault import MARK, SEED, LargeVault
from benchmarks.measure import Watch, peak, percentile
from benchmarks.report import Aim, Section, Table, megabytes
from benchmarks.watch import put_in
from muniment import api
from muniment.client.client import Client
from muniment.client.protocol import Other
from muniment.client.socket_path import place_of
from muniment.client.socket_transport import NoService, SocketTransport, dial

STORED = Path(__file__).with_name("disposal.json")
REPORT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
TITLE = "Disposal from a large vault"
COMMAND = "python -m benchmarks.disposal --store"
SHOWN_EVERY = 10.0
STAGES = {"compared with the rules": "list", "the ledger is read": "read", "messages are erased": "erase",
          "the index is written": "index", "copying the catalog": "catalog"}  # fmt: skip
"""Words in the steps of a disposal, and the stage that they begin."""
WAIT_LIMIT, SEARCH_RATIO = 60.0, 3.0
AIM_WAIT = "runs during a disposal: none waits a minute"
AIM_SEARCH = "searches during a disposal: p99 at most 3 times that before"
TEXT = """\
{disposed:,} messages of {count:,} small ones are disposed of by a retention rule, through the service. A run
of {run_of} messages is asked for {every:.0f} seconds after the one before, and a search every {pause:.1f}
seconds besides its own time, also for {before:.0f} seconds before the disposal. A run waits until its first
message is listed; the disposal lets it go first at the next pause. Memory is that of the service and its
workers. Measured with Python {python}."""


@dataclass(frozen=True)
class Pace:
    """How much others use the service, in seconds."""

    before: float = 60.0
    """For how long runs and searches are measured before the disposal."""
    run_every: float = 5.0
    """Between two runs."""
    run_of: int = 20
    """Messages of a run."""
    search_every: float = 0.1
    """Between two searches."""


PACE = Pace()


@dataclass
class Measured:
    """What one disposal gave. Times are in seconds."""

    python: str
    count: int
    disposed: int
    simulated: float = 0.0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    runs: dict[str, list[float]] = field(default_factory=dict)
    """Waits of the runs, by "before" and "during"."""
    searches: dict[str, dict[str, float]] = field(default_factory=dict)
    """Number, p50 and p99 of the searches, by "before" and "during"."""
    memory: dict[str, int] = field(default_factory=dict)
    """Largest proportional memory in bytes, by "before" and "during"."""

    @property
    def wait(self) -> float:
        """The longest wait of a run during the disposal."""
        return max(self.runs["during"], default=0.0)

    def ratio(self, name: str) -> float:
        """By which factor a figure of the searches is higher during the disposal."""
        return self.searches["during"][name] / self.searches["before"][name]

    def section(self) -> Section:
        """The section of the report."""
        text = TEXT.format(disposed=self.disposed, count=self.count, run_of=PACE.run_of, every=PACE.run_every,
                           pause=PACE.search_every, before=PACE.before, python=self.python)  # fmt: skip
        figures = [
            ("Simulation, s", f"{self.simulated:,.0f}"),
            ("Disposal, s", f"{self.seconds:,.0f}"),
            *((f"of that: {name}, s", f"{seconds:,.0f}") for name, seconds in self.stages.items()),
            ("Messages disposed of a second", f"{self.disposed / self.seconds:,.0f}"),
        ]
        rows = [(name, *(self._figure(name, when) for when in ("before", "during"))) for name in
                ("Runs", "Longest wait of a run, s", "Searches", "Search p50, ms", "Search p99, ms",
                 "Memory, MB")]  # fmt: skip
        aims = [
            Aim(AIM_WAIT, f"{self.wait:.1f} s at most", self.wait < WAIT_LIMIT),
            Aim(AIM_SEARCH, f"{self.ratio('p99'):.1f}x", self.ratio("p99") <= SEARCH_RATIO),
        ]
        tables = [Table(("", ""), figures), Table(("", "Before", "During"), rows)]
        return Section(TITLE, text, [COMMAND], tables, aims)

    def _figure(self, name: str, when: str) -> str:
        found, waits = self.searches[when], self.runs[when]
        return {
            "Runs": f"{len(waits):,}",
            "Longest wait of a run, s": f"{max(waits, default=0.0):.1f}",
            "Searches": f"{found['count']:,.0f}",
            "Search p50, ms": f"{found['p50'] * 1000:.1f}",
            "Search p99, ms": f"{found['p99'] * 1000:.1f}",
            "Memory, MB": megabytes(self.memory[when]),
        }[name]


def stored(path: Path = STORED) -> Measured | None:
    """The result of the last stored disposal; None if there is none."""
    return Measured(**json.loads(path.read_text())) if path.exists() else None


# --- the service and its clients ------------------------------------------------------------------


def client_of(vault: Path) -> Client:
    """A client of the service of a vault."""

    def other(service: Other) -> None:
        raise RuntimeError(f"the service has version {service.version}")

    return Client(SocketTransport(lambda: dial(place_of(vault)), other))


@contextmanager
def service(vault: Path, runtime: Path) -> Iterator[psutil.Process]:
    """The service of a vault, in a process of its own."""
    os.environ["MUNIMENT_RUNTIME"] = str(runtime)
    runtime.mkdir(mode=0o700, exist_ok=True)
    with (runtime / "log").open("wb") as log:
        command = [sys.executable, "-m", "muniment_tui", "--vault", str(vault), "service"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _await_service(vault, process)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()


def _await_service(vault: Path, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            dial(place_of(vault)).close()
            return
        except NoService:
            time.sleep(0.2)
    raise RuntimeError("the service did not start")


class Load:
    """Runs and searches of other clients, until it is closed."""

    def __init__(self, vault: Path, box: Path, pace: Pace) -> None:
        self.waits: dict[str, list[float]] = {"before": [], "during": []}
        self.searches: dict[str, list[float]] = {"before": [], "during": []}
        self.when = "before"
        self.errors: list[str] = []
        self._vault, self._box, self._sent, self._run_of = vault, box, 0, pace.run_of
        self._over = threading.Event()
        acts = ((self._run, pace.run_every), (self._search, pace.search_every))
        self._threads = [threading.Thread(target=self._loop, args=one, daemon=True) for one in acts]
        rng = random.Random(5)
        words = Corpus(SEED, attachments=1).words
        self._words = [rng.choice(words[20:3_000]) for _ in range(5_000)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the run and the search in hand."""
        self._over.set()
        for thread in self._threads:
            thread.join(600)

    def _loop(self, act: Callable[[], None], pause: float) -> None:
        while not self._over.wait(pause):
            try:
                act()
            except Exception as error:  # noqa: BLE001 - it is reported at the end
                self.errors.append(f"{type(error).__name__}: {error}")

    def _run(self) -> None:
        start = 10**9 + self._sent
        large = LargeVault(self._box, start + self._run_of, 0)
        for number, report in enumerate(large.reports(start, start + self._run_of)):
            (self._box / "new" / f"{self._sent + number:09d}.live").write_bytes(report)
        self._sent += self._run_of
        began, waited = time.monotonic(), None
        when = self.when
        for word in client_of(self._vault).stream(api.Run(profile="live")):
            begun = not isinstance(word, api.ProgressWord) or word.stage != "waiting"
            if waited is None and begun:
                waited = time.monotonic() - began
        self.waits[when].append(waited or 0.0)
        if isinstance(word, api.RunSummary) and word.state != "ok":
            self.errors.append(f"a run ended {word.state}: {word.error}")

    def _search(self) -> None:
        query = self._words[len(self.searches[self.when]) % len(self._words)]
        began, when = time.perf_counter(), self.when
        client_of(self._vault).call(api.Search(query=query, limit=50), api.Hits)
        self.searches[when].append(time.perf_counter() - began)


# --- the measurement ------------------------------------------------------------------------------


def measure(large: LargeVault, say: Callable[[str], None], pace: Pace = PACE) -> Measured:
    """Copy the vault, and dispose of its old messages.

    Raises:
        RuntimeError: something else was disposed of, or a run failed.
    """
    vault, box = large.folder / "work", large.folder / "live"
    for folder in (vault, box):
        shutil.rmtree(folder, ignore_errors=True)
    say("copying the vault")
    subprocess.run(["cp", "-a", "--reflink=auto", str(large.vault), str(vault)], check=True)
    for part in ("new", "cur", "tmp"):
        (box / part).mkdir(parents=True)
    result = Measured(platform.python_version(), large.count, large.old)
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="mu-") as runtime, service(vault, Path(runtime)) as process:
        client = client_of(vault)
        fields = {"source": "maildir", "path": str(box), "journal": True, "enabled": False}
        client.call(api.PutProfile(name="live", fields=fields, new=True), api.Done)
        load = Load(vault, box, pace)
        load.start()
        try:
            with Watch(process.pid) as watch:
                say(f"runs and searches before the disposal, for {pace.before:.0f} seconds")
                time.sleep(pace.before)
                result.memory["before"] = peak(watch.samples, pace.before).pss
            with Watch(process.pid) as watch:
                _dispose(client, load, result, say)
                result.memory["during"] = peak(watch.samples, result.seconds).pss
        finally:
            load.stop()
        _check(client, result, load)
    result.runs = load.waits
    for when, found in load.searches.items():
        result.searches[when] = {
            "count": len(found), "p50": percentile(found, 50), "p99": percentile(found, 99),
        }  # fmt: skip
    shutil.rmtree(vault, ignore_errors=True)
    return result


def _dispose(client: Client, load: Load, result: Measured, say: Callable[[str], None]) -> None:
    rule = api.RuleSpec(name="a year", kind="dispose", period="1 year")
    client.call(api.SetRules(rules=(rule,)), api.RulesSet)
    load.when = "during"
    began = time.monotonic()
    found = _last(client.stream(api.SimulateRetention()), lambda stage, seconds: None, say)
    assert isinstance(found, api.Simulation)
    result.simulated = time.monotonic() - began
    say(f"the simulation took {result.simulated:.0f} s and lists {found.listed:,} messages")
    began = time.monotonic()

    def count(stage: str, seconds: float) -> None:
        result.stages[stage] = result.stages.get(stage, 0.0) + seconds

    done = _last(client.stream(api.DisposeMail(at=found.at, list=found.list)), count, say)
    result.seconds = time.monotonic() - began
    if not isinstance(done, api.Disposed) or done.messages != result.disposed:
        raise RuntimeError(f"the disposal was to erase {result.disposed} messages: {done}")


def _last(
    words: Iterator[api.WireWord], count: Callable[[str, float], None], say: Callable[[str], None]
) -> api.WireWord:
    """The last reply; counts how long each stage took, and says how far it is."""
    stage, since, shown = "wait", time.monotonic(), 0.0
    word: api.WireWord | None = None
    for word in words:
        now = time.monotonic()
        text = word.text if isinstance(word, api.Step) else ""
        count(stage, now - since)
        since = now
        stage = next((name for part, name in STAGES.items() if part in text), stage)
        if text and now - shown >= SHOWN_EVERY:
            shown = now
            say(text)
    assert word is not None
    return word


def _check(client: Client, result: Measured, load: Load) -> None:
    if load.errors:
        raise RuntimeError(f"{len(load.errors)} runs or searches failed, such as: {load.errors[0]}")
    found = client.call(api.Search(query=MARK, limit=1), api.Hits)
    kept = client.call(api.GetStatus(), api.Status).messages
    if found.total or kept < result.count - result.disposed:
        raise RuntimeError(f"{found.total} disposed messages are still found, {kept} messages are kept")


# --- the command ----------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the vault, measure, and print or store the section of the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disposal", description=__doc__)
    parser.add_argument("--vault", type=int, default=1_000_000, metavar="N", help="messages of the vault")
    parser.add_argument("--dispose", type=int, default=100_000, metavar="N", help="how many of them go")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/muniment-disposal"), metavar="DIR",
                        help="where the vault is made and kept for the next time")  # fmt: skip
    parser.add_argument("--store", action="store_true", help=f"put the figures into {REPORT.name}")
    args = parser.parse_args(arguments)
    args.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:7.0f} s] {text}", flush=True)

    try:
        large = LargeVault(args.folder, args.vault, args.dispose)
        large.make(say)
        result = measure(large, say)
    except KeyboardInterrupt:
        say("stopped; the same command goes on with the vault that was made so far")
        return 130
    section = result.section()
    print("\n".join(section.markdown()))
    for aim in section.aims:
        print(f"{'met   ' if aim.met else 'MISSED'} {aim.text}: {aim.measured}")
    if args.store:
        STORED.write_text(json.dumps(asdict(result), indent=1) + "\n")
        REPORT.write_text(put_in(REPORT.read_text(), section))
    return 0


if __name__ == "__main__":
    sys.exit(main())
