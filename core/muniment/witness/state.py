"""A witness's folder: its key, the logs that it trusts, and the last checkpoint of each.

key            what it signs with, a line for each kind; mode 0600
logs           the public keys of the logs that it trusts, a line each; people may edit it
seen/HASH      the last checkpoint of a log, with the witness's own signatures; HASH is that of the origin
refused/       signed checkpoints that contradict what was seen: each proves that a log was changed
lock           held while a checkpoint is compared and written
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.errors import ConfigError, UsageError, VaultError
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
from muniment.evidence.signed_note import SignedNote, parse_note
from muniment.evidence.witness_request import WitnessRequest
from muniment.system.atomic_files import create_file, write_file

KEY, LOGS, SEEN, REFUSED, LOCK = "key", "logs", "seen", "refused", "lock"
MOST_REFUSED = 1000
"""Refused checkpoints that are kept. Only the holder of a log's key can make one."""
_HEAD = "# The public keys of the logs that this witness signs for, a line each (NAME+ID+KEY).\n"


class WitnessState:
    """The folder of one witness. For any thread and process: `changing` takes turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # --- keys -----------------------------------------------------------------------------------------

    def make(self, name: str) -> None:
        """Make the folder and the keys of a new witness.

        Raises:
            UsageError: The name can't be that of a key, or there is a witness already.
            VaultError: The folder can't be written.
        """
        try:
            kinds = [KeyKind.COSIGNATURE, *([KeyKind.ML_DSA_44] if has_ml_dsa() else [])]
            lines = [new_key(name, kind).secret_line() for kind in kinds]
        except NoteInvalid as error:
            raise UsageError(f"{error}: choose one such as witness.example.org/w1") from None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_file(self.folder / KEY, "".join(f"{line}\n" for line in lines).encode(), durable=True)
        except FileExistsError:
            raise UsageError(
                f"there is a witness in {self.folder} already, whose key is never replaced: use another"
            ) from None
        except OSError as error:
            raise VaultError(
                f"the folder {self.folder} can't be written ({error.strerror}): nothing was made"
            ) from None

    def signing_keys(self) -> list[SigningKey]:
        """The keys that the witness signs with.

        Raises:
            VaultError: There is no witness in the folder, or its key can't be read.
        """
        path = self.folder / KEY
        try:
            return [read_signing_key(line) for line in path.read_text("utf-8").split("\n") if line]
        except FileNotFoundError:
            raise VaultError(
                f"there is no witness in {self.folder}: make one by `muniment witness init`"
            ) from None
        except OSError as error:
            raise VaultError(f"the witness's key in {path} can't be read ({error.strerror})") from None
        except (NoteInvalid, UnicodeDecodeError):
            raise VaultError(f"the witness's key in {path} is damaged: restore it from a copy") from None

    # --- logs -----------------------------------------------------------------------------------------

    def logs(self) -> list[VerifierKey]:
        """The public keys of the logs that the witness trusts.

        Raises:
            ConfigError: A line of the file is no key.
            VaultError: The file can't be read.
        """
        path = self.folder / LOGS
        try:
            lines = path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError):
            raise VaultError(f"the list of logs in {path} can't be read") from None
        found = []
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("#"):
                try:
                    found.append(read_verifier(line.strip()))
                except NoteInvalid as error:
                    raise ConfigError(f"{path}, line {number}: {error}") from None
        return found

    def trust(self, keys: list[VerifierKey]) -> list[VerifierKey]:
        """Trust further logs; returns the keys that are new.

        Raises:
            ConfigError, VaultError: As `logs`, or the file can't be written.
        """
        self.signing_keys()
        with self.changing():
            known = self.logs()
            new = [key for key in dict.fromkeys(keys) if key not in known]
            path = self.folder / LOGS
            text = path.read_text("utf-8") if known or path.exists() else _HEAD
            text += "" if text.endswith("\n") else "\n"
            try:
                write_file(path, (text + "".join(f"{key}\n" for key in new)).encode(), durable=True)
            except OSError as error:
                raise VaultError(f"the list of logs in {path} can't be written ({error.strerror})") from None
        return new

    # --- checkpoints ----------------------------------------------------------------------------------

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the folder's lock, so that comparing and writing are one step. It waits for its turn."""
        handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def last(self, origin: str) -> SignedNote | None:
        """The last checkpoint of a log that the witness has signed; None if there is none.

        Raises:
            VaultError: The file is damaged. The witness must not begin with this log again by itself.
        """
        return self.last_of(origin_hash(origin))

    def last_of(self, name: str) -> SignedNote | None:
        """As `last`, for the hash of an origin."""
        path = self.folder / SEEN / name
        try:
            return parse_note(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, NoteInvalid):
            raise VaultError(
                f"the last checkpoint in {path} can't be read: restore it from a copy, or remove it to begin "
                "with this log again"
            ) from None

    def keep(self, origin: str, note: SignedNote) -> None:
        """Write the last checkpoint of a log, durably.

        Raises:
            OSError: It can't be written.
        """
        folder = self.folder / SEEN
        folder.mkdir(mode=0o700, exist_ok=True)
        write_file(folder / origin_hash(origin), str(note).encode(), durable=True)

    def keep_refused(self, origin: str, request: WitnessRequest) -> None:
        """Keep a request with a signed checkpoint that contradicts an earlier one, once for each text.

        Raises:
            OSError: It can't be written.
        """
        folder = self.folder / REFUSED
        folder.mkdir(mode=0o700, exist_ok=True)
        text = hashlib.sha256(request.note.text.encode()).hexdigest()
        path = folder / f"{origin_hash(origin)}-{text[:16]}"
        if not path.exists() and sum(1 for _ in folder.iterdir()) < MOST_REFUSED:
            write_file(path, str(request).encode(), durable=True)

    def refused(self, origin: str) -> list[tuple[float, Path]]:
        """When contradicting checkpoints of a log came, in seconds since 1970 UTC, and their files."""
        folder = self.folder / REFUSED
        paths = folder.glob(f"{origin_hash(origin)}-*") if folder.is_dir() else ()
        return sorted((path.stat().st_mtime, path) for path in paths)

    def age(self, origin: str) -> float | None:
        """Seconds since the last checkpoint of a log was signed; None if there is none."""
        try:
            return time.time() - (self.folder / SEEN / origin_hash(origin)).stat().st_mtime
        except OSError:
            return None


def origin_hash(origin: str) -> str:
    """The name of a log in files and addresses: the SHA-256 of its origin in hex."""
    return hashlib.sha256(origin.encode()).hexdigest()
