"""The daily summary: when it is due, and its text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from muniment.notify.memory import NotifyMemory
from muniment.notify.model import ArchiveFacts, NotifyEvent

KEEP = (
    "`muniment verify --was` with it later proves that nothing archived before was changed or removed. It "
    "is not signed, so keep the first one that you get."
)
COUNTS = ("new", "merged", "quarantined", "failed", "deleted")


def due(at: str, memory: NotifyMemory, now: float) -> bool:
    """Whether the summary must be sent now. If so, `memory` notes it as sent for this day.

    A summary that was missed is sent later on the same day. There is none on the first day of a vault or of
    the setting.

    Args:
        at: The local time of the summary, such as "07:30"; "" for no summaries.
        memory: What is stored of earlier summaries.
        now: Seconds since 1970 UTC.
    """
    local = time.localtime(now)
    today = time.strftime("%Y-%m-%d", local)
    if not at or memory.summarised == today or time.strftime("%H:%M", local) < at:
        if at and not memory.summarised:
            memory.summarised = "waiting"
        return False
    first, memory.summarised = not memory.summarised, today
    return not first


def summary(
    facts: ArchiveFacts, runs: Iterable[Mapping[str, Any]], memory: NotifyMemory, messages: int
) -> NotifyEvent:
    """The summary of a day.

    Args:
        facts: The state of the archive.
        runs: The summaries of the last 24 hours' runs, with the keys of `run --json`.
        memory: Has the problems that are not over.
        messages: Number of messages in the vault.
    """
    lines = [*_books(list(runs)), "", f"The vault has {messages:,} messages."]
    if facts.behind:
        lines.append(f"{facts.behind:,} of them are not in the search index yet.")
    if facts.disk:
        total, free = facts.disk
        lines.append(f"Its disk is {100 - 100 * free // max(total, 1)} percent full.")
    problems = [problem.title for problem in memory.reported.values()]
    lines += [
        "",
        "Problems:" if problems else "There are no problems.",
        *(f"  - {title}" for title in problems),
    ]
    if facts.checkpoint:
        lines += [
            "",
            "Checkpoint of the ledger (keep it on another machine):",
            f"  {facts.checkpoint}",
            KEEP,
        ]
    return NotifyEvent(
        kind="daily-summary",
        state="note",
        key="daily-summary",
        title=f"Daily summary: {_number(len(problems))}",
        text="\n".join(lines),
        time=int(facts.now),
    )


def _number(problems: int) -> str:
    return {0: "no problems", 1: "1 problem"}.get(problems, f"{problems} problems")


def _books(runs: list[Mapping[str, Any]]) -> list[str]:
    """A line for each profile: the number of its runs in 24 hours, and the sums of their books."""
    names = sorted({str(run.get("profile", "")) for run in runs})
    return [_line(name, [run for run in runs if run.get("profile") == name]) for name in names] or [
        "No run has ended in the last 24 hours."
    ]


def _line(name: str, runs: list[Mapping[str, Any]]) -> str:
    counts = [(sum(int(run.get(key) or 0) for run in runs), key) for key in COUNTS]
    bad = sum(run.get("state") == "failed" for run in runs)
    brought = ", ".join(f"{count:,} {key}" for count, key in counts if count) or "nothing new"
    return f"{name}: {len(runs):,} runs in 24 hours" + (f", {bad:,} failed" if bad else "") + f": {brought}"
