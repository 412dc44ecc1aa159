"""The file `erasing` of a vault: since which state of the ledger an erasure is not finished."""

from __future__ import annotations

import json
from pathlib import Path

from muniment.archive.ledger.model import LedgerHead
from muniment.system.atomic_files import sync_folder, write_file

ERASING = "erasing"
ALL = LedgerHead(0, b"", 0, 0)
"""The state before the first record: everything that was ever erased is looked for again."""


def begin_erasing(folder: Path, head: LedgerHead) -> None:
    """Note that an erasure begins at a state of the ledger, unless an earlier one is not finished.

    Raises:
        OSError: The file can't be written.
    """
    path = folder / ERASING
    if not path.exists():
        state = [head.tree_size, head.root.hex(), head.segment, head.offset]
        write_file(path, json.dumps(state).encode(), durable=True)


def erasing_since(folder: Path) -> LedgerHead | None:
    """Return the state since which an erasure is unfinished; None if all are finished.

    A damaged file counts as if no erasure were finished.

    Raises:
        OSError: The file can't be read.
    """
    try:
        size, root, segment, offset = json.loads((folder / ERASING).read_bytes())
        return LedgerHead(int(size), bytes.fromhex(root), int(segment), int(offset))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return ALL


def clear_erasing(folder: Path) -> None:
    """Note that all erasures are finished.

    Raises:
        OSError: The file can't be removed.
    """
    (folder / ERASING).unlink(missing_ok=True)
    sync_folder(folder)
