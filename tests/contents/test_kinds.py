"""Every kind of document gives its words, its notes and the files inside it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

import pytest

from muniment.contents.client import ContentsReader
from muniment.contents.model import DAMAGED, ENCRYPTED, PACKED, ReadFile
from support.attachments import docx, packed, read_files
from support.compound import compound, doc, msg
from support.documents_of_all_kinds import INVOICE, KINDS, LOCKED_ODT, ODT, XLSX
from support.pdf import pdf
from support.reports import plain

READER = ContentsReader()


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """End the worker that all tests here share."""
    yield
    READER.close()


def one(name: str, data: bytes) -> tuple[ReadFile, ...]:
    return read_files({name: data}, reader=READER)


@pytest.fixture(scope="module")
def read() -> dict[str, ReadFile]:
    """What is read in all documents; they are the attachments of one message."""
    return {
        file.name: file
        for file in read_files({name: data for name, (data, _) in KINDS.items()}, reader=READER)
    }


@pytest.mark.parametrize("name", KINDS)
def test_a_document_gives_its_words(name: str, read: dict[str, ReadFile]) -> None:
    assert (read[name].text, read[name].why) == (KINDS[name][1], "")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.odt", LOCKED_ODT, ENCRYPTED),
        ("a.docx", compound({"EncryptedPackage": b"noise", "EncryptionInfo": b"noise"}), ENCRYPTED),
        ("a.doc", doc("secret", encrypted=True), ENCRYPTED),
        ("a.xls", compound({"Workbook": struct.pack("<HHIHH", 0x809, 4, 0, 0x2F, 2)}), ENCRYPTED),
        ("a.pdf", pdf("half of it")[:200], DAMAGED),
        ("a.zip", b"PK\x03\x04 no archive", DAMAGED),
        ("a.doc", compound({"Unknown": b"noise"}), DAMAGED),
        ("a.xls", compound({"Workbook": b"noise"}), DAMAGED),
    ],
)
def test_what_can_not_be_read_has_a_note(name: str, data: bytes, why: str) -> None:
    (file,) = one(name, data)
    assert (file.text, file.why) == ("", why)


def test_files_inside_an_archive_are_read_by_themselves() -> None:
    inner = packed({"deep/notes.txt": "Gerste".encode("cp1252"), "x.docx": docx("rye")})
    letter = plain(subject="Inside", body="oats", attachments=[("b.pdf", pdf("wheat"))])
    found = one(
        "all.zip", packed({"a.odt": ODT, "inner.zip": inner, "mail.eml": letter, "p.png": b"\x89PNG"})
    )
    texts = {file.name: file.text for file in found}
    assert "a odt inner zip mail eml p png" in texts.pop("all.zip")
    assert "oats" in texts.pop("all.zip/mail.eml")
    assert texts == {
        "all.zip/a.odt": KINDS["a.odt"][1],
        "all.zip/inner.zip": "deep notes txt x docx",
        "all.zip/inner.zip/deep/notes.txt": "gerste",
        "all.zip/inner.zip/x.docx": "rye",
        "all.zip/mail.eml/b.pdf": "wheat",
    }


def test_the_invoice_inside_a_pdf_is_read() -> None:
    found = one("invoice.pdf", pdf("Rechnung", files={"factur-x.xml": INVOICE, "sheet.xlsx": XLSX}))
    texts = {file.name: file.text for file in found}
    assert texts["invoice.pdf"] == "rechnung"
    assert "re 2026 4711" in texts["invoice.pdf/factur-x.xml"]
    assert "barley" in texts["invoice.pdf/sheet.xlsx"]


def test_attachments_of_an_outlook_message_are_read() -> None:
    inner = msg("Inner", "teff", {"c.docx": docx("rye")})
    found = one("m.msg", compound(msg("Outer", "oats", {"a.pdf": pdf("wheat"), "fwd": inner})))
    assert {file.name: file.text for file in found} == {
        "m.msg": "outer oats",
        "m.msg/a.pdf": "wheat",
        "m.msg/fwd": "inner teff",
        "m.msg/fwd/c.docx": "rye",
    }


def test_packed_archives_end_at_a_limit_and_others_are_read() -> None:
    data = docx("rye")
    for level in range(6):
        data = packed({f"{level}.zip" if level else "x.docx": data})
    notes = [file.why for file in one("nest.zip", data)]
    assert PACKED in notes
    bomb = packed({f"{n}.txt": bytes(30 << 20) for n in range(3)})
    found = one("bomb.zip", packed({"small.txt": b"first words", "bomb.zip": bomb}))
    assert {file.text for file in found} >= {"first words"}
    assert PACKED in [file.why for file in found]


def test_base64_inside_mail_inside_an_archive_is_read() -> None:
    wrapped = (
        b"From: a@example.com\r\nSubject: s\r\nDate: x\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: application/pdf; name="x.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + base64.encodebytes(pdf("wheat"))
    )
    assert any(file.text == "wheat" for file in one("a.zip", packed({"m.eml": wrapped})))
