"""The four areas, and where the screen of each is; its module is loaded when it is first opened."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from muniment_tui.shell.frame import AreaScreen


class Area(Struct, frozen=True):
    """A top-level part of the app."""

    id: str
    key: str
    title: str
    help: str
    screen: str
    """`module:class`."""

    def open(self) -> AreaScreen:
        """A new first screen of it."""
        module, _, name = self.screen.partition(":")
        made: AreaScreen = getattr(import_module(f"muniment_tui.{module}"), name)()
        return made


AREAS = (
    Area(
        "setup", "1", "Setup", "The way to journaling that works, step by step.", "setup.screen:SetupScreen"
    ),
    Area("profiles", "2", "Profiles", "Where mail is fetched from.", "profiles.screen:ProfilesScreen"),
    Area("runs", "3", "Runs", "What is being archived now, and what was.", "runs.screen:RunsScreen"),
    Area("messages", "4", "Messages", "Find and read mail.", "messages.screen:MessagesScreen"),
)
