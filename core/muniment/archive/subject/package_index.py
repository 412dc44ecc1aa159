"""The index of a package, as CSV and as a page of HTML, and the list of what is withheld.

They say of each message what any of its readers sees, and of the envelope only the person's own part.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from muniment.archive.productions.columns import joined, moment
from muniment.archive.productions.forms import content_of, without_formula
from muniment.system.formatting import size as shown_size
from muniment.system.sanitise import clean

COLUMNS = ("number", "file", "date", "your part", "from", "to", "subject", "bytes", "attachments", "form")
WITHHELD_COLUMNS = ("number", "reason")
CSV_NAME, HTML_NAME, WITHHELD_NAME = "index.csv", "index.html", "withheld.csv"
_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 2em; }}
table {{ border-collapse: collapse; }}
td, th {{ border: 1px solid #999; padding: 0.3em 0.6em; text-align: left; vertical-align: top; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{about}</p>
<table>
<tr><th>Number</th><th>Date (UTC)</th><th>Your part</th><th>From</th><th>To</th><th>Subject</th><th>Size</th>\
<th>Attachments</th></tr>
"""
_FOOT = "</table>\n</body>\n</html>\n"


class IndexedMessage(NamedTuple):
    """What the index says about a message."""

    number: int
    file: str
    date: int
    """Seconds since 1970 UTC."""
    parts: tuple[str, ...]
    """What the person is to it; none if only its text names them."""
    sender: str
    to: str
    subject: str
    size: int
    attachments: int
    changed: bool
    """Whether it is in its public form."""


class PackageIndex:
    """Grows in temporary files without a name. Close it after use."""

    def __init__(self, work: Path, title: str, about: str, *, listed: bool) -> None:
        """Begin the files.

        Args:
            work: The folder for temporary files.
            title: The heading of the page.
            about: A sentence below it.
            listed: Whether there is a list of what is withheld.
        """
        self._opened: list[IO[bytes]] = []
        self._csv, self._html, self._withheld = (self._open(work) for _ in range(3))
        self._listed = listed
        _row(self._csv, COLUMNS)
        _row(self._withheld, WITHHELD_COLUMNS)
        self._html.write(
            _HEAD.format(title=html.escape(clean(title)), about=html.escape(clean(about))).encode()
        )

    def _open(self, work: Path) -> IO[bytes]:
        file = TemporaryFile(dir=work)  # noqa: SIM115 - closed by `close`
        self._opened.append(file)
        return file

    def add(self, one: IndexedMessage) -> None:
        """Describe a message that is handed over.

        Raises:
            OSError: A temporary file can't be written.
        """
        part = joined(one.parts) or "named in the text"
        texts = [clean(text) for text in (one.sender, one.to, one.subject)]
        form = "public" if one.changed else "as archived"
        _row(
            self._csv,
            (str(one.number), one.file, moment(one.date), part, *texts, str(one.size),
             str(one.attachments), form),
        )  # fmt: skip
        link = f'<a href="{html.escape(one.file)}">{one.number}</a>'
        cells = (moment(one.date).rstrip("Z").replace("T", " "), part, *texts, shown_size(one.size))
        escaped = "".join(f"<td>{html.escape(cell)}</td>" for cell in (*cells, str(one.attachments)))
        self._html.write(f"<tr><td>{link}</td>{escaped}</tr>\n".encode("utf-8", "backslashreplace"))

    def withhold(self, number: int, reason: str) -> None:
        """List a message that is not handed over.

        Raises:
            OSError: A temporary file can't be written.
        """
        _row(self._withheld, (str(number), clean(reason)))

    def files(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield name and content of each file, once all messages were added."""
        self._html.write(_FOOT.encode())
        yield CSV_NAME, content_of(self._csv)
        yield HTML_NAME, content_of(self._html)
        if self._listed:
            yield WITHHELD_NAME, content_of(self._withheld)

    def close(self) -> None:
        """Remove the temporary files. Safe to call twice."""
        for file in self._opened:
            file.close()


def _row(file: IO[bytes], cells: Iterable[str]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(map(without_formula, cells))
    file.write(text.getvalue().encode("utf-8", "backslashreplace"))
