"""Writes PDF by hand."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


def objects(parts: Sequence[bytes], more: bytes = b"") -> bytes:
    """A PDF of these objects, of which the first is the root; `more` is added to the trailer."""
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, part in enumerate(parts, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + part + b"\nendobj\n"
    at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Root 1 0 R/Size %d%s>>\nstartxref\n%d\n%%%%EOF" % (len(parts) + 1, more, at)
    return bytes(out)


def stream(data: bytes, more: bytes = b"") -> bytes:
    """A stream object; `more` is added to its dictionary."""
    return b"<</Length %d%s>>stream\n" % (len(data), more) + data + b"\nendstream"


def packed_stream(data: bytes, more: bytes = b"") -> bytes:
    """A compressed stream object."""
    return stream(zlib.compress(data), b"/Filter/FlateDecode" + more)


def shown(text: str) -> bytes:
    """What a page shows: the lines of a text."""
    lines = (line.encode("cp1252").replace(b"(", b"\\(").replace(b")", b"\\)") for line in text.split("\n"))
    return b"BT /F1 12 Tf 14 TL 50 700 Td " + b" T* ".join(b"(%s) Tj" % line for line in lines) + b" ET"


def pdf(*pages: str, files: Mapping[str, bytes] | None = None) -> bytes:
    """A document with a text on each page, and files in it."""
    parts: list[bytes] = [b"", b"", FONT]
    kids = []
    for text in pages:
        parts.append(packed_stream(shown(text)))
        parts.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R"
            b"/Resources<</Font<</F1 3 0 R>>>>>>" % len(parts)
        )
        kids.append(b"%d 0 R" % len(parts))
    named = []
    for name, data in (files or {}).items():
        parts.append(packed_stream(data, b"/Type/EmbeddedFile"))
        title = name.encode("latin-1")
        parts.append(b"<</Type/Filespec/F(%s)/UF(%s)/EF<</F %d 0 R>>>>" % (title, title, len(parts)))
        named.append(b"(%s) %d 0 R" % (title, len(parts)))
    inside = b"/Names<</EmbeddedFiles<</Names[%s]>>>>" % b" ".join(named) if named else b""
    parts[0] = b"<</Type/Catalog/Pages 2 0 R%s>>" % inside
    parts[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    return objects(parts)
