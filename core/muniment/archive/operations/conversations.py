"""The conversation of a message: what is linked to it by Message-ID, References and In-Reply-To.

Ids are followed in both directions: to the messages that a message names, and to those that name it, which
may name others in turn. A message without such links is put together with those that have the same subject
and a person in common, within some weeks. Everything is bounded by numbers, and only messages that the
searcher finds are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from muniment.archive.catalog import MessageRow
from muniment.archive.query import (
    And,
    Conversation,
    DatedBefore,
    DatedSince,
    InThread,
    Node,
    Not,
    Or,
    PhraseTerm,
    RecordNumber,
    either,
)  # fmt: skip
from muniment.archive.vault.vault import Vault
from muniment.errors import Erased, LedgerDamaged
from muniment.mail.model import MessageText
from muniment.mail.text.folding import fold
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import OpenMail

Find = Callable[[Node, int], Sequence[int]]
"""Returns the numbers of the messages that a query finds for the searcher, at most the given number."""
Look = Callable[[str], MessageRow | None]
"""Returns the searcher's message with an id; None if there is none."""
READ = 200
"""Most messages of a conversation whose headers are read."""
IDS = 200
"""Most Message-IDs that are followed."""
ROUNDS = 6
"""Most steps from one message to the next."""
WEEKS = 13 * 7 * 86_400
"""Seconds around a message in which the same subject may be the same conversation."""
HEADER = 256 * 1024
"""Bytes of a message that are read for its ids."""
_ANSWER = re.compile(
    r"(?:\s{0,9}(?:re|fw|fwd|aw|wg|sv|vs|antw|odp|ref|tr|rif|ynt|回复|转发|答复)"
    r"(?:\[[0-9]{1,3}\])?\s{0,3}[:：]){1,20}",
    re.IGNORECASE,
)
"""What programs put before the subject of an answer, in several languages."""
_ADDRESS = re.compile(r"[^\s<>,;:\"]{1,200}@[^\s<>,;:\"]{1,200}")
_SUBJECT = 200
"""Characters of a subject that are compared."""
_PEOPLE = 2_000
"""Characters of a header field with people that are compared."""


Known = dict[str, Node]
"""The conditions that find conversations, by the prefixes of their queries."""


def with_conversations(vault: Vault, node: Node, look: Look, find: Find, known: Known) -> Node:
    """Replace each `Conversation` in a query by conditions that find its messages.

    Args:
        vault: The vault.
        node: The parsed query.
        look: Finds the message with an id.
        find: Searches the searcher's messages.
        known: Conversations that were looked up before for this searcher; new ones are added.
    """

    def each(items: Iterable[Node]) -> tuple[Node, ...]:
        return tuple(with_conversations(vault, item, look, find, known) for item in items)

    match node:
        case And(items):
            return And(each(items))
        case Or(items):
            return Or(each(items))
        case Not(item):
            return Not(*each([item]))
        case Conversation(prefix):
            if prefix not in known:
                row = look(prefix)
                # What is no id of a message may be a Message-ID without an @.
                known[prefix] = InThread(prefix) if row is None else _conversation(vault, row, find)
            return known[prefix]
        case _:
            return node


def _conversation(vault: Vault, row: MessageRow, find: Find) -> Node:
    ids, found = _linked(vault, row, find)
    if len(found | {row.sequence}) > 1:
        return either([RecordNumber(row.sequence), *map(InThread, ids)])
    same = _same_subject(vault, row, find)
    return either(map(RecordNumber, [row.sequence, *same]))


def _linked(vault: Vault, row: MessageRow, find: Find) -> tuple[list[str], set[int]]:
    """The Message-IDs of a conversation, and the numbers of its messages."""
    ids: dict[str, None] = {}
    found: set[int] = set()
    read: set[int] = set()
    rows = [row]
    for _ in range(ROUNDS):
        read.update(one.sequence for one in rows)
        before = len(ids)
        for text in _texts(vault, rows):
            ids.update(dict.fromkeys(filter(None, (text.message_id, *text.references))))
        if len(ids) == before:
            break
        known = list(ids)[:IDS]
        found.update(find(either(map(InThread, known)), READ))
        rows = vault.catalog.rows(sorted(found - read)[: READ - len(read)])
        if not rows:
            break
    return list(ids)[:IDS], found


def _texts(vault: Vault, rows: Iterable[MessageRow]) -> Iterator[MessageText]:
    """What the headers of messages say. A message that can't be read says nothing."""
    for text in mail_reader().texts(mails_of(vault, rows, [])):
        if isinstance(text, MessageText):
            yield text


def mails_of(vault: Vault, rows: Iterable[MessageRow], begun: list[MessageRow]) -> Iterator[OpenMail]:
    """The messages to read for their headers, without those that are damaged; `begun` gets their rows."""
    for row in rows:
        try:
            mail = OpenMail(_begin(vault.reader.content(row.sha)), outline=True)
        except (LedgerDamaged, Erased):
            continue
        begun.append(row)
        yield mail


def _begin(content: Iterable[bytes]) -> bytes:
    data = b""
    for piece in content:
        data += piece[:HEADER]
        if len(data) >= HEADER:
            break
    return data[:HEADER]


def _same_subject(vault: Vault, row: MessageRow, find: Find) -> list[int]:
    """The messages with the subject of a message that share a person with it, near its date."""
    subject = base_subject(row.subject)
    if not fold(subject).strip():
        return []
    near = And(
        (
            PhraseTerm(subject, "subject"),
            DatedSince(max(row.date - WEEKS, 0)),
            DatedBefore(row.date + WEEKS),
        )
    )
    people = _people(row)
    same = vault.catalog.rows(list(islice(find(near, READ), READ)))
    return [
        one.sequence
        for one in same
        if one.sequence != row.sequence
        and fold(base_subject(one.subject)) == fold(subject)
        and people & _people(one)
    ]


def base_subject(subject: str) -> str:
    """A subject without `Re:`, `Fwd:` and the like at its beginning."""
    begin = _ANSWER.match(subject[:_SUBJECT])
    return subject[begin.end() if begin is not None else 0 : _SUBJECT].strip()


def _people(row: MessageRow) -> set[str]:
    return {one.lower() for field in (row.sender, row.to) for one in _ADDRESS.findall(field[:_PEOPLE])}
