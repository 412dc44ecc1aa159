"""The command that lists the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from msgspec.structs import replace

from muniment.api import AUDIT_KINDS, Audit, AuditEvent, GetAudit
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.complete_names import users
from muniment.cli.output import TableColumn, complain, plain
from muniment.cli.trail.event_csv import csv_of
from muniment.cli.trail.event_lines import AuditLine, act, grouped, whose
from muniment.errors import LedgerDamaged, UsageError
from muniment.system.formatting import iso

LIMIT = 50
WIDE = 120
"""Width of the terminal, in columns, from which whose mail it was has a column of its own."""
PAGE = 1000
"""Most events that are requested at a time."""


@click.command(cls=VaultCommand)
@click.option("--reader", default="", metavar="LOGIN", help="Only what this login read or changed.")
@click.option(
    "--person",
    default="",
    metavar="USER",
    shell_complete=users,
    help="Only what concerns the mail or login of this user, by any address.",
)
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(AUDIT_KINDS), help="Only this kind; may be repeated."
)
@click.option("--from", "since", default="", metavar="DAY", help="From this day, month or year on.")
@click.option("--until", default="", metavar="DAY", help="Up to this day, month or year, its end included.")
@click.option("--word", default="", metavar="TEXT", help="Only events that contain these words.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=None,
    help=f"Show at most this many events.  [default: {LIMIT}; with --csv, all]",
)
@click.option("--after", type=int, default=0, metavar="PLACE", help="Continue where an earlier page ended.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet, a line for each event.")
@pass_session
def audit(
    session: CommandSession, reader: str, person: str, kinds: tuple[str, ...], since: str, until: str,
    word: str, limit: int | None, after: int, as_csv: bool,
) -> int:  # fmt: skip
    """List who read what, and who was refused, newest first.

    Reading your own mail is not listed. A search or an export of all mail
    concerns everybody, so --person lists it as well. Requests that belong to
    one look into a folder or to one search are one line; --json and --csv have
    each event. Days are those of your time zone, as in queries: 2026-01-31,
    2026-01, today, yesterday, 7d (seven days ago).

    The catalog says where the events are; each one is read from the ledger,
    and their number is compared with the ledger's own count. If the catalog
    was changed, the exit code is 6. `muniment verify` checks the ledger itself.
    For auditors and administrators.

    \b
    Example:
      muniment audit --limit 20
      muniment audit --person director@example.com --from 7d
      muniment audit --kind export --from 2026-01 --until 2026-03 --csv > a.csv
    """
    if as_csv and session.json:
        raise UsageError("--csv and --json exclude each other: leave one out.")
    request = GetAudit(
        after=after, reader=reader, person=person, kinds=kinds, since=since, until=until, word=word
    )
    most = limit if limit is not None else None if as_csv else LIMIT
    if as_csv:
        return _print_csv(session, _pages(session, request, most))
    answer = _whole(_pages(session, request, most))
    if session.json:
        page: dict[str, Any] = {"events": [event_as_json(event) for event in answer.events]}
        page |= {"problems": list(answer.problems)} if answer.problems else {}
        session.out.json(page | {"after": answer.after} if answer.after else page)
        return _checked(answer.problems)
    if not answer.events:
        filtered = bool(reader or person or kinds or since or until or word)
        session.out.line(
            "No events fit." if filtered
            else "No events: no one has read another person's mail, and no request was refused."
        )  # fmt: skip
        return _checked(answer.problems)
    _print_table(session, grouped(answer.events))
    if answer.after:
        session.out.line(f"Next page: --after {answer.after}")
    return _checked(answer.problems)


def _pages(session: CommandSession, request: GetAudit, most: int | None) -> Iterator[Audit]:
    """The pages of a request, until there are `most` events; None for all. There is at least one page."""
    left = most
    while True:
        limit = PAGE if left is None else min(left, PAGE)
        page = session.ask(replace(request, limit=limit), Audit)
        yield page
        left = None if left is None else left - len(page.events)
        if not page.after or left == 0:
            return
        request = replace(request, after=page.after, now=page.now)


def _whole(pages: Iterator[Audit]) -> Audit:
    """All pages as one."""
    events: list[AuditEvent] = []
    problems: dict[str, None] = {}
    after = 0
    for page in pages:
        events += page.events
        problems |= dict.fromkeys(page.problems)
        after = page.after
    return Audit(events=tuple(events), after=after, problems=tuple(problems))


def _print_csv(session: CommandSession, pages: Iterator[Audit]) -> int:
    problems: dict[str, None] = {}
    header = True
    for page in pages:
        session.out.raw(csv_of(page.events, header))
        problems |= dict.fromkeys(page.problems)
        header = False
    return _checked(tuple(problems))


def _print_table(session: CommandSession, lines: list[AuditLine]) -> None:
    wide = session.out.width >= WIDE
    columns = [TableColumn("When"), TableColumn("Who", most=16 if wide else 10), TableColumn("What", most=28)]
    columns += [TableColumn("Whose mail", most=40)] if wide else []
    columns += [TableColumn("About" if wide else "Whose mail, and about", fill=True)]
    session.out.table(columns, (_row(line, wide) for line in lines))


def _checked(problems: tuple[str, ...]) -> int:
    """Report where catalog and ledger disagree, and return the exit code."""
    for problem in problems:
        complain(problem)
    return LedgerDamaged.exit_code if problems else 0


def event_as_json(event: AuditEvent) -> dict[str, Any]:
    """An event as `audit --json` prints it: its details are on one level with the common fields."""
    common: dict[str, Any] = plain(event)
    detail = common.pop("detail")
    shown: dict[str, Any] = detail | common | {"time": iso(event.time)}
    return shown


def _row(line: AuditLine, wide: bool) -> list[str]:
    event = line.newest
    who = f"{event.who} ({event.role})" if event.role not in ("", "administrator", "auditor") else event.who
    row = [line.when, who or "-", act(event)]
    if wide:
        return [*row, whose(event) or "-", line.about]
    return [*row, "; ".join(filter(None, (whose(event), line.about)))]


COMMANDS = (audit,)
