"""Productions of hostile mail: safe names, harmless text, and readable for every program."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.productions.documents import UNREADABLE
from muniment.client.client import Client
from muniment.mail.notes import UNREAD
from muniment.service.dispatch.engine import connect
from support.corpus import malformed
from support.hostile import VICTIM, judge, letter
from support.hostile_mail import CRASH, HANG, RAISE, hostile, hostile_parser
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
from support.program import Program, command
from support.reports import EPOCH, plain, report
from support.soak import in_soak
from support.vaults import TestVault

NAMES = [
    "../../etc/passwd", "/root/.ssh/authorized_keys", "..\\..\\boot.ini", "con.txt", "NUL", "aux.", ".bashrc",
    "x" * 300 + ".pdf", "a.sh\x1b]0;owned\x07", "evil\u202egpj.exe", "=cmd|calc!A1", "+1.csv", "-rf", "@x",
    "a.b/c", "þorn®\x14.txt", "name.with space", "a;b\"c,d.txt", "a.", "", "z.tar.gz", "e.ÄÖÜ",
    "e." + "y" * 40,
]  # fmt: skip
FORMULAS = ["=1+1", "+49 30 1", "-1", "@SUM(A1)", "\t=1", "'=1", "\x00=1"]
SAFE = re.compile(r"(?:NATIVES|TEXT)/\d{4}/PROD\d{7}\.[a-z0-9]{1,10}")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    vault = TestVault(tmp_path_factory.mktemp("hostile") / "vault")
    mails = [
        plain(subject="Names", attachments=[(name, name.encode()) for name in NAMES]),
        *(
            plain(subject=text, sender=f"{text} <a@b.example>", date=EPOCH + n)
            for n, text in enumerate(FORMULAS)
        ),
        *(letter(number) for number in range(10, 13)),
        plain(subject="Early", date="Thu, 01 Jan 0001 00:00:00 +1400"),
        plain(subject="Late", date="Fri, 31 Dec 9999 23:59:59 -1200"),
    ]
    run = vault.archive([report(one, recipients=[VICTIM]) for one in mails])
    assert (run.state, run.error, run.new) == ("ok", "", len(mails))
    yield Program(vault.folder)
    vault.client.close()


def produced(program: Program, target: Path, form: str) -> Path:
    program("export", "", "--form", form, "--to", str(target))
    return target


def files(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]


@pytest.mark.parametrize("form", ["dat", "csv", "edrm", "gobd"])
def test_nothing_of_a_mail_reaches_a_name_or_acts_on_a_terminal(
    program: Program, tmp_path: Path, form: str
) -> None:
    folder = produced(program, tmp_path / "out", form)
    own = {"README.txt", "manifest.jsonl", "proof.jsonl", "verify_export.py", "verify_ledger.py"}
    loads = [name for name in files(folder) if "/" not in name and name not in own]
    assert len(loads) == (5 if form == "gobd" else 1)
    named = [name.replace("GOBD", "PROD") for name in files(folder) if "/" in name]
    assert [name for name in named if not SAFE.fullmatch(name)] == []
    for name in (*loads, *(name for name in files(folder) if name.startswith("TEXT/"))):
        data = (folder / name).read_bytes().removeprefix(b"\xef\xbb\xbf")
        judge(data.replace(b"\x14", b"") if form == "dat" else data)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert "all is well" in verified(folder)


def test_every_program_reads_hostile_values_back(program: Program, tmp_path: Path) -> None:
    """The forms agree, and each keeps what a sender wrote as far as it can be shown."""
    dat = read_dat(produced(program, tmp_path / "dat", "dat") / "loadfile.dat")
    table = read_csv(produced(program, tmp_path / "csv", "csv") / "loadfile.csv")
    tags = [
        {tag.get("TagName"): tag.get("TagValue") for tag in document.iter("Tag")}
        for document in read_edrm(produced(program, tmp_path / "edrm", "edrm") / "loadfile.xml").iter(
            "Document"
        )
    ]
    tax = read_index(produced(program, tmp_path / "gobd", "gobd"))
    for one, other, tag in zip(dat, table, tags, strict=True):
        exact = tag.get("#FileName", "")
        assert one["FILENAME"] == exact.replace("®", "(R)").replace("þ", "th")
        assert other["FILENAME"] in (exact, f"'{exact}")
        assert (one["SHA256"], one["MD5"]) == (other["SHA256"], other["MD5"])
    assert [
        row for row in table if any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row.values())
    ] == []
    cells = [cell for rows in tax.values() for row in rows for cell in row.values() if isinstance(cell, str)]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))] == []
    shown = {row["FILENAME"] for row in dat}
    assert {"../../etc/passwd", "con.txt", "thorn(R)\ufffd.txt", "x" * 300 + ".pdf", "=cmd|calc!A1"} <= shown
    assert {"'=1+1", "'+49 30 1", "'@SUM(A1)"} <= {row["SUBJECT"] for row in table}
    endings = {row["FILENAME"]: row["FILEEXT"] for row in dat if row["DOCTYPE"] == "Attachment"}
    assert (endings["z.tar.gz"], endings["e.ÄÖÜ"], endings["NUL"], endings["con.txt"]) == (
        "gz",
        "bin",
        "bin",
        "txt",
    )


@pytest.mark.parametrize("form", ["edrm", *in_soak("dat", "csv", "gobd")])
def test_malformed_mail_is_produced(tmp_path: Path, form: str) -> None:
    vault = TestVault(tmp_path / "vault")
    mails = dict(malformed())
    vault.archive(mails.values(), journal=False, owner="bob@example.com")
    stored = {hit.id for hit in vault.messages()}
    folder = produced(Program(vault.folder), tmp_path / "out", form)
    _, entries = read_manifest(folder)
    assert {entry["sha256"] for entry in entries if "part" not in entry} == stored
    documents = sum(entry["file"].startswith("NATIVES/") for entry in entries)
    if form == "edrm":
        assert len(list(read_edrm(folder / "loadfile.xml").iter("Document"))) == documents
    elif form == "gobd":
        tables = read_index(folder)
        assert len(tables["Nachrichten"]) + len(tables["Anhaenge"]) == documents
    else:
        assert len((read_dat if form == "dat" else read_csv)(folder / f"loadfile.{form}")) == documents
    vault.client.close()


def test_mail_that_ends_its_parser_is_produced_as_far_as_it_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = TestVault(tmp_path / "vault")
    mails = {word: hostile(word, attachments=[("plan.bin", b"a plan")]) for word in (CRASH, HANG, RAISE)}
    vault.archive([report(one) for one in (*mails.values(), plain(subject="ordinary", date=EPOCH + 9))])
    with hostile_parser(monkeypatch):
        folder = produced(Program(vault.folder), tmp_path / "out", "dat")
    rows = read_dat(folder / "loadfile.dat")
    messages = {row["SUBJECT"]: row for row in rows if row["DOCTYPE"] == "Message"}
    for word, mail in mails.items():
        row = messages[f"subject {word.lower()}"]
        assert native(folder, row) == mail
        assert row["NOTES"] == UNREAD
        assert text_of(folder, row) == ""
        (plan,) = (one for one in rows if one["PARENTID"] == row["BEGBATES"])
        assert native(folder, plan) == b"a plan"
    assert messages["ordinary"]["NOTES"] == ""
    vault.client.close()


def test_without_any_parser_the_messages_are_produced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from muniment.parsing.pool import end_readers, mail_reader

    vault = TestVault(tmp_path / "vault")
    mail = plain(subject="Lost", attachments=[("a.txt", b"a")])
    vault.archive([report(mail)])
    end_readers()
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        patch.setattr(mail_reader(), "module", "support.dying_reader")
        folder = produced(Program(vault.folder), tmp_path / "out", "dat")
    end_readers()
    (row,) = read_dat(folder / "loadfile.dat")
    assert (row["SUBJECT"], row["FROM"]) == ("Lost", "Anna Berg <anna@example.com>")
    assert row["NOTES"] == UNREADABLE
    assert native(folder, row) == mail
    vault.client.close()


# --- stops and crashes ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    vault = TestVault(tmp_path_factory.mktemp("many") / "vault")
    vault.archive(
        [report(plain(subject=f"number {n}", attachments=[("a.bin", b"%d" % n)])) for n in range(120)]
    )
    yield vault
    vault.client.close()


def numbers_in(folder: Path, prefix: str) -> set[int]:
    found = (re.fullmatch(rf"{prefix}(\d{{7}})\..*", path.name) for path in folder.rglob("NATIVES/*/*"))
    return {int(match[1]) for match in found if match}


def test_a_production_that_was_killed_gives_its_numbers_to_no_other(many: TestVault, tmp_path: Path) -> None:
    program = Program(many.folder)
    used: set[int] = set()
    for attempt, after in enumerate((1.5, 2.5, 3.5)):
        target = tmp_path / str(attempt)
        words = command(many.folder, "export", "", "--form", "dat", "--bates", "K", "--to", str(target))
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not numbers_in(tmp_path, "K") - used and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(after / 50)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not target.exists()
        (left,) = tmp_path.glob(f".{attempt}.*.part")
        now = numbers_in(left, "K")
        assert now
        assert not now & used
        used |= now
    rows = read_dat(produced_as(program, tmp_path / "whole", "K") / "loadfile.dat")
    assert len(rows) == 240
    assert not {int(row["BEGBATES"][1:]) for row in rows} & used


def produced_as(program: Program, target: Path, prefix: str) -> Path:
    program("export", "", "--form", "dat", "--bates", prefix, "--to", str(target))
    return target


def test_a_production_that_was_stopped_leaves_no_file_and_uses_up_its_documents_alone(
    many: TestVault, tmp_path: Path
) -> None:
    client = Client(connect(many.folder))
    words = client.stream(api.Export(query="", form="csv", bates="S", path=str(tmp_path / "out")))
    next(words)
    left = numbers_in(tmp_path, "S")
    assert left
    words.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
    rows: list[Row] = read_dat(produced_as(Program(many.folder), tmp_path / "next", "S") / "loadfile.dat")
    first = int(rows[0]["BEGBATES"][1:])
    assert max(left) < first <= max(left) + 4
    work = many.folder / "work"
    assert [path for path in work.rglob("*") if path.is_file()] == []
    client.close()


def test_the_same_mail_is_produced_the_same(many: TestVault, tmp_path: Path) -> None:
    first, second = (produced_as(Program(many.folder), tmp_path / name, name) for name in "AB")
    one, other = read_dat(first / "loadfile.dat"), read_dat(second / "loadfile.dat")
    own = {"BEGBATES", "ENDBATES", "BEGATTACH", "ENDATTACH", "PARENTID", "NATIVEPATH", "TEXTPATH"}
    assert [{k: v for k, v in row.items() if k not in own} for row in one] == [
        {k: v for k, v in row.items() if k not in own} for row in other
    ]
    sent = [row["DATESENT"] for row in one if row["DOCTYPE"] == "Message"]
    assert sent == sorted(sent)
    assert {row["SHA256"] for row in one} == {hashlib.sha256(native(first, row)).hexdigest() for row in one}
