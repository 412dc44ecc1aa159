"""The nodes of a parsed query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TEXT_FIELDS = ("from", "to", "cc", "bcc", "subject", "body", "filename", "link", "attachment")
"""Fields that have text. `attachment` is the names of files and the text inside them."""
_DATES = ("before", "after", "on", "between")
_CONDITIONS = ("has", "in", "user", "group", *_DATES, "larger", "smaller", "id", "msgid", "thread")
FIELDS = (*TEXT_FIELDS, *_CONDITIONS)


@dataclass(frozen=True, slots=True)
class And:
    """Messages that match all items; without items, every message."""

    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """Messages that match at least one item."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Messages that do not match the item."""

    item: Node


@dataclass(frozen=True, slots=True)
class WordTerm:
    """Messages with a word, an address or similar text, which may have wildcards.

    `field` is one of TEXT_FIELDS; "" searches the usual fields. It is the same in `PhraseTerm` and
    `PrefixTerm`.
    """

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class PhraseTerm:
    """Messages with several words in a row, which may have wildcards."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class PrefixTerm:
    """Messages with a word that begins like this; if there are several words, only the last is cut."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class DatedSince:
    """Messages dated at `time` or later, in seconds since 1970 UTC."""

    time: int


@dataclass(frozen=True, slots=True)
class DatedBefore:
    """Messages dated before `time`, in seconds since 1970 UTC."""

    time: int


@dataclass(frozen=True, slots=True)
class LargerThan:
    """Messages of more than `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class SmallerThan:
    """Messages of fewer than `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """Messages with at least one attachment."""


@dataclass(frozen=True, slots=True)
class HasUnreadable:
    """Messages with an attachment whose text could not be read, or only in part."""


@dataclass(frozen=True, slots=True)
class InFolder:
    """Messages in a folder with this name, of the users that the query names, or else of any user."""

    folder: str


@dataclass(frozen=True, slots=True)
class UserTerm:
    """Messages of a person, under any of the person's addresses."""

    name: str


@dataclass(frozen=True, slots=True)
class GroupTerm:
    """Messages of the people who are in a group now.

    `archive.operations.group_search` replaces it before a search.
    """

    name: str


@dataclass(frozen=True, slots=True)
class RecordNumber:
    """The message with this number, which is the sequence of its record; -1 for no message.

    It can't be typed: it replaces a public id.
    """

    number: int


@dataclass(frozen=True, slots=True)
class RecordNumbers:
    """The messages with these numbers; none for no message. It can't be typed."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FileEnd:
    """Messages with a file whose name ends in a dot and this, in lower case. It can't be typed."""

    end: str


@dataclass(frozen=True, slots=True)
class IdPrefix:
    """Messages whose SHA-256 begins with these hex digits, in lower case."""

    prefix: str


@dataclass(frozen=True, slots=True)
class MessageId:
    """Messages with this Message-ID, in the form that `mail.headers.message_ids.bare_id` returns."""

    name: str


@dataclass(frozen=True, slots=True)
class InThread:
    """Messages with this Message-ID, or with it in References or In-Reply-To."""

    name: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """The conversation of the message whose id begins with these hex digits, in lower case.

    `archive.operations.conversations` replaces it before a search.
    """

    prefix: str


Text = WordTerm | PhraseTerm | PrefixTerm
Condition = (
    DatedSince
    | DatedBefore
    | LargerThan
    | SmallerThan
    | HasAttachment
    | HasUnreadable
    | InFolder
    | UserTerm
    | GroupTerm
    | IdPrefix
    | RecordNumber
    | RecordNumbers
    | FileEnd
    | MessageId
    | InThread
    | Conversation
)
Node = And | Or | Not | Text | Condition

EVERYTHING = And()


def both(nodes: Iterable[Node]) -> Node:
    """Return the conjunction of `nodes`; nested conjunctions are flattened."""
    items = _flat(nodes, And)
    return items[0] if len(items) == 1 else And(items)


def either(nodes: Iterable[Node]) -> Node:
    """Return the disjunction of `nodes`, of which there must be one or more; nested ones are flattened."""
    items = _flat(nodes, Or)
    return items[0] if len(items) == 1 else Or(items)


def negate(node: Node) -> Node:
    """Return the negation of `node`."""
    return node.item if isinstance(node, Not) else Not(node)


def _flat(nodes: Iterable[Node], kind: type[And] | type[Or]) -> tuple[Node, ...]:
    items: list[Node] = []
    for node in nodes:
        items.extend(node.items if isinstance(node, kind) else (node,))
    return tuple(items)
