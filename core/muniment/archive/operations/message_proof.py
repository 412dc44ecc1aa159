"""The proof of one message: a zip with which a stranger can check that it was in the ledger, and unchanged.

It holds the message's exact bytes, each copy that brought it, who read it, and for each of these records an
inclusion proof (C2SP tlog-proof) in the tree of one checkpoint. `docs/ledger-format.md`, section "Proof
files", specifies it; `tools/verify_ledger.py --proof` checks it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from muniment.archive.catalog import AuditRow, EnvelopeRow, MessageRow
from muniment.archive.catalog.audit_keys import EXPORT, KIND, READ, decoded
from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.frame import FrameHeader, leaf_entry
from muniment.archive.ledger.model import RecordKind
from muniment.archive.operations.export_explanation import script
from muniment.archive.operations.proof_page import page
from muniment.archive.proof.trail import read_trail
from muniment.archive.vault.signed_checkpoints import SignedCheckpoints
from muniment.archive.vault.vault import Vault
from muniment.errors import Erased, LedgerDamaged, MunimentError, UsageError, VaultError
from muniment.evidence.checkpoint_body import CheckpointBody, read_body
from muniment.evidence.plain_zip import PlainZip
from muniment.evidence.proof_file import ProofText
from muniment.evidence.signed_note import SignedNote

FORMAT = 1
ABOUT, README, SCRIPT = "proof.json", "README.txt", "verify_ledger.py"
CHECKPOINT, STAMP = "checkpoint.txt", "checkpoint.tsr"
READS = 1_000
"""Most events in a proof, the newest ones."""
SCANNED = 2_000
"""Audit events that are looked at between two reports of progress."""


@dataclass(frozen=True, slots=True)
class ProvenRecord:
    """A record of the ledger that goes into a proof."""

    sequence: int
    kind: RecordKind
    sha: bytes
    """SHA-256 of its content."""
    file: str
    """The name of the file with its content."""
    content: Iterable[bytes]
    facts: dict[str, object]
    """What `proof.json` says about it besides."""

    @property
    def proof(self) -> str:
        """The name of the file with its inclusion proof."""
        return f"proofs/{self.file.replace('/', '-').rpartition('.')[0]}.tlog-proof"


class MessageProof:
    """Writes the proof of one message."""

    def __init__(self, vault: Vault, row: MessageRow, checkpoint: SignedState) -> None:
        """Prepare a proof in the tree of a checkpoint; nothing is read yet."""
        self._vault = vault
        self._row = row
        self._state = checkpoint
        self.problems: tuple[str, ...] = ()
        """After `write`: why the events may not be all, a sentence each."""
        self._erased = 0
        """Copies that are left out since they are erased."""
        self._newer = 0
        """Copies that are left out since they came after the checkpoint."""
        self._more = 0
        """Events that are left out since they are too many."""
        self._listed: list[dict[str, object]] = []

    def write(self, file: IO[bytes]) -> Iterator[str]:
        """Write the zip into an empty file that can seek.

        Yields:
            A sentence without its full stop for each stage, and now and then.

        Raises:
            VaultError: The message is newer than the checkpoint, or too large.
            LedgerDamaged: A record can't be read back or proven.
            OSError: The zip can't be written.
        """
        yield "reading the ledger's tree"
        for done in self._vault.tree.grow(self._state.checkpoint.tree_size):
            yield f"reading the ledger's tree, {done:,} records"
        yield "looking for who read the message"
        reads: list[AuditRow] = []
        for found in self._reads():
            reads = found
            yield f"looking for who read the message, {len(reads):,} times"
        checked = read_trail(self._vault, reads)
        self.problems = checked.problems
        try:
            with PlainZip(file) as packed:
                yield from self._fill(packed, checked.rows)
        except ValueError as error:
            raise VaultError(f"{error}: export the message instead") from error

    def _fill(self, packed: PlainZip, reads: Sequence[AuditRow]) -> Iterator[str]:
        for record in self._records(reads):
            yield f"proving {record.file}"
            self._add(packed, record)
        about = self._about()
        packed.add(ABOUT, [json.dumps(about, indent=1, sort_keys=True).encode() + b"\n"])
        packed.add(README, [page(about).encode()])
        packed.add(SCRIPT, [script(SCRIPT)])
        packed.add(CHECKPOINT, [self._state.text.encode()])
        if self._state.stamp:
            packed.add(STAMP, [self._state.stamp])
        packed.finish()

    def _records(self, reads: Sequence[AuditRow]) -> Iterator[ProvenRecord]:
        reader, row = self._vault.reader, self._row
        facts: dict[str, object] = {"date": row.date}
        message = reader.content(row.sha)
        yield ProvenRecord(row.sequence, RecordKind.MESSAGE, row.sha, "message.eml", message, facts)
        for number, copy in enumerate(self._vault.catalog.envelopes_of(row.sequence), start=1):
            if copy.sequence >= self._state.checkpoint.tree_size:
                self._newer += 1
                continue
            name = f"copies/{number}.eml"
            try:
                frame = reader.read_frame(copy.position)
                content = _begun(reader.content_of(frame))
            except Erased:  # it has also brought a message that was erased
                self._erased += 1
                continue
            facts = _envelope(copy)
            yield ProvenRecord(copy.sequence, RecordKind.ENVELOPE, frame.sha, name, content, facts)
        for number, read in enumerate(reads, start=1):
            name, frame = f"reads/{number}.json", reader.read_frame(read.position)
            content = reader.content_of(frame)
            yield ProvenRecord(read.sequence, RecordKind.AUDIT, frame.sha, name, content, _look(read))

    def _add(self, packed: PlainZip, record: ProvenRecord) -> None:
        proof = self._vault.tree.inclusion(record.sequence, self._state.checkpoint)
        header = proof.header
        if (header.kind, header.sha) != (record.kind, record.sha):
            raise LedgerDamaged(
                f"record {record.sequence} of the ledger is not the one that the catalog names: "
                "run `muniment rebuild --catalog`"
            )
        packed.add(record.file, record.content)
        text = ProofText(_entry(header), record.sequence, proof.path, self._state.note)
        packed.add(record.proof, [str(text).encode()])
        self._listed.append(
            {
                **record.facts,
                "file": record.file,
                "proof": record.proof,
                "kind": record.kind.name.lower(),
                "sequence": record.sequence,
                "sha256": header.sha.hex(),
                "size": header.size,
            }
        )

    def _reads(self) -> Iterator[list[AuditRow]]:
        """Yield the events that name the message, oldest first, after each piece of the trail."""
        wanted, found, before = self._row.sha.hex(), list[AuditRow](), self._state.checkpoint.tree_size
        while True:
            rows = self._vault.catalog.audited(SCANNED, before, keys={KIND + READ, KIND + EXPORT})
            found += [row for row in rows if _names(row, wanted)]
            if not rows:
                break
            before = rows[-1].sequence
            yield found
        self._more = max(0, len(found) - READS)
        yield found[:READS][::-1]

    def _about(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "message": self._row.sha.hex(),
            "checkpoint": str(self._state.checkpoint),
            "origin": self._state.origin,
            "signers": list(self._state.signers),
            "stamped": bool(self._state.stamp),
            "records": self._listed,
            "reads_left_out": self._more,
            "reads_complete": not self.problems,
            "copies_erased": self._erased,
            "copies_newer": self._newer,
        }


@dataclass(frozen=True, slots=True)
class SignedState:
    """The checkpoint of a proof, with the signatures that it has."""

    checkpoint: Checkpoint
    origin: str
    note: str
    """The note: its text, an empty line, and a line for each signature, of which there may be none."""
    signers: tuple[str, ...] = ()
    """Name and id of each key that has signed it, as its public key begins."""
    stamp: bytes = b""
    """A time stamp of its text (RFC 3161); empty if there is none."""

    @property
    def text(self) -> str:
        """What is signed and stamped: the note without its signatures."""
        return self.note.partition("\n\n")[0] + "\n"


def noted_state(vault: Vault, checkpoint: Checkpoint, sequence: int) -> SignedState:
    """Return a checkpoint that someone has noted, with the signatures that the vault has for it.

    Args:
        vault: The vault.
        checkpoint: What was noted. Whether it is the ledger's own is not compared here.
        sequence: The leaf index of the record to prove.

    Raises:
        UsageError: The record came after it.
        LedgerDamaged: The ledger has fewer records.
    """
    head = vault.head.tree_size
    if checkpoint.tree_size > head:
        raise LedgerDamaged(
            f"the ledger has {head} records, and the checkpoint {checkpoint.tree_size}: the ledger was cut "
            "or set back, or the checkpoint is of another vault"
        )
    if sequence >= checkpoint.tree_size:
        raise UsageError("the message was archived after this checkpoint: name a later one")
    signed = newest_state(vault, checkpoint.tree_size - 1, upto=checkpoint.tree_size)
    if signed.signers and signed.checkpoint == checkpoint:
        return signed
    return _unsigned(vault, checkpoint)


def _unsigned(vault: Vault, checkpoint: Checkpoint) -> SignedState:
    origin = f"muniment/{vault.catalog.vault_id.hex()}"
    body = CheckpointBody(origin, checkpoint.tree_size, checkpoint.root)
    return SignedState(checkpoint, origin, f"{body.text}\n")


def newest_state(vault: Vault, sequence: int, upto: int | None = None) -> SignedState:
    """Return the newest signed checkpoint whose tree has a record, else the present state, not signed.

    Args:
        vault: The vault.
        sequence: The leaf index of the record.
        upto: The largest tree to consider; by default the present one.
    """
    head = vault.head
    notes = SignedCheckpoints(vault.folder)
    for size in reversed(notes.sizes()):
        if size <= sequence:
            break
        try:
            note = notes.load(size)
            body = read_body(note.text)
        except (OSError, MunimentError):
            continue
        if size <= (head.tree_size if upto is None else upto) and body.size == size:
            checkpoint, stamp = Checkpoint(size, body.root), notes.stamp(size)
            return SignedState(checkpoint, body.origin, str(note), _signers(note), stamp or b"")
    return _unsigned(vault, Checkpoint(head.tree_size, head.root))


def _begun(content: Iterator[bytes]) -> Iterable[bytes]:
    """Read the first piece of content, so that what can't be read is known at once."""
    return itertools.chain([next(content, b"")], content)


def _entry(header: FrameHeader) -> bytes:
    return leaf_entry(header.kind, header.time, header.size, header.sha)


def _names(row: AuditRow, wanted: str) -> bool:
    """Return whether an event names a message by its id. Most do not have its digits at all."""
    return wanted in row.event and wanted in decoded(row.event).get("messages", ())


def _signers(note: SignedNote) -> tuple[str, ...]:
    return tuple(f"{one.name}+{one.id.hex()}" for one in note.signatures)


def _look(read: AuditRow) -> dict[str, object]:
    """Return who looked at a message, and why; the event has more."""
    event = decoded(read.event)
    said = {name: str(event[name]) for name in ("who", "role", "word", "reason") if event.get(name)}
    return {"time": read.time, **said}


def _envelope(copy: EnvelopeRow) -> dict[str, object]:
    return {
        "report": copy.report,
        "time": copy.time,
        "profile": copy.profile,
        "parties": [
            {"role": party.role.name.lower(), "address": party.address, "via": party.via}
            for party in copy.parties
        ],
        "flags": list(copy.flags),
    }
