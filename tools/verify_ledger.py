#!/usr/bin/env python3
"""Check a Muniment ledger or the proof of a message, and extract mail, without any code of Muniment.

    verify_ledger.py VAULT/ledger
    verify_ledger.py VAULT/ledger --extract DIR
    verify_ledger.py VAULT/ledger --was SIZE:ROOT
    verify_ledger.py --proof FILE.zip [--root SIZE:ROOT] [--key NAME+ID+KEY]

Needs Python 3.10 or later; for a ledger the module `zstandard`, for --key the module `cryptography`. On
Debian these are the packages python3-zstandard and python3-cryptography. --proof alone needs no module.

Of a ledger it checks every checksum, the Merkle root at every commit frame, and the SHA-256 of every record's
content. With --extract it also writes

    DIR/messages/SHA256.eml      every message
    DIR/copies/SHA256.eml        every journal report, and every other copy, as it was fetched
    DIR/quarantine/SHA256.eml    items that could not be unwrapped

--was compares the ledger with a checkpoint that was noted earlier, and may be repeated. The ledger must have
grown from it, unchanged. Only this shows that the end is missing, or that the whole ledger was written again.

A record whose content was erased is right if a committed redaction record names it with exactly its values,
and its payload is zeros. Any other is damage.

--proof checks a file of `muniment prove`: that each byte of it is as it was written, that the message and the
other records are those whose hashes it names, and that their proofs (RFC 9162, 2.1.3) lead to the root of the
checkpoint. --root and --key are the checkpoint and the public key that you have from elsewhere. Without them
the file is only compared with what it says itself.

Exits with 0 if all is well, 1 if something is damaged or a checkpoint does not hold, 2 if there is no ledger,
no proof, or an argument can't be read, 3 if nothing is wrong but a module is missing. The format is described
in docs/ledger-format.md. Keep this file beside it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import io
import json
import sqlite3
import struct
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]

HEADER = struct.Struct("<4sBBBB8sqQII32sII")
LEAF = struct.Struct("<BBBqQ32s")
MAX_PAYLOAD = 64 * 1024 * 1024
KINDS = (
    *("nothing", "message", "part", "chunks", "envelope", "receipt", "deletion", "quarantine"),
    *("directory", "configuration", "hold", "redaction", "audit", "run", "dictionary", "commit"),
    *("rule", "grant", "approval", "nothing", "sender evidence", "subject request"),
)
MESSAGE, PART, CHUNKS, ENVELOPE, QUARANTINE, REDACTION, AUDIT = 1, 2, 3, 4, 7, 11, 12
DICTIONARY, COMMIT = 14, 15
MAIL = (MESSAGE, PART, CHUNKS, ENVELOPE, QUARANTINE)
RAW, ZSTD, ZSTD_DICT, RECIPE, CHUNK_LIST, ERASED = 0, 1, 2, 0x10, 0x20, 0x40
PLACE = "segment, offset, sequence, length, kind, time, size, sha"
EOLS = (b"\r\n", b"\n", b"\r", b"")
EXTRACTED = {MESSAGE: "messages", ENVELOPE: "copies", QUARANTINE: "quarantine"}


class Damaged(Exception):
    """Something does not follow the format; the text says what."""


class Frame(NamedTuple):
    """An intact frame."""

    segment: int
    offset: int
    kind: int
    codec: int
    time: int
    size: int
    dictionary: int
    sha: bytes
    payload: bytes

    def __str__(self) -> str:
        return f"segment {self.segment}, offset {self.offset}: {KINDS[self.kind]} {self.sha.hex()}"


# --- frames -------------------------------------------------------------------------------


def parse(file: BinaryIO, segment: int, offset: int, tag: bytes) -> Frame:
    """The frame at `offset`."""
    file.seek(offset)
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        raise Damaged("cut short")
    fields = HEADER.unpack(head)
    magic, version, kind, codec, flags, found, time, size, length, dictionary, sha, payload_crc, crc = fields
    if magic != b"MUNF" or found != tag or crc32(head[:-4]) != crc or length > MAX_PAYLOAD:
        raise Damaged("no intact header")
    if version != 1 or flags or not 0 < kind < len(KINDS) or KINDS[kind] == KINDS[0]:
        raise Damaged(f"format {version}, kind {kind}: newer than this program")
    payload = file.read(length)
    if len(payload) < length:
        raise Damaged("cut short")
    if crc32(payload) != payload_crc:
        raise Damaged(f"the payload of {KINDS[kind]} {sha.hex()} is damaged")
    return Frame(segment, offset, kind, codec, time, size, dictionary, sha, payload)


def next_header(file: BinaryIO, tag: bytes, offset: int) -> int:
    """The offset of the next intact header from `offset` on; -1 if there is none."""
    file.seek(offset)
    window = b""
    while fresh := file.read(1 << 20):
        window += fresh
        at = window.find(tag)
        while at >= 0:
            head = window[max(0, at - 8) : at - 8 + HEADER.size]
            if at >= 8 and len(head) == HEADER.size and crc32(head[:-4]) == HEADER.unpack(head)[-1]:
                return offset + at - 8
            at = window.find(tag, at + 1)
        offset += max(0, len(window) - HEADER.size)
        window = window[-HEADER.size :]
    return -1


def frames(path: Path, segment: int, tag: bytes) -> Iterator[Frame | tuple[int, int, str]]:
    """Frames, and (offset, length, reason) for bytes that are not a frame."""
    end = path.stat().st_size
    offset = 0
    with path.open("rb") as file:
        while offset < end:
            try:
                frame = parse(file, segment, offset, tag)
            except Damaged as error:
                found = next_header(file, tag, offset + 1)
                following = found if found >= 0 else end
                yield offset, following - offset, str(error)
                offset = following
            else:
                yield frame
                offset += HEADER.size + len(frame.payload)


# --- the chain ----------------------------------------------------------------------------


def node(left: bytes, right: bytes) -> bytes:
    """An inner node, by RFC 9162, 2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The Merkle tree of RFC 9162, as the roots of its full subtrees, the largest first."""

    def __init__(self, size: int = 0, peaks: list[bytes] | None = None) -> None:
        self.size = size
        self.peaks = list(peaks or ())

    def add(self, frame: Frame) -> None:
        """Append a frame's leaf."""
        leaf = hashlib.sha256(LEAF.pack(0, 1, frame.kind, frame.time, frame.size, frame.sha)).digest()
        size = self.size
        while size & 1:
            leaf = node(self.peaks.pop(), leaf)
            size >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            root = node(peak, root)
        return root


