"""What the index knows of the text in attachments: where a search found it, and what could not be read."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.archive.catalog import MessageRow
from muniment.archive.index import AttachmentState
from muniment.archive.operations.index_binding import is_bound
from muniment.archive.query import parse
from muniment.archive.query.highlight import highlight_terms
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import VaultError
from muniment.system.sanitise import clean

MOST_TERMS = 20
"""Words and phrases of a query whose files are looked up."""
MOST_MESSAGES = 200
"""Messages of the longest page for which the files are looked up."""
MOST_NAMES = 10
"""Files of one message that are named."""
_FIELDS = ("", "attachment", "filename")


def files_found(vault: Vault, query: str, messages: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Return the names of attachments that have words of a query, by the numbers of the messages."""
    terms = [term for term in highlight_terms(parse(query)) if term.field in _FIELDS][:MOST_TERMS]
    if not terms or not messages or len(messages) > MOST_MESSAGES:
        return {}
    index = vault.index()
    known = index.attachments(messages)
    places: dict[int, set[int]] = {}
    for term in terms:
        for message, found in index.files_with(term, messages).items():
            places.setdefault(message, set()).update(found)
    return {
        message: tuple(clean(known[message][place].name) for place in sorted(found)[:MOST_NAMES])
        for message, found in places.items()
        if message in known
    }


def unread_of(vault: Vault, row: MessageRow) -> dict[int, str]:
    """Return what could not be read in the attachments of a message, by their numbers."""
    try:
        index = vault.index()
        if not is_bound(vault, index.watermark, index.binding):
            return {}
        states = index.attachments([row.sequence]).get(row.sequence, ())
    except VaultError:  # a message can be read without its index
        return {}
    notes: dict[int, list[str]] = {}
    for state in states:
        if state.why:
            notes.setdefault(state.number, []).append(_note(state))
    return {number: "; ".join(found[:MOST_NAMES]) for number, found in notes.items()}


def _note(state: AttachmentState) -> str:
    _, inside, name = state.name.partition("/")
    return f"{clean(name)}: {state.why}" if inside else state.why


def waiting_and_unread(vault: Vault, settings: Settings) -> tuple[int, int]:
    """Return how many messages have attachments that wait to be read, and that could not be read.

    None waits if nothing is to be read.
    """
    try:
        index = vault.index()
        waiting = index.with_contents("waiting")[0] if settings.contents.kinds else 0
        return waiting, index.with_contents("unread")[0]
    except VaultError:
        return 0, 0
