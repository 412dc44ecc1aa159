"""Callers and their roles."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from enum import IntEnum

from muniment.api import Request
from muniment.config.model import AccessSection, Settings
from muniment.errors import AccessRefused


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of the operating system who sends requests, identified by the kernel (peer credentials)."""

    uid: int
    gid: int
    pid: int
    name: str
    """Login name; the uid in digits if the system has none."""

    @classmethod
    def of(cls, uid: int, gid: int, pid: int) -> Caller:
        """The caller with these peer credentials."""
        return cls(uid, gid, pid, login_name(uid))

    @classmethod
    def this_process(cls) -> Caller:
        """The user of this process."""
        return cls.of(os.geteuid(), os.getegid(), os.getpid())


def login_name(uid: int) -> str:
    """A user's login name; the uid in digits if the system has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class AccessRole(IntEnum):
    """What a caller may do. A higher role may do everything that a lower one may."""

    USER = 1
    """Reads their own mail."""
    AUDITOR = 2
    """Reads everything, and changes nothing."""
    ADMINISTRATOR = 3
    """Does everything."""


def role_of(caller: Caller, access: AccessSection, vault_owner_uid: int) -> AccessRole | None:
    """The highest role of a caller; None if the vault gives them none.

    Args:
        caller: who sends the request.
        access: [access] of vault.toml.
        vault_owner_uid: the user id that owns the vault's folder.
    """
    if caller.uid in (0, vault_owner_uid) or caller.name in access.administrators:
        return AccessRole.ADMINISTRATOR
    if caller.name in access.auditors:
        return AccessRole.AUDITOR
    return AccessRole.USER if caller.name in access.users else None


def authorise(
    caller: Caller,
    request: Request,
    least: AccessRole | None,
    settings: Settings,
    vault_owner_uid: int,
    granted: bool = False,
    limited: bool = False,
) -> AccessRole:
    """The role in which a caller may send a request.

    A USER may read only their own mail; `service.operations.own_mail` enforces that. Whoever has a grant in
    force (`granted`) is a USER at least, of the mail of that person; with limits (`limited`), an auditor of
    some mail, whom the refusal names as such.

    Raises:
        AccessRefused: the caller may not send it; the sentence says whom to ask.
    """
    role = role_of(caller, settings.access, vault_owner_uid)
    if role is None and granted:
        role = AccessRole.USER
    if role is None:
        raise AccessRefused(
            f"{caller.name} may not use this vault: ask {contacts(settings, vault_owner_uid)} to add "
            f"{caller.name} to [access] in its vault.toml"
        )
    if least is None or role < least:
        raise AccessRefused(
            f"{_LIMITED if limited else _A[role]} may not do this ({type(request).__name__}): "
            f"ask {contacts(settings, vault_owner_uid)}, who may"
        )
    return role


_LIMITED = "an auditor with limits"
_A = {
    AccessRole.USER: "a user",
    AccessRole.AUDITOR: "an auditor",
    AccessRole.ADMINISTRATOR: "an administrator",
}


def contacts(settings: Settings, vault_owner_uid: int) -> str:
    """The login names of the vault's owner and its administrators, such as "ines or ada"."""
    return " or ".join(dict.fromkeys((login_name(vault_owner_uid), *settings.access.administrators)))
