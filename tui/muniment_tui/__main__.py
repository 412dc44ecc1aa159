"""The `muniment` command: bare, the app (an overview without a terminal); all else is the command line's."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import replace
from pathlib import Path

from muniment.__main__ import ENGINE, PRIVATE, start
from muniment.system.environment import COMPLETION
from muniment_tui.launch import Options, drawable, launch, on_terminal, options


def _look(vault: Path) -> int:
    """Open the app on a vault; a terminal that can't draw it has been told all there is already."""
    return launch(ENGINE, Options(str(vault), area="messages")) if drawable() else 0


def main() -> int:
    """Run the program with the arguments it was called with, and return its exit code."""
    gc.disable()  # nothing that is loaded can be collected; looking for it takes a quarter of the start
    called = options(sys.argv[1:])
    if called is None or os.environ.get(COMPLETION):
        gc.enable()
        return start(sys.argv[1:], replace(ENGINE, look=_look) if on_terminal() else ENGINE)
    os.umask(PRIVATE)
    if on_terminal():
        return launch(ENGINE, called)
    from muniment_tui.shell.overview import overview

    return overview(ENGINE, called.vault)


if __name__ == "__main__":
    sys.exit(main())
