"""`muniment retention simulate`: what a disposal would take."""

from __future__ import annotations

from typing import Any

import click

from muniment.api import MailShareWord, SimulateRetention, Simulation
from muniment.cli.answers import last, watched
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.messages import REASON
from muniment.cli.output import TableColumn, plain
from muniment.cli.retention.rules_file import read_rules_file
from muniment.system.formatting import count, iso, local, size
from muniment.system.time_zones import local_zone

PEOPLE = 20
"""Most people that are listed; --json has more."""
MONTHS = 24
"""Most months that are listed."""


@click.command(cls=VaultCommand)
@click.option("--at", default="", metavar="DAY", help="As if it were this day; by default now.")
@click.option(
    "--from",
    "file",
    default="",
    metavar="FILE",
    type=click.Path(),
    help="As if the rules of this file were set now.",
)
@REASON
@pass_session
def simulate(session: CommandSession, at: str, file: str, reason: str) -> None:
    """Say what a disposal would take, before anything acts.

    How many messages would go, of whom, how old, by which rule and since
    when, with examples; and how many stay, since a hold or another rule keeps
    them. It goes by the rules, holds and people of today; with --from, also by
    rules that are not set yet (see retention set). For auditors and
    administrators.

    \b
    Example:
      muniment retention simulate
      muniment retention simulate --at 2037-01-01 --json
      muniment retention simulate --from rules.toml
    """
    rules = read_rules_file(file) if file else ()
    request = SimulateRetention(at=at, zone=local_zone(), reason=reason, rules=rules)
    _, rest = watched(session, request)
    answer = last(rest, Simulation)
    if session.json:
        session.out.json(simulation_as_json(answer))
    else:
        show_simulation(session, answer)


def simulation_as_json(answer: Simulation) -> dict[str, Any]:
    """A simulation as JSON has it."""
    fields: dict[str, Any] = plain(answer)
    fields |= {name: [_share_as_json(one) for one in getattr(answer, name)] for name in ("rules", "people")}
    fields["examples"] = [
        plain(one) | {"received": iso(one.received), "due": iso(one.due)} for one in answer.examples
    ]
    return fields | {"at": iso(answer.at), "goes": _share_as_json(answer.goes)}


def _share_as_json(share: MailShareWord) -> dict[str, Any]:
    times = {name: iso(time) if (time := getattr(share, name)) else None for name in ("oldest", "newest")}
    fields: dict[str, Any] = plain(share) | times
    return {name: value for name, value in fields.items() if value or name not in ("name", "version")}


def show_simulation(session: CommandSession, answer: Simulation) -> None:
    """Print a simulation as text."""
    out, goes = session.out, answer.goes
    if not answer.examined:
        out.prose("No rule disposes of mail: nothing would go.")
        return
    if goes.messages:
        span = f"received from {local(goes.oldest)} to {local(goes.newest)}"
        out.prose(
            f"On {local(answer.at)}, {count(goes.messages)} of {count(answer.examined)} messages would go "
            f"({size(goes.bytes)}), {span}."
        )
    else:
        out.prose(f"On {local(answer.at)}, none of {count(answer.examined)} messages would go.")
    for number, why in (
        (answer.held, "a legal hold keeps"),
        (answer.kept, "another rule keeps"),
    ):
        if number:
            out.prose(f"{count(number)} more would go, but {why} {'it' if number == 1 else 'them'}.")
    for doubt, number in answer.doubts.items():
        out.prose(f"{count(number)} more may be meant by a rule, but {doubt}: they stay.")
    if not goes.messages:
        return
    _shares(session, "Rule", answer.rules, len(answer.rules))
    _shares(session, "Person", answer.people, PEOPLE)
    out.line()
    rows = [[month, count(number)] for month, number in list(answer.months.items())[:MONTHS]]
    out.table([TableColumn("Month due"), TableColumn("Messages", right=True)], rows)
    if len(answer.months) > MONTHS:
        out.line(f"and {count(len(answer.months) - MONTHS)} more months; --json names all")
    out.line()
    _examples(session, answer)


def _shares(session: CommandSession, title: str, shares: tuple[MailShareWord, ...], most: int) -> None:
    session.out.line()
    columns = [
        TableColumn(title, most=40),
        TableColumn("Messages", right=True),
        TableColumn("Size", right=True),
        TableColumn("Oldest"),
        TableColumn("Newest"),
    ]
    rows = (
        [_name(one), count(one.messages), size(one.bytes), local(one.oldest), local(one.newest)]
        for one in shares[:most]
    )
    session.out.table(columns, rows)
    if len(shares) > most:
        session.out.line(f"and {count(len(shares) - most)} more; --json names all")


def _name(share: MailShareWord) -> str:
    return f"{share.name} (version {share.version})" if share.version else share.name


def _examples(session: CommandSession, answer: Simulation) -> None:
    columns = [
        TableColumn("Example"),
        TableColumn("Received"),
        TableColumn("Due"),
        TableColumn("Rule", most=16),
        TableColumn("From", most=24),
        TableColumn("Subject", fill=True),
    ]
    rows = (
        [one.id[:12], local(one.received), local(one.due), one.rule, one.sender, one.subject]
        for one in answer.examples
    )
    session.out.table(columns, rows)
