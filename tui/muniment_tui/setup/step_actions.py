"""The actions of the Setup screen. Those of a single step are offered where the step is."""

from __future__ import annotations

from textual.binding import BindingType

from muniment_tui.actions.registry import Action, actions

ACTS = {
    "run_profile": "run",
    "enable_profile": "enable",
    "import_people": "import",
    "pin_tenant": "pin",
    "install_service": "install",
}
"""The act of the engine for each action."""
STEP_ACTIONS: list[BindingType] = [
    *actions(
        Action(
            "setup.check", "f5,c", "Check", "Check this step against the real systems now.", footer=9,
            changes=True,
        ),
        Action(
            "setup.check-all", "f6,C", "Check all", "Check all steps, one after another.", footer=5,
            changes=True,
        ),
        Action(
            "setup.save", "f2", "Save", "Save the fields in vault.toml. Its comments stay.", footer=8,
            changes=True,
        ),
        Action(
            "setup.done", "d", "Mark done",
            "Confirm a step that Muniment can't check, or take that back.",
            footer=7, changes=True,
        ),
        Action(
            "setup.copy", "Y", "Copy",
            "Copy the step's command to the clipboard, if the terminal supports it.",
            footer=6,
        ),
        Action(
            "setup.write", "w", "Write", "Write the step's command to a new file.", footer=5,
            changes=True,
        ),
        Action(
            "setup.run", "r", "Run now", "Run the archive profile now.", run="run_profile", footer=7,
            changes=True,
        ),
        Action(
            "setup.enable", "e", "Run automatically",
            "Let the service run the archive profile, after a question.", run="enable_profile", footer=7,
            changes=True,
        ),
        Action(
            "setup.import", "i", "Import people", "Import people and their addresses from a CSV file.",
            run="import_people", footer=7, changes=True,
        ),
        Action(
            "setup.pin", "p", "Pin tenant", "Trust only reports of the tenant that was found.",
            run="pin_tenant", footer=7, changes=True,
        ),
        Action(
            "setup.install", "s", "Install service", "Install the service in systemd.",
            run="install_service", footer=7, changes=True,
        ),
        Action("setup.on", "space", "Read on", "Scroll the step down by a page."),
        Action("setup.back-up", "b", "Read back", "Scroll the step up by a page."),
    )
]  # fmt: skip
