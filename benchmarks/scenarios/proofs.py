"""Proofs of single records, for ledgers of two sizes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.lab import Lab
from benchmarks.measure import percentile
from benchmarks.report import Aim, Section, Table, megabytes
from muniment.archive.ledger.local_segments import LocalSegments
from muniment.archive.ledger.model import LedgerRecord, PayloadCodec, RecordKind
from muniment.archive.ledger.writer import Ledger

PROOFS = 500
BATCH = 2_000
"""Records of a commit."""
TIME = 1_790_000_000_000_000
TEXT = """\
Inclusion proofs of random records and consistency proofs from random earlier states, {proofs} of each, in
ledgers of small made-up records. The first process makes the file of tiles from the headers of frames; a
second one finds it there, as `muniment prove` does beside a service. Each proof is compared with the root of
the last commit before it counts. All times are CPU time. Memory is the peak of the second process, with
Python in it."""
Found = dict[str, Any]


def measure(lab: Lab) -> Section:
    """Time and memory of proofs, for two sizes of ledger."""
    sizes = (lab.settings.leaves, 10 * lab.settings.leaves)
    found = [_measured(lab, size) for size in sizes]
    columns = ("", *(f"{size:,} records" for size in sizes))
    rows = [
        ("tiles from headers, CPU s", *(f"{one['built']:.1f}" for one in found)),
        ("file of tiles, MB", *(megabytes(one["bytes"]) for one in found)),
    ]
    for name in ("inclusion", "consistency"):
        times = [[1000 * second for second in one[name]] for one in found]
        rows.append((f"first {name} proof, CPU ms", *(f"{one[0]:.1f}" for one in times)))
        for percent in (50, 99):
            shown = (f"{percentile(one, percent):.1f}" for one in times)
            rows.append((f"{name} proof, p{percent}, CPU ms", *shown))
    rows.append(("memory, MB", *(megabytes(one["memory"]) for one in found)))
    slowest = percentile([1000 * second for second in found[1]["inclusion"]], 50)
    aim = Aim(f"a proof in {sizes[1]:,} records: median under 10 CPU ms", f"{slowest:.1f} ms", slowest < 10)
    return Section("Proofs", TEXT.format(proofs=PROOFS), (), [Table(columns, rows)], [aim])


def _measured(lab: Lab, size: int) -> Found:
    with lab.scratch() as folder:
        write(folder / "ledger", size)
        tiles = folder / "tree.tiles"
        first, second = (_child(folder / "ledger", tiles) for _ in range(2))
        return second | {"built": first["built"], "bytes": tiles.stat().st_size}


def _child(ledger: Path, tiles: Path) -> Found:
    command = [sys.executable, "-m", "benchmarks.proof_times", str(ledger), str(tiles), str(PROOFS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Found = json.loads(done.stdout)
    return found


def write(folder: Path, size: int) -> None:
    """Write a ledger with about `size` leaves."""
    ledger = Ledger.create(LocalSegments(folder))
    while ledger.head.tree_size < size:
        start = ledger.head.tree_size
        for number in range(start, start + BATCH):
            content = number.to_bytes(8, "big")
            sha = hashlib.sha256(content).digest()
            record = LedgerRecord(RecordKind.PART, sha, len(content), PayloadCodec.RAW, content)
            ledger.append(record, TIME + number)
        ledger.commit()
    ledger.close()
