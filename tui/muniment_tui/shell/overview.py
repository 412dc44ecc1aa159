"""The overview that `muniment` prints without a terminal: the vault's status and the next steps, or how to
begin."""

from __future__ import annotations

import os

from muniment.api import GetHealth, GetStatus, Health, Status
from muniment.cli import EngineDoors
from muniment.cli.app import guarded
from muniment.cli.command import CommandSession
from muniment.cli.output import CommandOutput
from muniment.cli.vaults import INDENT, last_run, status_lines
from muniment.client.find_vault import FoundVault, find_vault
from muniment.system.environment import VAULT, absolute

BEGIN = """\
Muniment archives an organisation's mail, complete, unchanged and provable.

No vault is selected.
  Try it with sample mail:  muniment demo
  Create a vault:           muniment init --vault DIR --domain D
  Use an existing vault:    export MUNIMENT_VAULT=DIR
  List all commands:        muniment --help
"""


def overview(engine: EngineDoors, vault: str = "") -> int:
    """Print the overview of a vault, and return the exit code.

    `vault` is a folder; "" means MUNIMENT_VAULT, or the vault of the current folder.
    """
    session = CommandSession(engine, CommandOutput())
    session.folder = absolute(vault) if vault else None
    return guarded(lambda: _overview(session), session)


def _overview(session: CommandSession) -> int:
    out = session.out
    if session.folder is None and not os.environ.get(VAULT) and find_vault() == FoundVault():
        out.block(BEGIN)  # a vault that is refused gives its reason below, as with each command
        return 0
    status = session.ask(GetStatus(), Status)
    health = session.ask(GetHealth(), Health)
    for name, value in status_lines(status, health):
        out.prose(f"{name:<12}{value}", INDENT)
    for profile in status.profiles:
        out.line(f"{'Profile':<12}{profile.name}: {last_run(profile)}")
    out.line()
    out.line("Next:")
    for command, purpose in _next(status):
        out.line(f"  {command:<32}{purpose}")
    return 0


def _next(status: Status) -> list[tuple[str, str]]:
    """Useful commands, with their purpose."""
    advice = []
    if not status.profiles:
        advice.append(("muniment profile add --help", "add a mailbox to fetch mail from"))
    else:
        advice.append(("muniment run --all", "fetch and archive new mail"))
    if not status.users:
        advice.append(("muniment users import FILE.csv", "import people and their addresses"))
    if status.messages:
        advice += [("muniment search QUERY", "find mail"), ("muniment tree", "list people and folders")]
        advice.append(("muniment verify", "prove that the archive is complete and unchanged"))
    if status.quarantined:
        advice.append(("muniment quarantine list", "list items that could not be unwrapped"))
    return [*advice, ("muniment --help", "list all commands")]
