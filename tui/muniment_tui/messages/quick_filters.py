"""Filters of one key: each adds a condition to the query, or removes it again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from muniment.api import Hit
from muniment_tui.messages.folder_tree import TreePlace

FILES = "has:attachment"
WEEK = "after:7d"
LONGEST = 120
"""Most bytes of an address that is a filter. The index has no longer words."""
_PLAIN = re.compile(r"[^\s\"“”„()*?]+")
"""A value that needs no quotes in a query."""
_ESCAPED = re.compile(r"[\"“”„\\]")
"""What has a backslash before it in a quoted text."""
_SIGN = re.compile(r"[()]|[\"“”„](?:\\[\"“”„\\]|[^\"“”„])*[\"“”„]?|\s+")
"""What decides where a part of a query ends: a parenthesis, a quoted text, or blanks."""
_JOINED_BEHIND = re.compile(r"(?:^|[()\"“”„])(?:OR|\|\|?|AND|NOT)$")
_JOINED_BEFORE = re.compile(r"(?:OR|\|\|?|AND)(?=[()\"“”„]|$)")


def query_of(place: TreePlace) -> str:
    """The query that finds the messages of a folder or user; "" for all mail."""
    here = [_condition("user", place.user)] if place.user else []
    if place.folder:
        here.append(_condition("in", place.folder.lower() if " " not in place.folder else place.folder))
    return " ".join(here)


def _condition(name: str, value: str) -> str:
    """A condition with a name of any characters."""
    if _PLAIN.fullmatch(value):
        return f"{name}:{value}"
    return f'{name}:"' + _ESCAPED.sub(r"\\\g<0>", value) + '"'


def toggled(query: str, condition: str) -> str:
    """The query with a condition at its end, or without it if it has it.

    A condition that OR, AND or NOT joins to others, or that lies in parentheses or quotes, is no filter but a
    part of what the user has typed. It stays.
    """
    parts = list(_parts(query))
    there = [at for at, (start, end) in enumerate(parts) if query[start:end] == condition]
    filters = [at for at in there if not _is_joined(query, parts, at)]
    if not filters:
        return f"{query.strip()} {condition}".strip()
    for at in reversed(filters):
        begin = parts[at - 1][1] if at else 0
        query = query[:begin] + query[parts[at][1] :]
    return query.strip()


def _parts(query: str) -> Iterator[tuple[int, int]]:
    """Where each part of a query begins and ends. What is in quotes or parentheses belongs to one part."""
    start = depth = 0
    for sign in _SIGN.finditer(query):
        depth += {"(": 1, ")": -1}.get(sign[0], 0)
        if sign[0].isspace() and depth <= 0:
            if start < sign.start():
                yield start, sign.start()
            start = sign.end()
    if start < len(query):
        yield start, len(query)


def _is_joined(query: str, parts: list[tuple[int, int]], at: int) -> bool:
    """Whether OR, AND or NOT is directly before or behind a part of a query."""
    before = query[slice(*parts[at - 1])] if at else ""
    after = query[slice(*parts[at + 1])] if at + 1 < len(parts) else ""
    return bool(_JOINED_BEHIND.search(before) or _JOINED_BEFORE.match(after))


def from_sender(hit: Hit) -> str:
    """The condition that finds mail from the sender of a message; "" if it has none."""
    _, bracket, address = hit.sender.rpartition("<")
    value = (address.partition(">")[0] if bracket else hit.sender).strip()
    if len(value.encode("utf-8", "replace")) > LONGEST:
        return ""
    if _PLAIN.fullmatch(value):
        return f"from:{value}" if re.search(r"\w", value) else ""
    words = re.sub(r"[^\w@.+-]+", " ", value).strip()
    return f'from:"{words}"' if re.search(r"\w", words) else ""
