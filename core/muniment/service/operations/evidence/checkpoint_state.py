"""State of the signed checkpoints: whether they are signed, and reach their witnesses and places."""

from __future__ import annotations

from pathlib import Path

from muniment.config.model import Settings
from muniment.notify.model import CheckpointFacts
from muniment.service.checkpoints.keeper import checkpoint_keeper_of


def checkpoint_facts(folder: Path, settings: Settings) -> CheckpointFacts | None:
    """The facts about a vault's checkpoints that notifications need; None if none are signed."""
    if not settings.checkpoints.sign:
        return None
    keeper = checkpoint_keeper_of(folder)
    if keeper is None:
        return CheckpointFacts()
    return CheckpointFacts(
        problems=tuple(keeper.problems),
        lasts=keeper.lasts,
        alarms=tuple(keeper.alarms),
        reached=keeper.reached,
    )
