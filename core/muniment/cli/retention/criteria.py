"""Options that say which mail a rule or a hold is about; a file of rules has keys of the same names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from muniment.api import MailCriteria
from muniment.cli.complete_names import groups, profiles, users
from muniment.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_SIZE = re.compile(r"([0-9]{1,15}) ?([kmg]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_NAMES = {
    "person": "people",
    "group": "groups",
    "domain": "domains",
    "folder": "folders",
    "profile": "profiles",
    "file_kind": "kinds",
}
"""Options that may be repeated, with the fields that they are."""
_TEXTS = {"direction": "direction", "received_from": "since", "received_until": "until", "query": "query"}
KEYS = frozenset({*_NAMES, *_TEXTS, "min_size", "max_size", "attachments"})
"""The names of all criteria."""

_OPTIONS = (
    click.option(
        "--person", multiple=True, metavar="USER", shell_complete=users,
        help="Mail from, to or in the mailbox of this person or address; may be repeated.",
    ),
    click.option(
        "--group", multiple=True, metavar="NAME", shell_complete=groups,
        help="The same of who was in this group when it was received; may be repeated.",
    ),
    click.option(
        "--domain", multiple=True, metavar="DOMAIN", help="Mail with an address there; may be repeated."
    ),
    click.option(
        "--direction", type=click.Choice(["in", "out", "internal"]), default=None,
        help="Incoming, outgoing or internal mail.",
    ),
    click.option(
        "--folder", multiple=True, metavar="NAME", help="Mail in a folder of this name; may be repeated."
    ),
    click.option(
        "--profile", multiple=True, metavar="NAME", shell_complete=profiles,
        help="Mail that this profile fetched first; may be repeated.",
    ),
    click.option("--min-size", default="", metavar="SIZE", help="Mail of at least this size, such as 5M."),
    click.option("--max-size", default="", metavar="SIZE", help="Mail of at most this size."),
    click.option("--attachments/--no-attachments", default=None, help="Mail with attachments, or without."),
    click.option(
        "--file-kind", multiple=True, metavar="END",
        help="Mail with a file whose name ends like this, such as pdf; may be repeated.",
    ),
    click.option(
        "--received-from", default="", metavar="DAY", help="Received on this day, month or year, or later."
    ),
    click.option(
        "--received-until", default="", metavar="DAY", help="Received by the end of this day, month or year."
    ),
    click.option("--query", default="", metavar="QUERY", help="Mail that this search finds."),
)  # fmt: skip


def criteria_options(function: F) -> F:
    """Add the options to a command. It gets them by name, for `criteria_of`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def criteria_of(values: Mapping[str, Any]) -> MailCriteria:
    """The criteria in the values of these options, or in a table of a file.

    Args:
        values: Values by the names of KEYS; other names are ignored.

    Raises:
        UsageError: A value can't be used.
    """
    fields: dict[str, Any] = {}
    for key, field in _NAMES.items():
        given = values.get(key, ())
        texts = (
            (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else (0,)
        )
        if not all(isinstance(text, str) for text in texts):
            raise UsageError(f"{key} must be a text or a list of texts.")
        fields[field] = texts
    for key, field in _TEXTS.items():
        fields[field] = str(values.get(key) or "")
    attachments = values.get("attachments")
    if not isinstance(attachments, bool | None):
        raise UsageError("attachments must be true or false.")
    return MailCriteria(
        **fields,
        least=_size(values.get("min_size")),
        most=_size(values.get("max_size")),
        attachments=attachments,
    )


def _size(given: Any) -> int | None:
    """A size in bytes; None if none is given."""
    if given in (None, ""):
        return None
    match = _SIZE.fullmatch(str(given).strip())
    if match is None:
        raise UsageError(f"{given} is not a size: write bytes, or k, M or G, such as 5M.")
    return int(match[1]) << 10 * "bkmg".index(match[2].lower() or "b")
