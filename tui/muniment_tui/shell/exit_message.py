"""The message after the app has closed: which runs continue, and how to return to them."""

from __future__ import annotations

import os
import shlex
import threading
from contextlib import suppress
from pathlib import Path

from muniment.api import ProfileState, RunsState, WatchRuns
from muniment.cli.progress import far
from muniment.client.client import Client, Connect
from muniment.system.environment import VAULT

PATIENCE = 2.0
"""How long to wait for the service's answer, in seconds."""


def exit_message(connect: Connect, vault: Path) -> list[str]:
    """The lines to print. The list is empty if no run continues, or if the service does not answer."""
    found: list[RunsState] = []

    def ask() -> None:
        with suppress(Exception):
            client = Client(connect(vault))
            try:
                found.extend(
                    word for word in [next(client.stream(WatchRuns()))] if isinstance(word, RunsState)
                )
            finally:
                client.close()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    running = [profile for profile in found[0].profiles if profile.running] if found else []
    if not running:
        return []
    named = "" if os.environ.get(VAULT) == str(vault) else f" --vault {shlex.quote(str(vault))}"
    return [
        *map(_line, running),
        f"Runs continue without the app. Open it again: muniment{named}   Watch only: muniment watch{named}",
    ]


def _line(profile: ProfileState) -> str:
    run = profile.running
    assert run is not None
    if run.stage == "waiting":
        return f"{profile.name}: queued"
    return f"{profile.name}: {run.stage}, {far(run)}"
