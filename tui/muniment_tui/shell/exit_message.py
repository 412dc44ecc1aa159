"""The message after the app has closed: which runs and other works continue, and how to return to them."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from muniment.api import BackgroundWork, GetProof, ProfileState, Proof, RunsState, WatchRuns
from muniment.cli.progress import far
from muniment.client.client import Client, Connect
from muniment.system.environment import VAULT
from muniment_tui.terminal.safe_text import clean

PATIENCE = 2.0
"""How long to wait for the service's answers, in seconds."""


def exit_message(connect: Connect, vault: Path) -> list[str]:
    """The lines to print. The list is empty if nothing continues, or if the service does not answer."""
    found: list[str] = []

    def ask() -> None:
        with suppress(Exception), closing(Client(connect(vault))) as client:
            found.extend(_runs(client))
            found.extend(_works(client))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    lines = list(found)
    if not lines:
        return []
    named = "" if os.environ.get(VAULT) == str(vault) else f" --vault {shlex.quote(str(vault))}"
    return [
        *lines,
        f"This goes on without the app. Open it again: muniment{named}   Watch runs: muniment watch{named}",
    ]


def _runs(client: Client) -> Iterator[str]:
    """A line for each run."""
    words = client.stream(WatchRuns())
    state = next(words, None)
    close = getattr(words, "close", None)
    if close is not None:
        close()
    if isinstance(state, RunsState):
        yield from (_run(profile) for profile in state.profiles if profile.running)


def _run(profile: ProfileState) -> str:
    run = profile.running
    assert run is not None
    if run.stage == "waiting":
        return f"{profile.name}: queued"
    return f"{profile.name}: {run.stage}, {far(run)}"


def _works(client: Client) -> Iterator[str]:
    """A line for each verification, backup and rebuild."""
    return map(_work, client.call(GetProof(), Proof).works)


def _work(work: BackgroundWork) -> str:
    return f"{work.kind} by {clean(work.who)}" + (": queued" if work.waits else "")
