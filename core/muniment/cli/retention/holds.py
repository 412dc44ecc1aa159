"""`muniment hold`: legal holds, which keep mail from being erased."""

from __future__ import annotations

from typing import Any

import click

from muniment.api import (
    CountHold,
    Decided,
    HoldCountWord,
    Holds,
    HoldWord,
    ListHolds,
    PlaceHold,
    ReleaseHold,
)
from muniment.cli.answers import last, watched
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.output import TableColumn, plain
from muniment.cli.retention.criteria import criteria_of, criteria_options
from muniment.cli.retention.hold_json import count_as_json, hold_as_json, sealed_words, title
from muniment.cli.retention.hold_report import report
from muniment.errors import UsageError
from muniment.system.formatting import count, local, size

HANG = 12
"""Columns of the labels of a hold."""
PAGE = 100
"""Holds that are asked for at a time."""
SHOWN = 20
"""Most people that text names; --json has more."""


@click.group(cls=CommandGroup)
def hold() -> None:
    """Keep mail from being erased, as a court or a case demands.

    A legal hold has a name, a reason and a case number. It covers mail that
    is there and mail that comes later, until it is released. A hold wins over
    every rule and every erasure.

    \b
    Example:
      muniment hold place "Fall 7" --case "7 O 12/26" --reason "lawsuit"
          --person ada@example.com --received-from 2025
    """


@hold.command()
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="Why the mail is held; it is kept for ever.")
@click.option("--case", default="", metavar="TEXT", help="The case number.")
@click.option("--everything", is_flag=True, help="Hold all mail; then there are no criteria.")
@criteria_options
@click.option("--dry-run", "check", is_flag=True, help="Record nothing; say which mail would be held.")
@pass_session
def place(
    session: CommandSession, /, name: str, reason: str, case: str, everything: bool, check: bool, **mail: Any
) -> None:
    """Place a legal hold. For administrators; it takes effect at once.

    All criteria that are given must hold; of a criterion with several values,
    one is enough. A person is held with all their addresses, those of today,
    those of later, and those that they lose. Dates are those of receipt.

    \b
    Example:
      muniment hold place "Fall 7" --case "7 O 12/26" --reason "lawsuit"
          --person ada@example.com --query 'contract OR invoice'
    """
    request = PlaceHold(
        name=name, reason=reason, case=case, mail=criteria_of(mail), everything=everything, check=check
    )  # fmt: skip
    made = session.ask(request, HoldWord)
    if session.json:
        session.out.json(hold_as_json(made))
        return
    done = "would be placed; nothing was recorded" if check else "is placed"
    session.out.prose(f"The hold {title(made)} {done}.")
    session.out.prose(f"It covers {made.mail}, also what comes later.")
    if not check:
        session.out.prose(f"How much that is: muniment hold show {_quoted(made.name)}")


@hold.command("list")
@click.option("--all", "released", is_flag=True, help="Also those that were released.")
@pass_session
def list_(session: CommandSession, released: bool) -> None:
    """List the legal holds, the newest first. For auditors and administrators.

    \b
    Example:
      muniment hold list --all
    """
    holds = list(_all(session, released))
    if session.json:
        session.out.json([hold_as_json(one) for one in holds])
        return
    if not holds:
        session.out.line("There are no legal holds." if released else "There are no open legal holds.")
        return
    columns = [
        TableColumn("Hold", most=30),
        TableColumn("Case", most=20),
        TableColumn("Held from"),
        TableColumn("to"),
        TableColumn("Mail", fill=True),
    ]
    rows = ([one.name, one.case, local(one.placed), _until(one), one.mail] for one in holds)
    session.out.table(columns, rows)


def _all(session: CommandSession, released: bool) -> list[HoldWord]:
    found: list[HoldWord] = []
    before = 0
    while True:
        page = session.ask(ListHolds(released=released, limit=PAGE, before=before), Holds)
        found += page.holds
        before = page.after
        if not before:
            return found


def _until(one: HoldWord) -> str:
    return local(one.released) if one.released else "now"


@hold.command()
@click.argument("name")
@pass_session
def show(session: CommandSession, name: str) -> None:
    """Show a legal hold, and count what it covers now.

    This compares all mail of the vault with the hold. For auditors and
    administrators.

    \b
    Example:
      muniment hold show "Fall 7"
    """
    found = counted(session, name)
    if session.json:
        session.out.json(count_as_json(found))
        return
    _print_hold(session, found.hold)
    _print_count(session, found)


