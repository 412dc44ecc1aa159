"""Types of the changes that a vault commits between two batches of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple

from muniment.errors import MunimentError, VaultError
from muniment.people.changes import Change
from muniment.people.directory import Directory


class CatalogBehind(VaultError):
    """A batch is kept in the ledger, but the catalog could not apply it yet."""


class PlanOutdated(VaultError):
    """Mail was archived since it was looked up what an erasure takes, so nothing was erased."""


Plan = Callable[[Directory], Iterable[Change]]
"""Takes the current directory, and returns changes of it."""
Events = Callable[[Sequence[Change]], Iterable[dict[str, Any]]]
"""Takes changes that are about to be committed, at least one, and returns audit events of them."""


class DirectoryChange(NamedTuple):
    """The result of changing the directory."""

    before: Directory
    after: Directory
    made: tuple[Change, ...]
    """The changes that were committed."""
    refiled: int
    """Number of messages that were filed again."""


class RefilingProgress(NamedTuple):
    """How far the mail is filed again that a change of the directory concerns."""

    done: int
    """Number of messages."""
    expected: int
    """Number of all messages to be filed again; 0 if it is not known."""


def affected_by(directory: Directory, made: Iterable[Change], time: int) -> set[str]:
    """Return the addresses and domains that changes affect (see `Directory.apply`).

    Args:
        directory: The directory before them; it is not changed.
        made: The changes.
        time: When they are made, in seconds since 1970 UTC.

    Raises:
        ConfigError, NotFound: A change can't be applied.
    """
    after = directory.copy()
    return set().union(*(after.apply(change, time) for change in made))


@dataclass(eq=False, slots=True)
class WaitingEvents:
    """Audit events that wait for the next commit, and its result for the thread that waits."""

    events: list[dict[str, Any]]
    done: Future[None]


def reason_of(error: BaseException | None) -> str:
    """Return the reason of an error for messages: our own sentence, or else only its type."""
    return str(error).rstrip(".") if isinstance(error, MunimentError | OSError) else type(error).__name__
