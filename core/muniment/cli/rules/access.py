"""`muniment access`: who may read whose mail, and who could on a day."""

from __future__ import annotations

from collections.abc import Iterator

import click

from muniment.api import (
    AccessRights,
    AskAccess,
    Decided,
    Done,
    GetReaders,
    GetRightsOf,
    GrantAccess,
    GrantWord,
    ListAccess,
    MailLimitsWord,
    Readers,
    ReaderWord,
    RevokeAccess,
    SealMail,
    SealWord,
    UnsealMail,
)
from muniment.cli.answers import done
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.complete_names import groups as known_groups
from muniment.cli.complete_names import users as known_users
from muniment.cli.output import TableColumn, plain
from muniment.errors import UsageError
from muniment.system.formatting import local

reason = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it is kept in the ledger and in the audit trail."
)
on_day = click.option(
    "--on", default="", metavar="DAY", help="The day, such as 2027-03-31, yesterday or 7d; today if left out."
)


@click.group(cls=CommandGroup)
def access() -> None:
    """Say who may read whose mail, and who could on a day.

    vault.toml names administrators, auditors, and whose mail each login
    reads. A grant lets a login read one more person's mail until a day. A
    seal leaves a person's mail to a few named logins, also where others may
    read everything. Each is a dated record in the ledger.

    \b
    Example:
      muniment access grant audrey ada@example.com --until 2027-03-31
          --reason "Case 7"
      muniment access could-read 3f9ac07e --on 2027-02-01
    """


@access.command("list")
@click.option("--all", "former", is_flag=True, help="Also list grants and seals that are over.")
@pass_session
def list_(session: CommandSession, former: bool) -> None:
    """List roles, grants and seals.

    \b
    Example:
      muniment access list --all
    """
    answer = session.ask(ListAccess(former=former), AccessRights)
    if session.json:
        session.out.json(plain(answer))
        return
    rows = [*_role_rows(answer), *map(_grant_row, answer.grants)]
    columns = [TableColumn("Login"), TableColumn("May read", most=40), TableColumn("By", most=20)]
    session.out.table([*columns, TableColumn("Until", most=16), TableColumn("Why", fill=True)], rows)
    for seal in answer.seals:
        session.out.prose(_sealed(seal))


def _role_rows(answer: AccessRights) -> Iterator[list[str]]:
    yield [answer.owner, "everything", "owner of the vault", "", ""]
    yield from ([login, "everything", "vault.toml", "", "administrator"] for login in answer.administrators)
    yield from ([login, "everything", "vault.toml", "", "auditor"] for login in answer.auditors)
    yield from ([login, address, "vault.toml", "", "own mail"] for login, address in answer.users)


def _grant_row(grant: GrantWord) -> list[str]:
    ends = [end for end in (grant.until, grant.ended) if end]
    until = local(min(ends)) if ends else "no end"
    why = grant.reason if grant.active else f"over: {grant.reason}"
    what = grant.limits or (f"the group {grant.group}" if grant.group else grant.person)
    return [grant.login, what, f"grant {grant.id}", until, why]


def _sealed(seal: SealWord) -> str:
    end = f" until {local(seal.ended)}" if seal.ended else ""
    return (
        f"Sealed: only {', '.join(seal.logins)} may open the mail of {seal.person}, since "
        f"{local(seal.since)}{end}: {seal.reason}"
    )


@access.command()
@click.argument("login")
@click.argument("person", default="", shell_complete=known_users)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    shell_complete=known_groups,
    help="The mail of who is in this group when it is read; with --as auditor it may be repeated.",
)
@click.option(
    "--as",
    "role",
    type=click.Choice(["auditor"]),
    default=None,
    help="Make the login an auditor of the mail within the limits below.",
)
@click.option(
    "--people",
    multiple=True,
    metavar="A,B",
    shell_complete=known_users,
    help="A limit: mail in the folders of these people; may be repeated.",
)
@click.option("--from", "since", default="", metavar="DAY", help="A limit: mail dated on this day or later.")
@click.option(
    "--to", "before", default="", metavar="DAY", help="A limit: mail dated on this day at the latest."
)
@click.option(
    "--case", default="", metavar="NO", help="A limit: mail that a hold with this case number covers."
)
@click.option("--until", default="", metavar="DAY", help="The last day of the right; none if left out.")
@reason
@pass_session
def grant(
    session: CommandSession,
    login: str,
    person: str,
    groups: tuple[str, ...],
    role: str | None,
    people: tuple[str, ...],
    since: str,
    before: str,
    case: str,
    until: str,
    reason: str,
) -> None:
    """Let a login read mail of others.

    With PERSON or --group, it sees that mail as these people do, without Bcc
    of others. With --as auditor, it reads as an auditor, but only mail within
    all limits that are given; other mail does not exist for it. LOGIN may be
    group:NAME, for the logins of the people in a group. Each message, list
    and search is recorded in the audit trail.

    \b
    Example:
      muniment access grant ben ada@example.com --until 2027-03-31
          --reason "Ada is on leave"
      muniment access grant taxaudit --as auditor --group accounting
          --from 2024 --to 2026 --until 2027-06-30 --reason "Tax audit"
    """
    named = tuple(name.strip() for one in people for name in one.split(",") if name.strip())
    if role is None and (named or since or before or case):
        raise UsageError("limits are for an auditor: add --as auditor, or leave out the limits.")
    if role is None and len(groups) > 1:
        raise UsageError("name one group, or grant each one by itself.")
    if role is not None and person:
        raise UsageError("with --as auditor, name people with --people.")
    word = None
    if role is not None:
        word = MailLimitsWord(people=named, groups=groups, since=since, until=before, case=case)
    group = groups[0] if groups and word is None else ""
    _decided(
        session,
        GrantAccess(login=login, user=person, group=group, limits=word, until=until, reason=reason),
    )


