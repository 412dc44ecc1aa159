"""The areas and their screens. The module of a screen is loaded when the area is first opened."""

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
    short: str = ""
    """The title where there is little room; "" means its first letters."""

    @property
    def words(self) -> str:
        """Other words that people search for (see Action.words)."""
        return WORDS.get(self.id, "")

    def kind(self) -> type[AreaScreen]:
        """The class of the area's first screen. Its module is loaded."""
        module, _, name = self.screen.partition(":")
        found: type[AreaScreen] = getattr(import_module(f"muniment_tui.{module}"), name)
        return found

    def open(self) -> AreaScreen:
        """Create the area's first screen."""
        return self.kind()()


WORDS = {
    "home": "health dashboard overview status problems arrivals disk storage",
    "setup": "begin start journaling exchange microsoft tenant gateway checklist",
    "profiles": "mailbox account source gateway imap pop3 exchange server password schedule",
    "runs": "progress fetch history log books",
    "messages": "mail email find search read export attachment",
    "people": "user users alias address employee leaver import csv directory",
    "audit": "who read access log trail reader",
    "proof": "verify unchanged integrity tamper checkpoint root backup damage evidence",
    "rules": "legal hold litigation grant access seal retention who could read rights case",
    "settings": "configuration notifications alarm alert schedule access role auditor administrator password",
}
"""Words for each area, which the palette finds it by."""


AREAS = (
    Area("home", "1", "Home", "See whether the archive is well.", "home.screen:HomeScreen"),
    Area(
        "profiles",
        "2",
        "Profiles",
        "Manage the mailboxes that mail is fetched from.",
        "profiles.screen:ProfilesScreen",
        "Prof",
    ),
    Area("runs", "3", "Runs", "Watch current runs and see past ones.", "runs.screen:RunsScreen"),
    Area("messages", "4", "Messages", "Find and read mail.", "messages.screen:MessagesScreen", "Mail"),
    Area("people", "5", "People", "See, add and import people.", "people.screen:PeopleScreen"),
    Area("audit", "6", "Audit", "See who read, changed or was refused what.", "audit.screen:AuditScreen"),
    Area("proof", "7", "Proof", "Verify, back up, compare with a noted root.", "proof.screen:ProofScreen"),
    Area(
        "settings",
        "8",
        "Settings",
        "Change notifications, access, schedule, gateway.",
        "settings.screen:SettingsScreen",
        "Set",
    ),
    Area(
        "rules",
        "9",
        "Rules",
        "Legal holds, retention, access, approvals.",
        "rules.screen:RulesScreen",
        "Rule",
    ),
)
