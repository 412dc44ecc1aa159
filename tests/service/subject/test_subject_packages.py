"""The package that a person is given: read back by other programs, and without anyone who is not theirs."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.errors import LedgerDamaged, UsageError
from muniment.service.operations.subject import packaging
from support.reports import EPOCH, plain
from support.subjects import decide, fill, letter, listed, opened, package, state
from support.vaults import TestVault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    fill(made)
    yield made
    made.client.close()


class _Links(HTMLParser):
    """Collects where the links of a page lead, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "iframe")
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def rows(packed: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(packed.read(name).decode("utf-8"), newline="")))


def test_a_package_is_read_back_by_other_programs(vault: TestVault, tmp_path: Path) -> None:
    opened(vault, mentions=True, name="Anna", case="DS-1")
    decide(vault, "withhold", "5", reason="names another's illness", name="Anna")
    decide(vault, "include", rest=True, name="Anna")
    path = tmp_path / "out" / "anna.zip"
    done = package(vault, path, "Anna", listed=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest in done.message
    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as packed:
        assert packed.testzip() is None
        index = rows(packed, "index.csv")
        assert [(one["number"], one["your part"], one["subject"]) for one in index] == [
            ("1", "sender", "sent"), ("2", "to", "former"), ("3", "bcc", "blind"), ("4", "to", "hidden"),
        ]  # fmt: skip
        mails = [message_from_bytes(packed.read(one["file"]), policy=default) for one in index]
        assert [mail["Subject"] for mail in mails] == [one["subject"] for one in index]
        assert [part.get_filename() for part in mails[0].iter_attachments()] == ["contract.pdf"]
        assert rows(packed, "withheld.csv") == [{"number": "5", "reason": "names another's illness"}]
        page = _Links()
        page.feed(packed.read("index.html").decode())
        assert page.links == [one["file"] for one in index]
        assert "Anna" in page.text
        readme = packed.read("README.txt").decode()
        assert "4 of the 5 messages that were found are here." in readme
        assert "1 message is withheld" in readme
        lines = [json.loads(line) for line in packed.read("manifest.jsonl").splitlines()]
        for line in lines[1:]:
            assert hashlib.sha256(packed.read(line["file"])).hexdigest() == line["sha256"]
        assert not {"envelopes", "folders"} & {name for line in lines for name in line}
        whole = b"".join(packed.read(name) for name in packed.namelist())
    assert b"eve@example.com" not in whole
    assert b"ill\r\n" not in whole
    ids = {one.subject: one.id for one in listed(vault, "Anna")}
    assert ids["hidden"].encode() not in whole, "a hash of what is left out could confirm a guess"
    made = state(vault, "Anna").packages[0]
    assert (made.sha256, made.size, made.included, made.changed, made.withheld, made.listed) == (
        digest, path.stat().st_size, 4, 1, 1, True,
    )  # fmt: skip


def test_the_scripts_inside_check_the_package(vault: TestVault, tmp_path: Path) -> None:
    opened(vault)
    decide(vault, "withhold", "4")
    decide(vault, "include", rest=True)
    package(vault, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        packed.extractall(tmp_path / "x")
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "x" / "verify_export.py"), str(tmp_path / "a.zip")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "3 messages, 3 of them proven" in done.stdout) == (0, True), done.stdout
    (tmp_path / "x" / "index.csv").write_text("changed")
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "x" / "verify_export.py"), str(tmp_path / "x")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1


def test_who_else_got_a_message_stays_secret(vault: TestVault, tmp_path: Path) -> None:
    hidden = {
        "one": ["Bcc: eve@example.com"],
        "two": ["Delivered-To: eve@example.com"],
        "three": ["Received: from a by b for <eve@example.com>; Tue, 1 Mar 2022 10:00:00 +0000"],
        "four": ["Bcc: anna@example.com"],
    }
    vault.archive(
        [
            letter(f"table {name}", "carl@example.com", "anna@example.com", more=headers, date=EPOCH + number)
            for number, (name, headers) in enumerate(hidden.items())
        ],
        journal=True,
    )
    opened(vault, query="subject:table", name="t")
    package(vault, tmp_path / "t.zip", "t", undecided="include")
    with zipfile.ZipFile(tmp_path / "t.zip") as packed:
        index = rows(packed, "index.csv")
        given = {row["subject"]: packed.read(row["file"]) for row in index}
        whole = b"".join(packed.read(name) for name in packed.namelist())
    assert [row["form"] for row in index] == ["public"] * 3 + ["as archived"]
    raw = {hit.subject: vault.raw(hit.id) for hit in vault.search("subject:table")}
    assert [given[name] == raw[name] for name in sorted(given)] == [True, False, False, False]
    assert b"eve@" not in whole
    assert all(b"the plan is on the table" in one for one in given.values())


def test_a_package_is_refused_while_messages_are_undecided(vault: TestVault, tmp_path: Path) -> None:
    opened(vault)
    decide(vault, "include", "1", "2")
    with pytest.raises(UsageError, match="2 messages of"):
        package(vault, tmp_path / "a.zip")
    assert package(vault, tmp_path / "a.zip", undecided="withhold").message.startswith("2 messages")
    assert package(vault, tmp_path / "b.zip", undecided="include").message.startswith("4 messages")
    assert [(one.undecided, one.included, one.withheld) for one in state(vault).packages] == [
        ("include", 4, 0), ("withhold", 2, 2),
    ]  # fmt: skip
    assert state(vault).states["undecided"] == 2
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert "withheld.csv" not in packed.namelist()
    package(vault, tmp_path / "c.zip", undecided="withhold", listed=True)
    with zipfile.ZipFile(tmp_path / "c.zip") as packed:
        assert [one["reason"] for one in rows(packed, "withheld.csv")] == ["not reviewed"] * 2


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"path": "a.txt"}, "new .zip file"),
        ({"path": ""}, "new .zip file"),
        ({"undecided": "perhaps"}, "include or withhold"),
        ({"undecided": "withhold"}, "nothing to hand over"),
    ],
)
def test_what_makes_no_package_is_refused(
    vault: TestVault, tmp_path: Path, fields: dict[str, Any], error: str
) -> None:
    opened(vault)
    request = api.PackageSubject(**{"name": "anna@example.com", "path": str(tmp_path / "a.zip")} | fields)
    with pytest.raises(UsageError, match=error):
        list(vault.client.stream(request))
    assert state(vault).packages == ()


