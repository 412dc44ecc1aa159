"""`python -P -m muniment.service VAULT`: a service in the background, started by muniment.client.autostart.

It writes one message to standard output and closes it: READY, or the error that kept it from starting.
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
from muniment.system.logs import StructuredFormatter, say_in_log

log = logging.getLogger("muniment.service")

SIZE = 1024 * 1024
"""Largest size of a log file, in bytes. One older file is kept."""
PRIVATE = 0o077
"""umask: files are for their owner only."""


def main(vault: str) -> int:
    """Serve the vault in `vault` until it is no longer needed; returns the exit code (see
    muniment.errors)."""
    if os.fork():
        return 0  # so that the client that started it need not wait for it
    os.umask(PRIVATE)
    look_seldom()
    _log_to_file(vault)
    try:
        return _serve(Path(vault), lambda: _report(READY))
    except MunimentError as error:
        _report(protocol.encoded(protocol.failure(error))[protocol.LENGTH.size :])
        return error.exit_code


def _serve(vault: Path, ready: Callable[[], None]) -> int:
    from muniment.service.daemon.serve import serve, serve_reading

    try:
        return serve(vault, say_in_log, ready=ready)
    except VaultLocked:
        raise
    except VaultError as error:
        log.error("%s", error)
        return serve_reading(vault, ready)


def _report(message: bytes) -> None:
    """Write a message to the client that started the service, and close standard output."""
    with suppress(BrokenPipeError):  # the client has stopped waiting
        os.write(1, message)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _log_to_file(vault: str) -> None:
    """Log to a file of bounded size in the user's state folder; nowhere if that is not possible."""
    handler: logging.Handler
    try:
        home = os.environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
        state = Path(os.environ.get("XDG_STATE_HOME") or Path(home) / ".local" / "state") / "muniment"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{Path(vault).name}-{digest(Path(vault))}.log"
        handler = RotatingFileHandler(state / name, maxBytes=SIZE, backupCount=1)
    except (OSError, KeyError):
        handler = logging.NullHandler()
    handler.setFormatter(StructuredFormatter("keys"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    sys.excepthook = lambda kind, error, trace: log.critical("crashed", exc_info=(kind, error, trace))
    threading.excepthook = _thread_crashed


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        log.error("a thread crashed", exc_info=args.exc_value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
