"""Filters of one key: each adds a condition to the query, or removes it again."""

from __future__ import annotations

import re

from muniment.api import Hit
from muniment_tui.messages.folder_tree import TreePlace

FILES = "has:attachment"
WEEK = "after:7d"
_PLAIN = re.compile(r"[^\s\"“”„()*?]+")
"""A value that needs no quotes in a query."""


def query_of(place: TreePlace) -> str:
    """The query that finds the messages of a folder or user; "" for all mail."""
    here = [f"user:{place.user}"] if place.user else []
    if place.folder:
        here.append(f'in:"{place.folder}"' if " " in place.folder else f"in:{place.folder.lower()}")
    return " ".join(here)


def toggled(query: str, condition: str) -> str:
    """The query with a condition at its end, or without it if it has it."""
    there = re.compile(rf"(?:^|\s+){re.escape(condition)}(?!\S)")
    if there.search(query):
        return there.sub("", query).strip()
    return f"{query.strip()} {condition}".strip()


def from_sender(hit: Hit) -> str:
    """The condition that finds mail from the sender of a message; "" if it has none."""
    _, bracket, address = hit.sender.rpartition("<")
    value = (address.partition(">")[0] if bracket else hit.sender).strip()
    if _PLAIN.fullmatch(value):
        return f"from:{value}"
    words = re.sub(r"[^\w@.+-]+", " ", value).strip()
    return f'from:"{words}"' if words else ""
