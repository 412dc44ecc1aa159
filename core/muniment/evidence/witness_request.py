"""What a log asks of a witness (C2SP tlog-witness, add-checkpoint), and what the witness answers.

The same text is the file that an auditor's laptop is given when nothing connects the two machines:

```
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGz...
```
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from muniment.evidence.checkpoint_body import CheckpointBody, NoteInvalid, read_body, read_hash, read_size
from muniment.evidence.signed_note import LARGEST, SignedNote, parse_note

MOST_HASHES = 63
"""Most hashes of a consistency proof."""
LARGEST_REQUEST = LARGEST + (MOST_HASHES + 2) * 64
"""Most bytes of a request."""
SIZE_TYPE = "text/x.tlog.size"
"""The content type of an answer that states the size which the witness knows."""


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """A new checkpoint, and the proof that it continues the one that the witness knows."""

    old_size: int
    """The size of the checkpoint that the witness has signed last; 0 if it has signed none."""
    proof: tuple[bytes, ...]
    """The consistency proof from the old size to the new one (RFC 9162, 2.1.4)."""
    note: SignedNote
    """The new checkpoint, signed by the log."""

    @property
    def body(self) -> CheckpointBody:
        """The text of the new checkpoint.

        Raises:
            NoteInvalid: It is none; `read_request` has refused such a request.
        """
        return read_body(self.note.text)

    def __str__(self) -> str:
        lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in self.proof)
        return f"old {self.old_size}\n{lines}\n{self.note}"


def read_request(data: bytes) -> WitnessRequest:
    """Parse a request. The proof and the signatures are not checked.

    Raises:
        NoteInvalid: It is none.
    """
    if len(data) > LARGEST_REQUEST:
        raise NoteInvalid("this is no request to a witness: it is too large")
    head, gap, note = data.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        first, lines = "", []
    if not gap or not first.startswith("old "):
        raise NoteInvalid("this is no request to a witness: it does not begin with `old` and a size")
    if len(lines) > MOST_HASHES:
        raise NoteInvalid(f"this is no request to a witness: its proof has more than {MOST_HASHES} hashes")
    request = WitnessRequest(
        read_size(first.removeprefix("old ")), tuple(map(read_hash, lines)), parse_note(note)
    )
    read_body(request.note.text)
    return request
