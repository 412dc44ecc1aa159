"""Opens the app, where there is a terminal that it can draw on."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from msgspec import Struct

from muniment.cli import EngineDoors

UNUSABLE = 2
SWITCH = 0.0005
"""Seconds that a thread which has an answer of the engine waits at most while another one draws."""
DUMB = (
    "This terminal (TERM={}) can't draw the app: use the commands, such as `muniment status`; "
    "`muniment --help` lists them all."
)


class Options(Struct, frozen=True):
    """How the app was called."""

    vault: str = ""
    read_only: bool = False
    area: str = ""
    """Which area opens first; "" for the last one."""


def options(arguments: list[str]) -> Options | None:
    """What a command line that names no command says; None for any other."""
    vault, read_only, rest = "", False, list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--read-only":
            read_only = True
        elif word.startswith("--vault="):
            vault = word.partition("=")[2]
        elif word == "--vault" and rest:
            vault = rest.pop(0)
        else:
            return None
    return Options(vault, read_only)


def on_terminal() -> bool:
    """Whether keys come from a terminal and all that is written goes to one."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


def drawable() -> bool:
    """Whether the terminal is one that the app can draw on."""
    return os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def launch(engine: EngineDoors, called: Options) -> int:
    """Run the app until it is closed; returns the exit code."""
    if not drawable():
        from muniment.cli.output import complain

        complain(DUMB.format(os.environ.get("TERM") or "is not set"))
        return UNUSABLE
    sys.setswitchinterval(SWITCH)
    from muniment_tui.app import MunimentApp
    from muniment_tui.shell.state import state_file
    from muniment_tui.shell.vaults import named_vault
    from muniment_tui.terminal.safe_text import clean

    named = named_vault(called.vault)
    app = MunimentApp(
        engine.connect, named, read_only=called.read_only, state_file=state_file(), area=called.area
    )
    try:
        return app.run() or app.return_code or 0
    finally:
        app.hang_up()
        if app.runs_go_on and app.vault is not None:
            from muniment_tui.shell.exit_message import farewell

            with suppress(OSError):  # the terminal may be gone
                for line in farewell(engine.connect, app.vault):
                    sys.stdout.write(clean(line) + "\n")
                sys.stdout.flush()
