"""Containers of texts and files in mail, made from their specifications: TNEF, CMS, compressed RTF."""

from __future__ import annotations

import struct
import zlib
from base64 import encodebytes
from binascii import b2a_uu

OID = bytes.fromhex("2a864886f70d01")
DATA, SIGNED, ENVELOPED = (OID + bytes((7, number)) for number in (1, 2, 3))
COMPRESSED, ZLIB = OID + b"\x09\x10\x01\x09", OID + b"\x09\x10\x03\x08"


# --- CMS --------------------------------------------------------------------------------------------


def der(tag: int, *content: bytes) -> bytes:
    """An element with its length."""
    whole = b"".join(content)
    if len(whole) < 128:
        return bytes((tag, len(whole))) + whole
    size = len(whole).to_bytes((len(whole).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + whole


def ber(tag: int, *content: bytes) -> bytes:
    """An element with an open length."""
    return bytes((tag, 0x80)) + b"".join(content) + b"\0\0"


def octets(content: bytes, piece: int = 0) -> bytes:
    """A byte string. `piece`: cut into pieces of that size, as by programs that write while they read."""
    if not piece:
        return der(4, content)
    return ber(0x24, *(der(4, content[at : at + piece]) for at in range(0, len(content), piece)))


def signed(content: bytes, piece: int = 0) -> bytes:
    """Signed data with its content, and invalid certificates."""
    make = ber if piece else der
    info = make(0x30, der(6, DATA), make(0xA0, octets(content, piece)))
    rest = (der(0xA0, der(0x30, bytes(300))), der(0x31, der(0x30, bytes(200))))
    body = make(0x30, der(2, b"\1"), der(0x31, der(0x30, der(6, OID), der(5))), info, *rest)
    return make(0x30, der(6, SIGNED), make(0xA0, body))


def detached() -> bytes:
    """Signed data separate from what it signs."""
    body = der(0x30, der(2, b"\1"), der(0x31), der(0x30, der(6, DATA)), der(0x31))
    return der(0x30, der(6, SIGNED), der(0xA0, body))


def compressed(content: bytes, piece: int = 0) -> bytes:
    """Compressed data."""
    packed = zlib.compress(content, 9)
    info = der(0x30, der(6, DATA), der(0xA0, octets(packed, piece)))
    return der(0x30, der(6, COMPRESSED), der(0xA0, der(0x30, der(2, b"\0"), der(0x30, der(6, ZLIB)), info)))


def enveloped() -> bytes:
    """Encrypted data."""
    return der(0x30, der(6, ENVELOPED), der(0xA0, der(0x30, der(2, b"\0"), bytes(64))))


# --- TNEF -------------------------------------------------------------------------------------------


def attribute(kind: int, data: bytes, level: int = 1, length: int | None = None) -> bytes:
    """An attribute. `length`: the length that it claims."""
    size = len(data) if length is None else length
    return struct.pack("<BII", level, kind, size) + data + struct.pack("<H", sum(data) & 0xFFFF)


def props(*values: tuple[int, int, bytes]) -> bytes:
    """A list of properties: identifier, type, value."""
    made = [struct.pack("<I", len(values))]
    for key, kind, value in values:
        made.append(struct.pack("<HH", kind, key))
        if kind in (13, 30, 31, 258):
            made.append(struct.pack("<II", 1, len(value)))
        made.append(value.ljust(-(-len(value) // 4) * 4, b"\0"))
    return b"".join(made)


def named_prop(value: bytes) -> bytes:
    """A property with a name instead of a number, and a count of values as strings have it."""
    name = "Keywords\0".encode("utf-16-le")
    head = struct.pack("<HH", 31, 0x8001) + bytes(16) + struct.pack("<II", 1, len(name))
    padded = name.ljust(-(-len(name) // 4) * 4, b"\0")
    return head + padded + struct.pack("<II", 1, len(value)) + value.ljust(-(-len(value) // 4) * 4, b"\0")


def wide(text: str) -> bytes:
    return f"{text}\0".encode("utf-16-le")


def tnef(*attributes: bytes, codepage: int = 1252) -> bytes:
    """A TNEF stream."""
    page = attribute(0x69007, struct.pack("<II", codepage, 0))
    return b"\x78\x9f\x3e\x22\1\0" + attribute(0x89006, b"\0\0\1\0") + page + b"".join(attributes)


def tnef_file(name: str, content: bytes, *values: tuple[int, int, bytes]) -> bytes:
    """The attributes of a file: with an 8.3 name, its content, and properties."""
    short = name.encode("cp1252", "replace")[:8] + b"\0"
    new, title = attribute(0x69002, bytes(14), 2), attribute(0x18010, short, 2)
    listed = props((0x3707, 31, wide(name)), *values)
    return new + title + attribute(0x6800F, content, 2) + attribute(0x69005, listed, 2)


def tnef_message(name: str, stream: bytes) -> bytes:
    """The attributes of an attached message."""
    listed = props((0x3001, 31, wide(name)), (0x3705, 3, b"\5\0\0\0"), (0x3701, 13, bytes(16) + stream))
    return attribute(0x69002, bytes(14), 2) + attribute(0x69005, listed, 2)


def packed_rtf(rtf: bytes) -> bytes:
    """RTF in the compressed form, with all characters as literals."""
    pieces = (b"\0" + rtf[at : at + 8] for at in range(0, len(rtf), 8))
    data = b"".join(pieces)
    return struct.pack("<II4sI", len(data) + 12, len(rtf), b"LZFu", 0) + data


# --- uuencode ---------------------------------------------------------------------------------------


def uuencoded(content: bytes, *, blanks: bool = False, eol: bytes = b"\n") -> bytes:
    """The lines between the first and the last. Old programs write `blanks` instead of accents."""
    lines = [b2a_uu(content[at : at + 45], backtick=not blanks)[:-1] for at in range(0, len(content), 45)]
    return eol.join([*lines, b" " if blanks else b"`", b""])


# --- mail -------------------------------------------------------------------------------------------


def enclosing(content: bytes, kind: str, name: str = "", encoding: str = "base64") -> bytes:
    """A message that consists of one part, or has it behind a text."""
    stated = f'Content-Type: {kind}; name="{name}"\r\n' if name else f"Content-Type: {kind}\r\n"
    head = f"{stated}Content-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    body = encodebytes(content).replace(b"\n", b"\r\n") if encoding == "base64" else content
    return (
        b"From: a@example.com\r\nTo: b@example.com\r\nSubject: outer\r\nMIME-Version: 1.0\r\n" + head + body
    )
