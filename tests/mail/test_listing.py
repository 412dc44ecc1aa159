"""How a message is listed whose text is not read, or can't be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from muniment.mail.journal import read_report
from muniment.mail.listing import read_listing
from muniment.mail.model import Party, Role
from muniment.mail.routing import read_routing
from muniment.mail.text import read_message
from support.corpus import journal_files, real
from support.reports import EPOCH, line, ndr, plain, report

READS_ROUTES = """
import sys
from muniment.mail import envelope, journal, listing, routing
with open(sys.argv[1], "rb") as file:
    raw = file.read()
found = listing.read_listing(raw, journal=True)
assert found.report and found.summaries[0].subject == "Lunch", found
loaded = {"muniment.mail.html", "muniment.mail.text"} & set(sys.modules)
assert not loaded, loaded
"""


@dataclass
class Headers:
    """A buffer that gives away its first bytes and refuses all others."""

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
    """A message whose text is HTML alone."""
    made = plain(sender="anna@example.com", to=["bob@example.com"], subject="Lunch", body=body)
    return made.replace(b"text/plain", b"text/html")


def test_a_report_is_listed_by_its_envelope_and_its_original() -> None:
    wrapped = report(page(b"<p>x"), recipients=["bob@example.com", line("Bcc", "eve@example.com")])
    found = read_listing(wrapped, journal=True)
    assert found.report == read_report(wrapped)
    assert Party(Role.BCC, "eve@example.com") in found.envelope.parties
    assert [(one.subject, one.sender, one.to, one.date) for one in found.summaries] == [
        ("Lunch", "anna@example.com", "bob@example.com", EPOCH)
    ]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_an_encoded_original_is_listed(encoding: str) -> None:
    wrapped = report(page(b"<p>x"), recipients=["bob@example.com"], original_encoding=encoding)
    assert [one.subject for one in read_listing(wrapped, journal=True).summaries] == ["Lunch"]


def test_plain_mail_is_listed_by_its_headers() -> None:
    message = page(b"<p>x")
    for journal in (False, True):
        found = read_listing(message, journal=journal)
        assert (found.report, found.envelope, found.problem) == (None, read_routing(message), "")
        assert found.summaries == (read_message(message)[0],)


def test_a_report_that_can_not_be_unwrapped_says_why() -> None:
    broken = b"From: anna@example.com\r\nSubject: x\r\nX-MS-Journal-Report:\r\n\r\nlost\r\n"
    found = read_listing(broken, journal=True)
    assert found.problem
    assert (found.report, found.summaries[0].subject) == (None, "x")


def test_a_message_that_is_none_is_listed_without_an_error() -> None:
    for raw in (b"", b"\r\n", b"\0" * 100, b":" * 100):
        assert read_listing(raw, journal=True).summaries


def test_no_text_is_read() -> None:
    message = page(b"<p>x" * 100_000)
    body = message.index(b"\r\n\r\n") + 20_000
    assert read_listing(Headers(message, body), journal=False).summaries[0].subject == "Lunch"  # type: ignore[arg-type]


def test_neither_routing_nor_listing_loads_the_html_parser(tmp_path: Path) -> None:
    path = tmp_path / "report.eml"
    path.write_bytes(report(page(b"<p>x"), recipients=["bob@example.com"]))
    done = subprocess.run([sys.executable, "-c", READS_ROUTES, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_people_do_not_depend_on_the_text(text: bytes, other: bytes) -> None:
    def listed(body: bytes) -> object:
        wrapped = report(page(body), recipients=["bob@example.com", "eve@example.com"], subject="Lunch")
        found = read_listing(wrapped, journal=True)
        return found.envelope.parties, [replace(one, message_id="") for one in found.summaries]

    assert listed(text) == listed(other)


@pytest.mark.parametrize("wrap", [report, lambda raw: ndr(report(raw))], ids=["report", "returned report"])
def test_real_mail_is_listed_as_a_reader_of_its_text_lists_it(wrap: Callable[[bytes], bytes]) -> None:
    for name, raw in islice(real(), 300):
        summary = replace(read_message(raw)[0], attachments=0)
        assert read_listing(raw, journal=False).summaries == (summary,), name
        assert read_listing(wrap(raw), journal=True).summaries == (summary,), name


def test_real_reports_are_listed() -> None:
    for name, raw in journal_files():
        found = read_listing(raw, journal=True)
        assert found.report == read_report(raw), name
        for span, summary in zip(
            found.report.originals if found.report else (), found.summaries, strict=True
        ):
            if span.encoding == "identity":
                read = read_message(raw[span.start : span.end])[0]
                assert summary == replace(read, attachments=0), name
