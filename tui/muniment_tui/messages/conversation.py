"""A conversation as a tree: each answer below the message that it answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from muniment.api import Hit, ListMessages, Search
from muniment_tui.messages.folder_tree import TreePlace

THREAD = 16
"""Digits of an id in a query for a conversation."""
DEEPEST = 6
"""Largest indent of an answer, in steps, so that subjects keep their room."""
_CONVERSATION = re.compile(r"thread:([0-9a-f]{8,64})")


def conversation_of(request: ListMessages | Search) -> str:
    """The id of the message whose conversation a request lists; "" if it lists anything else."""
    if not isinstance(request, Search):
        return ""
    named = _CONVERSATION.fullmatch(request.query.strip())
    return named[1] if named else ""


def query_for(id_: str) -> str:
    """The query that lists the conversation of a message."""
    return f"thread:{id_[:THREAD]}"


def is_conversation(query: str) -> bool:
    """Whether a query lists a conversation, with filters or without."""
    return query.lstrip().startswith("thread:")


def list_title(request: ListMessages | Search) -> str:
    """The title of the list that a request asks for."""
    if id_ := conversation_of(request):
        return f"Conversation of {id_[:12]}"
    if isinstance(request, Search):
        return f"Results for {request.query}" if request.query else TreePlace(request.user).title
    return TreePlace(request.user, request.folder).title


def in_conversation(hits: Sequence[Hit]) -> list[tuple[Hit, int]]:
    """The messages of a conversation with their depths, each answer below what it answers.

    Messages with the same depth keep their order. A message that answers itself, if only through others, is
    taken as the beginning of a conversation, so none is lost.
    """
    ids = {hit.id for hit in hits}
    below: dict[str, list[Hit]] = {}
    for hit in hits:
        below.setdefault(hit.answers if hit.answers in ids else "", []).append(hit)
    found: dict[str, tuple[Hit, int]] = {}

    def add(start: Hit) -> None:
        waiting = [(start, 0)]
        while waiting:
            hit, depth = waiting.pop()
            if hit.id not in found:
                found[hit.id] = (hit, depth)
                waiting.extend((one, depth + 1) for one in reversed(below.get(hit.id, [])))

    for hit in (*below.get("", []), *hits):
        add(hit)
    return list(found.values())


def indent(depth: int) -> str:
    """The sign before the subject of an answer, moved to the right by its depth."""
    return f"{'  ' * (min(depth, DEEPEST) - 1)}└ " if depth else ""
