"""The costs of the terminal app: start, keys, bytes, memory, and its effect on a run."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import psutil

from benchmarks.corpus import DOMAIN, SHARED
from benchmarks.lab import Lab, Mail
from benchmarks.measure import Command, percentile, run
from benchmarks.peers import last_json, require, vault_of
from benchmarks.report import Aim, Section, Table, megabytes, ranged, times
from benchmarks.servers import Teletype
from muniment.client.socket_path import peer_of, place_of
from muniment.client.socket_transport import NoService, dial

START_LIMIT, KEY_LIMIT, SLOWDOWN = 1.5, 0.050, 1.05
MOVE_LIMIT, IDLE_LIMIT, LIVE_LIMIT = 1_000, 0, 60_000
STARTS = 11
"""Number of timed starts of each kind, in turns."""
MOVES = 100
"""Cursor moves whose bytes are counted."""
BEAT = 0.04
"""Seconds between two keys during a run: faster than the repeat rate of a keyboard."""
ROWS = 17
"""Rows of the list of mail below the first one, in this terminal."""
MINUTE = 60.0
QUIET = 0.3
"""Seconds without a byte after which the output of a key is complete."""
EDGE = 2.0
"""Seconds at the start and end of a run that are not counted."""
STILL = 0.05
"""The same as QUIET, for a key that asks the service nothing."""
WATCHED = 2
"""Pairs of watched and unwatched runs in a turn of other races, because the difference is small."""
SHARE = 0.5
"""Share of the race's corpus that a watched run gets."""
BARE = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("people")

Bare().run()
"""
TEXT = """\
Bytes and times are those of a terminal of 80x24 cells and 256 colours, whose other end the benchmark
reads (`tests/support/teletype.py`). A start lasts until the screen's own content is drawn: for Messages
the people who have mail in the vault, for Profiles and Runs the profiles, for Setup the steps, and for
the bare app of Textual a line of text. There are {starts} starts each, in turns. The service already
runs, except for the starts that are named as its first. The time of a key lasts until the first byte that
is drawn for it, while a run archives {count:,} reports in the same service at full speed; a key is
pressed every {beat:.0f} ms, in a list of mail. Runs take turns with the Runs screen watching and without,
each into a new vault. The minute of a live run is taken from these, without the first and last seconds,
in which everything is drawn. An idle minute is one on each of the four screens."""


@dataclass(frozen=True)
class Desk:
    """A vault with its own service, and a home for the app's state."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of every program of the desk."""
        return {"MUNIMENT_RUNTIME": str(self.folder), "MUNIMENT_IDLE": "3600", "HOME": str(self.folder)}

    def say(self, *words: str) -> str:
        """The output of a command, which goes through the service."""
        command = [sys.executable, "-m", "muniment_tui", "--vault", str(vault_of(self.folder)), *words]
        return run(Command(tuple(command), self.env), self.folder).output

    def app(self, area: str) -> Teletype:
        """The app in a terminal, opened in an area."""
        home = self.folder / f"state-{area}"
        (home / "muniment").mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "muniment" / "app.json").write_text(json.dumps({"area": area}))
        command = [sys.executable, "-m", "muniment_tui", "--vault", str(vault_of(self.folder))]
        return Teletype(command, folder=self.folder, env=self.env | {"XDG_STATE_HOME": str(home)})

    @property
    def service(self) -> int:
        """The service's process id; 0 if there is none."""
        before = os.environ.get("MUNIMENT_RUNTIME")
        os.environ["MUNIMENT_RUNTIME"] = str(self.folder)
        try:
            with dial(place_of(vault_of(self.folder))) as connection:
                return peer_of(connection).pid
        except NoService:
            return 0
        finally:
            os.environ.pop("MUNIMENT_RUNTIME")
            if before is not None:
                os.environ["MUNIMENT_RUNTIME"] = before

    def stop(self) -> None:
        """End the service."""
        if pid := self.service:
            service = psutil.Process(pid)
            service.send_signal(signal.SIGTERM)
            service.wait(30)


