"""Stores passwords that are typed into the app: in a file of the vault, or in the owner's keyring.

Every password gets a new name and never replaces another one. So the old password stays valid until
vault.toml names the new one. Passwords that people put elsewhere are read by `config.secrets`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from muniment.config.secrets import LIMIT, is_one_line
from muniment.errors import ConfigError, VaultError
from muniment.system.atomic_files import create_file

FOLDER = "secrets"
"""The folder in the vault that has password files; only the vault's owner can read it."""
SERVICE = "muniment"
"""The service name in a keyring."""

Spec = dict[str, Any]
"""Where a password is, in the form of vault.toml: {"file": PATH} or {"keyring": "SERVICE/USER"}."""


def keep(password: str, way: str, name: str, base: Path) -> Spec:
    """Store a password for a profile.

    The stored password is not used until the result is written to vault.toml as the profile's `password`.

    Args:
        password: The password: one line of at most `secrets.LIMIT` bytes in UTF-8.
        way: "file" for a file in the vault, with mode 0600, or "keyring" for the owner's keyring.
        name: The profile's name, which becomes part of the password's name.
        base: The vault's folder.

    Returns:
        Where the password is, in the form of vault.toml.

    Raises:
        ConfigError: The password is empty, too long or not one line, or the keyring can't be used.
        VaultError: The file can't be written; nothing is left of it.
    """
    data = password.encode("utf-8", "replace")
    if not is_one_line(password) or len(data) > LIMIT or data.decode() != password:
        raise ConfigError(f"a password must be one line of at most {LIMIT} bytes")
    label = f"{name}-{secrets.token_hex(4)}"
    if way == "file":
        return _to_file(password, label, base)
    if way == "keyring":
        return _to_keyring(password, label)
    raise ConfigError("a password can be stored in a file or in the keyring: choose one of them")


def forget(spec: Mapping[str, Any] | None, base: Path) -> None:
    """Delete a password that `keep` has stored.

    A password that people put elsewhere is not touched. If deleting fails, nothing is raised.

    Args:
        spec: Where the password is, in the form of vault.toml; None for no password.
        base: The vault's folder.
    """
    if not is_kept(spec):
        return
    assert spec is not None
    if "file" in spec:
        with suppress(OSError):
            (base / spec["file"]).unlink(missing_ok=True)
    else:
        _drop_from_keyring(spec["keyring"].rpartition("/")[2])


def is_kept(spec: Mapping[str, Any] | None) -> bool:
    """Whether a password was stored by `keep`, and not put elsewhere by a person."""
    ((way, place),) = spec.items() if spec and len(spec) == 1 else (("", ""),)
    start = {"file": f"{FOLDER}/", "keyring": f"{SERVICE}/"}.get(way)
    return start is not None and isinstance(place, str) and place.startswith(start) and place.count("/") == 1


def sign_in_file(base: Path, *names: str) -> Path:
    """The file that keeps a person's sign-in by OAuth 2, in the vault's folder `base`.

    Its name depends on `names` alone, such as directory, application and mailbox. So it stays when
    a profile is renamed.
    """
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return base / FOLDER / f"sign-in-{digest[:16]}.json"


def _to_file(password: str, label: str, base: Path) -> Spec:
    folder = base / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        create_file(folder / label, password.encode() + b"\n", durable=True)
    except OSError as error:
        raise VaultError(
            f"the password can't be stored in {folder} ({error.strerror}): nothing was changed"
        ) from None
    return {"file": f"{FOLDER}/{label}"}


def _to_keyring(password: str, label: str) -> Spec:
    import keyring
    import keyring.errors

    try:
        keyring.set_password(SERVICE, label, password)
    except keyring.errors.NoKeyringError:
        raise ConfigError(
            "there is no keyring on this machine: store the password in a file of the vault instead"
        ) from None
    except (keyring.errors.KeyringError, OSError, RuntimeError):
        raise ConfigError(
            "the keyring can't store a password now: unlock it, or store the password in a file of the vault"
        ) from None
    return {"keyring": f"{SERVICE}/{label}"}


def _drop_from_keyring(label: str) -> None:
    import keyring
    import keyring.errors

    with suppress(keyring.errors.KeyringError, OSError, RuntimeError):
        keyring.delete_password(SERVICE, label)
