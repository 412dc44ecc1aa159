"""Productions hold the stored mail and its files; other programs read them, and they prove themselves."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.operations.export import ExportChoice
from muniment.archive.productions.forms import DatForm
from muniment.archive.productions.production import ProductionView
from muniment.archive.vault.open_vault import open_vault
from support.productions import (
    Row,
    native,
    read_csv,
    read_dat,
    read_edrm,
    read_index,
    read_manifest,
    text_of,
    verified,
)
from support.program import Program
from support.reports import EPOCH, fork, line, plain, report
from support.vaults import TestVault
from support.wrapped import attribute, enclosing, tnef, tnef_file

FORMS = ("dat", "csv", "edrm", "gobd")
INNER = plain(subject="Inner", message_id="<inner@example.com>", attachments=[("deep.txt", b"deep words\n")])
CALENDAR = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def with_parts(subject: str, *parts: tuple[str, bytes], date: int) -> bytes:
    """A message whose parts have these headers and contents."""
    body = b"".join(
        b"--limit\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts
    )
    kind = "Content-Type: multipart/mixed; boundary=limit"
    return plain(subject=subject, body=body + b"--limit--\r\n", headers=[kind], date=date)


PLAIN = plain(subject="Plain", body="One.\n")
FILES = plain(
    subject="Files", date=EPOCH + 1,
    headers=["In-Reply-To: <root@example.com>", "References: <root@example.com>"],
    attachments=[("plan.pdf", bytes(range(256)) * 50), ("list.txt", "Grüße\r\n".encode()), ("", b"nameless")],
)  # fmt: skip
NESTED = with_parts(
    "Nested", ("Content-Type: text/plain", b"outer"), ("Content-Type: message/rfc822", INNER), date=EPOCH + 2
)
INVITED = with_parts(
    "Invited", ("Content-Type: text/plain", b"come"),
    ('Content-Type: text/calendar; name="meeting.ics"\r\nContent-Disposition: attachment', CALENDAR),
    date=EPOCH + 3,
)  # fmt: skip
MAILS = [PLAIN, FILES, NESTED, INVITED]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    made = TestVault(tmp_path_factory.mktemp("courts") / "vault")
    people = ["bob@example.com", line("Bcc", "eve@example.com", expanded="all@example.com")]
    run = made.archive(
        [
            *(report(mail, recipients=people) for mail in MAILS),
            report(fork(PLAIN, 7), recipients=["dora@example.com"]),
        ]
    )
    assert (run.state, run.error) == ("ok", "")
    yield made
    made.client.close()


@pytest.fixture(scope="module")
def program(vault: TestVault) -> Program:
    return Program(vault.folder)


def produced(program: Program, target: Path, form: str, *words: str, query: str = "") -> Path:
    program("export", query, "--form", form, "--to", str(target), *words)
    return target


def rows_of(folder: Path, form: str) -> list[Row]:
    return read_dat(folder / "loadfile.dat") if form == "dat" else read_csv(folder / "loadfile.csv")


def number_of(label: str) -> int:
    return int(label[-7:])


@pytest.mark.parametrize("form", ["dat", "csv"])
def test_each_document_has_its_exact_bytes_and_its_hashes(
    program: Program, tmp_path: Path, form: str
) -> None:
    folder = produced(program, tmp_path / "out", form)
    rows = rows_of(folder, form)
    assert [native(folder, row) for row in rows if row["DOCTYPE"] == "Message"] == MAILS
    for row in rows:
        content = native(folder, row)
        assert row["SHA256"] == hashlib.sha256(content).hexdigest()
        assert row["MD5"] == hashlib.md5(content).hexdigest()
        assert int(row["FILESIZE"]) == len(content)
        assert row["BEGBATES"] == row["ENDBATES"]
        assert row["NATIVEPATH"].endswith(f"{row['BEGBATES']}.{row['FILEEXT']}")
    numbers = [number_of(row["BEGBATES"]) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(rows)))
    assert {row["ARCHIVEID"] for row in rows} == {hashlib.sha256(mail).hexdigest() for mail in MAILS}
    files = [native(folder, row) for row in rows if row["DOCTYPE"] == "Attachment"]
    assert files[:3] == [bytes(range(256)) * 50, "Grüße\r\n".encode(), b"nameless"]
    assert files[3:5] == [INNER, b"deep words\n"]


def test_families_are_together_and_name_what_contains_them(program: Program, tmp_path: Path) -> None:
    rows = read_dat(produced(program, tmp_path / "out", "dat") / "loadfile.dat")
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row["BEGATTACH"], []).append(row)
    for first, members in families.items():
        message, *files = members
        assert message["BEGBATES"] == first
        assert {row["ENDATTACH"] for row in members} == {members[-1]["BEGBATES"]}
        assert (message["PARENTID"], message["DOCTYPE"]) == ("", "Message")
        assert (message["HASATTACH"], message["ATTACHCOUNT"]) == ("NY"[bool(files)], str(len(files)))
        assert {row["DOCTYPE"] for row in files} <= {"Attachment"}
        assert {row["PARENTID"] for row in files} <= {row["BEGBATES"] for row in members}
    inner, deep = next(files for message, *files in families.values() if message["SUBJECT"] == "Nested")
    assert (inner["FILENAME"], inner["FILEEXT"], deep["FILENAME"]) == ("Inner.eml", "eml", "deep.txt")
    assert deep["PARENTID"] == inner["BEGBATES"]


def test_fields_are_those_of_header_envelope_and_archive(program: Program, tmp_path: Path) -> None:
    folder = produced(program, tmp_path / "out", "dat")
    rows = read_dat(folder / "loadfile.dat")
    row = next(row for row in rows if row["SUBJECT"] == "Files")
    assert (row["FROM"], row["TO"]) == ("Anna Berg <anna@example.com>", "bob@example.com")
    assert (row["DATESENT"], row["DATERECEIVED"]) == ("2023-11-14T22:13:21Z", "2023-11-14T22:13:21Z")
    assert row["ENVELOPEFROM"] == "anna@example.com"
    assert row["ENVELOPETO"] == (
        "recipient:bob@example.com; expanded:all@example.com; bcc:eve@example.com (by all@example.com)"
    )
    assert (row["INREPLYTO"], row["REFERENCES"]) == ("<root@example.com>", "<root@example.com>")
    assert row["CONVERSATION"] == "root@example.com"
    assert row["ALLCUSTODIANS"] == "anna@example.com; bob@example.com; eve@example.com"
    assert row["FOLDER"] == "anna@example.com/Sent; bob@example.com/Inbox; eve@example.com/Inbox"
    text = next(row for row in rows if row["FILENAME"] == "list.txt")
    assert text_of(folder, text).strip() == "Grüße"
    assert "One." in text_of(folder, rows[0])
    assert {row["CUSTODIAN"] for row in rows} == {"anna@example.com"}
    rows = read_dat(produced(program, tmp_path / "eve", "dat", "--user", "eve@example.com") / "loadfile.dat")
    assert {row["CUSTODIAN"] for row in rows} == {"eve@example.com"}


def test_a_fork_is_no_document_of_its_own_and_its_envelope_counts(program: Program, tmp_path: Path) -> None:
    rows = read_dat(produced(program, tmp_path / "out", "dat", query="subject:plain") / "loadfile.dat")
    (row,) = rows
    assert "recipient:dora@example.com" in row["ENVELOPETO"].split("; ")
    assert "dora@example.com" in row["ALLCUSTODIANS"].split("; ")


def test_edrm_xml_fits_its_schema_and_says_the_same(program: Program, tmp_path: Path) -> None:
    rows = read_dat(produced(program, tmp_path / "dat", "dat") / "loadfile.dat")
    folder = produced(program, tmp_path / "edrm", "edrm")
    root = read_edrm(folder / "loadfile.xml")
    documents = root.findall("Batch/Documents/Document")
    assert len(documents) == len(rows)
    shift = number_of(documents[0].get("DocID")) - number_of(rows[0]["BEGBATES"])
    names = {row["BEGBATES"]: document.get("DocID") for row, document in zip(rows, documents, strict=True)}
    assert all(number_of(new) - number_of(old) == shift for old, new in names.items())
    found = {(one.get("ParentDocID"), one.get("ChildDocID")) for one in root.iter("Relationship")}
    assert found == {(names[row["PARENTID"]], names[row["BEGBATES"]]) for row in rows if row["PARENTID"]}
    for row, document in zip(rows, documents, strict=True):
        tags = {tag.get("TagName"): tag.get("TagValue") for tag in document.iter("Tag")}
        assert tags.get("#Subject", "") == row["SUBJECT"]
        assert tags.get("ENVELOPETO", "") == row["ENVELOPETO"]
        assert tags["SHA256"] == row["SHA256"]
        assert document.get("DocType") == ("Message" if row["DOCTYPE"] == "Message" else "File")
        for file in document.iter("ExternalFile"):
            content = (folder / file.get("FilePath") / file.get("FileName")).read_bytes()
            assert (int(file.get("FileSize")), file.get("Hash")) == (
                len(content),
                hashlib.md5(content).hexdigest(),
            )
        custodians = [place.text for place in document.iter("Custodian")]
        assert custodians == row["ALLCUSTODIANS"].split("; ")


def test_the_tables_of_a_tax_office_are_those_that_their_index_describes(
    program: Program, tmp_path: Path
) -> None:
    folder = produced(program, tmp_path / "out", "gobd")
    tables = read_index(folder)
    messages, files, people = (tables[name] for name in ("Nachrichten", "Anhaenge", "Beteiligte"))
    assert [(folder / one["Datei"]).read_bytes() for one in messages] == MAILS
    assert [one["Anhaenge"] for one in messages] == [
        sum(file["Nachricht"] == one["Nummer"] for file in files) for one in messages
    ]
    keys = [one["Nummer"] for one in (*messages, *files)]
    assert len(set(keys)) == len(keys)
    assert {one["Nachricht"] for one in (*files, *people)} <= {one["Nummer"] for one in messages}
    assert {one["Enthalten_in"] for one in files} <= set(keys)
    for one in (*messages, *files):
        content = (folder / one["Datei"]).read_bytes()
        assert (one["Groesse"], one["SHA256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert str(messages[0]["Datum"]) == "2023-11-14"
    assert messages[0]["Uhrzeit"] == "22:13:20"
    lines = {(one["Quelle"], one["Rolle"], one["Adresse"], one["Ueber"]) for one in people}
    assert ("Umschlag", "bcc", "eve@example.com", "all@example.com") in lines
    assert ("Kopf", "from", "Anna Berg <anna@example.com>", "") in lines
    assert not (folder / "TEXT").exists()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["", ".zip"])
def test_a_production_proves_itself_and_changes_are_noticed(
    program: Program, tmp_path: Path, form: str, ending: str
) -> None:
    made = produced(program, tmp_path / f"out{ending}", form)
    said = verified(made)
    assert said.startswith("4 messages, 4 of them proven")
    assert "all is well" in said
    folder = made
    if ending:
        folder = tmp_path / "unpacked"
        with zipfile.ZipFile(made) as packed:
            assert packed.testzip() is None
            packed.extractall(folder)
        assert "all is well" in verified(folder)
    head, entries = read_manifest(folder)
    assert head["form"] == form
    assert head["checkpoint"] in (folder / "README.txt").read_text()
    parts = [entry for entry in entries if "part" in entry]
    assert f"{len(parts)} other files were compared" in said
    victim = next(folder / entry["file"] for entry in parts if entry["part"] and "NATIVES" in entry["file"])
    before = victim.read_bytes()
    victim.write_bytes(before + b"x")
    assert f"WRONG {victim.relative_to(folder)}: it is not the file of the manifest" in verified(folder, 1)
    victim.write_bytes(before)
    (folder / "NATIVES/0001/added.eml").write_bytes(b"x")
    assert "WRONG NATIVES/0001/added.eml: the manifest does not list it" in verified(folder, 1)
    (folder / "NATIVES/0001/added.eml").unlink()
    (folder / "NATIVES/elsewhere").symlink_to("/etc")
    assert "WRONG NATIVES/elsewhere: the manifest does not list it" in verified(folder, 1)
    (folder / "NATIVES/elsewhere").unlink()
    mail = folder / next(entry["file"] for entry in entries if "part" not in entry)
    mail.unlink()
    assert f"WRONG {mail.relative_to(folder)}: it is missing" in verified(folder, 1)


def test_numbers_go_on_and_the_ledger_says_who_made_what(program: Program, tmp_path: Path) -> None:
    first = read_dat(produced(program, tmp_path / "a", "dat", "--bates", "CASE-") / "loadfile.dat")
    second = read_csv(produced(program, tmp_path / "b", "csv", "--bates", "case-") / "loadfile.csv")
    third = read_index(produced(program, tmp_path / "c", "gobd", "--bates", "CASE-", "--reason", "audit 7"))
    labels = [row["BEGBATES"].upper() for row in (*first, *second)]
    labels += [one["Nummer"] for name in ("Nachrichten", "Anhaenge") for one in third[name]]
    assert sorted(labels) == [f"CASE-{number:07d}" for number in range(1, 3 * len(first) + 1)]
    events = program.ask("audit", "--kind", "export", "--limit", "1")["events"]
    (event,) = events
    assert event["event"] == "produced"
    assert (event["prefix"], event["first"], event["last"]) == ("CASE-", 2 * len(first) + 1, 3 * len(first))
    assert (event["form"], event["reason"], event["total"]) == ("gobd", "audit 7", len(MAILS))
    assert event["path"] == str(tmp_path / "c")
    manifest = (tmp_path / "c" / "manifest.jsonl").read_bytes()
    assert event["manifest"] == hashlib.sha256(manifest).hexdigest()
    program("rebuild")
    again = read_dat(produced(program, tmp_path / "d", "dat", "--bates", "CASE-") / "loadfile.dat")
    assert again[0]["BEGBATES"] == f"CASE-{3 * len(first) + 1:07d}"
    assert program("verify", "--deep").code == 0


def test_a_production_of_nothing_uses_no_number(program: Program, tmp_path: Path) -> None:
    result = program(
        "export", "nothingofthekind", "--form", "dat", "--bates", "N", "--to", str(tmp_path / "out")
    )
    assert "has no documents" in result.out
    assert read_dat(tmp_path / "out/loadfile.dat") == []
    rows = read_dat(produced(program, tmp_path / "more", "dat", "--bates", "N") / "loadfile.dat")
    assert rows[0]["BEGBATES"] == "N0000001"


def test_what_can_not_be_produced_is_refused_before_a_number_is_reserved(
    program: Program, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_bytes(b"mine")
    (tmp_path / "taken.zip").write_bytes(b"mine")
    for code, words, said in (
        (2, ("--bates", "R"), "give --form"),
        (2, ("--form", "pdf"), "is not one of"),
        (2, ("--form", "dat", "--bates", "R1"), "can't be the prefix"),
        (2, ("--form", "dat", "--bates", "R", "--to", str(tmp_path / "a.mbox")), "not an mbox"),
        (2, ("--form", "dat", "--bates", "R", "--to", str(tmp_path / "full")), "not empty"),
        (2, ("--form", "dat", "--bates", "R", "--to", str(tmp_path / "taken.zip")), "exists already"),
        (10, ("--form", "dat", "--bates", "R", "--user", "nobody@else.example"), "nobody@else.example"),
    ):
        assert said in program.refuses(code, "export", "", "--to", str(tmp_path / "out"), *words)
    assert (
        program.say("export", "(", "--form", "dat", "--bates", "R", "--to", str(tmp_path / "out")).code == 11
    )
    assert {path.name for path in tmp_path.rglob("*")} == {"full", "mine", "taken.zip"}
    rows = read_dat(produced(program, tmp_path / "out", "dat", "--bates", "R") / "loadfile.dat")
    assert rows[0]["BEGBATES"] == "R0000001"


def test_everything_is_readable_by_its_owner_alone(program: Program, tmp_path: Path) -> None:
    produced(program, tmp_path / "out", "dat")
    produced(program, tmp_path / "out.zip", "edrm")
    assert [path for path in tmp_path.rglob("*") if path.stat().st_mode & 0o077] == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_folders_hold_a_thousand_documents(tmp_path: Path) -> None:
    vault = TestVault(tmp_path / "vault")
    files = [(f"{number}.bin", b"%d" % number) for number in range(1_100)]
    vault.archive([report(plain(subject="Many", attachments=files))])
    rows = read_dat(produced(Program(vault.folder), tmp_path / "out", "dat") / "loadfile.dat")
    assert len(rows) == 1_101
    assert {Path(row["NATIVEPATH"].replace("\\", "/")).parent.name for row in rows} == {"0001", "0002"}
    assert [native(tmp_path / "out", row) for row in rows[1:]] == [content for _, content in files]
    vault.client.close()


def test_outlooks_container_is_a_family(tmp_path: Path) -> None:
    """The container is a document, and so is each file in it."""
    stream = tnef(attribute(0x00068003, b"\0"), tnef_file("inside.txt", b"inside words"))
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(enclosing(stream, "application/ms-tnef", "winmail.dat"))])
    folder = produced(Program(vault.folder), tmp_path / "out", "dat")
    message, container, inside = read_dat(folder / "loadfile.dat")
    assert (container["PARENTID"], inside["PARENTID"]) == (message["BEGBATES"], container["BEGBATES"])
    assert (native(folder, container), native(folder, inside)) == (stream, b"inside words")
    vault.client.close()


def test_mail_that_arrives_meanwhile_is_not_produced(tmp_path: Path) -> None:
    """Every message of a production is in the ledger of its checkpoint."""
    vault = TestVault(tmp_path / "vault")
    vault.archive([report(plain(subject="early"))])
    with closing(open_vault(vault.folder, write=False)) as opened:
        view = ProductionView(opened, ExportChoice(), "dat", DatForm)
        vault.archive([report(plain(subject="late"))])
        named = ProductionView(
            opened, ExportChoice(ids=tuple(hit.id for hit in vault.messages())), "dat", DatForm
        )
        assert [row.subject for page in view.pages() for row in page] == ["early"]
        assert {row.subject for page in named.pages() for row in page} == {"early", "late"}
    vault.client.close()


def test_a_folder_of_a_user_is_produced_oldest_first(
    program: Program, vault: TestVault, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    request = api.Export(query="", user="bob@example.com", folder="Inbox", path=str(target), form="csv")
    assert isinstance(list(vault.client.stream(request))[-1], api.Done)
    rows = [row for row in read_csv(target / "loadfile.csv") if row["DOCTYPE"] == "Message"]
    assert [row["SUBJECT"] for row in rows] == ["Plain", "Files", "Nested", "Invited"]
    ids = tuple(row["ARCHIVEID"] for row in reversed(rows))
    request = api.Export(query="", ids=(*ids, ids[0]), path=str(tmp_path / "some"), form="csv")
    list(vault.client.stream(request))
    again = [row for row in read_csv(tmp_path / "some/loadfile.csv") if row["DOCTYPE"] == "Message"]
    assert [row["ARCHIVEID"] for row in again] == list(reversed(ids))
    assert "all is well" in verified(tmp_path / "some")
