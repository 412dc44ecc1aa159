"""A vault, opened as in a service, whose checkpoints are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.signed_checkpoints import SignedCheckpoints
from muniment.archive.vault.vault import Vault
from muniment.config.file import load
from muniment.evidence.checkpoint_body import read_body
from muniment.evidence.note_keys import VerifierKey, read_verifier
from muniment.evidence.signed_note import SignedNote
from muniment.service.checkpoints.keeper import CheckpointKeeper
from muniment.service.host.session import ClientSession
from muniment.witness.state import WitnessState
from support.asking import answers
from support.reports import plain, report
from support.vaults import TestVault
from support.witnesses import RunningWitness

DAY = 86_400.0


class House:
    """A vault, opened as in a service, with its keeper."""

    def __init__(self, folder: Path, now: float = 1_800_000_000.0) -> None:
        self.folder = folder
        self.lines: list[tuple[str, str]] = []
        self.now = now
        self.kept = SignedCheckpoints(folder)

    def configure(self, *lines: str) -> None:
        path = self.folder / "vault.toml"
        bare = path.read_text().partition("\n[checkpoints]")[0]
        new = path.with_suffix(".new")
        new.write_text("\n".join((bare, "[checkpoints]", "sign = true", *lines, "")))
        new.replace(path)

    def archive(self, *subjects: str) -> None:
        """Run a profile with new mail, without a service."""
        vault = TestVault(self.folder)
        try:
            assert vault.archive([report(plain(subject=one)) for one in subjects]).new == len(subjects)
        finally:
            vault.client.close()

    @contextmanager
    def keeping(self, **options: Any) -> Iterator[tuple[CheckpointKeeper, Vault]]:
        with closing(open_vault(self.folder, write=True)) as vault:
            session = ClientSession(self.folder, vault)
            fast: dict[str, Any] = {"look": 0.02, "pace": 0.0, "first_wait": 0.05, "standing": 0.0} | options
            keeper = CheckpointKeeper(
                session,
                lambda: load(self.folder / "vault.toml"),
                lambda *line: self.lines.append(line),
                clock=lambda: self.now,
                **fast,
            )
            with keeper:
                yield keeper, vault
        if self.size():  # the file has the time of this clock, as after a restart in its world
            os.utime(self.kept.path(self.size()), (self.now, self.now))

    def note(self) -> SignedNote | None:
        return self.kept.newest()

    def size(self) -> int:
        note = self.note()
        return read_body(note.text).size if note is not None else 0

    def keys(self) -> list[VerifierKey]:
        lines = (self.folder / "signed" / "keys").read_text().splitlines()
        return [read_verifier(line) for line in lines if not line.startswith("#")]

    def trusted_by(self, witness: RunningWitness) -> None:
        WitnessState(witness.folder).trust(self.keys())

    def ask(self, request: api.Request) -> Any:
        (answer,) = answers(ClientSession(self.folder), request)
        return answer
