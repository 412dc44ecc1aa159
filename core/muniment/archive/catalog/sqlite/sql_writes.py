"""The SQL statements that change the catalog.

Statements that are strings take tuples and run by `executemany` of the driver. INSERT_* take the table's
columns in order, the others their parameters in the order in which the statement has them. A message makes a
dozen rows; named parameters would take twice the time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, exists, func, insert, literal_column, update
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


def _driver(statement: Any) -> str:
    """Compile a statement for the driver."""
    return str(statement.compile(dialect=sqlite.dialect()))


INSERT_MESSAGE = _driver(insert(message))
INSERT_ENVELOPE = _driver(insert(envelope))
_ARRIVED = sqlite.insert(arrival)
COUNT_ARRIVAL = _driver(
    _ARRIVED.on_conflict_do_update(
        index_elements=["report", "quarter"],
        set_={
            "copies": arrival.c.copies + _ARRIVED.excluded.copies,
            "newest": func.max(arrival.c.newest, _ARRIVED.excluded.newest),
        },
    )
)
INSERT_LINK = _driver(sqlite.insert(link).on_conflict_do_nothing())
INSERT_MENTION = _driver(sqlite.insert(mention).on_conflict_do_nothing())
INSERT_OWNER = _driver(sqlite.insert(owner).on_conflict_do_nothing())
INSERT_PLACEMENT = _driver(insert(placement))
PUT_PART = _driver(insert(part).prefix_with("OR REPLACE"))
ADD_PART = _driver(sqlite.insert(part).on_conflict_do_nothing())
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
AGE_MESSAGE = _driver(
    update(message)
    .values(received=func.min(message.c.received, bindparam("earlier")))
    .where(message.c.id == bindparam("message"))
)
DELETE_LINKS = _driver(delete(link).where(link.c.message == bindparam("message")))
DELETE_FORMERS = _driver(delete(former).where(former.c.message == bindparam("message")))
DELETE_EMPTY_BOX = _driver(
    delete(box).where(box.c.id == bindparam("box"), box.c.messages == literal_column("0"))
)
DELETE_EMPTY_USER = _driver(
    delete(user).where(user.c.id == bindparam("person"), ~exists().where(box.c.user == user.c.id))
)
DELETE_PART = _driver(
    delete(part).where(
        part.c.sha == bindparam("item"),
        part.c.segment == bindparam("at_segment"),
        part.c.offset == bindparam("at_offset"),
    )
)
DELETE_QUARANTINE = _driver(
    delete(quarantine).where(
        quarantine.c.sha == bindparam("item"),
        quarantine.c.segment == bindparam("at_segment"),
        quarantine.c.offset == bindparam("at_offset"),
    )
)
UNLINK_KNOWN = _driver(
    update(known)
    .values(envelope=literal_column("NULL"), sha=bindparam("item"))
    .where(known.c.envelope == bindparam("copy"))
)
DELETE_MENTION = _driver(
    delete(mention).where(mention.c.address == bindparam("person"), mention.c.envelope == bindparam("copy"))
)
DELETE_OWNERS = _driver(delete(owner).where(owner.c.envelope == bindparam("copy")))
DELETE_ENVELOPE = _driver(delete(envelope).where(envelope.c.id == bindparam("copy")))
DELETE_ADDRESS = _driver(delete(address).where(address.c.id == bindparam("person")))
_QUARTER = (arrival.c.report == bindparam("kind"), arrival.c.quarter == bindparam("period"))
TAKE_ARRIVALS = _driver(update(arrival).values(copies=arrival.c.copies - bindparam("less")).where(*_QUARTER))
DELETE_ARRIVAL = _driver(delete(arrival).where(*_QUARTER, arrival.c.copies == literal_column("0")))
SET_NEWEST = _driver(update(arrival).values(newest=bindparam("latest")).where(*_QUARTER))
INSERT_FORMER = _driver(insert(former))
HAND_ON_FORMER = _driver(
    update(former).values(message=bindparam("heir")).where(former.c.message == bindparam("message"))
)
INSERT_QUARANTINE = _driver(insert(quarantine))
INSERT_RUN = _driver(insert(run))
INSERT_AUDIT = _driver(insert(audit))
INSERT_AUDIT_KEY = _driver(sqlite.insert(audit_key).on_conflict_do_nothing())
INSERT_DECISION = _driver(insert(decision))
INSERT_EVIDENCE = _driver(insert(evidence))
INSERT_DIRECTORY = _driver(insert(directory))
INSERT_REDACTION = _driver(insert(redaction))
PUT_TOMBSTONE = _driver(insert(tombstone).prefix_with("OR REPLACE"))
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
SET_META = sqlite.insert(meta).values(name=bindparam("name"), value=bindparam("value"))
SET_META = SET_META.on_conflict_do_update(index_elements=["name"], set_={"value": SET_META.excluded.value})
