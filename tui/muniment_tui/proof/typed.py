"""What is typed in the Proof area: checkpoints that were noted, and folders of backups."""

from __future__ import annotations

import re

_NOTED = re.compile(r"[0-9]{1,18}:[0-9a-fA-F]{64}")


def checkpoints_in(typed: str) -> tuple[str, ...]:
    """The checkpoints in a line that was typed or pasted."""
    return tuple(typed.replace(",", " ").split())


def wrong_checkpoint(typed: str) -> str:
    """What is wrong with a line of checkpoints, or ""."""
    found = checkpoints_in(typed)
    if found and all(_NOTED.fullmatch(one) for one in found):
        return ""
    return "A checkpoint is SIZE:ROOT: a number, a colon, and 64 digits from 0 to f."


def wrong_folder(typed: str) -> str:
    """What is wrong with the folder of a backup, or ""."""
    return "" if typed.strip().startswith("/") else "Type the whole path of a folder, from / on."
