"""The middle stage: it decides what a copy is, appends it, and commits batches.

Content decides (docs/design.md, invariant 3). A copy with a known envelope is an exact repeat. A message with
a known hash is the same message, and one with a known content hash is a fork (`known_forks`). Anything new is
appended to the ledger. Nothing counts until the batch's commit frame is on disk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from muniment.archive.catalog.derive import copy_time, envelope_fact, mentions, message_fact
from muniment.archive.facts import DAMAGED, PartFact, QuarantineFact, RoutingReason, public_size
from muniment.archive.index import IndexDocument
from muniment.archive.ledger.model import AppendedRecord, LedgerRecord, RecordKind
from muniment.archive.ledger.records import (
    DISPLACEMENT_RULE,
    Receipt,
    ReceiptGroup,
    json_record,
    receipt_facts,
    receipt_value,
)
from muniment.archive.vault.vault import Vault
from muniment.errors import NotFound
from muniment.mail.headers.dates import message_date
from muniment.mail.notes import PLACEHOLDER
from muniment.people.routing import RoutedEnvelope, names_user
from muniment.runs.pipeline.archive_batch import CommittedBatch, CopyOutcome, CurrentBatch
from muniment.runs.pipeline.envelope_encoder import EnvelopeEncoder
from muniment.runs.pipeline.erased_before import ErasedBefore, ErasedShare
from muniment.runs.pipeline.known_forks import KnownForks
from muniment.runs.pipeline.link_copies import CopyLinks, CopyOrigin, bringer
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.pipeline.smtp_envelope import envelope_value, people_of, weight
from muniment.runs.prepare.prepared_copy import PreparedCopy, PreparedMessage
from muniment.sources.base import FetchedItem, MailItem, MailPlace

log = logging.getLogger("muniment.run")

BATCH_ITEMS = 512
BATCH_BYTES = 8 * 1024 * 1024
BATCH_SECONDS = 0.5
REMEMBERED = 10_000
"""Parts that are known to be kept and are cached."""


class _Stored(NamedTuple):
    """The hash under which a message is kept."""

    sha: bytes
    new: bool = False
    linked: bool = False
    """Whether it is the original of a message that a service wrote."""
    replaced: tuple[bytes, ...] = ()
    """Messages that it replaces: a service wrote them from it, or no report vouches for these forks of it."""


class _Archived(NamedTuple):
    """The result for a copy: its outcome, its messages, and the messages that these replace."""

    outcome: CopyOutcome
    messages: tuple[bytes, ...]
    instead: dict[bytes, bytes]


class Archivist:
    """Archives prepared copies into a vault, batch by batch. It belongs to one thread."""

    def __init__(
        self,
        vault: Vault,
        plan: RunPlan,
        *,
        batch_bytes: int = BATCH_BYTES,
        rule: int = DISPLACEMENT_RULE,
    ) -> None:
        """Begin with an empty batch.

        Args:
            vault: the vault, open as its writer.
            plan: what the run does.
            batch_bytes: bytes after which a batch is committed.
            rule: the rule of displacement that receipts name.
        """
        self._vault = vault
        self._batch_bytes = batch_bytes
        self._rule = rule
        self._plan = plan
        self._reads_back = plan.delete or bool(vault.damage)
        """Whether a known copy counts as kept only after it was read back from the ledger."""
        self._batch = CurrentBatch()
        self._expected: set[bytes] = set()
        self._maybe_known: set[bytes] = set()
        self._parts_kept: set[bytes] = set()
        self._links = CopyLinks(vault)
        self._forks = KnownForks(vault, self._links, self._surely_new)
        self._encoder = EnvelopeEncoder(vault, self._part, self._batch_original)
        self._erased = ErasedBefore(vault.catalog)

    @property
    def due(self) -> bool:
        """Whether the batch should be committed now."""
        batch = self._batch
        return bool(batch.outcomes) and (
            len(batch.outcomes) >= BATCH_ITEMS
            or batch.bytes >= self._batch_bytes
            or time.monotonic() - batch.started >= BATCH_SECONDS
        )

    def expect(self, copies: Iterable[PreparedCopy]) -> None:
        """Ask the catalog in one query which hashes of the coming copies it may know.

        Other hashes stay unknown, unless this archivist adds them.
        """
        coming = list(copies)
        messages = [message for copy in coming for message in copy.messages]
        hashes = (
            [copy.sha for copy in coming],
            [message.sha for message in messages],
            [message.content for message in messages],
            [part.sha for message in messages for part in message.parts],
        )
        self._maybe_known = self._vault.catalog.possibly_known(*hashes)
        self._erased.expect(coming)
        self._expected = set[bytes]().union(*hashes)
        if self._plan.journal:
            self._links.expect(messages)

    def _is_kept(self, sha: bytes) -> bool:
        if self._surely_new(sha):
            return False
        row = self._vault.catalog.message_by_sha(sha)
        if row is None or DAMAGED in row.notes:
            return False
        return not self._reads_back or self._vault.reads_back(sha)

    def _surely_new(self, sha: bytes) -> bool:
        return sha in self._expected and sha not in self._maybe_known

    def take(self, fetched: FetchedItem, copy: PreparedCopy) -> None:
        """Archive one copy into the batch.

        Args:
            fetched: the item and its bytes.
            copy: what the workers made of it.

        Raises:
            OSError: the ledger can't be written. The batch is void: the caller calls `drop` and rolls the
                ledger back.
        """
        if not self._batch.outcomes:
            self._batch.now, self._batch.started = time.time_ns() // 1000, time.monotonic()
        people = people_of(fetched.item, copy)
        route, notes = self._plan.route(copy, bool(people))
        erased = self._erased.share(copy)
        if erased is ErasedShare.SOME or (not erased and self._leaves(copy, route, fetched.item)):
            self._batch.outcomes.append((fetched.item, CopyOutcome.LEFT))
            return
        if erased:
            archived = _Archived(CopyOutcome.ERASED, self._erased.messages_of(copy), {})
            notes = (*notes, *self._erased.notes_of(copy))
        elif copy.problem:
            archived = _Archived(self._quarantine(copy), (), {})
        else:
            archived = self._archive(fetched, copy, route)
        if PLACEHOLDER in copy.notes:
            log.warning("%s: report %s: %s", self._plan.profile, copy.sha.hex()[:12], PLACEHOLDER)
        self._add_receipt(fetched.item, copy, archived, route, notes)
        self._batch.outcomes.append((fetched.item, archived.outcome))
        self._batch.bytes += copy.size + weight(fetched.item, copy)

    def commit(self) -> CommittedBatch | None:
        """Make the batch durable, in the ledger and then in the catalog.

        Returns:
            What was committed; None if the batch was empty.

        Raises:
            OSError: it could not be written. The batch is void.
        """
        batch, self._batch = self._batch, CurrentBatch()
        contents = self._forks.contents
        self._links.clear()
        self._forks.clear()
        if not batch.outcomes:
            return None
        for group in batch.receipts:
            record = json_record(self._vault.encoder, RecordKind.RECEIPT, receipt_value(group))
            appended = self._vault.append(record, batch.now)
            batch.facts.extend(receipt_facts(group, appended.sequence, batch.now // 1_000_000))
        head = self._vault.commit(batch.facts)
        self._maybe_known |= {
            *(sha for sha, _ in batch.copies),
            *batch.originals,
            *contents,
            *batch.parts,
        }
        originals = set(batch.instead.values())  # indexed together with the copies that they replace
        others = batch.documents.keys() - originals - batch.instead.keys()
        documents = [document for sha, document in batch.documents.items() if sha in others]
        return CommittedBatch(head, batch.outcomes, documents, [*(batch.touched | originals)])

    def drop(self) -> None:
        """Forget the batch. The caller rolls the ledger back."""
        self._links.clear()
        self._forks.clear()
        self._batch = CurrentBatch()

    # --- one copy -------------------------------------------------------------------------

    def _leaves(self, copy: PreparedCopy, route: RoutingReason, item: MailItem) -> bool:
        if (
            self._plan.unknown != "leave"
            or copy.problem
            or not route & (RoutingReason.JOURNAL | RoutingReason.HEADERS)
        ):
            return False
        time = copy_time(copy.report, copy.date, item.date, self._now)
        parties = (*copy.parties, *people_of(item, copy))
        return not names_user(RoutedEnvelope(route, time, parties), self._vault.directory)

    @property
    def _now(self) -> int:
        return self._batch.now // 1_000_000

    def _quarantine(self, copy: PreparedCopy) -> CopyOutcome:
        if copy.sha not in self._batch.quarantined and not self._is_quarantined(copy.sha):
            self._encoder.keep_spill(copy)
            appended = self._append(copy.envelope)
            self._batch.quarantined.add(copy.sha)
            self._batch.facts.append(
                QuarantineFact(
                    appended.sequence, appended.position, copy.sha, copy.size, copy.problem, self._now
                )
            )
        return CopyOutcome.QUARANTINED

    def _is_quarantined(self, sha: bytes) -> bool:
        try:
            row = self._vault.catalog.quarantine_by_prefix(sha.hex())
        except NotFound:
            return False
        return not self._reads_back or self._vault.reads_back_at(row.position)

    def _archive(self, fetched: FetchedItem, copy: PreparedCopy, route: RoutingReason) -> _Archived:
        repeat = self._repeated(copy)
        if repeat is None and self._plan.regenerated and self._plan.delete:
            repeat = self._links.read_before(fetched, copy)
        if repeat is not None:
            self._batch.touched.update(repeat)
            return _Archived(CopyOutcome.MERGED, repeat, {})
        self._encoder.keep_spill(copy)
        by = self._bringer(fetched.item, copy, route)
        stored = [self._message(fetched, message, copy, by) for message in copy.messages]
        shas = tuple(dict.fromkeys(one.sha for one in stored))
        appended = self._append(self._envelope(fetched, copy, stored, shas))
        self._batch.copies[copy.sha, copy.report] = shas
        self._batch.facts.append(envelope_fact(appended, copy, shas, fetched.item.date, self._now))
        self._touch(copy, shas, route, fetched.item)
        instead = {former: one.sha for one in stored for former in one.replaced}
        self._batch.instead |= instead
        return _Archived(
            CopyOutcome.NEW if any(one.new for one in stored) else CopyOutcome.MERGED, shas, instead
        )

    def _envelope(
        self, fetched: FetchedItem, copy: PreparedCopy, stored: list[_Stored], shas: tuple[bytes, ...]
    ) -> LedgerRecord:
        """The record of a copy. Its messages may be kept in the form of others."""
        if any(one.linked for one in stored):
            return self._encoder.linked(fetched, copy)
        forked = any(one.sha != message.sha for one, message in zip(stored, copy.messages, strict=True))
        return self._encoder.forked(fetched, copy, shas) if forked else copy.envelope

    def _repeated(self, copy: PreparedCopy) -> tuple[bytes, ...] | None:
        """The messages of a copy whose exact bytes were kept and read in the same way; None if there is none.

        Bytes that an ordinary mailbox brought as mail are no repeat for a journal mailbox, which unwraps
        them.
        """
        in_batch = self._batch.copies.get((copy.sha, copy.report))
        if in_batch is not None:
            return in_batch
        if self._surely_new(copy.sha):
            return None
        envelope = self._vault.catalog.envelope_by_sha(copy.sha, copy.report)
        if envelope is None or (self._reads_back and not self._vault.reads_back(copy.sha)):
            return None
        return envelope.messages

    def _bringer(self, item: MailItem, copy: PreparedCopy, route: RoutingReason) -> CopyOrigin:
        time = copy_time(copy.report, copy.date, item.date, self._now)
        return bringer(self._plan.owner_of(item.place), route, copy, time)

    def _message(
        self, fetched: FetchedItem, message: PreparedMessage, copy: PreparedCopy, by: CopyOrigin
    ) -> _Stored:
        """Keep a message, unless it is kept already as itself, as a fork, or as its original."""
        if message.key and by.reported:
            # The envelope identifies the mail that a placeholder represents, the bytes do not.
            message.content = message.key
        choice = self._forks.choose(
            fetched, message, by, self._date(fetched.item, message, copy), self._is_known(message.sha)
        )
        stored = choice.base
        if stored is None and self._plan.regenerated:
            stored = self._links.original_of(fetched, message, by)
            if stored is not None:
                return _Stored(stored, linked=True)
        new = stored is None
        if stored is None:
            stored = message.sha
            self._keep(fetched, message, copy)
        remakes = self._links.remakes_of(fetched, message, by, stored)
        replaced = tuple(dict.fromkeys((*choice.replaced, *remakes)))
        self._forks.note(stored, by, replaced)
        return _Stored(stored, new=new, replaced=replaced)

    def _date(self, item: MailItem, message: PreparedMessage, copy: PreparedCopy) -> int:
        """The date that a message has if it is kept itself, in seconds since 1970 UTC."""
        summary = message.summary
        return message_date(summary.date, summary.hops, copy.date, item.date, self._now)

    def _is_known(self, sha: bytes) -> bool:
        return sha in self._batch.originals or self._is_kept(sha)

    def _keep(self, fetched: FetchedItem, message: PreparedMessage, copy: PreparedCopy) -> None:
        """Append a new message."""
        for part in message.parts:
            self._part(part)
        appended = self._append(message.record)
        fact = message_fact(appended, message, copy.date, fetched.item.date, self._now, copy.notes)
        self._batch.facts.append(fact)
        self._batch.documents[message.sha] = IndexDocument(
            id=appended.sequence,
            date=fact.date,
            size=message.size,
            attachments=message.summary.attachments,
            sha=message.sha,
            text=message.text,
            public_size=public_size(fact.size, fact.hidden),
        )
        self._batch.originals[message.sha] = self._original(fetched, message)
        self._forks.keep(message.sha, message.content, fact.date)

    @staticmethod
    def _original(fetched: FetchedItem, message: PreparedMessage) -> tuple[bytes, int, int]:
        """Where a message's bytes are. A fork of it may need them before they can be read back."""
        if isinstance(fetched.content, Path) or not message.end:
            return b"", 0, 0
        return fetched.content, message.start, message.end

    def _batch_original(self, sha: bytes) -> bytes:
        content, start, end = self._batch.originals.get(sha, (b"", 0, 0))
        return content[start:end]

    # --- records --------------------------------------------------------------------------

    def _append(self, record: LedgerRecord) -> AppendedRecord:
        return self._vault.append(record, self._batch.now)

    def _part(self, record: LedgerRecord) -> None:
        if record.sha in self._batch.parts:
            return
        if not self._surely_new(record.sha) and self._part_kept(record.sha):
            return
        appended = self._append(record)
        self._batch.parts.add(record.sha)
        self._batch.facts.append(PartFact(appended.sequence, appended.position, record.sha))

    def _part_kept(self, sha: bytes) -> bool:
        """Whether the vault keeps a part. Cached, since many messages may have the same attachment."""
        if sha in self._parts_kept:
            return True
        kept = self._vault.part_kept(sha, self._reads_back)
        if kept:
            if len(self._parts_kept) >= REMEMBERED:
                self._parts_kept.clear()
            self._parts_kept.add(sha)
        return kept

    # --- receipts and the index -----------------------------------------------------------

    def _add_receipt(
        self,
        item: MailItem,
        copy: PreparedCopy,
        archived: _Archived,
        route: RoutingReason,
        notes: tuple[str, ...],
    ) -> None:
        group = self._group(item.place, copy)
        erased = archived.outcome is CopyOutcome.ERASED
        self._batch.received.add(copy.sha)
        group.receipts.append(
            Receipt(
                key=item.key,
                size=copy.size,
                sha=copy.sha,
                messages=archived.messages,
                route=route,
                report=copy.report,
                date=item.date,
                flags=item.flags,
                notes=(*notes, *copy.notes),
                reason=copy.problem,
                delivered={} if erased else dict(item.delivered),
                envelope={} if erased else envelope_value(item.envelope, copy.named),
                instead=archived.instead,
                rule=self._rule,
            )
        )

    def _group(self, place: MailPlace, copy: PreparedCopy) -> ReceiptGroup:
        """The group for the receipt of a copy.

        The first receipt of a copy must come first in the ledger, since it says when the copy came.
        """
        batch = self._batch
        group = batch.groups.get((place, place.title))
        if group is not None and (group is batch.receipts[-1] or copy.sha not in batch.received):
            return group
        owner = self._plan.owner_of(place)
        group = batch.groups[place, place.title] = ReceiptGroup(
            profile=self._plan.profile,
            host=place.host,
            mailbox=place.mailbox,
            folder=place.folder,
            owner=owner,
            owner_folder=self._plan.folder_of(place) if owner else "",
        )
        batch.receipts.append(group)
        return group

    def _touch(
        self, copy: PreparedCopy, shas: tuple[bytes, ...], route: RoutingReason, item: MailItem
    ) -> None:
        found = mentions(
            (*copy.parties, *people_of(item, copy)), route, copy.report, copy.date, item.date, self._now,
            self._plan.owner_of(item.place), self._plan.folder_of(item.place),
        )  # fmt: skip
        for sha in shas:
            document = self._batch.documents.get(sha)
            if document is None:
                self._batch.touched.add(sha)
            else:
                mentioned = (*document.mentions, *found)
                self._batch.documents[sha] = replace(document, mentions=mentioned)
