"""What a zip holds besides its messages: a README, stand-alone verifiers, and the proof of each message.

A reader without this program can check with it that the files are the archived messages, and that these were
in the ledger of the checkpoint that the manifest names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import muniment
from muniment.archive.ledger.inclusion import InclusionProofs, ledger_headers
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.errors import VaultError

README, PROOF = "README.txt", "proof.jsonl"
SCRIPTS = ("verify_export.py", "verify_ledger.py")
OFTEN = 20_000
"""Records between two reports of progress."""
FORMAT = 1
_ENVELOPES = "folders and envelopes: who really sent and received it, Bcc included"
_HEAD = """\
This file was exported from a Muniment archive.

  *.eml              the messages, which any mail program opens
  manifest.jsonl     JSON, one object on a line: the export, then each message with its SHA-256 and
                     its {more}
"""
_PROVEN = """\
  proof.jsonl        for each message, the proof that it is in the archive's ledger
  verify_export.py   checks all of this; needs only Python 3.10 or newer
  verify_ledger.py   checks the whole ledger of the archive, if you have it

To check the files, unpack them and run

  python3 verify_export.py .

It computes the SHA-256 of each message, compares it with the manifest, and follows the proof of each message
up to the root of the ledger, as RFC 9162 describes it. The ledger only grows: its root names all records in
it, in order. Whoever noted this root when it was made can tell later that no message was changed since.

The checkpoint of this export, which is the number of records and their root:

  {checkpoint}

Ask the archive's owner to confirm it, or compare it with one that you have noted. With the archive at hand,
`muniment verify --was CHECKPOINT` or `python3 verify_ledger.py VAULT --was CHECKPOINT` shows that the ledger
has grown from it unchanged.
"""
_UNPROVEN = """
{count} of the messages have no proof of their own: {reason}. Their SHA-256 is in the manifest, and
the archive proves them.
"""
_PLAIN = """\

The messages are in their public form: header fields that could name other recipients are left out. So their
SHA-256 in the manifest is that of the file here, and not that of the message in the archive.
"""
PUBLIC = _HEAD.format(more="folders") + _PLAIN
"""The README of an export for a plain user."""


def script(name: str) -> bytes:
    """A stand-alone verifier, as it is installed with the program or lies in its repository.

    Raises:
        VaultError: It is missing.
    """
    home = Path(muniment.__file__).parent
    for path in (home / "standalone" / name, home.parents[1] / "tools" / name):
        if path.is_file():
            return path.read_bytes()
    raise VaultError(f"{name} is missing from this installation: install Muniment again")


class Explanation:
    """The files that explain and prove an export."""

    def __init__(
        self, segments: SegmentStore, head: LedgerHead, records: Mapping[int, bytes], more: int = 0
    ) -> None:
        """Keep what is to be proven.

        Args:
            segments: The ledger's segments.
            head: The state of the ledger in which the messages are proven.
            records: SHA-256 of each message, by the position of its record.
            more: Messages that get no proof.
        """
        self._segments = segments
        self._head = head
        self._records = records
        self._more = more
        self.about = _HEAD.format(more=_ENVELOPES)
        """The beginning of the README: what the files are."""
        self._proofs = InclusionProofs(records)
        self._problem = ""

    def read(self) -> Iterator[int]:
        """Read the ledger, and yield the number of records that were read now and then.

        If it is damaged, no message is proven, and the README says so.
        """
        proofs = self._proofs
        try:
            for number, header in enumerate(ledger_headers(self._segments, self._head.tree_size), start=1):
                proofs.add(header)
                if number % OFTEN == 0:
                    yield number
            right = proofs.size == self._head.tree_size and proofs.finish() == self._head.root
        except VaultError:
            right = False
        if not right or any(proofs.headers[at].sha != sha for at, sha in self._records.items()):
            self._problem = "the ledger is damaged, or was written meanwhile"

    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the name and the content of each file; call it after `read`."""
        text = self.about + _PROVEN.format(checkpoint=f"{self._head.tree_size}:{self._head.root.hex()}")
        if self._problem:
            text += _UNPROVEN.format(count=len(self._records) + self._more, reason=self._problem)
        elif self._more:
            text += _UNPROVEN.format(
                count=self._more, reason="they are too many, or newer than the checkpoint"
            )
        yield README, [text.encode()]
        for name in SCRIPTS:
            yield name, [script(name)]
        yield PROOF, self._lines()

    def _lines(self) -> Iterator[bytes]:
        head = {"format": FORMAT, "tree_size": self._head.tree_size, "root": self._head.root.hex()}
        yield json.dumps(head).encode() + b"\n"
        for position in () if self._problem else sorted(self._records):
            header = self._proofs.headers[position]
            proof = {
                "sha256": header.sha.hex(),
                "sequence": position,
                "kind": header.kind,
                "time": header.time,
                "size": header.size,
                "path": [one.hex() for one in self._proofs.paths[position]],
            }
            yield json.dumps(proof).encode() + b"\n"


class PublicExplanation(Explanation):
    """What explains an export for a plain user, who must not learn of the ledger."""

    def __init__(self) -> None:
        """There is nothing to prove."""

    def read(self) -> Iterator[int]:
        return iter(())

    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield README, [PUBLIC.encode()]
