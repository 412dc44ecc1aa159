"""A zip proves itself: a stand-alone script checks its messages, and notices each change."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.archive.ledger.frame import FrameHeader, leaf_hash
from muniment.archive.ledger.inclusion import InclusionProofs
from muniment.archive.ledger.merkle import MerkleFrontier
from muniment.archive.operations.export import ExportChoice, ExportView, export_messages
from muniment.archive.operations.export_explanation import SCRIPTS, script
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.people.directory import User
from muniment.service.operations.own_mail import _OwnEdition
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
    words = f"21 messages, 21 of them proven in the ledger of checkpoint {checkpoint}\nall is well\n"
    assert checked(unpacked) == checked(unpacked.with_suffix(".zip")) == words
    assert checked(unpacked, "--root", checkpoint) == words
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
        said = checked(tmp_path / "copy", code=0 if "sequence" in change else 1)
        assert "WRONG" in said or "20 of them proven" in said, change
    write(copy() / "proof.jsonl", [ledger | {"root": "11" * 32}, *proofs])
    assert "different checkpoints" in checked(tmp_path / "copy", code=1)
    write(copy() / "manifest.jsonl", [head, first | {"file": "../../etc/passwd"}, *entries])
    assert "it is missing" in checked(tmp_path / "copy", code=1)


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    assert "not an export" in checked(tmp_path / "none.zip", code=2)


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
        assert verifier["root_of"](proof, size) == tree.root()


def test_a_plain_users_zip_reveals_nothing_of_the_ledger(vault: Vault, tmp_path: Path) -> None:
    user: User = vault.directory.find("bob@example.com")
    choice = ExportChoice(user="bob@example.com")
    list(export_messages(_OwnEdition(vault, user, choice), tmp_path / "own.zip"))
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
