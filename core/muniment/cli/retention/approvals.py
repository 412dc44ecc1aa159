"""`muniment approvals`: acts that need a second person."""

from __future__ import annotations

from typing import Any

import click

from muniment.api import (
    AnswerApproval,
    Approvals,
    ApprovalWord,
    Decided,
    ListApprovals,
    RelaxApprovals,
    ShowApproval,
)
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.output import TableColumn, complain, plain
from muniment.cli.retention.holds import counted, loss
from muniment.errors import UsageError
from muniment.system.formatting import iso, local

HANG = 11
"""Columns of the labels of an approval."""
PAGE = 100
"""Approvals that are asked for at a time."""
TIMES = ("asked", "until", "answered", "used")

yes_option = click.option("--yes", is_flag=True, help="Do it without a question.")


@click.group(cls=CommandGroup)
def approvals() -> None:
    """Answer what needs a second person.

    [approvals] in vault.toml names acts that one administrator can't do
    alone. Such an act waits here until another administrator, with another
    login, approves it; then it is done at once.

    \b
    Example:
      muniment approvals list
      muniment approvals approve 3f9a01c2
    """


@approvals.command("list")
@click.option("--all", "answered", is_flag=True, help="Also those that no one waits for any more.")
@pass_session
def list_(session: CommandSession, answered: bool) -> None:
    """List what waits for a second person. For auditors and administrators.

    \b
    Example:
      muniment approvals list --all
    """
    pages = [session.ask(ListApprovals(answered=answered, limit=PAGE), Approvals)]
    while pages[-1].after:
        pages.append(
            session.ask(ListApprovals(answered=answered, limit=PAGE, before=pages[-1].after), Approvals)
        )
    listed = [one for page in pages for one in page.approvals]
    if session.json:
        session.out.json(
            {
                "approvals": [_as_json(one) for one in listed],
                "waiting": pages[0].waiting,
                "needed": list(pages[0].needed),
                "left_out": list(pages[0].left_out),
            }
        )
        return
    if listed:
        columns = [
            TableColumn("ID"),
            TableColumn("State"),
            TableColumn("Asked"),
            TableColumn("By", most=20),
            TableColumn("What", fill=True),
        ]
        session.out.table(columns, ([o.id, o.state, local(o.asked), o.by, o.what] for o in listed))
    else:
        session.out.line("No approvals." if answered else "Nothing waits for a second person.")
    session.out.prose(f"A second person is needed for: {', '.join(pages[0].needed)}.")
    for act in pages[0].left_out:
        complain(f'Note: vault.toml no longer names {act}: muniment approvals relax "{act}" --reason TEXT.')


def _as_json(one: ApprovalWord) -> dict[str, Any]:
    fields: dict[str, Any] = plain(one)
    return fields | {name: iso(fields[name]) if fields[name] else None for name in TIMES}


@approvals.command()
@click.argument("id")
@pass_session
def show(session: CommandSession, id: str) -> None:
    """Show an approval. ID is its id, or the first digits of it.

    \b
    Example:
      muniment approvals show 3f9a01c2
    """
    one = session.ask(ShowApproval(id=id), ApprovalWord)
    if session.json:
        session.out.json(_as_json(one))
    else:
        _print(session, one)


def _print(session: CommandSession, one: ApprovalWord) -> None:
    out = session.out
    out.line(f"{'ID':<{HANG}}{one.id}")
    out.prose(f"{'Act':<{HANG}}{one.what}", HANG)
    out.prose(f"{'Reason':<{HANG}}{one.reason}", HANG)
    out.line(f"{'Asked':<{HANG}}{local(one.asked)}, by {one.by}")
    out.line(f"{'State':<{HANG}}{one.state}{f', until {local(one.until)}' if one.until else ''}")
    if one.answered:
        out.line(f"{'Answered':<{HANG}}{local(one.answered)}, by {one.answered_by}")
    if one.answer_reason:
        out.prose(f"{'Because':<{HANG}}{one.answer_reason}", HANG)
    if one.used:
        out.line(f"{'Done':<{HANG}}{local(one.used)}")
    if one.error:
        out.prose(f"{'Failed':<{HANG}}{one.error}", HANG)


@approvals.command()
@click.argument("id")
@click.option("--reason", default="", metavar="TEXT", help="A remark, which is kept for ever.")
@yes_option
@pass_session
def approve(session: CommandSession, id: str, reason: str, yes: bool) -> None:
    """Approve an act of another administrator, so that it is done at once.

    If the act fails, the approval can be used again: approve it once more.
    Nobody can approve what they asked for.

    \b
    Example:
      muniment approvals approve 3f9a01c2
    """
    one = session.ask(ShowApproval(id=id), ApprovalWord)
    if not session.json:
        _print(session, one)
        _print_effect(session, one)
    if not yes and not _confirmed(session, f"Approve {one.id} of {one.by}: {one.what}?"):
        session.out.line("Nothing was changed.")
        return
    _answered(session, one.id, "approve", reason)


def _print_effect(session: CommandSession, one: ApprovalWord) -> None:
    """Print what an act would do now, for a hold that would be released."""
    if one.act == "hold release" and one.state in ("waiting", "approved"):
        session.out.prose(loss(counted(session, str(one.of.get("name", "")))))


def _confirmed(session: CommandSession, question: str) -> bool:
    if session.json or not session.out.interactive:
        raise UsageError("Nobody can be asked here: add --yes to answer.")
    return session.out.confirm(question)


def _answered(session: CommandSession, id: str, answer: str, reason: str) -> None:
    _decided(session, session.ask(AnswerApproval(id=id, answer=answer, reason=reason), Decided))


def _decided(session: CommandSession, decided: Decided) -> None:
    if session.json:
        session.out.json(plain(decided))
    else:
        session.out.prose(decided.message)


@approvals.command()
@click.argument("id")
@click.option("--reason", default="", metavar="TEXT", help="Why, which is kept for ever.")
@pass_session
def refuse(session: CommandSession, id: str, reason: str) -> None:
    """Refuse an act of another administrator; it is not done.

    \b
    Example:
      muniment approvals refuse 3f9a01c2 --reason "the case goes on"
    """
    _answered(session, id, "refuse", reason)


@approvals.command()
@click.argument("id")
@pass_session
def withdraw(session: CommandSession, id: str) -> None:
    """Withdraw what you asked for yourself.

    \b
    Example:
      muniment approvals withdraw 3f9a01c2
    """
    _answered(session, id, "withdraw", "")


@approvals.command()
@click.argument("act")
@click.option("--reason", required=True, metavar="TEXT", help="Why, which is kept for ever.")
@pass_session
def relax(session: CommandSession, act: str, reason: str) -> None:
    """Ask that an act needs no second person any more.

    Remove it from [approvals] in vault.toml first. Until another
    administrator approves this, the act still needs a second person.

    \b
    Example:
      muniment approvals relax "hold release" --reason "there is one of us left"
    """
    _decided(session, session.ask(RelaxApprovals(act=act, reason=reason), Decided))


COMMANDS = (approvals,)
