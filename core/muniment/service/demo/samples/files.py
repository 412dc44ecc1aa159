"""Attachments: small, valid, and always the same bytes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class SampleFile:
    """An attachment."""

    name: str
    content_type: str
    data: bytes


def pdf(name: str, title: str, lines: list[str]) -> SampleFile:
    """A PDF of one page with a title and lines of ASCII text."""
    shown = "\n".join(f"({line}) Tj T*" for line in (title, "", *lines))
    stream = f"BT /F1 11 Tf 14 TL 56 780 Td\n{shown}\nET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, table)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return SampleFile(name, "application/pdf", bytes(out))


def csv(name: str, random: Random, rows: int) -> SampleFile:
    """A table of measurements in CSV."""
    lines = ["night;visibility_m;candela;volts"]
    lines += [
        f"{row:04d};{random.randrange(200, 30000)};{random.randrange(900, 1200)};{random.randrange(220, 240)}"
        for row in range(1, rows + 1)
    ]
    return SampleFile(name, "text/csv", ("\r\n".join(lines) + "\r\n").encode("ascii"))


def png(name: str, random: Random, side: int = 48) -> SampleFile:
    """A square picture of grey noise, not compressed, so that every version of zlib writes the same bytes."""
    pixels = b"".join(b"\0" + random.randbytes(side) for _ in range(side))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(pixels, 0)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return SampleFile(name, "image/png", b"\x89PNG\r\n\x1a\n" + body)


def price_list() -> SampleFile:
    """The company's price list, the file that many letters carry."""
    lines = [f"Item {number:03d}   {number * 37 % 900 + 100},00 EUR" for number in range(1, 50)]
    return pdf("Preisliste-2025.pdf", "Nordlicht Leuchtfeuer: Preisliste 2025", lines)
