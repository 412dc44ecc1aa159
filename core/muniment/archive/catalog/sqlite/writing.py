"""Writes committed batches into the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from muniment.archive.catalog.audit_keys import decoded, event_keys
from muniment.archive.catalog.sqlite import sql, sql_writes, tables
from muniment.archive.catalog.sqlite.encoding import (
    clean,
    exact,
    fetch_many,
    number,
    numbers,
    parties,
    shown,
    split,
    words,
)
from muniment.archive.catalog.sqlite.erasing import note_copies, write_redactions
from muniment.archive.catalog.sqlite.filing import (
    BatchMessages,
    FiledCopy,
    FiledMessage,
    PlacementMoves,
    identity,
    load_copies,
    load_filed,
    load_messages,
)
from muniment.archive.catalog.sqlite.forgetting import ForgottenTotals, forget
from muniment.archive.catalog.sqlite.judging import write_evidence
from muniment.archive.catalog.sqlite.numbering import BoxNumbers, PlaceNumbers, TextNumbers
from muniment.archive.catalog.sqlite.originals import DisplacedTotals, displace
from muniment.archive.catalog.sqlite.refiling import note_affected, relabel
from muniment.archive.catalog.sqlite.sorted_facts import SortedFacts
from muniment.archive.facts import (
    REGENERATED,
    DeletionFact,
    DirectoryFact,
    EnvelopeFact,
    Fact,
    MessageFact,
    QuarantineFact,
    ReceiptFact,
    RunFact,
)
from muniment.archive.ledger.model import LedgerHead, RecordKind
from muniment.mail.model import EnvelopeParty
from muniment.people import changes
from muniment.people.directory import Directory
from muniment.people.routing import route_envelope, unite


class FactWriter:
    """Writes batches, and caches the numbers of addresses, folders and profiles."""

    def __init__(self) -> None:
        self.addresses = TextNumbers(tables.address, sql.ADDRESSES, sql_writes.INSERT_ADDRESS)
        self.boxes = BoxNumbers()
        self._profiles = TextNumbers(tables.profile, sql.PROFILES, sql_writes.INSERT_PROFILE)
        self._places = PlaceNumbers()

    def forget(self) -> None:
        """Clear the caches, after a transaction was undone or rows were removed."""
        self.addresses.forget()
        self.boxes.forget()
        self._profiles.forget()
        self._places.forget()

    def write(
        self, connection: Connection, facts: Sequence[Fact], head: LedgerHead, directory: Directory
    ) -> Directory:
        """Write the facts that the catalog does not have yet, and the head after them.

        Args:
            connection: A connection in a transaction.
            facts: All facts of one or more whole batches, in order of sequence.
            head: The ledger's committed state after them.
            directory: The directory before them; it is not changed.

        Returns:
            The directory after them.

        Raises:
            ConfigError: A change does not fit the directory.
            NotFound: A change names an unknown user or address.
        """
        state = connection.execute(sql.GET_STATE).one()
        if head.tree_size <= state.tree_size:
            return directory
        batch = SortedFacts.of(fact for fact in facts if fact.sequence >= state.tree_size)
        if batch.changes:
            directory = _change_directory(connection, batch.changes, directory)
        messages = self._messages(connection, batch)
        copies = self._copies(connection, batch, messages)
        copy_bytes = self._receive(batch.receipts, copies)
        self._profiles.need(connection, sorted({receipt.profile for receipt in batch.receipts}))
        self._write_copies(connection, copies.values())
        _count_arrivals(connection, [copy.fact for copy in copies.values() if copy.fact is not None])
        self._file(connection, messages.by_id.values(), copies.values(), directory)
        self._write_traffic(connection, batch.traffic, copies)
        self._write_quarantines(connection, batch, copies)
        _write_rest(connection, batch)
        write_redactions(connection, batch.redactions)
        note_copies(connection, batch.receipts)
        displaced = displace(connection, batch.originals, directory, self.boxes)
        forgotten = forget(connection, batch.redactions)
        if batch.redactions:
            self.forget()
        new_messages = [m.fact for m in messages.by_id.values() if m.fact is not None]
        new_copies = sum(copy.fact is not None for copy in copies.values())
        _write_head(connection, head, batch, new_messages, new_copies, copy_bytes, displaced, forgotten)
        return directory

    # --- messages and copies --------------------------------------------------------------------

    def _messages(self, connection: Connection, batch: SortedFacts) -> BatchMessages:
        """Collect the batch's new messages and the known ones that its envelopes hold again.

        A message that was appended again because its old record is damaged is moved to its new position, and
        the fields that could not be read before are filled in. Its date stays, since it is filed by it.
        """
        brought = (sha for fact in batch.envelopes for sha in fact.messages)
        messages = load_messages(connection, [*(fact.sha for fact in batch.messages), *brought])
        moved, mended = [], []
        for fact in batch.messages:
            known = messages.by_sha.get(fact.sha)
            if known is None:
                messages.add(fact.sha, FiledMessage(fact.sequence, fact.date, fact.sequence, fact=fact))
            elif known.fact is None:
                moved.append((fact.position.segment, fact.position.offset, known.id))
                mended.append(_mended(fact, known.id))
                known.touched = max(known.touched, fact.sequence)
        _write(connection, sql_writes.MOVE_MESSAGE, moved)
        _write(connection, sql_writes.MEND_MESSAGE, mended)
        return messages

    def _copies(
        self, connection: Connection, batch: SortedFacts, messages: BatchMessages
    ) -> dict[bytes, FiledCopy]:
        """Collect the batch's new copies, and the known ones that its receipts name, by identity."""
        named = {fact.sha for fact in batch.envelopes} | {fact.sha for fact in batch.receipts}
        copies = load_copies(connection, sorted(named))
        _link(connection, copies.values(), messages)
        moved = []
        for fact in batch.envelopes:
            key = identity(fact.sha, fact.report)
            known = copies.get(key)
            if known is None:
                copies[key] = _new_copy(fact, messages)
            elif known.fact is None:
                moved.append((fact.position.segment, fact.position.offset, known.id))
        _write(connection, sql_writes.MOVE_ENVELOPE, moved)
        return copies

    def _receive(self, receipts: list[ReceiptFact], copies: dict[bytes, FiledCopy]) -> int:
        """Give copies their receipts; returns the bytes of the copies that are received the first time."""
        first = 0
        for receipt in receipts:
            copy = copies.get(identity(receipt.sha, receipt.report))
            if copy is not None:
                first += 0 if copy.route else receipt.size
                copy.receive(receipt)
        return first

    def _write_copies(self, connection: Connection, copies: Collection[FiledCopy]) -> None:
        new = [(copy, copy.fact) for copy in copies if copy.fact is not None]
        again = [copy for copy in copies if copy.fact is None and copy.received]
        if not new and not any(copy.received or copy.new_owners for copy in copies):
            return
        named = {name for copy in copies for name in _names(copy)}
        ids = self.addresses.need(connection, sorted(named))
        profiles = self._profiles.need(connection, sorted({copy.profile for copy in copies}))
        links: set[tuple[int, int]] = set()
        mentions: set[tuple[int, int]] = set()
        owners: set[tuple[int, int, str, str | None]] = set()
        for copy in copies:
            mentions.update((ids[owner], copy.id) for owner, _, _ in copy.new_owners)
            owners.update(
                (copy.id, ids[one], folder, flags or None) for one, folder, flags in copy.new_owners
            )
        for copy, _ in new:
            links.update((message.id, copy.id) for message in copy.messages)
            mentions.update((ids[name], copy.id) for name in _named(copy.parties))
        for copy in again:
            mentions.update((ids[name], copy.id) for name in _named(copy.new_parties))
        _write(connection, sql_writes.INSERT_ENVELOPE, [_envelope(c, f, ids, profiles) for c, f in new])
        _write(connection, sql_writes.INSERT_LINK, sorted(links))
        _write(connection, sql_writes.INSERT_MENTION, sorted(mentions))
        _write(connection, sql_writes.INSERT_OWNER, sorted(owners, key=lambda row: row[:3]))
        rows = [
            (c.route, c.size, profiles[c.profile], parties(c.parties, ids), words(c.flags), c.id)
            for c in again
        ]
        _write(connection, sql_writes.RECEIVE_ENVELOPE, rows)

    # --- places -----------------------------------------------------------------------------------

    def _file(
        self,
        connection: Connection,
        messages: Collection[FiledMessage],
        copies: Collection[FiledCopy],
        directory: Directory,
    ) -> None:
        """File messages where they are already, and where the new copies put them.

        Where a copy puts a message does not depend on its other copies, so old copies are not read again.
        """
        current = self.boxes.load(connection, {box for message in messages for box in message.boxes})
        for message in messages:
            message.places = {current[box] for box in message.boxes}
        for copy in copies:
            found = [route_envelope(envelope, directory) for envelope in copy.gained]
            for message in copy.messages:
                message.places.update(*found)
        for message in messages:
            message.places = unite(message.places, ())
        wanted = {place for message in messages for place in message.places}
        ids = self.boxes.need(connection, sorted(wanted), directory)
        moves, rows = PlacementMoves(), []
        for message in messages:
            boxes = {ids[place] for place in message.places}
            if message.fact is not None:
                moves.move(message, boxes)
                rows.append(_message(message, message.fact, boxes))
            else:
                moves.refile(message, boxes)
        _write(connection, sql_writes.INSERT_MESSAGE, rows)
        moves.write(connection)

    # --- keys at sources -----------------------------------------------------------------------------

    def _write_traffic(
        self,
        connection: Connection,
        traffic: list[ReceiptFact | DeletionFact],
        copies: dict[bytes, FiledCopy],
    ) -> None:
        """Store the keys that were fetched, and remove those that were deleted afterwards."""
        put: dict[tuple[int, bytes], tuple[Any, ...]] = {}
        gone: dict[tuple[int, bytes], None] = {}
        for fact in traffic:
            place = self._places.need(connection, fact.host, fact.mailbox, fact.folder)
            if isinstance(fact, DeletionFact):
                deleted = [(place, exact(key)) for key in fact.keys]
                gone |= dict.fromkeys(deleted)
                for key in deleted:
                    put.pop(key, None)
            else:
                copy = copies.get(identity(fact.sha, fact.report))
                key = (place, exact(fact.key))
                put[key] = (*key, fact.size, copy.id if copy else None, None if copy else fact.sha)
        _write(connection, sql_writes.DELETE_KNOWN, list(gone))
        _write(connection, sql_writes.PUT_KNOWN, list(put.values()))

    def _write_quarantines(
        self, connection: Connection, batch: SortedFacts, copies: dict[bytes, FiledCopy]
    ) -> None:
        """Store quarantined items, and end the quarantine of those that a record or a copy resolves."""
        items = [_quarantined(fact) for fact in batch.quarantines if not fact.resolved]
        _write(connection, sql_writes.INSERT_QUARANTINE, items)
        named = [
            (
                clean(fact.profile),
                self._places.need(connection, fact.host, fact.mailbox, fact.folder),
                exact(fact.key),
                fact.sha,
                fact.sequence,
            )
            for fact in batch.receipts
            if identity(fact.sha, fact.report) not in copies
        ]
        _write(connection, sql_writes.NAME_QUARANTINE, named)
        ends = [(fact.sha, fact.sequence) for fact in batch.quarantines if fact.resolved]
        if connection.execute(sql.highest(tables.quarantine)).scalar_one() >= 0:
            ends += [(fact.sha, fact.sequence) for fact in batch.envelopes]
        _write(connection, sql_writes.RESOLVE_QUARANTINE, ends)


