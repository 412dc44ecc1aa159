"""Profiles of files through the whole engine: what is archived, found, passed over and named."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from support.cases import cases_dir
from support.vaults import TestVault

MAIL = b"From: ann@example.org\r\nTo: bob@example.com\r\nMessage-ID: <%d@x>\r\nSubject: letter %d\r\n\r\n"
SEP = b"From ann@example.org Mon Nov 23 11:00:00 2009\n"


def run(vault: TestVault, kind: str, path: Path, **fields: Any) -> api.RunSummary:
    vault.profile(path.name.partition(".")[0], source=kind, path=str(path), **fields)
    return vault.run(path.name.partition(".")[0])


def mail(number: int) -> bytes:
    return MAIL % (number, number) + b"text\r\n"


def steps(vault: TestVault, profile: str) -> list[str]:
    """The steps of a profile's test, as text."""
    words = vault.client.stream(api.TestProfile(name=profile))
    return [word.text for word in words if isinstance(word, api.Step)]


def test_a_folder_of_single_files(vault: TestVault) -> None:
    summary = run(vault, "eml", cases_dir() / "files" / "eml")
    assert (summary.state, summary.balanced) == ("ok", True)
    assert (summary.listed, summary.fetched, summary.new, summary.skipped) == (23, 18, 18, 5)
    assert summary.passed_over == 5
    assert {one["reason"]: sorted(one["examples"]) for one in summary.passed} == {
        "an empty file": ["empty.eml"],
        "a file of blank lines": ["whitespace.eml"],
        "a web page": ["html-saved.eml"],
        "an Outlook item (.msg), which this version of Muniment can't read": [
            "msg-renamed.eml",
            "outlook.msg",
        ],
    }
    assert vault.search("weasel") == []
    for query in ("subject:utf16", "subject:utf8", "grüße", "emlx", "subject:gz", "nulbeast"):
        assert [hit.sender for hit in vault.search(query)] == ["Nora Quist <nora@outside.example>"], query
    assert "passed over 1 (an empty file): empty.eml" in steps(vault, "eml")
    again = vault.run("eml")
    assert (again.listed, again.already, again.skipped, again.fetched) == (23, 18, 5, 0)
    assert again.balanced
    vault.sound()


def test_a_tree_of_mbox_files(vault: TestVault) -> None:
    summary = run(vault, "mbox", cases_dir() / "files" / "mbox")
    assert (summary.state, summary.balanced, summary.passed_over) == ("ok", True, 0)
    assert (summary.listed, summary.new, summary.merged) == (18, 17, 1)
    (hit,) = vault.search('subject:"mb thunderbird"')
    assert len(vault.show(hit.id).envelopes) == 2
    (hit,) = vault.search("heron")
    assert "From Monday on we invoice." in vault.show(hit.id).text
    assert len(vault.search("hidden")) == 1
    for query in ("nested", "package", "subject:gz", 'subject:"mb bom"', "leading", "subject:nb"):
        assert vault.search(query), query
    again = vault.run("mbox")
    assert (again.already, again.fetched, again.balanced) == (18, 0, True)
    vault.sound()


def test_folders_of_files_with_an_owner(vault: TestVault, tmp_path: Path) -> None:
    files = {
        "Inbox.mbx": SEP + mail(1), "Inbox.sbd/Kunden": SEP + mail(2), "Work.mbox/mbox": SEP + mail(3),
        "Work.mbox/table_of_contents": b"x",
    }  # fmt: skip
    for name, content in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    summary = run(vault, "mbox", tmp_path / "tree", journal=False, owner="bob@example.com")
    assert (summary.state, summary.new, summary.skipped, summary.balanced) == ("ok", 3, 1, True)
    assert vault.tree()["bob@example.com"] == {"Inbox.mbx": 1, "Inbox/Kunden": 1, "Work": 1}
    box = tmp_path / "maildir"
    for name, number in (("cur/1", 4), (".Kunden.Alt/cur/1", 5)):
        (box / name).parent.mkdir(parents=True)
        (box / name).write_bytes(mail(number))
    (box / "dovecot-uidlist").write_bytes(b"3")
    summary = run(vault, "maildir", box, journal=False, owner="bob@example.com", delete=True)
    assert (summary.new, summary.skipped, summary.deleted, summary.balanced) == (2, 1, 1, True)
    assert vault.tree()["bob@example.com"]["Kunden/Alt"] == 1
    left = sorted(str(path.relative_to(box)) for path in box.rglob("*") if path.is_file())
    assert left == [".Kunden.Alt/cur/1", "dovecot-uidlist"]
    again = vault.run("maildir")
    assert (again.listed, again.already, again.fetched, again.deleted) == (2, 1, 0, 0)


