"""`muniment group`: named sets of people, for retention, holds, searches and rights."""

from __future__ import annotations

import click

from muniment.api import (
    Decided,
    Done,
    Groups,
    GroupWord,
    ImportGroups,
    JoinGroup,
    LeaveGroup,
    ListGroups,
    MemberWord,
    ShowGroup,
)
from muniment.cli.answers import done
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.complete_names import groups as known_groups
from muniment.cli.complete_names import users as known_users
from muniment.cli.output import TableColumn, plain
from muniment.cli.users import csv_text
from muniment.system.formatting import count, local

dry_run = click.option("--dry-run", "check", is_flag=True, help="Change nothing; say what would change.")


@click.group(cls=CommandGroup)
def group() -> None:
    """Keep named sets of people, with dates.

    A group is used by retention rules and legal holds (--group), searches
    (group:NAME) and rights (muniment access grant). Rules and holds ask who
    was in it when a message came; searches and rights ask who is in it now.
    Who leaves loses rights at once, and mail that is there stays held and
    kept as before.

    \b
    Example:
      muniment group add board ada@example.com --since 2026-01-01
      muniment group import groups.csv
    """


@group.command()
@click.argument("name", shell_complete=known_groups)
@click.argument("members", metavar="MEMBER...", nargs=-1, required=True, shell_complete=known_users)
@click.option("--since", default="", metavar="DAY", help="The first day; without it, they were always in it.")
@click.option("--until", default="", metavar="DAY", help="The last day; without it, no end.")
@click.option("--reason", default="", metavar="TEXT", help="Why, for a second person who must approve.")
@dry_run
@pass_session
def add(
    session: CommandSession,
    name: str,
    members: tuple[str, ...],
    since: str,
    until: str,
    check: bool,
    reason: str,
) -> None:
    """Make people members of a group.

    MEMBER is a user, or any other address. The first member makes the group.
    Without --since, who was never in it counts as a member from the
    beginning, so that old mail counts; who left is in it from now on.

    \b
    Example:
      muniment group add board ada@example.com bob@example.com
      muniment group add interns eve@example.com --since 2027-01-01
          --until 2027-06-30
    """
    request = JoinGroup(group=name, members=members, since=since, until=until, check=check, reason=reason)
    answer = session.ask(request, Decided)
    if session.json:
        session.out.json(plain(answer))
    else:
        session.out.prose(answer.message)


@group.command()
@click.argument("name", shell_complete=known_groups)
@click.argument("members", metavar="MEMBER...", nargs=-1, required=True, shell_complete=known_users)
@click.option("--until", default="", metavar="DAY", help="The last day in it; without it, they leave now.")
@dry_run
@pass_session
def remove(session: CommandSession, name: str, members: tuple[str, ...], until: str, check: bool) -> None:
    """Let people leave a group.

    What was recorded is not forgotten: mail that came until now stays held
    and kept as it was, also if --until is a day in the past.

    \b
    Example:
      muniment group remove board ada@example.com --until 2027-03-31
    """
    done(session, session.ask(LeaveGroup(group=name, members=members, until=until, check=check), Done))


@group.command("list")
@pass_session
def list_(session: CommandSession) -> None:
    """List all groups.

    \b
    Example:
      muniment group list
    """
    answer = session.ask(ListGroups(), Groups)
    if session.json:
        session.out.json([plain(one) for one in answer.groups])
        return
    columns = [TableColumn("Members", right=True), TableColumn("Former", right=True)]
    rows = ([count(one.count), count(one.former), one.name] for one in answer.groups)
    session.out.table([*columns, TableColumn("Group", fill=True)], rows)


@group.command()
@click.argument("name", shell_complete=known_groups)
@click.option("--on", default="", metavar="DAY", help="Who was in it on this day; now if left out.")
@pass_session
def show(session: CommandSession, name: str, on: str) -> None:
    """Show who is in a group, and who was when.

    \b
    Example:
      muniment group show board --on 2026-06-30
    """
    answer = session.ask(ShowGroup(group=name, on=on), GroupWord)
    if session.json:
        session.out.json(plain(answer))
        return
    columns = [TableColumn("Member", most=40), TableColumn("Since", most=16), TableColumn("Until", most=16)]
    session.out.table([*columns, TableColumn("", fill=True)], map(_row, answer.members))


def _row(member: MemberWord) -> list[str]:
    since = "always" if member.since is None else local(member.since)
    until = "" if member.until is None else local(member.until)
    state = "withdrawn: mail of that time stays kept" if member.withdrawn else "member" if member.now else ""
    return [member.member, since, until, state]


@group.command("import")
@click.argument("file", metavar="FILE.csv", type=click.Path(allow_dash=True))
@click.option(
    "--complete",
    is_flag=True,
    help="The file names all members of its groups: others leave now.",
)
@dry_run
@pass_session
def import_(session: CommandSession, file: str, complete: bool, check: bool) -> None:
    """Make people members of groups from a CSV file.

    The file is UTF-8. After a header line it has a line for each member:
    group,member[,since[,until]]. If any line is wrong, nothing of the file is
    imported. `-` reads standard input.

    \b
    Example:
      muniment group import groups.csv --complete --dry-run
    """
    request = ImportGroups(text=csv_text(file), filename=file, complete=complete, check=check)
    done(session, session.ask(request, Done))


COMMANDS = (group,)