def _change_directory(connection: Connection, facts: list[DirectoryFact], directory: Directory) -> Directory:
    """Store changes of the directory and the addresses that they affect; returns the directory after them.

    Raises:
        ValueError: The number of stored changes is not that of the changes in the directory.
    """
    stored = connection.execute(sql.COUNT_DIRECTORY).scalar_one()
    if directory.version != stored:
        raise ValueError(f"{stored} changes of the directory are stored, {directory.version} were read")
    after, affected = directory.copy(), set[str]()
    for fact in facts:
        affected |= after.apply(changes.decode(fact.change), fact.time)
    rows = [(n, fact.sequence, fact.time, fact.change) for n, fact in enumerate(facts, stored)]
    connection.exec_driver_sql(sql_writes.INSERT_DIRECTORY, rows)
    note_affected(connection, affected)
    relabel(connection, after)
    return after


def _quarantined(fact: QuarantineFact) -> tuple[Any, ...]:
    """Make a row of the table `quarantine`."""
    return (
        fact.sequence, fact.sha, fact.position.segment, fact.position.offset, fact.size, fact.time,
        clean(fact.reason), "", None, None, 0,
    )  # fmt: skip


def _link(connection: Connection, copies: Iterable[FiledCopy], messages: BatchMessages) -> None:
    """Link known copies to their messages, and load those that are missing."""
    by_id = {copy.id: copy for copy in copies}
    links = [(row.envelope, row.message) for row in fetch_many(connection, sql.LINKS_OF, by_id)]
    missing = {message for _, message in links if message not in messages.by_id}
    messages.by_id |= load_filed(connection, missing)
    for envelope, message in links:
        by_id[envelope].messages.append(messages.by_id[message])


