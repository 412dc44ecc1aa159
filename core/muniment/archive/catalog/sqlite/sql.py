"""The settings of the catalog's connections, and the SQL statements for look-ups.

`sql_lists` has those for folders, `sql_writes` those that change anything.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, Select, Table, bindparam, func, or_, select, type_coerce
from sqlalchemy.dialects import sqlite

from muniment.archive.catalog.sqlite.tables import (
    address,
    arrival,
    audit,
    audit_key,
    box,
    decision,
    directory,
    envelope,
    evidence,
    former,
    known,
    link,
    mention,
    message,
    meta,
    owner,
    part,
    place,
    placement,
    profile,
    quarantine,
    redaction,
    run,
    state,
    tombstone,
    user,
)

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA cache_size = -8192",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = ON",
)
COPY = "VACUUM INTO ?"
"""Writes a new file with the rows alone. `secure_delete` is not enough: a page that SQLite divides keeps what
has moved to another page, in its free space."""
READ_PRAGMAS = ("PRAGMA cache_size = -512", "PRAGMA query_only = ON")
"""Each reading thread has its own cache, so it is small. The system caches the rest of the file."""
MANY = 500
"""Most values of an IN at a time."""


@lru_cache(maxsize=256)
def many(statement: Select[Any], count: int) -> str:
    """Compile a statement whose only parameter is an IN over `many`, for `count` values."""
    compiled = statement.params(many=[None] * count).compile(
        dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True}
    )
    return str(compiled)


# --- state -----------------------------------------------------------------------------------

GET_STATE = select(state)
TOUCH = "SELECT 1 FROM sqlite_master LIMIT 1"
"""Reads something from any SQLite file, so that SQLite opens the file and its log."""
GET_SCHEMA = select(state.c.schema)
GET_META = select(meta.c.value).where(meta.c.name == bindparam("name"))
EVIDENCE_FOR = (
    select(evidence)
    .where(evidence.c.through >= bindparam("message"))
    .order_by(evidence.c.through, evidence.c.id)
    .limit(1)
)
EVIDENCE_REACHED = select(func.max(evidence.c.through))
DECISIONS_OF_KIND = (
    select(decision)
    .where(decision.c.kind == bindparam("kind"), decision.c.id > bindparam("after"))
    .order_by(decision.c.id)
    .limit(bindparam("limit"))
)
GET_DIRECTORY = select(directory).order_by(directory.c.id)
COUNT_DIRECTORY = select(func.count()).select_from(directory)

# --- numbers for names -------------------------------------------------------------------------

ADDRESSES = select(address.c.address, address.c.id).where(
    address.c.address.in_(bindparam("many", expanding=True))
)
PROFILES = select(profile.c.name, profile.c.id).where(profile.c.name.in_(bindparam("many", expanding=True)))
USERS = select(user.c.key, user.c.id).where(user.c.key.in_(bindparam("many", expanding=True)))
PLACE = select(place.c.id).where(
    place.c.host == bindparam("host"),
    place.c.mailbox == bindparam("mailbox"),
    place.c.folder == bindparam("folder"),
)
BOX = select(box.c.id).where(box.c.user == bindparam("user"), box.c.folder == bindparam("folder"))
BOXES = (
    select(box.c.id, user.c.key, user.c.label, box.c.folder)
    .join(user, user.c.id == box.c.user)
    .where(box.c.id.in_(bindparam("many", expanding=True)))
)
USERS_OF_BOXES = select(box.c.user).where(box.c.id.in_(bindparam("many", expanding=True)))
ALL_USERS = select(user)
ADDRESSES_BY_ID = select(address.c.id, address.c.address).where(
    address.c.id.in_(bindparam("many", expanding=True))
)
ADDRESSES_FROM = (
    select(address.c.id, address.c.address)
    .where(address.c.id >= bindparam("first"))
    .order_by(address.c.id)
    .limit(bindparam("limit"))
)


def highest(table: Table) -> Select[Any]:
    """Select the highest id in a table; -1 if it is empty."""
    return select(func.coalesce(func.max(table.c.id), -1))


# --- messages ----------------------------------------------------------------------------------

MESSAGE_ROW = (
    message.c.id,
    message.c.key,
    message.c.rest,
    message.c.segment,
    message.c.offset,
    message.c.date,
    message.c.size,
    message.c.sender,
    message.c.recipients,
    message.c.subject,
    message.c.attachments,
    message.c.notes,
    message.c.hidden,
    message.c.received,
)
MESSAGE_BY_SHA = (
    select(*MESSAGE_ROW)
    .where(message.c.key == bindparam("key"), message.c.rest == bindparam("rest"))
    .order_by(message.c.id)
    .limit(1)
)
MESSAGES_BY_RANGE = (
    select(*MESSAGE_ROW)
    .where(message.c.key.between(bindparam("low"), bindparam("high")))
    .order_by(message.c.key, message.c.id)
    .limit(bindparam("limit"))
)
MESSAGE_NUMBERS = (
    select(message.c.id)
    .where(message.c.id.between(bindparam("first"), bindparam("last")))
    .order_by(message.c.id)
    .limit(bindparam("limit"))
)
MESSAGES_BY_ID = select(*MESSAGE_ROW).where(message.c.id.in_(bindparam("many", expanding=True)))
MESSAGE_IDS = select(message.c.id, message.c.key, message.c.rest).where(
    message.c.key.in_(bindparam("many", expanding=True))
)
CONTENTS = select(message.c.id, message.c.content_key, message.c.content_rest).where(
    message.c.id.in_(bindparam("many", expanding=True))
)
SHAS_BY_CONTENT = (
    select(message.c.key, message.c.rest)
    .where(message.c.content_key == bindparam("key"), message.c.content_rest == bindparam("rest"))
    .order_by(message.c.id)
)
NAMED = 1000
"""Most messages of one Message-ID that are read: hostile mail may use one for all of its messages."""
_NAMED = select(message.c.id, message.c.key, message.c.rest, message.c.sender).where(
    message.c.name == bindparam("name")
)
MESSAGES_BY_NAME = _NAMED.order_by(message.c.id).limit(NAMED)
_COPY_OF_IT = (
    select(envelope.c.id).join(link, link.c.envelope == envelope.c.id).where(link.c.message == message.c.id)
)
_LACKS_NOTE = ~func.coalesce(envelope.c.flags, "").contains(bindparam("note"))
MESSAGES_NOTED = (
    _NAMED.where(_COPY_OF_IT.exists(), ~_COPY_OF_IT.where(_LACKS_NOTE).exists())
    .order_by(message.c.id)
    .limit(NAMED)
)
"""The messages with a name that have copies, all of which have a certain note."""
NAMES = select(message.c.name).where(message.c.name.in_(bindparam("many", expanding=True))).distinct()
FORMERS_BY_RANGE = (
    select(former.c.key, former.c.rest, former.c.message)
    .where(former.c.key.between(bindparam("low"), bindparam("high")))
    .order_by(former.c.id)
)
FORMER_BY_ID = select(former.c.key, former.c.rest, former.c.message).where(former.c.id == bindparam("id"))
FORMERS_OF = (
    select(former.c.message, former.c.id, former.c.key, former.c.rest)
    .where(former.c.message.in_(bindparam("many", expanding=True)))
    .order_by(former.c.id)
)
FILED = select(message.c.id, message.c.date, message.c.touched, message.c.boxes).where(
    message.c.id.in_(bindparam("many", expanding=True))
)
MESSAGE_KEYS = select(message.c.key).where(message.c.key.in_(bindparam("many", expanding=True)))
CONTENT_KEYS = select(message.c.content_key).where(
    message.c.content_key.in_(bindparam("many", expanding=True))
)
PART_SHAS = select(part.c.sha).where(part.c.sha.in_(bindparam("many", expanding=True)))
PART = select(part.c.segment, part.c.offset).where(part.c.sha == bindparam("sha"))
ANY_TOMBSTONE = select(tombstone.c.sha).limit(1)
TOMBSTONES = select(tombstone.c.sha).where(tombstone.c.sha.in_(bindparam("many", expanding=True)))
TOMBSTONES_BY_CONTENT = select(tombstone.c.content, tombstone.c.sha).where(
    tombstone.c.content.in_(bindparam("many", expanding=True))
)
TOMBSTONES_BY_RANGE = (
    select(tombstone.c.sha)
    .where(tombstone.c.sha.between(bindparam("low"), bindparam("high")), tombstone.c.copy == 0)
    .limit(2)
)
ERASURE_OF = (
    select(redaction.c.id, redaction.c.at, redaction.c.basis)
    .join(tombstone, tombstone.c.redaction == redaction.c.id)
    .where(tombstone.c.sha == bindparam("sha"))
    .order_by(redaction.c.id.desc())
    .limit(1)
)

# --- envelopes, keys, quarantine -----------------------------------------------------------------

COPY_ROW = (
    envelope.c.id,
    envelope.c.key,
    envelope.c.rest,
    envelope.c.segment,
    envelope.c.offset,
    envelope.c.time,
    envelope.c.report,
    envelope.c.route,
    envelope.c.size,
    envelope.c.parties,
    envelope.c.flags,
    profile.c.name,
)
COPIES = envelope.join(profile, profile.c.id == envelope.c.profile)
ENVELOPE_BY_SHA = (
    select(*COPY_ROW)
    .select_from(COPIES)
    .where(envelope.c.key == bindparam("key"), envelope.c.rest == bindparam("rest"))
    .order_by(envelope.c.id)
)
ENVELOPES_OF = (
    select(*COPY_ROW)
    .select_from(COPIES.join(link, link.c.envelope == envelope.c.id))
    .where(link.c.message == bindparam("message"))
    .order_by(envelope.c.id)
)
ENVELOPE_KEYS = select(envelope.c.key).where(envelope.c.key.in_(bindparam("many", expanding=True)))
ENVELOPES_BY_KEY = (
    select(*COPY_ROW).select_from(COPIES).where(envelope.c.key.in_(bindparam("many", expanding=True)))
)
REPORTS_OF = (
    select(*COPY_ROW)
    .select_from(COPIES)
    .where(
        profile.c.name == bindparam("profile"),
        envelope.c.report == 1,
        envelope.c.route.bitwise_and(bindparam("route")) != 0,
    )
    .order_by(envelope.c.id)
    .limit(1)
)
VOUCHERS = 20
"""Most trusted reports of one message that are read to find its sender."""
TRUSTED_REPORTS = (
    select(envelope.c.time, envelope.c.parties, envelope.c.flags)
    .join(link, link.c.envelope == envelope.c.id)
    .where(
        link.c.message == bindparam("message"),
        envelope.c.report == 1,
        envelope.c.route.bitwise_and(bindparam("route")) != 0,
    )
    .order_by(envelope.c.id)
    .limit(VOUCHERS)
)
COPY_OF_OWNER = (
    select(link.c.envelope)
    .join(owner, owner.c.envelope == link.c.envelope)
    .join(address, address.c.id == owner.c.address)
    .where(link.c.message == bindparam("message"), func.lower(address.c.address) == bindparam("owner"))
    .limit(1)
)
FLAGGED = (
    select(envelope.c.time, envelope.c.flags)
    .where(envelope.c.flags.isnot(None))
    .order_by(envelope.c.id.desc())
    .limit(bindparam("limit"))
)
OWNERS_OF = (
    select(owner.c.envelope, address.c.address, owner.c.folder, owner.c.flags)
    .join(address, address.c.id == owner.c.address)
    .where(owner.c.envelope.in_(bindparam("many", expanding=True)))
)
OWNERS_BY_COPY = select(owner.c.envelope, owner.c.address).where(
    owner.c.envelope.in_(bindparam("many", expanding=True))
)
MENTIONED = (
    select(mention.c.address).where(mention.c.address.in_(bindparam("many", expanding=True))).distinct()
)
COPIES_BY_ID = select(
    envelope.c.id,
    envelope.c.key,
    envelope.c.rest,
    envelope.c.time,
    envelope.c.report,
    envelope.c.size,
    envelope.c.parties,
).where(envelope.c.id.in_(bindparam("many", expanding=True)))
LINKS_OF = select(link.c.envelope, link.c.message).where(
    link.c.envelope.in_(bindparam("many", expanding=True))
)
LINKS_TO = select(link.c.message, link.c.envelope).where(
    link.c.message.in_(bindparam("many", expanding=True))
)
LINKED_SHAS = (
    select(link.c.envelope, link.c.message, message.c.key, message.c.rest)
    .join(message, message.c.id == link.c.message)
    .where(link.c.envelope.in_(bindparam("many", expanding=True)))
)
ROUTES_OF = (
    select(link.c.message, envelope.c.id, envelope.c.time, envelope.c.route, envelope.c.parties)
    .join(envelope, envelope.c.id == link.c.envelope)
    .where(link.c.message.in_(bindparam("many", expanding=True)))
    .order_by(link.c.message, link.c.envelope)
)
KNOWN = (
    select(
        known.c.key,
        known.c.size,
        known.c.sha,
        known.c.envelope,
        envelope.c.key.label("first"),
        envelope.c.rest,
        envelope.c.route,
    )
    .select_from(known.outerjoin(envelope, envelope.c.id == known.c.envelope))
    .where(known.c.place == bindparam("place"), known.c.key.in_(bindparam("many", expanding=True)))
)
UNREAD = (
    select(link.c.envelope, message.c.notes)
    .join(message, message.c.id == link.c.message)
    .where(message.c.content_key.is_(None), message.c.notes.isnot(None))
)
"""The copies of messages that could not be read, with the notes that say why."""
QUARANTINE_ROWS = select(quarantine, place.c.host, place.c.mailbox, place.c.folder).select_from(
    quarantine.outerjoin(place, place.c.id == quarantine.c.place)
)
QUARANTINED = QUARANTINE_ROWS.where(quarantine.c.resolved == 0).order_by(quarantine.c.id)
QUARANTINE_BY_RANGE = QUARANTINE_ROWS.where(
    quarantine.c.sha.between(bindparam("low"), bindparam("high"))
).order_by(quarantine.c.id.desc())
COUNT_QUARANTINED = select(func.count()).select_from(quarantine).where(quarantine.c.resolved == 0)
LAST_REPORTS = (
    select(profile.c.name, func.max(envelope.c.id).label("place"))
    .join(envelope, envelope.c.profile == profile.c.id)
    .where(envelope.c.id >= bindparam("after"), envelope.c.report == 1)
    .group_by(profile.c.id)
)
ARRIVALS = (
    select(arrival.c.quarter, arrival.c.report, arrival.c.copies)
    .where(
        arrival.c.report.in_((0, 1)),
        arrival.c.quarter >= bindparam("first"),
        arrival.c.quarter < bindparam("end"),
    )
    .order_by(arrival.c.quarter, arrival.c.report)
)
NEWEST_REPORT = (
    select(arrival.c.newest)
    .where(arrival.c.report == 1, arrival.c.quarter <= bindparam("quarter"))
    .order_by(arrival.c.quarter.desc())
    .limit(1)
)
NEWEST_OF = select(arrival.c.newest).where(
    arrival.c.report == bindparam("report"), arrival.c.quarter == bindparam("quarter")
)
NEWEST_COPY = select(func.max(envelope.c.time)).where(
    envelope.c.report == bindparam("report"), envelope.c.time.between(bindparam("start"), bindparam("last"))
)
"""It reads all copies, so it is asked only if the newest of some in the same quarter of an hour is erased."""
OLDEST_REPORT = select(arrival.c.quarter).where(arrival.c.report == 1).order_by(arrival.c.quarter).limit(1)
_REPORTED = (
    select(placement.c.message)
    .join(link, link.c.message == placement.c.message)
    .join(envelope, envelope.c.id == link.c.envelope)
    .where(
        placement.c.box == box.c.id,
        placement.c.date >= bindparam("dated"),
        envelope.c.report == 1,
        envelope.c.route.bitwise_and(bindparam("route")) != 0,
        envelope.c.time >= bindparam("since"),
    )
    .order_by(placement.c.date.desc())
    .limit(1)
    .scalar_subquery()
)
"""The newest message in a folder that a report has brought, or NULL. It is no EXISTS, in which SQLite ignores
the order: from the oldest on, it would read all mail before the first new report. `dated` ends the search
where there is no report."""
REPORTED_USERS = (
    select(user.c.key)
    .join(box, box.c.user == user.c.id)
    .where(box.c.folder.in_(bindparam("folders", expanding=True)), _REPORTED.isnot(None))
    .distinct()
)
LAST_RUN = select(run).where(run.c.profile == bindparam("profile")).order_by(run.c.id.desc()).limit(1)


def runs(profile: str, state: str, before: int, eventful: bool, limit: int) -> Select[Any]:
    """Select finished runs, newest first; an empty, 0 or false argument does not restrict them."""
    summary = type_coerce(run.c.summary, JSON)
    found = select(run).order_by(run.c.id.desc()).limit(limit)
    if profile:
        found = found.where(run.c.profile == profile)
    if state:
        found = found.where(summary["state"].as_string() == state)
    if before:
        found = found.where(run.c.id < before)
    if eventful:
        passed = func.coalesce(summary["passed_over"].as_integer(), 0)
        moved = [summary[count].as_integer() > 0 for count in ("fetched", "deleted")]
        moved.append(summary["skipped"].as_integer() > passed)
        found = found.where(or_(summary["state"].as_string() != "ok", *moved))
    return found


def audited(oldest_first: bool) -> Select[Any]:
    """Select the next audit events between two sequences."""
    return (
        select(audit)
        .where(audit.c.id > bindparam("after"), audit.c.id < bindparam("before"))
        .order_by(audit.c.id if oldest_first else audit.c.id.desc())
        .limit(bindparam("limit"))
    )


def audited_by_key(oldest_first: bool) -> Select[Any]:
    """Select the sequences of the next audit events that have a key, between two sequences."""
    return (
        select(audit_key.c.audit)
        .where(
            audit_key.c.key == bindparam("key"),
            audit_key.c.audit > bindparam("after"),
            audit_key.c.audit < bindparam("before"),
        )
        .order_by(audit_key.c.audit if oldest_first else audit_key.c.audit.desc())
        .limit(bindparam("limit"))
    )


AUDITS_BY_ID = select(audit).where(audit.c.id.in_(bindparam("many", expanding=True)))
FIRST_AUDIT_KEY = select(func.min(audit_key.c.key)).where(audit_key.c.key >= bindparam("key"))
NEXT_AUDIT_KEY = select(func.min(audit_key.c.key)).where(audit_key.c.key > bindparam("key"))
AUDIT_SPAN = select(func.min(audit.c.id), func.max(audit.c.id)).where(
    audit.c.time >= bindparam("since"), audit.c.time < bindparam("until")
)
COUNT_AUDIT_KINDS = (
    select(func.count())
    .select_from(audit_key.join(audit, audit.c.id == audit_key.c.audit))
    .where(audit_key.c.key.in_(bindparam("kinds", expanding=True)), audit_key.c.audit < bindparam("before"))
)
COUNT_AUDITS = select(func.count()).select_from(
    select(audit.c.segment, audit.c.offset).where(audit.c.id < bindparam("before")).distinct().subquery()
)

# --- filing again ----------------------------------------------------------------------------------

_AMONG = func.json_each(bindparam("ids")).table_valued("value")
COUNT_MENTIONED = (
    select(func.count(link.c.message.distinct()))
    .select_from(mention.join(link, link.c.envelope == mention.c.envelope))
    .where(mention.c.address.in_(select(_AMONG.c.value)))
)
MENTIONS_OF = (
    select(mention.c.envelope)
    .where(mention.c.address == bindparam("address"), mention.c.envelope > bindparam("after"))
    .order_by(mention.c.envelope)
    .limit(bindparam("limit"))
)
