"""The SQL statements for folders, and for what the index lacks."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, tuple_

from muniment.archive.catalog.sqlite.sql import MESSAGE_ROW
from muniment.archive.catalog.sqlite.tables import box, envelope, link, message, placement, profile, user

FIND_BOX = (
    select(box.c.id, box.c.messages)
    .join(user, user.c.id == box.c.user)
    .where(user.c.key == bindparam("user"), box.c.folder == bindparam("folder"))
)
BOXES_OF = (
    select(box.c.id, box.c.folder).join(user, user.c.id == box.c.user).where(user.c.key == bindparam("user"))
)
FIRST_PAGE = (
    select(*MESSAGE_ROW)
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
MESSAGES_AFTER = (
    select(*MESSAGE_ROW)
    .where(message.c.id > bindparam("message"))
    .order_by(message.c.id)
    .limit(bindparam("limit"))
)
PROFILES_OF = (
    select(link.c.message, profile.c.name)
    .join(envelope, envelope.c.id == link.c.envelope)
    .join(profile, profile.c.id == envelope.c.profile)
    .where(link.c.message.in_(bindparam("many", expanding=True)))
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