class Verifier:
    """Reads a ledger twice: first frames and chain, then content."""

    def __init__(self, folder: Path, sizes: Iterable[int] = ()) -> None:
        self.folder = folder
        self.roots: dict[int, bytes | None] = dict.fromkeys(sizes)
        """The root over the first N leaves, for the requested sizes; None if it is not known."""
        self.problems: list[str] = []
        self.counts = [0] * len(KINDS)
        self.tree_size, self.root = 0, hashlib.sha256(b"").digest()
        self.uncommitted = 0
        self.audits = 0
        self.committed = (0, 0)
        self.segments = sorted(int(path.stem) for path in folder.glob("*.seg") if path.stem.isdigit())
        self.tag = self._tag()
        self._places = sqlite3.connect("", isolation_level=None)
        self._places.execute("CREATE TABLE place (sha BLOB PRIMARY KEY, segment, offset) WITHOUT ROWID")
        for table in ("erased", "waiting", "named"):
            self._places.execute(f"CREATE TABLE {table} ({PLACE}, PRIMARY KEY ({PLACE})) WITHOUT ROWID")
        self.erased = self.unfinished = 0
        self._gaps: list[tuple[int, int, int, str]] = []
        """Segment, offset and length of bytes that are not a frame, and the problem that they are."""
        self._dictionaries: dict[int, list[tuple[int, int]]] = {}
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {0: zstandard.ZstdDecompressor()}
        self._loose: list[str] = []

    def path(self, segment: int) -> Path:
        """The file of a segment."""
        return self.folder / f"{segment:012d}.seg"

    def _tag(self) -> bytes:
        for segment in self.segments:
            with self.path(segment).open("rb") as file:
                head = file.read(HEADER.size)
            if (
                head[:4] == b"MUNF"
                and len(head) == HEADER.size
                and crc32(head[:-4]) == HEADER.unpack(head)[-1]
            ):
                tag = head[8:16]
                if _read_id(self.folder) not in (None, tag):
                    self.problems.append(f"{self.folder / 'vault-id'}: it should read {tag.hex()}")
                return tag
        return _read_id(self.folder) or b""

    # --- first pass -----------------------------------------------------------------------

    def verify_chain(self) -> None:
        """Verify every checksum, and the root at every commit frame."""
        tree: Tree | None = Tree()
        expected = 1
        for segment in self.segments:
            if segment != expected:
                self.problems.append(f"segment {expected}: the file is missing")
                tree = None
            expected = segment + 1
            for item in frames(self.path(segment), segment, self.tag):
                if isinstance(item, Frame):
                    tree = self._follow(item, tree)
                else:
                    tree = None
                    self._gap(segment, *item)
        self.problems += [text for text in self._loose if not text.endswith(": cut short")]
        self._judge_erasures()

    def _gap(self, segment: int, offset: int, length: int, reason: str) -> None:
        self.uncommitted += length
        self._loose.append(f"segment {segment}, offset {offset}, {length} bytes: {reason}")
        self._gaps.append((segment, offset, length, self._loose[-1]))

    # --- erasures -------------------------------------------------------------------------

    def _note_erasure(self, frame: Frame, sequence: int) -> None:
        """Keep what is erased, and what redactions name; `sequence` is -1 if it is not known."""
        length = len(frame.payload)
        if frame.codec & ERASED and (frame.codec, frame.dictionary) != (ERASED, 0):
            self.problems.append(f"{frame}: it is erased, but its codec or dictionary is wrong")
        elif frame.codec & ERASED and frame.payload.count(0) != length:
            self.problems.append(f"{frame}: it is erased, but its payload is not zeros")
        elif frame.codec & ERASED:
            row = frame.segment, frame.offset, sequence, length, frame.kind, frame.time, frame.size, frame.sha
            self._insert("erased", [row])
        elif frame.kind == REDACTION:
            try:
                self._insert("waiting", self._named(frame, sequence))
            except (Damaged, ValueError, KeyError, TypeError, RecursionError) as error:
                self.problems.append(f"{frame}: not readable ({error})")

    def _named(self, frame: Frame, sequence: int) -> list[tuple[Any, ...]]:
        """The frames that a redaction names."""
        rows = []
        for number, segment, offset, length, kind, time, size, sha in json.loads(self._payload(frame))[
            "frames"
        ]:
            numbers = number, segment, offset, length, kind, time, size
            if not all(type(one) is int for one in numbers) or kind not in MAIL:
                raise Damaged("it names a frame that holds no mail")
            after = (segment, offset + HEADER.size + length) > (frame.segment, frame.offset)
            if after or (sequence >= 0 and number >= sequence):
                raise Damaged("it names a frame that does not come before it")
            rows.append((segment, offset, number, length, kind, time, size, bytes.fromhex(sha)))
        return rows

    def _insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * len(PLACE.split(", ")))
        self._places.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)  # noqa: S608

    def _commit_redactions(self) -> None:
        self._places.execute("INSERT OR IGNORE INTO named SELECT * FROM waiting")
        self._places.execute("DELETE FROM waiting")

    def _judge_erasures(self) -> None:
        """Tell erasures from damage, now that all redactions are known."""
        same = (
            "n.segment = e.segment AND n.offset = e.offset AND n.length = e.length AND n.kind = e.kind AND "
            "n.time = e.time AND n.size = e.size AND n.sha = e.sha AND e.sequence IN (-1, n.sequence)"
        )
        query = (
            f"SELECT segment, offset, kind, sha, EXISTS (SELECT 1 FROM named n WHERE {same}) FROM erased e"  # noqa: S608
        )
        for segment, offset, kind, sha, right in self._places.execute(query):
            self.erased += right
            if not right:
                where = f"segment {segment}, offset {offset}: {KINDS[kind]} {sha.hex()}"
                self.problems.append(f"{where}: it is erased, but no committed redaction record names it so")
        excused = {
            text for segment, offset, length, text in self._gaps if self._covered(segment, offset, length)
        }
        self.problems = [text for text in self.problems if text not in excused]
        query = f"SELECT {PLACE} FROM named n WHERE NOT EXISTS (SELECT 1 FROM erased e WHERE {same})"  # noqa: S608
        for row in self._places.execute(query):
            if self._is_there(*row):
                self.unfinished += 1
            else:
                where = f"segment {row[0]}, offset {row[1]}: {KINDS[row[4]]} {row[7].hex()}"
                self.problems.append(f"{where}: a redaction record names it, but it is not there")

    def _is_named(self, frame: Frame) -> bool:
        """Whether a redaction names the frame: then its content is to be erased, and is no concern."""
        query = "SELECT 1 FROM named WHERE segment = ? AND offset = ?"
        return self._places.execute(query, (frame.segment, frame.offset)).fetchone() is not None

    def _covered(self, segment: int, offset: int, length: int) -> bool:
        """Whether named frames fill these bytes: then an erasure was interrupted there."""
        end = offset + length
        query = (
            "SELECT offset, length FROM named WHERE segment = ? AND offset BETWEEN ? AND ? ORDER BY offset"
        )
        for start, size in self._places.execute(query, (segment, offset, end - 1)):
            if start > offset:
                return False
            offset = max(offset, start + HEADER.size + size)
        return offset >= end

    def _is_there(
        self,
        segment: int,
        offset: int,
        sequence: int,
        length: int,
        kind: int,
        time: int,
        size: int,
        sha: bytes,
    ) -> bool:
        """Whether a named frame is at its place, by what an erasure leaves of its header."""
        if segment not in self.segments:
            return False
        with self.path(segment).open("rb") as file:
            file.seek(offset)
            head = file.read(HEADER.size)
        if len(head) < HEADER.size:
            return False
        found = HEADER.unpack(head)
        wanted = (b"MUNF", 1, kind, 0, self.tag, time, size, length, sha)
        return (*found[:3], *found[4:9], found[10]) == wanted

    def _follow(self, frame: Frame, tree: Tree | None) -> Tree | None:
        self.uncommitted += HEADER.size + len(frame.payload)
        self._note(frame)
        self._note_erasure(frame, -1 if tree is None else tree.size)
        self._root_at(tree)
        if frame.kind == COMMIT:
            tree = self._commit(frame, tree)
            self._root_at(tree)
        if tree is not None:
            tree.add(frame)
        return tree

    def _root_at(self, tree: Tree | None) -> None:
        """Keep the root if the tree has a requested size. A root from the records has priority."""
        if tree is not None and tree.size in self.roots and self.roots[tree.size] is None:
            self.roots[tree.size] = tree.root()

    def compare(self, size: int, root: bytes) -> str:
        """What is wrong with the ledger, compared with a checkpoint; "" if it has grown from it unchanged."""
        if size > self.tree_size:
            return f"the ledger was cut or set back: it had {size} records, and {self.tree_size} are left"
        found = self.roots[size] if size else Tree().root()
        if found is None:
            return "it can't be compared, since records before it are damaged"
        if found != root:
            return f"the ledger was rewritten, or is another vault's: its first {size} records are not those"
        return ""

    def _note(self, frame: Frame) -> None:
        self.counts[frame.kind] += 1
        self.audits += frame.kind == AUDIT
        if frame.kind in (MESSAGE, PART, CHUNKS):
            row = frame.sha, frame.segment, frame.offset
            how = "IGNORE" if frame.codec == ERASED else "REPLACE"  # another record may hold the content
            self._places.execute(f"INSERT OR {how} INTO place VALUES (?, ?, ?)", row)  # noqa: S608
        elif frame.kind == DICTIONARY:
            self._dictionaries.setdefault(frame.dictionary, []).append((frame.segment, frame.offset))

    def _commit(self, frame: Frame, tree: Tree | None) -> Tree | None:
        try:
            commit: dict[str, Any] = json.loads(frame.payload)
            stated = Tree(commit["tree_size"], [bytes.fromhex(peak) for peak in commit["frontier"]])
            root = bytes.fromhex(commit["root"])
            audits = commit.get("audits", -1)
            if type(stated.size) is not int or type(audits) is not int:
                raise TypeError("a number is of another type")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self.problems.append(f"{frame}: not readable ({error})")
            return None
        if stated.root() != root or stated.size.bit_count() != len(stated.peaks):
            self.problems.append(f"{frame}: root and frontier disagree")
        if tree is not None and (tree.size, tree.root()) != (stated.size, root):
            self.problems.append(f"{frame}: the records before it are not those that it proves")
        if tree is not None and audits not in (-1, self.audits):
            self.problems.append(
                f"{frame}: it counts {audits} audit records, and {self.audits} are before it"
            )
        self.audits = self.audits if audits == -1 else audits
        if "segment" not in commit:
            self._commit_redactions()
            self.problems += self._loose
            self._loose.clear()
            self.tree_size, self.root, self.uncommitted = stated.size, root, 0
            self.committed = frame.segment, frame.offset
        return stated

    # --- second pass ----------------------------------------------------------------------

    def verify_content(self, target: Path | None) -> None:
        """Verify every byte of every committed record. Write mail below `target`, if it is given."""
        for segment in self.segments:
            for item in frames(self.path(segment), segment, self.tag):
                if not isinstance(item, Frame) or item.codec & ERASED:
                    continue
                if (item.segment, item.offset) <= self.committed and not self._is_named(item):
                    self._verify(item, target)

    def _verify(self, frame: Frame, target: Path | None) -> None:
        path = _path_for(frame, target)
        try:
            with path.open("wb") if path else io.BytesIO() as file:
                self._copy(frame, file if path else None)
        except Damaged as error:
            self.problems.append(f"{frame}: {error}")
            if path:
                path.rename(path.with_suffix(".damaged"))

    def _copy(self, frame: Frame, file: BinaryIO | None) -> None:
        digest = hashlib.sha256()
        size = 0
        for chunk in self.content(frame):
            digest.update(chunk)
            size += len(chunk)
            if size > frame.size:
                break
            if file is not None:
                file.write(chunk)
        if (size, digest.digest()) != (frame.size, frame.sha):
            raise Damaged("its content does not have the size and the hash that it should")

    def content(self, frame: Frame, depth: int = 8) -> Iterator[bytes]:
        """A record's content, in chunks."""
        if not depth:
            raise Damaged("records refer to each other without end")
        payload = self._payload(frame)
        if frame.codec & CHUNK_LIST:
            for at in range(0, len(payload), 32):
                yield from self.content(self._find(payload[at : at + 32]), depth - 1)
        elif frame.codec & RECIPE:
            yield from self._cook(payload, depth - 1)
        else:
            yield payload

    def _find(self, sha: bytes) -> Frame:
        row = self._places.execute("SELECT segment, offset FROM place WHERE sha = ?", (sha,)).fetchone()
        if row is None:
            raise Damaged(f"content {sha.hex()} is missing")
        return self._frame(*row)

    def _frame(self, segment: int, offset: int) -> Frame:
        with self.path(segment).open("rb") as file:
            return parse(file, segment, offset, self.tag)

    def _payload(self, frame: Frame) -> bytes:
        if frame.codec == ERASED:
            raise Damaged(f"{KINDS[frame.kind]} {frame.sha.hex()} is erased, but other content refers to it")
        codec = frame.codec & 0x0F
        if codec == RAW:
            return frame.payload
        if codec not in (ZSTD, ZSTD_DICT):
            raise Damaged(f"codec {frame.codec:#x} is not known")
        decompressor = self._decompressor(frame.dictionary if codec == ZSTD_DICT else 0)
        try:
            if not 0 <= zstandard.frame_content_size(frame.payload) <= MAX_PAYLOAD:
                raise Damaged("it claims an impossible size")
            return decompressor.decompress(frame.payload)
        except zstandard.ZstdError as error:
            raise Damaged(str(error)) from error

    def _decompressor(self, dictionary: int) -> zstandard.ZstdDecompressor:
        if dictionary not in self._decompressors:
            data = self._dictionary(dictionary)
            made = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(data))
            self._decompressors[dictionary] = made
        return self._decompressors[dictionary]

    def _dictionary(self, number: int) -> bytes:
        for place in self._dictionaries.get(number, ()):
            with contextlib.suppress(Damaged):
                return self._payload(self._frame(*place))
        raise Damaged(f"dictionary {number} is missing")

    def _cook(self, recipe: bytes, depth: int) -> Iterator[bytes]:
        for piece in pieces(recipe):
            if isinstance(piece, Inline):
                yield wrapped(piece.data, piece.width, piece.eol) if piece.width else piece.data
            elif isinstance(piece, Whole):
                yield from encoded(self.content(self._find(piece.sha), depth), piece.width, piece.eol)
            else:
                yield from cut(self.content(self._find(piece.sha), depth), piece.offset, piece.length)


