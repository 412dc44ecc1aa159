"""The queries behind `SqliteQueries` for messages, copies and runs; `catalog.base` has the contract of each.

Each function takes a connection for reading.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog.id_prefixes import prefix_range, unique
from muniment.archive.catalog.model import (
    CopyOwner,
    EnvelopeRow,
    KnownKey,
    MessageRow,
    NamedMessage,
    QuarantineRow,
    RunRow,
    TrustedReport,
    VaultTotals,
)
from muniment.archive.catalog.sqlite import sql
from muniment.archive.catalog.sqlite.encoding import (
    as_json,
    clean,
    exact,
    fetch_many,
    join,
    number,
    position,
    read_exact,
    read_words,
    split,
    text,
    whole,
)
from muniment.archive.catalog.sqlite.erasing import erased_by_prefix, erasure_of
from muniment.archive.catalog.sqlite.filing import load_addresses, read_parties
from muniment.archive.catalog.sqlite.numbering import find_place
from muniment.archive.catalog.sqlite.tables import CONFIGURATION
from muniment.archive.facts import DAMAGED, REGENERATED, FramePosition, RoutingReason
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.stored import erased as erased_error

_FULL = 16
"""Hex digits of an id that the database compares; the rest is compared here."""

# --- messages and copies ---------------------------------------------------------------------


def message_by_sha(connection: Connection, sha: bytes) -> MessageRow | None:
    """Return the message with this SHA-256; None also if it was displaced."""
    key, rest = split(sha)
    row = connection.execute(sql.MESSAGE_BY_SHA, {"key": key, "rest": rest}).one_or_none()
    return None if row is None else message_row(row)


def message_by_prefix(connection: Connection, prefix: str) -> MessageRow:
    """Return the message, or the original of the displaced one, whose id begins with 8 to 64 hex digits.

    Raises:
        NotFound: The prefix has another form, or fits no message or several.
        Erased: It fits only a message that was erased.
    """
    limit = 2 if len(prefix.strip()) <= _FULL else -1
    found = _by_prefix(connection, prefix, limit)
    gone = None if found else erased_by_prefix(connection, *prefix_range(prefix))
    if gone is not None:
        raise erased_error(f"message {gone[0].hex()[:12]}", gone[1])
    return unique(found, prefix, "message")


def messages_by_prefix(connection: Connection, prefix: str) -> list[MessageRow]:
    """Return all messages, and originals of displaced ones, whose id begins with 8 to 64 hex digits.

    Raises:
        NotFound: The prefix has another form.
    """
    return _by_prefix(connection, prefix, -1)


def _by_prefix(connection: Connection, prefix: str, limit: int) -> list[MessageRow]:
    low, high = prefix_range(prefix)
    digits = prefix.strip().lower()
    keys = {"low": split(low)[0], "high": split(high)[0]}
    formers = connection.execute(sql.FORMERS_BY_RANGE, keys).all()
    found = connection.execute(sql.MESSAGES_BY_RANGE, keys | {"limit": limit}).all()
    meant = {join(row.key, row.rest): row.message for row in formers}
    meant |= {join(row.key, row.rest): row.id for row in found}
    numbers = [number for sha, number in meant.items() if sha.hex().startswith(digits)]
    return rows(connection, list(dict.fromkeys(numbers)))


def messages_by_content(connection: Connection, content: bytes) -> list[bytes]:
    """Return the SHA-256 of each message with this content hash, oldest first; none for an empty hash."""
    if not content:
        return []
    key, rest = split(content)
    rows = connection.execute(sql.SHAS_BY_CONTENT, {"key": key, "rest": rest}).all()
    return [join(row.key, row.rest) for row in rows]


def contents(connection: Connection, messages: Collection[int]) -> dict[int, bytes]:
    """Return the content hash of each message; messages that could not be read are left out."""
    rows = fetch_many(connection, sql.CONTENTS, messages)
    return {row.id: join(row.content_key, row.content_rest) for row in rows if row.content_key is not None}


def messages_by_name(connection: Connection, name: bytes) -> list[NamedMessage]:
    """Return the oldest messages with this name of a Message-ID, at most `sql.NAMED`; none for b""."""
    if not name:
        return []
    return _named(connection.execute(sql.MESSAGES_BY_NAME, {"name": number(name)}).all())


def _named(found: Iterable[Any]) -> list[NamedMessage]:
    return [NamedMessage(row.id, join(row.key, row.rest), row.sender) for row in found]


def trusted_reports(connection: Connection, message: int) -> list[TrustedReport]:
    """Return what the oldest trusted journal reports of a message state, at most `sql.VOUCHERS`."""
    where = {"message": message, "route": int(RoutingReason.JOURNAL)}
    found = connection.execute(sql.TRUSTED_REPORTS, where).all()
    names = load_addresses(connection, (row.parties for row in found))
    return [TrustedReport(row.time, read_parties(row.parties, names), read_words(row.flags)) for row in found]


def has_copy_of_owner(connection: Connection, message: int, owner: str) -> bool:
    """Return whether a copy of a message comes from a mailbox of `owner`, an address in lower case."""
    where = {"message": message, "owner": clean(owner)}
    return connection.execute(sql.COPY_OF_OWNER, where).first() is not None


def known_names(connection: Connection, names: Collection[bytes]) -> set[bytes]:
    """Return the subset of names that messages have, displaced ones not counted; b"" is never known."""
    found = {row.name for row in fetch_many(connection, sql.NAMES, map(number, filter(None, names)))}
    return {name for name in names if number(name) in found}


def regenerated_by_name(connection: Connection, name: bytes) -> list[NamedMessage]:
    """Return at most `sql.NAMED` messages with this name; all copies of each were written by a service."""
    where = {"name": number(name), "note": f'"{REGENERATED}"'}
    return _named(connection.execute(sql.MESSAGES_NOTED, where).all())


def displaced_by(connection: Connection, messages: Iterable[int]) -> dict[int, list[tuple[int, bytes]]]:
    """Return number and SHA-256 of what each original displaced; originals without any are left out."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    for row in fetch_many(connection, sql.FORMERS_OF, messages):
        found.setdefault(row.message, []).append((row.id, join(row.key, row.rest)))
    return found


