"""Signs the checkpoints of a vault, and sends them to witnesses and to where they are published.

A log must never sign two histories. So before it signs, it compares the ledger with the last checkpoint that
it has signed, and raises an alarm if the ledger does not continue that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from muniment.archive.ledger.checkpoints import Checkpoint
from muniment.archive.ledger.ledger_tree import ConsistencyProof
from muniment.archive.ledger.scan import has_commit
from muniment.archive.vault.signed_checkpoints import FOLDER, SignedCheckpoints
from muniment.archive.vault.vault import Vault
from muniment.config.model import Settings
from muniment.errors import MunimentError, VaultError
from muniment.evidence.checkpoint_body import CheckpointBody, NoteInvalid, read_body
from muniment.evidence.note_keys import VerifierKey, read_verifier
from muniment.evidence.signed_note import SignedNote, signed
from muniment.notify.telling import ArchiveOrigin
from muniment.service.checkpoints.log_keys import LogKeys, log_keys
from muniment.service.checkpoints.stamping import StampTarget
from muniment.service.checkpoints.targets import (
    GitTarget,
    NoteFolderTarget,
    Publication,
    SetBack,
    Target,
    continued,
    mail_target,
    notify_target,
    set_back,
)
from muniment.service.checkpoints.witnesses import WitnessClient
from muniment.system.paths import as_path

OWN = "the vault's folder `signed`"


class Outlets(NamedTuple):
    """Where checkpoints of a vault go."""

    witnesses: tuple[WitnessClient, ...] = ()
    always: tuple[Target, ...] = ()
    """Targets that get each checkpoint."""
    daily: tuple[Target, ...] = ()
    """Targets that get one a day."""
    stamps: tuple[Target, ...] = ()
    """The time-stamp authority, which stamps one a day before the others get it."""


@dataclass(frozen=True, slots=True)
class CheckpointDesk:
    """Signs and sends for one vault, which is open."""

    vault: Vault
    keys: LogKeys
    kept: SignedCheckpoints

    def head(self) -> Checkpoint:
        """The ledger's committed state.

        Raises:
            VaultError: The ledger on the disk is not the one that was written.
        """
        head = self.vault.head
        if not has_commit(self.vault.segments, self.vault.catalog.vault_id, head):
            raise VaultError("the ledger on the disk is not the one that was written: run `muniment verify`")
        return Checkpoint(head.tree_size, head.root)

    def sign(self) -> SignedNote:
        """Sign the ledger's present state, and keep the note. The first time, make the key.

        Raises:
            SetBack: The ledger does not continue the last signed checkpoint; nothing was signed.
            MunimentError: There is no key, or a file can't be used.
        """
        if not self.keys.public() and not self.keys.adopt():
            self.begin("first")
        signing, at = self.keys.signing(), self.head()
        body = CheckpointBody(signing[0].name, at.tree_size, at.root)
        self._require_continued(Publication(SignedNote(body.text, ()), self.keys.present(), self.prove(at)))
        note = signed(body.text, signing)
        try:
            self.kept.keep(note)
        except OSError as error:
            raise VaultError(
                f"the checkpoint can't be written to {self.kept.folder} ({error.strerror})"
            ) from None
        return note

    def begin(self, reason: str) -> list[VerifierKey]:
        """Make a key, and record it in the ledger; returns its public keys.

        Args:
            reason: "first", or why an administrator begins a new one.

        Raises:
            MunimentError: It can't be written.
        """
        made = self.keys.begin()
        self.vault.log(
            [
                {
                    "event": "checkpoint key",
                    "at": int(time.time()),
                    "origin": made[0].name,
                    "keys": [str(key) for key in made],
                    "reason": reason,
                }
            ]
        )
        return made

    def _require_continued(self, new: Publication) -> None:
        try:
            last = self.kept.newest()
            before = read_body(last.text) if last is not None else None
        except (OSError, NoteInvalid):
            raise VaultError(
                f"the last checkpoint in {self.kept.folder} can't be read: restore it from where it was "
                "published, or remove it"
            ) from None
        if before is None or before.origin != new.body.origin or not before.size:
            return
        if before.size > new.body.size:
            raise SetBack(set_back(OWN, before.size, new.body.size))
        continued(OWN, before, new)

    def publication(self, note: SignedNote) -> Publication:
        """What targets get of a note."""
        body = read_body(note.text)
        try:
            stamp = self.kept.stamp(body.size)
        except OSError:
            stamp = None
        return Publication(note, self.keys.present(), self.prove(Checkpoint(body.size, body.root)), stamp)

    def cosigned(self, note: SignedNote, witness: WitnessClient) -> SignedNote:
        """Ask a witness, and keep its signatures with the note; returns that.

        Raises:
            SetBack, MunimentError: As `WitnessClient.ask`.
        """
        body = read_body(note.text)
        lines = witness.ask(note, self.prove(Checkpoint(body.size, body.root)))
        note = note.with_signatures(lines)
        try:
            self.kept.keep(note)
        except OSError as error:
            raise VaultError(
                f"the checkpoint can't be written to {self.kept.folder} ({error.strerror})"
            ) from None
        return note

    def prove(self, of: Checkpoint) -> Callable[[int], ConsistencyProof]:
        """What gives the proof that a state has grown from its first records."""
        return lambda old: self.vault.tree.consistency(old, of)


def desk_of(vault: Vault, settings: Settings) -> CheckpointDesk:
    """The desk of an open vault."""
    keys = log_keys(vault.folder, vault.catalog.vault_id, settings)
    return CheckpointDesk(vault, keys, SignedCheckpoints(vault.folder))


def outlets_of(settings: Settings, folder: Path, origin: Callable[[], ArchiveOrigin]) -> Outlets:
    """Where vault.toml says that checkpoints go.

    Args:
        settings: of vault.toml.
        folder: the vault's folder.
        origin: gives the archive's name for messages.

    Raises:
        ConfigError: a key of a witness is none.
    """
    section = settings.checkpoints
    ca_file = str(folder / as_path(section.ca_file)) if section.ca_file else ""
    keys = [read_verifier(text) for text in section.witness_keys]
    return Outlets(
        tuple(WitnessClient(url, keys, ca_file) for url in section.witnesses),
        tuple(_always(settings, folder)),
        tuple(_daily(settings, folder, origin)),
        tuple(_stamps(settings, folder, ca_file)),
    )


def _always(settings: Settings, folder: Path) -> Iterator[Target]:
    if settings.checkpoints.folder:
        yield NoteFolderTarget(folder / as_path(settings.checkpoints.folder))
    if settings.checkpoints.git:
        yield GitTarget(folder / as_path(settings.checkpoints.git))


def _stamps(settings: Settings, folder: Path, ca_file: str) -> Iterator[Target]:
    section = settings.checkpoints
    if section.authority:
        root = folder / as_path(section.authority_root)
        yield StampTarget(section.authority, root, folder / FOLDER, ca_file)


def _daily(settings: Settings, folder: Path, origin: Callable[[], ArchiveOrigin]) -> Iterator[Target]:
    if settings.checkpoints.mail:
        yield mail_target(settings.notify.mail, settings.checkpoints.mail, folder, origin)
    if settings.checkpoints.notify:
        yield notify_target(settings.notify, folder, origin)


def publish_all(desk: CheckpointDesk, note: SignedNote, outlets: Outlets) -> Iterator[tuple[str, str]]:
    """Send a note to all outlets now; yields the name of each one, and why it failed or ""."""
    for witness in outlets.witnesses:
        problem = ""
        try:
            note = desk.cosigned(note, witness)
        except MunimentError as error:
            problem = str(error)
        yield witness.name, problem
    for target in (*outlets.stamps, *outlets.always, *outlets.daily):
        problem = ""
        try:
            target.publish(desk.publication(note))
        except MunimentError as error:
            problem = str(error)
        yield target.name, problem
