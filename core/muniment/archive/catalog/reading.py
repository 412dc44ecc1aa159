"""The queries behind `CatalogQueries` for messages, copies and runs; its methods have the documentation.

Each function takes a connection for reading.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog import sql
from muniment.archive.catalog.encoding import (
    as_json,
    clean,
    exact,
    fetch_many,
    join,
    number,
    position,
    prefix_range,
    read_exact,
    read_words,
    split,
    text,
    unique,
    whole,
)
from muniment.archive.catalog.filing import load_addresses, read_parties
from muniment.archive.catalog.model import (
    AuditRow,
    EnvelopeRow,
    KnownKey,
    MessageRow,
    NamedMessage,
    QuarantineRow,
    RunRow,
    TrustedReport,
    VaultTotals,
)
from muniment.archive.catalog.numbering import find_place
from muniment.archive.catalog.tables import CONFIGURATION
from muniment.archive.facts import DAMAGED, REGENERATED, FramePosition, RoutingReason
from muniment.archive.ledger.model import LedgerHead

_FULL = 16
"""Hex digits of an id that the database compares; the rest is compared here."""

# --- messages and copies ---------------------------------------------------------------------


def message_by_sha(connection: Connection, sha: bytes) -> MessageRow | None:
    key, rest = split(sha)
    row = connection.execute(sql.MESSAGE_BY_SHA, {"key": key, "rest": rest}).one_or_none()
    return None if row is None else message_row(row)


def message_by_prefix(connection: Connection, prefix: str) -> MessageRow:
    limit = 2 if len(prefix.strip()) <= _FULL else -1
    return unique(_by_prefix(connection, prefix, limit), prefix, "message")


def messages_by_prefix(connection: Connection, prefix: str) -> list[MessageRow]:
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
    if not content:
        return []
    key, rest = split(content)
    rows = connection.execute(sql.SHAS_BY_CONTENT, {"key": key, "rest": rest}).all()
    return [join(row.key, row.rest) for row in rows]


def messages_by_name(connection: Connection, name: bytes) -> list[NamedMessage]:
    if not name:
        return []
    return _named(connection.execute(sql.MESSAGES_BY_NAME, {"name": number(name)}).all())


def _named(found: Iterable[Any]) -> list[NamedMessage]:
    return [NamedMessage(row.id, join(row.key, row.rest), row.sender) for row in found]


def trusted_reports(connection: Connection, message: int) -> list[TrustedReport]:
    where = {"message": message, "route": int(RoutingReason.JOURNAL)}
    found = connection.execute(sql.TRUSTED_REPORTS, where).all()
    names = load_addresses(connection, (row.parties for row in found))
    return [TrustedReport(row.time, read_parties(row.parties, names), read_words(row.flags)) for row in found]


def has_copy_of_owner(connection: Connection, message: int, owner: str) -> bool:
    where = {"message": message, "owner": clean(owner)}
    return connection.execute(sql.COPY_OF_OWNER, where).first() is not None


def known_names(connection: Connection, names: Collection[bytes]) -> set[bytes]:
    found = {row.name for row in fetch_many(connection, sql.NAMES, map(number, filter(None, names)))}
    return {name for name in names if number(name) in found}


def regenerated_by_name(connection: Connection, name: bytes) -> list[NamedMessage]:
    where = {"name": number(name), "note": f'"{REGENERATED}"'}
    return _named(connection.execute(sql.MESSAGES_NOTED, where).all())


def displaced_by(connection: Connection, messages: Iterable[int]) -> dict[int, list[tuple[int, bytes]]]:
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
    found = {row.id: message_row(row) for row in fetch_many(connection, sql.MESSAGES_BY_ID, messages)}
    return [found[number] for number in messages if number in found]


def existing(connection: Connection, messages: Collection[int]) -> set[int]:
    return {row.id for row in fetch_many(connection, sql.FILED, messages)}


def message_row(row: Any) -> MessageRow:
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
    )


def message_of_record(connection: Connection, message: int) -> tuple[bytes, MessageRow | None]:
    former = connection.execute(sql.FORMER_BY_ID, {"id": message}).one_or_none()
    found = rows(connection, [former.message if former else message])
    if not found:
        return b"", None
    return join(former.key, former.rest) if former else found[0].sha, found[0]


def envelope_by_sha(connection: Connection, sha: bytes, report: bool | None) -> EnvelopeRow | None:
    key, rest = split(sha)
    rows = connection.execute(sql.ENVELOPE_BY_SHA, {"key": key, "rest": rest}).all()
    found = [row for row in rows if report is None or bool(row.report) == report]
    return _envelopes(connection, found[:1])[0] if found else None


def envelopes_of(connection: Connection, message: int) -> list[EnvelopeRow]:
    return _envelopes(connection, connection.execute(sql.ENVELOPES_OF, {"message": message}).all())


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
    return connection.execute(sql.PART, {"sha": sha}).first() is not None


# --- sources, quarantine, runs ------------------------------------------------------------------


def known_keys(
    connection: Connection, host: str, mailbox: str, folder: str, keys: Sequence[str]
) -> dict[str, KnownKey]:
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
        found[names[row.key]] = KnownKey(row.size, sha, kept, RoutingReason(row.route or 0))
    return found


def _damaged_copies(connection: Connection) -> set[int]:
    """Return the copies whose message could not be read back completely when the catalog was built."""
    rows = connection.execute(sql.UNREAD).all()
    return {row.envelope for row in rows if DAMAGED in read_words(row.notes)}


def quarantined(connection: Connection) -> list[QuarantineRow]:
    return [quarantine_row(row) for row in connection.execute(sql.QUARANTINED).all()]


def quarantine_by_prefix(connection: Connection, prefix: str) -> QuarantineRow:
    low, high = prefix_range(prefix)
    rows = connection.execute(sql.QUARANTINE_BY_RANGE, {"low": low, "high": high}).all()
    latest = {row.sha: row for row in reversed(rows)}
    return quarantine_row(unique(list(latest.values()), prefix, "quarantined item"))


def quarantine_row(row: Any) -> QuarantineRow:
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
    where = {"profile": profile, "route": int(RoutingReason.JOURNAL)}
    return next(iter(_envelopes(connection, connection.execute(sql.REPORTS_OF, where).all())), None)


def flagged(connection: Connection, limit: int) -> list[tuple[int, tuple[str, ...]]]:
    found = connection.execute(sql.FLAGGED, {"limit": limit}).all()
    return [(row.time, read_words(row.flags)) for row in found]


def last_run(connection: Connection, profile: str) -> RunRow | None:
    row = connection.execute(sql.LAST_RUN, {"profile": profile}).one_or_none()
    return None if row is None else _run(row)


def last_reports(connection: Connection, after: int) -> dict[str, int]:
    rows = connection.execute(sql.LAST_REPORTS, {"after": after}).all()
    return {row.name: row.place for row in rows}


def runs(
    connection: Connection, profile: str, state: str, before: int, eventful: bool, limit: int
) -> list[RunRow]:
    found = connection.execute(sql.runs(profile, state, before, eventful, limit)).all()
    return [_run(row) for row in found]


def audited(connection: Connection, limit: int, before: int) -> list[AuditRow]:
    where = {"before": before or 2**63 - 1, "limit": limit}
    return [
        AuditRow(row.id, position(row), whole(row.time), as_json(row.event))
        for row in connection.execute(sql.AUDITED, where).all()
    ]


def count_audits(connection: Connection) -> tuple[LedgerHead, int]:
    head, _ = snapshot(connection)
    return head, connection.execute(sql.COUNT_AUDITS, {"before": head.tree_size}).scalar_one()


def _run(row: Any) -> RunRow:
    return RunRow(row.id, text(row.profile), whole(row.time), as_json(row.summary))


def meta(connection: Connection, name: str) -> str | None:
    value: str | None = connection.execute(sql.GET_META, {"name": name}).scalar_one_or_none()
    return value


def meta_json(connection: Connection, name: str) -> Any:
    value = meta(connection, name)
    return None if value is None else json.loads(value)


def configuration(connection: Connection) -> bytes:
    return bytes.fromhex(meta(connection, CONFIGURATION) or "")


def head(connection: Connection) -> LedgerHead:
    return _head(connection.execute(sql.GET_STATE).one())


def _head(state: Any) -> LedgerHead:
    if not isinstance(state.root, bytes):
        raise TypeError("the root is not a hash")
    return LedgerHead(whole(state.tree_size), state.root, whole(state.segment), whole(state.offset))


def vault_id(connection: Connection) -> bytes:
    vault: bytes = connection.execute(sql.GET_STATE).one().vault
    return vault


def regenerated(connection: Connection) -> bool:
    return bool(connection.execute(sql.GET_STATE).one().regenerated)


def totals(connection: Connection) -> VaultTotals:
    return snapshot(connection)[1]


def snapshot(connection: Connection) -> tuple[LedgerHead, VaultTotals]:
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
