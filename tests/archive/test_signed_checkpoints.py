"""The vault's folder of signed checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from muniment.archive.vault.signed_checkpoints import SignedCheckpoints
from muniment.evidence.checkpoint_body import CheckpointBody, NoteInvalid
from muniment.evidence.note_keys import KeyKind, new_key
from muniment.evidence.signed_note import read_signatures, signed

KEY = new_key("example.com/log", KeyKind.ED25519)


def test_notes_are_kept_by_size_and_take_further_signatures(tmp_path: Path) -> None:
    kept = SignedCheckpoints(tmp_path)
    assert kept.sizes() == []
    for size in (300, 20, 1):
        kept.keep(signed(CheckpointBody(KEY.name, size, bytes(32)).text, [KEY]))
    (kept.folder / "20.tsr").write_bytes(b"")
    (kept.folder / "x.note").write_bytes(b"")
    assert kept.sizes() == [1, 20, 300]

    witness = new_key("w.example", KeyKind.COSIGNATURE)
    note = kept.load(20)
    kept.keep(note.with_signatures(read_signatures(witness.sign(note.text))))
    assert [one.name for one in kept.load(20).signatures] == ["example.com/log", "w.example"]
    assert kept.path(20).stat().st_mode & 0o777 == 0o600
    assert kept.folder.stat().st_mode & 0o777 == 0o700


def test_of_old_days_the_last_note_stays_and_those_with_a_stamp(tmp_path: Path) -> None:
    kept, now = SignedCheckpoints(tmp_path), 1_800_000_000.0
    hours = {1: 60 * 24, 2: 60 * 24 - 1, 3: 60 * 24 - 2, 4: 50 * 24, 5: 20 * 24, 6: 20 * 24 - 1, 7: 0}
    for size, before in hours.items():
        path = kept.keep(signed(CheckpointBody(KEY.name, size, bytes(32)).text, [KEY]))
        os.utime(path, (now - before * 3600, now - before * 3600))
    kept.path(2).with_suffix(".tsr").write_bytes(b"stamp")
    assert kept.thin(now) == 1
    assert kept.sizes() == [2, 3, 4, 5, 6, 7]
    assert kept.stamp(2) == b"stamp"
    assert kept.stamp(3) is None


def test_a_damaged_or_missing_note_is_named(tmp_path: Path) -> None:
    kept = SignedCheckpoints(tmp_path)
    kept.keep(signed(CheckpointBody(KEY.name, 5, bytes(32)).text, [KEY]))
    kept.path(5).write_bytes(b"half a no")
    with pytest.raises(NoteInvalid):
        kept.load(5)
    with pytest.raises(FileNotFoundError):
        kept.load(6)
