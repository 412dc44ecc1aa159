"""What is exported can be archived again, and has the same ids: a folder, a zip, a tree of mbox files."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from muniment import api
from support.reports import EPOCH, plain, report
from support.vaults import TestVault

QUOTED = plain(body="From the beginning\n>From here\n>>From there\n", to=["bob@example.com"])
"""An mbox quotes such lines, and the source does not undo it, since a file may be of another dialect."""
ODD = (
    QUOTED,
    plain(body=b"\xe4\xf6\xfc without a charset\r\n", subject="latin", to=["bob@example.com"]),
    plain(subject="attached", attachments=[("a.bin", bytes(range(256)) * 9)], to=["bob@example.com"]),
    plain(subject="no id", message_id="", to=["bob@example.com"]),
    plain(subject="with lf", eol=b"\n", to=["bob@example.com"]),
)


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    numbered = [plain(subject=f"number {n}", date=EPOCH + n, to=["bob@example.com"]) for n in range(40)]
    made.archive([report(mail, recipients=["bob@example.com"]) for mail in (*numbered, *ODD)])
    assert len(made.messages()) == 45
    return made


def archived_again(folder: Path, kind: str, path: Path) -> set[str]:
    """The ids of what a new vault archives from files."""
    again = TestVault(folder / "again")
    again.profile("old", source=kind, path=str(path), journal=False, owner="bob@example.com")
    summary = again.run("old")
    assert (summary.state, summary.failed, summary.quarantined) == ("ok", 0, 0)
    ids = {hit.id for hit in again.messages()}
    again.client.close()
    return ids


def test_a_folder_and_an_unpacked_zip_have_the_same_ids(vault: TestVault, tmp_path: Path) -> None:
    ids = {hit.id for hit in vault.messages()}
    for name in ("out", "out.zip"):
        list(vault.client.stream(api.Export(query="", path=str(tmp_path / name))))
    vault.client.close()
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        packed.extractall(tmp_path / "unpacked")
    for name in ("out", "unpacked"):
        (tmp_path / f"again-{name}").mkdir()
        assert archived_again(tmp_path / f"again-{name}", "eml", tmp_path / name) == ids


def test_a_tree_of_mbox_files_has_the_same_ids(vault: TestVault, tmp_path: Path) -> None:
    ids = {hit.id for hit in vault.messages()}
    for user, folders in vault.tree().items():
        for folder in folders:
            path = tmp_path / "tree" / user / f"{folder}.mbox"
            path.parent.mkdir(parents=True, exist_ok=True)
            list(vault.client.stream(api.Export(query="", user=user, folder=folder, path=str(path))))
    vault.client.close()
    found = archived_again(tmp_path, "mbox", tmp_path / "tree")
    assert ids - found == {hashlib.sha256(QUOTED).hexdigest()}
    assert len(found) == len(ids)
