#!/usr/bin/env python3
"""Check an export of a Muniment archive, without any code of Muniment.

    verify_export.py FOLDER
    verify_export.py EXPORT.zip
    verify_export.py EXPORT.zip --root SIZE:ROOT

Needs only Python 3.10 or later. Computes the SHA-256 of each message, compares it with `manifest.jsonl`, and
follows the proof of each message in `proof.jsonl` to the root of the archive's ledger (RFC 9162, 2.1.3.2).
Of a production for a court or a tax office, it also compares the SHA-256 of every other file that is listed.
Names what the manifest does not list, what is there twice, and what is missing.
It can't know of a message that was removed from the files, the manifest and the proofs alike.
--root is the checkpoint that you got elsewhere, such as from your own notes. Without it, the root is only the
one that the export itself names.

Exits with 0 if every message is right and proven and nothing else was found, 1 if something is wrong, 2 if
this is no export that can be checked, 3 if nothing is wrong but some messages have no proof here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import stat
import struct
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

LEAF = struct.Struct("<BBBqQ32s")
MESSAGE = 1
PIECE = 1024 * 1024
LONGEST = 64 * 1024 * 1024
"""Most bytes of a line of JSON."""
LISTED = 1_000
"""Most problems that are printed."""
SHOWN = 200
"""Most characters of a name that are printed."""
MANIFEST, PROOF = "manifest.jsonl", "proof.jsonl"
EXPLAINING = frozenset({MANIFEST, PROOF, "README.txt", "verify_export.py", "verify_ledger.py"})
"""The files of an export that are not messages."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1
SHA = re.compile("[0-9a-f]{64}")
DAMAGE = (OSError, EOFError, RuntimeError, ValueError, LookupError, ArithmeticError, MemoryError,
          struct.error, zlib.error, zipfile.BadZipFile)  # fmt: skip
"""What Python raises when it reads a damaged zip, or a file of it."""


class Unreadable(Exception):
    """A file, or all of the export, can't be read or understood; the text says why."""


class Missing(Exception):
    """There is no file of this name."""


class Unproven(Exception):
    """A proof is wrong; the text says how."""


def printable(text: object) -> str:
    """A text from an export that can do nothing to a terminal: what is not printable is escaped."""
    cut = str(text)[:SHOWN]
    shown = "".join(one if one.isprintable() and one != "\\" else _escaped(one) for one in cut)
    return shown if len(str(text)) <= SHOWN else f"{shown}..."


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


# --- files --------------------------------------------------------------------------------


class Files:
    """The files of an export, in a folder or a zip."""

    def __init__(self, path: Path) -> None:
        """Open an export. Raises Unreadable."""
        self._path = path
        self._zip: zipfile.ZipFile | None = None
        try:
            if path.is_file():
                self._zip = zipfile.ZipFile(path)
                self.names = Counter(name for name in self._zip.namelist() if not name.endswith("/"))
            elif path.is_dir():
                self.names = Counter(below(path))
            else:
                raise Unreadable("there is no such folder or zip")
        except zipfile.BadZipFile:
            raise Unreadable("it is not a zip, or it is damaged") from None
        except DAMAGE as error:
            raise Unreadable(f"it can't be read: {reason(error)}") from None

    def open(self, name: str) -> BinaryIO:
        """A file to read. Raises Missing or Unreadable, and while it is read any of DAMAGE."""
        if name not in self.names or "\\" in name or {"", ".", ".."} & set(name.split("/")):
            raise Missing
        return self._from_folder(name) if self._zip is None else self._from_zip(self._zip, name)

    def _from_folder(self, name: str) -> BinaryIO:
        path = self._path / name
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Unreadable("it is not a file")
        return path.open("rb")

    @staticmethod
    def _from_zip(packed: zipfile.ZipFile, name: str) -> BinaryIO:
        info = packed.getinfo(name)
        if info.flag_bits & ENCRYPTED:
            raise Unreadable("it is encrypted: unpack the zip with its password first")
        if info.compress_type not in METHODS:
            raise Unreadable("it is compressed in a way that exports do not use")
        return cast(BinaryIO, packed.open(info))


def below(folder: Path) -> Iterator[str]:
    """The paths of everything in a folder but its folders, with slashes. Links are not followed."""

    def failed(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=failed):
        start = "" if place == str(folder) else os.path.relpath(place, folder) + "/"
        links = (name for name in folders if os.path.islink(os.path.join(place, name)))  # noqa: PTH114, PTH118
        yield from (f"{start}{name}" for name in (*names, *links))


