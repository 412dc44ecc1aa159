"""Who is calling, and what they may do."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from enum import IntEnum

from muniment.api import Request
from muniment.config.model import Access, Settings
from muniment.errors import AccessRefused


@dataclass(frozen=True, slots=True)
class Caller:
    """An operating system's user who asks for something: as the socket's peer credentials say."""

    uid: int
    gid: int
    pid: int
    name: str
    """Login name, or the uid in digits for one without."""

    @classmethod
    def of(cls, uid: int, gid: int, pid: int) -> Caller:
        """A caller by peer credentials."""
        return cls(uid, gid, pid, login_name(uid))

    @classmethod
    def this_process(cls) -> Caller:
        """This process's own user."""
        return cls.of(os.geteuid(), os.getegid(), os.getpid())


def login_name(uid: int) -> str:
    """A user's login name; the uid in digits where the system knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class Role(IntEnum):
    """What a caller may do; who may do more may do less."""

    USER = 1
    """Reads their own mail."""
    AUDITOR = 2
    """Reads everything, changes nothing."""
    ADMINISTRATOR = 3


def role_of(caller: Caller, access: Access, vault_owner_uid: int) -> Role | None:
    """The most that a caller is; None for somebody whom the vault does not know."""
    if caller.uid in (0, vault_owner_uid) or caller.name in access.administrators:
        return Role.ADMINISTRATOR
    if caller.name in access.auditors:
        return Role.AUDITOR
    return Role.USER if caller.name in access.users else None


def authorise(
    caller: Caller, request: Request, least: Role | None, settings: Settings, vault_owner_uid: int
) -> Role:
    """The role in which a caller may say a word.

    A USER may say it only of their own mail, which `view` sees to.

    Raises:
        AccessRefused: they may not say it at all; says whom to ask.
    """
    role = role_of(caller, settings.access, vault_owner_uid)
    if role is None:
        raise AccessRefused(
            f"{caller.name} may not use this vault: ask {askable(settings, vault_owner_uid)} to name "
            f"{caller.name} in [access] of its vault.toml"
        )
    if least is None or role < least:
        raise AccessRefused(
            f"{_A[role]} may not do this ({type(request).__name__}): "
            f"ask {askable(settings, vault_owner_uid)}, who may"
        )
    return role


_A = {Role.USER: "a user", Role.AUDITOR: "an auditor", Role.ADMINISTRATOR: "an administrator"}


def askable(settings: Settings, vault_owner_uid: int) -> str:
    """Who may change what others may do."""
    return " or ".join(dict.fromkeys((login_name(vault_owner_uid), *settings.access.administrators)))