def possibly_known(
    connection: Connection,
    copies: Collection[bytes],
    messages: Collection[bytes],
    contents: Collection[bytes],
    parts: Collection[bytes],
) -> set[bytes]:
    """Return the hashes that may be stored; one that is left out is certainly new.

    Of copies, messages and contents, only the first 8 bytes are compared; of parts, the whole hash.
    """
    seen: set[bytes] = set()
    for statement, hashes in (
        (sql.ENVELOPE_KEYS, copies),
        (sql.MESSAGE_KEYS, messages),
        (sql.CONTENT_KEYS, contents),
    ):
        keys = {sha: split(sha)[0] for sha in hashes if sha}
        met = {row[0] for row in fetch_many(connection, statement, keys.values())}
        if met:
            seen.update(sha for sha, key in keys.items() if key in met)
    seen.update(row.sha for row in fetch_many(connection, sql.PART_SHAS, parts))
    return seen


def rows(connection: Connection, messages: Sequence[int]) -> list[MessageRow]:
    """Return messages in the given order; numbers without a message, also displaced ones, are left out."""
    found = {row.id: message_row(row) for row in fetch_many(connection, sql.MESSAGES_BY_ID, messages)}
    return [found[number] for number in messages if number in found]


def existing(connection: Connection, messages: Collection[int]) -> set[int]:
    """Return the subset of these numbers that are messages and were not displaced."""
    return {row.id for row in fetch_many(connection, sql.FILED, messages)}


def numbers(connection: Connection, first: int, end: int, limit: int) -> list[int]:
    """Return the lowest numbers of messages from `first` on that are below `end`, at most `limit`."""
    where = {"first": first, "last": end - 1, "limit": limit}
    return list(connection.execute(sql.MESSAGE_NUMBERS, where).scalars())


def message_row(row: Any) -> MessageRow:
    """Decode the columns `sql.MESSAGE_ROW`.

    Raises:
        TypeError: A value has the wrong type, so the file is damaged.
    """
    return MessageRow(
        sequence=row.id,
        sha=join(row.key, row.rest),
        position=position(row),
        date=whole(row.date),
        size=whole(row.size),
        sender=text(row.sender),
        to=text(row.recipients),
        subject=text(row.subject),
        attachments=whole(row.attachments),
        notes=read_words(row.notes),
        hidden=row.hidden,
        received=whole(row.received),
    )


def message_of_record(connection: Connection, message: int) -> tuple[bytes, MessageRow | None]:
    """Return the SHA-256 in a message record, and that message or the original that displaced it.

    The result is (b"", None) if no message record has this number.
    """
    former = connection.execute(sql.FORMER_BY_ID, {"id": message}).one_or_none()
    found = rows(connection, [former.message if former else message])
    if not found:
        return b"", None
    return join(former.key, former.rest) if former else found[0].sha, found[0]


def envelope_by_sha(connection: Connection, sha: bytes, report: bool | None) -> EnvelopeRow | None:
    """Return the oldest copy with this SHA-256; `report` None finds journal reports and plain mail."""
    key, rest = split(sha)
    rows = connection.execute(sql.ENVELOPE_BY_SHA, {"key": key, "rest": rest}).all()
    found = [row for row in rows if report is None or bool(row.report) == report]
    return _envelopes(connection, found[:1])[0] if found else None


