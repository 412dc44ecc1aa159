"""The ledger's JSON records: receipts, deletions, runs, changes of directory and configuration.

Each is canonical JSON (UTF-8, sorted keys, no blanks) with a version `v`, so that it can be read
without this program. Receipts and deletions of one batch that share a place stand in one record.
`docs/ledger-format.md` describes the fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from muniment.archive.facts import DeletionFact, OriginalFact, ReceiptFact, Route
from muniment.archive.ledger.codec import Encoder
from muniment.archive.ledger.model import Kind, Record
from muniment.mail.headers.addresses import normalise

VERSION = 1
DISPLACEMENT_RULE = 2
"""Number of the rule by which `instead` is decided: 2, only a trusted journal report that vouches for its
message (see runs.pipeline.link_copies). Receipts of rule 1, which looked at likeness alone, do not state
it."""


class Receipt(Struct, frozen=True):
    """That one copy was fetched, what it brought, and how it is routed."""

    key: str
    size: int
    """Bytes as fetched."""
    sha: bytes
    """SHA-256 as fetched: of its envelope, or of the quarantined item."""
    messages: tuple[bytes, ...]
    """SHA-256 of the messages it brought; empty for a quarantined item."""
    route: Route
    report: bool = False
    """Whether it was unwrapped as a journal report."""
    date: int | None = None
    """When the source received it, seconds since 1970 UTC."""
    flags: tuple[str, ...] = ()
    """Flags at the source, such as `\\Seen`."""
    notes: tuple[str, ...] = ()
    """Why it is not trusted, or what went wrong in reading it."""
    reason: str = ""
    """Why it is quarantined."""
    delivered: dict[str, str] = {}
    """Who delivered it to the embedded gateway: `peer`, `user`, `helo`, `certificate`."""
    envelope: dict[str, Any] = {}
    """Its SMTP envelope at the embedded gateway: `from`, `to`, `original`, and `people`, whom `to` names."""
    instead: dict[bytes, bytes] = {}
    """Messages, by SHA-256, known only as a service wrote them anew, each with that of its original,
    which this copy brought, and which takes its place."""
    rule: int = 1
    """The rule by which `instead` was decided."""


@dataclass(frozen=True, slots=True)
class ReceiptGroup:
    """Receipts of one batch from one place."""

    profile: str
    host: str
    mailbox: str
    folder: str
    owner: str = ""
    owner_folder: str = ""
    receipts: list[Receipt] = field(default_factory=list)


def canonical(value: object) -> bytes:
    """Canonical JSON of `value`."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def json_record(encoder: Encoder, kind: Kind, value: object) -> Record:
    """A record of `kind` with `value` as canonical JSON."""
    content = canonical(value)
    return encoder.encode(kind, content, hashlib.sha256(content).digest())


def parse(content: bytes) -> dict[str, Any]:
    """A JSON record's value.

    Raises:
        ValueError: not an object of a version that this program knows.
    """
    value = json.loads(content.decode("utf-8", "surrogatepass"))
    if not isinstance(value, dict) or value.get("v", VERSION) > VERSION:
        raise ValueError("a record of a version that this program does not know")
    return value


def receipt_value(group: ReceiptGroup) -> dict[str, Any]:
    """What a receipt record says of a group."""
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
    """The group that a receipt record holds.

    Raises:
        ValueError: not a receipt record.
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
        route=Route(item["route"]),
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
    """The catalog's view of a group; `time` is the record's, seconds since 1970 UTC.

    Older versions recorded an owner in any spelling of the domain.
    """
    owner = normalise(group.owner)
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
        )
        for former, original in r.instead.items():
            yield OriginalFact(sequence, original, former)


def deletion_value(profile: str, host: str, mailbox: str, folder: str, keys: Iterable[str]) -> dict[str, Any]:
    """What a deletion record says: that the source confirmed these keys deleted."""
    return {
        "v": VERSION,
        "profile": profile,
        "host": host,
        "mailbox": mailbox,
        "folder": folder,
        "keys": list(keys),
    }


def deletion_fact(content: bytes, sequence: int) -> DeletionFact:
    """The catalog's view of a deletion record.

    Raises:
        ValueError: not a deletion record.
    """
    value = parse(content)
    return DeletionFact(sequence, value["host"], value["mailbox"], value["folder"], tuple(value["keys"]))
