"""The daily summary: when it is due, and what it says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from muniment.notify.memory import Memory
from muniment.notify.model import Event, Facts

KEEP = (
    "Later, `muniment verify --was` with it proves that nothing archived before was changed or removed. It "
    "is not signed, so keep the first that you get."
)
COUNTS = ("new", "merged", "quarantined", "failed", "deleted")


def due(at: str, memory: Memory, now: float) -> bool:
    """Whether the summary is to be sent now; `memory` then knows this day's as sent.

    `at` is a local time such as "07:30". One that was missed is made up for on the same day, but
    on the day on which summaries are first asked for, or the first of a vault, none is.
    """
    local = time.localtime(now)
    today = time.strftime("%Y-%m-%d", local)
    if not at or memory.summarised == today or time.strftime("%H:%M", local) < at:
        if at and not memory.summarised:
            memory.summarised = "waiting"
        return False
    first, memory.summarised = not memory.summarised, today
    return not first


def summary(facts: Facts, runs: Iterable[Mapping[str, Any]], memory: Memory, messages: int) -> Event:
    """The summary of a day: `runs` are the summaries of its runs, `messages` how many the vault holds."""
    lines = [*_books(list(runs)), "", f"The vault holds {messages:,} messages."]
    if facts.behind:
        lines.append(f"Search lacks {facts.behind:,} of them as yet.")
    if facts.disk:
        total, free = facts.disk
        lines.append(f"Its disk is {100 - 100 * free // max(total, 1)} percent full.")
    troubles = [told.title for told in memory.told.values()]
    lines += [
        "",
        "What is wrong:" if troubles else "Nothing is wrong.",
        *(f"  - {title}" for title in troubles),
    ]
    if facts.checkpoint:
        lines += [
            "",
            "Checkpoint of the ledger, to be kept on another machine:",
            f"  {facts.checkpoint}",
            KEEP,
        ]
    return Event(
        kind="daily-summary",
        state="note",
        key="daily-summary",
        title=f"Daily summary, {len(troubles)} troubles" if troubles else "Daily summary, all is well",
        text="\n".join(lines),
        time=int(facts.now),
    )


def _books(runs: list[Mapping[str, Any]]) -> list[str]:
    """A line a profile: how many runs in 24 hours, and what they brought together."""
    names = sorted({str(run.get("profile", "")) for run in runs})
    return [_line(name, [run for run in runs if run.get("profile") == name]) for name in names] or [
        "No run has ended in the last 24 hours."
    ]


def _line(name: str, runs: list[Mapping[str, Any]]) -> str:
    counts = [(sum(int(run.get(key) or 0) for run in runs), key) for key in COUNTS]
    bad = sum(run.get("state") == "failed" for run in runs)
    brought = ", ".join(f"{count:,} {key}" for count, key in counts if count) or "nothing new"
    return f"{name}: {len(runs):,} runs in 24 hours" + (f", {bad:,} failed" if bad else "") + f": {brought}"
