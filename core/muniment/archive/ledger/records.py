"""The ledger's JSON records, such as receipts and deletions.

Each is canonical JSON (UTF-8, sorted keys, no blanks) with a version `v`, so that it can be read without
this program. Receipts of one batch that come from the same folder share one record, and so do deletions.
`docs/ledger-format.md`, section "JSON records", specifies the fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from muniment.archive.facts import ERASED_BEFORE, DeletionFact, OriginalFact, ReceiptFact, RoutingReason
from muniment.archive.ledger.codec import RecordEncoder
from muniment.archive.ledger.model import LedgerRecord, RecordKind
from muniment.mail.headers.addresses import normalise

VERSION = 1
DISPLACEMENT_RULE = 2
"""Number of the rule by which `instead` is decided.

Rule 2: only a trusted journal report may displace a message (see runs.pipeline.link_copies). Rule 1 looked at
likeness alone; receipts decided by rule 1 do not state a rule.
"""


class Receipt(Struct, frozen=True):
    """One copy that was fetched: which messages it holds, and how it is routed."""

    key: str
    """The source's key of the item."""
    size: int
    """Size as fetched, in bytes."""
    sha: bytes
    """SHA-256 of the bytes as fetched: that of its envelope record or of its quarantine record."""
    messages: tuple[bytes, ...]
    """SHA-256 of each message in the copy; empty for a quarantined item."""
    route: RoutingReason
    report: bool = False
    """Whether the copy was unwrapped as a journal report."""
    date: int | None = None
    """When the source received the copy, in seconds since 1970 UTC."""
    flags: tuple[str, ...] = ()
    """Flags at the source, such as `\\Seen`."""
    notes: tuple[str, ...] = ()
    """Why the copy is not trusted, or what went wrong while it was read."""
    reason: str = ""
    """Why the item is quarantined."""
    delivered: dict[str, str] = {}
    """Who delivered the copy to the embedded gateway: `peer`, `user`, `helo`, `certificate`."""
    envelope: dict[str, Any] = {}
    """The SMTP envelope at the embedded gateway: `from`, `to`, `original`, and `people` (addresses of people
    among the recipients)."""
    instead: dict[bytes, bytes] = {}
    """Displaced messages. Key: SHA-256 of a message that is known only in bytes that a service wrote, or by
    copies that no report vouches for. Value: SHA-256 of its original, which this copy holds."""
    rule: int = 1
    """Number of the rule by which `instead` was decided."""


@dataclass(frozen=True, slots=True)
class ReceiptGroup:
    """Receipts of one batch from one folder of one mailbox."""

    profile: str
    host: str
    mailbox: str
    folder: str
    owner: str = ""
    owner_folder: str = ""
    receipts: list[Receipt] = field(default_factory=list)


