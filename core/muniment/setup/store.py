"""The checklist's file in the vault: results of checks, and confirmations by administrators.

Settings are not in it but in vault.toml. The file is not evidence and can be deleted: the checks find the
results again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from muniment.errors import VaultError
from muniment.setup.model import CheckOutcome, StepState
from muniment.system.atomic_files import write_file

log = logging.getLogger("muniment.setup")

NAME = "setup.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class StepAffirmation:
    """An administrator's confirmation of something that Muniment can't check."""

    time: int
    """Seconds since 1970 UTC."""
    by: str
    """Login name."""
    inputs: str
    """Digest of the settings at that time (`steps.inputs`). With other settings, it does not count."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What the file holds for one step."""

    outcome: CheckOutcome | None = None
    """Result of the last check."""
    inputs: str = ""
    """Digest of the settings that were checked. With other settings, the outcome does not count."""
    proven: int = 0
    """When a check last succeeded, seconds since 1970 UTC; 0 for never."""
    affirmed: StepAffirmation | None = None


@dataclass(slots=True)
class SetupMemory:
    """The content of the file: a record for each step."""

    records: dict[str, StepRecord] = field(default_factory=dict)

    def of(self, step: str) -> StepRecord:
        """The record of a step; an empty one if there is none."""
        return self.records.get(step, StepRecord())

    def checked(self, step: str, outcome: CheckOutcome, inputs: str) -> None:
        """Store the result of a check; `inputs` is the digest of the checked settings."""
        before = self.of(step)
        proven = outcome.time if outcome.state is StepState.DONE else before.proven
        self.records[step] = replace(before, outcome=outcome, inputs=inputs, proven=proven)

    def affirm(self, step: str, affirmed: StepAffirmation | None) -> None:
        """Store a confirmation; None withdraws it."""
        self.records[step] = replace(self.of(step), affirmed=affirmed)


def load(folder: Path) -> SetupMemory:
    """Read the file of a vault. A file that is missing or can't be read counts as empty."""
    try:
        value = json.loads((folder / NAME).read_text("utf-8"))
        if value["version"] == VERSION:
            return SetupMemory({step: _record(one) for step, one in value["steps"].items()})
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("%s can't be read, so the steps of set-up must be checked again: %r", NAME, error)
    return SetupMemory()


def save(folder: Path, memory: SetupMemory) -> None:
    """Write the file atomically.

    Raises:
        VaultError: it can't be written; the old file stays.
    """
    path = folder / NAME
    text = json.dumps(
        {"version": VERSION, "steps": {s: asdict(r) for s, r in memory.records.items()}}, indent=1
    )
    try:
        write_file(path, text.encode(), durable=False)
    except OSError as error:
        raise VaultError(f"{path} can't be written ({error.strerror}): nothing was changed") from error


def _record(value: dict[str, Any]) -> StepRecord:
    outcome, affirmed = value["outcome"], value["affirmed"]
    return StepRecord(
        outcome=outcome
        and CheckOutcome(StepState(outcome["state"]), str(outcome["detail"]), int(outcome["time"])),
        inputs=str(value["inputs"]),
        proven=int(value["proven"]),
        affirmed=affirmed
        and StepAffirmation(int(affirmed["time"]), str(affirmed["by"]), str(affirmed["inputs"])),
    )
