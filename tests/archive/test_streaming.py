"""Streamed exports: they have the same files as written ones."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.operations.export import ExportChoice, ExportView, export_messages
from muniment.archive.operations.export_stream import Piece, StreamedFile, stream_export
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.client.receiving import receive
from support.reports import plain
from support.vaults import TestVault


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    made = TestVault(tmp_path_factory.mktemp("streaming") / "vault")
    letters = [plain(subject=f"number {n}", body=f"From here\n>From {n}\n" * n) for n in range(30)]
    big = plain(subject="big", attachments=[("noise.bin", os.urandom(9_000_000))])
    made.archive([*letters, big])
    opened = open_vault(made.folder, write=False)
    yield opened
    opened.close()


def files(folder: Path) -> dict[str, object]:
    """Return the content of an export's files and of the files in its zip, without the time of the export."""
    found: dict[str, object] = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
                for info in archive.infolist():
                    time = info.date_time if info.filename.endswith(".eml") else None
                    found[f"{name}/{info.filename}"] = (time, _timeless(info.filename, archive.read(info)))
        else:
            found[name] = _timeless(name, path.read_bytes())
    return found


def _timeless(name: str, data: bytes) -> bytes:
    return data.partition(b"\n")[2] if name.endswith("manifest.jsonl") else data


def replies(pieces: Iterator[Piece]) -> Iterator[api.WireWord]:
    for piece in pieces:
        if isinstance(piece, StreamedFile):
            yield api.ExportFile(name=piece.name)
        else:
            assert len(piece) < 3_000_000
            yield api.Chunk(data=piece)


@pytest.mark.parametrize("name", ["out", "out.mbox", "out.zip"])
def test_a_streamed_export_equals_a_written_one(vault: Vault, name: str, tmp_path: Path) -> None:
    for part in ("written", "sent", "work"):
        (tmp_path / part).mkdir()
    done = list(export_messages(ExportView(vault, ExportChoice()), tmp_path / "written" / name))
    counted: list[int] = []
    stream = stream_export(
        ExportView(vault, ExportChoice()), tmp_path / name, tmp_path / "work", counted.append
    )
    assert not list(receive(replies(stream), tmp_path / "sent" / name))
    assert counted == done == list(range(1, 32))
    assert files(tmp_path / "sent") == files(tmp_path / "written")
    assert not list((tmp_path / "work").iterdir())
