"""Proofs as text (C2SP tlog-proof): where a leaf is, the hashes beside its way to the root, and a checkpoint.

```
c2sp.org/tlog-proof@v1
extra AQEA4Kd...
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=

example.com/muniment/4f2a09c1d2e3f405
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

— example.com/muniment/4f2a09c1d2e3f405 hI2DJw...
```

`extra` is the entry of the log, so the leaf is the SHA-256 of a zero byte and of it. What an entry means is
for others to know.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from muniment.evidence.checkpoint_body import NoteInvalid, read_base64, read_body, read_hash, read_size
from muniment.evidence.tree_proofs import verify_inclusion

FORMAT = "c2sp.org/tlog-proof@v1"
LARGEST = 512 * 1024
"""Most bytes of a proof. A checkpoint has at most 256 KiB."""
HIGHEST = 64
"""Most hashes of a proof: the tree of a ledger is not higher."""


@dataclass(frozen=True, slots=True)
class ProofText:
    """The proof of one leaf. Nothing of it counts before `leads_to_root` and a check of the checkpoint."""

    entry: bytes
    """The entry of the log, of which the leaf is made."""
    index: int
    """The place of the leaf in the tree."""
    hashes: tuple[bytes, ...]
    """The nodes beside the way from the leaf up to the root."""
    checkpoint: str
    """The checkpoint: its text, an empty line, and a line for each signature. There may be none."""

    def __str__(self) -> str:
        lines = [FORMAT, f"extra {base64.b64encode(self.entry).decode()}", f"index {self.index}"]
        lines += [base64.b64encode(one).decode() for one in self.hashes]
        return "\n".join([*lines, "", self.checkpoint])

    @property
    def leaf(self) -> bytes:
        """The hash of the leaf (RFC 9162, 2.1.1)."""
        return hashlib.sha256(b"\0" + self.entry).digest()

    def leads_to_root(self) -> bool:
        """Whether the hashes lead from the leaf to the root of the checkpoint.

        Raises:
            NoteInvalid: The checkpoint has another form.
        """
        body = read_body(self.checkpoint.partition("\n\n")[0] + "\n")
        return verify_inclusion(self.leaf, self.index, body.size, self.hashes, body.root)


def parse_proof(text: str) -> ProofText:
    """Parse a proof; nothing of it is checked but its form.

    Raises:
        NoteInvalid: It is none.
    """
    if len(text) > LARGEST:
        raise NoteInvalid("this is no proof: it is too large")
    head, gap, checkpoint = text.partition("\n\n")
    first, extra, index, *hashes = [*head.split("\n"), "", ""]
    if not gap or first != FORMAT or not extra.startswith("extra ") or not index.startswith("index "):
        raise NoteInvalid("this is no proof: its first lines are not those of a tlog-proof with its entry")
    path = tuple(read_hash(one) for one in hashes[:-2])
    if len(path) > HIGHEST:
        raise NoteInvalid("this is no proof: it has too many hashes")
    entry = read_base64(extra.removeprefix("extra "))
    return ProofText(entry, read_size(index.removeprefix("index ")), path, checkpoint)
