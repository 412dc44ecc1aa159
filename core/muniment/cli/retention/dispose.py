"""`muniment retention dispose`: erases what is due by the rules."""

from __future__ import annotations

import click

from muniment.api import Disposed, DisposeMail, SimulateRetention, Simulation
from muniment.cli.answers import last, watched
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import complain, plain
from muniment.cli.retention.simulate import show_simulation, simulation_as_json
from muniment.errors import UsageError
from muniment.system.formatting import count, size
from muniment.system.time_zones import local_zone

CERTIFICATES = 3
"""Most certificates that are named; --json has the numbers of all records."""
REASON = click.option("--reason", default="", metavar="TEXT", help="Why, for the audit trail.")


@click.command(cls=VaultCommand)
@click.option("--dry-run", "check", is_flag=True, help="Erase nothing; say what would go.")
@click.option(
    "--yes",
    "expected",
    type=click.IntRange(1),
    default=None,
    metavar="COUNT",
    help="Erase without a question, if exactly this many messages are due.",
)
@REASON
@pass_session
def dispose(session: CommandSession, check: bool, expected: int | None, reason: str) -> int:
    """Erase the mail that is due by the rules. For administrators.

    First says what would go. What is erased can't be brought back. Mail under
    a legal hold, and mail that a rule keeps, stays.

    It waits for runs and backups, and goes on if the connection is lost;
    Ctrl-C stops it. To resume it, run it again. One call takes at most 100,000
    messages.

    \b
    Example:
      muniment retention dispose --dry-run
      muniment retention dispose --yes 1204 --reason "yearly disposal"
    """
    _, rest = watched(session, SimulateRetention(zone=local_zone(), reason=reason))
    found = last(rest, Simulation)
    if check or not found.listed:
        if session.json:
            session.out.json(simulation_as_json(found))
        else:
            show_simulation(session, found)
        return 0
    if not session.json:
        show_simulation(session, found)
        session.out.line()
    if not _agreed(session, found, expected):
        session.out.line("Nothing was erased.")
        return 0
    return _dispose(session, DisposeMail(at=found.at, list=found.list, reason=reason))


def _agreed(session: CommandSession, found: Simulation, expected: int | None) -> bool:
    """Whether to erase what was found.

    Raises:
        UsageError: Nobody can be asked, or another number of messages was expected.
    """
    if expected is not None:
        if expected != found.listed:
            raise UsageError(
                f"{count(found.listed)} messages are due, not {count(expected)}: nothing was erased; look at "
                "them with --dry-run."
            )
        return True
    if session.json or not session.out.interactive:
        raise UsageError(
            f"Nobody can be asked here: add --yes {found.listed} to erase the messages that are due."
        )
    if found.listed < found.goes.messages:
        return session.out.confirm(f"Erase the first {count(found.listed)} of them for ever?")
    what = "1 message" if found.listed == 1 else f"{count(found.listed)} messages"
    return session.out.confirm(f"Erase {what} ({size(found.goes.bytes)}) for ever?")


def _dispose(session: CommandSession, request: DisposeMail) -> int:
    _, rest = watched(session, request)
    answer = last(rest, Disposed)
    if session.json:
        session.out.json(plain(answer))
    else:
        session.out.prose(answer.message)
        if answer.records:
            session.out.prose(f"Certificates: {_certificates(answer.records)}", 2)
        for id_, why in answer.refused.items():
            complain(f"{id_[:12]} stays: {why}.")
    return 0


def _certificates(records: tuple[int, ...]) -> str:
    """How to print the certificates of the first records of an erasure."""
    commands = ", ".join(f"muniment certificate {record}" for record in records[:CERTIFICATES])
    more = len(records) - CERTIFICATES
    return f"{commands} and {count(more)} more" if more > 0 else commands
