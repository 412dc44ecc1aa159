"""Proofs as text: written and read in one form, and refused in any other."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.evidence.checkpoint_body import CheckpointBody, NoteInvalid
from muniment.evidence.merkle import MerkleFrontier, node_hash
from muniment.evidence.note_keys import KeyKind, new_key
from muniment.evidence.proof_file import HIGHEST, ProofText, parse_proof
from muniment.evidence.signed_note import signed
from muniment.evidence.tree_proofs import inclusion_proof

ENTRIES = [f"entry {number}".encode() for number in range(21)]
ORIGIN = "example.com/muniment/0011223344556677"


class Entries:
    """The tree of ENTRIES."""

    def full(self, start: int, width: int) -> bytes:
        if width == 1:
            return hashlib.sha256(b"\0" + ENTRIES[start]).digest()
        return node_hash(self.full(start, width // 2), self.full(start + width // 2, width // 2))


def note() -> str:
    tree = MerkleFrontier()
    for number in range(len(ENTRIES)):
        tree.add(Entries().full(number, 1))
    return str(signed(CheckpointBody(ORIGIN, tree.size, tree.root()).text, [KEY]))


KEY = new_key(ORIGIN, KeyKind.ED25519)
NOTE = note()


def proof(index: int) -> ProofText:
    path = inclusion_proof(Entries(), index, len(ENTRIES))
    return ProofText(ENTRIES[index], index, tuple(path), NOTE)


@pytest.mark.parametrize("index", range(len(ENTRIES)))
def test_a_proof_is_read_as_it_was_written_and_holds(index: int) -> None:
    text = str(proof(index))
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert f"\nindex {index}\n" in text
    assert text.endswith(f"\n\n{NOTE}")
    read = parse_proof(text)
    assert read == proof(index)
    assert str(read) == text
    assert read.leads_to_root()


def test_a_proof_of_another_entry_or_place_does_not_hold() -> None:
    right = proof(4)
    assert not ProofText(ENTRIES[5], 4, right.hashes, NOTE).leads_to_root()
    assert not ProofText(ENTRIES[4], 5, right.hashes, NOTE).leads_to_root()
    assert not ProofText(ENTRIES[4], 4, right.hashes[:-1], NOTE).leads_to_root()
    assert not ProofText(ENTRIES[4], 21, right.hashes, NOTE).leads_to_root()


@given(st.integers(0, 20), st.data())
def test_a_changed_character_is_refused_or_does_not_hold(index: int, data: st.DataObject) -> None:
    text = str(proof(index)).partition("\n— ")[0]
    at = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.characters(max_codepoint=127).filter(lambda one: one != text[at]))
    changed = text[:at] + char + text[at + 1 :]
    try:
        read = parse_proof(changed)
        holds = read.leads_to_root()
    except NoteInvalid:
        return
    body = read.checkpoint.split("\n")
    assert not holds or body[0] != ORIGIN or len(body) > 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v2\nextra YQ==\nindex 0\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nindex 0\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nextra YQ==\nindex 00\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nextra YQ==\nindex -1\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nextra YR==\nindex 0\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nextra YQ==\nindex 0\nYQ==\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1\nextra YQ==\nindex 0\n" + "A" * 600_000 + "\n\n" + NOTE,
        str(ProofText(b"x", 0, (bytes(32),) * (HIGHEST + 1), NOTE)),
    ],
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_proof(text)


def test_a_checkpoint_of_another_form_is_refused() -> None:
    with pytest.raises(NoteInvalid):
        parse_proof("c2sp.org/tlog-proof@v1\nextra YQ==\nindex 0\n\nno checkpoint").leads_to_root()
