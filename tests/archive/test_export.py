"""Exports: they hold the stored mail byte for byte, and can be archived again."""

from __future__ import annotations

import hashlib
import json
import mailbox
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.operations import export_targets
from muniment.archive.operations.export_targets import open_target, quoted
from muniment.system.partial_files import publish_file
from support.program import Program, command
from support.reports import line, plain, report
from support.soak import in_soak
from support.vaults import TestVault, put

HOSTILE = [
    "../../etc/passwd",
    "/root/.ssh/authorized_keys",
    "a\x1b]0;owned\x07b",
    "\u202egnp.exe",
    "x" * 400,
    ".",
    "nul\tCON:",
]
MAILS = [
    plain(subject="Plain", body="One.\n"),
    plain(subject="Secret", to=["bob@example.com"], body="Two.\n"),
    plain(subject="Files", attachments=[("a.bin", bytes(range(256)) * 50)]),
    plain(subject="Bare LF", eol=b"\n"),
    plain(subject="From lines", body="From here on.\n>From there.\nFrom\n Frome\n"),
    plain(subject="No end", body=b"no line end at the end"),
    plain(subject="Blank end", body=b"text\r\n\r\n\r\n"),
    plain(subject="Far future", date="Fri, 31 Dec 2399 23:00:00 +0000"),
    plain(subject="Long ago", date="Thu, 01 Jan 1903 00:00:00 +0000"),
    *(plain(subject=subject.replace("\n", ""), body=f"{n}\n") for n, subject in enumerate(HOSTILE)),
]


EXPLAINING = {"README.txt", "proof.jsonl", "verify_export.py", "verify_ledger.py"}
VERIFIERS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    made = TestVault(tmp_path_factory.mktemp("export") / "vault")
    people = ["bob@example.com", line("Bcc", "eve@example.com", expanded="all@example.com")]
    first = report(MAILS[0], recipients=["bob@example.com"], sender="carol@example.com")
    run = made.archive([first, *(report(mail, recipients=people) for mail in MAILS[1:])])
    assert (run.state, run.error) == ("ok", "")
    yield made
    made.client.close()


@pytest.fixture(scope="module")
def program(vault: TestVault) -> Program:
    return Program(vault.folder)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a manifest's first line and its entries."""
    head, *entries = map(json.loads, path.read_text().splitlines())
    return head, entries


def test_a_folder_holds_the_exact_bytes(program: Program, tmp_path: Path) -> None:
    target = tmp_path / "new/folder"
    program("export", "", "--to", str(target))
    head, entries = manifest(target / "manifest.jsonl")
    assert {path.name for path in target.iterdir()} == {"manifest.jsonl", *(e["file"] for e in entries)}
    files = {entry["file"]: (target / entry["file"]).read_bytes() for entry in entries}
    assert sorted(files.values()) == sorted(MAILS)
    for entry in entries:
        assert (entry["sha256"], entry["size"]) == (sha(files[entry["file"]]), len(files[entry["file"]]))
    proof = program.ask("verify")
    assert (head["tree_size"], head["root"]) == (proof["tree_size"], proof["root"])
    assert program("verify", "--was", head["checkpoint"]).code == 0
    assert "verify --was" in head["about"]


def test_the_manifest_holds_the_evidence_of_the_envelope(program: Program, tmp_path: Path) -> None:
    program("export", "subject:Secret", "--to", str(tmp_path / "out"))
    _, (entry,) = manifest(tmp_path / "out/manifest.jsonl")
    (envelope,) = entry["envelopes"]
    assert {"role": "bcc", "address": "eve@example.com", "via": "all@example.com"} in envelope["parties"]
    copy = program("show", entry["sha256"], "--report", "1").raw
    assert (envelope["sha256"], envelope["size"], envelope["report"]) == (sha(copy), len(copy), True)
    assert set(entry["folders"]) == {
        "anna@example.com/Sent",
        "bob@example.com/Inbox",
        "eve@example.com/Inbox",
    }


