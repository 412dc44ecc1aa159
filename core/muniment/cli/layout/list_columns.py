"""The columns of a list of messages, and the option --columns that chooses them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import click

from muniment.api import Hit
from muniment.cli.command import CommandSession
from muniment.cli.layout.text_table import TableColumn
from muniment.errors import UsageError
from muniment.system.formatting import local, name_of, size

ID = 12
"""Digits of a message's id that are shown; `show` takes them."""
LIST = "help"
"""The value of --columns that lists the names."""


@dataclass(frozen=True, slots=True)
class MessageColumn:
    """A column of a list of messages."""

    name: str
    """As in --columns."""
    about: str
    shape: TableColumn
    cell: Callable[[Hit], str]


LIST_COLUMNS = {
    column.name: column
    for column in (
        MessageColumn("id", f"the first {ID} digits of its id", TableColumn("ID"), lambda hit: hit.id[:ID]),
        MessageColumn(
            "date", "when it was sent, in your time zone", TableColumn("Date"), lambda hit: local(hit.date)
        ),
        MessageColumn("from", "its sender", TableColumn("From", most=30), lambda hit: hit.sender),
        MessageColumn("to", "its recipients", TableColumn("To", most=26), lambda hit: hit.to),
        MessageColumn("size", "its size", TableColumn("Size", right=True), lambda hit: size(hit.size)),
        MessageColumn(
            "files", "number of its attachments", TableColumn("Files", right=True), lambda hit: _files(hit)
        ),
        MessageColumn("subject", "its subject", TableColumn("Subject"), lambda hit: hit.subject),
        MessageColumn(
            "folders",
            "whose folders it is in",
            TableColumn("Folders", most=40),
            lambda hit: ", ".join(hit.folders),
        ),
    )
}
"""All columns, by name."""
FILLING = ("subject", "folders", "to", "from")
"""Which column gets the width that is left; the first of these that is there."""
_NAMED = replace(
    LIST_COLUMNS["from"], shape=TableColumn("From", most=20), cell=lambda hit: name_of(hit.sender)
)
_FEW = ("id", "date", "from", "files", "subject")
_MANY = ("id", "date", "from", "size", "to", "files", "subject")


def usual_columns(wide: bool) -> tuple[MessageColumn, ...]:
    """The columns of a list if none are chosen; `wide` has the size, the recipients and all of the sender."""
    columns = [LIST_COLUMNS[name] for name in (_MANY if wide else _FEW)]
    short = replace(LIST_COLUMNS["files"], shape=TableColumn("", right=True))
    instead = {"files": short} if wide else {"files": short, "from": _NAMED}
    return tuple(instead.get(column.name, column) for column in columns)


def shapes(columns: Iterable[MessageColumn]) -> list[TableColumn]:
    """The columns of the table; the most important text fills the line."""
    names = [column.name for column in columns]
    filling = next((name for name in FILLING if name in names), "")
    return [replace(LIST_COLUMNS[c.name].shape, fill=True) if c.name == filling else c.shape for c in columns]


def columns_option() -> Callable[[Callable[..., object]], Callable[..., object]]:
    """The option --columns of a command; `chosen_columns` reads its value."""
    return click.option(
        "--columns",
        default="",
        metavar="A,B...",
        is_eager=True,
        callback=_list_names,
        shell_complete=_completed,
        help=f"Show these columns, in this order; `--columns {LIST}` lists their names.",
    )


def _list_names(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """With `help`, print the names of the columns and end the command."""
    if value.strip().lower() == LIST and not ctx.resilient_parsing:
        session = ctx.find_object(CommandSession)
        assert session is not None
        for column in LIST_COLUMNS.values():
            session.out.line(f"{column.name:<10}{column.about}")
        ctx.exit(0)
    return value


def chosen_columns(session: CommandSession, value: str) -> tuple[MessageColumn, ...]:
    """The columns that --columns names, in order; none if it is not given.

    Raises:
        UsageError: A name is unknown or there twice, or --json is given as well.
    """
    if not value:
        return ()
    if session.json:
        raise UsageError("--json has every field of a message: leave out --columns.")
    names = [name.strip().lower() for name in value.split(",")]
    for place, name in enumerate(names):
        if name not in LIST_COLUMNS:
            near = difflib.get_close_matches(name, LIST_COLUMNS, 1)
            meant = f"did you mean {near[0]}? The" if near else "the"
            raise UsageError(
                f"{name!r} is no column of a list: {meant} columns are {', '.join(LIST_COLUMNS)}."
            )
        if name in names[:place]:
            raise UsageError(f"The column {name} is named twice: name each column once.")
    return tuple(LIST_COLUMNS[name] for name in names)


def _completed(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names that can follow the ones that are typed."""
    before, comma, begun = incomplete.rpartition(",")
    taken = before.split(",")
    return [
        f"{before}{comma}{name}"
        for name in (*LIST_COLUMNS, *([] if comma else [LIST]))
        if name.startswith(begun) and name not in taken
    ]


def _files(hit: Hit) -> str:
    return f"+{hit.attachments}" if hit.attachments else ""
