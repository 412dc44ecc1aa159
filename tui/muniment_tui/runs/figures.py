"""The figures of a run as they are shown: speed, books, result."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from textual.content import Content

from muniment.api import ProfileState, ProgressWord
from muniment.system.formatting import count, local_moment, seconds, size
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets import chips

WINDOW = 15.0
"""Seconds over which a rate is measured."""
SPEEDS = 120
"""Number of speeds in the chart."""
MOST = 2
"""Maximum number of profiles that the status line names. If there are more, it shows their number."""
KINDS = {"ok": "ok", "failed": "failed", "cancelled": "stopped"}
"""The chips of the results of a run. Any other result is a warning."""


def sign(state: str) -> Content:
    """The result of a run in one cell, recognisable without colour."""
    return chips.sign(KINDS.get(state, "warning"))


def result(state: str) -> Content:
    """The result of a run as a chip."""
    return chips.chip(KINDS.get(state, "warning"), state or "unknown")


def now() -> float:
    """Seconds of the monotonic clock."""
    return time.monotonic()


class RunPace:
    """The current speed of a run, measured over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()
        """For each observation: time, messages and bytes fetched so far."""
        self.speeds: deque[float] = deque(maxlen=SPEEDS)
        """Messages a second, from one observation to the next."""
        self._percents: dict[str, int] = {}

    def percent(self, stage: str, done: int, total: int) -> int | None:
        """The progress of a stage in percent, which never decreases during a run. None if the total is
        unknown."""
        if total > 0:
            now = min(max(done, 0) * 100 // total, 100)
            self._percents[stage] = max(now, self._percents.get(stage, 0))
        return self._percents.get(stage)

    def see(self, run: ProgressWord) -> None:
        """Record an observation of the run."""
        if self._seen and run.arrived < self._seen[-1][1]:
            self._seen.clear()  # a new run
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
    """The books: what was listed and what became of it. Each line is a sum, with a sign that shows whether it
    balances.

    `balanced` is what the run itself reports; None while it is running.
    """
    counts = {name: int(books.get(name, 0)) for name in (*LISTED, *FETCHED, "listed", "fetched", "deleted")}
    kept = sum(counts[name] for name in KEPT)
    width = max(len(count(counts[name])) for name in ("listed", "fetched", "deleted"))
    lines = [
        _sum("listed", counts, LISTED, width),
        _sum("fetched", counts, FETCHED, width),
        joined(
            (f"{'deleted':<9}", "$secondary"),
            (f"{count(counts['deleted']):>{width}}", "bold"),
            (f" at the source, of {count(kept)} kept  ", ""),
            _balance_sign(counts["deleted"] <= kept),
        ),
    ]
    if balanced is False:
        lines.append(
            shown("✗ The books do not balance. Run the profile again, and report this error.", "bold $error")
        )
    return Content("\n").join(lines)


LISTED = ("fetched", "already", "failed", "skipped", "pending")
FETCHED = ("new", "merged", "quarantined", "left")
KEPT = ("already", "new", "merged", "quarantined")


def _sum(name: str, counts: Mapping[str, int], parts: tuple[str, ...], width: int) -> Content:
    terms = [part for part in parts if counts[part]] or [parts[0]]
    return joined(
        (f"{name:<9}", "$secondary"),
        (f"{count(counts[name]):>{width}}", "bold"),
        (" = " + " + ".join(f"{count(counts[part])} {part}" for part in terms) + "  ", ""),
        _balance_sign(counts[name] == sum(counts[part] for part in parts)),
    )


def _balance_sign(balanced: bool) -> Content:
    return shown("✓", "$success") if balanced else shown("✗ does not balance", "bold $error")


# --- a profile and its last run -----------------------------------------------------------------------


def when(timestamp: int) -> str:
    """Minute in the local time zone, with the day if that is not today; "" for 0."""
    if not timestamp:
        return ""
    at, today = local_moment(timestamp), local_moment(int(time.time())).date()
    return f"{at:%H:%M}" if at.date() == today else f"{at:%m-%d %H:%M}"


def clock(timestamp: int) -> str:
    """Hour and minute in the local time zone; "" for 0."""
    return f"{local_moment(timestamp):%H:%M}" if timestamp else ""


def runs_by_itself(profile: ProfileState) -> bool:
    """Whether the schedule runs the profile."""
    return profile.enabled and profile.tested


def by_hand(profiles: Iterable[ProfileState]) -> str:
    """A phrase about the profiles that run by hand only; "" if there are none."""
    names = [profile.name for profile in profiles if not runs_by_itself(profile)]
    if len(names) > MOST:
        return f"{len(names)} profiles run by hand only"
    verb = "runs by hand only" if len(names) == 1 else "run by hand only"
    return f"{', '.join(names)} {verb}" if names else ""


def standing(profile: ProfileState) -> Content:
    """What a profile is doing now."""
    run = profile.running
    if run is None:
        if profile.next_start:
            return chips.chip("ok", "scheduled")
        return (
            chips.chip("off", "by hand only") if profile.tested else chips.chip("warning", "not tested yet")
        )
    if run.stage == "waiting":
        return chips.chip("waiting", "queued")
    percent = f" {run.percent}%" if run.percent is not None else ""
    return chips.chip("running", f"{run.stage}{percent}")


def last_end(last: Mapping[str, Any] | None) -> Content:
    """The state and the end of a profile's last run, for a list."""
    if last is None:
        return joined(("○", "$secondary"), ("never ran", "$secondary"), gap=" ")
    return joined(sign(str(last.get("state", ""))), (when(int(last.get("ended", 0))), "$secondary"), gap=" ")


def last_run(last: Mapping[str, Any] | None) -> Content:
    """The result of a profile's last run, on one line. "ok" is left out."""
    if last is None:
        return joined(("○", "$secondary"), ("never ran", "$secondary"), gap=" ")
    state = str(last.get("state", ""))
    at = when(int(last.get("ended", 0)))
    if state != "ok":
        return joined(result(state), (at, "$secondary"), (news(last), ""), gap=" ")
    return joined(sign(state), (f" {at} ", "$secondary"), (f" {news(last)}", ""))


def ended(last: Mapping[str, Any]) -> Content:
    """The result of a run, its end and its volume."""
    state = str(last.get("state", ""))
    at = when(int(last.get("ended", 0)))
    return joined(result(state), (f"  {at}" if at else "", ""), (f"  {volume(last)}", "$secondary"))


def news(summary: Mapping[str, Any]) -> str:
    """What a run archived, in a few words. For a run that archived nothing, its error."""
    names = ("new", "merged", "quarantined", "failed", "skipped")
    parts = [f"{count(int(summary[name]))} {name}" for name in names if summary.get(name)]
    if not parts and summary.get("error"):
        times = f"{count(int(summary['in_a_row']))} times: " if int(summary.get("in_a_row", 1)) > 1 else ""
        return times + str(summary["error"])
    return ", ".join(parts) or "nothing new"


def volume(summary: Mapping[str, Any]) -> str:
    """The size, duration and speed of a finished run."""
    took, fetched = float(summary.get("seconds", 0.0)), int(summary.get("fetched", 0))
    rate = f", {count(round(fetched / took))}/s" if took >= 0.1 and fetched else ""
    return f"{size(int(summary.get('bytes', 0)))} in {seconds(took)}{rate}"
