"""Disposal by hand: what is due, a question that names it, the progress, and stopping."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from muniment.api import Disposed, DisposeMail, Done, SimulateRetention, Simulation, Step, StopWork, WireWord
from muniment.errors import MunimentError, NotFound
from muniment.system.formatting import count, local, size
from muniment_tui.acts.running_work import RunningWork
from muniment_tui.engine.bridge import PendingRequest
from muniment_tui.rules.comparing import Comparisons
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined, shown
from muniment_tui.widgets.chips import line

KEPT = "What is erased stays erased; D goes on with the rest."
NAMED = 5
"""Most messages and certificates that are named."""


class MailDisposal:
    """Disposals of a screen, one at a time."""

    def __init__(
        self,
        screen: FrameScreen,
        comparisons: Comparisons,
        width: Callable[[], int],
        changed: Callable[[], object],
    ) -> None:
        """Make it.

        Args:
            screen: asks the questions.
            comparisons: simulate it, and keep its text.
            width: gives the cells for its progress.
            changed: is called when one has begun, gone on or ended.
        """
        self._screen = screen
        self._comparisons = comparisons
        self._width = width
        self._changed = changed
        self._key = ""
        self._work: RunningWork | None = None
        self._pending: PendingRequest | None = None

    @property
    def running(self) -> bool:
        """Whether a disposal is under way."""
        return self._work is not None

    def ask(self, key: str) -> None:
        """Ask for the reason, and find out what is due; the text is kept under `key`."""
        self._key = key
        words = joined(
            ("Why is mail disposed of now? ", "bold"), ("It is kept in the audit trail.", "$secondary")
        )
        self._screen.ask_for(
            words, self._look, value=self._screen.muniment.reason,
            check=lambda typed: "" if typed.strip() else "Type the reason; Esc cancels.",
        )  # fmt: skip

    def _look(self, typed: str) -> None:
        reason = typed.strip()

        def found(what: Simulation, here: Callable[[], bool]) -> None:
            if not what.listed:
                self._screen.muniment.tell("Nothing is due: no mail would go.")
            elif here():
                self._confirm(what, reason)
            else:
                self._screen.muniment.tell("What is due is known now: D asks whether to erase it.")

        self._comparisons.start(self._key, SimulateRetention(reason=reason), "finding what is due", found)

    def _confirm(self, found: Simulation, reason: str) -> None:
        goes = found.goes
        what = (
            f"the first {_messages(found.listed)}"
            if found.listed < goes.messages
            else _messages(found.listed)
        )
        words = joined(
            ("Erase ", ""), (what, "bold $error"),
            (f" ({size(goes.bytes)}), received {local(goes.oldest)} to {local(goes.newest)}, for ever? ", ""),
            ("All copies go, and nothing brings them back.", "$secondary"),
        )  # fmt: skip
        request = DisposeMail(at=found.at, list=found.list, reason=reason)
        self._screen.confirm(
            words, lambda: self._begin(request), phrase=f"erase {found.listed}", unasked=True
        )

    def _begin(self, request: DisposeMail) -> None:
        self._work = RunningWork("Disposal", KEPT)
        self._screen.muniment.works_go_on = True
        self._pending = self._screen.muniment.engine.stream(
            self._screen, request, self._came, ended=self._ended, failed=self._failed
        )
        self._draw()

    def _came(self, word: WireWord) -> None:
        if isinstance(word, Step) and self._work is not None:
            first = not self._work.seen
            self._work.take(word)
            if first and self._work.stopping:
                self._stop_now(self._work)
            self._draw()
        elif isinstance(word, Disposed):
            self._comparisons.texts[self._key] = _disposed_text(word)
            self._screen.muniment.tell(word.message)

    def _draw(self) -> None:
        if self._work is not None:
            self._comparisons.texts[self._key] = self._work.drawn(self._width(), key="s")
        self._changed()

    def _ended(self) -> None:
        self._work = self._pending = None
        self._changed()

    def _failed(self, error: MunimentError) -> None:
        work = self._work
        stopped = work is not None and work.stopping and "was stopped" in str(error)
        words = work.stopped if work is not None and stopped else str(error)
        kind, style = ("stopped", "bold") if stopped else ("failed", "$error")
        self._comparisons.texts[self._key] = line(kind, words, style)
        self._ended()

    def stop(self) -> None:
        """Stop the disposal after the batch in hand."""
        work = self._work
        if work is None or work.stopping:
            return
        work.stopping = True
        if work.seen:
            self._stop_now(work)
        self._draw()

    def _stop_now(self, work: RunningWork) -> None:
        """Stop a work that has begun. Outside a service it has no number, and closing its stream stops it."""
        if not work.number:
            if self._pending is not None:
                self._pending.cancel()
            self._comparisons.texts[self._key] = line("stopped", work.stopped, "bold")
            self._ended()
            return

        def refused(error: MunimentError) -> None:
            if not isinstance(error, NotFound):  # it has just ended otherwise
                work.stopping = False
                self._screen.muniment.refuse(error)

        self._screen.muniment.engine.ask(
            self._screen, StopWork(number=work.number), Done, lambda _: None, failed=refused
        )


def _messages(number: int) -> str:
    return f"{count(number)} {'message' if number == 1 else 'messages'}"


def _disposed_text(found: Disposed) -> Content:
    """What a disposal has done, or what it waits for."""
    lines = [line("warning" if found.approval or found.refused else "ok", found.message, "bold")]
    for id_, why in list(found.refused.items())[:NAMED]:
        lines.append(joined(("  ", ""), (id_[:12], "bold"), (f" stays: {why}", "")))
    for record in found.records[:NAMED]:
        lines.append(shown(f"  Certificate {record}: Proof (7) has it", "$secondary"))
    return Content("\n").join(lines)
