"""Requests of auditors with limits: what is recorded of them, and who answers them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from muniment import api
from muniment.api import Request
from muniment.archive.catalog import MessageRow
from muniment.archive.vault.vault import Vault
from muniment.errors import AccessRefused
from muniment.service.access.audit_trail import PEOPLE, Event, audit_event, record, require_reason
from muniment.service.access.limited_mail import AuditRight, LimitedMail
from muniment.service.access.roles import AccessRole
from muniment.service.dispatch.granted import ReadablePerson, chosen_of
from muniment.service.host.session import ClientSession
from muniment.service.operations.access.limited import ANSWERS, exported_total, named_rows
from muniment.service.operations.operation import Answer, AuditRule, Operation

OF_MAIL = (
    api.ListMessages, api.Search, api.Show, api.ReadRaw, api.ReadAttachment, api.Export, api.ShowUser,
)  # fmt: skip
"""Requests about some mail, which may be the reader's own, or that of a person by a grant."""


def is_limited(session: ClientSession, request: Request, people: Sequence[ReadablePerson]) -> bool:
    """Whether a request is about the mail of an auditor with limits.

    It is not, if it names their own mail or a person whose mail they read as that person does.

    Args:
        session: the session.
        request: the request.
        people: these people.
    """
    if not people:
        return True
    if not isinstance(request, OF_MAIL):
        return False
    with session.reading() as vault:
        return chosen_of(vault, request, people) is None


def limited_answer(
    session: ClientSession, operation: Operation, right: AuditRight, request: Request
) -> Answer:
    """The answer to an auditor with limits; its event is committed as for other reads of others' mail.

    Raises:
        AccessRefused: the request is not for auditors with limits.
        ReasonNeeded: [access] requires a reason, and the request has none.
        NotFound: it names what is not within the limits.
    """
    handler = ANSWERS.get(type(request))
    if handler is None:
        raise AccessRefused(f"an auditor with limits may not do this ({type(request).__name__})")
    if operation.audit in (AuditRule.BEFORE, AuditRule.AFTER):
        require_reason(session, request)
        with session.reading() as vault:
            event = _event(session, vault, right, request)
        record(session, event, soon=operation.audit is AuditRule.AFTER)
    return handler(session, right, request)


def _event(session: ClientSession, vault: Vault, right: AuditRight, request: Request) -> Event:
    mail = LimitedMail(vault, right)
    rows = named_rows(mail, request)
    total = exported_total(vault, mail, request, rows) if isinstance(request, api.Export) else 0
    people = _people(vault, mail, request, rows)
    return audit_event(
        "read", session.caller, AccessRole.AUDITOR, request, messages=[row.sha.hex() for row in rows],
        number=getattr(request, "number", 0), report=getattr(request, "report", 0), grant=right.ids,
        people=sorted(people) if len(people) <= PEOPLE else [], total=total,
    )  # fmt: skip


def _people(
    vault: Vault, mail: LimitedMail, request: Request, rows: Collection[MessageRow]
) -> Collection[str]:
    """Whose mail it is; none for everybody's."""
    if rows:
        return vault.catalog.holders([row.sequence for row in rows]) - {""}
    name = getattr(request, "user", "")
    user = mail.user(name) if name else None
    return {user.id} if user is not None else mail.people or ()
