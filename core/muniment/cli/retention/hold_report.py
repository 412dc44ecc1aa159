"""`muniment hold report`: what is held and why, as text, CSV or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

import click

from muniment.api import HeldEnd, HeldMessage, HeldReport, HoldCountWord, ListHeld, MailCountWord, ReportHeld
from muniment.cli.answers import last, streaming, watched
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import TableColumn, complain
from muniment.cli.retention.hold_json import count_as_json, held_as_json, mail_as_json, sealed_words, title
from muniment.cli.trail.event_csv import harmless_cell
from muniment.errors import UsageError
from muniment.system.formatting import count, iso, local, size

COLUMNS = ("hold", "case", "reason", "held_from", "user", "messages", "bytes", "not_sure", "oldest", "newest")
MESSAGE_COLUMNS = ("id", "received", "date", "size", "from", "to", "subject", "holds", "not_sure")


@click.command(cls=VaultCommand)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")
@click.option(
    "--messages", is_flag=True, help="With --csv or --json: a line for each message; the audit trail says so."
)
@click.option("--reason", default="", metavar="TEXT", help="With --messages: why mail of others is listed.")
@pass_session
def report(session: CommandSession, as_csv: bool, messages: bool, reason: str) -> None:
    """Report what is held, by which holds, and how much of whom.

    This compares all mail of the vault with all open holds. A message of
    several people counts for each of them. In CSV, the line of a hold without
    a user is the hold's total. With --json and --messages, each line is one
    JSON object. For auditors and administrators.

    \b
    Example:
      muniment hold report
      muniment hold report --csv --messages --reason "7 O 12/26" > held.csv
    """
    if as_csv and session.json:
        raise UsageError("CSV and JSON can't be printed together: leave out --csv or --json.")
    if messages and not (as_csv or session.json):
        raise UsageError("A list of messages is printed as CSV or JSON: add --csv or --json.")
    if messages:
        _print_messages(session, reason, as_csv)
        return
    _, words = watched(session, ReportHeld())
    found: HeldReport = last(words, HeldReport)
    if session.json:
        session.out.json(
            {
                "holds": [count_as_json(one) for one in found.holds],
                "mail": mail_as_json(found.mail),
                "examined": found.examined,
                "sealed": found.sealed,
            }
        )
    elif as_csv:
        session.out.raw(_csv([COLUMNS]))
        session.out.raw(_csv(_lines(found)))
    else:
        _print(session, found)
    _say_sealed(found.sealed)


def _say_sealed(people: int) -> None:
    """Say on standard error that the report leaves something out."""
    if people:
        complain(f"Note: {sealed_words(people)}")


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([harmless_cell(str(cell)) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _lines(found: HeldReport) -> Iterator[list[object]]:
    for one in found.holds:
        yield _line(one, "", one.mail)
        for person in one.people:
            yield _line(one, person.user, person.mail)


def _line(one: HoldCountWord, user: str, mail: MailCountWord) -> list[object]:
    dates = [iso(date) if mail.messages else "" for date in (mail.oldest, mail.newest)]
    held = one.hold
    return [
        held.name, held.case, held.reason, iso(held.placed), user, mail.messages, mail.bytes, mail.unsure,
        *dates,
    ]  # fmt: skip


def _print(session: CommandSession, found: HeldReport) -> None:
    out = session.out
    if not found.holds:
        out.line("There are no open legal holds.")
        return
    columns = [
        TableColumn("Hold", most=30),
        TableColumn("Case", most=20),
        TableColumn("Of", fill=True),
        TableColumn("Messages", right=True),
        TableColumn("Size", right=True),
        TableColumn("Not sure", right=True),
        TableColumn("Oldest"),
        TableColumn("Newest"),
    ]
    out.table(columns, (row for one in found.holds for row in _rows(one)))
    out.line()
    out.prose(
        f"{count(found.mail.messages)} of {count(found.examined)} messages are held, "
        f"{size(found.mail.bytes)}."
    )
    if found.mail.unsure:
        out.prose(
            f"{count(found.mail.unsure)} of these may not be covered, and are held to be safe; "
            "`muniment hold show` says why."
        )


def _rows(one: HoldCountWord) -> Iterator[list[str]]:
    yield _row(one.hold.name, one.hold.case, "everybody", one.mail)
    for person in one.people:
        yield _row("", "", person.user, person.mail)


def _row(name: str, case: str, user: str, mail: MailCountWord) -> list[str]:
    dates = [local(date)[:10] if mail.messages else "-" for date in (mail.oldest, mail.newest)]
    return [name, case, user, count(mail.messages), size(mail.bytes), count(mail.unsure), *dates]


def _print_messages(session: CommandSession, reason: str, as_csv: bool) -> None:
    """Print each message as it comes."""
    with streaming(session, ListHeld(reason=reason)) as words:
        if as_csv:
            session.out.raw(_csv([MESSAGE_COLUMNS]))
        for word in words:
            if isinstance(word, HeldMessage):
                if as_csv:
                    session.out.raw(_csv([_cells(word)]))
                else:
                    session.out.json(message_as_json(word))
            elif isinstance(word, HeldEnd):
                _say_sealed(word.sealed)
    session.out.flush()


def _cells(word: HeldMessage) -> list[object]:
    return [
        word.id, iso(word.received), iso(word.date), word.size, word.sender, word.to, word.subject,
        "; ".join(map(title, word.holds)), "; ".join(one.unsure for one in word.holds if one.unsure),
    ]  # fmt: skip


def message_as_json(word: HeldMessage) -> dict[str, object]:
    """A held message as JSON has it."""
    return {
        "id": word.id, "received": iso(word.received), "date": iso(word.date), "size": word.size,
        "from": word.sender, "to": word.to, "subject": word.subject,
        "holds": [held_as_json(one) for one in word.holds],
    }  # fmt: skip