def test_an_odd_mix_of_files_loses_nothing(vault: TestVault, tmp_path: Path) -> None:
    """A file that is not kept to the last byte stays, run after run. The books balance."""
    packed = gzip.compress(mail(2) * 40)
    long_ago = 1_700_000_000
    files = {
        "1.eml": mail(1), "2.eml.gz": packed, "3.eml.gz": packed[:-30],
        "4.eml": mail(4).decode().encode("utf-16"),
        "5.emlx": b"%d\n" % len(mail(5)) + mail(5), "6.eml": b"", "7.eml": b"no mail", "8.txt": b"x",
        "9.eml": b"\n" + mail(9), "deep/1.eml": mail(1), "deep/10.eml": mail(10),
    }  # fmt: skip
    for name, content in files.items():
        path = tmp_path / "mix" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (long_ago, long_ago))
    summary = run(vault, "eml", tmp_path / "mix", delete=True)
    assert (summary.state, summary.balanced) == ("ok", True)
    assert (summary.listed, summary.fetched, summary.skipped, summary.deleted) == (11, 8, 3, 4)
    left = {str(path.relative_to(tmp_path / "mix")) for path in (tmp_path / "mix").rglob("*.*")}
    assert left == set(files) - {"1.eml", "2.eml.gz", "deep/1.eml", "deep/10.eml"}
    for name in left:
        assert (tmp_path / "mix" / name).read_bytes() == files[name]
    again = vault.run("mix")
    assert (again.state, again.balanced, again.new, again.deleted) == ("ok", True, 0, 0)
    vault.sound()


def test_an_mbox_file_that_grows(vault: TestVault, tmp_path: Path) -> None:
    path = tmp_path / "grows.mbox"
    path.write_bytes(b"".join(SEP + mail(n) + b"\r\n" for n in range(3)))
    assert run(vault, "mbox", path).new == 3
    with path.open("ab") as file:
        file.write(SEP + mail(3) + b"\r\n")
    summary = vault.run("grows")
    assert (summary.already, summary.new, summary.fetched) == (3, 1, 1)
    assert vault.run("grows").fetched == 0


@pytest.mark.parametrize("name", ["a\x1b[31mb.txt", "a\u202eb.txt", "x" * 200 + ".txt"])
def test_a_hostile_name_is_shown_sanitised(vault: TestVault, tmp_path: Path, name: str) -> None:
    box = tmp_path / "hostile"
    box.mkdir()
    (box / name).write_bytes(b"x")
    summary = run(vault, "eml", box)
    ((shown,),) = [one["examples"] for one in summary.passed]
    assert shown.isprintable()
    assert all(step.isprintable() for step in steps(vault, "hostile"))
    assert (summary.state, summary.listed, summary.skipped) == ("ok", 1, 1)


def test_runs_that_only_pass_over_are_not_eventful(vault: TestVault, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    (box / "notes.txt").write_bytes(b"x")
    run(vault, "eml", box)
    vault.run("box")
    history = vault.client.call(api.GetHistory(eventful=True), api.History)
    assert history.runs == ()
    history = vault.client.call(api.GetHistory(), api.History)
    assert [one.summary["passed_over"] for one in history.runs] == [1, 1]
