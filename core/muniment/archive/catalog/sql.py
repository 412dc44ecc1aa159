"""The SQL statements of the catalog, and the settings of its connections.

Statements that are strings take tuples and run by `executemany` of the driver. INSERT_* take the table's
columns in order, the others their parameters in the order in which the statement has them. A message makes a
dozen rows; named parameters would take twice the time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    Select,
    Table,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects import sqlite

from muniment.archive.catalog.tables import (
    address,
    audit,
    box,
    directory,
    envelope,
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
    run,
    state,
    user,
)

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA cache_size = -8192",
    "PRAGMA temp_store = MEMORY",
)
READ_PRAGMAS = ("PRAGMA cache_size = -2048", "PRAGMA query_only = ON")
"""Each reading thread has its own cache, so it is small; the system caches the rest of the file."""
MANY = 500
"""Most values of an IN at a time."""


def _driver(statement: Any) -> str:
    """Compile a statement for the driver."""
    return str(statement.compile(dialect=sqlite.dialect()))


@lru_cache(maxsize=256)
def many(statement: Select[Any], count: int) -> str:
    """Compile a statement whose only parameter is an IN over `many`, for `count` values."""
    compiled = statement.params(many=[None] * count).compile(
        dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True}
    )
    return str(compiled)


INSERT_MESSAGE = _driver(insert(message))
INSERT_ENVELOPE = _driver(insert(envelope))
INSERT_LINK = _driver(sqlite.insert(link).on_conflict_do_nothing())
INSERT_MENTION = _driver(sqlite.insert(mention).on_conflict_do_nothing())
INSERT_OWNER = _driver(sqlite.insert(owner).on_conflict_do_nothing())
INSERT_PLACEMENT = _driver(insert(placement))
PUT_PART = _driver(insert(part).prefix_with("OR REPLACE"))
MOVE_MESSAGE = _driver(
    update(message)
    .values(segment=bindparam("at_segment"), offset=bindparam("at_offset"))
    .where(message.c.id == bindparam("message"))
)
MEND_MESSAGE = _driver(
    update(message)
    .values(
        content_key=bindparam("first"),
        content_rest=bindparam("others"),
        name=bindparam("called"),
        hidden=bindparam("lacks"),
        attachments=bindparam("count"),
        sender=bindparam("by"),
        recipients=bindparam("whom"),
        subject=bindparam("about"),
        notes=bindparam("why"),
    )
    .where(message.c.id == bindparam("message"), message.c.content_key.is_(None))
)
"""A message without a content hash is one that could not be read when the catalog was built."""
MOVE_ENVELOPE = _driver(
    update(envelope)
    .values(segment=bindparam("at_segment"), offset=bindparam("at_offset"))
    .where(envelope.c.id == bindparam("envelope"))
)
DELETE_MESSAGE = _driver(delete(message).where(message.c.id == bindparam("message")))
DELETE_LINKS = _driver(delete(link).where(link.c.message == bindparam("message")))
INSERT_FORMER = _driver(insert(former))
HAND_ON_FORMER = _driver(
    update(former).values(message=bindparam("heir")).where(former.c.message == bindparam("message"))
)
INSERT_QUARANTINE = _driver(insert(quarantine))
INSERT_RUN = _driver(insert(run))
INSERT_AUDIT = _driver(insert(audit))
INSERT_DIRECTORY = _driver(insert(directory))
INSERT_BOX = _driver(insert(box))
INSERT_USER = _driver(insert(user))
INSERT_ADDRESS = _driver(insert(address))
INSERT_PROFILE = _driver(insert(profile))
INSERT_PLACE = _driver(insert(place))
PUT_KNOWN = _driver(insert(known).prefix_with("OR REPLACE"))
DELETE_KNOWN = _driver(
    delete(known).where(known.c.place == bindparam("place"), known.c.key == bindparam("key"))
)
DELETE_PLACEMENT = _driver(
    delete(placement).where(
        placement.c.box == bindparam("box"),
        placement.c.date == bindparam("date"),
        placement.c.message == bindparam("message"),
    )
)
ADD_TO_BOX = _driver(
    update(box).values(messages=box.c.messages + bindparam("more")).where(box.c.id == bindparam("box"))
)
FILE_MESSAGE = _driver(
    update(message)
    .values(touched=bindparam("at"), boxes=bindparam("places"))
    .where(message.c.id == bindparam("message"))
)
RECEIVE_ENVELOPE = _driver(
    update(envelope)
    .values(
        route=bindparam("reasons"),
        size=bindparam("bytes"),
        profile=bindparam("by"),
        parties=bindparam("whom"),
        flags=bindparam("why"),
    )
    .where(envelope.c.id == bindparam("envelope"))
)
RESOLVE_QUARANTINE = _driver(
    update(quarantine)
    .values(resolved=literal_column("1"))
    .where(quarantine.c.sha == bindparam("item"), quarantine.c.id < bindparam("before"))
)
NAME_QUARANTINE = _driver(
    update(quarantine)
    .values(profile=bindparam("by"), place=bindparam("at"), key=bindparam("under"))
    .where(
        quarantine.c.sha == bindparam("item"),
        quarantine.c.id < bindparam("before"),
        quarantine.c.profile == literal_column("''"),
    )
)
LABEL_USER = _driver(update(user).values(label=bindparam("name")).where(user.c.id == bindparam("user")))

# --- state -----------------------------------------------------------------------------------

NEW_STATE = insert(state)
GET_STATE = select(state)
TOUCH = "SELECT 1 FROM sqlite_master LIMIT 1"
"""Reads something from any SQLite file, so that SQLite opens the file and its log."""
GET_SCHEMA = select(state.c.schema)
SET_HEAD = update(state).values(
    tree_size=bindparam("size"),
    root=bindparam("hash"),
    segment=bindparam("at_segment"),
    offset=bindparam("at_offset"),
    messages=state.c.messages + bindparam("more_messages"),
    envelopes=state.c.envelopes + bindparam("more_envelopes"),
    moved_messages=state.c.moved_messages + bindparam("again_messages"),
    moved_envelopes=state.c.moved_envelopes + bindparam("again_envelopes"),
    message_bytes=state.c.message_bytes + bindparam("more_message_bytes"),
    copy_bytes=state.c.copy_bytes + bindparam("more_copy_bytes"),
    regenerated=state.c.regenerated + bindparam("more_regenerated"),
)
SET_REFILE = update(state).values(
    affected=bindparam("what"),
    cursor_address=bindparam("at_address"),
    cursor_envelope=bindparam("at_envelope"),
)
GET_META = select(meta.c.value).where(meta.c.name == bindparam("name"))
SET_META = sqlite.insert(meta).values(name=bindparam("name"), value=bindparam("value"))
SET_META = SET_META.on_conflict_do_update(index_elements=["name"], set_={"value": SET_META.excluded.value})
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

_ROW = (
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
)
MESSAGE_BY_SHA = (
    select(*_ROW)
    .where(message.c.key == bindparam("key"), message.c.rest == bindparam("rest"))
    .order_by(message.c.id)
    .limit(1)
)
MESSAGES_BY_RANGE = (
    select(*_ROW)
    .where(message.c.key.between(bindparam("low"), bindparam("high")))
    .order_by(message.c.key, message.c.id)
    .limit(bindparam("limit"))
)
MESSAGES_BY_ID = select(*_ROW).where(message.c.id.in_(bindparam("many", expanding=True)))
MESSAGE_IDS = select(message.c.id, message.c.key, message.c.rest).where(
    message.c.key.in_(bindparam("many", expanding=True))
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

# --- envelopes, keys, quarantine -----------------------------------------------------------------

_COPY = (
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
_COPIES = envelope.join(profile, profile.c.id == envelope.c.profile)
ENVELOPE_BY_SHA = (
    select(*_COPY)
    .select_from(_COPIES)
    .where(envelope.c.key == bindparam("key"), envelope.c.rest == bindparam("rest"))
    .order_by(envelope.c.id)
)
ENVELOPES_OF = (
    select(*_COPY)
    .select_from(_COPIES.join(link, link.c.envelope == envelope.c.id))
    .where(link.c.message == bindparam("message"))
    .order_by(envelope.c.id)
)
ENVELOPE_KEYS = select(envelope.c.key).where(envelope.c.key.in_(bindparam("many", expanding=True)))
ENVELOPES_BY_KEY = (
    select(*_COPY).select_from(_COPIES).where(envelope.c.key.in_(bindparam("many", expanding=True)))
)
REPORTS_OF = (
    select(*_COPY)
    .select_from(_COPIES)
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
    select(owner.c.envelope, address.c.address, owner.c.folder)
    .join(address, address.c.id == owner.c.address)
    .where(owner.c.envelope.in_(bindparam("many", expanding=True)))
)
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
_QUARANTINE = select(quarantine, place.c.host, place.c.mailbox, place.c.folder).select_from(
    quarantine.outerjoin(place, place.c.id == quarantine.c.place)
)
QUARANTINED = _QUARANTINE.where(quarantine.c.resolved == 0).order_by(quarantine.c.id)
QUARANTINE_BY_RANGE = _QUARANTINE.where(
    quarantine.c.sha.between(bindparam("low"), bindparam("high"))
).order_by(quarantine.c.id.desc())
COUNT_QUARANTINED = select(func.count()).select_from(quarantine).where(quarantine.c.resolved == 0)
LAST_REPORTS = (
    select(profile.c.name, func.max(envelope.c.id).label("place"))
    .join(envelope, envelope.c.profile == profile.c.id)
    .where(envelope.c.id >= bindparam("after"), envelope.c.report == 1)
    .group_by(profile.c.id)
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


AUDITED = (
    select(audit)
    .where(audit.c.id < bindparam("before"))
    .order_by(audit.c.id.desc())
    .limit(bindparam("limit"))
)

COUNT_AUDITS = select(func.count()).select_from(
    select(audit.c.segment, audit.c.offset).where(audit.c.id < bindparam("before")).distinct().subquery()
)

# --- lists ---------------------------------------------------------------------------------------

FIND_BOX = (
    select(box.c.id, box.c.messages)
    .join(user, user.c.id == box.c.user)
    .where(user.c.key == bindparam("user"), box.c.folder == bindparam("folder"))
)
BOXES_OF = (
    select(box.c.id, box.c.folder).join(user, user.c.id == box.c.user).where(user.c.key == bindparam("user"))
)
FIRST_PAGE = (
    select(*_ROW)
    .join(placement, placement.c.message == message.c.id)
    .where(placement.c.box == bindparam("box"))
    .order_by(placement.c.date.desc(), placement.c.message.desc())
    .limit(bindparam("limit"))
)
_PLACE = tuple_(placement.c.date, placement.c.message)
_HERE = tuple_(bindparam("date"), bindparam("message"))
NEXT_PAGE = FIRST_PAGE.where(_PLACE < _HERE)
OLDEST_PAGE = FIRST_PAGE.order_by(None).order_by(placement.c.date, placement.c.message)
NEXT_OLDEST_PAGE = OLDEST_PAGE.where(_PLACE > _HERE)
_SOME = select(placement.c.message).where(placement.c.box == bindparam("box")).limit(bindparam("most"))
COUNT_NEWER = select(func.count()).select_from(_SOME.where(_PLACE > _HERE).subquery())
COUNT_OLDER = select(func.count()).select_from(_SOME.where(_PLACE < _HERE).subquery())
"""Both statements count at most `most` rows."""
_DATES = select(placement.c.date).where(placement.c.box == bindparam("box")).limit(1)
SPAN = select(
    _DATES.order_by(placement.c.date).scalar_subquery(),
    _DATES.order_by(placement.c.date.desc()).scalar_subquery(),
)
"""The oldest and the newest date. `min` and `max` in one statement would read the whole folder."""
TREE = (
    select(user.c.key, user.c.label, box.c.folder, box.c.messages)
    .join(user, user.c.id == box.c.user)
    .where(box.c.messages > 0)
    .order_by(user.c.label, box.c.folder)
)
FOLDERS = (
    select(box.c.folder, box.c.messages)
    .join(user, user.c.id == box.c.user)
    .where(user.c.key == bindparam("user"), box.c.messages > 0)
    .order_by(box.c.folder)
)
_OWN = (
    select(placement.c.message)
    .join(box, box.c.id == placement.c.box)
    .join(user, user.c.id == box.c.user)
    .where(user.c.key == bindparam("user"))
)
UNINDEXED_OF = (
    select(message.c.id)
    .where(
        message.c.touched >= bindparam("watermark"),
        _OWN.where(placement.c.message == message.c.id, placement.c.date == message.c.date).exists(),
    )
    .order_by(message.c.id)
)
UNINDEXED_IN = (
    select(message.c.id)
    .where(message.c.touched >= bindparam("watermark"), message.c.id.in_(_OWN))
    .order_by(message.c.id)
)
COPIES_SINCE = (
    select(link.c.message, envelope.c.id, envelope.c.route, envelope.c.time, envelope.c.parties)
    .join(envelope, envelope.c.id == link.c.envelope)
    .where(link.c.message.in_(bindparam("many", expanding=True)), envelope.c.id >= bindparam("watermark"))
)
COUNT_TOUCHED = select(func.count()).select_from(message).where(message.c.touched >= bindparam("watermark"))
TOUCHED = (
    select(message.c.id, message.c.touched)
    .where(message.c.touched >= bindparam("watermark"))
    .order_by(message.c.touched, message.c.id)
    .limit(bindparam("limit"))
)
TOUCHED_WITH = (
    select(message.c.id)
    .where(message.c.touched == bindparam("touched"), message.c.id > bindparam("message"))
    .order_by(message.c.id)
)

# --- filing again ----------------------------------------------------------------------------------

MENTIONS_OF = (
    select(mention.c.envelope)
    .where(mention.c.address == bindparam("address"), mention.c.envelope > bindparam("after"))
    .order_by(mention.c.envelope)
    .limit(bindparam("limit"))
)

# --- everything, for comparison --------------------------------------------------------------------

ALL_MESSAGES = select(message).order_by(message.c.id)
ALL_ENVELOPES = select(*_COPY).select_from(_COPIES).order_by(envelope.c.id)
ALL_LINKS = select(link).order_by(link.c.message, link.c.envelope)
ALL_FORMERS = select(former).order_by(former.c.id)
ALL_OWNERS = select(owner.c.envelope, address.c.address, owner.c.folder).join(
    address, address.c.id == owner.c.address
)
ALL_MENTIONS = select(address.c.address, mention.c.envelope).join(address, address.c.id == mention.c.address)
ALL_PLACEMENTS = (
    select(user.c.key, box.c.folder, placement.c.date, placement.c.message)
    .select_from(placement.join(box, box.c.id == placement.c.box).join(user, user.c.id == box.c.user))
    .order_by(user.c.key, box.c.folder, placement.c.date, placement.c.message)
)
ALL_BOXES = select(box.c.id, user.c.key, box.c.folder).join(user, user.c.id == box.c.user)
ALL_KNOWN = (
    select(
        place.c.host,
        place.c.mailbox,
        place.c.folder,
        known.c.key,
        known.c.size,
        known.c.envelope,
        known.c.sha,
    )
    .join(place, place.c.id == known.c.place)
    .order_by(place.c.host, place.c.mailbox, place.c.folder, known.c.key)
)
ALL_PARTS = select(part).order_by(part.c.sha)
ALL_QUARANTINE = _QUARANTINE.order_by(quarantine.c.id)
ALL_RUNS = select(run).order_by(run.c.id)
ALL_AUDITS = select(audit).order_by(audit.c.id)
