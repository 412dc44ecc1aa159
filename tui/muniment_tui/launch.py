"""Starts the app if the terminal can display it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from muniment.cli import EngineDoors

UNUSABLE = 2
SWITCH = 0.0005
"""How long a thread with an answer of the engine waits for the thread that draws, in seconds."""
DUMB = (
    "This terminal (TERM={}) can't display the app. Use the commands, such as `muniment status`; "
    "`muniment --help` lists them all."
)


class LaunchOptions(Struct, frozen=True):
    """The options that the app was started with."""

    vault: str = ""
    read_only: bool = False
    area: str = ""
    """The area that opens first; "" for the last one."""


def options(arguments: list[str]) -> LaunchOptions | None:
    """Parse a command line without a command. Returns None for any other command line."""
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
    return LaunchOptions(vault, read_only)


def on_terminal() -> bool:
    """Whether input, output and errors are all connected to a terminal."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


def drawable() -> bool:
    """Whether the app can be displayed on this terminal (TERM)."""
    return os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def launch(engine: EngineDoors, called: LaunchOptions) -> int:
    """Run the app until it is closed, and return the exit code."""
    if not drawable():
        from muniment.cli.output import complain

        complain(DUMB.format(os.environ.get("TERM") or "not set"))
        return UNUSABLE
    sys.setswitchinterval(SWITCH)
    from muniment.client.known_vaults import vaults_file
    from muniment_tui.app import MunimentApp
    from muniment_tui.shell.state import state_file
    from muniment_tui.shell.vaults import named_vault

    named = named_vault(called.vault)
    app = MunimentApp(
        engine.connect,
        named.folder,
        read_only=called.read_only,
        state_file=_in_home(state_file),
        vaults_file=_in_home(vaults_file),
        area=called.area,
        installer=engine.installer,
        notice=f"{named.refused[0].upper()}{named.refused[1:]}." if named.refused else "",
    )
    try:
        code = app.run() or app.return_code or 0
    finally:
        app.hang_up()
        for vault in app.vaults.with_runs:
            _say_what_runs(engine, vault)
    if app.vaults.demo_wanted:
        from muniment.cli import main

        return main(["demo"], replace(engine, look=lambda vault: launch(engine, _looking(vault))))
    return code


def _in_home(file: Callable[[], Path]) -> Path | None:
    """The path of a file of this user's state; None for a user without a home, for whom nothing is kept."""
    try:
        return file()
    except RuntimeError:
        return None


def _say_what_runs(engine: EngineDoors, vault: Path) -> None:
    """Print what goes on in a vault's service without the app."""
    from muniment_tui.shell.exit_message import exit_message
    from muniment_tui.terminal.safe_text import clean

    with suppress(OSError):  # the terminal may be gone
        for line in exit_message(engine.connect, vault):
            sys.stdout.write(clean(line) + "\n")
        sys.stdout.flush()


def _looking(vault: Path) -> LaunchOptions:
    return LaunchOptions(str(vault), area="messages")
