"""Starts a run from any screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from muniment.api import Run, RunSummary, WireWord

if TYPE_CHECKING:
    from muniment_tui.app import MunimentApp


def run_now(app: MunimentApp, profile: str, ended: Callable[[], object] = lambda: None) -> None:
    """Start a run. Its result becomes a notice, on any screen; then `ended` is called."""

    def each(message: WireWord) -> None:
        if isinstance(message, RunSummary):
            app.tell(outcome(message), "information" if message.state == "ok" else "error")

    app.runs_go_on = True
    app.engine.stream(app, Run(profile=profile), each, ended=ended)
    app.tell(f"{profile} is running; Runs (3) shows its progress.")


def outcome(run: RunSummary) -> str:
    """The result of a run as a sentence."""
    if run.state == "ok":
        counts = f"{run.new:,} new, {run.merged:,} merged, {run.deleted:,} deleted at the source"
        return f"{run.profile}: ok, {counts}."
    return f"{run.profile}: {run.state}. {run.error}"
