"""Which ledger an index was made from, and how far that had come: an index of another one is none."""

from __future__ import annotations

import hashlib
import json

from muniment.archive.ledger.model import Head
from muniment.archive.ledger.scan import has_commit
from muniment.archive.vault.open_catalog import LEDGER
from muniment.archive.vault.vault import Vault


def mark_of(vault: Vault) -> str:
    """What an index that is committed now keeps: the vault, its head, and what could not be read of it.

    The last decides which numbers messages have, so an index goes with it.
    """
    head = vault.head
    return json.dumps(
        {
            "vault": vault.catalog.vault_id.hex(),
            "tree_size": head.tree_size,
            "root": head.root.hex(),
            "segment": head.segment,
            "offset": head.offset,
            "damage": _digest(vault),
        }
    )


def _digest(vault: Vault) -> str:
    damage = vault.damage
    return hashlib.sha256(json.dumps(damage).encode()).hexdigest()[:16] if damage else ""


def bound(vault: Vault, watermark: int, written: str) -> bool:
    """Whether an index with this watermark and mark is of this vault's ledger, no later than its catalog."""
    if not watermark:
        return True
    try:
        mark = json.loads(written)
        head = Head(mark["tree_size"], bytes.fromhex(mark["root"]), mark["segment"], mark["offset"])
        origin = bytes.fromhex(mark["vault"]), mark["damage"]
    except (ValueError, KeyError, TypeError):
        return False
    now, vault_id = vault.head, vault.catalog.vault_id
    if origin != (vault_id, _digest(vault)) or not watermark <= head.tree_size <= now.tree_size:
        return False
    return head == now or has_commit(vault.folder / LEDGER, vault_id, head)
