"""The command line: one module for each family of commands."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.cli.engine_port import EngineDoors

__all__ = ["EngineDoors", "main"]


def main(argv: Sequence[str], engine: EngineDoors) -> int:
    """Run one command line.

    Args:
        argv: The arguments, without the program's name.
        engine: The ways into the engine.

    Returns:
        The exit code.
    """
    from muniment.cli.app import main as run  # loads every command, which the terminal app does not need

    return run(argv, engine)
