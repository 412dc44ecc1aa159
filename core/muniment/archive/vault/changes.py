"""What a vault is asked to change in its directory, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from muniment.errors import VaultError
from muniment.people.changes import Change
from muniment.people.directory import Directory


class CatalogBehind(VaultError):
    """What was committed is kept in the ledger, but the catalog could not take it in yet."""


Plan = Callable[[Directory], Iterable[Change]]
"""Makes changes of the directory."""
Events = Callable[[Sequence[Change]], Iterable[dict[str, Any]]]
"""Makes audit events of changes that are about to be committed."""


class Changed(NamedTuple):
    """What a change of the directory has come to."""

    before: Directory
    after: Directory
    made: tuple[Change, ...]
    """The changes that were recorded."""
    refiled: int
    """Messages that were filed anew."""
