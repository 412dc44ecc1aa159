"""Who is calling, and what they may do."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass


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
