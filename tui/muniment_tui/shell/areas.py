"""The four areas and their screens. The module of a screen is loaded when the area is first opened."""

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
        """Create the area's first screen."""
        module, _, name = self.screen.partition(":")
        made: AreaScreen = getattr(import_module(f"muniment_tui.{module}"), name)()
        return made


AREAS = (
    Area("setup", "1", "Setup", "Set up journaling step by step.", "setup.screen:SetupScreen"),
    Area(
        "profiles",
        "2",
        "Profiles",
        "Manage the mailboxes that mail is fetched from.",
        "profiles.screen:ProfilesScreen",
    ),
    Area("runs", "3", "Runs", "Watch current runs and see past ones.", "runs.screen:RunsScreen"),
    Area("messages", "4", "Messages", "Find and read mail.", "messages.screen:MessagesScreen"),
)
