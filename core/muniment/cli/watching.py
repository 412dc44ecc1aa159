"""Commands for runs in progress and runs that have ended: watch, cancel, history."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import click

from muniment.api import CancelRun, Done, GetHistory, History, ProfileState, RunRecord, RunsState, WatchRuns
from muniment.cli.answers import done, streaming
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.complete_names import profiles
from muniment.cli.live import LiveDisplay
from muniment.cli.output import TableColumn, plain
from muniment.cli.progress import far, remaining
from muniment.errors import UsageError
from muniment.system.formatting import count, iso, local, seconds, size

TAIL = 8
"""Number of log lines that are drawn below the profiles."""
STATES = ("ok", "failed", "cancelled")
"""How a run can end."""


@click.command(cls=VaultCommand)
@click.option("--once", is_flag=True, help="Print the present state and exit.")
@pass_session
def watch(session: CommandSession, once: bool) -> None:
    """Watch the runs.

    Shows every profile with its run or its next start, and the newest lines of
    the log. Ctrl-C ends the watching; it stops no run. With --json, prints a
    line whenever something has changed.

    \b
    Example:
      muniment watch
      muniment watch --once --json
    """
    once = once or not (session.json or session.shows_progress)
    seen: RunsState | None = None
    with (
        suppress(KeyboardInterrupt),
        streaming(session, WatchRuns()) as words,
        LiveDisplay(session) as display,
    ):
        for word in words:
            if not isinstance(word, RunsState):
                continue
            if session.json and word != seen:
                session.out.json(plain(word))
                session.out.await_reader()
            elif not once:
                display.show([*map(_line, word.profiles), "", *(line.text for line in word.log[-TAIL:])])
            seen = word
            if once:
                break
    if once and not session.json and seen is not None:
        for profile in seen.profiles:
            session.out.line(_line(profile))
        if not seen.profiles:
            session.out.line("No profiles yet: `muniment profile add --help` says how to add one.")


def _line(profile: ProfileState) -> str:
    return f"{profile.name:<16} {_state(profile)}"


def _state(profile: ProfileState) -> str:
    run = profile.running
    if run is not None:
        if run.stage == "waiting":
            return "waits its turn"
        new = f"{count(run.books.get('new', 0))} new"
        volume = f"{size(run.bytes)} in {seconds(run.seconds)}"
        return f"{run.stage}: " + ", ".join(filter(None, [far(run), remaining(run), new, volume]))
    last = f"last run {profile.last.get('state', '')}" if profile.last else "never ran"
    if profile.next_start:
        return f"{last}, next at {local(profile.next_start)}"
    if not profile.tested:
        return f"{last}, not tested yet: runs by hand only"
    return last if profile.enabled else f"{last}, runs by hand only"


@click.command(cls=VaultCommand)
@click.argument("name", required=False, shell_complete=profiles)
@click.option("--all", "everything", is_flag=True, help="Stop every run and every waiting one.")
@pass_session
def cancel(session: CommandSession, name: str | None, everything: bool) -> None:
    """Stop a profile's run after the current messages.

    Nothing is lost: the remaining mail stays at the source, and the next run
    continues there.

    \b
    Example:
      muniment cancel gw
    """
    if bool(name) == everything:
        raise UsageError("Name the profile whose run you want to stop, or use --all.")
    done(session, session.ask(CancelRun(profile=name or ""), Done))


@click.command(cls=VaultCommand)
@click.option(
    "--profile", default="", metavar="NAME", help="Only runs of this profile.", shell_complete=profiles
)
@click.option("--state", type=click.Choice(STATES), default=None, help="Only runs that ended like this.")
@click.option("--every", is_flag=True, help="Also runs that found nothing new.")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Show at most this many."
)
@click.option("--after", type=int, default=0, metavar="PLACE", help="Continue where an earlier page ended.")
@pass_session
def history(
    session: CommandSession, profile: str, state: str | None, every: bool, limit: int, after: int
) -> None:
    """List runs that have ended, newest first.

    Runs that went well and found nothing to do are listed only with --every.

    \b
    Example:
      muniment history --profile gw --state failed
    """
    request = GetHistory(profile=profile, state=state or "", eventful=not every, limit=limit, after=after)
    answer = session.ask(request, History)
    if session.json:
        page = {"runs": [run_as_json(run) for run in answer.runs]}
        session.out.json(page | {"after": answer.after} if answer.after else page)
        return
    if not answer.runs:
        session.out.line("No such run has ended yet.")
        return
    columns = [
        TableColumn("Ended"),
        TableColumn("Profile", most=16),
        TableColumn("State"),
        TableColumn("New", right=True),
    ]
    columns += [
        TableColumn("Merged", right=True),
        TableColumn("Took", right=True),
        TableColumn("", fill=True),
    ]
    session.out.table(columns, map(_row, answer.runs))
    if answer.after:
        session.out.line(f"Next page: --after {answer.after}")


def run_as_json(run: RunRecord) -> dict[str, Any]:
    """A run as `history --json` prints it: its summary, and when it ended."""
    fields = run.summary | {"ended": iso(run.time), "sequence": run.sequence}
    fields.pop("v", None)
    return fields | {"in_a_row": run.count, "since": iso(run.since)} if run.count > 1 else fields


def _row(run: RunRecord) -> list[str]:
    books = run.summary
    often = f"{run.count} times since {local(run.since)}: " if run.count > 1 else ""
    counts = [f"{count(books[key])} {key}" for key in ("quarantined", "failed", "pending") if books.get(key)]
    return [
        local(run.time), str(books.get("profile", "")), str(books.get("state", "")),
        count(books.get("new", 0)), count(books.get("merged", 0)), seconds(books.get("seconds", 0.0)),
        often + "; ".join([*counts, *([books["error"]] if books.get("error") else [])]),
    ]  # fmt: skip


COMMANDS = (watch, cancel, history)