def _new_copy(fact: EnvelopeFact, messages: BatchMessages) -> FiledCopy:
    found = [messages.by_sha[sha] for sha in dict.fromkeys(fact.messages) if sha in messages.by_sha]
    for message in found:
        message.touched = max(message.touched, fact.sequence)
    return FiledCopy(fact.sequence, fact.sha, fact.time, fact.parties, messages=found, fact=fact)


def _named(parties: Iterable[EnvelopeParty]) -> Iterable[str]:
    """Yield the addresses of people, and of lists through which mail came to them."""
    for party in parties:
        yield party.address
        if party.via:
            yield party.via


def _names(copy: FiledCopy) -> Iterable[str]:
    if copy.fact is not None or copy.received:
        yield from _named(copy.parties)
    for owner, _, _ in copy.new_owners:
        yield owner


def _write(connection: Connection, statement: str, rows: list[Any]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)


def _message(message: FiledMessage, fact: MessageFact, boxes: set[int]) -> tuple[Any, ...]:
    """Make a row of the table `message`."""
    key, rest = split(fact.sha)
    content_key, content_rest = split(fact.content) if fact.content else (None, None)
    return (
        fact.sequence, key, rest, content_key, content_rest, number(fact.name),
        fact.position.segment, fact.position.offset, fact.date, fact.size, fact.hidden,
        fact.attachments, message.touched, fact.received,
        shown(fact.sender), shown(fact.to), shown(fact.subject), words(fact.notes), numbers(boxes),
    )  # fmt: skip


