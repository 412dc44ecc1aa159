"""The record of what signatures of messages gave, and of the keys of DNS at that time.

`docs/ledger-format.md`, section "JSON records", specifies its fields.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from muniment.archive.facts import FramePosition, SenderEvidenceFact
from muniment.archive.ledger.records import VERSION
from muniment.mail.signatures.model import SignatureResult


class KeyEvidence(Struct, frozen=True, omit_defaults=True):
    """What DNS answered about one key."""

    name: str
    """The name that was asked for, such as "s1._domainkey.example.com"."""
    asked: int
    """When it was asked, in seconds since 1970 UTC."""
    text: bytes | None = None
    """The TXT record; None if there is none."""
    authentic: bool = False
    """Whether the resolver has checked the answer by DNSSEC (its AD flag)."""
    problem: str = ""
    """Why there is no record."""


class MessageEvidence(Struct, frozen=True, omit_defaults=True):
    """What the signatures of one message gave."""

    message: str
    """SHA-256 of the message, in hex."""
    results: tuple[SignatureResult, ...] = ()
    problem: str = ""
    """Why its signatures could not be read."""


class SenderEvidence(Struct, frozen=True, kw_only=True):
    """One record: the messages with numbers from `first` to `through`.

    Those that are not among `messages` have no signature.
    """

    v: int = VERSION
    first: int
    through: int
    keys: tuple[KeyEvidence, ...] = ()
    messages: tuple[MessageEvidence, ...] = ()


def encode_evidence(evidence: SenderEvidence) -> dict[str, object]:
    """Return the value of a record."""
    value = msgspec.to_builtins(evidence)
    assert isinstance(value, dict)
    return value


def read_evidence(content: bytes) -> SenderEvidence:
    """Decode the content of a record.

    Raises:
        ValueError: It is malformed, or of a later version.
    """
    evidence = msgspec.json.decode(content, type=SenderEvidence)
    if evidence.v > VERSION:
        raise ValueError("the record is of a version that this program does not know")
    if not 0 <= evidence.first <= evidence.through < 1 << 62:
        raise ValueError("the record's range of messages is malformed")
    return evidence


def evidence_fact(
    evidence: SenderEvidence, sequence: int, position: FramePosition, sha: bytes, size: int, time: int
) -> SenderEvidenceFact:
    """Return the catalog's fact of a record; `sha` and `size` are those of its content."""
    return SenderEvidenceFact(sequence, position, time, sha, size, evidence.first, evidence.through)
