"""Linking: a copy whose bytes a service wrote is stored once, with the message of which it is a copy.

Likeness (`mail.text.likeness`) says which messages show the same. Who brought them decides what follows,
since anybody may put a message into their own mailbox:

- A copy that a service wrote is linked to a message that a trusted journal report brought, or to one that a
  mailbox of the same owner brought. A message from another person's mailbox is never its original.
- A message replaces copies that a service wrote from it only if a trusted journal report brings it
  (`known_forks` decides about copies with the same content).
- A journal report vouches for a message if its envelope names the message's From as the sender. A person who
  writes another's name into From gets a genuine report, too, but it names the true sender.

In doubt both messages are kept and shown. Only messages with the same Message-ID are compared. So a mailbox
whose originals are not here costs one look-up for each message, and journaled mail costs one for many.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from muniment.archive.catalog import EnvelopeRow, NamedMessage
from muniment.archive.facts import RoutingReason
from muniment.archive.files.contents import mail_from
from muniment.archive.files.temp_files import own_work
from muniment.archive.vault.vault import Vault
from muniment.errors import Erased, LedgerDamaged, MailUnreadable
from muniment.mail.headers.addresses import mailboxes, normalise
from muniment.mail.model import SENT_ROLES, EnvelopeParty, Likeness
from muniment.mail.names import name_of
from muniment.mail.notes import NO_ENVELOPE, UNREAD
from muniment.parsing.pool import mail_reader
from muniment.parsing.reader import OpenMail
from muniment.runs.prepare.prepared_copy import PreparedCopy, PreparedMessage
from muniment.sources.base import FetchedItem

log = logging.getLogger("muniment.runs")

REMEMBERED = 1000
"""Likenesses of kept messages that are cached."""
COMPARED = 50
"""Kept messages that are read back for one message. Hostile mail may use one Message-ID for many messages."""
NOTHING = Likeness()


class CopyOrigin(NamedTuple):
    """Who brings a copy, as far as it decides to what the copy may be linked."""

    owner: str
    """The normalised address of the mailbox's owner; "" if it belongs to no person."""
    reported: bool
    """Whether it is a trusted journal report with its own envelope."""
    time: int
    """When it was journaled or received, in seconds since 1970 UTC."""
    parties: tuple[EnvelopeParty, ...]


def bringer(owner: str, route: RoutingReason, copy: PreparedCopy, time: int) -> CopyOrigin:
    """Who brings a copy. `time` is when it was journaled or received, in seconds since 1970 UTC."""
    trusted = bool(route & RoutingReason.JOURNAL) and copy.report and NO_ENVELOPE not in copy.notes
    return CopyOrigin(normalise(owner) if route & RoutingReason.OWNER else "", trusted, time, copy.parties)


class _New(NamedTuple):
    """A message of the current batch."""

    sha: bytes
    owner: str
    vouched: bool
    like: Likeness


