"""Which login reads whose mail: what vault.toml says is recorded in the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from muniment.archive.operations.public_ids import new_key
from muniment.archive.vault.vault import Vault
from muniment.people.changes import Change, set_id_key
from muniment.people.directory import Directory
from muniment.people.logins import (
    Logins,
    has_unrecorded,
    login_changes,
)
from muniment.service.access.audit_trail import Event
from muniment.service.access.roles import login_name

SETTINGS_WORD = "vault.toml"
"""What an audit event names as its request where a login was set by editing that file."""


def record_logins(vault: Vault, read: Callable[[], Logins]) -> None:
    """Record what vault.toml says of logins, if the directory does not know it yet.

    `read` gives what it says now; it is asked again once nobody else can record it.

    Raises:
        VaultError: the ledger can't be written now.
    """
    if not has_unrecorded(vault.directory, read()):
        return

    def wanted(directory: Directory) -> Iterator[Change]:
        users = read()
        if users and not directory.id_key:
            yield set_id_key(new_key())
        yield from login_changes(directory, users)

    # Whoever may write vault.toml is its owner to the operating system.
    who, uid = login_name(os.geteuid()), os.geteuid()
    vault.change_directory(
        wanted,
        int(time.time()),
        lambda made: (binding_event(change, who, uid, SETTINGS_WORD) for change in made if "login" in change),
    )


def binding_event(change: Change, who: str, uid: int, word: str) -> Event:
    """The audit event of a binding."""
    value = {
        "event": "login bound" if change.get("user") else "login released",
        "who": who,
        "uid": uid,
        "role": "administrator",
        "word": word,
        "at": int(time.time()),
        "login": change["login"],
        "address": change.get("address", ""),
        "user": change.get("user", ""),
    }
    return {name: said for name, said in value.items() if said != ""}
