"""What a bare `muniment` says: how the vault stands and what to do next, or how to begin."""

from __future__ import annotations

import os

from muniment.api import GetStatus, Status
from muniment.cli import EngineDoors
from muniment.cli.app import guarded
from muniment.cli.command import Session
from muniment.cli.output import Output
from muniment.cli.vaults import last_run, status_lines
from muniment.system.environment import VAULT, absolute

BEGIN = """\
Muniment keeps an organisation's mail: complete, unchanged, findable, provable.

No vault is named yet.
  See it at work with sample mail:  muniment demo
  Make a vault of your own:         muniment init --vault DIR --domain D
  Use one that is there:            export MUNIMENT_VAULT=DIR
  All commands:                     muniment --help
"""


def overview(engine: EngineDoors, vault: str = "") -> int:
    """Print the overview of the vault that `vault`, else MUNIMENT_VAULT, names; returns the exit code."""
    session = Session(engine, Output())
    session.folder = absolute(vault) if vault else None
    return guarded(lambda: _overview(session), session)


def _overview(session: Session) -> int:
    out = session.out
    if session.folder is None and not os.environ.get(VAULT):
        out.block(BEGIN)
        return 0
    status = session.ask(GetStatus(), Status)
    for name, value in status_lines(status):
        out.line(f"{name:<12}{value}")
    for profile in status.profiles:
        out.line(f"{'Profile':<12}{profile.name}: {last_run(profile)}")
    out.line()
    out.line("Next:")
    for command, purpose in _next(status):
        out.line(f"  {command:<32}{purpose}")
    return 0


def _next(status: Status) -> list[tuple[str, str]]:
    """Commands that make sense as things stand."""
    advice = []
    if not status.profiles:
        advice.append(("muniment profile add --help", "say where mail is fetched from"))
    else:
        advice.append(("muniment run --all", "fetch and archive new mail"))
    if not status.users:
        advice.append(("muniment users import FILE.csv", "name the people and their addresses"))
    if status.messages:
        advice += [("muniment search QUERY", "find mail"), ("muniment tree", "see whose mail is kept")]
        advice.append(("muniment verify", "prove that it is whole and unchanged"))
    if status.quarantined:
        advice.append(("muniment quarantine list", "see what could not be unwrapped"))
    return [*advice, ("muniment --help", "all commands")]
