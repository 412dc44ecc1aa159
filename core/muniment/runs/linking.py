"""Linking: bytes that a service made anew are a copy of the message that they are like, if that is kept.

The message that is kept stays as it is, be it the journaled original or what was read first. Where that was
made anew itself and its original comes after all, it gives way. Only what shares a Message-ID is compared, so
that a mailbox without originals here costs a look-up a message; and original mail costs one for many, in a
vault that has copies made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.archive.contents import opened
from muniment.archive.vault import Vault
from muniment.archive.work import own_work
from muniment.errors import LedgerDamaged
from muniment.mail.buffer import FileBuffer, sub
from muniment.mail.likeness import likeness, name_of
from muniment.mail.model import Buffer
from muniment.runs.copy import PreparedCopy, PreparedMessage
from muniment.sources.base import Fetched

REMEMBERED = 1000
"""How many likenesses of kept messages are remembered."""


class Links:
    """Finds what a vault, or the batch in hand, has of messages that were written anew."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._batch: dict[bytes, list[tuple[bytes, bytes]]] = {}
        """Of the batch in hand: hash and likeness of its messages, by their names."""
        self._kept: dict[tuple[bytes, bool], bytes] = {}
        """The likeness of messages that were read back, by their hashes and whether unnamed ones have one."""
        self._regenerated = vault.catalog.regenerated
        self._unnamed: set[bytes] = set()
        """Names that no kept message has."""
        self._given: set[bytes] = set()
        """What gives way to messages of the batch in hand."""

    def clear(self) -> None:
        """The batch in hand is kept, or void."""
        self._batch.clear()
        self._given.clear()

    def expect(self, messages: Iterable[PreparedMessage]) -> None:
        """Ask the catalog at once which names of coming originals it knows."""
        if self._regenerated:
            names = {name_of(message.summary.message_id) for message in messages}
            self._unnamed = names - self._vault.catalog.names_known(names)

    def remakes_of(self, fetched: Fetched, message: PreparedMessage) -> tuple[bytes, ...]:
        """The messages that a service wrote anew from this one, where no original of theirs is kept.

        For a message that is new, and no such copy itself: they give way to it.
        """
        if not self._regenerated or not message.end:
            return ()
        name = name_of(message.summary.message_id)
        if not name or name in self._unnamed:
            return ()
        kept = [sha for sha in self._vault.catalog.regenerated_named(name) if sha not in self._given]
        if not kept or not (like := self._like(fetched, message)):
            return ()
        found = tuple(sha for sha in kept if self._kept_like(sha) == like)
        self._given.update(found)
        return found

    def original_of(self, fetched: Fetched, message: PreparedMessage) -> bytes | None:
        """The hash of the message that this one is a copy of; None if it is the first of its kind."""
        name = name_of(message.summary.message_id)
        if not name or not message.end:
            return None
        like = self._like(fetched, message)
        if not like:
            return None
        batch = self._batch.setdefault(name, [])
        for sha, known in batch:
            if known == like:
                return sha
        for sha in self._vault.catalog.messages_named(name):
            if self._kept_like(sha) == like:
                return sha
        batch.append((message.sha, like))
        return None

    def read_before(self, fetched: Fetched, copy: PreparedCopy) -> tuple[bytes, ...] | None:
        """The messages that an earlier read of this very item brought, if it says the same now.

        All of it is read back from the ledger. The copy then stands for the bytes that are kept. None if
        the item was not read before, or says something else.
        """
        place, key = fetched.item.place, fetched.item.key
        catalog = self._vault.catalog
        known = catalog.known_keys(place.host, place.mailbox, place.folder, [key]).get(key)
        if known is None or not all(message.end for message in copy.messages):
            return None
        envelope = catalog.envelope_by_sha(known.sha, copy.report)
        if (
            envelope is None
            or set(envelope.parties) != set(copy.parties)
            or not self._vault.reads_back(known.sha)
        ):
            return None
        kept = sorted(self._kept_like(sha, unnamed=True) for sha in envelope.messages)
        if kept != sorted({self._like(fetched, message, unnamed=True) for message in copy.messages}):
            return None
        copy.sha, copy.size = known.sha, known.size
        return envelope.messages

    @staticmethod
    def _like(fetched: Fetched, message: PreparedMessage, *, unnamed: bool = False) -> bytes:
        with _buffer(fetched) as buffer:
            return likeness(sub(buffer, message.start, message.end), unnamed=unnamed)

    def _kept_like(self, sha: bytes, *, unnamed: bool = False) -> bytes:
        """The likeness of a message that is kept; of one that can't be read back none."""
        known = self._kept.get((sha, unnamed))
        if known is None:
            if len(self._kept) >= REMEMBERED:
                self._kept.clear()
            known = self._kept[sha, unnamed] = self._read_like(sha, unnamed)
        return known

    def _read_like(self, sha: bytes, unnamed: bool) -> bytes:
        row = self._vault.catalog.message_by_sha(sha)
        if row is None:
            return b""
        try:
            with opened(self._vault.reader.content(sha), row.size, own_work(self._vault.folder)) as buffer:
                return likeness(buffer, unnamed=unnamed)
        except LedgerDamaged:
            return b""


@contextmanager
def _buffer(fetched: Fetched) -> Iterator[Buffer]:
    if isinstance(fetched.content, Path):
        with FileBuffer(fetched.content) as buffer:
            yield buffer
    else:
        yield fetched.content
