"""`muniment users`: people and their addresses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

from muniment.api import (
    AddressWord,
    AddUser,
    BindLogins,
    Done,
    ImportUsers,
    ListLogins,
    ListUsers,
    Logins,
    LoginWord,
    RemoveUser,
    ShowUser,
    Users,
    UserWord,
)
from muniment.cli.answers import done
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.complete_names import logins as known_logins
from muniment.cli.complete_names import users as known_users
from muniment.cli.output import TableColumn, plain
from muniment.errors import ConfigError
from muniment.system.formatting import count, local

EFFECTS = ("moved", "logins", "people", "refiled")
"""Fields that the JSON answer to a change of users has besides the usual ones."""
CSV_LIMIT = 7 * 1024**2
"""Most bytes of a CSV file. The service takes requests of up to 8 MiB, of which escapes need a part."""
NAMED = 50
"""Most people that a dry run names."""
ORIGINS = {"hand": "typed by hand", "csv": "from a CSV file", "mail": "made automatically"}
"""Where an address comes from."""
STATES = {
    "bound": "bound",
    "moved": "reads nothing: the address moved",
    "nobody": "reads nothing: no user has it",
    "unbound": "reads nothing: not bound",
}
"""What `users logins` says for each state of a login."""

dry_run = click.option(
    "--dry-run",
    "check",
    is_flag=True,
    help="Change nothing; say who would change, what mail would be filed again, and which logins would move.",
)


@click.group(cls=CommandGroup)
def users() -> None:
    """Manage people and their addresses.

    Mail is filed under the person whose address it was sent to or from. When
    you add an address, old mail is filed under it as well. Archived mail
    itself is never rewritten.

    \b
    Example:
      muniment users import people.csv
      muniment users add "Ada Quill" ada@example.com a.quill@example.com
    """


@users.command("import")
@click.argument("file", metavar="FILE.csv", type=click.Path(allow_dash=True))
@dry_run
@pass_session
def import_(session: CommandSession, file: str, check: bool) -> None:
    """Add users from a CSV file.

    The file is UTF-8. After a header line it has one line for each person:
    name,address[,alias ...]. The first address is the primary one. If any line
    is wrong, nothing of the file is imported. `-` reads standard input.

    \b
    Example:
      muniment users import people.csv
    """
    _changed(session, session.ask(ImportUsers(text=csv_text(file), filename=file, check=check), Done), check)


def _changed(session: CommandSession, answer: Done, check: bool) -> None:
    """Print what was changed; for a dry run, also for whom."""
    if check and not session.json:
        for person in answer.people[:NAMED]:
            others = ", ".join(one for one in person.addresses if one != person.user)
            session.out.line(
                f"{person.kind:<8} {person.name} <{person.user}>{f': {others}' if others else ''}"
            )
        if len(answer.people) > NAMED:
            session.out.line(f"and {count(len(answer.people) - NAMED)} more; --json names all")
    done(session, answer, *EFFECTS)


def csv_text(file: str, limit: int = CSV_LIMIT) -> str:
    """The text of a CSV file in UTF-8; `-` is standard input. `limit` is the most bytes that it may have.

    Raises:
        ConfigError: it can't be read, is not UTF-8, or is larger than `limit`.
    """
    try:
        data = _standard_input(limit) if file == "-" else _read(Path(file), limit)
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}.") from error
    if len(data) > limit:
        raise ConfigError(
            f"{'Standard input' if file == '-' else file} is larger than {limit // 1024**2} MiB: split "
            "it into several files, each with the header line."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file} line {line} is not UTF-8: save the file as CSV in UTF-8.") from error


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return _bounded(file, limit)


def _bounded(file: BinaryIO, limit: int) -> bytes:
    """The bytes of a file, and of a large one just enough to see that it is too large."""
    return file.read(limit + 1)


def _standard_input(limit: int) -> bytes:
    """The bytes of standard input, as `_bounded` reads them. Raises ConfigError if it is closed."""
    if sys.stdin is None or sys.stdin.closed:  # None if it was closed before the program began
        raise ConfigError("Standard input is closed: name a file, or send the CSV through a pipe.")
    return _bounded(sys.stdin.buffer, limit)


@users.command("list")
@pass_session
def list_(session: CommandSession) -> None:
    """List all users.

    \b
    Example:
      muniment users list
    """
    answer = session.ask(ListUsers(), Users)
    if session.json:
        session.out.json([plain(user) for user in answer.users])
        return
    columns = [
        TableColumn("User", most=40),
        TableColumn("Messages", right=True),
        TableColumn("Aliases", right=True),
        TableColumn("Name", fill=True),
    ]
    session.out.table(columns, (_row(user) for user in answer.users))


def _row(user: UserWord) -> list[str]:
    mark = " (made automatically)" if user.automatic else " (former)" if user.former else ""
    name = f"{user.name}{mark}".strip()
    return [user.user, count(user.messages), str(len(user.aliases)), name]


@users.command()
@click.argument("user", shell_complete=known_users)
@pass_session
def show(session: CommandSession, user: str) -> None:
    """Show one user. USER is any of their addresses.

    \b
    Example:
      muniment users show ada@example.com
    """
    answer = session.ask(ShowUser(user=user), UserWord)
    if session.json:
        session.out.json(plain(answer))
        return
    session.out.line(answer.user)
    session.out.line(f"  name      {answer.name or '-'}{' (made automatically)' if answer.automatic else ''}")
    session.out.line(f"  messages  {count(answer.messages)}")
    for address in answer.addresses:
        session.out.line(f"  address   {address_line(address)}")
    if not answer.addresses:
        for alias in answer.aliases:
            session.out.line(f"  alias     {alias}")


def address_line(address: AddressWord) -> str:
    """An address, when it is the user's, and where it comes from."""
    parts = [address.address]
    parts += [f"since {local(address.since)}"] if address.since is not None else []
    parts += [f"until {local(address.until)}"] if address.until is not None else []
    parts += [ORIGINS[address.origin]] if address.origin in ORIGINS else []
    return ", ".join(parts)


