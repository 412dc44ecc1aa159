"""Forks: which kept message a message with the same content is, and which ones it replaces.

Forks of one message show the same (docs/design.md, invariant 3). They differ in the fields that transport
adds, from which a message may also get its date. Anybody can write such fields into a message and put it into
their own mailbox, so it matters who brought the message that is kept:

- A journal report vouches for a message if its envelope names the message's From as the sender (see
  `link_copies`). A message that a report vouches for replaces forks for which none does.
- Any other fork belongs to a message that a report vouches for, that the same owner's mailbox brought, or
  whose date is its own date. Otherwise both are kept.

The exact bytes of each copy are kept in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from muniment.archive.vault.vault import Vault
from muniment.mail.model import EnvelopeParty, Likeness, senders_of
from muniment.mail.notes import NO_ENVELOPE
from muniment.runs.pipeline.link_copies import CopyLinks, CopyOrigin
from muniment.runs.prepare.prepared_copy import PreparedMessage
from muniment.sources.base import FetchedItem

COMPARED = 50
"""Forks of one message that are examined. Only hostile mail has more that are kept separately."""
ORIGINS = 20
"""Copies of one message in a batch that are remembered."""


class ForkChoice(NamedTuple):
    """What a message is."""

    base: bytes | None = None
    """The hash of the kept message that it is; None if it is kept itself."""
    replaced: tuple[bytes, ...] = ()
    """Kept messages that it replaces."""


class _Fresh:
    """A message of the current batch: its date, if it is new, and who brought its copies."""

    def __init__(self, date: int | None) -> None:
        self.date = date
        self.origins: list[CopyOrigin] = []


class _Fork(NamedTuple):
    """A kept message with the same content."""

    sha: bytes
    sequence: int
    """Number of the message in the catalog; -1 if it is of the current batch."""
    date: int
    origins: list[CopyOrigin]
    """Who brought its copies in the current batch."""


class KnownForks:
    """Decides about forks. It searches the vault and the current batch. It belongs to one thread."""

    def __init__(self, vault: Vault, links: CopyLinks, surely_new: Callable[[bytes], bool]) -> None:
        """Decide for a vault.

        Args:
            vault: Holds the messages that are kept already.
            links: Decides whether a report vouches for a message.
            surely_new: Whether the catalog certainly has no message with a content hash.
        """
        self._vault = vault
        self._links = links
        self._surely_new = surely_new
        self._fresh: dict[bytes, _Fresh] = {}
        self._contents: dict[bytes, list[bytes]] = {}
        self._replaced: set[bytes] = set()

    @property
    def contents(self) -> list[bytes]:
        """The content hashes of the new messages in the current batch."""
        return [*self._contents]

    def clear(self) -> None:
        """Forget the current batch, which is committed or void."""
        self._fresh.clear()
        self._contents.clear()
        self._replaced.clear()

    def keep(self, sha: bytes, content: bytes, date: int) -> None:
        """Note a new message of the batch.

        Args:
            sha: SHA-256 of its bytes.
            content: Its content hash; empty if it has none.
            date: Its date, in seconds since 1970 UTC.
        """
        self._fresh[sha] = _Fresh(date)
        if content:
            self._contents.setdefault(content, []).append(sha)

    def note(self, sha: bytes, by: CopyOrigin, replaced: tuple[bytes, ...]) -> None:
        """Note a copy of the batch: its message, who brought it, and the messages that this one replaces."""
        fresh = self._fresh.setdefault(sha, _Fresh(None))
        if len(fresh.origins) < ORIGINS:
            fresh.origins.append(by)
        self._replaced.update(replaced)

    def choose(
        self, fetched: FetchedItem, message: PreparedMessage, by: CopyOrigin, date: int, known: bool
    ) -> ForkChoice:
        """Decide what a message is.

        Args:
            fetched: The copy that brings it.
            message: The message.
            by: Who brings it.
            date: The date that it would have by itself, in seconds since 1970 UTC.
            known: Whether its exact bytes are kept as a message.
        """
        own = message.sha if known else None
        forks = list(self._forks(message.content, own))
        if not forks:
            return ForkChoice(own)
        if by.reported:
            return self._reported(fetched, message, by, date, own, forks)
        return ForkChoice(own or self._other(fetched, message, by, date, forks))

    def _reported(
        self,
        fetched: FetchedItem,
        message: PreparedMessage,
        by: CopyOrigin,
        date: int,
        own: bytes | None,
        forks: list[_Fork],
    ) -> ForkChoice:
        """Decide about a message of a trusted journal report."""
        senders = set(senders_of(by.parties))
        same = next((fork.sha for fork in forks if own is None and self._reported_alike(fork, senders)), None)
        if same is not None:
            return ForkChoice(same)
        like = self._links.like(fetched, message)
        if not self._links.vouches(by.parties, by.time, like):
            return ForkChoice(own or self._other(fetched, message, by, date, forks))
        vouched = {fork.sha for fork in forks if self._vouched(fork, like)}
        if own is None and vouched:
            return ForkChoice(next(fork.sha for fork in forks if fork.sha in vouched))
        return ForkChoice(own, tuple(fork.sha for fork in forks if fork.sha not in vouched))

    def _other(
        self, fetched: FetchedItem, message: PreparedMessage, by: CopyOrigin, date: int, forks: list[_Fork]
    ) -> bytes | None:
        """The fork that a message is for which no report vouches; None if it is kept itself."""
        for fork in forks:
            if fork.date == date or (by.owner and self._of_owner(fork, by.owner)):
                return fork.sha
        like = self._links.like(fetched, message)
        return next((fork.sha for fork in forks if self._vouched(fork, like)), None)

    def _forks(self, content: bytes, own: bytes | None) -> Iterator[_Fork]:
        """The other messages with this content that are not replaced, at most COMPARED of a kind."""
        if not content:
            return
        found = self._contents.get(content, [])[:COMPARED]
        for sha in found:
            fresh = self._fresh[sha]
            if sha != own and sha not in self._replaced and fresh.date is not None:
                yield _Fork(sha, -1, fresh.date, fresh.origins)
        if self._surely_new(content):
            return
        for sha in self._vault.catalog.messages_by_content(content)[:COMPARED]:
            if sha == own or sha in self._replaced or not self._vault.reads_back(sha):
                continue
            row = self._vault.catalog.message_by_sha(sha)
            if row is not None:
                fresh_or_none = self._fresh.get(sha)
                origins = fresh_or_none.origins if fresh_or_none else []
                yield _Fork(sha, row.sequence, row.date, origins)

    def _reports(self, fork: _Fork) -> Iterator[tuple[tuple[EnvelopeParty, ...], int]]:
        """Parties and time of each trusted journal report of a kept message that has an envelope."""
        yield from ((one.parties, one.time) for one in fork.origins if one.reported)
        if fork.sequence >= 0:
            for one in self._vault.catalog.trusted_reports(fork.sequence):
                if NO_ENVELOPE not in one.flags:
                    yield one.parties, one.time

    def _reported_alike(self, fork: _Fork, senders: set[str]) -> bool:
        """Whether a report of a kept message names all of these senders, and so vouches as much as theirs."""
        return bool(senders) and any(
            senders.issubset(senders_of(parties)) for parties, _ in self._reports(fork)
        )

    def _vouched(self, fork: _Fork, like: Likeness) -> bool:
        return any(self._links.vouches(parties, time, like) for parties, time in self._reports(fork))

    def _of_owner(self, fork: _Fork, owner: str) -> bool:
        if any(one.owner == owner for one in fork.origins):
            return True
        return fork.sequence >= 0 and self._vault.catalog.has_copy_of_owner(fork.sequence, owner)
