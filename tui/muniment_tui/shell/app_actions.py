"""The actions that work everywhere: the areas, help, notices, palette, colours, vaults, and the end."""

from __future__ import annotations

from muniment_tui.actions.registry import Action
from muniment_tui.shell.areas import AREAS, WORDS

QUIT_KEYS = ("q", "f10")


def _go(area_id: str) -> str:
    return f"app.go('{area_id}')"


APP_ACTIONS = (
    *(Action(f"app.{a.id}", a.key, a.title, a.help, run=_go(a.id), words=a.words) for a in AREAS),
    Action(
        "app.setup",
        "",
        "Set up (checklist)",
        "Open the checklist that leads from an empty vault to the first journal report.",
        words=WORDS["setup"],
    ),
    Action(
        "app.help",
        "question_mark,f1",
        "Help",
        "Explain the focused pane and its keys.",
        footer=6,
        words="keys shortcuts how",
    ),
    Action("app.command", "colon", "Command", "Type the name of an action to run it.", footer=2),
    Action(
        "app.palette",
        "ctrl+p",
        "Find an action",
        "List all actions that work here. Type to filter them.",
        priority=True,
    ),
    Action(
        "app.notices",
        "exclamation_mark,f9",
        "Notices",
        "List the recent notices and errors.",
        words="messages log errors warnings",
    ),
    Action(
        "app.theme",
        "",
        "Change colours",
        "Choose a theme from a list: dark, light, high contrast, or the terminal's own colours.",
        words="theme palette colors dark light contrast appearance",
    ),
    Action(
        "app.vault",
        "",
        "Open another vault",
        "List the vaults of this machine, with organisation and folder, and open one.",
        words="switch archive organisation company context ctx create new demo folder",
    ),
    Action("app.redraw", "ctrl+l", "Redraw", "Redraw the screen, if another program wrote over it."),
    Action(
        "app.quit",
        ",".join(QUIT_KEYS),
        "Quit",
        "Close the app. Runs continue in the service.",
        footer=4,
        words="exit leave close end",
    ),
    Action(
        "app.suspend",
        "ctrl+z",
        "Suspend",
        "Return to the shell. `fg` brings the app back.",
        run="suspend_process",
    ),
)
