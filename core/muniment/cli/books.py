"""A run's numbers: its books as sums that must balance, and the stages of a run in progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from muniment.api import ProgressWord, RunSummary
from muniment.cli.progress import bar, far, remaining, speed
from muniment.system.formatting import count, seconds, size

KEYS = (
    "profile", "state", "listed", "fetched", "already", "skipped", "pending", "new", "merged", "quarantined",
    "left", "failed", "deleted", "bytes", "seconds", "balanced",
)  # fmt: skip
"""The keys of `run --json`, in order."""
COUNTS = KEYS[2:13]
"""The keys that count messages."""


def as_json(run: RunSummary) -> dict[str, Any]:
    """The object that `run --json` prints; a run that did not go well also has `error` and `refused`."""
    fields = {key: getattr(run, key) for key in KEYS}
    if run.passed:
        fields["passed"] = list(run.passed)
    return fields if went_well(run) else fields | {"error": run.error, "refused": list(run.refused)}


def went_well(run: RunSummary) -> bool:
    """Whether the run ended normally and its books balance."""
    return run.state == "ok" and run.balanced


def equation(run: RunSummary) -> list[str]:
    """The books as lines: sums of what was listed, what was fetched, and what became of each."""
    width = max(len(count(value)) for value in (run.listed, run.fetched, run.deleted))
    rate = f", {count(round(run.fetched / run.seconds))}/s" if run.seconds >= 0.1 and run.fetched else ""
    return [
        f"{run.profile}: {run.state}, {size(run.bytes)} in {seconds(run.seconds)}{rate}",
        f"  listed   {count(run.listed):>{width}} = "
        + _sum(run, "fetched", "already", "failed", "skipped", "pending"),
        f"  fetched  {count(run.fetched):>{width}} = " + _sum(run, "new", "merged", "quarantined", "left"),
        f"  deleted  {count(run.deleted):>{width}} at the source"
        + (", each kept here" if run.deleted else ""),
        *(f"  passed over {line}" for line in passed_over(run.passed)),
        "  The books balance." if run.balanced else "  THE BOOKS DO NOT BALANCE.",
    ]


def passed_over(passed: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a source passed over, with examples: one line for each reason."""
    lines = []
    for one in passed:
        names = [*one["examples"], *(["..."] if one["count"] > len(one["examples"]) else [])]
        each = "each " if one["count"] > 1 else ""
        lines.append(f"{count(one['count'])} ({each}{one['reason']}): {', '.join(names)}")
    return lines


def _sum(run: RunSummary, *names: str) -> str:
    """The terms that are not zero, or the first term if all are zero."""
    terms = [name for name in names if getattr(run, name)] or [names[0]]
    return " + ".join(f"{count(getattr(run, name))} {name}" for name in terms)


def stages(word: ProgressWord) -> list[str]:
    """A run in progress: how far it is, a bar, and a line for each stage with its count and its rate."""
    books, rates = word.books, word.rates
    shown = [
        ("listed", books.get("listed", 0), None),
        ("fetched", books.get("fetched", 0), rates.get("fetch")),
        ("new", books.get("new", 0), rates.get("store")),
        ("merged", books.get("merged", 0), None),
        ("quarantined", books.get("quarantined", 0), None),
        ("indexed", word.indexed, rates.get("index")),
        ("deleted", books.get("deleted", 0), rates.get("delete")),
    ]
    volume = f"{size(word.bytes)} in {seconds(word.seconds)}"
    head = ", ".join(filter(None, [f"{word.profile}: {word.stage}", far(word), remaining(word)]))
    drawn = "  ".join(filter(None, [bar(word), ", ".join(filter(None, [volume, speed(word)]))]))
    return [head, f"  {drawn}", *(_stage(name, value, rate) for name, value, rate in shown)]


def _stage(name: str, value: int, rate: float | None) -> str:
    speed = f"{count(round(rate))}/s" if rate else ""
    return f"  {name:<12}{count(value):>12}{speed:>12}".rstrip()
