"""The answers of the Graph double. Each names its source (support.graph_sources)."""

from __future__ import annotations

import secrets
from typing import Any

from support.graph_mailboxes import Sick
from support.graph_sources import MADE_UP, REPORTED, SOURCES, UNKNOWN

REFUSALS = 400
"""The least status of a refusal."""


class Answer(Exception):
    """An answer that ends the work on a request."""

    def __init__(self, source: str, status: int, body: Any = None, **headers: str) -> None:
        """Set the answer.

        Args:
            source: Letters of SOURCES, such as "D3 R15"; UNKNOWN for a refusal, MADE_UP for what a test asks.
            status: The HTTP status.
            body: JSON, or bytes.
            headers: Header fields.

        Raises:
            ValueError: An answer has no source, or grants what is unknown.
        """
        super().__init__(status)
        if source not in (UNKNOWN, MADE_UP) and not (source and set(source.split()) <= set(SOURCES)):
            raise ValueError(f"{source!r} is no source")
        if source == UNKNOWN and status < REFUSALS:
            raise ValueError("what is unknown must be refused")
        self.source, self.status, self.body, self.headers = source, status, body, headers


def failed(source: str, status: int, code: str, message: str = "", **headers: str) -> Answer:
    """An error in Graph's form (D2)."""
    inner = {"date": "2026-11-30T06:00:00", "request-id": secrets.token_hex(16), "client-request-id": "none"}
    words = message or f"The words for {code}."
    return Answer(source, status, {"error": {"code": code, "message": words, "innerError": inner}}, **headers)


def unknown(what: str) -> Answer:
    """The refusal of a request whose answer no public source documents: our code must not rely on it."""
    return failed(UNKNOWN, 501, "UnknownToTheDouble", what)


def wished(status: int, code: str, **headers: str) -> Answer:
    """What a test asks for: mostly an error."""
    return failed(REPORTED.get((status, code), MADE_UP), status, code, **headers)


def sickness(sick: Sick) -> Answer:
    """The answer of a mailbox or folder that fails."""
    headers = {"Retry-After": sick.retry_after} if sick.retry_after else {}
    if sick.html:
        page = b"<html><title>Blocked</title>Ask your administrator.</html>"
        return Answer(MADE_UP, sick.status, page, **headers)
    return wished(sick.status, sick.code, **headers)


def throttled(retry_after: str) -> Answer:
    """The answer to a request that is too much."""
    words = "Application is over its MailboxConcurrency limit."
    return failed("D3 R15", 429, "ApplicationThrottled", words, **{"Retry-After": retry_after})


def without_deletion(kind: int | str) -> Answer:
    """The possible answers of a cloud without permanentDelete; which one is right is unknown."""
    match kind:
        case 405:
            words = "Specified HTTP method is not allowed for the request target."
            return failed("D1", 405, "Request_BadRequest", words)
        case 400:
            return failed("R4", 400, "BadRequest", "Resource not found for the segment 'permanentDelete'.")
        case 404:
            return failed("R7", 404, "ResourceNotFound", "Resource could not be discovered.")
    return failed("R9", 404, "ErrorItemNotFound")