def reason(error: BaseException) -> str:
    """What an error of Python says, in words that can be printed."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(error) or type(error).__name__


def content(files: Files, name: str, most: int) -> tuple[str, int]:
    """The SHA-256 and the size of a file, of which little more than `most` bytes are read.

    Raises Missing or Unreadable.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with files.open(name) as file:
            while size <= most and (data := file.read(PIECE)):
                digest.update(data)
                size += len(data)
    except DAMAGE as error:
        raise Unreadable(f"it can't be read: {reason(error)}") from None
    return digest.hexdigest(), size


class Line:
    """An object of JSON on one line of a file."""

    def __init__(self, place: str, value: dict[str, Any]) -> None:
        self.place = place
        self._value = value

    def has(self, name: str) -> bool:
        """Whether it has a field of this name."""
        return name in self._value

    def text(self, name: str) -> str:
        """A text. Raises Unreadable if it is something else."""
        value = self._value.get(name)
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        return value

    def number(self, name: str) -> int:
        """A whole number of at most 63 bits. Raises Unreadable if it is something else."""
        value = self._value.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value.bit_length() > 63:
            raise self._wrong(name, "whole number")
        return value

    def sha(self, name: str) -> str:
        """A SHA-256 in hex. Raises Unreadable if it is something else."""
        value = self._value.get(name)
        if not isinstance(value, str) or not SHA.fullmatch(value):
            raise self._wrong(name, "SHA-256 in hex")
        return value

    def path(self) -> list[bytes]:
        """The path of a proof. Raises Unreadable if it is something else."""
        value = self._value.get("path")
        if not isinstance(value, list) or not all(
            isinstance(one, str) and SHA.fullmatch(one) for one in value
        ):
            raise self._wrong("path", "list of SHA-256 in hex")
        return [bytes.fromhex(one) for one in value]

    def _wrong(self, name: str, kind: str) -> Unreadable:
        return Unreadable(f"{self.place}: `{name}` is missing, or no {kind}")


def lines(files: Files, name: str) -> Iterator[Line]:
    """The objects of a file with one on each line; there is at least one. Raises Unreadable."""
    number = 0
    try:
        with files.open(name) as file:
            while data := file.readline(LONGEST):
                number += 1
                yield _line(f"{name}, line {number}", data)
    except Missing:
        raise Unreadable(f"it has no {name}, which an administrator's or auditor's zip has") from None
    except DAMAGE as error:
        raise Unreadable(f"{name} can't be read: {reason(error)}") from None
    if not number:
        raise Unreadable(f"{name} is empty")


def _line(place: str, data: bytes) -> Line:
    if len(data) == LONGEST:
        raise Unreadable(f"{place}: it is too long")
    try:
        value = json.loads(data)
    except RecursionError:
        raise Unreadable(f"{place}: it is nested too deeply") from None
    except ValueError:
        raise Unreadable(f"{place}: it is not JSON") from None
    if not isinstance(value, dict):
        raise Unreadable(f"{place}: it is no object of JSON")
    return Line(place, value)


# --- proofs -------------------------------------------------------------------------------


def node(left: bytes, right: bytes) -> bytes:
    """An inner node of the Merkle tree."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaf_of(proof: Line) -> bytes:
    """The leaf of a record. Raises Unproven or Unreadable."""
    kind, time, size = (proof.number(one) for one in ("kind", "time", "size"))
    try:
        leaf = LEAF.pack(0, 1, kind, time, size, bytes.fromhex(proof.sha("sha256")))
    except struct.error:
        raise Unproven("its proof is of a record that can't be") from None
    return hashlib.sha256(leaf).digest()


def root_of(proof: Line, tree_size: int) -> bytes:
    """The root to which a proof leads. Raises Unproven if it can't be one, or Unreadable."""
    number, last = proof.number("sequence"), tree_size - 1
    if not 0 <= number <= last:
        raise Unproven("its record is not in this ledger")
    found = leaf_of(proof)
    for step in proof.path():
        if last == 0:
            raise Unproven("its proof is too long")
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
        raise Unproven("its proof is too short")
    return found


def problem_of(proof: Line, tree_size: int, root: str) -> str:
    """What is wrong with a proof; "" if it is right. Raises Unreadable."""
    try:
        right = root_of(proof, tree_size).hex() == root and proof.number("kind") == MESSAGE
    except Unproven as error:
        return str(error)
    return "" if right else "its proof does not lead to the root of the ledger"


# --- the export ---------------------------------------------------------------------------


Record = tuple[str, int]
"""A message's record in the ledger: its SHA-256 and its sequence."""


class Finding:
    """What a check has found so far."""

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint
        self.seen: dict[Record, str] = {}
        """The messages in the manifest, each with the first file that it names for it."""
        self.proven: set[Record] = set()
        self.parts = 0
        """Number of files in the manifest that are no messages."""
        self.wrong: list[str] = []
        """What is wrong, printable."""

    @property
    def count(self) -> int:
        """Number of different messages in the manifest."""
        return len(self.seen)

    def add(self, name: str, problem: str) -> None:
        """Keep what is wrong with a file."""
        self.wrong.append(f"{printable(name)}: {problem}")