@users.command()
@click.argument("name")
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@click.option(
    "--since",
    default="",
    metavar="DATE",
    help="Day from which an address taken over from another person is theirs (YYYY-MM-DD); by default now.",
)
@dry_run
@pass_session
def add(session: CommandSession, name: str, addresses: tuple[str, ...], since: str, check: bool) -> None:
    """Add a user, or more addresses of a user.

    The first ADDRESS is the primary one. If a user already has it, the others
    become aliases of that user, and their old mail is filed again. If an
    address moves to another person, logins that read mail by it are refused
    from then on; the answer names them.

    \b
    Example:
      muniment users add "Ada Quill" ada@example.com a.quill@example.com
    """
    request = AddUser(name=name, addresses=addresses, since=since, check=check)
    _changed(session, session.ask(request, Done), check)


@users.command()
@click.argument("user", shell_complete=known_users)
@click.option("--alias", default="", metavar="ADDRESS", help="Remove only this address.")
@dry_run
@pass_session
def remove(session: CommandSession, user: str, alias: str, check: bool) -> None:
    """Remove a user or one of their addresses. Their mail stays.

    \b
    Example:
      muniment users remove ada@example.com --alias a.quill@example.com
    """
    _changed(session, session.ask(RemoveUser(user=user, alias=alias, check=check), Done), check)


@users.command()
@pass_session
def logins(session: CommandSession) -> None:
    """List the logins of vault.toml, and whose mail each one reads.

    \b
    Example:
      muniment users logins
    """
    answer = session.ask(ListLogins(), Logins)
    if session.json:
        session.out.json([plain(login) for login in answer.logins])
        return
    columns = [
        TableColumn("Login"),
        TableColumn("Address", most=40),
        TableColumn("Reads the mail of", most=40),
    ]
    session.out.table([*columns, TableColumn("State", fill=True)], (_login_row(one) for one in answer.logins))


def _login_row(login: LoginWord) -> list[str]:
    reads = login.user if login.state == "bound" else "-"
    return [login.login, login.address, reads, STATES.get(login.state, login.state)]


@users.command()
@click.argument("names", metavar="LOGIN...", nargs=-1, required=True, shell_complete=known_logins)
@pass_session
def bind(session: CommandSession, names: tuple[str, ...]) -> None:
    """Let a login read the mail of the person who has its address now.

    vault.toml names an address for each login. The login is bound to the
    person who had that address when the entry was written. When the address
    moves to another person, the login reads nothing until you bind it again.

    \b
    Example:
      muniment users bind alice
    """
    done(session, session.ask(BindLogins(logins=names), Done), "logins")


COMMANDS = (users,)
