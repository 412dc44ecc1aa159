"""The `muniment` command.

Without arguments it opens the app, or prints an overview if there is no terminal. With arguments it runs the
command line.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from muniment.__main__ import ENGINE, PRIVATE, start
from muniment.system.environment import COMPLETION
from muniment_tui.launch import LaunchOptions, drawable, launch, on_terminal, options

if TYPE_CHECKING:
    from muniment.cli import EngineDoors


def _look(vault: Path) -> int:
    """Open the app on a vault. On a terminal that can't display it, nothing is left to do."""
    return launch(ENGINE, LaunchOptions(str(vault), area="messages")) if drawable() else 0


def main(engine: EngineDoors = ENGINE) -> int:
    """Run the program with the arguments of the process, and return its exit code."""
    gc.disable()  # modules are never garbage, and looking for it takes a quarter of the start-up time
    called = options(sys.argv[1:])
    if called is None or os.environ.get(COMPLETION):
        gc.enable()
        return start(sys.argv[1:], replace(engine, look=_look) if on_terminal() else engine)
    os.umask(PRIVATE)
    if on_terminal():
        return launch(engine, called)
    from muniment_tui.shell.overview import overview

    return overview(engine, called.vault)


if __name__ == "__main__":
    sys.exit(main())
