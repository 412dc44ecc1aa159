"""`muniment quarantine`: journal reports that could not be unwrapped; they are kept byte for byte."""

from __future__ import annotations

import click

from muniment.api import ListQuarantine, Quarantine, QuarantineItem, ReadRaw, RetryQuarantine
from muniment.cli.answers import work
from muniment.cli.command import CommandGroup, CommandSession, pass_session
from muniment.cli.messages import write_raw
from muniment.cli.output import TableColumn, plain
from muniment.errors import NotFound, UsageError
from muniment.system.formatting import iso, local, size


@click.group(cls=CommandGroup)
def quarantine() -> None:
    """Show or retry mail that could not be unwrapped.

    A broken journal report stops no run: it is kept byte for byte, and it is
    counted. You can look at it, and try it again with a newer version.

    \b
    Example:
      muniment quarantine list
    """


@quarantine.command("list")
@pass_session
def list_(session: CommandSession) -> None:
    """List the quarantined items.

    \b
    Example:
      muniment quarantine list
    """
    items = session.ask(ListQuarantine(), Quarantine).items
    if session.json:
        session.out.json([_as_json(item) for item in items])
        return
    if not items:
        session.out.line("The quarantine is empty.")
        return
    columns = [
        TableColumn("ID"),
        TableColumn("Since"),
        TableColumn("Size", right=True),
        TableColumn("Profile", most=14),
        TableColumn("Reason", fill=True),
    ]
    rows = ([i.id[:12], local(i.time), size(i.size), i.profile, i.reason] for i in items)
    session.out.table(columns, rows)


def _as_json(item: QuarantineItem) -> dict[str, object]:
    fields: dict[str, object] = plain(item)
    return fields | {"time": iso(item.time)}


@quarantine.command()
@click.argument("id")
@click.option("--raw", is_flag=True, help="Print its exact bytes.")
@pass_session
def show(session: CommandSession, id: str, raw: bool) -> None:
    """Show one item. ID is its id, or at least the first 8 digits of it.

    \b
    Example:
      muniment quarantine show 9be1770c --raw > broken.eml
    """
    if raw:
        if session.json:
            raise UsageError("Exact bytes can't be printed as JSON: leave out --json.")
        write_raw(session, ReadRaw(id=id, what="quarantine"))
        return
    item = _find(session.ask(ListQuarantine(), Quarantine), id.lower())
    if session.json:
        session.out.json(_as_json(item))
        return
    session.out.line(f"ID       {item.id}")
    session.out.line(f"Since    {local(item.time)}")
    session.out.line(f"Size     {size(item.size)}")
    session.out.line(f"Profile  {item.profile}")
    session.out.prose(f"Reason   {item.reason}", 9)
    session.out.line(f"Its bytes: muniment quarantine show {item.id[:12]} --raw > FILE")


def _find(answer: Quarantine, id: str) -> QuarantineItem:
    if len(id) < 8:
        raise UsageError("Give at least 8 digits of the id.")
    found = [item for item in answer.items if item.id.startswith(id)]
    if len(found) != 1:
        many = "More than one quarantined item has" if found else "No quarantined item has"
        raise NotFound(f"{many} an id that begins with {id}: see `muniment quarantine list`.")
    return found[0]


@quarantine.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@pass_session
def retry(session: CommandSession, ids: tuple[str, ...]) -> int:
    """Try to archive quarantined items again: the named ones, or all.

    \b
    Example:
      muniment quarantine retry
    """
    return work(session, RetryQuarantine(ids=ids))


COMMANDS = (quarantine,)