AREAS = {"messages": f"@{DOMAIN}", "runs": "bench", "profiles": "bench", "setup": "Organisation"}
"""A text on each screen that shows that its content is drawn."""


@contextmanager
def desk(lab: Lab, mail: Mail) -> Iterator[Desk]:
    """A new vault with a profile of that mail, which runs by hand only, and its service."""
    with lab.scratch() as folder:
        made = Desk(folder)
        made.say("init", "--domain", DOMAIN)
        add_profile(made, "bench", mail)
        try:
            yield made
        finally:
            made.stop()


def add_profile(place: Desk, name: str, mail: Mail) -> None:
    """Add a profile of that mail, which runs by hand only."""
    options = ("--source", "maildir", "--path", str(mail.path), "--keep", "--disabled")
    place.say("profile", "add", name, *options)


def measure(lab: Lab) -> Section:
    """Measure all of it."""
    settings = lab.settings
    few, half = lab.mail(settings.small), lab.mail(max(int(settings.count * SHARE), settings.small))
    many = lab.mail(settings.count)
    for mail in (half, many):
        mail.warm()
    with desk(lab, few) as place:
        place.say("run", "bench")
        starts, first = start_times(place)
        moves = move_sizes(place)
        keys, sizes = key_times(place, many)
        idle = idle_bytes(place)
    watched, alone = watched_runs(lab, half)
    found = Found(starts, first, moves, keys, sizes, idle, watched, alone)
    text = TEXT.format(starts=STARTS, count=many.count, beat=BEAT * 1000)
    return Section("The terminal app", text, ("muniment",), _tables(found), _aims(found))


# --- starts ---------------------------------------------------------------------------------------