def envelopes_of(connection: Connection, message: int) -> list[EnvelopeRow]:
    """Return all copies of a message, in the order of the ledger."""
    return _envelopes(connection, connection.execute(sql.ENVELOPES_OF, {"message": message}).all())


def owners_of(connection: Connection, copies: Iterable[int]) -> dict[int, list[CopyOwner]]:
    """Return the owners of each copy; copies without one are left out."""
    found: dict[int, list[CopyOwner]] = {}
    for row in sorted(fetch_many(connection, sql.OWNERS_OF, copies), key=lambda row: tuple(row)[:3]):
        owner = CopyOwner(row.address, row.folder, tuple((row.flags or "").split()))
        found.setdefault(row.envelope, []).append(owner)
    return found


def _envelopes(connection: Connection, found: Sequence[Any]) -> list[EnvelopeRow]:
    names = load_addresses(connection, (row.parties for row in found))
    shas: dict[int, list[bytes]] = {}
    for row in sorted(fetch_many(connection, sql.LINKED_SHAS, [row.id for row in found])):
        shas.setdefault(row.envelope, []).append(join(row.key, row.rest))
    return [_envelope(row, tuple(shas.get(row.id, ())), names) for row in found]


def _envelope(row: Any, messages: tuple[bytes, ...], names: dict[int, str]) -> EnvelopeRow:
    return EnvelopeRow(
        sequence=row.id,
        sha=join(row.key, row.rest),
        position=position(row),
        messages=messages,
        parties=read_parties(row.parties, names),
        time=whole(row.time),
        report=bool(row.report),
        route=RoutingReason(row.route),
        size=whole(row.size),
        profile=text(row.name),
        flags=read_words(row.flags),
    )


def locate(connection: Connection, sha: bytes) -> FramePosition | None:
    """Return where this SHA-256 is found first: as a message, part, copy or quarantined item."""
    key, rest = split(sha)
    for statement, parameters in (
        (sql.MESSAGE_BY_SHA, {"key": key, "rest": rest}),
        (sql.PART, {"sha": sha}),
        (sql.ENVELOPE_BY_SHA, {"key": key, "rest": rest}),
        (sql.QUARANTINE_BY_RANGE, {"low": sha, "high": sha}),
    ):
        row = connection.execute(statement, parameters).first()
        if row is not None:
            return position(row)
    return None


def part_known(connection: Connection, sha: bytes) -> bool:
    """Return whether the ledger holds this part, or list of chunks, as a record of its own."""
    return connection.execute(sql.PART, {"sha": sha}).first() is not None


# --- sources, quarantine, runs ------------------------------------------------------------------


def known_keys(
    connection: Connection, host: str, mailbox: str, folder: str, keys: Sequence[str]
) -> dict[str, KnownKey]:
    """Return the subset of keys that were fetched from this folder and not deleted there since.

    Keys are compared exactly, lone surrogates included.
    """
    place = find_place(connection, host, mailbox, folder)
    if place is None:
        return {}
    names = {exact(key): key for key in keys}
    damaged = _damaged_copies(connection)
    found: dict[str, KnownKey] = {}
    for row in fetch_many(connection, sql.KNOWN, names, place=place):
        archived = row.rest is not None
        sha = join(row.first, row.rest) if archived else row.sha
        kept = row.envelope not in damaged if archived else locate(connection, sha) is not None
        erased = not kept and not archived and erasure_of(connection, sha) is not None
        found[names[row.key]] = KnownKey(row.size, sha, kept, RoutingReason(row.route or 0), erased)
    return found


def _damaged_copies(connection: Connection) -> set[int]:
    """Return the copies whose message could not be read back completely when the catalog was built."""
    rows = connection.execute(sql.UNREAD).all()
    return {row.envelope for row in rows if DAMAGED in read_words(row.notes)}


def quarantined(connection: Connection) -> list[QuarantineRow]:
    """Return the items that are in quarantine, oldest first; resolved ones are left out."""
    return [quarantine_row(row) for row in connection.execute(sql.QUARANTINED).all()]


def quarantine_by_prefix(connection: Connection, prefix: str) -> QuarantineRow:
    """Return the item whose SHA-256 begins with 8 to 64 hex digits, also if it was resolved.

    Of items with equal bytes, the newest is returned.

    Raises:
        NotFound: The prefix has another form, or fits no item or several.
    """
    low, high = prefix_range(prefix)
    rows = connection.execute(sql.QUARANTINE_BY_RANGE, {"low": low, "high": high}).all()
    latest = {row.sha: row for row in reversed(rows)}
    return quarantine_row(unique(list(latest.values()), prefix, "quarantined item"))


