"""Comparisons of all mail with holds or rules: counts and simulations, their progress, and what they said."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from muniment.api import HoldCountWord, Request, Simulation, Step, WireWord
from muniment.errors import MunimentError
from muniment_tui.acts.reason_prompt import MailRequests, ReasonedRequest
from muniment_tui.rules.hold_section import count_text
from muniment_tui.rules.simulation_text import simulation_text
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.widgets.chips import line


class Comparisons:
    """The comparisons of a screen, one at a time. Their texts stay."""

    def __init__(self, screen: FrameScreen, width: Callable[[], int], changed: Callable[[], object]) -> None:
        """Make it.

        Args:
            screen: asks for the reason that a vault may require.
            width: gives the cells for a text.
            changed: is called when a text has changed, or a comparison has begun or ended.
        """
        self._screen = screen
        self._width = width
        self._changed = changed
        self._running: ReasonedRequest | None = None
        self.texts: dict[str, Content] = {}
        """What was said last, by the key of what was compared."""

    @property
    def running(self) -> bool:
        """Whether a comparison is under way."""
        return self._running is not None

    def start(
        self,
        key: str,
        request: Request,
        doing: str,
        then: Callable[[Simulation, Callable[[], bool]], object] | None = None,
    ) -> None:
        """Compare all mail with holds or rules.

        Args:
            key: of what is compared.
            request: a request that is answered by a stream of steps and a count or a simulation.
            doing: such as "counting".
            then: called with the simulation, and with what says whether the user may be asked now.
        """
        here, found = self._screen.still_here(), list[Simulation]()

        def came(word: WireWord) -> None:
            if isinstance(word, Step):
                self.texts[key] = line("running", f"{doing}: {word.text}", "bold")
            elif isinstance(word, HoldCountWord):
                self.texts[key] = count_text(word, self._width())
            elif isinstance(word, Simulation):
                found.append(word)
                self.texts[key] = simulation_text(word, self._width())
            self._changed()

        def ended() -> None:
            self._running = None
            self._changed()
            if then is not None and found:
                then(found[-1], here)

        def failed(error: MunimentError) -> None:
            self.texts[key] = line("failed", str(error), "$error")
            self._running = None
            self._changed()

        self.texts[key] = line("running", f"{doing} …", "bold")
        self._running = MailRequests(self._screen).read_stream(request, came, ended=ended, failed=failed)
        self._changed()
