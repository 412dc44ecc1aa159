"""What is said when the app has ended: which runs go on without it, and how to come back."""

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
"""Seconds that the answer may take: nobody waits for a farewell."""


def farewell(connect: Connect, vault: Path) -> list[str]:
    """The lines to print; none where nothing runs, or where that can't be known."""
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
        f"They go on without the app. Come back with: muniment{named}   or watch with: muniment watch{named}",
    ]


def _line(profile: ProfileState) -> str:
    run = profile.running
    assert run is not None
    if run.stage == "waiting":
        return f"{profile.name}: waits its turn"
    return f"{profile.name}: {run.stage}, {far(run)}"
