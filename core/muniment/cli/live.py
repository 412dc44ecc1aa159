"""Lines that are drawn over while work goes on: at most four times a second, and only on a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from muniment.cli.frame import Session
from muniment.mail.sanitise import clean

if TYPE_CHECKING:
    from rich.live import Live

EVERY = 0.25
"""Seconds between two refreshes, at least."""


class Display(AbstractContextManager["Display"]):
    """Shows the newest state of some work, and leaves nothing behind; does nothing where nobody watches."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._live: Live | None = None
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def show(self, lines: Sequence[str]) -> None:
        """Draw `lines` in place of those before, unless that was less than EVERY ago."""
        now = time.monotonic()
        if not self._session.lively or now - self._shown < EVERY:
            return
        self._shown = now
        from rich.live import Live
        from rich.text import Text

        text = Text("\n".join(map(clean, lines)), no_wrap=True, overflow="ellipsis")
        if self._live is None:
            console = self._session.out.console()
            self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
            self._live.start()
        self._live.update(text, refresh=True)

    def clear(self) -> None:
        """Take away what is drawn."""
        self._shown = 0.0
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()
