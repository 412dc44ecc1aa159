"""Attachments as people see them, through a whole vault: listed, found, shown, and saved byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from muniment import api
from muniment.mail.notes import ENCRYPTED
from support.cases import cases_dir
from support.services import end, muniment, service_of
from support.vaults import TestVault
from support.wrapped import attribute as tnef_attribute
from support.wrapped import (
    enclosing,
    enveloped,
    packed_rtf,
    props,
    signed,
    tnef,
    tnef_file,
    tnef_message,
    uuencoded,
    wide,
)

STATED = b"data bytes here\n"
INNER = (
    b"From: Nora Quist <nora@outside.example>\r\nTo: carol@contoso.com\r\n"
    b"Date: Tue, 03 Nov 2026 09:15:00 +0100\r\nMessage-ID: <40f7104d8305@outside.example>\r\n"
    b'Subject: nested inner subject\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset="utf-8"\r\n'
    b"Content-Transfer-Encoding: 8bit\r\n\r\ninner body pangolin\r\n"
)
CASES: dict[str, tuple[list[tuple[str, bytes | None, int]], dict[str, int], str]] = {
    # file: (names, contents, the file that each is in), (what finds it: 1, what does not: 0), text
    "f-both-star-first": ([("Rechnung_März.pdf", STATED, 0)], {"filename:März": 1}, "see file"),
    "f-both-star-last": ([("Rechnung_März.pdf", STATED, 0)], {"filename:März": 1}, "see file"),
    "f-both-question-marks": ([("請求書.pdf", STATED, 0)], {"filename:請求書": 1}, "see file"),
    "f-unquoted-spaces": (
        [("Offer for pump station.pdf", STATED, 0)], {'filename:"pump station"': 1}, "see file",
    ),
    "f-unquoted-spaces-name": (
        [("Offer for pump station.pdf", STATED, 0)], {'filename:"pump station"': 1}, "see file",
    ),
    "f-unquoted-umlaut": ([("Größe Übersicht.pdf", STATED, 0)], {"filename:Übersicht": 1}, "see file"),
    "f-rfc2047-q-spaces-unquoted": (
        [("Rechnung für Müller.pdf", STATED, 0)], {"filename:Müller": 1}, "see file",
    ),
    "m-nested-name": ([("Fwd offer.eml", INNER, 0)], {'filename:"Fwd offer"': 1, "pangolin": 1}, "pangolin"),
    "m-nested-plain": (
        [("nested inner subject.eml", INNER, 0)], {'filename:"nested inner"': 1, "pangolin": 1}, "pangolin",
    ),
    "m-nested-octet-eml": ([("mail.eml", INNER, 0)], {"filename:mail.eml": 1, "pangolin": 1}, "pangolin"),
    "m-txt-octet": ([("server.log", b"error aardvark happened", 0)], {"aardvark": 1}, "aardvark"),
    "m-csv": ([("list.csv", b"name;sum\nzorilla;5", 0)], {"zorilla": 1}, "zorilla"),
    "m-json-xml": (
        [("a.json", b'{"k":"jsonbeast"}', 0), ("a.xml", b'<?xml version="1.0"?><a>xmlbeast</a>', 0)],
        {"jsonbeast": 1, "xmlbeast": 1}, "jsonbeast",
    ),
    "m-tnef-whole": (
        [("winmail.dat", None, 0), ("quarterly-okapi.xlsx", b"PK fake data", 1)],
        {"capybara": 1, "filename:okapi": 1, "ibex": 1}, "The tnef body mentions capybara budgets.",
    ),
    "m-tnef-mixed": (
        [("winmail.dat", None, 0), ("quarterly-okapi.xlsx", b"PK fake data", 1)],
        {"capybara": 1, "filename:okapi": 1}, "The tnef body mentions capybara budgets.",
    ),
    "m-smime-opaque": (
        [("smime.p7m", None, 0), ("narwhal-offer.pdf", b"%PDF-1.4 x", 1)],
        {"narwhal": 1, 'filename:"narwhal offer"': 1}, "Opaque signed text about a narwhal contract.",
    ),
    "m-uuencode": ([("minutes.doc", b"Cat", 0)], {"filename:minutes": 1, "uufooter": 1, "0V": 0}, "uufooter"),
    "m-xuu-cte": ([("u.txt", b"uuencoded ocelot here", 0)], {"ocelot": 1}, "uuencoded ocelot here"),
    "misc/pec": (
        [("daticert.xml", b"<postacert/>", 0), ("postacert.eml", None, 0), ("atto.pdf", b"pdf", 2),
         ("smime.p7s", b"sig", 0)],
        {"filename:postacert": 1, "filename:atto": 1, "tapir": 1}, "the certified text tapir",
    ),
}  # fmt: skip


def case(name: str) -> bytes:
    return (cases_dir() / f"{name}.eml").read_bytes()


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    """A vault with each case."""
    made = TestVault(tmp_path_factory.mktemp("attachments") / "vault", ("contoso.com",))
    assert made.archive([case(name) for name in CASES]).state == "ok"
    return made


def saved(vault: TestVault, id_: str, number: int, text: bool = False) -> bytes:
    words = vault.client.stream(api.ReadAttachment(id=id_, number=number, text=text))
    return b"".join(word.data for word in words if isinstance(word, api.Chunk))


def found(vault: TestVault, raw: bytes) -> api.Hit:
    """The message of the vault with exactly these bytes."""
    (hit,) = vault.search(f"id:{hashlib.sha256(raw).hexdigest()[:16]}")
    assert vault.raw(hit.id) == raw
    return hit


@pytest.mark.parametrize("name", CASES)
def test_attachments_are_listed_found_and_saved(vault: TestVault, name: str) -> None:
    files, queries, text = CASES[name]
    hit = found(vault, case(name))
    shown = vault.show(hit.id)
    assert [(file.filename, file.within) for file in shown.attachments] == [
        (name, within) for name, _, within in files
    ]
    for number, (_, content, _) in enumerate(files, start=1):
        data = saved(vault, hit.id, number)
        assert content is None or data == content
        assert len(data) == shown.attachments[number - 1].size
    assert text in shown.text
    assert hit.id in {one.id for one in vault.search("has:attachment")}
    for query, times in queries.items():
        assert (hit.id in {one.id for one in vault.search(query)}) == bool(times), query


def test_an_attached_message_is_saved_unchanged(vault: TestVault) -> None:
    raw = case("misc/pec")
    hit = found(vault, raw)
    begun = raw.index(b"From: Nora", 100)
    assert saved(vault, hit.id, 2) == raw[begun : raw.index(b"\r\n--=_pec", begun)]
    read = saved(vault, hit.id, 2, text=True).decode()
    assert "From: Nora Quist <nora@outside.example>" in read
    assert "the certified text tapir" in read


def test_the_numbers_are_the_same_after_a_rebuild(vault: TestVault) -> None:
    def listed_files() -> dict[str, object]:
        return {hit.id: (hit.attachments, vault.show(hit.id).attachments) for hit in vault.messages()}

    before = listed_files()
    vault.rebuild()
    assert listed_files() == before
    assert len(vault.search("has:attachment")) == len(CASES)


def test_the_command_saves_a_file_inside_another(vault: TestVault, tmp_path: Path) -> None:
    hit = found(vault, case("m-smime-opaque"))
    vault.client.close()
    try:
        result = muniment(vault.folder, "show", hit.id, "--attachment", "2")
        assert (result.code, result.out) == (0, "%PDF-1.4 x")
        listed = muniment(vault.folder, "show", hit.id).out
        assert "Attachment  2. narwhal-offer.pdf (application/pdf, 10 B, in 1)" in listed
    finally:
        end(service_of(vault.folder))


NESTED = tnef(
    tnef_attribute(0x9003 | 0x60000, props((0x1000, 31, wide("a wombat in the attached one")))),
    tnef_file("deep.txt", b"deep bilby"),
)
OTHERS: dict[str, tuple[bytes, list[str], list[str], int]] = {
    # mail, names, queries that find it, attachments that count
    "TNEF with RTF, HTML, Unicode": (
        enclosing(
            tnef(
                tnef_attribute(0x60000 | 0x9003, props(
                    (0x0037, 31, wide("betreff fennek")),
                    (0x1009, 258, packed_rtf(rb"{\rtf1\ansi\ansicpg1252 der \b dachs\b0  gr\'e4bt\par}")),
                    (0x1013, 258, b"<p>die <b>zwergmaus</b></p>"),
                )),
                tnef_file("Übersicht März 2026.docx", b"PK"),
                tnef_message("weitergeleitet", NESTED),
            ),
            "application/octet-stream", "att00001.dat",
        ),
        ["att00001.dat", "Übersicht März 2026.docx", "weitergeleitet.tnef", "deep.txt"],
        ["fennek", "dachs gräbt", "zwergmaus", "wombat", "bilby", "filename:Übersicht"], 3,
    ),
    "signed while it was read": (
        enclosing(signed(b"Content-Type: text/plain\r\n\r\nopen length numbat\r\n" * 500, 1000),
                  "application/x-pkcs7-mime", "smime.p7m"),
        ["smime.p7m"], ["numbat"], 0,
    ),
    "a signed file": (
        enclosing(signed(b"<fattura>quoll</fattura>"), "application/octet-stream", "IT01.xml.p7m"),
        ["IT01.xml.p7m", "IT01.xml"], ["quoll", 'filename:"IT01"'], 1,
    ),
    "encrypted": (enclosing(enveloped(), "application/pkcs7-mime", "smime.p7m"), ["smime.p7m"], ["outer"], 1),
    "two uuencoded files": (
        b"From: a@contoso.com\r\nTo: b@contoso.com\r\nSubject: two\r\n\r\nfirst kudu\r\n"
        b"begin 644 one.txt\r\n" + uuencoded(b"a text on gnus" * 20, eol=b"\r\n") + b"end\r\nthen oryx\r\n"
        b"begin-base64 600 two.bin\r\nAAEC\r\n====\r\nlast eland\r\n",
        ["one.txt", "two.bin"], ["kudu", "oryx", "eland", "gnus", "filename:one", "filename:two"], 2,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> TestVault:
    """A vault with variants of the cases."""
    made = TestVault(tmp_path_factory.mktemp("relatives") / "vault", ("contoso.com", "example.com"))
    assert made.archive([mail for mail, *_ in OTHERS.values()]).state == "ok"
    return made


@pytest.mark.parametrize("name", OTHERS)
def test_variants_of_the_cases(others: TestVault, name: str) -> None:
    mail, names, queries, counted = OTHERS[name]
    hit = found(others, mail)
    shown = others.show(hit.id)
    assert [file.filename for file in shown.attachments] == names
    assert hit.attachments == counted
    for query in queries:
        assert hit.id in {one.id for one in others.search(query)}, query
    assert (ENCRYPTED in shown.notes) == (name == "encrypted")
