"""The command that lists the audit trail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
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
EVERY = 1.0
"""Seconds between two requests of --follow, once all events are printed."""


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
    help=f"Show at most this many events.  [default: {LIMIT}; with --csv and --lines, all]",
)
@click.option(
    "--after",
    default="",
    metavar="PLACE",
    help="Continue where an earlier page ended; with --lines, after the event with this cursor.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet, a line for each event.")
@click.option(
    "--lines",
    "as_lines",
    is_flag=True,
    help="Print a line of JSON for each event with its cursor, oldest first.",
)
@click.option("--follow", is_flag=True, help="With --lines: wait for new events, until Ctrl-C.")
@pass_session
def audit(
    session: CommandSession, reader: str, person: str, kinds: tuple[str, ...], since: str, until: str,
    word: str, limit: int | None, after: str, as_csv: bool, as_lines: bool, follow: bool,
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

    --lines is for programs that collect events, such as those of a SIEM: every
    event in the order of the ledger. `--after CURSOR` continues after the last
    event that the program has; a cursor that the vault does not know is an
    error, since the vault may have been set back.

    \b
    Example:
      muniment audit --limit 20
      muniment audit --person director@example.com --from 7d
      muniment audit --kind export --from 2026-01 --until 2026-03 --csv > a.csv
      muniment audit --lines --follow --after 4711-9f86d081884c7d65
    """
    _require_one_form(session.json, as_csv, as_lines, follow)
    request = GetAudit(reader=reader, person=person, kinds=kinds, since=since, until=until, word=word)
    if as_lines:
        request = replace(request, cursor=after, oldest_first=True)
        return _print_lines(session, request, limit, follow)
    place, begun = _place(after)
    request = replace(request, after=place, now=begun)
    most = limit if limit is not None else None if as_csv else LIMIT
    if as_csv:
        return _print_csv(session, _pages(session, request, most))
    answer = _whole(_pages(session, request, most))
    if session.json:
        page: dict[str, Any] = {"events": [event_as_json(event) for event in answer.events]}
        page |= {"problems": list(answer.problems)} if answer.problems else {}
        session.out.json(page | {"after": answer.after, "now": answer.now} if answer.after else page)
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
        timed = f"@{answer.now}" if since or until else ""
        session.out.line(f"Next page: --after {answer.after}{timed}")
    return _checked(answer.problems)


def _require_one_form(json: bool, csv: bool, lines: bool, follow: bool) -> None:
    """Raise UsageError if the options ask for two forms of output, or for more of a form that has an end."""
    forms = [name for name, chosen in (("--csv", csv), ("--lines", lines), ("--json", json)) if chosen]
    if len(forms) > 1:
        raise UsageError(f"{forms[0]} and {forms[1]} exclude each other: leave one out.")
    if follow and not lines:
        raise UsageError("--follow needs --lines as well.")


def _place(after: str) -> tuple[int, int]:
    """The place of an earlier page, and the time from which its days were counted, as they were typed.

    Raises:
        UsageError: They are no numbers.
    """
    if not after:
        return 0, 0
    place, timed, begun = after.partition("@")
    if not (_is_number(place) and (_is_number(begun) if timed else True)):
        raise UsageError(f"--after {after[:80]!r} is no place: use the one below the page before.")
    return int(place), int(begun or 0)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


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
    after = now = 0
    for page in pages:
        events += page.events
        problems |= dict.fromkeys(page.problems)
        after, now = page.after, page.now
    return Audit(events=tuple(events), after=after, problems=tuple(problems), now=now)


def _print_csv(session: CommandSession, pages: Iterator[Audit]) -> int:
    problems: dict[str, None] = {}
    header = True
    for page in pages:
        session.out.raw(csv_of(page.events, header))
        problems |= dict.fromkeys(page.problems)
        header = False
    return _checked(tuple(problems))


def _print_lines(session: CommandSession, request: GetAudit, most: int | None, follow: bool) -> int:
    """Print a line for each event. Problems are said at once, since this may never end."""
    said: set[str] = set()
    with suppress(KeyboardInterrupt):
        while True:
            for page in _pages(session, request, most):
                for event in page.events:
                    session.out.json({"cursor": event.cursor} | event_as_json(event))
                _checked(tuple(problem for problem in page.problems if problem not in said))
                said.update(page.problems)
                most = None if most is None else most - len(page.events)
                known = page.events[-1].cursor if page.events else request.cursor
                request = replace(request, cursor=known, check=False, now=page.now)
            if not follow or most == 0:
                break
            time.sleep(EVERY)
    return LedgerDamaged.exit_code if said else 0


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
