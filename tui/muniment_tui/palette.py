"""The command palette: everything that the registry says can be done where the focus is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode

from muniment_tui.actions import ANYWHERE, Action, key_names, known
from muniment_tui.words import shown

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp


class ActionsProvider(Provider):
    """Offers actions; those of the focused pane before those of the app."""

    def _here(self) -> list[tuple[Action, DOMNode]]:
        app = cast("MunimentApp", self.app)
        found: dict[str, tuple[Action, DOMNode]] = {}
        for active in self.screen.active_bindings.values():
            action = known(active.binding.id)
            if action is not None and action.id != "app.palette":
                found.setdefault(action.id, (action, active.node))
        return sorted(
            (pair for pair in found.values() if not app.is_off(pair[0])),
            key=lambda pair: (pair[0].part == ANYWHERE, pair[0].title),
        )

    async def discover(self) -> Hits:
        """All of them."""
        for action, node in self._here():
            yield DiscoveryHit(shown(_title(action)), self._doing(action, node), help=action.help)

    async def search(self, query: str) -> Hits:
        """Those that match what is typed."""
        matcher = self.matcher(query)
        for action, node in self._here():
            title = _title(action)
            if (score := matcher.match(title)) > 0:
                yield Hit(score, matcher.highlight(title), self._doing(action, node), help=action.help)

    def _doing(self, action: Action, node: DOMNode) -> partial[Any]:
        return partial(self.app.run_action, action.call, node)


def _title(action: Action) -> str:
    keys = key_names(action)
    return f"{action.title}  ({keys})" if keys else action.title
