"""Small files that the program writes for itself can be read whatever is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.archive.files import lock
from muniment.archive.operations.backup import STATE, read_state
from muniment.archive.vault import known_roots
from muniment.health import sizes
from muniment.notify import memory
from muniment.service.host import feed_cursor, proof_memory
from muniment.setup import store

FILES: dict[str, Callable[[Path], object]] = {
    sizes.NAME: lambda folder: sizes.load(folder, 0),
    memory.NAME: memory.load,
    proof_memory.NAME: proof_memory.load,
    store.NAME: store.load,
    feed_cursor.NAME: feed_cursor.load,
    STATE: read_state,
    lock.NAME: lock.holding,
    known_roots.CHECKPOINTS: known_roots.notes_of,
}
BAD = {
    "nothing": b"",
    "half": b"{",
    "another type": b"[1]",
    "no object": b"5",
    "no text": b'{"x": "\\xff"}',
    "deep": b"[" * 100_000,
    "deep in an object": b'{"version": ' + b"[" * 100_000,
    "a deep text": b'"' + b"[" * 100_000 + b'"',
    "large numbers": b'{"pid": 1e400, "since": 1, "tree_size": 1e400, "version": 1e400}',
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", FILES)
def test_bad_content_counts_as_nothing_known(tmp_path: Path, name: str, bad: str) -> None:
    empty = FILES[name](tmp_path)
    (tmp_path / name).write_bytes(BAD[bad].replace(b"\\xff", b"\xff"))
    assert FILES[name](tmp_path) == empty
