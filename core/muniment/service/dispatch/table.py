"""The table of operations: one entry for each request of `muniment.api`."""

from __future__ import annotations

from collections.abc import Iterable

from muniment.api import Request
from muniment.service.access.roles import AccessRole
from muniment.service.operations import (
    audit,
    checklist,
    health,
    history,
    logins,
    message_proof,
    notifying,
    own_mail,
    profile_test,
    profiles,
    proving,
    rebuilding,
    runs,
    settings,
    sign_in,
    users,
    vaults,
)
from muniment.service.operations.access import groups, readers, rights
from muniment.service.operations.evidence import checkpoints
from muniment.service.operations.operation import AuditRule, Operation
from muniment.service.operations.restores import restoring
from muniment.service.operations.retention import approvals, disposing, erasing, holds, rules, simulating
from muniment.service.operations.subject import packaging, reviewing
from muniment.service.operations.subject import requests as subject_requests

MODULES = (
    approvals, audit, checklist, checkpoints, disposing, erasing, groups, health, history, holds, logins,
    message_proof, notifying, own_mail, packaging, profile_test, profiles, proving, readers, rebuilding,
    restoring, reviewing, rights, rules, runs, settings, sign_in, simulating, subject_requests, users, vaults,
)  # fmt: skip


def table_of(operations: Iterable[Operation]) -> dict[type[Request], Operation]:
    """Operations by the class of their request.

    Raises:
        ValueError: two operations answer one request, or `own_mail` is missing for plain users or set for
            others, a stream is to be recorded as a change, or another request as a start.
    """
    table: dict[type[Request], Operation] = {}
    for operation in operations:
        name = operation.request.__name__
        if operation.request in table:
            raise ValueError(f"two operations answer {name}")
        if (operation.role is AccessRole.USER) != (operation.own_mail is not None):
            raise ValueError(f"{name} must have a handler of own mail for plain users, and only for them")
        if operation.streams and operation.audit is AuditRule.CHANGE:
            raise ValueError(f"{name} is a stream, whose change would not be recorded")
        if not operation.streams and operation.audit is AuditRule.STARTED:
            raise ValueError(f"{name} is no stream, so its start would not be recorded")
        table[operation.request] = operation
    return table


OPERATIONS = table_of(operation for module in MODULES for operation in module.OPERATIONS)
