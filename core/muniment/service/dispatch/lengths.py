"""Length limits of the texts and lists of a request.

They are checked before anything else. A request may have 8 MiB, and a text of that size could take hours to
compare or to search for, and would go to the audit trail if it is refused.
"""

from __future__ import annotations

from typing import Any

import msgspec

from muniment.api import ImportUsers, Request
from muniment.archive.query import MAX_QUERY
from muniment.errors import UsageError
from muniment.mail.headers.addresses import ADDRESS_LIMIT

TEXT_LIMIT = 4096
"""Characters of a text without a limit of its own, such as a name, path, reason or position in a list."""
VALUE_LIMIT = 65_536
"""Characters of a setting's value, and of a note."""
COUNT_LIMIT = 10_000
"""Entries of a list."""
_ADDRESSES = frozenset({"user", "alias", "addresses", "of", "people"})
_UNLIMITED = {(ImportUsers, "text")}
"""Fields that only the size of the whole request limits."""
_LIMITS = {
    "query": 2 * MAX_QUERY,
    "fields": VALUE_LIMIT,
    "values": VALUE_LIMIT,
    "password": VALUE_LIMIT,
    "note": VALUE_LIMIT,
    "stamp": VALUE_LIMIT,
}
"""Limits of other fields. A query between MAX_QUERY and twice that is refused by the parser, which shows
where it becomes too long."""


def check_lengths(request: Request) -> None:
    """Check the length of each text and list of a request.

    Raises:
        UsageError: one is too long; the sentence names the field and the limit.
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
    elif isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            _check(field.name, getattr(value, field.name))


def _check_all(name: str, values: Any) -> None:
    if len(values) > COUNT_LIMIT:
        raise UsageError(
            f"{name!r} has {len(values):,} entries, at most {COUNT_LIMIT:,} are allowed: use fewer"
        )
    for one in values:
        _check(name, one)
