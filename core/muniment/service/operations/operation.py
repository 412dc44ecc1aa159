"""The entry of a request in the table of operations: role, handlers, replies, audit.

Each module of this folder ends with its `OPERATIONS`. `dispatch.table` joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from muniment.api import Request, WireWord
from muniment.people.directory import User
from muniment.service.access.roles import AccessRole
from muniment.service.host.session import ClientSession


@dataclass(frozen=True, slots=True)
class Changed:
    """The reply to a request with AuditRule.CHANGE, with what its event says beside the request."""

    reply: WireWord
    detail: dict[str, Any] = field(default_factory=dict)
    """Further fields of the event."""
    made: bool = True
    """Whether anything has changed; if not, there is no event."""


Answer = WireWord | Iterator[WireWord]


class AuditRule(Enum):
    """When a request is recorded in the audit trail."""

    NEVER = "never"
    """The request shows no mail, and changes nothing that auditors look for."""
    BEFORE = "before"
    """The request shows mail: the event is committed before the first reply is sent."""
    AFTER = "after"
    """The request lists mail: the event is committed within a second of the reply."""
    COUNTED = "counted"
    """The request counts mail, or says what rules make of it, without showing any: the event is committed
    within a second of the reply, or before a stream. It needs no reason, also where [access] requires one."""
    CHANGE = "change"
    """The request changes profiles or settings: once that is done, the event is committed within a second. A
    dry run (`check`) is not recorded, and neither is a reply as `Changed` that says so. It can't be used for
    a stream."""
    STARTED = "started"
    """The request starts work: the event is committed before it. If that fails, as in a damaged vault, the
    event is committed once the work is done, or the client has left. The work is done anyway, since it can be
    the repair. The handler checks the request when it is called, and starts the work when the first reply is
    asked for, so that a request that can't be met is no event."""
    WITHIN = "within"
    """The request changes the directory or makes a decision: its handler commits the change and its event in
    one batch, so that neither is kept without the other."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A request, and what the service needs to answer it."""

    request: type[Request]
    """The class of the request."""
    replies: tuple[type[WireWord], ...]
    """Classes of the replies: the request gets one of them, or a stream of them."""
    role: AccessRole
    """The least role that may send it. An operation for USER has `own_mail`."""
    handler: Callable[[ClientSession, Any], Answer | Changed]
    """Answers auditors and administrators. Takes the session and the request, and raises MunimentError."""
    own_mail: Callable[[ClientSession, User, Any], Answer] | None = None
    """Answers plain users, from their own mail only. Takes the session, the user and the request."""
    streams: bool = False
    """Whether the handlers return an iterator, which the caller may close at any time to cancel the work."""
    audit: AuditRule = AuditRule.NEVER
