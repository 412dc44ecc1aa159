"""The command palette: all registered actions that are available now."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.widgets import Input

from muniment_tui.actions.available import ActionOffer, offers
from muniment_tui.actions.registry import ANYWHERE, Action, key_names
from muniment_tui.terminal.safe_text import shown

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp


class ActionsPalette(CommandPalette):
    """The palette without moving parts. The screen below is not dimmed, since that would redraw all of it."""

    DEFAULT_CSS = """
    ActionsPalette { background: transparent; }
    ActionsPalette SearchIcon { display: none; }
    ActionsPalette LoadingIndicator { display: none; visibility: hidden; }
    """

    def on_mount(self) -> None:
        """Stop the cursor from blinking."""
        self.query_one(Input).cursor_blink = False


class ActionsProvider(Provider):
    """Offers the available actions, those of the focused pane first."""

    def _here(self) -> list[ActionOffer]:
        app = cast("MunimentApp", self.app)
        found = [
            offer
            for offer in offers(self.screen)
            if offer.enabled and not app.is_off(offer.action) and offer.action.id != "app.palette"
        ]
        return sorted(found, key=_rank)

    async def discover(self) -> Hits:
        """All actions, before anything is typed."""
        for offer in self._here():
            yield DiscoveryHit(shown(_title(offer.action)), self._doing(offer), help=offer.action.help)

    async def search(self, query: str) -> Hits:
        """The actions that match `query`."""
        matcher = self.matcher(query)
        for offer in self._here():
            title = _title(offer.action)
            if (score := max(matcher.match(title), matcher.match(offer.action.name))) > 0:
                yield Hit(score, matcher.highlight(title), self._doing(offer), help=offer.action.help)

    def _doing(self, offer: ActionOffer) -> partial[Any]:
        return partial(self.app.run_action, offer.action.call, offer.node)


def _rank(offer: ActionOffer) -> tuple[bool, int, str]:
    """Sort key: actions of this screen first, ranked as in the key bar."""
    return offer.action.part == ANYWHERE, -offer.action.footer, offer.action.title


def _title(action: Action) -> str:
    keys = key_names(action)
    return f"{action.title}  ({keys})" if keys else action.title