@access.command()
@click.argument("person")
@click.option("--until", required=True, metavar="DAY", help="The last day on which you need it.")
@reason
@pass_session
def ask(session: CommandSession, person: str, until: str, reason: str) -> None:
    """Ask for the right to read one person's mail.

    An administrator, who must be another person, approves or refuses it.
    Approval grants it at once.

    \b
    Example:
      muniment access ask ada@example.com --until 2027-03-31
          --reason "Offer of May, Ada is on leave"
    """
    _decided(session, AskAccess(user=person, until=until, reason=reason))


def _decided(session: CommandSession, request: AskAccess | GrantAccess | UnsealMail) -> None:
    """Print what became of an act that may need a second person."""
    answer = session.ask(request, Decided)
    if session.json:
        session.out.json(plain(answer))
    else:
        session.out.prose(answer.message)


@access.command()
@click.argument("id_", metavar="ID")
@reason
@pass_session
def revoke(session: CommandSession, id_: str, reason: str) -> None:
    """End a grant.

    \b
    Example:
      muniment access revoke 3f9ac07e --reason "Ada is back"
    """
    done(session, session.ask(RevokeAccess(id=id_, reason=reason), Done))


@access.command()
@click.argument("person", shell_complete=known_users)
@click.option(
    "--only", "logins", multiple=True, required=True, metavar="LOGIN", help="A login that may open the mail."
)
@reason
@pass_session
def seal(session: CommandSession, person: str, logins: tuple[str, ...], reason: str) -> None:
    """Leave a person's mail to a few named logins.

    Auditors and administrators whom the seal does not name can't list, open,
    find or export messages that this person has. The person reads their own
    mail as ever. A seal replaces the person's earlier one.

    \b
    Example:
      muniment access seal council@example.com --only carla
          --reason "Works council"
    """
    done(session, session.ask(SealMail(user=person, logins=logins, reason=reason), Done))


@access.command()
@click.argument("person", shell_complete=known_users)
@reason
@pass_session
def unseal(session: CommandSession, person: str, reason: str) -> None:
    """Lift the seal of a person's mail.

    \b
    Example:
      muniment access unseal council@example.com --reason "Dissolved"
    """
    _decided(session, UnsealMail(user=person, reason=reason))


@access.command("could-read")
@click.argument("id_", metavar="ID")
@on_day
@click.option("--reason", default="", metavar="TEXT", help="Why you ask, where reasons are required.")
@pass_session
def could_read(session: CommandSession, id_: str, on: str, reason: str) -> None:
    """Say who could read a message on a day.

    The answer follows from the records in the ledger: roles, logins, grants,
    seals, and whose addresses the message was sent to or from. Who did read
    it is in the audit trail (muniment audit).

    \b
    Example:
      muniment access could-read 3f9ac07e --on 2027-02-01
    """
    request = GetReaders(id=id_, on=on, reason=reason)
    _show(session, session.ask(request, Readers))


@access.command("of")
@click.argument("who", shell_complete=known_users)
@on_day
@pass_session
def of_(session: CommandSession, who: str, on: str) -> None:
    """Say what a login could read on a day, or who could read a person's mail.

    \b
    Example:
      muniment access of audrey --on 2027-02-01
      muniment access of ada@example.com
    """
    _show(session, session.ask(GetRightsOf(who=who, on=on), Readers))


def _show(session: CommandSession, answer: Readers) -> None:
    if session.json:
        session.out.json(plain(answer))
        return
    if answer.people:
        session.out.prose(f"In the folders of: {', '.join(answer.people)}")
    if answer.readers:
        columns = [TableColumn("Login"), TableColumn("Right"), TableColumn("Mail of", most=40)]
        rows = map(_reader_row, answer.readers)
        session.out.table([*columns, TableColumn("Since", most=16), TableColumn("Why", fill=True)], rows)
    for sealed in answer.sealed:
        session.out.prose(_sealed(sealed))
    for gap in answer.gaps:
        session.out.prose(f"Note: {gap}.")


def _reader_row(reader: ReaderWord) -> list[str]:
    right = f"grant {reader.grant}" if reader.grant else reader.right
    since = local(reader.since) if reader.since else ""
    whose = reader.limits or reader.person or "everybody"
    by_group = f"by the group {reader.group}: {reader.reason}" if reader.group else reader.reason
    return [reader.login, right, whose, since, by_group]


COMMANDS = (access,)
