"""The `muniment` command: bare, the app (an overview without a terminal); all else is the command line's."""

from __future__ import annotations

import os
import sys

from muniment.__main__ import ENGINE, PRIVATE, start
from muniment.cli.app import COMPLETION
from muniment_tui.launch import launch, on_terminal, options


def main() -> int:
    """Run the program with the arguments it was called with, and return its exit code."""
    called = options(sys.argv[1:])
    if called is None or os.environ.get(COMPLETION):
        return start(sys.argv[1:])
    os.umask(PRIVATE)
    if on_terminal():
        return launch(ENGINE, called)
    from muniment_tui.overview import overview

    return overview(ENGINE, called.vault)


if __name__ == "__main__":
    sys.exit(main())