def quarantine_row(row: Any) -> QuarantineRow:
    """Decode a row of `sql.QUARANTINE_ROWS`; host, mailbox and folder are "" for an item without a place.

    Raises:
        TypeError: A value has the wrong type, so the file is damaged.
    """
    return QuarantineRow(
        sequence=row.id,
        sha=row.sha,
        position=position(row),
        size=whole(row.size),
        reason=text(row.reason),
        time=whole(row.time),
        profile=text(row.profile),
        host=read_exact(row.host),
        mailbox=read_exact(row.mailbox),
        folder=read_exact(row.folder),
        key=read_exact(row.key),
    )


def first_report(connection: Connection, profile: str) -> EnvelopeRow | None:
    """Return the oldest journal report of a profile that a trusted route brought; None if there is none."""
    where = {"profile": profile, "route": int(RoutingReason.JOURNAL)}
    return next(iter(_envelopes(connection, connection.execute(sql.REPORTS_OF, where).all())), None)


def flagged(connection: Connection, limit: int) -> list[tuple[int, tuple[str, ...]]]:
    """Return time, in seconds since 1970 UTC, and flags of the newest copies that have flags."""
    found = connection.execute(sql.FLAGGED, {"limit": limit}).all()
    return [(row.time, read_words(row.flags)) for row in found]


def last_run(connection: Connection, profile: str) -> RunRow | None:
    """Return the newest finished run of a profile; None before its first."""
    row = connection.execute(sql.LAST_RUN, {"profile": profile}).one_or_none()
    return None if row is None else _run(row)


def last_reports(connection: Connection, after: int) -> dict[str, int]:
    """Return the sequence of the newest journal report of each profile, if it is at least `after`."""
    rows = connection.execute(sql.LAST_REPORTS, {"after": after}).all()
    return {row.name: row.place for row in rows}


def runs(
    connection: Connection, profile: str, state: str, before: int, eventful: bool, limit: int
) -> list[RunRow]:
    """Return finished runs, newest first; an empty, 0 or false argument does not restrict them."""
    found = connection.execute(sql.runs(profile, state, before, eventful, limit)).all()
    return [_run(row) for row in found]


def _run(row: Any) -> RunRow:
    return RunRow(row.id, text(row.profile), whole(row.time), as_json(row.summary))


def meta(connection: Connection, name: str) -> str | None:
    """Return the text that `meta_set` stored; None if there is none."""
    value: str | None = connection.execute(sql.GET_META, {"name": name}).scalar_one_or_none()
    return value


def meta_json(connection: Connection, name: str) -> Any:
    """Return the decoded JSON that `meta_set` stored; None if there is none."""
    value = meta(connection, name)
    return None if value is None else json.loads(value)


def configuration(connection: Connection) -> bytes:
    """Return the SHA-256 of the latest configuration record; b"" if there is none."""
    return bytes.fromhex(meta(connection, CONFIGURATION) or "")


def head(connection: Connection) -> LedgerHead:
    """Return the ledger's state after the last applied batch; `base.EMPTY` before the first."""
    return _head(connection.execute(sql.GET_STATE).one())


def _head(state: Any) -> LedgerHead:
    if not isinstance(state.root, bytes):
        raise TypeError("the root is not a hash")
    return LedgerHead(whole(state.tree_size), state.root, whole(state.segment), whole(state.offset))


def vault_id(connection: Connection) -> bytes:
    """Return the 8 bytes that the ledger and its catalog share."""
    vault: bytes = connection.execute(sql.GET_STATE).one().vault
    return vault


def regenerated(connection: Connection) -> bool:
    """Return whether there are copies whose bytes a service wrote when they were fetched."""
    return bool(connection.execute(sql.GET_STATE).one().regenerated)


def totals(connection: Connection) -> VaultTotals:
    """Return counts over the vault. Only items in quarantine are counted now; the rest is stored."""
    return snapshot(connection)[1]


def snapshot(connection: Connection) -> tuple[LedgerHead, VaultTotals]:
    """Return head and totals of one committed state."""
    state = connection.execute(sql.GET_STATE).one()
    return _head(state), VaultTotals(
        messages=whole(state.messages),
        envelopes=whole(state.envelopes),
        records=whole(state.tree_size),
        quarantined=connection.execute(sql.COUNT_QUARANTINED).scalar_one(),
        bytes=whole(state.copy_bytes),
        message_bytes=whole(state.message_bytes),
        moved_messages=whole(state.moved_messages),
        moved_envelopes=whole(state.moved_envelopes),
    )
