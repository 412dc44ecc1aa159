"""How far a run is, in words: the same in the command line and in the app."""

from __future__ import annotations

from muniment.api import ProgressWord
from muniment.system.formatting import count

BAR = 20
"""Cells of a bar."""


def settled(run: ProgressWord) -> int:
    """How many messages at the source have been dealt with, as far as fetching goes."""
    return run.arrived + sum(run.books.get(name, 0) for name in ("already", "failed", "skipped"))


def expected(run: ProgressWord) -> int:
    """How many messages there are, as far as is known."""
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
    """How long it will still fetch, such as `about 2 min left`; "" where that can't be said."""
    if run.left is None or not run.total_known:
        return ""
    minutes = round(run.left / 60)
    if minutes < 1:
        return "less than a minute left"
    if minutes < 60:
        return f"about {minutes} min left"
    return f"about {minutes // 60} h {minutes % 60:02d} min left"


def bar(run: ProgressWord, cells: int = BAR) -> str:
    """`[########............]` in ASCII, which every terminal shows; "" where the share is not known."""
    if run.percent is None:
        return ""
    full = run.percent * cells // 100
    return f"[{'#' * full}{'.' * (cells - full)}]"
