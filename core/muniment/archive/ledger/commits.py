"""The content of commit frames: the number of leaves, and the root that proves them.

`docs/ledger-format.md`, section "Commits and the chain", specifies it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from muniment.archive.facts import FramePosition
from muniment.evidence.merkle import MerkleFrontier

VERSION = 1
UNCOUNTED = -1
"""The number of audit records where it is not known."""
MAX_COMMIT = 64 * 1024
"""Largest commit frame, in bytes."""

ABOUT = (
    "A segment of a Muniment ledger, format 1: frames, one after the other. A frame is a header of 80 "
    "bytes, little endian: magic MUNF, version u8, kind u8, codec u8, flags u8, vault id 8 bytes, time "
    "i64 (microseconds since 1970 UTC), size of content u64, length of payload u32, dictionary u32, "
    "SHA-256 of content, CRC-32 of payload u32, CRC-32 of the 76 bytes before it u32; then the payload. "
    "Kinds: 1 message, 2 part, 3 chunks, 4 envelope, 5 receipt, 6 deletion, 7 quarantine, 8 directory, 9 "
    "configuration, 10 hold, 11 redaction, 12 audit, 13 run, 14 dictionary, 15 commit. Codecs: 0 raw, 1 "
    "zstd, 2 zstd with the dictionary record of that number; 0x10 added: a recipe of the content; 0x20 "
    "added: SHA-256 of the parts it is joined from. Leaf of the Merkle tree (RFC 9162): SHA-256 of 0x00, "
    "version u8, kind u8, time i64, size u64, SHA-256 of content. See ledger-format.md."
)


@dataclass(frozen=True, slots=True)
class Commit:
    """The content of a commit frame. It proves all leaves before it, and is the next leaf itself."""

    count: int
    """Number of records since the previous commit frame."""
    tree: MerkleFrontier
    """The tree of all leaves before this frame."""
    root: bytes
    dictionaries: dict[int, FramePosition] = field(default_factory=dict)
    """Position of the latest copy of each compression dictionary, by number."""
    segment: int = 0
    """The segment's number in the first frame of a segment; else 0."""
    audits: int = UNCOUNTED
    """Number of audit records before this frame; UNCOUNTED in ledgers of versions that did not count them."""


def write_commit(commit: Commit) -> bytes:
    """Encode a commit as canonical JSON."""
    value: dict[str, Any] = {
        "v": VERSION,
        "count": commit.count,
        "tree_size": commit.tree.size,
        "root": commit.root.hex(),
        "frontier": [peak.hex() for peak in commit.tree.peaks],
        "dictionaries": {str(key): [at.segment, at.offset] for key, at in commit.dictionaries.items()},
    }
    if commit.audits != UNCOUNTED:
        value["audits"] = commit.audits
    if commit.segment:
        value |= {"segment": commit.segment, "about": ABOUT}
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read_commit(content: bytes) -> Commit:
    """Decode the content of a commit frame.

    Raises:
        ValueError: It is not valid, or its root is not that of its frontier.
    """
    try:
        value = json.loads(content)
        tree = MerkleFrontier.from_frontier(
            value["tree_size"], [bytes.fromhex(peak) for peak in value["frontier"]]
        )
        places = {int(key): FramePosition(*at) for key, at in value["dictionaries"].items()}
        root, audits = bytes.fromhex(value["root"]), value.get("audits", UNCOUNTED)
        commit = Commit(value["count"], tree, root, places, value.get("segment", 0), audits)
        if type(audits) is not int or audits < UNCOUNTED:
            raise ValueError("not a count of audit records")
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the content of a commit frame: {error}") from error
    if tree.root() != commit.root:
        raise ValueError("the root in a commit frame is not that of its frontier")
    return commit
