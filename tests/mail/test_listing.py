"""The people of a message and its entry in a list never depend on its text."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from muniment.mail.headers.routing import read_routing
from muniment.mail.journal.report import read_report
from muniment.mail.model import MailBuffer
from muniment.mail.text.listing import read_summary
from muniment.mail.text.outline import read_outline
from muniment.mail.text.read_text import read_message
from support.corpus import real
from support.reports import EPOCH, plain, report

READS_ROUTES = """
import sys
from muniment.mail.headers import routing
from muniment.mail.journal import report as journal
from muniment.mail.text import outline
with open(sys.argv[1], "rb") as file:
    raw = file.read()
(span,) = journal.read_report(raw).originals
original = raw[span.start : span.end]
assert routing.read_routing(original).parties
assert outline.read_outline(original)[0].subject == "Lunch"
loaded = {"muniment.mail.text.html", "muniment.mail.text.read_text"} & set(sys.modules)
assert not loaded, loaded
"""


@dataclass
class Headers:
    """A buffer that gives its first bytes and refuses all others."""

    raw: bytes
    readable: int

    def __len__(self) -> int:
        return len(self.raw)

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        return self.raw.find(sub, start, end)

    def rfind(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        return self.raw.rfind(sub, start, end)

    def startswith(self, prefix: bytes, start: int = 0, end: int | None = None, /) -> bool:
        return self.raw.startswith(prefix, start, end)

    def __getitem__(self, index: int | slice, /) -> bytes | int:
        if isinstance(index, slice):
            assert index.indices(len(self.raw))[1] <= self.readable
        return self.raw[index]


def page(body: bytes) -> bytes:
    """A message with HTML as its only text."""
    made = plain(sender="anna@example.com", to=["bob@example.com"], subject="Lunch", body=body)
    return made.replace(b"text/plain", b"text/html")


def test_no_text_is_read() -> None:
    message = page(b"<p>x" * 100_000)
    buffer: MailBuffer = Headers(message, message.index(b"\r\n\r\n") + 20_000)  # type: ignore[assignment]
    summary, text = read_outline(buffer)
    assert (summary.subject, summary.sender, summary.date) == ("Lunch", "anna@example.com", EPOCH)
    assert text.body == ""
    assert len(read_routing(buffer).parties) == 2


def test_neither_routing_nor_listing_loads_the_reader_of_html(tmp_path: Path) -> None:
    path = tmp_path / "report.eml"
    path.write_bytes(report(page(b"<p>x"), recipients=["bob@example.com"]))
    done = subprocess.run([sys.executable, "-c", READS_ROUTES, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_people_do_not_depend_on_the_text(text: bytes, other: bytes) -> None:
    def listed(body: bytes) -> object:
        message = page(body)
        wrapped = report(message, recipients=["bob@example.com", "eve@example.com"], subject="Lunch")
        found = read_report(wrapped)
        assert found is not None
        return found.envelope.parties, replace(read_summary(message), message_id="")

    assert listed(text) == listed(other)


def test_real_mail_is_listed_as_a_reader_of_its_text_lists_it() -> None:
    for name, raw in islice(real(), 500):
        assert read_summary(raw) == read_message(raw)[0], name


IN_MARCH, IN_APRIL = "Wed, 4 Mar 2020 10:00:30 +0000", "Fri, 3 Apr 2020 10:00:30 +0000"


def test_received_fields_decide_day_and_month_of_a_numeric_date() -> None:
    for received in (IN_MARCH, IN_APRIL):
        mail = plain(date="03/04/2020 10:00:00", headers=[f"Received: from a by b; {received}"])
        summary = read_summary(mail)
        assert summary.date is not None
        assert summary.hops == (summary.date + 30,)


def test_of_several_date_fields_the_first_readable_one_counts() -> None:
    mail = plain(date=EPOCH, headers=["Date: soon", "Date: Thu, 1 Jan 1970 00:00:00 +0000"])
    assert read_summary(mail).date == EPOCH
    assert read_summary(plain(date="Thu, 1 Jan 1970 00:00:00 +0000")).date == 0
    assert read_summary(plain(date="soon")).date is None