def counted(session: CommandSession, name: str) -> HoldCountWord:
    """A hold with what it covers, after the progress of counting."""
    _, words = watched(session, CountHold(name=name))
    found: HoldCountWord = last(words, HoldCountWord)
    return found


def _print_hold(session: CommandSession, one: HoldWord) -> None:
    out = session.out
    out.prose(f"{'Hold':<{HANG}}{one.name}", HANG)
    if one.case:
        out.prose(f"{'Case':<{HANG}}{one.case}", HANG)
    out.prose(f"{'Reason':<{HANG}}{one.reason}", HANG)
    out.prose(f"{'Covers':<{HANG}}{one.mail}", HANG)
    out.line(f"{'Held from':<{HANG}}{local(one.placed)}, placed by {one.by}")
    if one.released:
        approved = f", approval {one.approval}" if one.approval else ""
        out.line(f"{'Held to':<{HANG}}{local(one.released)}, released by {one.released_by}{approved}")
        out.prose(f"{'Because':<{HANG}}{one.release_reason}", HANG)


def _print_count(session: CommandSession, found: HoldCountWord) -> None:
    out, mail = session.out, found.mail
    words = "would cover" if found.hold.released else "covers"
    out.line(f"{'Messages':<{HANG}}{words} {count(mail.messages)}, {size(mail.bytes)}")
    if mail.messages:
        out.line(f"{'Dates':<{HANG}}{local(mail.oldest)} to {local(mail.newest)}")
    for why, number in found.reasons.items():
        out.prose(f"{'Not sure':<{HANG}}{count(number)} of these: {why}", HANG)
    for other, shared in found.others.items():
        out.prose(f"{'Also held':<{HANG}}{count(shared)} by {other}", HANG)
    for person in found.people[:SHOWN]:
        out.line(f"{'Of':<{HANG}}{person.user}  {count(person.mail.messages)}")
    if found.sealed:
        out.prose(sealed_words(found.sealed))
    if len(found.people) > SHOWN:
        out.line(f"{'':<{HANG}}and {count(len(found.people) - SHOWN)} more people; --json names them")


@hold.command()
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is released; it is kept for ever.")
@click.option("--yes", is_flag=True, help="Release it without a question.")
@pass_session
def release(session: CommandSession, name: str, reason: str, yes: bool) -> None:
    """Release a legal hold, so that its mail may be erased again.

    First says how many messages lose protection, and which other holds still
    cover the rest. Where [approvals] in vault.toml has "hold release", another
    administrator must approve it. For administrators.

    \b
    Example:
      muniment hold release "Fall 7" --reason "settled on 2026-03-01"
    """
    found = counted(session, name)
    if found.hold.released:
        raise UsageError(f"The hold {found.hold.name} is released already, on {local(found.hold.released)}.")
    if not session.json:
        session.out.prose(loss(found))
    if not yes and not _confirmed(session, found):
        session.out.line("Nothing was changed.")
        return
    request = ReleaseHold(name=found.hold.name, reason=reason, number=found.hold.number)
    answer = session.ask(request, Decided)
    if session.json:
        lost = {"unprotected": found.alone, "others": found.others, "sealed": found.sealed}
        session.out.json(plain(answer) | lost)
        return
    session.out.prose(answer.message)


def loss(found: HoldCountWord) -> str:
    """What the release of a hold would do, in words."""
    one, mail = found.hold, found.mail
    words = f"{title(one)} covers {_messages(mail.messages)}. "
    if found.sealed:
        words += f"{sealed_words(found.sealed)} "
    if not mail.messages:
        return words + f"Its release leaves nothing {'else ' * bool(found.sealed)}unprotected."
    words += f"{_messages(found.alone)} {'loses' if found.alone == 1 else 'lose'} protection. "
    if mail.unsure:
        words += f"{count(mail.unsure)} may not be covered, and are held to be safe (`muniment hold show`). "
    others = [f"{count(shared)} by {other}" for other, shared in found.others.items()]
    return words + (f"Still held: {', '.join(others)}." if others else "No other hold covers any of them.")


def _confirmed(session: CommandSession, found: HoldCountWord) -> bool:
    if session.json or not session.out.interactive:
        raise UsageError("Nobody can be asked here: add --yes to release the hold.")
    return session.out.confirm(
        f"Release {title(found.hold)}, so that {_messages(found.alone)} may be erased?"
    )


def _messages(number: int) -> str:
    return f"{count(number)} {'message' if number == 1 else 'messages'}"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


hold.add_command(report)

COMMANDS = (hold,)
