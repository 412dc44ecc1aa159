"""Passwords that the program keeps for a profile: in a file of the vault, or in the owner's keyring.

Each is kept under a name of its own, never over another: until vault.toml names the new one, the old
one counts.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from muniment.config.secrets import LIMIT, is_one_line
from muniment.errors import ConfigError, VaultError

FOLDER = "secrets"
"""Below the vault's folder; for its owner alone."""
SERVICE = "muniment"
"""The service name in a keyring."""

Spec = dict[str, Any]


def keep(password: str, way: str, name: str, base: Path) -> Spec:
    """Keep a password for the profile `name` and return what vault.toml is to say of it.

    `way` is "file" (below the vault's folder `base`) or "keyring".

    Raises:
        ConfigError: the password can't be one, or there is no keyring.
        VaultError: the file can't be written.
    """
    data = password.encode("utf-8", "replace")
    if not is_one_line(password) or len(data) > LIMIT or data.decode() != password:
        raise ConfigError(f"a password must be one line of at most {LIMIT} bytes")
    label = f"{name}-{secrets.token_hex(4)}"
    if way == "file":
        return _to_file(password, label, base)
    if way == "keyring":
        return _to_keyring(password, label)
    raise ConfigError("a password can be kept in a file or in the keyring: choose one of them")


def forget(spec: Mapping[str, Any] | None, base: Path) -> None:
    """Drop a password that `keep` has kept. Anything else, and what can't be dropped, is left as it is."""
    if not is_kept(spec):
        return
    assert spec is not None
    if "file" in spec:
        with suppress(OSError):
            (base / spec["file"]).unlink(missing_ok=True)
    else:
        _drop_from_keyring(spec["keyring"].rpartition("/")[2])


def is_kept(spec: Mapping[str, Any] | None) -> bool:
    """Whether a password is one that the program keeps, and not one that a person put somewhere."""
    ((way, place),) = spec.items() if spec and len(spec) == 1 else (("", ""),)
    start = {"file": f"{FOLDER}/", "keyring": f"{SERVICE}/"}.get(way)
    return start is not None and isinstance(place, str) and place.startswith(start) and place.count("/") == 1


def _to_file(password: str, label: str, base: Path) -> Spec:
    folder = base / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(folder / label, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(password.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            (folder / label).unlink()
        raise VaultError(
            f"the password can't be kept in {folder} ({error.strerror}): nothing was changed"
        ) from None
    return {"file": f"{FOLDER}/{label}"}


def _to_keyring(password: str, label: str) -> Spec:
    import keyring
    import keyring.errors

    try:
        keyring.set_password(SERVICE, label, password)
    except keyring.errors.NoKeyringError:
        raise ConfigError(
            "there is no keyring on this machine: keep the password in a file of the vault instead"
        ) from None
    except (keyring.errors.KeyringError, OSError, RuntimeError):
        raise ConfigError(
            "the keyring takes no password now: unlock it, or keep the password in a file of the vault"
        ) from None
    return {"keyring": f"{SERVICE}/{label}"}


def _drop_from_keyring(label: str) -> None:
    import keyring
    import keyring.errors

    with suppress(keyring.errors.KeyringError, OSError, RuntimeError):
        keyring.delete_password(SERVICE, label)
