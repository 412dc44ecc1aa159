"""Reads Microsoft Graph's answers: pages of lists, and errors.

The sources are Microsoft's pages "Error responses and resource types", "Throttling guidance", "JSON batching"
and "Delta query". Where they say nothing, public reports are used; tests/support/graph_sources.py names them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from muniment.errors import SourceError
from muniment.net.retry import TransientError
from muniment.sources.endpoint import ServerEndpoint

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
"""Statuses by which the service asks to wait."""
SERVER_ERROR = 500
REQUEST_TIMEOUT = 408
ITEM_NOT_FOUND = "ErrorItemNotFound"
"""Exchange's code for an id of no message in the mailbox."""
UNRENDERABLE = frozenset({"ErrorMimeContentConversionFailed", "ErrorContentConversionFailed",
                          "ErrorMimeContentInvalid", "ErrorCorruptData"})  # fmt: skip
"""Exchange's codes for a message that it can never write as MIME."""
STALE = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired", "resyncchangesapplydifferences",
                   "resyncchangesuploaddifferences"})  # fmt: skip
"""Graph's codes for a delta token that it no longer knows, in lower case."""
NO_MAILBOX = frozenset({"ResourceNotFound", "Request_ResourceNotFound", "ErrorInvalidUser",
                        "MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI",
                        "ErrorNonExistentMailbox"})  # fmt: skip
_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}\Z")
NO_CODE = "without a code"


class GraphRefused(SourceError):
    """An error that another attempt would not change."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(
            f"Microsoft Graph refused a request ({status} {code}): run again, and if that does not help, "
            "look the code up in Microsoft's documentation."
        )
        self.status, self.code = status, code

    @property
    def stale(self) -> bool:
        """Whether the service no longer knows a delta token."""
        return self.status == GONE or self.code.lower() in STALE

    @property
    def no_mailbox(self) -> bool:
        """Whether there is no such mailbox."""
        return self.code in NO_MAILBOX

    @property
    def no_item(self) -> bool:
        """Whether Exchange itself says that a message or folder is not in the mailbox.

        Status 404 alone does not: a cloud also sends it for a request that it does not know.
        """
        return self.status == NOT_FOUND and self.code == ITEM_NOT_FOUND


class RetryLater(TransientError):
    """The service asks to wait. `seconds` is for how long; None if it does not say."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message)
        self.seconds = seconds


class TokenExpired(Exception):
    """The service does not accept the token."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class GraphCall:
    """A request below the API's root, such as GET /users/anna@example.org/mailFolders."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class GraphPage:
    """A page of a list."""

    values: list[dict[str, Any]]
    next: str = ""
    """The path of the next page; "" at the end."""
    delta: str = ""
    """At the end of a delta query: the path that lists what changed since."""


def check(status: int, headers: Mapping[str, str], content: bytes | dict[str, Any]) -> None:
    """Raise the error that an answer means.

    Raises:
        GraphRefused: Another attempt would not change it.
        RetryLater: The service asks to wait.
        TokenExpired: The service does not accept the token.
        TransientError: The service has failed for now.
    """
    if status < BAD_REQUEST:
        return
    code = code_in(content)
    if code in UNRENDERABLE:
        raise GraphRefused(status, code)
    if status == UNAUTHORIZED:
        raise TokenExpired(code)
    if status in PUT_OFF:
        wait = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
        seconds = float(wait) if wait.isascii() and wait.isdigit() else None
        raise RetryLater(
            f"Microsoft Graph is busy ({status} {code}) and asks to wait: run again later, or less often.",
            seconds,
        )
    if status >= SERVER_ERROR or status == REQUEST_TIMEOUT:
        raise TransientError(f"Microsoft Graph has a problem of its own ({status} {code}): run again later.")
    raise GraphRefused(status, code)


def code_in(content: bytes | dict[str, Any]) -> str:
    """The code of an error; the service's own text is long and can't be looked up."""
    if isinstance(content, bytes):
        try:
            content = json.loads(content)
        except (ValueError, RecursionError):
            return NO_CODE
    error = content.get("error") if isinstance(content, dict) else None
    code = str(error.get("code", "")) if isinstance(error, dict) else ""
    return code if _CODE.match(code) else NO_CODE


@contextmanager
def understood(endpoint: ServerEndpoint) -> Iterator[None]:
    """Turn the errors from reading JSON of an unexpected form into TransientError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise TransientError(
            f"{endpoint.host} does not answer like Microsoft Graph: check `host`."
        ) from error
