"""The command line, one module a command family."""

from muniment.cli.app import main
from muniment.cli.doors import EngineDoors

__all__ = ["EngineDoors", "main"]
