"""`python -m muniment.service VAULT`: a service in the background, as muniment.client.autostart starts it.

Writes one thing to standard output and closes it: that it is ready, or why it is not.
"""

from __future__ import annotations

import logging
import os
import pwd
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from muniment.client import protocol
from muniment.client.autostart import READY
from muniment.client.socket_path import digest
from muniment.errors import MunimentError, VaultError, VaultLocked
from muniment.system.gc_tuning import look_seldom
from muniment.system.logs import Structured, say_in_log

log = logging.getLogger("muniment.service")

SIZE = 1024 * 1024
"""Bytes of a log file; one older one is kept."""
PRIVATE = 0o077


def main(vault: str) -> int:
    """Serve the vault until nobody needs it; returns the exit code."""
    if os.fork():
        return 0  # whoever started it has nobody to wait for
    os.umask(PRIVATE)
    look_seldom()
    _log_to_file(vault)
    try:
        return _served(Path(vault), lambda: _tell(READY))
    except MunimentError as error:
        _tell(protocol.encoded(protocol.failure(error))[protocol.LENGTH.size :])
        return error.exit_code


def _served(vault: Path, ready: Callable[[], None]) -> int:
    from muniment.service.daemon.serve import serve, serve_reading

    try:
        return serve(vault, say_in_log, ready=ready)
    except VaultLocked:
        raise
    except VaultError as error:
        log.error("%s", error)
        return serve_reading(vault, ready)


def _tell(what: bytes) -> None:
    """Tell whoever started it, and let go of them."""
    with suppress(BrokenPipeError):  # they waited no longer
        os.write(1, what)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _log_to_file(vault: str) -> None:
    """Have log lines go to a file of bounded size in the user's state folder; nowhere where it can't be."""
    handler: logging.Handler
    try:
        home = os.environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
        state = Path(os.environ.get("XDG_STATE_HOME") or Path(home) / ".local" / "state") / "muniment"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{Path(vault).name}-{digest(Path(vault))}.log"
        handler = RotatingFileHandler(state / name, maxBytes=SIZE, backupCount=1)
    except (OSError, KeyError):
        handler = logging.NullHandler()
    handler.setFormatter(Structured("keys"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    sys.excepthook = lambda kind, error, trace: log.critical("crashed", exc_info=(kind, error, trace))
    threading.excepthook = _thread_crashed


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        log.error("a thread crashed", exc_info=args.exc_value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
