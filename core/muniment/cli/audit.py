"""The command that lists the audit trail."""

from __future__ import annotations

from typing import Any

import click

from muniment.api import Audit, AuditEvent, GetAudit
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import TableColumn, complain, plain
from muniment.errors import LedgerDamaged
from muniment.system.formatting import iso, local

ID = 12
"""Number of digits of a message's id that are shown."""


@click.command(cls=VaultCommand)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Show at most this many."
)
@click.option("--after", type=int, default=0, metavar="PLACE", help="Continue where an earlier page ended.")
@pass_session
def audit(session: CommandSession, limit: int, after: int) -> int:
    """List who read what, and who was refused, newest first.

    Reading your own mail is not listed. The catalog says where the events are;
    each one is read from the ledger, and their number is compared with the
    ledger's own count. If the catalog was changed, the exit code is 6.
    `muniment verify` checks the ledger itself. For auditors and administrators.

    \b
    Example:
      muniment audit --limit 20
    """
    answer = session.ask(GetAudit(limit=limit, after=after), Audit)
    if session.json:
        page: dict[str, Any] = {"events": [event_as_json(event) for event in answer.events]}
        page |= {"problems": list(answer.problems)} if answer.problems else {}
        session.out.json(page | {"after": answer.after} if answer.after else page)
        return _checked(answer)
    if not answer.events:
        session.out.line("No events: no one has read another person's mail, and no request was refused.")
        return _checked(answer)
    columns = [
        TableColumn("When"),
        TableColumn("Who", most=20),
        TableColumn("Role"),
        TableColumn("What"),
        TableColumn("", fill=True),
    ]
    session.out.table(columns, (_row(event) for event in answer.events))
    if answer.after:
        session.out.line(f"Next page: --after {answer.after}")
    return _checked(answer)


def _checked(answer: Audit) -> int:
    """Report where catalog and ledger disagree, and return the exit code."""
    for problem in answer.problems:
        complain(problem)
    return LedgerDamaged.exit_code if answer.problems else 0


def event_as_json(event: AuditEvent) -> dict[str, Any]:
    """An event as `audit --json` prints it: its details are on one level with the common fields."""
    common: dict[str, Any] = plain(event)
    detail = common.pop("detail")
    shown: dict[str, Any] = detail | common | {"time": iso(event.time)}
    return shown


def _row(event: AuditEvent) -> list[str]:
    what = f"{event.event} {event.word}" if event.word else event.event
    return [local(event.time), event.who or "-", event.role or "-", what, _detail(event.detail)]


def _detail(detail: dict[str, Any]) -> str:
    parts = [str(message)[:ID] for message in detail.get("messages", ())]
    parts += [
        f"{name}: {detail[name]}"
        for name in ("step", "said", "login", "address", "user", "folder", "query", "id", "path")
        if name in detail
    ]
    parts += [f"{detail['count']} times"] if detail.get("count", 1) > 1 else []
    parts += [f"{name}: {detail[name]}" for name in ("reason", "refusal") if name in detail]
    return "; ".join(parts)


COMMANDS = (audit,)