def test_no_file_is_replaced(vault: TestVault, tmp_path: Path) -> None:
    opened(vault)
    (tmp_path / "a.zip").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        package(vault, tmp_path / "a.zip", undecided="include")
    assert (tmp_path / "a.zip").read_text() == "mine"
    assert state(vault).packages == ()


def test_a_package_that_is_not_complete_leaves_nothing(
    vault: TestVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(vault)
    out = tmp_path / "out"
    words = vault.client.stream(
        api.PackageSubject(name="anna@example.com", path=str(out / "a.zip"), undecided="include")
    )
    next(words)
    assert list(out.iterdir()), "it is being written"
    words.close()  # type: ignore[attr-defined]
    assert not list(out.iterdir())

    def fail(*args: object) -> None:
        raise LedgerDamaged("a record is damaged")

    monkeypatch.setattr(packaging._Making, "_record", fail)
    with pytest.raises(LedgerDamaged):
        package(vault, out / "a.zip", undecided="include")
    assert not list(out.iterdir())
    monkeypatch.undo()
    assert state(vault).packages == ()
    package(vault, out / "a.zip", undecided="include")
    package(vault, out / "b.zip", undecided="include")
    assert len(state(vault).packages) == 2
    vault.sound()


KILLED = """
import os, signal, sys
from pathlib import Path
from muniment import api
from muniment.service.dispatch.engine import connect
words = connect(Path(sys.argv[1])).stream(
    api.PackageSubject(name="anna@example.com", path=sys.argv[2], undecided="include")
)
next(words)
os.kill(os.getpid(), signal.SIGKILL)
"""
"""Makes a package, and is killed while it writes it."""


def test_a_killed_package_leaves_neither_a_file_of_its_name_nor_a_record(
    vault: TestVault, tmp_path: Path
) -> None:
    opened(vault)
    out = tmp_path / "out"
    words = [sys.executable, "-c", KILLED, str(vault.folder), str(out / "a.zip")]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    left = [path.name for path in out.iterdir()]
    assert [name for name in left if not name.startswith(".")] == []
    assert left, "it was writing"
    assert state(vault).packages == ()
    package(vault, out / "a.zip", undecided="include")
    assert len(state(vault).packages) == 1
    vault.sound()


def test_erased_mail_is_counted_and_named_but_not_handed_over(vault: TestVault, tmp_path: Path) -> None:
    opened(vault)
    decide(vault, "include", rest=True)
    list(vault.client.stream(api.Erase(ids=(listed(vault)[1].id,), basis="Art. 17")))
    done = package(vault, tmp_path / "a.zip", listed=True)
    assert any("1 message is erased" in warning for warning in done.warnings)
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        (row,) = rows(packed, "withheld.csv")
        assert (row["number"], row["reason"].startswith("erased on ")) == ("2", True)
        assert "1 message is erased since" in packed.read("README.txt").decode()
        assert len(rows(packed, "index.csv")) == 3


def test_hostile_text_does_nothing_in_the_index(vault: TestVault, tmp_path: Path) -> None:
    subject = '=HYPERLINK("http://x")<script>alert(1)</script>\x1b[31m'
    vault.archive([letter(subject, "anna@example.com", "bob@example.com")], journal=True)
    opened(vault, name="=1+1<b>", query="HYPERLINK")
    package(vault, tmp_path / "a.zip", "=1+1<b>", undecided="include")
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        (row,) = rows(packed, "index.csv")
        assert row["subject"].startswith("'=HYPERLINK")
        text = packed.read("index.html").decode()
        assert "<script>" not in text
        assert "<b>" not in text
        assert "\x1b" not in text + row["subject"]


def test_a_message_with_a_header_that_is_too_long_stays_out(vault: TestVault, tmp_path: Path) -> None:
    many = [f"X-Filler-{number}: {'x' * 900}" for number in range(1_300)]
    long = plain(sender="x@else.org", subject="long", headers=["Bcc: eve@example.com", *many])
    vault.archive([long], journal=False, owner="anna@example.com")
    opened(vault, name="long")
    assert len(listed(vault, "long")) == 5
    done = package(vault, tmp_path / "a.zip", "long", undecided="include", listed=True)
    assert any("header is too long" in warning for warning in done.warnings)
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert len(rows(packed, "index.csv")) == 4
        assert [one["number"] for one in rows(packed, "withheld.csv")] == ["5"]
        assert b"eve@" not in b"".join(packed.read(name) for name in packed.namelist())


def test_mail_of_the_own_mailbox_says_so(vault: TestVault, tmp_path: Path) -> None:
    own = plain(sender="x@else.org", to=["list@else.org"], subject="circular", date=EPOCH)
    vault.archive([own], journal=False, owner="anna@example.com")
    opened(vault, name="own", query="circular")
    package(vault, tmp_path / "a.zip", "own", undecided="include")
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert [one["your part"] for one in rows(packed, "index.csv")] == ["mailbox"]
