"""What can be wrong with [restore] of vault.toml."""

from __future__ import annotations

import re

from muniment.config.check_notify import Problems
from muniment.config.model import RestoreSection

MAIL = "mail"
"""The name that means sending by SMTP, in place of a profile."""
LONGEST = 200
_PLACES = re.compile(r"\{(.*?)\}")


def restore_problems(restore: RestoreSection) -> Problems:
    """Yield impossible values in [restore]."""
    for place in _PLACES.findall(restore.login):
        if place not in ("mailbox", "name"):
            yield "restore.login", "{login} can contain {mailbox} and {name}, and no other names in braces"
            break
    if restore.login and not restore.login.isprintable():
        yield "restore.login", "{login} must be a name without line ends"
    if not restore.folder.strip("/ ") or len(restore.folder) > LONGEST or not restore.folder.isprintable():
        yield "restore.folder", f"{{folder}} must be a name of 1 to {LONGEST} characters, without line ends"
