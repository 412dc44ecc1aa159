"""`muniment subject`: a person's request for the mail about them, from its opening to its end."""

from __future__ import annotations

from typing import Any

import click

from muniment.api import (
    CloseSubject,
    ListSubjects,
    OpenSubject,
    ShowSubject,
    SubjectPackageWord,
    Subjects,
    SubjectState,
    SubjectWord,
)
from muniment.cli.answers import last, watched
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.complete_names import users
from muniment.cli.output import TableColumn, plain
from muniment.cli.subject.package import package
from muniment.cli.subject.review import history, include, messages, withhold
from muniment.system.formatting import count, iso, local, size

HANG = 12
"""Columns of the labels of a request."""
SHOWN = 5
"""Most packages that text names; --json has more."""
REACHES = {
    "party": "the person sent or received them",
    "unsure": "the person may have; that is not certain",
    "named": "only their text names the person",
}
"""Why messages are in a request, in words."""


@click.group(cls=CommandGroup)
def subject() -> None:
    """Answer a person who asks for the mail about them.

    That is their right by article 15 of the GDPR. Open a request: it collects
    what the archive has of the person. Look at its messages, include or
    withhold each with a reason, and make a package to hand over. Every step
    is a record in the ledger.

    \b
    Example:
      muniment subject open ada@example.com --reason "letter of 3 March"
      muniment subject messages ada@example.com --state undecided
      muniment subject withhold ada@example.com 17 --reason "about others"
      muniment subject include ada@example.com --rest --reason "looked through"
      muniment subject package ada@example.com --out ada.zip
      muniment subject close ada@example.com
    """


@subject.command("open")
@click.argument("person", nargs=-1, required=True, shell_complete=users)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept for ever.")
@click.option("--name", default="", metavar="NAME", help="The request's name, if not that of the person.")
@click.option("--case", default="", metavar="TEXT", help="The case number.")
@click.option("--from", "since", default="", metavar="DAY", help="Received on this day or later.")
@click.option("--to", "until", default="", metavar="DAY", help="Received by the end of this day.")
@click.option("--query", default="", metavar="QUERY", help="Only mail that this search finds.")
@click.option("--mentions", is_flag=True, help="Also mail whose text has an address or the full name.")
@click.option(
    "--text", "texts", multiple=True, metavar="TEXT", help="Also mail whose text has this; may be repeated."
)
@click.option("--dry-run", "check", is_flag=True, help="Record nothing; say what would be collected.")
@pass_session
def open_(session: CommandSession, /, person: tuple[str, ...], check: bool, **fields: Any) -> None:
    """Open a request, and collect the mail that concerns a person.

    PERSON is a user's address or full name, with all addresses that the user
    has or ever had, or any other address. Several are taken for one person.
    It collects mail that the person sent or received, Bcc and journal
    envelopes included. Mail that comes later is not in it. For auditors and
    administrators.

    \b
    Example:
      muniment subject open "Ada Reed" ada.private@example.org --mentions
          --reason "letter of 3 March" --case DS-2026-4
    """
    _, words = watched(session, OpenSubject(people=person, check=check, **fields))
    made: SubjectWord = last(words, SubjectWord)
    if session.json:
        session.out.json(subject_as_json(made))
        return
    done = "would be opened; nothing was recorded" if check else "is open"
    session.out.prose(f"The request {_title(made)} {done}.")
    session.out.prose(f"It has {_messages(made.messages)}: {made.mail}{_texts(made)}.")
    for line in _doubts(made):
        session.out.prose(line)
    if not check:
        session.out.prose(f"Look at them: muniment subject messages {_quoted(made.name)}")


def _texts(one: SubjectWord) -> str:
    return f", or with the text {' or '.join(map(repr, one.texts))}" if one.texts else ""


def _doubts(one: SubjectWord) -> list[str]:
    """What the request may lack."""
    lines = []
    if one.unread:
        lines.append(
            f"Not in it: {_messages(one.unread)} of the archive whose envelope could not be read, so nobody "
            "knows whose they are."
        )
    if one.unsearched:
        lines.append(
            f"{_messages(one.unsearched)} could not be searched, since the index lacks them: open a request "
            "once it has caught up (`muniment status`)."
        )
    return lines


