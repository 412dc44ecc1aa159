"""The command that archives mail: run."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

import click

from muniment.api import CancelRun, Done, ProgressWord, Request, Run, RunAll, RunSummary
from muniment.cli import books
from muniment.cli.answers import streaming
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.complete_names import profiles
from muniment.cli.live import LiveDisplay
from muniment.cli.output import complain
from muniment.errors import RunFailed, UsageError

INDENT = 4
"""Blanks before the further lines of a line of the books."""


@click.command(cls=VaultCommand)
@click.argument("names", metavar="NAME...", nargs=-1, shell_complete=profiles)
@click.option("--all", "everything", is_flag=True, help="Run every enabled profile, one after another.")
@pass_session
def run(session: CommandSession, names: tuple[str, ...], everything: bool) -> int:
    """Fetch, archive and file mail, once.

    Shows its progress on a terminal, and ends with the books: sums that say
    what became of every listed message. Mail is deleted at the source only if
    the profile says so, and only after it is safely kept. If the profile is
    already running, that run is shown, and no second one starts.

    Ctrl-C stops after the current messages; nothing is lost, and the next run
    continues there. If a service runs, losing the connection stops no run.

    \b
    Example:
      muniment run gw
      muniment run --all --json
    """
    if bool(names) == everything:
        raise UsageError("Name the profiles to run, or use --all for every enabled one.")
    requests: list[Request] = [RunAll()] if everything else [Run(profile=name) for name in names]
    code = 0
    with StopRequest() as stop:
        for request in requests:
            code = _one(session, request, stop) or code
            if stop.signal:
                return 128 + stop.signal
    return code


def _one(session: CommandSession, request: Request, stop: StopRequest) -> int:
    """Follow the runs of one request; returns the exit code of the last one that went wrong, or 0."""
    code, cancelled = 0, False
    with streaming(session, request) as words, LiveDisplay(session) as display:
        for word in words:
            if isinstance(word, ProgressWord):
                display.show(books.stages(word))
            elif isinstance(word, RunSummary):
                display.clear()
                code = report(session, word) or code
                if cancelled:
                    break
            if stop.signal and not cancelled:
                session.ask(CancelRun(profile=request.profile if isinstance(request, Run) else ""), Done)
                cancelled = True
    return code


def report(session: CommandSession, summary: RunSummary) -> int:
    """Print the books of a run and the reason if it failed; returns its exit code."""
    if session.json:
        session.out.json(books.as_json(summary))
    else:
        for line in books.equation(summary):
            session.out.prose(line, INDENT)
    session.out.flush()
    if books.went_well(summary):
        return 0
    if summary.error:
        complain(f"{summary.profile}: {summary.error}")
    return summary.exit_code or RunFailed.exit_code


class StopRequest:
    """Records the first Ctrl-C or SIGTERM as a request to stop; a second one raises KeyboardInterrupt.

    It catches signals inside its `with` block, in the main thread only.
    """

    def __init__(self) -> None:
        self.signal = 0
        """The number of the first signal; 0 before it comes."""
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


COMMANDS = (run,)