class CopyLinks:
    """Finds the original of a copy that a service wrote, and the copies that it wrote of an original.

    It searches the vault and the current batch. It belongs to one thread.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._batch: dict[bytes, list[_New]] = {}
        """The messages of the current batch, by the look-up key of their Message-ID."""
        self._kept: dict[bytes, Likeness] = {}
        """The likeness of messages that were read back, by their hash."""
        self._regenerated = vault.catalog.regenerated
        self._unnamed: set[bytes] = set()
        """Look-up keys that no kept message has."""
        self._given: set[bytes] = set()
        """Copies that messages of the current batch replace."""

    def clear(self) -> None:
        """Forget the current batch, which is committed or void."""
        self._batch.clear()
        self._given.clear()

    def expect(self, messages: Iterable[PreparedMessage]) -> None:
        """Ask the catalog for the Message-IDs of several coming originals in one query."""
        if self._regenerated:
            names = {name_of(message.summary.message_id) for message in messages}
            self._unnamed = names - self._vault.catalog.known_names(names)

    def remakes_of(
        self, fetched: FetchedItem, message: PreparedMessage, by: CopyOrigin, stored: bytes
    ) -> tuple[bytes, ...]:
        """The kept messages that a service wrote from this one.

        `stored`, the hash under which this one is kept, replaces them.

        There are none unless a journal report vouches for this message. Known messages are examined too,
        since anybody may have put a copy of an original into their mailbox before its report came.
        """
        if not by.reported or not self._regenerated or not message.end:
            return ()
        name = name_of(message.summary.message_id)
        if not name or name in self._unnamed:
            return ()
        done = {*self._given, stored}
        kept = [one for one in self._vault.catalog.regenerated_by_name(name) if one.sha not in done]
        if not kept:
            return ()
        like = self.like(fetched, message)
        if not like.message or not self.vouches(by.parties, by.time, like):
            return ()
        near = [one.sha for one in kept if _may_be(one, like)][:COMPARED]
        found = tuple(sha for sha in near if self._kept_like(sha).message == like.message)
        self._given.update(found)
        return found

    def original_of(self, fetched: FetchedItem, message: PreparedMessage, by: CopyOrigin) -> bytes | None:
        """The hash of the message of which this one is a copy; None if it is the first of its kind."""
        name = name_of(message.summary.message_id)
        if not name or not message.end:
            return None
        like = self.like(fetched, message)
        if not like.message:
            return None
        batch = self._batch.setdefault(name, [])
        for new in batch:
            if _is_copy(like, new.like, vouched=new.vouched, own=bool(by.owner) and new.owner == by.owner):
                return new.sha
        found = self._kept_original(name, like, by)
        if found is None:
            vouched = by.reported and self.vouches(by.parties, by.time, like)
            batch.append(_New(message.sha, by.owner, vouched, like))
        return found

    def _kept_original(self, name: bytes, like: Likeness, by: CopyOrigin) -> bytes | None:
        catalog = self._vault.catalog
        compared = 0
        for one in catalog.messages_by_name(name):
            if not _may_be(one, like):
                continue
            vouched = self._vouched(one.sequence, like)
            own = bool(by.owner) and catalog.has_copy_of_owner(one.sequence, by.owner)
            if not vouched and not own:
                continue
            if _is_copy(like, self._kept_like(one.sha), vouched=vouched, own=own):
                return one.sha
            compared += 1
            if compared >= COMPARED:
                break
        return None

    def _vouched(self, sequence: int, like: Likeness) -> bool:
        """Whether one of the trusted journal reports of a kept message vouches for it."""
        reports = self._vault.catalog.trusted_reports(sequence)
        return any(
            NO_ENVELOPE not in one.flags and self.vouches(one.parties, one.time, like) for one in reports
        )

    def vouches(self, parties: Iterable[EnvelopeParty], time: int, like: Likeness) -> bool:
        """Whether an envelope names everybody in From as a sender, by any of their addresses.

        Args:
            parties: Sender and recipients by the envelope.
            time: When the message was journaled, in seconds since 1970 UTC.
            like: The message.
        """
        named = {self._person(party.address, time) for party in parties if party.role in SENT_ROLES}
        return bool(like.senders) and all(self._person(one, time) in named for one in like.senders)

    def _person(self, address: str, time: int) -> str:
        return self._vault.directory.resolve(address, time) or address

    def read_before(self, fetched: FetchedItem, copy: PreparedCopy) -> tuple[bytes, ...] | None:
        """The messages that an earlier read of this item brought, if the item says the same now.

        Everything is read back from the ledger. The copy then takes the hash and size of the bytes that are
        kept.

        Returns:
            None if the item was not read before, or says something else.
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
        kept, now = self._kept_says(known.sha, envelope), self._says(fetched, copy)
        if b"" in kept or kept != now:
            return None
        copy.sha, copy.size = known.sha, known.size
        return envelope.messages

    def _kept_says(self, sha: bytes, envelope: EnvelopeRow) -> list[bytes]:
        """What an earlier read of an item said: likenesses of a report's messages, or that of other mail."""
        if not envelope.report:
            return [self._kept_like(sha).item]
        likes = [self._kept_like(message) for message in envelope.messages]
        return sorted(like.message or like.item for like in likes)

    def _says(self, fetched: FetchedItem, copy: PreparedCopy) -> list[bytes]:
        """The same for a fetched copy."""
        likes = [self.like(fetched, message) for message in copy.messages]
        if not copy.report:
            return [like.item for like in likes]
        return sorted({like.message or like.item for like in likes})

    @staticmethod
    def like(fetched: FetchedItem, message: PreparedMessage) -> Likeness:
        """The likeness of a fetched message; an empty one if it can't be read.

        Then it is linked to no other.
        """
        if UNREAD in message.text.notes:
            return NOTHING
        content = fetched.content if isinstance(fetched.content, bytes) else fetched.content.open("rb")
        try:
            return mail_reader().likeness(OpenMail(content, message.sha, message.start, message.end))
        except MailUnreadable as error:
            log.warning("a message could not be compared with others: %s", error)
            return NOTHING

    def _kept_like(self, sha: bytes) -> Likeness:
        """The likeness of a kept message; an empty one if it can't be read back."""
        known = self._kept.get(sha)
        if known is None:
            if len(self._kept) >= REMEMBERED:
                self._kept.clear()
            known = self._kept[sha] = self._read_like(sha)
        return known

    def _read_like(self, sha: bytes) -> Likeness:
        reader = self._vault.reader
        try:
            work = own_work(self._vault.folder)
            return mail_reader().likeness(mail_from(reader.content(sha), reader.size(sha), work, sha))
        except (LedgerDamaged, Erased, MailUnreadable):
            return NOTHING


def _may_be(one: NamedMessage, like: Likeness) -> bool:
    """Whether a kept message may have the same senders, by its row in the catalog."""
    sender = one.sender.lower()
    if not like.senders or any(address in sender for address in like.senders):
        return True
    return not set(like.senders).isdisjoint(mailboxes((one.sender,)))


def _is_copy(like: Likeness, kept: Likeness, *, vouched: bool, own: bool) -> bool:
    """Whether a kept message is the original: that of a report, or another read of the same owner's item."""
    if vouched and like.message == kept.message:
        return True
    return own and like.item == kept.item
