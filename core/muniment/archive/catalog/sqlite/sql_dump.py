"""The SQL statements that read whole tables, to compare catalogs."""

from __future__ import annotations

from sqlalchemy import select

from muniment.archive.catalog.sqlite.sql import COPIES, COPY_ROW, QUARANTINE_ROWS
from muniment.archive.catalog.sqlite.tables import (
    address,
    arrival,
    audit,
    audit_key,
    box,
    decision,
    envelope,
    evidence,
    former,
    known,
    link,
    mention,
    message,
    owner,
    part,
    place,
    placement,
    quarantine,
    redaction,
    run,
    tombstone,
    user,
)

ALL_MESSAGES = select(message).order_by(message.c.id)
ALL_ENVELOPES = select(*COPY_ROW).select_from(COPIES).order_by(envelope.c.id)
ALL_ARRIVALS = select(arrival).order_by(arrival.c.report, arrival.c.quarter)
ALL_LINKS = select(link).order_by(link.c.message, link.c.envelope)
ALL_FORMERS = select(former).order_by(former.c.id)
ALL_OWNERS = select(owner.c.envelope, address.c.address, owner.c.folder, owner.c.flags).join(
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
ALL_QUARANTINE = QUARANTINE_ROWS.order_by(quarantine.c.id)
ALL_REDACTIONS = select(redaction).order_by(redaction.c.id)
ALL_TOMBSTONES = select(tombstone).order_by(tombstone.c.sha, tombstone.c.copy)
ALL_RUNS = select(run).order_by(run.c.id)
ALL_DECISIONS = select(decision).order_by(decision.c.id)
ALL_EVIDENCE = select(evidence).order_by(evidence.c.id)
ALL_AUDITS = select(audit).order_by(audit.c.id)
ALL_AUDIT_KEYS = select(audit_key).order_by(audit_key.c.key, audit_key.c.audit)
