"""What preparing a fetched copy yields: records ready to be kept, and what is known of them.

These values travel from worker processes to the service as MessagePack, so they are plain data.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from muniment.archive.ledger.model import Record
from muniment.mail.model import MessageText, Party, Summary


class PreparedMessage(Struct, array_like=True):
    """One message that a copy brought, encoded and read."""

    sha: bytes
    content: bytes
    """Content hash without transport headers; empty where it was not computed."""
    size: int
    record: Record
    parts: list[Record]
    summary: Summary
    text: MessageText
    start: int = 0
    """Where its very bytes lie in the copy: [start, end); both 0 where they are encoded there."""
    end: int = 0
    key: bytes = b""
    """For a placeholder: what tells which mail it stands for (see mail.journal.placeholder); else empty."""


def bare_message(sha: bytes, size: int, record: Record, *notes: str) -> PreparedMessage:
    """A message of which nothing is known but its bytes."""
    return PreparedMessage(
        sha=sha,
        content=b"",
        size=size,
        record=record,
        parts=[],
        summary=Summary("", "", "", "", None, 0),
        text=MessageText("", "", "", "", "", "", (), notes),
    )


class PreparedCopy(Struct, array_like=True):
    """A fetched copy, prepared. With `problem` it is to be quarantined: `envelope` holds it whole."""

    sha: bytes
    """SHA-256 of the bytes as fetched."""
    size: int
    envelope: Record
    report: bool = False
    tenant: str = ""
    date: int | None = None
    """A report's own date, seconds since 1970 UTC."""
    parties: tuple[Party, ...] = ()
    messages: list[PreparedMessage] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    problem: str = ""
    spill: str = ""
    """A file of further records (see runs.prepare.spill), for copies too large to pass through a pipe."""
    named: tuple[str, ...] = ()
    """Recipients whom the fields named by its job's `headers` give."""


class Job(Struct, array_like=True):
    """One copy to prepare: its bytes, or the path of the file that holds them."""

    content: bytes
    path: str
    journal: bool
    """Whether a journal report is unwrapped."""
    headers: tuple[str, ...] = ()
    """Header fields that name recipients besides those that always do (see mail.headers.routing)."""


def size_of(job: Job) -> int:
    """Bytes of a job's copy. Raises OSError where its file can't be read."""
    return Path(job.path).stat().st_size if job.path else len(job.content)
