"""What a zip holds besides its messages: a README, stand-alone verifiers, and the proof of each message.

A reader without this program can check with it that the files are the archived messages, and that these were
in the ledger of the checkpoint that the manifest names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import muniment
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.inclusion import InclusionProofs, ledger_headers
from muniment.archive.ledger.ledger_tree import InclusionProof, LedgerTree
from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.errors import VaultError

README, PROOF = "README.txt", "proof.jsonl"
SCRIPTS = ("verify_export.py", "verify_ledger.py")
OFTEN = 20_000
"""Records between two reports of progress."""
ALONE = 300
"""Records that one pass over the ledger reads in the time in which one proof is made by itself."""
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
        self,
        segments: SegmentStore,
        tree: LedgerTree,
        head: LedgerHead,
        records: Mapping[int, bytes],
        more: int = 0,
        *,
        alone: int = ALONE,
    ) -> None:
        """Keep what is to be proven.

        Args:
            segments: The ledger's segments.
            tree: The ledger's tree.
            head: The state of the ledger in which the messages are proven.
            records: SHA-256 of each message, by the position of its record.
            more: Messages that get no proof.
            alone: As ALONE.
        """
        self._segments = segments
        self._tree = tree
        self._alone = alone
        self._head = head
        self._records = records
        self._more = more
        self.about = _HEAD.format(more=_ENVELOPES)
        """The beginning of the README: what the files are."""
        self.unproven = _UNPROVEN
        """What the README says of messages without a proof, with `{count}`, and `{reason}` if need be."""
        self._proofs: dict[int, InclusionProof] = {}
        """The proof of each message, by the position of its record."""
        self._problem = ""

    def read(self) -> Iterator[int]:
        """Prove all messages, and yield a number of records now and then.

        If the ledger is damaged, no message is proven, and the README says so.
        """
        few = len(self._records) * self._alone < self._head.tree_size
        try:
            yield from self._look_up() if few else self._walk()
        except VaultError:
            self._proofs.clear()
        found = {position: proof.header.sha for position, proof in self._proofs.items()}
        if found != dict(self._records):
            self._problem = "the ledger is damaged, or was written meanwhile"

    def _look_up(self) -> Iterator[int]:
        """Make each proof by itself, from the tiles of the tree."""
        head = Checkpoint(self._head.tree_size, self._head.root)
        yield from self._tree.grow(head.tree_size)
        for number, position in enumerate(sorted(self._records), start=1):
            self._proofs[position] = self._tree.inclusion(position, head)
            if number % OFTEN == 0:
                yield number

    def _walk(self) -> Iterator[int]:
        """Make all proofs in one pass over the ledger, which is quicker for many of them."""
        proofs = InclusionProofs(self._records)
        for number, header in enumerate(ledger_headers(self._segments, self._head.tree_size), start=1):
            proofs.add(header)
            if number % OFTEN == 0:
                yield number
        if proofs.size == self._head.tree_size and proofs.finish() == self._head.root:
            for position, path in proofs.paths.items():
                self._proofs[position] = InclusionProof(position, proofs.headers[position], tuple(path))

    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the name and the content of each file; call it after `read`."""
        text = self.about + _PROVEN.format(checkpoint=f"{self._head.tree_size}:{self._head.root.hex()}")
        if self._problem:
            text += _UNPROVEN.format(count=len(self._records) + self._more, reason=self._problem)
        elif self._more:
            text += self.unproven.format(
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
            header = self._proofs[position].header
            proof = {
                "sha256": header.sha.hex(),
                "sequence": position,
                "kind": header.kind,
                "time": header.time,
                "size": header.size,
                "path": [one.hex() for one in self._proofs[position].path],
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
