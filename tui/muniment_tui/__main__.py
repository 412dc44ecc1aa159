"""The `muniment` command: bare, an overview; all else is the command line's."""

from __future__ import annotations

import sys

from muniment.__main__ import ENGINE, start


def main() -> int:
    """Run the program with the arguments it was called with, and return its exit code."""
    arguments = sys.argv[1:]
    if arguments:
        return start(arguments)
    from muniment_tui.overview import overview

    return overview(ENGINE)


if __name__ == "__main__":
    sys.exit(main())
