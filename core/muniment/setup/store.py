"""What the checklist remembers: a small file in the vault.

It holds what checks found and when, and what an administrator has vouched for; what is configuration
stands in vault.toml. It is no evidence, and may be thrown away: the checks find it out again.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from muniment.errors import VaultError
from muniment.setup.model import Outcome, State

log = logging.getLogger("muniment.setup")

NAME = "setup.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Affirmed:
    """An administrator's word that something was done which can't be tested from here."""

    time: int
    """Seconds since 1970 UTC."""
    by: str
    """Login name."""
    inputs: str
    """Digest of the values that it was said of; of others it says nothing."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a step."""

    outcome: Outcome | None = None
    """Of the last check."""
    inputs: str = ""
    """Digest of the values that were checked; of others the outcome says nothing."""
    proven: int = 0
    """When a check last went well, seconds since 1970 UTC."""
    affirmed: Affirmed | None = None


@dataclass(slots=True)
class Memory:
    """The remembered records, by step."""

    records: dict[str, Record] = field(default_factory=dict)

    def of(self, step: str) -> Record:
        """What is remembered of a step."""
        return self.records.get(step, Record())

    def checked(self, step: str, outcome: Outcome, inputs: str) -> None:
        """Remember what a check came to."""
        before = self.of(step)
        proven = outcome.time if outcome.state is State.DONE else before.proven
        self.records[step] = replace(before, outcome=outcome, inputs=inputs, proven=proven)

    def affirm(self, step: str, affirmed: Affirmed | None) -> None:
        """Remember an administrator's word, or that it was taken back."""
        self.records[step] = replace(self.of(step), affirmed=affirmed)


def load(folder: Path) -> Memory:
    """What a vault's checklist remembers; nothing where the file is missing or can't be understood."""
    try:
        value = json.loads((folder / NAME).read_text("utf-8"))
        if value["version"] == VERSION:
            return Memory({step: _record(one) for step, one in value["steps"].items()})
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("what set-up remembered can't be read, so its steps are to be checked anew: %r", error)
    return Memory()


def save(folder: Path, memory: Memory) -> None:
    """Write it, in one step.

    Raises:
        VaultError: it can't be written.
    """
    path = folder / NAME
    text = json.dumps(
        {"version": VERSION, "steps": {s: asdict(r) for s, r in memory.records.items()}}, indent=1
    )
    draft = path.with_name(f".{NAME}.{secrets.token_hex(4)}.tmp")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise VaultError(f"{path} can't be written ({error.strerror}): nothing was changed") from error


def _record(value: dict[str, Any]) -> Record:
    outcome, affirmed = value["outcome"], value["affirmed"]
    return Record(
        outcome=outcome and Outcome(State(outcome["state"]), str(outcome["detail"]), int(outcome["time"])),
        inputs=str(value["inputs"]),
        proven=int(value["proven"]),
        affirmed=affirmed and Affirmed(int(affirmed["time"]), str(affirmed["by"]), str(affirmed["inputs"])),
    )
