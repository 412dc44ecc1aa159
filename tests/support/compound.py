"""Writes compound files ([MS-CFB]), and documents of old programs in them.

All sectors have 512 bytes. Streams are padded to 4,096 bytes, since shorter ones would be kept elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTOR = 512
LEAST = 4096
"""Bytes of the smallest stream that has sectors of its own."""
FREE, END, TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
STORAGE, STREAM, ROOT = 1, 2, 5
Tree = Mapping[str, "bytes | Tree"]


@dataclass
class _Entry:
    """An entry of the directory. Siblings are a chain to the right."""

    name: str
    kind: int
    data: bytes = b""
    child: int = FREE
    right: int = FREE
    start: int = field(default=END)

    def packed(self) -> bytes:
        encoded = (self.name + "\0").encode("utf-16-le")
        names = struct.pack("<64sHBB", encoded, len(encoded), self.kind, 1)
        links = struct.pack("<III", FREE, self.right, self.child)
        return names + links + bytes(36) + struct.pack("<IQ", self.start, len(self.data))


def compound(tree: Tree) -> bytes:
    """A compound file with these streams and storages."""
    entries = [_Entry("Root Entry", ROOT)]
    _add(entries, 0, tree)
    sectors: list[bytes] = []
    table: list[int] = []

    def put(data: bytes) -> int:
        """Add the sectors of a chain; returns the first."""
        first = len(sectors)
        sectors.extend(data[at : at + SECTOR].ljust(SECTOR, b"\0") for at in range(0, len(data), SECTOR))
        table.extend([*range(first + 1, len(sectors)), END])
        return first

    for entry in entries:
        if entry.kind == STREAM:
            entry.start = put(entry.data)
    root = put(b"".join(entry.packed() for entry in entries))
    count = 1
    while count * SECTOR // 4 < len(table) + count:
        count += 1
    places = range(len(sectors), len(sectors) + count)
    table.extend([TABLE] * count)
    table.extend([FREE] * (count * SECTOR // 4 - len(table)))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, count, root, 0, LEAST, END, 0, END, 0)
    header += struct.pack("<109I", *places, *[FREE] * (109 - count))
    return header + b"".join(sectors) + struct.pack(f"<{len(table)}I", *table)


def _add(entries: list[_Entry], parent: int, inside: Tree) -> None:
    before = -1
    for name, value in inside.items():
        number = len(entries)
        if before < 0:
            entries[parent].child = number
        else:
            entries[before].right = number
        before = number
        if isinstance(value, bytes):
            entries.append(_Entry(name, STREAM, value.ljust(LEAST, b"\0")))
        else:
            entries.append(_Entry(name, STORAGE))
            _add(entries, number, value)


def doc(text: str, *, encrypted: bool = False) -> bytes:
    """A document of Word 97 with a piece in one byte a letter, and one in two."""
    half = len(text) // 2
    one, two = text[:half].encode("cp1252"), text[half:].encode("utf-16-le")
    begin = 1536
    flags = 0x200 | (0x100 if encrypted else 0)
    base = struct.pack("<HHHHHH", 0xA5EC, 193, 0, 0, 0, flags).ljust(32, b"\0")
    pairs = [(0, 0)] * 33
    places = struct.pack("<3I", 0, half, len(text))
    places += struct.pack("<HIH", 0, (begin * 2) | 0x40000000, 0)
    places += struct.pack("<HIH", 0, begin + len(one), 0)
    table = b"\x02" + struct.pack("<I", len(places)) + places
    pairs.append((0, len(table)))
    header = base + struct.pack("<H", 14) + bytes(28) + struct.pack("<H", 22) + bytes(88)
    header += struct.pack("<H", len(pairs) * 2) + b"".join(struct.pack("<II", *pair) for pair in pairs)
    return compound({"WordDocument": header.ljust(begin, b"\0") + one + two, "1Table": table})


def ppt(*texts: str) -> bytes:
    """A presentation of PowerPoint 97 with these texts, each in a container."""
    records = b""
    for number, text in enumerate(texts):
        data = text.encode("utf-16-le") if number % 2 == 0 else text.encode("latin-1")
        atom = struct.pack("<HHI", 0, 4000 if number % 2 == 0 else 4008, len(data)) + data
        records += struct.pack("<HHI", 15, 1006, len(atom)) + atom
    return compound({"PowerPoint Document": struct.pack("<HHI", 15, 1000, len(records)) + records})


def xls(rows: list[list[str]], sheet: str = "Sheet") -> bytes:
    """A workbook of Excel 97 with one sheet of texts."""

    def record(kind: int, data: bytes) -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    def begin(kind: int) -> bytes:
        return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x0DBB, 1996, 0, 6))

    cells = [
        record(0x204, struct.pack("<HHHHB", y, x, 0, len(text), 1) + text.encode("utf-16-le"))
        for y, row in enumerate(rows)
        for x, text in enumerate(row)
    ]
    width = max(map(len, rows), default=0)
    body = begin(0x10) + record(0x200, struct.pack("<IIHHH", 0, len(rows), 0, width, 0))
    body += b"".join(cells) + record(0x0A, b"")
    name = struct.pack("<BB", len(sheet), 0) + sheet.encode("latin-1")
    size = len(begin(5)) + 4 + 6 + len(name) + 4
    head = begin(5) + record(0x85, struct.pack("<IBB", size, 0, 0) + name) + record(0x0A, b"")
    return compound({"Workbook": head + body})


def msg(subject: str, body: str, attachments: Mapping[str, bytes | Tree], html: bytes = b"") -> Tree:
    """The storages of a message of Outlook; an attachment that is a tree is a message itself."""

    def text(number: int, value: str) -> dict[str, bytes | Tree]:
        return {f"__substg1.0_{number:04X}001F": value.encode("utf-16-le")}

    inside: dict[str, bytes | Tree] = {"__properties_version1.0": bytes(64), **text(0x37, subject)}
    inside |= text(0x1000, body) if body else {}
    inside |= {"__substg1.0_10130102": html} if html else {}
    for number, (name, data) in enumerate(attachments.items()):
        kind = "0102" if isinstance(data, bytes) else "000D"
        inside[f"__attach_version1.0_#{number:08X}"] = {
            "__properties_version1.0": bytes(64), **text(0x3707, name), f"__substg1.0_3701{kind}": data
        }  # fmt: skip
    return inside
