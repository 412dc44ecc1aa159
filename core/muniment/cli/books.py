"""A run's numbers: the books as an equation that balances, and the stages of a running run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from muniment.api import ProgressWord, RunSummary
from muniment.cli.progress import bar, far, remaining
from muniment.system.formatting import count, seconds, size

KEYS = (
    "profile", "state", "listed", "fetched", "already", "skipped", "pending", "new", "merged", "quarantined",
    "left", "failed", "deleted", "bytes", "seconds", "balanced",
)  # fmt: skip
"""The keys of `run --json`, in order."""
COUNTS = KEYS[2:13]


def as_json(run: RunSummary) -> dict[str, Any]:
    """The object that `run --json` prints; one that did not go well has `error` and `refused` as well."""
    told = {key: getattr(run, key) for key in KEYS}
    if run.passed:
        told["passed"] = list(run.passed)
    return told if went_well(run) else told | {"error": run.error, "refused": list(run.refused)}


def went_well(run: RunSummary) -> bool:
    """Whether the run is one to be content with."""
    return run.state == "ok" and run.balanced


def equation(run: RunSummary) -> list[str]:
    """The books: what was listed and what became of it, each line a sum that comes out even."""
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
    """What a source passed over, a line a reason."""
    lines = []
    for one in passed:
        names = [*one["examples"], *(["..."] if one["count"] > len(one["examples"]) else [])]
        each = "each " if one["count"] > 1 else ""
        lines.append(f"{count(one['count'])} ({each}{one['reason']}): {', '.join(names)}")
    return lines


def _sum(run: RunSummary, *names: str) -> str:
    """The terms that are not zero; the first one where all are."""
    terms = [name for name in names if getattr(run, name)] or [names[0]]
    return " + ".join(f"{count(getattr(run, name))} {name}" for name in terms)


def stages(word: ProgressWord) -> list[str]:
    """A running run: how far it is, its bar, and a line a stage: how many so far, and how many a second."""
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
    rate = f"{count(round(word.rate))}/s" if word.rate >= 0.5 else ""
    volume = f"{size(word.bytes)} in {seconds(word.seconds)}"
    head = ", ".join(filter(None, [f"{word.profile}: {word.stage}", far(word), remaining(word)]))
    drawn = "  ".join(filter(None, [bar(word), ", ".join(filter(None, [volume, rate]))]))
    return [head, f"  {drawn}", *(_stage(name, value, rate) for name, value, rate in shown)]


def _stage(name: str, value: int, rate: float | None) -> str:
    speed = f"{count(round(rate))}/s" if rate else ""
    return f"  {name:<12}{count(value):>12}{speed:>12}".rstrip()
