"""What a vault's folder holds: the names, and the place of the ledger's segments."""

from __future__ import annotations

from pathlib import Path

from muniment.archive.ledger.local_segments import SUFFIX, TORN, VAULT_ID, LocalSegments
from muniment.archive.ledger.segment_store import SegmentStore

LEDGER, CATALOG, INDEX, TREE = "ledger", "catalog.db", "index", "tree.tiles"
ERASED = "erased.json"
"""The file that says up to which state of the ledger all erasures are done."""


def segments_of(folder: Path) -> SegmentStore:
    """Return the segments of a vault's ledger, or of a backup's. Nothing is opened; there need not be any.

    This is the one place that chooses where segments are.

    Args:
        folder: The vault's folder.
    """
    return LocalSegments(folder / LEDGER)


def vault_id_file(folder: Path) -> Path:
    """Return the file with the vault's id, of a vault or a backup in `folder`."""
    return folder / LEDGER / VAULT_ID


def torn_folder(folder: Path) -> Path:
    """Return the folder of the torn tails of the vault in `folder`; there need not be one."""
    return folder / LEDGER / TORN


def beside_segments(folder: Path) -> list[Path]:
    """Return the files in the ledger of the vault in `folder` that are not segments, as the vault's id."""
    return [path for path in sorted((folder / LEDGER).iterdir()) if path.is_file() and path.suffix != SUFFIX]
