"""The command of a step: to the terminal's clipboard, or to a file."""

from __future__ import annotations

from pathlib import Path

from muniment.api import SetupStep
from muniment.cli.setup import write_command
from muniment.system.environment import absolute
from muniment_tui.shell.frame import FrameScreen
from muniment_tui.terminal.safe_text import joined

ENDINGS = {"powershell": ".ps1", "shell": ".sh"}


def copy_command(screen: FrameScreen, step: SetupStep) -> None:
    """Send the command to the terminal's clipboard by OSC 52. The terminal does not confirm it."""
    screen.app.copy_to_clipboard(step.command)
    screen.muniment.tell("Sent to the terminal's clipboard. If it is empty, press w to write a file.")


def ask_where_to_write(screen: FrameScreen, step: SetupStep) -> None:
    """Ask for a path, then write the command there."""
    suggested = absolute(f"{step.key}{ENDINGS.get(step.language, '.txt')}")
    screen.ask_for(
        joined(("Write the command of ", ""), (step.title, "bold"), (" to the new file:", "")),
        lambda path: _write(screen, step, path),
        value=str(suggested),
    )


def _write(screen: FrameScreen, step: SetupStep, path: str) -> None:
    screen.muniment.engine.work(
        screen,
        "write-command",
        lambda: write_command(step, absolute(Path(path.strip() or "."))),
        lambda written: screen.muniment.tell(f"Written to {written}."),
    )