def check(files: Files, root: str) -> Finding:
    """Check an export, with `root` as the checkpoint that it must name, or "". Raises Unreadable."""
    proofs = lines(files, PROOF)
    ledger = next(proofs)
    size, named = ledger.number("tree_size"), ledger.sha("root")
    found = Finding(f"{size}:{named}")
    problems = {
        (proof.sha("sha256"), proof.number("sequence")): problem_of(proof, size, named) for proof in proofs
    }
    entries = lines(files, MANIFEST)
    export = next(entries)
    if export.text("checkpoint") != found.checkpoint:
        found.wrong.append(f"{MANIFEST} and {PROOF} name different checkpoints")
    if root and root.strip().lower() != found.checkpoint:
        found.wrong.append(f"the export names the checkpoint {found.checkpoint}, not {printable(root)}")
    listed: Counter[str] = Counter()
    for entry in entries:
        listed[entry.text("file")] += 1
        if entry.has("part"):
            found.parts += 1
            check_file(files, entry, found)
        else:
            check_message(files, entry, problems, found)
    check_names(files, listed, found)
    check_whole(export, problems, found)
    return found


def check_message(files: Files, entry: Line, problems: dict[Record, str], found: Finding) -> None:
    """Compare a message with its line of the manifest and with its proof. Raises Unreadable."""
    name = entry.text("file")
    record = entry.sha("sha256"), entry.number("sequence")
    first = found.seen.setdefault(record, name)
    if first != name:
        found.add(name, f"the manifest lists the same message as {printable(first)}")
        return
    right = check_file(files, entry, found)
    if right is None:
        return
    problem = problems.get(record)
    if problem:
        found.add(name, problem)
    if right and problem == "":
        found.proven.add(record)


def check_file(files: Files, entry: Line, found: Finding) -> bool | None:
    """Whether a file is that of its line in the manifest; None if it can't be read. Raises Unreadable."""
    name, sha, size = entry.text("file"), entry.sha("sha256"), entry.number("size")
    try:
        right = content(files, name, size) == (sha, size)
    except Missing:
        found.add(name, "it is missing")
        return None
    except Unreadable as error:
        found.add(name, str(error))
        return None
    if not right:
        what = "file" if entry.has("part") else "message"
        found.add(name, f"it is not the {what} of the manifest")
    return right


def check_names(files: Files, listed: Counter[str], found: Finding) -> None:
    """Find the names that are there twice, and the files that the manifest does not list."""
    for name, times in files.names.items():
        if times > 1:
            found.add(name, f"it is in the export {times} times")
        if name not in listed and name not in EXPLAINING:
            found.add(name, "the manifest does not list it")
    for name, times in listed.items():
        if times > 1:
            found.add(name, f"the manifest lists it {times} times")


def check_whole(export: Line, problems: dict[Record, str], found: Finding) -> None:
    """Find the messages that were removed from the manifest. Raises Unreadable."""
    for sha, sequence in sorted(problems.keys() - found.seen.keys(), key=lambda record: record[1]):
        found.wrong.append(f"{MANIFEST} does not list record {sequence}, whose proof is here: message {sha}")
    if export.has("selected") and export.number("selected") != found.count:
        chosen = export.number("selected")
        found.wrong.append(f"{chosen} messages were selected for this export, and {found.count} are listed")


def say(found: Finding, root: str) -> int:
    """Print what was found, and return the exit code."""
    unproven = found.count - len(found.proven)
    proven = f"{len(found.proven)} of them proven in the ledger of checkpoint {found.checkpoint}"
    print(f"{found.count} messages, {proven}")
    if found.parts:
        print(f"{found.parts} other files were compared with the manifest")
    if not root:
        print("the export itself names this checkpoint: compare it with your own, or use --root")
    for problem in found.wrong[:LISTED]:
        print(f"WRONG {problem}")
    if len(found.wrong) > LISTED:
        print(f"and {len(found.wrong) - LISTED} more")
    if found.wrong:
        print(f"{len(found.wrong)} problems")
        return 1
    if unproven:
        print(f"{unproven} have no proof here: ask the archive for it")
        return 3
    print("all is well")
    return 0


def main() -> int:
    """Check the export that the command line names."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("export", type=Path, help="the unpacked folder, or the zip")
    parser.add_argument("--root", default="", metavar="SIZE:ROOT", help="the checkpoint that it must name")
    options = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        cast(Any, stream).reconfigure(errors="backslashreplace")
    try:
        return say(check(Files(options.export), options.root), options.root)
    except Unreadable as error:
        print(f"{printable(options.export)} can't be checked: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
