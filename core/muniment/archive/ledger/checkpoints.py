"""Checkpoints: a ledger's size and root as they were at one time, and what a later ledger makes of them.

A Merkle root (RFC 9162, 2.1) over the first N leaves stands for these leaves and no others. So whoever has
noted size and root can compare them with any later state of the ledger: the root over its first N leaves
is the noted one, or the ledger is not what it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from muniment.archive.ledger.merkle import EMPTY_ROOT, Frontier
from muniment.errors import UsageError

State = Literal["unchanged", "cut", "rewritten", "unreadable"]

MOST = 1 << 63
"""No ledger has so many leaves."""


@dataclass(frozen=True, slots=True, order=True)
class Checkpoint:
    """The number of leaves of a ledger's tree, and its root over them."""

    tree_size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.tree_size}:{self.root.hex()}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a ledger makes of a checkpoint."""

    checkpoint: Checkpoint
    state: State
    text: str
    """A sentence without its full stop."""

    @property
    def holds(self) -> bool:
        """Whether the ledger has grown from it, unchanged."""
        return self.state == "unchanged"


def read_checkpoint(text: str) -> Checkpoint:
    """A checkpoint from `SIZE:ROOT`, the root in 64 hex digits.

    Raises:
        UsageError: that is none.
    """
    size, _, root = text.strip().partition(":")
    try:
        if not (size.isascii() and size.isdecimal() and len(root) == 64 and int(size) < MOST):
            raise ValueError
        return Checkpoint(int(size), bytes.fromhex(root))
    except ValueError:
        raise UsageError(
            f"{text!r} is no checkpoint: give SIZE:ROOT, as `muniment verify` and `muniment status` print it"
        ) from None


class Proofs:
    """Compares checkpoints with a ledger that is read in order."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self._checkpoints = list(dict.fromkeys(checkpoints))
        self._sizes = sorted({one.tree_size for one in self._checkpoints}, reverse=True)
        """Sizes that the tree has not reached."""
        self._most = max(self._sizes, default=0)
        self._roots: dict[int, bytes] = {}

    def see(self, tree: Frontier) -> None:
        """The tree of the leaves so far. Call it for every leaf: a size that it skips is not comparable."""
        while self._sizes and self._sizes[-1] <= tree.size:
            size = self._sizes.pop()
            if size == tree.size:
                self._roots[size] = tree.root()

    def waits(self, tree_size: int) -> bool:
        """Whether a checkpoint is of more than `tree_size` leaves."""
        return self._most > tree_size

    def results(self, tree_size: int) -> list[Proof]:
        """What the ledger makes of each; `tree_size` is how many leaves its last commit frame proves."""
        return [self._result(one, tree_size) for one in self._checkpoints]

    def _result(self, one: Checkpoint, tree_size: int) -> Proof:
        root = EMPTY_ROOT if not one.tree_size else self._roots.get(one.tree_size)
        if one.tree_size > tree_size:
            return Proof(
                one,
                "cut",
                f"the ledger was cut or set back: it had {one.tree_size} records, and {tree_size} are left",
            )
        if root is None:
            return Proof(one, "unreadable", "it can't be compared, since records before it are damaged")
        if root != one.root:
            return Proof(
                one,
                "rewritten",
                f"the ledger was rewritten, or is another vault's: its first {one.tree_size} records are not "
                "those that were noted",
            )
        more = tree_size - one.tree_size
        grown = f"the ledger has grown from it by {more} records" if more else "the ledger is what it was"
        return Proof(one, "unchanged", f"{grown}, unchanged")
