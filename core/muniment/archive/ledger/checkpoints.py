"""Checkpoints: size and root of a ledger at one time, and their comparison with the ledger at a later time.

A Merkle root (RFC 9162, 2.1) over the first N leaves proves exactly these leaves. So anyone who has noted
size and root can check any later state of the ledger: if the root over its first N leaves is another, the
ledger was changed. `docs/ledger-format.md`, section "Checkpoints", says more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from muniment.errors import UsageError
from muniment.evidence.merkle import EMPTY_ROOT, MerkleFrontier

State = Literal["unchanged", "cut", "rewritten", "unreadable"]

MOST = 1 << 63
"""More leaves than any ledger can have."""


@dataclass(frozen=True, slots=True, order=True)
class Checkpoint:
    """The number of leaves of a ledger's tree, and the Merkle root over them."""

    tree_size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.tree_size}:{self.root.hex()}"


@dataclass(frozen=True, slots=True)
class CheckpointProof:
    """The result of comparing a checkpoint with a ledger."""

    checkpoint: Checkpoint
    state: State
    text: str
    """The result as a sentence without its full stop."""
    time: int = 0
    """When the last record that it covers was written, microseconds since 1970 UTC; 0 if not known."""

    @property
    def holds(self) -> bool:
        """Whether the ledger still has everything that the checkpoint covers, unchanged."""
        return self.state == "unchanged"


def read_checkpoint(text: str) -> Checkpoint:
    """Parse a checkpoint of the form `SIZE:ROOT`, with the root in 64 hex digits.

    Raises:
        UsageError: The text has another form.
    """
    size, _, root = text.strip().partition(":")
    try:
        if not (size.isascii() and size.isdecimal() and len(root) == 64 and int(size) < MOST):
            raise ValueError
        return Checkpoint(int(size), bytes.fromhex(root))
    except ValueError:
        raise UsageError(
            f"{text!r} is not a checkpoint: give SIZE:ROOT, as `muniment status` and `muniment verify` do"
        ) from None


class CheckpointProver:
    """Compares checkpoints with a ledger while it is read in order."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self._checkpoints = list(dict.fromkeys(checkpoints))
        self._sizes = sorted({one.tree_size for one in self._checkpoints}, reverse=True)
        """Sizes that the tree has not reached yet, in descending order."""
        self._most = max(self._sizes, default=0)
        self._roots: dict[int, bytes] = {}
        self._times: dict[int, int] = {}

    def add_tree(self, tree: MerkleFrontier, time: int) -> None:
        """Take the tree of the leaves so far. Call this after every leaf, or checkpoints are not compared.

        `time` is when the last of these leaves was written, microseconds since 1970 UTC.
        """
        while self._sizes and self._sizes[-1] <= tree.size:
            size = self._sizes.pop()
            if size == tree.size:
                self._roots[size], self._times[size] = tree.root(), time

    def needs_more_than(self, tree_size: int) -> bool:
        """Return whether a checkpoint covers more than `tree_size` leaves."""
        return self._most > tree_size

    def results(self, tree_size: int) -> list[CheckpointProof]:
        """Return the result for each checkpoint.

        Args:
            tree_size: Number of leaves that the ledger's last commit frame proves.
        """
        return [self._result(one, tree_size) for one in self._checkpoints]

    def _result(self, one: Checkpoint, tree_size: int) -> CheckpointProof:
        root = EMPTY_ROOT if not one.tree_size else self._roots.get(one.tree_size)
        if one.tree_size > tree_size:
            return CheckpointProof(
                one,
                "cut",
                f"the ledger was cut or set back: it had {one.tree_size} records, and {tree_size} are left",
            )
        if root is None:
            return CheckpointProof(
                one, "unreadable", "it can't be compared, since records before it are damaged"
            )
        if root != one.root:
            return CheckpointProof(
                one,
                "rewritten",
                f"the ledger was rewritten, or is another vault's: its first {one.tree_size} records are not "
                "those of the checkpoint",
            )
        more = tree_size - one.tree_size
        grown = f"the ledger has grown from it by {more} records" if more else "the ledger is what it was"
        time = self._times.get(one.tree_size, 0)
        return CheckpointProof(one, "unchanged", f"{grown}, unchanged", time)
