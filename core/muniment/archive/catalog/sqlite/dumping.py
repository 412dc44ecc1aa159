"""Dumps a catalog's contents, without the numbers that depend on the order of its making."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection

from muniment.archive.catalog.sqlite import reading, sql, sql_dump, sql_lists
from muniment.archive.catalog.sqlite.encoding import join, read_numbers, read_words
from muniment.archive.catalog.sqlite.filing import load_addresses, read_parties


def dump(connection: Connection) -> dict[str, Any]:
    """Return the tables as plain values, keyed by hashes and names."""
    messages = connection.execute(sql_dump.ALL_MESSAGES).all()
    shas = {row.id: join(row.key, row.rest).hex() for row in messages}
    state = connection.execute(sql.GET_STATE).one()
    return {
        "head": (state.tree_size, state.root.hex(), state.segment, state.offset),
        "totals": reading.totals(connection),
        "messages": {shas[row.id]: _message(row) for row in messages},
        "formers": [
            (row.id, join(row.key, row.rest).hex(), shas[row.message])
            for row in connection.execute(sql_dump.ALL_FORMERS).all()
        ],
        "regenerated": state.regenerated,
        "folders": _folders(connection, messages, shas),
        "envelopes": _envelopes(connection, shas),
        "arrivals": [tuple(row) for row in connection.execute(sql_dump.ALL_ARRIVALS).all()],
        "placements": [
            (row.key, row.folder, row.date, shas[row.message])
            for row in connection.execute(sql_dump.ALL_PLACEMENTS).all()
        ],
        "counts": {
            (row.key, row.folder): (row.label, row.messages)
            for row in connection.execute(sql_lists.TREE).all()
        },
        "known": _known(connection),
        "parts": [tuple(row) for row in connection.execute(sql_dump.ALL_PARTS).all()],
        "quarantine": [
            (row.resolved, reading.quarantine_row(row))
            for row in connection.execute(sql_dump.ALL_QUARANTINE).all()
        ],
        "redactions": [tuple(row) for row in connection.execute(sql_dump.ALL_REDACTIONS).all()],
        "tombstones": [tuple(row) for row in connection.execute(sql_dump.ALL_TOMBSTONES).all()],
        "runs": [tuple(row) for row in connection.execute(sql_dump.ALL_RUNS).all()],
        "audit": [tuple(row) for row in connection.execute(sql_dump.ALL_AUDITS).all()],
        "audit keys": [tuple(row) for row in connection.execute(sql_dump.ALL_AUDIT_KEYS).all()],
        "decisions": [tuple(row) for row in connection.execute(sql_dump.ALL_DECISIONS).all()],
        "evidence": [tuple(row) for row in connection.execute(sql_dump.ALL_EVIDENCE).all()],
        "directory": [tuple(row) for row in connection.execute(sql.GET_DIRECTORY).all()],
    }


def _message(row: Any) -> tuple[Any, ...]:
    content = b"" if row.content_key is None else join(row.content_key, row.content_rest)
    return (
        row.id, row.segment, row.offset, content.hex(), row.date, row.size, row.hidden, row.attachments,
        row.touched, row.received,
        row.sender, row.recipients, row.subject, read_words(row.notes), row.name,
    )  # fmt: skip


def _folders(connection: Connection, messages: Any, shas: dict[int, str]) -> dict[str, list[tuple[str, str]]]:
    """Return the folders of messages by their own rows, which must agree with the placements."""
    names = {row.id: (row.key, row.folder) for row in connection.execute(sql_dump.ALL_BOXES).all()}
    return {shas[row.id]: sorted(names[box] for box in read_numbers(row.boxes)) for row in messages}


def _envelopes(connection: Connection, shas: dict[int, str]) -> dict[str, tuple[Any, ...]]:
    rows = connection.execute(sql_dump.ALL_ENVELOPES).all()
    names = load_addresses(connection, (row.parties for row in rows))
    links, owners, mentioned = (defaultdict(list) for _ in range(3))
    for link in connection.execute(sql_dump.ALL_LINKS).all():
        links[link.envelope].append(shas[link.message])
    for owner in connection.execute(sql_dump.ALL_OWNERS).all():
        owners[owner.envelope].append((owner.address, owner.folder, owner.flags or ""))
    for mention in connection.execute(sql_dump.ALL_MENTIONS).all():
        mentioned[mention.envelope].append(mention.address)
    return {
        join(row.key, row.rest).hex(): (
            row.id, row.segment, row.offset, row.time, row.report, row.route, row.size, row.name,
            read_words(row.flags), read_parties(row.parties, names), links[row.id],
            sorted(owners[row.id]), sorted(mentioned[row.id]),
        )
        for row in rows
    }  # fmt: skip


def _known(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(sql_dump.ALL_KNOWN).all()]
