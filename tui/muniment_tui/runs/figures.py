"""A run's figures as they are shown: how fast, the books as equations, how it ended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from textual.content import Content

from muniment.api import ProfileState, ProgressWord
from muniment.system.formatting import count, local_moment, seconds, size
from muniment_tui.terminal.safe_text import joined, shown

WINDOW = 15.0
"""Seconds over which a rate is taken."""
SPEEDS = 30
"""How many speeds are kept for the sparkline."""
MOST = 2
"""Profiles that the status line names; of more it says how many there are."""
SIGNS = {"ok": ("✓", "$success"), "failed": ("✗", "$error"), "cancelled": ("■", "$warning")}
UNKNOWN = ("?", "$warning")


def sign(state: str) -> Content:
    """How a run ended, in one cell; told by its shape, not by its colour alone."""
    mark, style = SIGNS.get(state, UNKNOWN)
    return shown(mark, f"bold {style}")


def now() -> float:
    """Seconds of the clock that measures."""
    return time.monotonic()


class Pace:
    """How fast a run goes now: over the last seconds, not since it began."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()
        """When, and how many messages and bytes had arrived."""
        self.speeds: deque[float] = deque(maxlen=SPEEDS)
        """Messages a second, from one look to the next."""
        self._percents: dict[str, int] = {}

    def percent(self, stage: str, done: int, total: int) -> int | None:
        """A stage's share of what is to come; it never goes back during a run. None without a total."""
        if total > 0:
            now = min(max(done, 0) * 100 // total, 100)
            self._percents[stage] = max(now, self._percents.get(stage, 0))
        return self._percents.get(stage)

    def see(self, run: ProgressWord) -> None:
        """The run has come so far."""
        if self._seen and run.arrived < self._seen[-1][1]:
            self._seen.clear()  # another run
            self.speeds.clear()
            self._percents.clear()
        at = now()
        self._seen.append((at, run.arrived, run.bytes))
        while len(self._seen) > 2 and self._seen[1][0] <= at - WINDOW:
            self._seen.popleft()
        self.speeds.append(self._newest())

    def rate(self) -> float:
        """Messages a second."""
        return self._a_second(1)

    def bytes(self) -> float:
        """Bytes a second."""
        return self._a_second(2)

    def _newest(self) -> float:
        if len(self._seen) < 2:
            return 0.0
        (then, had, _), (at, has, _) = self._seen[-2], self._seen[-1]
        return (has - had) / (at - then) if at > then else 0.0

    def _a_second(self, which: int) -> float:
        if len(self._seen) < 2:
            return 0.0
        first, last = self._seen[0], self._seen[-1]
        passed = last[0] - first[0]
        return (last[which] - first[which]) / passed if passed > 0 else 0.0


# --- the books ------------------------------------------------------------------------------------


def equations(books: Mapping[str, Any], balanced: bool | None = None) -> Content:
    """The books: what was listed and what became of it, each line a sum; a sign tells whether it comes out.

    `balanced`: what the run itself says; None while it goes on.
    """
    told = {name: int(books.get(name, 0)) for name in (*LISTED, *FETCHED, "listed", "fetched", "deleted")}
    kept = sum(told[name] for name in KEPT)
    width = max(len(count(told[name])) for name in ("listed", "fetched", "deleted"))
    lines = [
        _sum("listed", told, LISTED, width),
        _sum("fetched", told, FETCHED, width),
        joined(
            (f"{'deleted':<9}", "$secondary"),
            (f"{count(told['deleted']):>{width}}", "bold"),
            (f" at the source, of {count(kept)} kept  ", ""),
            _even(told["deleted"] <= kept),
        ),
    ]
    if balanced is False:
        lines.append(shown("✗ The books do not balance: run it again, and report this.", "bold $error"))
    return Content("\n").join(lines)


LISTED = ("fetched", "already", "failed", "skipped", "pending")
FETCHED = ("new", "merged", "quarantined", "left")
KEPT = ("already", "new", "merged", "quarantined")


def _sum(name: str, told: Mapping[str, int], parts: tuple[str, ...], width: int) -> Content:
    terms = [part for part in parts if told[part]] or [parts[0]]
    return joined(
        (f"{name:<9}", "$secondary"),
        (f"{count(told[name]):>{width}}", "bold"),
        (" = " + " + ".join(f"{count(told[part])} {part}" for part in terms) + "  ", ""),
        _even(told[name] == sum(told[part] for part in parts)),
    )


def _even(holds: bool) -> Content:
    return shown("✓", "$success") if holds else shown("✗ does not balance", "bold $error")


# --- a profile, and how its last run went -------------------------------------------------------------


def when(timestamp: int) -> str:
    """Month, day and minute in this machine's time zone; "" for never."""
    return f"{local_moment(timestamp):%m-%d %H:%M}" if timestamp else ""


def clock(timestamp: int) -> str:
    """Hour and minute; "" for never."""
    return f"{local_moment(timestamp):%H:%M}" if timestamp else ""


def runs_by_itself(profile: ProfileState) -> bool:
    """Whether the schedule runs it."""
    return profile.enabled and profile.tested


def by_hand(profiles: Iterable[ProfileState]) -> str:
    """A sentence on the profiles that do not run by themselves; "" where all do."""
    names = [profile.name for profile in profiles if not runs_by_itself(profile)]
    if len(names) > MOST:
        return f"{len(names)} profiles do not run by themselves"
    verb = "does not run by itself" if len(names) == 1 else "do not run by themselves"
    return f"{', '.join(names)} {verb}" if names else ""


def standing(profile: ProfileState) -> Content:
    """What a profile does now."""
    run = profile.running
    if run is None:
        by_hand = "by hand only" if profile.tested else "not tested yet"
        return shown("waits for its time" if profile.next_start else by_hand, "$secondary")
    if run.stage == "waiting":
        return joined(("…", "bold $accent"), ("waits its turn", ""), gap=" ")
    percent = f" {run.percent}%" if run.percent is not None else ""
    return joined(("▶", "bold $accent"), (f"{run.stage}{percent}", "bold"), gap=" ")


def last_run(last: Mapping[str, Any] | None) -> Content:
    """How a profile's last run went, on a line: what goes without saying is left out."""
    if last is None:
        return joined(("○", "$secondary"), ("never ran", "$secondary"), gap=" ")
    state = str(last.get("state", ""))
    parts = [] if state == "ok" else [(state, "")]
    return joined(sign(state), *parts, (when(int(last.get("ended", 0))), ""), (news(last), ""), gap=" ")


def ended(last: Mapping[str, Any]) -> Content:
    """How a run ended, when, and how much it took."""
    state = str(last.get("state", ""))
    at = when(int(last.get("ended", 0)))
    return joined(
        sign(state), (f" {state}", "bold"), (f"  {at}" if at else "", ""), (f"  {volume(last)}", "$secondary")
    )


def news(told: Mapping[str, Any]) -> str:
    """What a run brought, in a few words; why it failed, for one that brought nothing."""
    names = ("new", "merged", "quarantined", "failed", "skipped")
    words = [f"{count(int(told[name]))} {name}" for name in names if told.get(name)]
    if not words and told.get("error"):
        often = f"{count(int(told['in_a_row']))} times: " if int(told.get("in_a_row", 1)) > 1 else ""
        return often + str(told["error"])
    return ", ".join(words) or "nothing new"


def volume(told: Mapping[str, Any]) -> str:
    """How much a run that has ended took, and how fast it was."""
    took, fetched = float(told.get("seconds", 0.0)), int(told.get("fetched", 0))
    rate = f", {count(round(fetched / took))}/s" if took >= 0.1 and fetched else ""
    return f"{size(int(told.get('bytes', 0)))} in {seconds(took)}{rate}"