def test_a_zip_holds_the_exact_bytes(program: Program, tmp_path: Path) -> None:
    program("export", "", "--to", str(tmp_path / "all.ZIP"))
    with zipfile.ZipFile(tmp_path / "all.ZIP") as packed:
        assert packed.testzip() is None
        names = set(packed.namelist()) - {"manifest.jsonl"} - EXPLAINING
        assert sorted(packed.read(name) for name in names) == sorted(MAILS)
        packed.extract("manifest.jsonl", tmp_path)
    _, entries = manifest(tmp_path / "manifest.jsonl")
    assert {entry["file"] for entry in entries} == names
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_another_program_can_read_an_mbox(program: Program, tmp_path: Path) -> None:
    program("export", "", "--to", str(tmp_path / "all.mbox"))
    with_stdlib = mailbox.mbox(tmp_path / "all.mbox", create=False)
    try:
        found = sorted(message["Message-ID"] for message in with_stdlib)
        assert found == sorted(re.findall(r"<\w{24}@example.com>", mail.decode())[0] for mail in MAILS)
    finally:
        with_stdlib.close()
    _, entries = manifest(tmp_path / "all.mbox.manifest.jsonl")
    assert {entry["sha256"] for entry in entries} == {sha(mail) for mail in MAILS}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_an_export_is_archived_again_with_the_same_ids(program: Program, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "out"
    if kind == "zip":
        program("export", "", "--to", str(tmp_path / "out.zip"))
        with zipfile.ZipFile(tmp_path / "out.zip") as packed:
            packed.extractall(folder)
    else:
        program("export", "", "--to", str(folder))
    again = TestVault(tmp_path / "again")
    again.profile("in", source="eml", path=str(folder))
    assert again.run("in").new == len(MAILS)
    assert {hit.id for hit in again.messages()} == {sha(mail) for mail in MAILS}
    again.sound()
    again.client.close()


def test_an_mbox_is_archived_again_with_the_same_ids_where_it_can_hold_the_bytes(
    program: Program, tmp_path: Path
) -> None:
    program("export", "", "--to", str(tmp_path / "all.mbox"))
    again = TestVault(tmp_path / "again")
    again.profile("in", source="mbox", path=str(tmp_path / "all.mbox"))
    assert again.run("in").new == len(MAILS)
    kept = {hit.id for hit in again.messages()}
    changed = {sha(mail) for mail in MAILS if b"\nFrom " in mail or not mail.endswith(b"\n")}
    assert len(changed) == 2
    assert {sha(mail) for mail in MAILS} - kept == changed
    again.client.close()


def test_file_names_have_no_text_from_mail(program: Program, tmp_path: Path) -> None:
    program("export", "", "--to", str(tmp_path / "out"))
    allowed = set("0123456789abcdefT-.eml")
    names = [path.name for path in (tmp_path / "out").iterdir() if path.name != "manifest.jsonl"]
    assert [name for name in names if set(name) - allowed] == []
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    (tmp_path / "out/manifest.jsonl").read_text(encoding="ascii")


@pytest.mark.parametrize("name", ["taken", "taken.zip", "taken.mbox", "file", "beside.mbox"])
def test_an_existing_file_is_never_overwritten(program: Program, tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").mkdir()
    for taken in ("taken/letter.eml", "taken.zip", "taken.mbox", "file", "beside.mbox.manifest.jsonl"):
        (tmp_path / taken).write_bytes(b"mine")
    message = program.refuses(2, "export", "", "--to", str(tmp_path / name))
    assert str(tmp_path / name) in message
    assert "name a" in message
    left = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(left.values()) == {b"mine"}
    assert len(left) == 5


@pytest.mark.parametrize("query", ["from:", "(", "before:yesterdayish"])
def test_a_wrong_query_makes_nothing(program: Program, tmp_path: Path, query: str) -> None:
    result = program.say("export", query, "--to", str(tmp_path / "out.zip"))
    assert (result.code, list(tmp_path.iterdir())) == (11, [])


def test_exports_are_private(program: Program, tmp_path: Path) -> None:
    for name in ("folder", "x.zip", "x.mbox"):
        program("export", "subject:plain", "--to", str(tmp_path / name))
    open_to_others = [p for p in tmp_path.rglob("*") if p.stat().st_mode & 0o077]
    assert open_to_others == []


def test_the_export_of_a_user_has_only_that_users_mail(program: Program, tmp_path: Path) -> None:
    program("users", "add", "Carol Ash", "carol@example.com", "c.ash@example.com")
    for user, mails in (
        ("carol@example.com", MAILS[:1]),
        ("c.ash@example.com", MAILS[:1]),
        ("eve@example.com", MAILS[1:]),
    ):
        target = tmp_path / user
        program("export", "", "--user", user, "--to", str(target))
        assert sorted(path.read_bytes() for path in target.glob("*.eml")) == sorted(mails)
    result = program.refuses(
        10, "export", "", "--user", "nobody@elsewhere.example", "--to", str(tmp_path / "none")
    )
    assert "nobody@elsewhere.example" in result
    assert not (tmp_path / "none").exists()


def test_an_empty_export_says_so(program: Program, tmp_path: Path) -> None:
    result = program("export", "nothingofthekind", "--to", str(tmp_path / "out"))
    assert result.out.startswith("0 messages")
    assert manifest(tmp_path / "out/manifest.jsonl")[1] == []


def test_a_full_disk_is_an_error_that_says_so(program: Program, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], capture_output=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")
    try:
        for name in ("out", "out.zip", "out.mbox"):
            result = program.refuses(4, "export", "", "--to", str(tmp_path / name))
            assert "No space left" in result
            subprocess.run(["rm", "-rf", str(tmp_path / name)], check=True)
            assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", *in_soak(".zip", ".mbox")])
def test_memory_does_not_grow_with_a_message(tmp_path: Path, ending: str, large: Program) -> None:
    less = peak(large, "subject:large", tmp_path / f"large{ending}")
    more = peak(large, "subject:huge", tmp_path / f"huge{ending}")
    assert more - less < 16 * 1024 * 1024
    if not ending:
        (path,) = (tmp_path / "huge").glob("*.eml")
        assert path.stat().st_size > 72_000_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A vault with messages of 36 and 72 MB, each of them one line."""
    vault = TestVault(tmp_path_factory.mktemp("large") / "vault")
    new = vault.maildir("box", journal=False, owner="bob@example.com")
    noise = hashlib.shake_256(b"noise").hexdigest(18_000_000).encode()
    put(new, [plain(subject="large", body=noise), plain(subject="huge", body=noise + noise[::-1])])
    run = vault.run("box")
    assert (run.new, run.error) == (2, "")
    vault.client.close()
    return Program(vault.folder)


def test_memory_of_a_production_does_not_grow_with_a_message(tmp_path: Path, large: Program) -> None:
    less = peak(large, "subject:large", tmp_path / "large", "--form", "dat")
    more = peak(large, "subject:huge", tmp_path / "huge", "--form", "dat")
    assert more - less < 16 * 1024 * 1024
    (path,) = (tmp_path / "huge").glob("NATIVES/*/*.eml")
    assert path.stat().st_size > 72_000_000


def peak(program: Program, query: str, target: Path, *options: str) -> int:
    """Return the peak memory of an export in its own process, in bytes."""
    words = command(program.folder, "export", query, "--to", str(target), *options)
    script = (
        "import resource, subprocess, sys;"
        f"subprocess.run({words!r}, check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return int(done.stdout) * 1024


def test_an_endless_line_is_quoted_in_pieces() -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(500):
            yield b">" * 100_000
        yield b"From x\n"

    tracemalloc.start()
    try:
        size = sum(map(len, quoted(pieces())))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == 50_000_000 + len(b">From x\n")
    assert most < 2_000_000


@given(st.lists(st.sampled_from([b"From ", b"F", b"ro", b"m", b" ", b">", b">>", b"\n", b"\r\n", b"x", b""])))
def test_quoting_is_that_of_mboxrd_for_any_pieces(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    expected = b"\n".join(
        b">" + one if one.lstrip(b">").startswith(b"From ") else one for one in whole.split(b"\n")
    )
    assert b"".join(quoted(parts)) == expected


# --- an mbox and its manifest -------------------------------------------------------------------------


def finished(folder: Path, taken: str = "") -> None:
    """Write an mbox of one mail. Somebody else makes the file `taken` before it is complete."""
    manifest = folder / ".manifest"
    manifest.write_text("{}")
    with open_target(folder / "all.mbox") as target:
        target.add("a.eml", 0, [MAILS[0]])
        if taken:
            (folder / taken).write_text("mine")
        target.finish(manifest)


@pytest.mark.parametrize("taken", ["all.mbox", "all.mbox.manifest.jsonl"])
def test_an_mbox_that_can_not_be_completed_leaves_neither_file(tmp_path: Path, taken: str) -> None:
    with pytest.raises(FileExistsError):
        finished(tmp_path, taken)
    left = {path.name: path.read_text() for path in tmp_path.iterdir() if path.name != ".manifest"}
    assert left == {taken: "mine"}


def test_the_manifest_of_an_mbox_has_its_name_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a reader of a manifest finds all of its mail."""
    named: list[list[str]] = []

    def watched(part: Path, path: Path) -> None:
        publish_file(part, path)
        named.append(sorted(one.name for one in tmp_path.iterdir() if not one.name.startswith(".")))

    monkeypatch.setattr(export_targets, "publish_file", watched)
    finished(tmp_path)
    assert named == [["all.mbox"], ["all.mbox", "all.mbox.manifest.jsonl"]]
