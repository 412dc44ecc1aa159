"""Answers GetAudit: the audit trail as auditors read it."""

from __future__ import annotations

import pwd
import time

from muniment import api
from muniment.archive.catalog.audit_keys import KINDS, WHO
from muniment.archive.operations.audit_search import (
    AuditConditions,
    removed_person,
    search_audit,
)
from muniment.archive.operations.check_names import person, suggestion
from muniment.archive.proof.trail import read_trail
from muniment.archive.vault.vault import Vault
from muniment.config.model import AccessSection
from muniment.errors import NotFound, UsageError
from muniment.people.directory import User
from muniment.service.access.audit_events import api_event, place_of
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession
from muniment.service.operations.operation import Operation
from muniment.service.operations.time_zone import zone_asked
from muniment.system.periods import period


def list_audit(session: ClientSession, request: api.GetAudit) -> api.Audit:
    """Answer GetAudit: a page of events, found by the catalog and read from the ledger."""
    now = int(time.time())
    now = min(request.now, now) if request.now > 0 else now
    with session.reading() as vault:
        wanted = _conditions(vault, request, session.settings().access, now)
        limit = min(max(request.limit, 1), 10_000)
        place, oldest_first = max(request.after, 0), request.oldest_first or bool(request.cursor)
        if request.cursor:
            place = max(place, place_of(vault, request.cursor))
        page = search_audit(vault, wanted, limit, place, oldest_first)
        trail = read_trail(vault, page.rows, counted=request.check and not request.after)
        events = tuple(api_event(vault, row) for row in trail.rows)
    before = page.rows[0].sequence if page.rows else 0
    return api.Audit(events=events, after=page.last, before=before, problems=trail.problems, now=now)


def _conditions(vault: Vault, request: api.GetAudit, access: AccessSection, now: int) -> AuditConditions:
    """The conditions of a request, checked. Days are counted from `now`, seconds since 1970 UTC.

    Raises:
        NotFound: the person or the reader does not exist.
        UsageError: a kind, a day or the time zone is unknown.
    """
    for kind in request.kinds:
        if kind not in KINDS:
            raise UsageError(f"{kind!r} is no kind of event: use one of {', '.join(KINDS)}")
    if request.reader:
        _require_reader(vault, request.reader, access)
    since, _ = _days(request.since, request.zone, now)
    _, until = _days(request.until, request.zone, now)
    return AuditConditions(
        reader=request.reader,
        person=_concerned(vault, request.person) if request.person else None,
        kinds=request.kinds,
        since=since,
        until=until,
        words=tuple(request.word.split()),
    )


def _concerned(vault: Vault, name: str) -> User:
    """The user with a name or an address, who may have been removed. Raises NotFound if there was none."""
    try:
        return person(vault, name)
    except NotFound:
        removed = removed_person(vault, name)
        if removed is None:
            raise
        return removed


def _require_reader(vault: Vault, name: str, access: AccessSection) -> None:
    known = {key.removeprefix(WHO) for key in vault.catalog.audit_keys(WHO)}
    known |= {*access.administrators, *access.auditors, *access.users}
    if name not in known and not _is_login(name):
        raise NotFound(
            f"there is no reader {name!r}{suggestion(name, sorted(known))}: a reader is a login name of this "
            "machine"
        )


def _is_login(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except (KeyError, ValueError):
        return False


def _days(text: str, zone: str, now: int) -> tuple[int | None, int | None]:
    """The span of a day, month or year as it was typed; (None, None) for none."""
    if not text:
        return None, None
    try:
        return period(text, now, zone_asked(zone))
    except ValueError:
        raise UsageError(f"{text!r} is no day: write 2026-01-31, 2026-01, today, yesterday or 7d") from None


OPERATIONS = (Operation(api.GetAudit, (api.Audit,), AccessRole.AUDITOR, list_audit),)
