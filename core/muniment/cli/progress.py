"""The progress of a run in words; the command line and the app use the same."""

from __future__ import annotations

from muniment.api import ProgressWord, Step
from muniment.system.formatting import count

BAR = 20
"""Width of a progress bar in characters, without its brackets."""


def settled(run: ProgressWord) -> int:
    """Number of listed messages that need no more fetching: fetched, known, failed or skipped."""
    return run.arrived + sum(run.books.get(name, 0) for name in ("already", "failed", "skipped"))


def expected(run: ProgressWord) -> int:
    """Number of messages at the source, as far as it is known yet."""
    return max(run.expected, run.books.get("listed", 0))


def far(run: ProgressWord) -> str:
    """`12,000 of 30,000, 40%`; while the source is still listing, `12,000 so far, still listing`."""
    done, total = settled(run), expected(run)
    if run.percent is not None and run.total_known:
        return f"{count(done)} of {count(total)}, {run.percent}%"
    if run.total_known:
        return f"{count(done)} of {count(total)}"
    return f"{count(done)} so far, still listing"


def remaining(run: ProgressWord) -> str:
    """The time left for fetching, such as `about 2 min left`; "" if it is not known."""
    return time_left(run.left if run.total_known else None)


def time_left(seconds: float | None) -> str:
    """The time left, such as `about 2 min left`; "" if it is not known."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute left"
    if minutes < 60:
        return f"about {minutes} min left"
    return f"about {minutes // 60} h {minutes % 60:02d} min left"


def speed(run: ProgressWord) -> str:
    """Messages a second over the last minute, such as `320/s`; "" if that is less than one."""
    return f"{count(round(run.rate))}/s" if run.rate >= 0.5 else ""


def bar(run: ProgressWord, cells: int = BAR) -> str:
    """A progress bar such as `[########............]`; "" if the percentage is not known.

    It is ASCII, which every terminal can show.
    """
    return "" if run.percent is None else bar_of(run.percent, cells)


def bar_of(percent: int, cells: int = BAR) -> str:
    """As `bar`, of a percentage."""
    full = percent * cells // 100
    return f"[{'#' * full}{'.' * (cells - full)}]"


def step_words(step: Step, cells: int = BAR) -> str:
    """The text of a step; with a percentage, `[####....] 1,200 of 5,000, 24%, about 2 min left`."""
    facts = step_facts(step)
    return facts if step.percent is None else f"{bar_of(step.percent, cells)} {facts}"


def step_facts(step: Step) -> str:
    """The text of a step without a bar: `1,200 of 5,000, 24%, about 2 min left`."""
    if step.percent is None:
        return step.text
    percent = "" if "%" in step.text else f"{step.percent}%"
    return ", ".join(filter(None, [step.text, percent, time_left(step.left)]))
