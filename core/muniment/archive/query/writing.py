"""Writes a parsed query as text again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from muniment.archive.query.nodes import (
    And,
    Conversation,
    DatedBefore,
    DatedSince,
    GroupTerm,
    HasUnreadable,
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
from muniment.archive.query.reading import HEX_ID, QUOTES

_SPECIAL = re.compile(rf"[{QUOTES}\\]")
"""What has a backslash before it in a quoted text."""


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
            return _named(field, _quoted(text))
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
            return "in:" + _quoted(folder)
        case UserTerm(name):
            return "user:" + _quoted(name)
        case GroupTerm(name):
            return "group:" + _quoted(name)
        case MessageId(name):
            return "msgid:" + _quoted(name)
        case InThread(name):
            # A Message-ID may look like the id of a message.
            return "thread:" + _quoted(f"<{name}>" if HEX_ID.fullmatch(name) else name)
        case Conversation(prefix):
            return f"thread:{prefix}"
        case IdPrefix(prefix):
            return f"id:{prefix}"
        case HasUnreadable():
            return "has:unreadable"
        case _:
            return "has:attachment"


def _quoted(text: str) -> str:
    """Return a text in quotes, as a query has it."""
    return '"' + _SPECIAL.sub(r"\\\g<0>", text) + '"'


def _instant(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