def _mended(fact: MessageFact, message: int) -> tuple[Any, ...]:
    """Make the parameters of MEND_MESSAGE: the fields that come from a message's bytes."""
    content_key, content_rest = split(fact.content) if fact.content else (None, None)
    return (
        content_key, content_rest, number(fact.name), fact.hidden, fact.attachments,
        shown(fact.sender), shown(fact.to), shown(fact.subject), words(fact.notes), message,
    )  # fmt: skip


def _envelope(
    copy: FiledCopy, fact: EnvelopeFact, ids: dict[str, int], profiles: dict[str, int]
) -> tuple[Any, ...]:
    """Make a row of the table `envelope`."""
    key, rest = split(fact.sha)
    return (
        fact.sequence, key, rest, fact.position.segment, fact.position.offset, fact.time, int(fact.report),
        copy.route, copy.size, profiles[copy.profile], parties(copy.parties, ids), words(copy.flags),
    )  # fmt: skip


def _count_arrivals(connection: Connection, copies: Iterable[EnvelopeFact]) -> None:
    """Add new copies to the arrivals of their quarter of an hour."""
    found: dict[tuple[int, int], list[int]] = {}
    for fact in copies:
        found.setdefault((int(fact.report), fact.time // tables.QUARTER), []).append(fact.time)
    rows = [(*period, len(times), max(times)) for period, times in sorted(found.items())]
    _write(connection, sql_writes.COUNT_ARRIVAL, rows)


def _write_rest(connection: Connection, batch: SortedFacts) -> None:
    """Write parts, runs, the audit trail, decisions, and the hash of the latest configuration."""
    rows = [(fact.sha, fact.position.segment, fact.position.offset) for fact in batch.parts]
    _write(connection, sql_writes.PUT_PART, rows)
    runs = [(fact.sequence, _profile(fact), fact.time, fact.summary) for fact in batch.runs]
    _write(connection, sql_writes.INSERT_RUN, runs)
    audits = [
        (fact.sequence, fact.position.segment, fact.position.offset, fact.time, fact.event)
        for fact in batch.audits
    ]
    _write(connection, sql_writes.INSERT_AUDIT, audits)
    keys = [(key, fact.sequence) for fact in batch.audits for key in event_keys(decoded(fact.event))]
    _write(connection, sql_writes.INSERT_AUDIT_KEY, sorted(keys))
    decisions = [(fact.sequence, fact.kind, fact.time, fact.content) for fact in batch.decisions]
    _write(connection, sql_writes.INSERT_DECISION, decisions)
    write_evidence(connection, batch.evidence)
    for fact in batch.configurations[-1:]:
        connection.execute(sql_writes.SET_META, {"name": tables.CONFIGURATION, "value": fact.sha.hex()})


def _profile(fact: RunFact) -> str:
    """Return the profile in a run's summary; "" if the summary can't be read."""
    try:
        summary = msgspec.json.decode(fact.summary, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeEncodeError):
        return ""
    return clean(str(summary.get("profile", "")))


def _write_head(
    connection: Connection,
    head: LedgerHead,
    batch: SortedFacts,
    messages: list[MessageFact],
    copies: int,
    copy_bytes: int,
    displaced: DisplacedTotals,
    forgotten: ForgottenTotals,
) -> None:
    more = len(messages) - displaced.messages - forgotten.messages
    copies -= forgotten.copies
    values = {
        "size": head.tree_size,
        "hash": head.root,
        "at_segment": head.segment,
        "at_offset": head.offset,
        "more_messages": more,
        "more_envelopes": copies,
        "again_messages": len(batch.messages) - more + batch.erased_of(RecordKind.MESSAGE),
        "again_envelopes": len(batch.envelopes) - copies + batch.erased_of(RecordKind.ENVELOPE),
        "more_message_bytes": sum(f.size for f in messages) - displaced.bytes - forgotten.message_bytes,
        "more_copy_bytes": copy_bytes - forgotten.copy_bytes,
        "more_regenerated": sum(REGENERATED in fact.flags for fact in batch.receipts),
    }
    connection.execute(sql_writes.SET_HEAD, values)
