"""`muniment subject messages|include|withhold|history`: look at the messages of a request, and decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from muniment.api import (
    DecideSubject,
    ListSubjectDecisions,
    ListSubjectMessages,
    SubjectDecided,
    SubjectDecisions,
    SubjectDecisionWord,
    SubjectMessages,
    SubjectMessageWord,
)
from muniment.cli.command import CommandSession, VaultCommand, pass_session
from muniment.cli.output import TableColumn, complain, plain
from muniment.errors import UsageError
from muniment.system.formatting import count, iso, local

F = TypeVar("F", bound=Callable[..., Any])
STATES = ("undecided", "included", "withheld", "sealed", "erased")
REACHES = ("party", "unsure", "named")
ID = 12
"""Digits of an id that lists show."""


@click.command(cls=VaultCommand)
@click.argument("name")
@click.option("--state", type=click.Choice(STATES), help="Only messages that are this now.")
@click.option(
    "--why",
    "reach",
    type=click.Choice(REACHES),
    help="Only those that are in it since the person is a party, may be one, or is named in the text.",
)
@click.option("--query", default="", metavar="QUERY", help="Only messages that this search finds.")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=100, show_default=True, help="Show at most this many."
)
@click.option(
    "--after", type=click.IntRange(0), default=0, metavar="NUMBER", help="Continue after this number."
)
@click.option(
    "--reason", default="", metavar="TEXT", help="Why you read another person's mail, for the audit trail."
)
@pass_session
def messages(
    session: CommandSession, /, name: str, state: str | None, reach: str | None, **fields: Any
) -> None:
    """List the messages of a request, in the order of receipt.

    Each has a number that never changes. `muniment show ID` shows one. Of
    sealed messages only the id is shown. For auditors and administrators; the
    audit trail records it.

    \b
    Example:
      muniment subject messages ada@example.com --state undecided --query salary
    """
    request = ListSubjectMessages(name=name, state=state or "", reach=reach or "", **fields)
    page = session.ask(request, SubjectMessages)
    if session.json:
        found: dict[str, Any] = {"messages": [_as_json(one) for one in page.messages]}
        more = {"after": page.after} if page.after else {}
        session.out.json(found | {"unsearched": page.unsearched} | more)
        return
    if not page.messages:
        session.out.line("No messages.")
    else:
        _print(session, page)
    if page.unsearched:
        complain(f"{count(page.unsearched)} messages could not be searched, since the index lacks them.")


def _print(session: CommandSession, page: SubjectMessages) -> None:
    columns = [
        TableColumn("Number", right=True),
        TableColumn("Id"),
        TableColumn("Date"),
        TableColumn("State"),
        TableColumn("Part", most=20),
        TableColumn("From", most=30),
        TableColumn("Subject", fill=True),
        TableColumn("Reason", most=40),
    ]
    rows = (
        [
            str(one.number), one.id[:ID], local(one.date) if one.id else "", one.state, _part(one),
            one.sender, one.subject, one.reason,
        ]
        for one in page.messages
    )  # fmt: skip
    session.out.table(columns, rows)
    more = f" Next page: --after {page.after}" if page.after else ""
    session.out.line(f"{count(len(page.messages))} messages.{more}")


def _part(one: SubjectMessageWord) -> str:
    return ", ".join(one.parts) or ("named" if one.reach == "named" else "")


def _as_json(one: SubjectMessageWord) -> dict[str, Any]:
    fields: dict[str, Any] = plain(one)
    fields["from"] = fields.pop("sender")
    decided = iso(one.decided) if one.decided else None
    return fields | {"date": iso(one.date) if one.id else None, "decided": decided}


def _options(function: F) -> F:
    """The arguments and options of include and withhold."""
    for option in reversed(
        (
            click.argument("name"),
            click.argument("ids", nargs=-1),
            click.option(
                "--reason",
                required=True,
                metavar="TEXT",
                help="Why. The person may read it (--list-withheld).",
            ),
            click.option("--query", default="", metavar="QUERY", help="All messages that this search finds."),
            click.option("--rest", is_flag=True, help="All that are undecided; with --query, those of them."),
            click.option("--dry-run", "check", is_flag=True, help="Record nothing; say how many these are."),
        )
    ):
        function = option(function)
    return function


@click.command(cls=VaultCommand)
@_options
@pass_session
def include(session: CommandSession, /, **fields: Any) -> None:
    """Include messages, so that the person is given them.

    IDS are numbers in the request or ids. A later decision wins; all are
    kept. For auditors and administrators.

    \b
    Example:
      muniment subject include ada@example.com 12 13 --reason "about her"
      muniment subject include ada@example.com --rest --reason "looked through"
    """
    _decide(session, "include", **fields)


@click.command(cls=VaultCommand)
@_options
@pass_session
def withhold(session: CommandSession, /, **fields: Any) -> None:
    """Withhold messages, such as to protect other people.

    IDS are numbers in the request or ids. A later decision wins; all are
    kept. For auditors and administrators.

    \b
    Example:
      muniment subject withhold ada@example.com 17 --reason "about others"
      muniment subject withhold "Ada Reed" --query council --reason "council"
    """
    _decide(session, "withhold", **fields)


def _decide(session: CommandSession, decision: str, **fields: Any) -> None:
    if bool(fields["ids"]) == bool(fields["query"] or fields["rest"]):
        raise UsageError("Say which messages: their numbers or ids, or --query, or --rest.")
    made = session.ask(DecideSubject(decision=decision, **fields), SubjectDecided)
    if session.json:
        session.out.json(plain(made))
    else:
        session.out.prose(_words(decision, made, check=fields["check"]))
    if made.unsearched:
        complain(f"{count(made.unsearched)} messages could not be searched, since the index lacks them.")


def _words(decision: str, made: SubjectDecided, *, check: bool) -> str:
    verb = "included" if decision == "include" else "withheld"
    are = "would be" if check else "is" if made.decided == 1 else "are"
    text = f"{count(made.decided)} {'message' if made.decided == 1 else 'messages'} {are} {verb}"
    if made.again:
        text += f", {count(made.again)} of them decided before"
    left = [f"{count(made.sealed)} sealed"] * bool(made.sealed) + [f"{count(made.erased)} erased"] * bool(
        made.erased
    )
    text += f"; left out: {', '.join(left)}" if left else ""
    return f"{text}. {count(made.undecided)} are undecided."


@click.command(cls=VaultCommand)
@click.argument("name")
@click.argument("id", default="")
@pass_session
def history(session: CommandSession, name: str, id: str) -> None:
    """Show who decided what, the newest first; with ID, about one message.

    ID is a number in the request or an id. For auditors and administrators.

    \b
    Example:
      muniment subject history ada@example.com 17
    """
    found: list[SubjectDecisionWord] = []
    before = 0
    while True:
        page = session.ask(ListSubjectDecisions(name=name, id=id, before=before), SubjectDecisions)
        found += page.decisions
        before = page.after
        if not before:
            break
    if session.json:
        session.out.json([plain(one) | {"time": iso(one.time)} for one in found])
        return
    if not found:
        session.out.line("Nothing was decided.")
        return
    columns = [
        TableColumn("Time"),
        TableColumn("By"),
        TableColumn("Decision"),
        TableColumn("Messages", right=True),
        TableColumn("Reason", fill=True),
        TableColumn("Query", most=30),
    ]
    rows = (
        [local(one.time), one.by, one.decision, count(one.messages), one.reason, one.query] for one in found
    )
    session.out.table(columns, rows)
