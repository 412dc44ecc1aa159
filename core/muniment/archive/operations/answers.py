"""Which message of a conversation answers which other one, from References and In-Reply-To."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muniment.archive.catalog import MessageRow
from muniment.archive.operations.conversations import READ, mails_of
from muniment.archive.query import Conversation, InThread, Node
from muniment.archive.vault.vault import Vault
from muniment.mail.model import MessageText
from muniment.parsing.pool import mail_reader


def answers_of(vault: Vault, node: Node, rows: Sequence[MessageRow]) -> dict[int, int]:
    """The record number of the message that each message answers, by record number.

    It names only messages among `rows`, and so reveals no others. It is empty for a query that is more than a
    conversation, and for more rows than READ. No message answers itself, not even through others.
    """
    if not isinstance(node, Conversation | InThread) or len(rows) > READ:
        return {}
    return answered([(row.sequence, text) for row, text in _read(vault, rows)])


def _read(vault: Vault, rows: Sequence[MessageRow]) -> Iterator[tuple[MessageRow, MessageText]]:
    """The rows whose headers can be read, with what these say."""
    begun: list[MessageRow] = []
    for number, text in enumerate(mail_reader().texts(mails_of(vault, rows, begun))):
        if isinstance(text, MessageText):
            yield begun[number], text


def answered(texts: Sequence[tuple[int, MessageText]]) -> dict[int, int]:
    """The number of the message that each message answers, by number; `texts` are numbers with headers.

    A message answers the last one that it names and that is among `texts`, since References names the newest
    last. Of several messages with one Message-ID, the one with the lowest number counts.
    """
    named: dict[str, int] = {}
    for number, text in sorted(texts, key=lambda one: one[0]):
        if text.message_id:
            named.setdefault(text.message_id, number)
    above: dict[int, int] = {}
    for number, text in texts:
        for reference in reversed(text.references):
            parent = named.get(reference, number)
            if not _is_below(parent, number, above):
                above[number] = parent
                break
    return above


def _is_below(one: int, other: int, above: dict[int, int]) -> bool:
    """Whether a message is another one, or answers it, if only through further messages."""
    while one != other and one in above:
        one = above[one]
    return one == other
