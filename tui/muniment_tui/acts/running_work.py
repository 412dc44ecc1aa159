"""Work as it goes, such as a verification or a disposal: its stages, the percentage, the time left."""

from __future__ import annotations

import time

from textual.content import Content

from muniment.api import Step
from muniment.cli.progress import time_left
from muniment.system.formatting import seconds
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import chip, sign
from muniment_tui.widgets.meters import bar

MOST = 6
"""Stages that are shown, the newest ones."""
LONGEST = 48
"""Longest bar in cells. Each cell that changes costs bytes."""


class RunningWork:
    """Collects the steps of some work, and draws them."""

    def __init__(
        self, title: str, stopped: str = "Nothing was changed.", number: int = 0, owner: str = ""
    ) -> None:
        """Make it, before its first step.

        Args:
            title: what is done, such as "Deep verification".
            stopped: what holds if it is stopped.
            number: its number in the service; 0 if the first step has not come, or closing the stream stops
                it.
            owner: login name of who began it; "" if this app did.
        """
        self.name = title
        self.number = number
        self.owner = owner
        self.kept = stopped
        self.stopping = False
        """Whether it was asked to stop. It may come to its end all the same."""
        self.stopped = f"{title} was stopped. {stopped}"
        self.failed: list[str] = []
        """The steps that failed."""
        self._ended: list[tuple[str, float]] = []
        """The stages that have ended, and the seconds that each took."""
        self._stage = ""
        self._since = self._begun = time.monotonic()
        self._percent: int | None = None
        self._left: float | None = None

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._begun

    @property
    def seen(self) -> bool:
        """Whether a step has come."""
        return bool(self._stage or self.failed or self._percent is not None)

    def take(self, step: Step) -> None:
        """Take a step: a stage that begins, or the progress of the present one."""
        self.number = step.work or self.number
        if not step.ok:
            self.failed.append(step.text)
        elif step.percent is not None:
            self._percent, self._left = step.percent, step.left
        elif step.text != self._stage:
            now = time.monotonic()
            if self._stage:
                self._ended.append((self._stage, now - self._since))
            self._stage, self._since, self._percent, self._left = step.text, now, None, None

    def drawn(self, width: int, key: str = "x") -> Content:
        """The stages, with a bar for the one under way; `key` stops it."""
        lines = [joined(chip("running", self.name), (f" {seconds(self.seconds)}", "$secondary"), gap=" ")]
        for stage, took in self._ended[-MOST:]:
            words = ((f" {stage}", ""), (f"  {seconds(took)}", "$secondary"))
            lines.append(joined(("  ", ""), sign("ok"), *words))
        if self._stage:
            lines.append(joined(("  ", ""), sign("running"), (f" {self._stage}", "bold")))
        if self._percent is not None:
            cells = max(10, min(width - 34, LONGEST))
            lines.append(
                joined(
                    ("    ", ""),
                    bar(self._percent, 100, cells),
                    (f" {self._percent:>3}%", "bold"),
                    (f"  {time_left(self._left)}", "$secondary"),
                )
            )
        if self.stopping:
            return Content("\n").join([*lines, shown("  Stopping ...", "$warning")])
        stays = " It goes on if the app is closed." if self.number else ""
        lines.append(shown(f"  {key} stops it.{stays}", "$secondary"))
        return Content("\n").join(lines)
