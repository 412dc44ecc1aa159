"""Bates numbers: the numbers of documents, which go on over all productions with one prefix.

A number is never given twice. Before a document gets a number, an audit event in the ledger reserves a range
that holds it; when a production ends, another event states the numbers that it used. So after a crash, the
next production begins behind everything that was reserved, and a rebuilt catalog gives the same numbers. A
prefix does not end with a digit, so two prefixes never make the same number.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

from muniment.archive.catalog.audit_keys import BATES, NUMBERED, PRODUCED, decoded
from muniment.archive.vault.vault import Vault
from muniment.errors import UsageError, VaultError

WIDTH = 7
"""Digits that a number has at least."""
BLOCK = 1_000
"""Numbers that are reserved at a time."""
LONGEST = 32
"""Most characters of a prefix."""
_PREFIX = re.compile(r"[A-Za-z]|[A-Za-z0-9][A-Za-z0-9_-]*[A-Za-z_-]")

Event = dict[str, Any]


def check_prefix(prefix: str) -> None:
    """Check that a prefix makes numbers that are safe in file names, and different from those of others.

    Raises:
        UsageError: It does not.
    """
    if len(prefix) > LONGEST or not _PREFIX.fullmatch(prefix):
        raise UsageError(
            f"{prefix[:LONGEST]!r} can't be the prefix of Bates numbers: use at most {LONGEST} letters of "
            "a to z, digits, - and _; the first is a letter or a digit, and the last is no digit"
        )


def label(prefix: str, number: int) -> str:
    """Return a document's number as it is written, such as `ABC0000012`."""
    return f"{prefix}{number:0{WIDTH}d}"


def last_number(vault: Vault, prefix: str) -> int:
    """Return the last number that is used or reserved for a prefix, in any case; 0 if there is none.

    Raises:
        VaultError: The vault is open for reading only, or its catalog can't be brought forward.
    """
    vault.require_writable()
    rows = vault.catalog.audited(1, keys=[BATES + prefix.upper()])
    return int(decoded(rows[0].event)["last"]) if rows else 0


class BatesNumbers:
    """The numbers of one production; `numbering` makes it."""

    def __init__(self, vault: Vault, prefix: str, event: Event, block: int = BLOCK) -> None:
        """Continue behind the last number of the prefix.

        Args:
            vault: The vault, open for writing.
            prefix: The prefix, which `check_prefix` has accepted.
            event: The fields of an audit event that say who makes the production.
            block: Numbers that are reserved at a time.
        """
        self._vault = vault
        self._event = event
        self._block = block
        self.prefix = prefix
        self.first = last_number(vault, prefix) + 1
        """The number of the first document."""
        self.last = self.first - 1
        """The last number that was taken."""
        self._reserved = self.last
        self._finished = False

    def take(self, count: int) -> int:
        """Return the first of `count` consecutive numbers. They are reserved on the disk before.

        Raises:
            OSError, VaultError: They could not be reserved.
        """
        if self.last + count > self._reserved:
            reserved = self.last + max(count, self._block)
            self._log(NUMBERED, reserved)
            self._reserved = reserved
        self.last += count
        return self.last - count + 1

    def finish(self, **fields: Any) -> None:
        """Record that the production is complete, with `fields` about it.

        Raises:
            OSError, VaultError: That could not be recorded.
        """
        self._log(PRODUCED, self.last, **fields)
        self._finished = True

    def give_back(self) -> None:
        """Give back reserved numbers that no document has, unless the production is complete.

        Numbers of documents stay used, since someone may have these documents.

        Raises:
            OSError, VaultError: It could not be recorded.
        """
        if not self._finished and self._reserved > self.last:
            self._log(NUMBERED, self.last, stopped=True)
            self._reserved = self.last

    def _log(self, kind: str, last: int, **fields: Any) -> None:
        numbers = {"prefix": self.prefix, "first": self.first, "last": last}
        self._vault.log([{**self._event, "event": kind, **numbers, **fields}])


_numbering: WeakKeyDictionary[Vault, set[str]] = WeakKeyDictionary()
"""The prefixes, in capitals, with which productions of a vault are under way."""
_lock = threading.Lock()


@contextmanager
def numbering(vault: Vault, prefix: str, event: Event, block: int = BLOCK) -> Iterator[BatesNumbers]:
    """Number the documents of one production; see `BatesNumbers` for the arguments.

    Raises:
        UsageError: The prefix can't be used.
        VaultError: Another production with this prefix is under way, or the vault can't be written.
    """
    check_prefix(prefix)
    key = prefix.upper()
    with _lock:
        under_way = _numbering.setdefault(vault, set())
        if key in under_way:
            raise VaultError(
                f"another production numbers documents with the prefix {prefix}: wait until it ends, or use "
                "another prefix"
            )
        under_way.add(key)
    try:
        numbers = BatesNumbers(vault, prefix, event, block)
        try:
            yield numbers
        except BaseException:
            with suppress(OSError, VaultError):  # then all reserved numbers stay used
                numbers.give_back()
            raise
    finally:
        with _lock:
            under_way.discard(key)
