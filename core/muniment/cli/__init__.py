"""The command line, one module a command family."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.cli.engine_port import EngineDoors

__all__ = ["EngineDoors", "main"]


def main(argv: Sequence[str], engine: EngineDoors) -> int:
    """Run one command line (without the program's name) and return the exit code."""
    from muniment.cli.app import main as run  # all commands, which the terminal app has no need of

    return run(argv, engine)
