"""Writes a parsed query as text again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from muniment.archive.query.nodes import (
    And,
    Conversation,
    DatedBefore,
    DatedSince,
    IdPrefix,
    InFolder,
    InThread,
    LargerThan,
    MessageId,
    Node,
    Not,
    Or,
    PhraseTerm,
    PrefixTerm,
    SmallerThan,
    UserTerm,
    WordTerm,
)  # fmt: skip
from muniment.archive.query.reading import HEX_ID


def unparse(node: Node) -> str:
    """Return a query that `parse` turns into `node` again."""
    match node:
        case And(items):
            return " ".join(_operand(item, within=And) for item in items)
        case Or(items):
            return " OR ".join(_operand(item, within=Or) for item in items)
        case Not(item):
            text = _operand(item, within=Not)
            return ("NOT " if text.startswith("-") else "-") + text
        case WordTerm(text, field):
            return _named(field, text)
        case PhraseTerm(text, field):
            return _named(field, f'"{text}"')
        case PrefixTerm(text, field):
            return _named(field, text + "*")
        case _:
            return _condition(node)


def _operand(node: Node, within: type) -> str:
    loose = isinstance(node, (And, Or)) and not (within is And and isinstance(node, Or))
    return f"({unparse(node)})" if loose else unparse(node)


def _named(field: str, text: str) -> str:
    return f"{field}:{text}" if field else text


def _condition(node: Node) -> str:
    match node:
        case DatedSince(seconds):
            return "after:" + _instant(seconds)
        case DatedBefore(seconds):
            return "before:" + _instant(seconds)
        case LargerThan(size):
            return f"larger:{size}"
        case SmallerThan(size):
            return f"smaller:{size}"
        case InFolder(folder):
            return f'in:"{folder}"'
        case UserTerm(name):
            return f'user:"{name}"'
        case MessageId(name):
            return f'msgid:"{name}"'
        case InThread(name):
            # A Message-ID may look like the id of a message.
            return f'thread:"<{name}>"' if HEX_ID.fullmatch(name) else f'thread:"{name}"'
        case Conversation(prefix):
            return f"thread:{prefix}"
        case IdPrefix(prefix):
            return f"id:{prefix}"
        case _:
            return "has:attachment"


def _instant(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
