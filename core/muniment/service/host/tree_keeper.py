"""Keeps the tree tiles close behind the ledger of a running service, so that a proof is ready at once.

It reads headers of frames that are committed already, in a thread of its own and in small steps with pauses.
So no commit waits for it.
"""

from __future__ import annotations

import logging
import threading

from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.vault.vault import Vault
from muniment.errors import LedgerDamaged, MunimentError

log = logging.getLogger("muniment.service")

LOOK = 5.0
"""Seconds between two looks at the ledger."""
PAUSE = 0.05
"""Seconds between two steps, so that others get the processor."""
AFTER_TROUBLE = 600.0
"""Seconds until the next attempt after one that failed."""


class TreeKeeper:
    """Completes the tiles of one vault. A context that works while it is open."""

    def __init__(self, vault: Vault, *, look: float = LOOK, pause: float = PAUSE) -> None:
        """Make it; nothing is read yet.

        Args:
            vault: The vault, open for writing.
            look: Seconds between two looks at the ledger.
            pause: Seconds between two steps.
        """
        self._vault = vault
        self._look = look
        self._pause = pause
        self._checked = False
        """Whether the file was found to lead to the ledger's root."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tree-tiles", daemon=True)

    def __enter__(self) -> TreeKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        wait = self._look
        while not self._stop.wait(wait):
            wait = self._look
            try:
                self._complete()
            except (MunimentError, OSError) as error:
                log.warning("proofs can't be prepared; `muniment prove` will try again: %s", error)
                wait = AFTER_TROUBLE

    def _complete(self) -> None:
        head = self._vault.head
        try:
            for _ in self._vault.tree.grow(head.tree_size):
                if self._stop.wait(self._pause):
                    return
        except LedgerDamaged:
            self._checked = False  # the file may be of another ledger, which a proof finds out and mends
        if not self._checked and head.tree_size:
            self._vault.tree.inclusion(0, Checkpoint(head.tree_size, head.root))
            self._checked = True