@subject.command("list")
@click.option("--all", "closed", is_flag=True, help="Also those that were closed.")
@pass_session
def list_(session: CommandSession, closed: bool) -> None:
    """List the requests, the newest first. For auditors and administrators.

    \b
    Example:
      muniment subject list --all
    """
    found: list[SubjectWord] = []
    before = ""
    while True:
        page = session.ask(ListSubjects(closed=closed, before=before), Subjects)
        found += page.subjects
        before = page.after
        if not before:
            break
    if session.json:
        session.out.json([subject_as_json(one) for one in found])
        return
    if not found:
        session.out.line("There are no requests." if closed else "There are no open requests.")
        return
    columns = [
        TableColumn("Request", fill=True),
        TableColumn("Case", most=20),
        TableColumn("Opened"),
        TableColumn("Closed"),
        TableColumn("Messages", right=True),
        TableColumn("Undecided", right=True),
        TableColumn("Packages", right=True),
    ]
    rows = (
        [
            one.name, one.case, local(one.opened), local(one.closed) if one.closed else "",
            count(one.messages), count(one.undecided), count(one.packages),
        ]
        for one in found
    )  # fmt: skip
    session.out.table(columns, rows)


@subject.command()
@click.argument("name")
@pass_session
def show(session: CommandSession, name: str) -> None:
    """Show a request, and count what its messages are now.

    Sealed messages are those that you must not open. For auditors and
    administrators.

    \b
    Example:
      muniment subject show ada@example.com
    """
    found = session.ask(ShowSubject(name=name), SubjectState)
    if session.json:
        packages = [_package_as_json(one) for one in found.packages]
        fields = {"subject": subject_as_json(found.subject), "packages": packages}
        session.out.json(plain(found) | fields)
        return
    _print(session, found)


def _print(session: CommandSession, found: SubjectState) -> None:
    out, one = session.out, found.subject
    out.prose(f"{'Request':<{HANG}}{one.name}", HANG)
    if one.case:
        out.prose(f"{'Case':<{HANG}}{one.case}", HANG)
    out.prose(f"{'Reason':<{HANG}}{one.reason}", HANG)
    out.prose(f"{'Mail':<{HANG}}{one.mail}{_texts(one)}", HANG)
    out.line(f"{'Opened':<{HANG}}{local(one.opened)}, by {one.by}; later mail is not in it")
    if one.closed:
        because = f": {one.close_reason}" if one.close_reason else ""
        out.prose(f"{'Closed':<{HANG}}{local(one.closed)}, by {one.closed_by}{because}", HANG)
    out.line(f"{'Messages':<{HANG}}{count(one.messages)}")
    for state, number in found.states.items():
        out.line(f"{'':<{HANG}}{count(number):>7}  {state}")
    for reach, number in found.reaches.items():
        if number and reach in REACHES:
            out.line(f"{'Why' if reach == 'party' else '':<{HANG}}{count(number):>7}  {REACHES[reach]}")
    for line in _doubts(one):
        out.prose(f"{'':<{HANG}}{line}", HANG)
    for made in found.packages[:SHOWN]:
        out.prose(f"{'Package':<{HANG}}{_package_words(made)}", HANG)
    if len(found.packages) > SHOWN:
        out.line(f"{'':<{HANG}}and {count(len(found.packages) - SHOWN)} more; --json names them")


def _package_words(made: SubjectPackageWord) -> str:
    approved = f", approval {made.approval}" if made.approval else ""
    return (
        f"{local(made.made)}, by {made.by}{approved}: {_messages(made.included)}, {size(made.size)}, "
        f"SHA-256 {made.sha256}"
    )


@subject.command()
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why it is closed.")
@pass_session
def close(session: CommandSession, name: str, reason: str) -> None:
    """Close a request: no decision and no package can follow.

    Nothing is removed. For auditors and administrators.

    \b
    Example:
      muniment subject close ada@example.com --reason "handed over on 28 March"
    """
    closed = session.ask(CloseSubject(name=name, reason=reason), SubjectWord)
    if session.json:
        session.out.json(subject_as_json(closed))
        return
    session.out.prose(f"The request {_title(closed)} is closed.")
    if not closed.packages:
        session.out.prose("No package was made of it.")


def subject_as_json(one: SubjectWord) -> dict[str, Any]:
    """A request as JSON has it."""
    fields: dict[str, Any] = plain(one)
    closed = iso(one.closed) if one.closed else None
    return fields | {"opened": iso(one.opened), "closed": closed, "open": not one.closed}


def _package_as_json(one: SubjectPackageWord) -> dict[str, Any]:
    fields: dict[str, Any] = plain(one)
    return fields | {"made": iso(one.made)}


def _title(one: SubjectWord) -> str:
    return f"{one.name} (case {one.case})" if one.case else one.name


def _messages(number: int) -> str:
    return f"{count(number)} {'message' if number == 1 else 'messages'}"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


for command in (messages, include, withhold, history, package):
    subject.add_command(command)

COMMANDS = (subject,)
