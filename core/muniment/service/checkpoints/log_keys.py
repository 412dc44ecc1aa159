"""The key that signs a vault's checkpoints. It is outside the vault, so that a copy of the vault can't sign.

The vault's file `signed/keys` has the public keys of the present key and of all earlier ones, each with its
name. The ledger records each new key. Whoever loses the key begins a new one, with another origin: witnesses
would refuse a second history under the old one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from muniment.archive.vault.signed_checkpoints import FOLDER, SignedCheckpoints
from muniment.config.model import Settings
from muniment.errors import VaultError
from muniment.evidence.checkpoint_body import NoteInvalid
from muniment.evidence.note_keys import (
    KeyKind,
    SigningKey,
    VerifierKey,
    has_ml_dsa,
    new_key,
    read_signing_key,
    read_verifier,
)
from muniment.system.atomic_files import create_file, write_file
from muniment.system.environment import state_folder
from muniment.system.paths import as_path

NAME = "keys"
SYSTEMD = "STATE_DIRECTORY"
"""The variable in which systemd names the folder of `StateDirectory=`."""
_HEAD = "# The public keys of this archive's checkpoints, the present one last (C2SP signed-note).\n"


class KeyMissing(VaultError):
    """The key that signs is not where it should be."""


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The place of a vault's key, and what is known of it."""

    folder: Path
    """The vault's folder."""
    path: Path
    """The file of the key that signs."""
    origin: str
    """The origin of a first key."""

    def public(self) -> list[VerifierKey]:
        """The public keys of all checkpoints of this vault, the oldest first.

        Raises:
            VaultError: The file can't be read, or is damaged.
        """
        path = self.folder / FOLDER / NAME
        try:
            lines = path.read_text("utf-8").splitlines()
            return [read_verifier(line) for line in lines if line and not line.startswith("#")]
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError, NoteInvalid):
            raise VaultError(
                f"the public keys of checkpoints in {path} can't be read: restore the file from a backup"
            ) from None

    def present(self) -> list[VerifierKey]:
        """The public keys under the present origin; none before the first key."""
        known = self.public()
        return [key for key in known if key.name == known[-1].name]

    def signing(self) -> list[SigningKey]:
        """The keys that sign now.

        Raises:
            KeyMissing: The file is not there, or is not the one of the present public keys.
            VaultError: It can't be read.
        """
        advice = "restore it from your own copy, or begin a new one by `muniment checkpoint new-key`"
        try:
            keys = [read_signing_key(line) for line in self.path.read_text("utf-8").split("\n") if line]
        except FileNotFoundError:
            raise KeyMissing(f"the key that signs checkpoints is not in {self.path}: {advice}") from None
        except OSError as error:
            raise VaultError(
                f"the key that signs checkpoints in {self.path} can't be read ({error.strerror})"
            ) from None
        except (NoteInvalid, UnicodeDecodeError):
            raise KeyMissing(f"the key that signs checkpoints in {self.path} is damaged: {advice}") from None
        if not keys or [key.verifier for key in keys] != self.present():
            raise KeyMissing(
                f"the key in {self.path} is not the one that has signed this vault's checkpoints: {advice}"
            )
        return keys

    def adopt(self) -> bool:
        """Take the key in the file for that of this vault, whose `signed/keys` is lost.

        Returns:
            Whether there was a key.

        Raises:
            VaultError: A file can't be read or written.
        """
        try:
            lines = self.path.read_text("utf-8").split("\n")
            public = [read_signing_key(line).verifier for line in lines if line]
        except FileNotFoundError:
            return False
        except (OSError, NoteInvalid, UnicodeDecodeError):
            raise VaultError(
                f"the key that signs checkpoints in {self.path} can't be read: restore it from your copy, "
                "or move it away to begin with a new one"
            ) from None
        try:
            self._write_public(public)
        except OSError as error:
            raise VaultError(
                f"the folder {self.folder / FOLDER} can't be written ({error.strerror})"
            ) from None
        return bool(public)

    def begin(self) -> list[VerifierKey]:
        """Make a new key, with an origin that was not used before; returns its public keys.

        The former file is kept beside it. The caller records the new key in the ledger.

        Raises:
            VaultError: A file can't be written; nothing was changed.
            NoteInvalid: The origin can't be that of a log.
        """
        known = self.public()
        used = {key.name for key in known}
        origin, number = self.origin, 1
        while origin in used:
            number += 1
            origin = f"{self.origin}/{number}"
        kinds = [KeyKind.ED25519, *([KeyKind.ML_DSA_44] if has_ml_dsa() else [])]
        keys = [new_key(origin, kind) for kind in kinds]
        try:
            self._write(keys, known)
        except OSError as error:
            raise VaultError(
                f"the key that signs checkpoints can't be written to {self.path} ({error.strerror}): name a "
                "file that the service can write as checkpoints.key in vault.toml, or update its systemd unit"
            ) from None
        return [key.verifier for key in keys]

    def _write(self, keys: list[SigningKey], known: list[VerifierKey]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.exists():
            former = self.path.with_name(f"{self.path.name}.former-{os.urandom(4).hex()}")
            self.path.rename(former)
        lines = "".join(f"{key.secret_line()}\n" for key in keys)
        create_file(self.path, lines.encode(), durable=True)
        if known:
            SignedCheckpoints(self.folder).put_aside()
        self._write_public([*known, *(key.verifier for key in keys)])

    def _write_public(self, public: list[VerifierKey]) -> None:
        folder = self.folder / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        text = _HEAD + "".join(f"{key}\n" for key in public)
        write_file(folder / NAME, text.encode(), durable=True)


def log_keys(folder: Path, vault_id: bytes, settings: Settings) -> LogKeys:
    """The keys of a vault's checkpoints.

    Args:
        folder: the vault's folder.
        vault_id: the vault's id.
        settings: of vault.toml, which can name the file and the origin.
    """
    section = settings.checkpoints
    named = section.key
    path = folder / as_path(named) if named else _usual(f"{vault_id.hex()}.key")
    domain = settings.domains[0] if settings.domains else "muniment"
    return LogKeys(folder, path, section.origin or f"{domain}/muniment/{vault_id.hex()}")


def _usual(name: str) -> Path:
    """The place of a key that no setting names: in the state folder of the systemd unit, or the user's own.

    A key that a service outside of systemd has made stays where it is, as long as the unit can read it.
    """
    named, own = os.environ.get(SYSTEMD, "").partition(":")[0], state_folder() / "checkpoints" / name
    if not named.startswith("/"):
        return own
    path = Path(named) / "checkpoints" / name
    with suppress(OSError):
        return own if own.exists() and not path.exists() else path
    return path