def _read_id(folder: Path) -> bytes | None:
    try:
        return bytes.fromhex((folder / "vault-id").read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        return b"damaged"


def _path_for(frame: Frame, target: Path | None) -> Path | None:
    if target is None or frame.kind not in EXTRACTED:
        return None
    folder = target / EXTRACTED[frame.kind]
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{frame.sha.hex()}.eml"


# --- recipes ------------------------------------------------------------------------------


class Inline(NamedTuple):
    """Bytes of the recipe itself. With a width, they are encoded as base64."""

    data: bytes
    width: int
    eol: bytes


class Cut(NamedTuple):
    """A part of another record's content."""

    sha: bytes
    offset: int
    length: int


class Whole(NamedTuple):
    """The whole content of another record, encoded as base64."""

    sha: bytes
    width: int
    eol: bytes


def pieces(recipe: bytes) -> Iterator[Inline | Cut | Whole]:
    """The pieces of a recipe, in order."""
    try:
        yield from _pieces(recipe)
    except IndexError as error:
        raise Damaged("its recipe is cut short") from error


def _pieces(recipe: bytes) -> Iterator[Inline | Cut | Whole]:
    if recipe[0] != 1:
        raise Damaged("its recipe is of a newer format")
    at = 1

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = recipe[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    reference_count, piece_count, literal_size = number(), number(), number()
    shas = [recipe[at + 32 * n : at + 32 * n + 32] for n in range(min(reference_count, len(recipe)))]
    at += 32 * reference_count
    literal = len(recipe) - literal_size
    for _ in range(piece_count):
        operation = recipe[at]
        at += 1
        eol = EOLS[operation >> 4]
        if operation & 0xF in (1, 2):
            length = number()
            yield Inline(recipe[literal : literal + length], number() if operation & 0xF == 2 else 0, eol)
            literal += length
        elif operation & 0xF == 3:
            yield Cut(shas[number()], number(), number())
        elif operation & 0xF == 4:
            yield Whole(shas[number()], number(), eol)
        else:
            raise Damaged("its recipe has a piece of an unknown kind")


def wrapped(data: bytes, width: int, eol: bytes) -> bytes:
    """`data` as base64 in lines of `width` characters joined by `eol`."""
    text = base64.b64encode(data)
    return eol.join(text[at : at + width] for at in range(0, len(text), width))


def encoded(chunks: Iterator[bytes], width: int, eol: bytes) -> Iterator[bytes]:
    """All chunks joined and encoded like `wrapped`."""
    line = width // 4 * 3
    if not line:
        raise Damaged("its recipe has lines of an impossible width")
    held, between = b"", b""
    for chunk in chunks:
        held += chunk
        whole = len(held) // line * line
        if whole:
            yield between + wrapped(held[:whole], width, eol)
            held, between = held[whole:], eol
    if held:
        yield between + wrapped(held, width, eol)


def cut(chunks: Iterator[bytes], offset: int, length: int) -> Iterator[bytes]:
    """Bytes [offset, offset + length) of all chunks joined."""
    for chunk in chunks:
        if not length:
            return
        piece = chunk[offset : offset + length]
        offset = max(0, offset - len(chunk))
        length -= len(piece)
        yield piece
    if length:
        raise Damaged("its recipe reaches beyond a record's end")


# --- the proof of a message ---------------------------------------------------------------

ABOUT, README, SCRIPT = "proof.json", "README.txt", "verify_ledger.py"
TEXT_SIGNED, STAMP = "checkpoint.txt", "checkpoint.tsr"
PROVEN = {"message": MESSAGE, "envelope": ENVELOPE, "audit": AUDIT}
LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s4B4H3I5H2I")
DIRECTORY_END = struct.Struct("<4s4H2IH")
ENTRY = struct.Struct("<BBqQ32s")
DAY_ONE = 33
"""1980-01-01, the earliest date of a zip."""
ED25519, COSIGNATURE, ML_DSA_44 = 1, 4, 6
KEYS = {ED25519: 33, COSIGNATURE: 33, ML_DSA_44: 1313}
"""The kinds of keys that sign checkpoints, and the length of each with its kind."""
PIECE = 1 << 20
TEXT = 64 << 20
"""Most bytes of a file that is read whole; messages and their copies are read in pieces."""


class Packed(NamedTuple):
    """A file in the zip, of which each byte was read."""

    offset: int
    size: int
    sha: bytes


class ProofFile:
    """A zip of `muniment prove`. Every byte of it must be what its contents make it."""

    def __init__(self, file: BinaryIO) -> None:
        """Read all of a file. Raises Damaged if it is another zip, or was changed."""
        self._file = file
        try:
            with zipfile.ZipFile(file) as packed:
                entries = packed.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
            raise Damaged(f"it is no zip, or a damaged one ({error})") from None
        self.files: dict[str, Packed] = {}
        at, directory = 0, b""
        for entry in entries:
            name = entry.filename.encode("ascii", "replace")
            fields = (DAY_ONE, entry.CRC, entry.file_size, entry.file_size, len(name))
            local = LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, *fields, 0) + name
            self._expect(at, local, entry.filename)
            self.files[entry.filename] = self._content(at + len(local), entry)
            more = (0, 0, 0, 0, 0o600 << 16, at)
            directory += CENTRAL.pack(b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, *fields, *more) + name
            at += len(local) + entry.file_size
        if len(self.files) < len(entries):
            raise Damaged("two of its files have one name")
        count = len(entries)
        end = DIRECTORY_END.pack(b"PK\5\6", 0, 0, count, count, len(directory), at, 0)
        self._expect(at, directory + end, "its directory")
        if self._file.read(1):
            raise Damaged("something follows its end")

    def _expect(self, at: int, expected: bytes, what: str) -> None:
        self._file.seek(at)
        if self._file.read(len(expected)) != expected:
            raise Damaged(f"{shown(what)} is not in the form in which it was written: it was changed")

    def _content(self, offset: int, entry: zipfile.ZipInfo) -> Packed:
        self._file.seek(offset)
        digest, checksum, left = hashlib.sha256(), 0, entry.file_size
        while left and (piece := self._file.read(min(PIECE, left))):
            digest.update(piece)
            checksum = crc32(piece, checksum)
            left -= len(piece)
        if left or checksum != entry.CRC:
            raise Damaged(f"{shown(entry.filename)} was changed, or is cut short")
        return Packed(offset, entry.file_size, digest.digest())

    def text(self, name: str) -> str:
        """A small file. Raises Damaged."""
        packed = self.files.get(name)
        if packed is None or packed.size > TEXT:
            raise Damaged(f"{shown(name)} is missing or too large")
        self._file.seek(packed.offset)
        try:
            return self._file.read(packed.size).decode()
        except UnicodeDecodeError:
            raise Damaged(f"{shown(name)} is no text") from None


class Signed(NamedTuple):
    """A checkpoint as a proof has it (C2SP tlog-checkpoint), with signatures that may be wrong."""

    text: str
    origin: str
    size: int
    root: bytes
    signatures: list[tuple[str, bytes]]
    """The name of each key, and its four bytes of id with the signature."""


def shown(text: str) -> str:
    """A text that can do nothing to a terminal."""
    return "".join(one if one.isprintable() else "?" for one in text[:200])


def unbase64(text: str) -> bytes:
    """Decode base64 in its one usual spelling. Raises Damaged."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = b""
    if base64.b64encode(value).decode() != text:
        raise Damaged("a line is not base64")
    return value


def decimal(text: str) -> int:
    """A number in its one usual spelling. Raises Damaged."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20) or str(int(text)) != text:
        raise Damaged("a line is not a number")
    return int(text)


def read_signed(note: str) -> Signed:
    """Parse a checkpoint. Raises Damaged."""
    head, gap, lines = note.partition("\n\n")
    origin, size, root, *_ = [*head.split("\n"), "", "", ""]
    if not gap or (lines and not lines.endswith("\n")):
        raise Damaged("its checkpoint has another form")
    signatures = []
    for line in lines.split("\n")[:-1]:
        dash, name, data, *rest = [*line.split(" "), "", ""]
        if dash != "\u2014" or any(rest):
            raise Damaged("a signature of its checkpoint has another form")
        signatures.append((name, unbase64(data)))
    return Signed(f"{head}\n", origin, decimal(size), unbase64(root), signatures)


def check_record(proof: ProofFile, record: dict[str, Any]) -> str:
    """Check a record and its proof, and return the checkpoint to which it leads. Raises Damaged."""
    name = str(record["file"])
    packed = proof.files.get(name)
    if packed is None:
        raise Damaged(f"{shown(name)} is missing")
    head, _, note = proof.text(str(record["proof"])).partition("\n\n")
    first, extra, index, *hashes = [*head.split("\n"), "", ""]
    if first != "c2sp.org/tlog-proof@v1" or extra[:6] != "extra " or index[:6] != "index ":
        raise Damaged(f"the proof of {shown(name)} has another form")
    entry, place = unbase64(extra[6:]), decimal(index[6:])
    if len(entry) != ENTRY.size:
        raise Damaged(f"the proof of {shown(name)} is of no record")
    _, kind, _, size, sha = ENTRY.unpack(entry)
    if (kind, size, sha) != (PROVEN.get(str(record["kind"])), packed.size, packed.sha):
        raise Damaged(f"{shown(name)} is not the record of its proof: it was changed")
    if (record["sequence"], record["size"], record["sha256"]) != (place, size, sha.hex()):
        raise Damaged(f"{ABOUT} says something else about {shown(name)} than its proof")
    tree = read_signed(note)
    leaf = hashlib.sha256(b"\0" + entry).digest()
    if root_of(leaf, place, tree.size, [unbase64(one) for one in hashes[:-2]]) != tree.root:
        raise Damaged(f"the proof of {shown(name)} does not lead to the root of the checkpoint")
    return note


def root_of(leaf: bytes, place: int, size: int, path: list[bytes]) -> bytes | None:
    """The root to which an inclusion proof leads (RFC 9162, 2.1.3.2); None if it can't be one."""
    last, found = size - 1, leaf
    if place > last or any(len(one) != 32 for one in path):
        return None
    for step in path:
        if not last:
            return None
        if place & 1 or place == last:
            found = node(step, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node(found, step)
        place, last = place >> 1, last >> 1
    return None if last else found


def check_proof(file: BinaryIO) -> tuple[dict[str, Any], Signed]:
    """Check all of a proof but the checkpoint; what it says of itself, and that. Raises Damaged."""
    proof = ProofFile(file)
    try:
        about = json.loads(proof.text(ABOUT))
        if about["format"] != 1:
            raise Damaged("it is of a newer format")
        records = about["records"]
        notes = {check_record(proof, record) for record in records}
        named = {str(record[key]) for record in records for key in ("file", "proof")}
        messages = [record["sha256"] for record in records if record["kind"] == "message"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{ABOUT} can't be read ({error!r})") from None
    named |= {ABOUT, README, SCRIPT, TEXT_SIGNED}
    if len(named) != 2 * len(records) + 4 or proof.files.keys() - {STAMP} != named:
        raise Damaged("a file is missing, or is there that belongs to no record")
    if len(notes) != 1 or messages != [about["message"]]:
        raise Damaged("its records are not one message and what belongs to it, in one checkpoint")
    tree = read_signed(notes.pop())
    if proof.text(TEXT_SIGNED) != tree.text:
        raise Damaged(f"{TEXT_SIGNED} is another checkpoint than that of the proofs")
    if (about["checkpoint"], about["origin"]) != (f"{tree.size}:{tree.root.hex()}", tree.origin):
        raise Damaged(f"{ABOUT} names another checkpoint than the proofs")
    return about, tree


def check_signature(tree: Signed, key: str) -> str:
    """What a key has signed, as a sentence.

    Raises Damaged if it has not signed the checkpoint, ValueError if this is no key, ImportError without the
    module `cryptography`, or with one that is too old for the key.
    """
    name, stated, data = key.split("+", 2)
    raw = base64.b64decode(data, validate=True)
    known = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if KEYS.get(raw[0]) != len(raw) or known.hex() != stated:
        raise ValueError("not a key")
    for signer, signature in tree.signatures:
        if signer == name and signature[:4] == known and is_signed(tree, name, raw, signature[4:]):
            return f"signed by {shown(name)}"
    raise Damaged(f"the checkpoint is not signed by {shown(name)}")


def is_signed(tree: Signed, name: str, key: bytes, signature: bytes) -> bool:
    """Whether a signature of a checkpoint is right (C2SP signed-note and tlog-cosignature)."""
    from cryptography.exceptions import InvalidSignature

    public: Any
    text, time = tree.text.encode(), b"" if key[0] == ED25519 else signature[:8]
    if key[0] == ML_DSA_44:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        public = MLDSA44PublicKey.from_public_bytes(key[1:])
        sizes = (0).to_bytes(8, "big") + tree.size.to_bytes(8, "big")
        text = b"subtree/v1\n\0" + short(name) + time + short(tree.origin) + sizes + tree.root
    else:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        public = Ed25519PublicKey.from_public_bytes(key[1:])
        if key[0] == COSIGNATURE:
            text = b"cosignature/v1\ntime %d\n" % int.from_bytes(time, "big") + text
    try:
        public.verify(signature[len(time) :], text)
    except (InvalidSignature, ValueError):
        return False
    return True


def short(text: str) -> bytes:
    """A text behind its length in one byte."""
    return bytes([len(text.encode()) & 0xFF]) + text.encode()


def pinned(tree: Signed, roots: list[tuple[int, bytes]], keys: list[str]) -> tuple[list[str], bool]:
    """Compare a checkpoint with what is known of it from elsewhere.

    Returns sentences, and whether all could be checked. Raises Damaged, or ValueError as `check_signature`.
    """
    for size, root in roots:
        if (tree.size, tree.root) != (size, root):
            own = f"{tree.size}:{tree.root.hex()}"
            raise Damaged(f"it is proven in the checkpoint {own}, not in {size}:{root.hex()}")
    try:
        said = [check_signature(tree, key) for key in keys]
    except ImportError:
        return ["its signature was not checked: install the module cryptography, or a newer one"], False
    if not roots and not keys:
        said = ["the file itself names this checkpoint: compare it with your own, or use --root or --key"]
    return said, True


def say_proof(path: Path, roots: list[tuple[int, bytes]], keys: list[str]) -> int:
    """Check a proof, print what was found, and return the exit code."""
    try:
        with path.open("rb") as file:
            about, tree = check_proof(file)
        said, complete = pinned(tree, roots, keys)
    except OSError as error:
        print(f"{path} can't be read: {error.strerror}", file=sys.stderr)
        return 2
    except Damaged as error:
        print(f"WRONG {error}")
        return 1
    except ValueError:
        print("--key is no public key of the form NAME+ID+KEY", file=sys.stderr)
        return 2
    kinds = [record["kind"] for record in about["records"]]
    print(f"message {about['message']}")
    print(f"copies that brought it: {kinds.count('envelope')}, recorded looks at it: {kinds.count('audit')}")
    print(f"proven in the ledger of {shown(tree.origin)}, checkpoint {about['checkpoint']}")
    for sentence in said:
        print(sentence)
    if complete:
        print("all is well")
    return 0 if complete else 3


def checkpoint(text: str) -> tuple[int, bytes]:
    """Parse a checkpoint SIZE:ROOT. Raises ValueError."""
    size, _, root = text.partition(":")
    if not size.isdecimal() or len(root) != 64:
        raise ValueError
    return int(size), bytes.fromhex(root)


def main() -> int:
    """Verify the ledger that the command line names."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "ledger", type=Path, nargs="?", help="a vault's folder, or the one with its segments, VAULT/ledger"
    )
    parser.add_argument("--proof", type=Path, metavar="FILE", help="check the proof of a message")
    parser.add_argument(
        "--root",
        type=checkpoint,
        action="append",
        default=[],
        metavar="SIZE:ROOT",
        help="the checkpoint of a proof, which you have from elsewhere",
    )
    parser.add_argument(
        "--key", action="append", default=[], help="a public key that must have signed a proof's checkpoint"
    )
    parser.add_argument("--extract", type=Path, metavar="DIR", help="write all mail into this folder")
    parser.add_argument(
        "--was",
        type=checkpoint,
        action="append",
        default=[],
        metavar="SIZE:ROOT",
        help="a checkpoint that was noted earlier",
    )
    options = parser.parse_args()
    if (options.ledger is None) == (options.proof is None):
        parser.error("name a ledger, or a proof with --proof")
    if options.proof is not None:
        return say_proof(options.proof, options.root, options.key)
    if zstandard is None:
        print("install the module zstandard: it is needed to read a ledger", file=sys.stderr)
        return 2
    below = options.ledger / "ledger"
    ledger = below if below.is_dir() else options.ledger
    if not (ledger / "vault-id").exists() and not any(ledger.glob("*.seg")):
        print(f"there is no ledger in {ledger}", file=sys.stderr)
        return 2
    verifier = Verifier(ledger, (size for size, _ in options.was))
    verifier.verify_chain()
    verifier.verify_content(options.extract)
    counts = ((count, kind) for kind, count in zip(KINDS, verifier.counts, strict=True) if count)
    print("records: " + ", ".join(f"{count} {kind}" for count, kind in counts))
    print(f"tree size {verifier.tree_size}, root {verifier.root.hex()}")
    if verifier.erased:
        print(f"{verifier.erased} records are erased, by redaction records that name them")
    if verifier.unfinished:
        print(f"{verifier.unfinished} records are still to be erased: the erasure was interrupted")
    if verifier.uncommitted:
        print(f"{verifier.uncommitted} bytes after the last commit frame are not committed")
    for size, root in options.was:
        wrong = verifier.compare(size, root)
        print(f"checkpoint {size}: {wrong or 'the ledger has grown from it, unchanged'}")
        if wrong:
            verifier.problems.append(f"checkpoint {size}: {wrong}")
    for problem in dict.fromkeys(verifier.problems):
        print(f"DAMAGED {problem}")
    print("all is well" if not verifier.problems else f"{len(verifier.problems)} problems")
    return 1 if verifier.problems else 0


if __name__ == "__main__":
    sys.exit(main())
