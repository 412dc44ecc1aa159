"""The binding of an index to a ledger: an index of another ledger, or of a lost state, is not used."""

from __future__ import annotations

import hashlib
import json

from muniment.archive.ledger.model import LedgerHead
from muniment.archive.ledger.scan import has_commit
from muniment.archive.vault.vault import Vault


def binding_of(vault: Vault) -> str:
    """Return the binding for an index that is committed now: the vault, its head, and a digest of its damage.

    Damage decides which numbers messages have, so an index fits only a catalog with the same damage.
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


def is_bound(vault: Vault, watermark: int, written: str) -> bool:
    """Return whether an index belongs to this vault's ledger, in a state that the catalog has reached.

    Args:
        vault: The vault.
        watermark: The index's watermark; 0 belongs to any ledger.
        written: The index's binding.
    """
    if not watermark:
        return True
    try:
        value = json.loads(written)
        head = LedgerHead(value["tree_size"], bytes.fromhex(value["root"]), value["segment"], value["offset"])
        origin = bytes.fromhex(value["vault"]), value["damage"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    now, vault_id = vault.head, vault.catalog.vault_id
    if origin != (vault_id, _digest(vault)) or not watermark <= head.tree_size <= now.tree_size:
        return False
    return head == now or has_commit(vault.segments, vault_id, head)
