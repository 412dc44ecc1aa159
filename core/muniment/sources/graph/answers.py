"""What Microsoft Graph's answers mean: pages of lists, and every way of refusing.

Rests on Microsoft's pages "Error responses and resource types", "Throttling guidance", "JSON batching" and
"Delta query", and on public reports where those are silent (tests/support/graph_double.py names each).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from muniment.errors import SourceError
from muniment.sources.endpoint import Endpoint
from muniment.sources.retry import Passing

OK, NO_CONTENT, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED, GONE = (
    200,
    204,
    400,
    401,
    403,
    404,
    405,
    410,
)
PUT_OFF = frozenset({429, 503, 509})
"""Statuses of a service that wants to be left alone for a while."""
SERVER_ERROR = 500
REQUEST_TIMEOUT = 408
ITEM_NOT_FOUND = "ErrorItemNotFound"
"""What Exchange says of a message, by its id, that is not in the mailbox."""
UNRENDERABLE = frozenset({"ErrorMimeContentConversionFailed", "ErrorContentConversionFailed",
                          "ErrorMimeContentInvalid", "ErrorCorruptData"})  # fmt: skip
"""What Exchange says of a message that it can't write as MIME, however often it is asked."""
STALE = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "resyncchangesapplydifferences",
                   "resyncchangesuploaddifferences"})  # fmt: skip
"""What Graph says of a delta token that it no longer knows."""
NO_MAILBOX = frozenset({"ResourceNotFound", "Request_ResourceNotFound", "ErrorInvalidUser",
                        "MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI",
                        "ErrorNonExistentMailbox"})  # fmt: skip
_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}\Z")
NO_CODE = "without a code"


class Refused(SourceError):
    """An answer that asking again would not change."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(
            f"Microsoft Graph refused a request ({status} {code}): run again, and if it stays so, look that "
            "code up in Microsoft's documentation."
        )
        self.status, self.code = status, code

    @property
    def stale(self) -> bool:
        """Whether a delta token is no longer known."""
        return self.status == GONE or self.code.lower() in STALE

    @property
    def no_mailbox(self) -> bool:
        """Whether there is no mailbox to ask."""
        return self.code in NO_MAILBOX

    @property
    def no_item(self) -> bool:
        """Whether Exchange itself says that a message or folder is not in the mailbox.

        A 404 alone says nothing of the kind: a cloud answers so that does not know the request.
        """
        return self.status == NOT_FOUND and self.code == ITEM_NOT_FOUND


class PutOff(Passing):
    """The service wants to be left alone: for so many seconds, where it says so."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message)
        self.seconds = seconds


class Expired(Exception):
    """The token is not taken."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """A request below the API's root, such as GET /users/anna@example.org/mailFolders."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list."""

    values: list[dict[str, Any]]
    next: str = ""
    """Where the next part is; "" at the end."""
    delta: str = ""
    """At the end of a delta query: where to ask for what changed since."""


def check(status: int, headers: Mapping[str, str], content: bytes | dict[str, Any]) -> None:
    """Raise what an answer that is none stands for: Refused, PutOff, Expired, or Passing."""
    if status < BAD_REQUEST:
        return
    code = code_in(content)
    if code in UNRENDERABLE:
        raise Refused(status, code)
    if status == UNAUTHORIZED:
        raise Expired(code)
    if status in PUT_OFF:
        wait = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
        seconds = float(wait) if wait.isascii() and wait.isdigit() else None
        raise PutOff(
            f"Microsoft Graph is busy ({status} {code}) and asked to be left alone for a while: run "
            "again later, or less often.",
            seconds,
        )
    if status >= SERVER_ERROR or status == REQUEST_TIMEOUT:
        raise Passing(f"Microsoft Graph has trouble of its own ({status} {code}): run again later.")
    raise Refused(status, code)


def code_in(content: bytes | dict[str, Any]) -> str:
    """The code of an error; the service's own words are long, and not looked up."""
    if isinstance(content, bytes):
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return NO_CODE
    error = content.get("error") if isinstance(content, dict) else None
    code = str(error.get("code", "")) if isinstance(error, dict) else ""
    return code if _CODE.match(code) else NO_CODE


@contextmanager
def understood(endpoint: Endpoint) -> Iterator[None]:
    """Turn JSON that lacks what it must have, or has something else there, into one of our errors."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Passing(f"{endpoint.host} does not answer as Microsoft Graph does: check `host`.") from error
