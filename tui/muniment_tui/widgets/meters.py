"""A bar beside its numbers. For charts, see `muniment_tui.widgets.chart`."""

from __future__ import annotations

from textual.content import Content

from muniment_tui.terminal.safe_text import joined
from muniment_tui.widgets.text import TextLines

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(done: float, total: float, cells: int) -> Content:
    """A bar of `cells` cells for a part of a total. It is empty if the total is unknown (0)."""
    share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
    eighths = int(share * cells * 8)
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (_EIGHTHS[rest] if rest else "")
    return joined((drawn, "$primary"), ("░" * (cells - len(drawn)), "$border-blurred"))


class BarMeter(TextLines):
    """`Fetch   ███████░░░░░  512 of 1,010  51%`."""

    DEFAULT_CSS = "BarMeter { height: 1; text-wrap: nowrap; }"

    def __init__(
        self, label: str, *, label_width: int = 10, longest: int = 1000, id: str | None = None
    ) -> None:
        """`longest` limits the bar's length in cells. Each cell that changes often costs bytes."""
        super().__init__(id=id)
        self._label = label
        self._label_width = label_width
        self._longest = longest
        self._state: tuple[int, int, str, int | None] = (0, 0, "", None)

    def show(self, done: int, total: int, note: str = "", percent: int | None = None) -> None:
        """Draw the progress, followed by `note`, such as a rate.

        If `percent` is given, it is used in place of the share that `done` and `total` give.
        """
        self._state = (done, total, note, percent)
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        done, total, note, share = self._state
        cells = min(max(self.size.width - self._label_width - 38, 10), self._longest)
        known = total > 0
        number = f"{done:,} of {total:,}" if known else f"{done:,}"
        drawn = bar(done, total, cells) if share is None or not known else bar(share, 100, cells)
        if share is None and known:
            share = min(done * 100 // total, 100)
        percent = f"{share}%" if known else ""
        self.say(
            joined(
                (self._label.ljust(self._label_width), ""),
                drawn,
                (f"  {number:>17} {percent:>4}  ", "bold"),
                (note, "$secondary"),
            )
        )
