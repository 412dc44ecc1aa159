"""The result of preparing a fetched copy: records that are ready to be appended, and what is known of them.

These values travel from worker processes to the service as MessagePack, so they are plain data.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from muniment.archive.ledger.model import LedgerRecord
from muniment.mail.model import EnvelopeParty, MessageSummary, MessageText


class PreparedMessage(Struct, array_like=True):
    """One message that a copy brought, encoded and read."""

    sha: bytes
    content: bytes
    """Its content hash (`mail.content.content_hash`); empty if it was not computed."""
    size: int
    record: LedgerRecord
    parts: list[LedgerRecord]
    summary: MessageSummary
    text: MessageText
    start: int = 0
    """Where its exact bytes lie in the copy: [start, end). Both are 0 if the copy has them encoded."""
    end: int = 0
    key: bytes = b""
    """For a placeholder: identifies the mail that it represents (see `mail.journal.placeholder`). Otherwise
    empty."""


def bare_message(sha: bytes, size: int, record: LedgerRecord, *notes: str) -> PreparedMessage:
    """A message of which only the bytes are known."""
    return PreparedMessage(
        sha=sha,
        content=b"",
        size=size,
        record=record,
        parts=[],
        summary=MessageSummary("", "", "", "", None, 0),
        text=MessageText("", "", "", "", "", "", (), notes),
    )


class PreparedCopy(Struct, array_like=True):
    """A fetched copy, prepared.

    If it has a `problem`, it goes to quarantine, and `envelope` contains it whole.
    """

    sha: bytes
    """SHA-256 of the bytes as they were fetched."""
    size: int
    envelope: LedgerRecord
    report: bool = False
    tenant: str = ""
    date: int | None = None
    """A report's own date, in seconds since 1970 UTC."""
    parties: tuple[EnvelopeParty, ...] = ()
    messages: list[PreparedMessage] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    problem: str = ""
    spill: str = ""
    """Path of a file with further records (see `runs.prepare.spill`), for copies too large for a pipe; "" for
    none."""
    named: tuple[str, ...] = ()
    """Recipients in the header fields that its job's `headers` name."""


class CopyJob(Struct, array_like=True):
    """One copy to prepare: its bytes, or the path of the file that contains them."""

    content: bytes
    path: str
    journal: bool
    """Whether a journal report is unwrapped."""
    headers: tuple[str, ...] = ()
    """Header fields that name recipients, in addition to the usual ones (see `mail.headers.routing`)."""


def size_of(job: CopyJob) -> int:
    """Bytes of a job's copy.

    Raises:
        OSError: its file can't be read.
    """
    return Path(job.path).stat().st_size if job.path else len(job.content)
