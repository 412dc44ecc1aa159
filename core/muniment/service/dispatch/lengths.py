"""How long the texts of a request may be.

Checked before anything else is done with a request: what a caller may send in 8 MiB can take hours to compare
or to search for, and is written to the audit trail when it is refused.
"""

from __future__ import annotations

from typing import Any

import msgspec

from muniment.api import ImportUsers, Request
from muniment.archive.query import MAX_QUERY
from muniment.errors import UsageError
from muniment.mail.headers.addresses import ADDRESS_LIMIT

TEXT_LIMIT = 4096
"""Characters of any text without a limit of its own: names, paths, reasons, places in a list."""
VALUE_LIMIT = 65_536
"""Characters of a setting's value."""
COUNT_LIMIT = 10_000
"""Entries of a list."""
_ADDRESSES = frozenset({"user", "alias", "addresses"})
_UNLIMITED = {(ImportUsers, "text")}
"""Fields that only the request as a whole limits."""
_LIMITS = {"query": 2 * MAX_QUERY, "fields": VALUE_LIMIT, "values": VALUE_LIMIT, "password": VALUE_LIMIT}
"""A query that is too long by less is refused where it is read, with a caret under the place."""


def check_lengths(request: Request) -> None:
    """See that no text of a request is too long, and no list.

    Raises:
        UsageError: one is; the sentence names the field and says how long it may be.
    """
    for field in msgspec.structs.fields(request):
        if (type(request), field.name) not in _UNLIMITED:
            _check(field.name, getattr(request, field.name))


def _check(name: str, value: Any) -> None:
    limit = ADDRESS_LIMIT if name in _ADDRESSES else _LIMITS.get(name, TEXT_LIMIT)
    if isinstance(value, str | bytes):
        if len(value) > limit:
            raise UsageError(
                f"{name!r} has {len(value):,} characters, at most {limit:,} are allowed: shorten it"
            )
    elif isinstance(value, dict):
        _check_all(name, value)
        _check_all(name, value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        _check_all(name, value)


def _check_all(name: str, values: Any) -> None:
    if len(values) > COUNT_LIMIT:
        raise UsageError(
            f"{name!r} has {len(values):,} entries, at most {COUNT_LIMIT:,} are allowed: use fewer"
        )
    for one in values:
        _check(name, one)
