"""The tree of a query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TEXT_FIELDS = ("from", "to", "cc", "bcc", "subject", "body", "filename", "link")
_CONDITIONS = ("has", "in", "user", "before", "after", "on", "larger", "smaller", "id", "msgid", "thread")
FIELDS = (*TEXT_FIELDS, *_CONDITIONS)


@dataclass(frozen=True, slots=True)
class And:
    """All of them; of nothing: every message."""

    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What does not match."""

    item: Node


@dataclass(frozen=True, slots=True)
class Word:
    """A word, an address or the like, maybe with wildcards.

    `field`, here and below, is one of TEXT_FIELDS; "" for the usual ones.
    """

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other, maybe with wildcards in them."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What the (last) word begins with."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Since:
    """Dated at `time` or later; seconds since 1970 UTC."""

    time: int


@dataclass(frozen=True, slots=True)
class Until:
    """Dated before `time`; seconds since 1970 UTC."""

    time: int


@dataclass(frozen=True, slots=True)
class Larger:
    """Of more than `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """Of fewer than `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """Has at least one attachment."""


@dataclass(frozen=True, slots=True)
class In:
    """Stands in a folder of the user the query is about, or of anybody."""

    folder: str


@dataclass(frozen=True, slots=True)
class User:
    """Concerns a person, under any address of theirs."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """The message in the record of that number, -1 for none. Nobody types it: it stands for a public id."""

    number: int


@dataclass(frozen=True, slots=True)
class Id:
    """Its SHA-256 begins with these hex digits (lower case)."""

    prefix: str


@dataclass(frozen=True, slots=True)
class MessageId:
    """Has this Message-ID, as mail.ids compares it."""

    name: str


@dataclass(frozen=True, slots=True)
class Thread:
    """Has this Message-ID, or names it in References or In-Reply-To."""

    name: str


Text = Word | Phrase | Prefix
Condition = Since | Until | Larger | Smaller | HasAttachment | In | User | Id | Number | MessageId | Thread
Node = And | Or | Not | Text | Condition

EVERYTHING = And()


def both(nodes: Iterable[Node]) -> Node:
    """All of `nodes`, without needless nesting."""
    items = _flat(nodes, And)
    return items[0] if len(items) == 1 else And(items)


def either(nodes: Iterable[Node]) -> Node:
    """One of `nodes` (at least one is needed), without needless nesting."""
    items = _flat(nodes, Or)
    return items[0] if len(items) == 1 else Or(items)


def negate(node: Node) -> Node:
    """What `node` does not match."""
    return node.item if isinstance(node, Not) else Not(node)


def _flat(nodes: Iterable[Node], kind: type[And] | type[Or]) -> tuple[Node, ...]:
    items: list[Node] = []
    for node in nodes:
        items.extend(node.items if isinstance(node, kind) else (node,))
    return tuple(items)
