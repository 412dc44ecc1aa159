"""A zip proves itself: a stand-alone script checks its messages, and notices each change."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.ledger.frame import FrameHeader, leaf_hash
from muniment.archive.ledger.inclusion import InclusionProofs
from muniment.archive.operations.export import ExportChoice, ExportView, export_messages
from muniment.archive.operations.export_explanation import SCRIPTS, Explanation, script
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.evidence.merkle import MerkleFrontier
from muniment.people.directory import User
from muniment.service.operations.own_mail import OwnEdition
from support.reports import plain, report
from support.vaults import TestVault

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    made = TestVault(tmp_path_factory.mktemp("proof") / "vault")
    for part in range(3):
        made.archive([report(plain(subject=f"number {part}.{n}", body=f"{n}\n")) for n in range(7)])
    opened = open_vault(made.folder, write=False)
    yield opened
    opened.close()


@pytest.fixture
def unpacked(vault: Vault, tmp_path: Path) -> Path:
    list(export_messages(ExportView(vault, ExportChoice()), tmp_path / "all.zip"))
    with zipfile.ZipFile(tmp_path / "all.zip") as packed:
        packed.extractall(tmp_path / "all")
    return tmp_path / "all"


def checked(export: Path, *options: str, code: int = 0) -> str:
    """What the verifier in an export says of it."""
    script = export / "verify_export.py" if export.is_dir() else TOOLS / "verify_export.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(export), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, values: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values))


def test_the_script_in_a_zip_proves_every_message(vault: Vault, unpacked: Path) -> None:
    checkpoint = f"{vault.head.tree_size}:{vault.head.root.hex()}"
    words = f"21 messages, 21 of them proven in the ledger of checkpoint {checkpoint}\n"
    note = "the export itself names this checkpoint: compare it with your own, or use --root\n"
    assert checked(unpacked) == checked(unpacked.with_suffix(".zip")) == f"{words}{note}all is well\n"
    assert checked(unpacked, "--root", checkpoint) == f"{words}all is well\n"
    readme = (unpacked / "README.txt").read_text()
    assert checkpoint in readme
    assert "python3 verify_export.py ." in readme
    for name in SCRIPTS:
        assert (unpacked / name).read_bytes() == (TOOLS / name).read_bytes() == script(name)


def test_another_root_is_noticed(unpacked: Path) -> None:
    assert "not 5:00" in checked(unpacked, "--root", f"5:{'00' * 32}", code=1)


def test_each_change_is_noticed(unpacked: Path, tmp_path: Path) -> None:
    head, first, *entries = lines(unpacked / "manifest.jsonl")
    ledger, *proofs = lines(unpacked / "proof.jsonl")
    place = next(at for at, one in enumerate(proofs) if one["sha256"] == first["sha256"])

    def copy() -> Path:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        return Path(shutil.copytree(unpacked, tmp_path / "copy"))

    with (copy() / first["file"]).open("ab") as file:
        file.write(b"x")
    assert f"WRONG {first['file']}: it is not the message" in checked(tmp_path / "copy", code=1)
    (copy() / first["file"]).unlink()
    assert f"WRONG {first['file']}: it is missing" in checked(tmp_path / "copy", code=1)
    for change in (
        {"time": proofs[place]["time"] + 1},
        {"kind": 4},
        {"size": 3},
        {"sequence": proofs[place]["sequence"] + 1},
        {"path": proofs[place]["path"][:-1]},
        {"path": [*proofs[place]["path"], "00" * 32]},
        {"path": ["00" * 32, *proofs[place]["path"][1:]]},
    ):
        changed = [*proofs[:place], proofs[place] | change, *proofs[place + 1 :]]
        write(copy() / "proof.jsonl", [ledger, *changed])
        said = checked(tmp_path / "copy", code=1)
        assert "20 of them proven" in said, change
        assert "all is well" not in said, change
    write(copy() / "proof.jsonl", [ledger | {"root": "11" * 32}, *proofs])
    assert "different checkpoints" in checked(tmp_path / "copy", code=1)
    write(copy() / "manifest.jsonl", [head, first | {"file": "../../etc/passwd"}, *entries])
    assert "it is missing" in checked(tmp_path / "copy", code=1)


def repacked(unpacked: Path, path: Path, changes: dict[str, bytes | None], more: str = "") -> Path:
    """A zip of an export with other files: None leaves one out. `more` is put in a second time."""
    files = {one.name: one.read_bytes() for one in sorted(unpacked.iterdir())} | changes
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in files.items():
            if data is not None:
                packed.writestr(name, data)
        if more:
            packed.writestr(more, files[more] or b"")
    return path


def jsonl(*values: object) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


@pytest.mark.parametrize("folder", [False, True])
def test_messages_without_a_proof_are_not_well(unpacked: Path, tmp_path: Path, folder: bool) -> None:
    ledger, *proofs = lines(unpacked / "proof.jsonl")
    for left in (proofs[1:], []):
        if folder:
            write(unpacked / "proof.jsonl", [ledger, *left])
        path = repacked(unpacked, tmp_path / "less.zip", {"proof.jsonl": jsonl(ledger, *left)})
        said = checked(unpacked if folder else path, code=3)
        assert f"{21 - len(left)} have no proof here" in said
        assert "all is well" not in said


@pytest.mark.parametrize("folder", [False, True])
def test_a_file_that_the_manifest_does_not_list_is_wrong(
    unpacked: Path, tmp_path: Path, folder: bool
) -> None:
    name = "20240101T000000-0011223344556677.eml"
    path = repacked(unpacked, tmp_path / "more.zip", {name: b"Subject: added\n\n"})
    if folder:
        (unpacked / name).write_bytes(b"Subject: added\n\n")
    assert f"WRONG {name}: the manifest does not list it" in checked(unpacked if folder else path, code=1)


def test_each_file_that_is_not_there_once_is_named(unpacked: Path, tmp_path: Path) -> None:
    head, first, second, *entries = lines(unpacked / "manifest.jsonl")
    name = first["file"]
    twice = repacked(unpacked, tmp_path / "twice.zip", {}, more=name)
    assert f"WRONG {name}: it is in the export 2 times" in checked(twice, code=1)
    listed = jsonl(head, first, first, second, *entries)
    again = repacked(unpacked, tmp_path / "again.zip", {"manifest.jsonl": listed})
    assert f"WRONG {name}: the manifest lists it 2 times" in checked(again, code=1)
    gone = repacked(unpacked, tmp_path / "gone.zip", {name: None})
    assert f"WRONG {name}: it is missing" in checked(gone, code=1)
    link = unpacked / name
    link.unlink()
    link.symlink_to(unpacked / second["file"])
    assert f"WRONG {name}: it is not a file" in checked(unpacked, code=1)


def test_a_message_under_two_names_counts_once_and_is_wrong(unpacked: Path, tmp_path: Path) -> None:
    head, first, second, *entries = lines(unpacked / "manifest.jsonl")
    name = "20240101T000000-0011223344556677.eml"
    data = (unpacked / first["file"]).read_bytes()
    listed = jsonl(head, first, second, first | {"file": name}, *entries)
    said = checked(repacked(unpacked, tmp_path / "more.zip", {"manifest.jsonl": listed, name: data}), code=1)
    assert said.startswith("21 messages, 21 of them proven")
    assert f"WRONG {name}: the manifest lists the same message as {first['file']}" in said
    instead = jsonl(head, first, first | {"file": second["file"]}, *entries)
    swapped = {"manifest.jsonl": instead, second["file"]: data}
    said = checked(repacked(unpacked, tmp_path / "instead.zip", swapped), code=1)
    assert said.startswith("20 messages, 20 of them proven")


def test_a_message_of_which_only_the_proof_is_left_is_named(unpacked: Path, tmp_path: Path) -> None:
    head, first, *entries = lines(unpacked / "manifest.jsonl")
    gone = {"manifest.jsonl": jsonl(head, *entries), first["file"]: None}
    said = checked(repacked(unpacked, tmp_path / "less.zip", gone), code=1)
    assert f"does not list record {first['sequence']}, whose proof is here: message {first['sha256']}" in said


def test_an_export_with_fewer_messages_than_were_selected_is_wrong(vault: Vault, tmp_path: Path) -> None:
    ids = [row.sha.hex() for row in vault.catalog.rows(range(200))][:3]
    choice = ExportChoice(ids=(*ids, ids[0], ids[1][:16]))
    list(export_messages(ExportView(vault, choice), tmp_path / "some.zip"))
    assert "all is well" in checked(tmp_path / "some.zip")
    with zipfile.ZipFile(tmp_path / "some.zip") as packed:
        packed.extractall(tmp_path / "some")
    head, first, *entries = lines(tmp_path / "some" / "manifest.jsonl")
    ledger, *proofs = lines(tmp_path / "some" / "proof.jsonl")
    left = [one for one in proofs if one["sha256"] != first["sha256"]]
    gone = {"manifest.jsonl": jsonl(head, *entries), "proof.jsonl": jsonl(ledger, *left), first["file"]: None}
    said = checked(repacked(tmp_path / "some", tmp_path / "less.zip", gone), code=1)
    assert "WRONG 3 messages were selected for this export, and 2 are listed" in said


def test_names_in_an_export_can_do_nothing_to_a_terminal(unpacked: Path, tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\u202egpj.eml\r\nall is well\x9b2J"
    head, first, *entries = lines(unpacked / "manifest.jsonl")
    listed = jsonl(head | {"checkpoint": hostile}, first | {"file": hostile}, *entries)
    said = checked(repacked(unpacked, tmp_path / "a.zip", {"manifest.jsonl": listed}), code=1)
    said += checked(repacked(unpacked, tmp_path / "b.zip", {hostile: b"", "\x1b[2J" * 5_000: b""}), code=1)
    ledger = jsonl({"tree_size": 21, "root": hostile})
    said += checked(repacked(unpacked, tmp_path / "c.zip", {"proof.jsonl": ledger}), code=2)
    said += checked(unpacked, "--root", hostile, code=1)
    (unpacked / "\x1b[2J").write_bytes(b"")
    (unpacked / os.fsdecode(b"\xff\x1b")).write_bytes(b"")
    said += checked(unpacked, code=1)
    assert all(char == "\n" or char.isprintable() for char in said)
    assert "\nall is well" not in said
    assert max(map(len, said.splitlines())) < 1_200


DEEP = b"[" * 100_000
PROOF_HEAD = {"tree_size": 21, "root": "00" * 32}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"manifest.jsonl": None}, "it has no manifest.jsonl"),
        ({"proof.jsonl": None}, "it has no proof.jsonl"),
        ({"manifest.jsonl": b""}, "manifest.jsonl is empty"),
        ({"manifest.jsonl": b"[]\n"}, "manifest.jsonl, line 1: it is no object of JSON"),
        ({"manifest.jsonl": b"{}\n"}, "manifest.jsonl, line 1: `checkpoint` is missing, or no text"),
        ({"manifest.jsonl": b"\xff\xfe\x00\n"}, "manifest.jsonl, line 1: it is not JSON"),
        ({"manifest.jsonl": DEEP}, "manifest.jsonl, line 1: it is nested too deeply"),
        ({"proof.jsonl": DEEP}, "proof.jsonl, line 1: it is nested too deeply"),
        ({"proof.jsonl": b'{"tree_size": ' + b"9" * 9_999 + b"}"}, "proof.jsonl, line 1: it is not JSON"),
        ({"proof.jsonl": b"null"}, "proof.jsonl, line 1: it is no object of JSON"),
        ({"proof.jsonl": jsonl({"tree_size": "1", "root": ""})}, "`tree_size` is missing, or no whole"),
        ({"proof.jsonl": jsonl({"tree_size": True, "root": ""})}, "`tree_size` is missing, or no whole"),
        ({"proof.jsonl": jsonl({"tree_size": 1 << 99, "root": ""})}, "`tree_size` is missing, or no whole"),
        ({"proof.jsonl": jsonl({"tree_size": 1, "root": ["00"]})}, "`root` is missing, or no SHA-256"),
        ({"proof.jsonl": jsonl(PROOF_HEAD, {"sequence": 1})}, "line 2: `sha256` is missing, or no SHA-256"),
        (
            {"proof.jsonl": jsonl(PROOF_HEAD, {"sequence": 1, "sha256": "00" * 32, "kind": 1, "time": 1,
                                               "size": 1, "path": [1]})},
            "line 2: `path` is missing, or no list",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_said_in_one_sentence(
    unpacked: Path, tmp_path: Path, changes: dict[str, bytes | None], words: str
) -> None:
    said = checked(repacked(unpacked, tmp_path / "other.zip", changes), code=2)
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("field", "value"), [("file", 5), ("sha256", None), ("size", "big"), ("size", -1 << 70), ("sequence", {})]
)
def test_a_line_of_the_manifest_with_a_wrong_type_is_named(
    unpacked: Path, tmp_path: Path, field: str, value: object
) -> None:
    head, first, *entries = lines(unpacked / "manifest.jsonl")
    listed = jsonl(head, first | {field: value}, *entries)
    said = checked(repacked(unpacked, tmp_path / "other.zip", {"manifest.jsonl": listed}), code=2)
    assert f"manifest.jsonl, line 2: `{field}` is missing, or no" in said
    assert said.count("\n") == 1


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_bytes(b"not a zip")
    (tmp_path / "folder").mkdir()
    shutil.copy(TOOLS / "verify_export.py", tmp_path / "folder")
    for path, words in (
        ("none.zip", "there is no such folder or zip"),
        ("text.zip", "it is not a zip, or it is damaged"),
        ("folder", "it has no proof.jsonl"),
    ):
        said = checked(tmp_path / path, code=2)
        assert words in said
        assert said.count("\n") == 1


def test_damage_of_a_zip_never_ends_with_a_traceback(unpacked: Path, tmp_path: Path) -> None:
    whole = repacked(unpacked, tmp_path / "whole.zip", {}).read_bytes()
    damaged = tmp_path / "damaged.zip"
    places = random.Random(7)
    for cut in (10, len(whole) // 2, len(whole) - 30):
        damaged.write_bytes(whole[:cut])
        assert "Traceback" not in checked(damaged, code=2)
    directory = whole.index(b"PK\x01\x02")
    for number in range(30):
        data = bytearray(whole)
        begin, end = (0, len(data)) if number % 2 else (directory, len(data))
        for _ in range(5):
            data[places.randrange(begin, end)] ^= 1 << places.randrange(8)
        damaged.write_bytes(data)
        verifier = [sys.executable, "-I", "-S", str(TOOLS / "verify_export.py"), str(damaged)]
        done = subprocess.run(verifier, capture_output=True, text=True, check=False)
        assert done.stderr.count("\n") == (done.returncode == 2), done.stderr


@pytest.mark.parametrize(("what", "code"), [("proof.jsonl", 2), (".eml", 1)])
@pytest.mark.parametrize("how", ["encrypted", "method"])
def test_a_file_that_a_zip_does_not_give_is_named(
    unpacked: Path, tmp_path: Path, what: str, code: int, how: str
) -> None:
    path = repacked(unpacked, tmp_path / "other.zip", {})
    with zipfile.ZipFile(path) as packed:
        info = next(one for one in packed.infolist() if one.filename.endswith(what))
    data = bytearray(path.read_bytes())
    name = info.filename.encode()
    entry = data.rindex(name) - 46
    local = data.index(name) - 30
    for at in (entry + 8, local + 6) if how == "encrypted" else (entry + 10, local + 8):
        data[at] = 1 if how == "encrypted" else 99
    path.write_bytes(data)
    words = "it is encrypted" if how == "encrypted" else "it is compressed in a way"
    assert words in checked(path, code=code)


@given(st.integers(1, 130), st.data())
def test_every_proof_leads_to_the_root(size: int, data: st.DataObject) -> None:
    headers = [FrameHeader(1, 0, n, n, 0, 0, bytes([n % 256]) * 32, 0) for n in range(size)]
    wanted = data.draw(st.sets(st.integers(0, size - 1)))
    proofs, tree = InclusionProofs(wanted), MerkleFrontier()
    for header in headers:
        proofs.add(header)
        tree.add(leaf_hash(header.kind, header.time, header.size, header.sha))
    assert proofs.finish() == tree.root()
    verifier: dict[str, Any] = {"__name__": "verifier"}
    exec(compile((TOOLS / "verify_export.py").read_text(), "verify_export.py", "exec"), verifier)
    for position in wanted:
        header = proofs.headers[position]
        proof = {
            "sha256": header.sha.hex(), "sequence": position, "kind": 1, "time": header.time,
            "size": header.size, "path": [one.hex() for one in proofs.paths[position]],
        }  # fmt: skip
        assert verifier["root_of"](verifier["Line"]("", proof), size) == tree.root()


@pytest.mark.parametrize("share", [1, 4, 20])
def test_a_few_proofs_are_made_alone_and_equal_those_of_one_pass(vault: Vault, share: int) -> None:
    rows = vault.catalog.rows(range(vault.head.tree_size))[::share]
    records = {row.sequence: row.sha for row in rows}
    made = []
    for alone in (0, 1_000_000):
        found = Explanation(vault.segments, vault.tree, vault.head, records, alone=alone)
        list(found.read())
        made.append({name: b"".join(pieces) for name, pieces in found.files()})
    assert made[0] == made[1]
    assert made[0]["proof.jsonl"].count(b"\n") == 1 + len(records)


@pytest.mark.parametrize("alone", [0, 1_000_000])
def test_a_record_that_is_not_the_message_leaves_all_unproven(vault: Vault, alone: int) -> None:
    records = {row.sequence: row.sha for row in vault.catalog.rows(range(20))}
    records[next(iter(records))] = bytes(32)
    found = Explanation(vault.segments, vault.tree, vault.head, records, alone=alone)
    list(found.read())
    files = {name: b"".join(pieces) for name, pieces in found.files()}
    assert files["proof.jsonl"].count(b"\n") == 1
    assert b"the ledger is damaged" in files["README.txt"]


def test_a_plain_users_zip_reveals_nothing_of_the_ledger(vault: Vault, tmp_path: Path) -> None:
    user: User = vault.directory.find("bob@example.com")
    choice = ExportChoice(user="bob@example.com")
    list(export_messages(OwnEdition(vault, user, choice), tmp_path / "own.zip"))
    with zipfile.ZipFile(tmp_path / "own.zip") as packed:
        others = {name for name in packed.namelist() if not name.endswith(".eml")}
        readme = packed.read("README.txt").decode()
    assert others == {"manifest.jsonl", "README.txt"}
    assert "public form" in readme
    assert "checkpoint" not in readme


@pytest.mark.parametrize("name", ["out", "out.zip", "out.mbox"])
def test_an_export_has_its_name_only_when_it_is_complete(vault: Vault, tmp_path: Path, name: str) -> None:
    work = export_messages(ExportView(vault, ExportChoice()), tmp_path / name)
    next(work)
    assert not (tmp_path / name).exists()
    assert list(tmp_path.iterdir())
    work.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.zip", "out.mbox"])
def test_a_name_that_is_taken_meanwhile_is_not_replaced(vault: Vault, tmp_path: Path, name: str) -> None:
    work = export_messages(ExportView(vault, ExportChoice()), tmp_path / name)
    next(work)
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(Exception, match="the export stopped"):
        list(work)
    assert (tmp_path / name).read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_an_empty_folder_is_filled(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    list(export_messages(ExportView(vault, ExportChoice()), tmp_path / "out"))
    assert len(list((tmp_path / "out").iterdir())) == 22


def test_the_total_is_known_with_the_first_message(vault: Vault, tmp_path: Path) -> None:
    for choice in (
        ExportChoice(),
        ExportChoice(user="bob@example.com", folder="Inbox"),
        ExportChoice(ids=tuple(row.sha.hex() for row in vault.catalog.rows(range(200)))),
    ):
        edition = ExportView(vault, choice)
        work = export_messages(edition, tmp_path / "out.zip")
        next(work)
        assert edition.total == 21
        work.close()