def canonical(value: object) -> bytes:
    """Encode a value as canonical JSON: UTF-8, sorted keys, no blanks."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def json_record(encoder: RecordEncoder, kind: RecordKind, value: object) -> LedgerRecord:
    """Make a record of `kind` that holds `value` as canonical JSON."""
    content = canonical(value)
    return encoder.encode(kind, content, hashlib.sha256(content).digest())


def parse(content: bytes) -> dict[str, Any]:
    """Decode the content of a JSON record.

    Raises:
        ValueError: The content is not a JSON object, or is of a later version.
    """
    value = json.loads(content.decode("utf-8", "surrogatepass"))
    if not isinstance(value, dict) or value.get("v", VERSION) > VERSION:
        raise ValueError("the record is of a version that this program does not know")
    return value


def receipt_value(group: ReceiptGroup) -> dict[str, Any]:
    """Return the value of the receipt record for a group."""
    value: dict[str, Any] = {
        "v": VERSION,
        "profile": group.profile,
        "host": group.host,
        "mailbox": group.mailbox,
        "folder": group.folder,
        "receipts": [_receipt_item(r) for r in group.receipts],
    }
    if group.owner:
        value |= {"owner": group.owner, "owner_folder": group.owner_folder}
    return value


def _receipt_item(r: Receipt) -> dict[str, Any]:
    item: dict[str, Any] = {"key": r.key, "size": r.size, "sha": r.sha.hex(), "route": int(r.route)}
    if r.messages != (r.sha,):
        item["messages"] = [m.hex() for m in r.messages]
    if r.report:
        item["report"] = True
    if r.date is not None:
        item["date"] = r.date
    for name in ("flags", "notes"):
        if getattr(r, name):
            item[name] = list(getattr(r, name))
    if r.reason:
        item["reason"] = r.reason
    if r.delivered:
        item["delivered"] = r.delivered
    if r.envelope:
        item["envelope"] = r.envelope
    if r.instead:
        item["instead"] = {former.hex(): original.hex() for former, original in r.instead.items()}
        if r.rule > 1:
            item["rule"] = r.rule
    return item


def read_receipts(content: bytes) -> ReceiptGroup:
    """Decode the content of a receipt record.

    Raises:
        ValueError: The content is not a JSON object, or is of a later version.
        KeyError: A field is missing.
    """
    value = parse(content)
    return ReceiptGroup(
        profile=value["profile"],
        host=value["host"],
        mailbox=value["mailbox"],
        folder=value["folder"],
        owner=value.get("owner", ""),
        owner_folder=value.get("owner_folder", ""),
        receipts=[_read_item(item) for item in value["receipts"]],
    )


def _read_item(item: dict[str, Any]) -> Receipt:
    sha = bytes.fromhex(item["sha"])
    messages = item.get("messages")
    return Receipt(
        key=item["key"],
        size=item["size"],
        sha=sha,
        messages=(sha,) if messages is None else tuple(bytes.fromhex(m) for m in messages),
        route=RoutingReason(item["route"]),
        report=item.get("report", False),
        date=item.get("date"),
        flags=tuple(item.get("flags", ())),
        notes=tuple(item.get("notes", ())),
        reason=item.get("reason", ""),
        delivered=item.get("delivered", {}),
        envelope=item.get("envelope", {}),
        instead={bytes.fromhex(a): bytes.fromhex(b) for a, b in item.get("instead", {}).items()},
        rule=item.get("rule", 1),
    )


def receipt_facts(group: ReceiptGroup, sequence: int, time: int) -> Iterator[ReceiptFact | OriginalFact]:
    """Yield the catalog's facts of a group of receipts.

    Args:
        group: The receipts.
        sequence: Leaf index of the receipt record.
        time: Time of the receipt record, in seconds since 1970 UTC.
    """
    owner = normalise(group.owner)  # older versions recorded the domain in any spelling
    for r in group.receipts:
        yield ReceiptFact(
            sequence=sequence,
            host=group.host,
            mailbox=group.mailbox,
            folder=group.folder,
            key=r.key,
            size=r.size,
            sha=r.sha,
            route=r.route,
            profile=group.profile,
            owner=owner,
            owner_folder=group.owner_folder,
            flags=r.notes,
            time=time,
            report=r.report,
            people=() if r.report else tuple(map(str, r.envelope.get("people", ()))),
            marks=r.flags if r.route & RoutingReason.OWNER else (),
            erased=r.messages[0] if r.messages and ERASED_BEFORE in r.notes else b"",
        )
        for former, original in r.instead.items():
            yield OriginalFact(sequence, original, former)


def deletion_value(profile: str, host: str, mailbox: str, folder: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return the value of a deletion record: the source confirmed that it deleted these keys."""
    return {
        "v": VERSION,
        "profile": profile,
        "host": host,
        "mailbox": mailbox,
        "folder": folder,
        "keys": list(keys),
    }


def deletion_fact(content: bytes, sequence: int) -> DeletionFact:
    """Decode the content of a deletion record into the catalog's fact.

    Args:
        content: The record's content.
        sequence: Leaf index of the record.

    Raises:
        ValueError: The content is not a JSON object, or is of a later version.
        KeyError: A field is missing.
    """
    value = parse(content)
    return DeletionFact(sequence, value["host"], value["mailbox"], value["folder"], tuple(value["keys"]))
