"""Handles one key at a time.

Over a slow connection many keys arrive at once. Each must find the focus where the key before it has put it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual import events
from textual.dom import DOMNode

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp


class KeyQueue:
    """The keys that were pressed and are not handled yet."""

    def __init__(self, app: MunimentApp, dispatch: Callable[[events.Key], Awaitable[None]]) -> None:
        """`dispatch` hands a key to Textual."""
        self._app = app
        self._dispatch = dispatch
        self._keys: deque[events.Key] = deque()
        self._dispatched_at = 0.0
        self._dropped_until = 0.0
        """When a key must be pressed at the earliest to be handled, on the clock of Textual's events."""
        self._came = self._begun = 0
        """How many keys have come, and how many of them are handled or being handled."""

    def drop(self, seconds: float) -> None:
        """Drop the keys that are waiting, and those that are pressed in the next `seconds`."""
        self._dropped_until = events.Event().time + seconds
        while len(self._keys) > 1:  # the first one is being handled
            self._keys.pop()
            self._came -= 1

    async def add(self, event: events.Key) -> None:
        """Handle a key, after those that came before it."""
        if event.time < self._dropped_until:
            return
        self._came += 1
        self._keys.append(event)
        if len(self._keys) == 1:
            await self._next()
        else:
            self._wait_for_previous()

    def clicked(self) -> None:
        """Count a click as a key that is handled at once."""
        self._came += 1
        self._begun += 1

    def quiet(self) -> Callable[[], bool]:
        """Begin to wait. What is returned says whether neither a key nor a click has come after those that
        are being handled now."""
        begun = self._begun
        return lambda: self._came == begun

    async def _next(self) -> None:
        self._dispatched_at = time.monotonic()
        self._begun += 1
        await self._dispatch(self._keys[0])
        self.follow(self._app.focused or self._app.screen, 1)

    def follow(self, node: DOMNode, again: int) -> None:
        """Follow the way of an unused key from the focus up to the app, to know when it has arrived.

        Messages and changes of focus that the key causes take the same way after it, so this is done `again`
        times.
        """
        app = self._app
        if node is not app:
            if not node.call_later(self.follow, node.parent or app, again):
                self.follow(node.parent or app, again)
        elif again:
            self.follow(app.focused or app.screen, again - 1)
        else:
            app.call_later(app.call_later, self._handled)

    def _wait_for_previous(self) -> None:
        """Continue after `times.key` at the latest: a key may take long, and its widget may be gone."""
        dispatched_at = self._dispatched_at

        async def overdue() -> None:
            if len(self._keys) > 1 and self._dispatched_at == dispatched_at:
                await self._handled()

        self._app.set_timer(self._app.times.key, overdue)

    async def _handled(self) -> None:
        if self._keys:
            self._keys.popleft()
        if self._keys:
            await self._next()
        if len(self._keys) > 1:
            self._wait_for_previous()