def start_times(place: Desk) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of each start, by program; and of starts that also start the service."""
    found: dict[str, list[float]] = {"bare": [], **{area: [] for area in AREAS}}
    first = []
    for _ in range(STARTS):
        found["bare"].append(_started(Teletype([sys.executable, "-c", BARE], folder=place.folder), "people"))
        for area, seen in AREAS.items():
            found[area].append(_started(place.app(area), seen))
        place.stop()
        first.append(_started(place.app("messages"), AREAS["messages"]))
    return found, first


def _started(tty: Teletype, seen: str) -> float:
    with tty:
        mark = seen.encode()
        tty.wait(lambda: mark in tty.written(), f"to draw {seen}")
        return tty.when(mark) - tty.began


# --- keys -----------------------------------------------------------------------------------------


def _open_list(tty: Teletype) -> None:
    """Open the list of the largest folder."""
    tty.wait_for(AREAS["messages"])
    tty.press("f")
    tty.wait_for("To the tree")
    tty.press(SHARED)
    tty.wait_for("People", SHARED)
    tty.wait_quiet(QUIET)
    for key in ("Enter", "Down", "Right", "Down", "Enter"):
        tty.press(key)
        tty.wait_quiet(QUIET)
    tty.wait_for(f"Inbox of {SHARED}", "newest first")


def move_sizes(place: Desk) -> dict[str, list[int]]:
    """Bytes that keys send to the terminal, in the list of mail."""
    with place.app("messages") as tty:
        _open_list(tty)
        moves = [key for _ in range(MOVES // 20) for key in ("Down",) * 10 + ("Up",) * 10]
        found = {"a cursor move": [_drawn(tty, key) for key in moves]}
        for _ in range(ROWS):
            _drawn(tty, "Down")
        found["a cursor move that scrolls"] = [_drawn(tty, "Down") for _ in range(ROWS // 2)]
        found["a page"] = [_drawn(tty, key) for _ in range(5) for key in ("PageUp", "PageDown")]
        return found


def _drawn(tty: Teletype, key: str) -> int:
    """Bytes that a key sends."""
    before = tty.count
    tty.press(key)
    tty.wait(lambda: tty.count > before, f"to draw {key}")
    tty.wait_quiet(STILL)
    return tty.count - before


@dataclass(frozen=True)
class Keys:
    """Seconds from keys to their output, and the rate of the run meanwhile."""

    seconds: Sequence[float]
    rate: float


def key_times(place: Desk, mail: Mail) -> tuple[Keys, dict[str, int]]:
    """Press keys in a list of mail during a run, and then measure the memory of app and service."""
    add_profile(place, "many", mail)
    with place.app("messages") as tty:
        _open_list(tty)
        words = ("-m", "muniment_tui", "--vault", str(vault_of(place.folder)), "run", "many", "--json")
        output = place.folder / "output"
        process = Command((sys.executable, *words), place.env).start(output, place.folder)
        seconds = list(_pressed(tty, process.poll))
        summary = last_json(output.read_text())
        require(summary["new"] + summary["merged"], mail.count, "the run")
        processes = {"app": tty.process.pid, "service": place.service}
        sizes = {name: psutil.Process(pid).memory_info().rss for name, pid in processes.items()}
    return Keys(seconds, mail.count / summary["seconds"]), sizes


def _pressed(tty: Teletype, ended: Callable[[], object]) -> Iterator[float]:
    """Press a key at every beat, and return how long each took."""
    keys = itertools.cycle(["Down"] * ROWS + ["Up"] * ROWS)
    while ended() is None:
        before, began = tty.count, time.perf_counter()
        tty.press(next(keys))
        tty.wait(partial(tty.came, before), "to draw a key", every=0.0005)
        yield (tty.came(before) or 0.0) - began
        time.sleep(max(0.0, BEAT - (time.perf_counter() - began)))


# --- minutes --------------------------------------------------------------------------------------


def idle_bytes(place: Desk) -> dict[str, int]:
    """Bytes of a minute without events, on each screen."""
    opened = {area: place.app(area) for area in AREAS}
    try:
        for area, tty in opened.items():
            tty.wait_for(AREAS[area])
            tty.wait_quiet(2.0)
        before = {area: tty.count for area, tty in opened.items()}
        time.sleep(MINUTE)
        return {area: tty.count - before[area] for area, tty in opened.items()}
    finally:
        for tty in opened.values():
            tty.close()


@dataclass(frozen=True)
class Watched:
    """One run: its duration, and the output and CPU time of an app that watched it."""

    seconds: float
    bytes: int = 0
    """Bytes in the middle of the run, without its start and end, when everything is drawn."""
    span: float = 0.0
    """Seconds of that middle part."""
    cpu: float = 0.0


def watched_runs(lab: Lab, mail: Mail) -> tuple[list[Watched], list[Watched]]:
    """Runs with and without the Runs screen watching, in turns."""
    watched: list[Watched] = []
    alone: list[Watched] = []
    for _ in range(lab.settings.runs * WATCHED):
        for watching, found in ((True, watched), (False, alone)):
            with desk(lab, mail) as place:
                os.sync()
                found.append(_run_watched(place, mail) if watching else _run(place, mail))
                print(f"  {'watched' if watching else 'alone'}: {found[-1].seconds:.1f} s", flush=True)
    return watched, alone


def _run(place: Desk, mail: Mail) -> Watched:
    summary = last_json(place.say("run", "bench", "--json"))
    require(summary["new"] + summary["merged"], mail.count, "the run")
    return Watched(summary["seconds"])


def _run_watched(place: Desk, mail: Mail) -> Watched:
    with place.app("runs") as tty:
        tty.wait_for("never ran")
        tty.wait_quiet(1.0)
        process = psutil.Process(tty.process.pid)
        used = sum(process.cpu_times()[:2])
        ran = _run(place, mail)
        ended = time.perf_counter()
        used = sum(process.cpu_times()[:2]) - used
        begin = ended - ran.seconds + EDGE
        end = max(begin, ended - EDGE)
        return Watched(ran.seconds, tty.between(begin, end), end - begin, used)


# --- results --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """All measurements."""

    starts: dict[str, list[float]]
    first: list[float]
    moves: dict[str, list[int]]
    keys: Keys
    sizes: dict[str, int]
    """Memory of app and service in bytes."""
    idle: dict[str, int]
    watched: list[Watched]
    alone: list[Watched]

    @property
    def bare(self) -> float:
        """Seconds until the bare app is drawn."""
        return median(self.starts["bare"])

    @property
    def slower(self) -> float:
        """Relative slowdown of a watched run."""
        return median(one.seconds for one in self.watched) / median(one.seconds for one in self.alone)

    @property
    def minute(self) -> float:
        """Bytes of a minute of a watched run."""
        return sum(one.bytes for one in self.watched) / (sum(one.span for one in self.watched) or 1) * MINUTE


def _aims(found: Found) -> list[Aim]:
    start = median(found.starts["messages"]) / found.bare
    p99 = percentile(found.keys.seconds, 99)
    move, still = max(found.moves["a cursor move"]), max(found.idle.values())
    return [
        Aim("the app's first useful frame: 1.5x a bare Textual app's", times(start), start <= START_LIMIT),
        Aim("key to paint during a run: p99 under 50 ms", f"{p99 * 1000:.1f} ms", p99 < KEY_LIMIT),
        Aim("a run that is watched: at most 5% slower", _percent(found.slower), found.slower <= SLOWDOWN),
        Aim("a cursor move: under 1 KB", f"{move:,} B", move < MOVE_LIMIT),
        Aim("an idle minute: 0 B", f"{still:,} B", still <= IDLE_LIMIT),
        Aim("a minute of a live run: under 60 KB", _kilobytes(found.minute), found.minute < LIVE_LIMIT),
    ]


def _tables(found: Found) -> list[Table]:
    memory = [(name, megabytes(size)) for name, size in found.sizes.items()]
    return [
        Table(("First useful frame", "ms", "Relative"), [*_start_rows(found)]),
        Table(("Keys during a run", "ms"), _key_rows(found.keys)),
        Table(("Bytes to the terminal", "B"), _byte_rows(found)),
        Table(("A run", "s"), _run_rows(found)),
        Table(("Memory after all these keys", "RSS, MB"), memory),
    ]


def _start_rows(found: Found) -> Iterator[tuple[str, ...]]:
    names = {"bare": "a bare Textual app", **{area: f"the app, {area.capitalize()}" for area in AREAS}}
    named = {names[key]: seconds for key, seconds in found.starts.items()}
    named["the app, Messages, with the first start of the service"] = found.first
    for name, seconds in named.items():
        yield name, ranged([one * 1000 for one in seconds], 0), f"{median(seconds) / found.bare:.2f}"


def _key_rows(keys: Keys) -> list[tuple[str, str]]:
    shown = {f"p{percent}": percentile(keys.seconds, percent) for percent in (50, 90, 99)}
    shown["longest"] = max(keys.seconds)
    rows = [(name, f"{seconds * 1000:.1f}") for name, seconds in shown.items()]
    return [(f"keys, while {keys.rate:,.0f} messages/s were archived", f"{len(keys.seconds):,}"), *rows]


def _byte_rows(found: Found) -> list[tuple[str, str]]:
    moves = [(name, ranged(sizes, 0)) for name, sizes in found.moves.items()]
    idle = [(f"an idle minute, {area.capitalize()}", f"{size:,}") for area, size in found.idle.items()]
    return [*moves, *idle, ("a minute of a live run", f"{found.minute:,.0f}")]


def _run_rows(found: Found) -> list[tuple[str, str]]:
    cpu = sum(one.cpu for one in found.watched) / sum(one.seconds for one in found.watched)
    return [
        ("alone", ranged([one.seconds for one in found.alone], 2)),
        ("watched by the app", ranged([one.seconds for one in found.watched], 2)),
        ("CPU of the app that watches, seconds a second", f"{cpu:.3f}"),
    ]


def _percent(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f}%"


def _kilobytes(size: float) -> str:
    return f"{size / 1000:.1f} KB"
