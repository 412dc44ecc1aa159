#!/usr/bin/env python3
"""Check an export of a Muniment archive, without any code of Muniment.

    verify_export.py FOLDER
    verify_export.py EXPORT.zip
    verify_export.py EXPORT.zip --root SIZE:ROOT

Needs only Python 3.10 or later. Computes the SHA-256 of each message, compares it with `manifest.jsonl`, and
follows the proof of each message in `proof.jsonl` to the root of the archive's ledger (RFC 9162, 2.1.3.2).
--root is the checkpoint that you got elsewhere, such as from your own notes. Without it, the root is only the
one that the export itself names.

Exits with 0 if all is well, 1 if something is wrong, 2 if there is no export.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

LEAF = struct.Struct("<BBBqQ32s")
MESSAGE = 1
PIECE = 1024 * 1024


class Files:
    """The files of an export, in a folder or a zip."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path) if path.is_file() else None
        self._path = path

    def open(self, name: str) -> BinaryIO:
        """A file to read. Raises OSError or KeyError."""
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise KeyError(name)
        return cast(BinaryIO, self._zip.open(name)) if self._zip else (self._path / name).open("rb")

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        """The objects of a file with one on each line. Raises OSError, KeyError or ValueError."""
        with self.open(name) as file:
            for line in file:
                yield json.loads(line)


def content(files: Files, name: str) -> tuple[str, int]:
    """The SHA-256 and the size of a file."""
    digest, size = hashlib.sha256(), 0
    with files.open(name) as file:
        while data := file.read(PIECE):
            digest.update(data)
            size += len(data)
    return digest.hexdigest(), size


def node(left: bytes, right: bytes) -> bytes:
    """An inner node of the Merkle tree."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(proof: dict[str, Any], tree_size: int) -> bytes:
    """The root to which a proof leads. Raises ValueError if it can't be one."""
    number, last = int(proof["sequence"]), tree_size - 1
    if not 0 <= number <= last:
        raise ValueError("its record is not in this ledger")
    sha = bytes.fromhex(proof["sha256"])
    leaf = LEAF.pack(0, 1, proof["kind"], proof["time"], proof["size"], sha)
    found = hashlib.sha256(leaf).digest()
    for step in map(bytes.fromhex, proof["path"]):
        if last == 0:
            raise ValueError("its proof is too long")
        if number & 1 or number == last:
            found = node(step, found)
            while number and not number & 1:
                number >>= 1
                last >>= 1
        else:
            found = node(found, step)
        number >>= 1
        last >>= 1
    if last:
        raise ValueError("its proof is too short")
    return found


def check(files: Files, root: str) -> tuple[list[str], int, int, str]:
    """What is wrong; the number of messages, and of those that are proven; and the checkpoint."""
    wrong: list[str] = []
    proofs = files.lines("proof.jsonl")
    ledger = next(proofs)
    size, named = int(ledger["tree_size"]), str(ledger["root"])
    proven: dict[tuple[str, int], str] = {}
    for proof in proofs:
        name = (proof["sha256"], int(proof["sequence"]))
        try:
            right = root_of(proof, size).hex() == named and proof["kind"] == MESSAGE
            proven[name] = "" if right else "its proof does not lead to the root of the ledger"
        except (ValueError, struct.error) as error:
            proven[name] = str(error)
    entries = files.lines("manifest.jsonl")
    head = next(entries)
    if head.get("checkpoint") != f"{size}:{named}":
        wrong.append("manifest.jsonl and proof.jsonl name different checkpoints")
    if root and root != f"{size}:{named}":
        wrong.append(f"the export names the checkpoint {size}:{named}, not {root}")
    count = good = 0
    for entry in entries:
        count += 1
        try:
            found = content(files, entry["file"])
        except (OSError, KeyError):
            wrong.append(f"{entry['file']}: it is missing")
            continue
        if found != (entry["sha256"], entry["size"]):
            wrong.append(f"{entry['file']}: it is not the message of the manifest")
        problem = proven.get((entry["sha256"], int(entry["sequence"])))
        if problem:
            wrong.append(f"{entry['file']}: {problem}")
        good += problem == ""
    return wrong, count, good, f"{size}:{named}"


def main() -> int:
    """Check the export that the command line names."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export", type=Path, help="the unpacked folder, or the zip")
    parser.add_argument("--root", default="", metavar="SIZE:ROOT", help="the checkpoint that it must name")
    options = parser.parse_args()
    try:
        wrong, count, proven, checkpoint = check(Files(options.export), options.root)
    except (OSError, KeyError, StopIteration, ValueError, TypeError, zipfile.BadZipFile) as error:
        print(f"this is not an export that can be checked: {error!r}", file=sys.stderr)
        return 2
    print(f"{count} messages, {proven} of them proven in the ledger of checkpoint {checkpoint}")
    if count > proven and not wrong:
        print(f"{count - proven} have no proof here: ask the archive for it")
    for problem in wrong:
        print(f"WRONG {problem}")
    print("all is well" if not wrong else f"{len(wrong)} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
