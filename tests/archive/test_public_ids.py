"""Public ids: they reveal nothing about a message, and any prefix finds it."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.operations.public_ids import DIGITS, PublicIds
from muniment.archive.vault.open_vault import open_vault
from support.reports import plain
from support.vaults import TestVault

IDS = PublicIds(b"k" * 32)
shas = st.binary(min_size=32, max_size=32)


@given(st.integers(0, 2**32 - 1), shas)
def test_an_id_leads_to_the_number_of_its_message(number: int, sha: bytes) -> None:
    made = IDS.of(number, sha)
    assert len(made) == 64
    assert set(made) <= set("0123456789abcdef")
    assert IDS.number(made[:DIGITS]) == number
    assert PublicIds(b"x" * 32).of(number, sha)[DIGITS:] != made[DIGITS:]


def test_messages_in_a_row_have_unrelated_ids() -> None:
    made = [IDS.of(number, b"") for number in range(4096)]
    assert len({one[:DIGITS] for one in made}) == 4096
    firsts = [sum(one.startswith(digit) for one in made) for digit in "0123456789abcdef"]
    assert min(firsts) > 180
    assert max(firsts) < 340
    steps = {int(b[:DIGITS], 16) - int(a[:DIGITS], 16) for a, b in itertools.pairwise(made)}
    assert len(steps) > 4000


def test_a_message_is_found_only_by_prefixes_of_its_id(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.archive([plain(subject=f"number {number}") for number in range(20)])
    opened = open_vault(vault.folder, write=False)
    try:
        for hit in vault.messages():
            row = opened.catalog.message_by_prefix(hit.id)
            made = IDS.of(row.sequence, row.sha)
            assert hashlib.sha256(vault.raw(hit.id)).hexdigest()[DIGITS:] not in made
            for digits in (8, 9, 30, 64):
                assert IDS.find(opened.catalog, made[:digits]) == row
            wrong = made[:20] + ("0" if made[20] != "0" else "1")
            assert IDS.find(opened.catalog, wrong) is None
            assert IDS.find(opened.catalog, hit.id) is None
    finally:
        opened.close()
