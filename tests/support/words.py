"""Messages of the api with plausible values, for tests of what shows them."""

from typing import Any

from muniment.api import (
    Attachment,
    DiskState,
    EnvelopeWord,
    Health,
    HealthProblem,
    Hit,
    Message,
    ProgressWord,
    RunSummary,
    Status,
)
from support.engine_double import HOSTILE

SHA = "3f7a91c20b44" + "0" * 52


def summary(**changes: Any) -> RunSummary:
    """A run that went well."""
    values: dict[str, Any] = {
        "profile": "gw", "state": "ok", "listed": 1010, "fetched": 1000, "already": 10, "skipped": 0,
        "pending": 0, "new": 900, "merged": 99, "quarantined": 1, "left": 0, "failed": 0,
        "deleted": 1010, "bytes": 23_400_000, "seconds": 12.34, "balanced": True,
    }  # fmt: skip
    return RunSummary(**(values | changes))


def progress(**changes: Any) -> ProgressWord:
    """A run half way through."""
    values: dict[str, Any] = {
        "profile": "gw", "stage": "fetching",
        "books": {"listed": 1000, "fetched": 512, "new": 500, "merged": 12},
        "stored": 512, "indexed": 100, "bytes": 1_000_000, "seconds": 3.2, "rates": {"fetch": 160.4},
    }  # fmt: skip
    return ProgressWord(**(values | changes))


def hit(**changes: Any) -> Hit:
    """A harmless message in a list."""
    values: dict[str, Any] = {
        "id": SHA, "date": 1736186997, "sender": "Ada Quill <ada@quill.example>", "to": "bob@quill.example",
        "subject": "Звіт про лінзу", "size": 12_345, "attachments": 2,
        "folders": ("bob@quill.example/Inbox",),
    }  # fmt: skip
    return Hit(**(values | changes))


def hostile_hit() -> Hit:
    """A message whose every string is hostile."""
    return hit(sender=HOSTILE, to=HOSTILE, subject=HOSTILE, folders=(HOSTILE,))


def message(text: str = "Hello Bob,\n\nsee you.\n") -> Message:
    """A message with every field set."""
    return Message(
        id=SHA,
        date=1736186997,
        size=12_345,
        headers=(("From", "Ada <ada@quill.example>"), ("Subject", "Lens")),
        text=text,
        attachments=(Attachment(filename="a.pdf", content_type="application/pdf", size=2500),),
        envelopes=(
            EnvelopeWord(
                number=1,
                report=True,
                sha256="ab" * 32,
                size=15_000,
                time=1736187000,
                parties=(
                    ("sender", "ada@quill.example", ""),
                    ("bcc", "bob@quill.example", "all@quill.example"),
                ),
                profile="gw",
                flags=("untrusted",),
            ),
        ),
        folders=("bob@quill.example/Inbox",),
        notes=("unknown charset",),
    )


def status(**changes: Any) -> Status:
    """The status of a new vault."""
    values: dict[str, Any] = {
        "vault": "/v", "name": "Quill", "domains": ("quill.example",), "owner": "", "messages": 0,
        "envelopes": 0,
        "records": 3, "quarantined": 0, "behind": 0, "users": 0, "bytes_raw": 0, "bytes_ledger": 4096,
        "bytes_catalog": 8192, "bytes_index": 0, "profiles": (),
    }  # fmt: skip
    return Status(**(values | changes))


def state_of_health(*problems: HealthProblem, **changes: Any) -> Health:
    """The health of a vault with these problems, the worst first."""
    values: dict[str, Any] = {
        "time": 1736190000, "messages": 1234, "behind": 5, "users": 300, "silent_total": 2,
        "last_report": 1736186997, "quarantined": 1,
        "disk": DiskState(total=100 * 10**9, free=12_300_000_000, days_left=40),
        "verdict": problems[0].severity if problems else "ok",
        "summary": problems[0].text if problems else "The archive is well.", "problems": problems,
    }  # fmt: skip
    return Health(**(values | changes))
