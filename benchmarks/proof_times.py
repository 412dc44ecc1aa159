"""Makes proofs from a ledger's tree in a process of its own, and prints what it took as JSON.

`python -m benchmarks.proof_times LEDGER TILES PROOFS`
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.ledger_tree import LedgerTree
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.scan import last_head


def main() -> None:
    """Complete the tiles, then make proofs of records and of earlier states that are chosen at random."""
    folder, tiles, proofs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    segments, chosen = LocalSegments(folder), random.Random(7)
    head = last_head(segments)
    assert head is not None
    of = Checkpoint(head.tree_size, head.root)
    tree = LedgerTree(segments, tiles, lambda: tiles.parent, writes=True)
    started = time.process_time()
    for _ in tree.grow(of.tree_size):
        pass
    built = time.process_time() - started
    inclusion, consistency = [], []
    for _ in range(proofs):
        started = time.process_time()
        tree.inclusion(chosen.randrange(of.tree_size), of)
        inclusion.append(time.process_time() - started)
        started = time.process_time()
        tree.consistency(chosen.randrange(1, of.tree_size), of)
        consistency.append(time.process_time() - started)
    print(json.dumps({"built": built, "inclusion": inclusion, "consistency": consistency, "memory": _peak()}))


def _peak() -> int:
    """The most resident memory so far, in bytes. That of getrusage has the process before `exec` in it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))


if __name__ == "__main__":
    main()
