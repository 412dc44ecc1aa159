"""Records the logins of vault.toml in the ledger: whose mail each login reads."""

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
"""The name of the request in the audit event of a login that was set by an edit of that file."""


def record_logins(vault: Vault, read: Callable[[], Logins]) -> None:
    """Record the logins of vault.toml in the directory, if it does not have them yet.

    Args:
        vault: the vault, open for writing.
        read: gives the logins that vault.toml has now. It is called again at this writer's turn.

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

    # Only its owner can write vault.toml, so the event names the owner, who runs this process.
    who, uid = login_name(os.geteuid()), os.geteuid()
    vault.change_directory(
        wanted,
        int(time.time()),
        lambda made: (binding_event(change, who, uid, SETTINGS_WORD) for change in made if "login" in change),
    )


def binding_event(change: Change, who: str, uid: int, request: str) -> Event:
    """The audit event of a change of a login.

    Args:
        change: the change of the directory.
        who: login name of the administrator.
        uid: their user id.
        request: name of the request that made the change, or SETTINGS_WORD.
    """
    value = {
        "event": "login bound" if change.get("user") else "login released",
        "who": who,
        "uid": uid,
        "role": "administrator",
        "word": request,
        "at": int(time.time()),
        "login": change["login"],
        "address": change.get("address", ""),
        "user": change.get("user", ""),
    }
    return {name: given for name, given in value.items() if given != ""}
