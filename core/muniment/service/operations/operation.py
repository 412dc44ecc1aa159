"""What the service knows of a request: who may send it, what answers it, and whether it is audited.

Each module of this folder ends with its `OPERATIONS`. `dispatch.table` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from muniment.api import Request, Word
from muniment.people.directory import User
from muniment.service.access.roles import Role
from muniment.service.host.session import Session

Answer = Word | Iterator[Word]


class Audit(Enum):
    """When the audit trail records that a request reads the mail of another person."""

    NEVER = "never"
    """The request shows no mail."""
    BEFORE = "before"
    """Committed before the first byte is sent: the request shows mail."""
    AFTER = "after"
    """Committed within a second of the reply: the request lists mail."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A request, and all that the service needs to answer it."""

    request: type[Request]
    replies: tuple[type[Word], ...]
    """What the request is answered with: one of these, or a stream of them."""
    role: Role
    """The least role that may send it. For USER there is `own_mail`."""
    handler: Callable[[Session, Any], Answer]
    """Takes the session and the request. Its errors are MunimentError."""
    own_mail: Callable[[Session, User, Any], Answer] | None = None
    """What answers a plain user instead, from their own mail alone."""
    streams: bool = False
    """Whether the handlers return an iterator, which the caller may close at any time to cancel the work."""
    audit: Audit = Audit.NEVER
