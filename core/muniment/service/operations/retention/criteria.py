"""Makes a selection of mail of the criteria that a request names."""

from __future__ import annotations

import time

from muniment import api
from muniment.archive.retention.selection import MailSelection, selection_of
from muniment.errors import UsageError
from muniment.people.directory import Directory
from muniment.service.operations.time_zone import zone_asked
from muniment.system.periods import period


def selection_asked(directory: Directory, mail: api.MailCriteria, zone: str) -> MailSelection:
    """The selection that criteria describe, by the directory of today.

    Args:
        directory: the directory of today.
        mail: the criteria.
        zone: the name of the time zone of their dates.

    Raises:
        UsageError: a date or another criterion can't be used, or the zone is unknown.
        QueryError: the query is not valid.
        NotFound: a person is neither a user nor an address, or there is no such group.
    """
    now = int(time.time())
    return selection_of(
        directory,
        now=now,
        zone=zone,
        people=mail.people,
        groups=mail.groups,
        domains=mail.domains,
        direction=mail.direction,
        folders=mail.folders,
        profiles=mail.profiles,
        least=mail.least,
        most=mail.most,
        attachments=mail.attachments,
        kinds=mail.kinds,
        since=day_asked(mail.since, zone)[0] if mail.since else None,
        until=day_asked(mail.until, zone)[1] if mail.until else None,
        query=mail.query,
    )


def day_asked(text: str, zone: str) -> tuple[int, int]:
    """The first second of a day, month or year that was typed, and the first second after it.

    Raises:
        UsageError: it is no date, or the zone is unknown.
    """
    try:
        return period(text, time.time(), zone_asked(zone))
    except ValueError:
        raise UsageError(f"{text!r} is not a date: write it like 2026-01-31, 2026-01 or 2026") from None
