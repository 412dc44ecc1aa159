"""Catalogs of each implementation, for the tests that all of them must pass."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection

from muniment.archive.catalog import Catalog
from muniment.archive.catalog.sqlite import refiling, writing
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.catalog.sqlite.filing import PlacementMoves
from muniment.mail.model import AddressRole
from muniment.people.changes import Change, set_domains
from support.catalogued import Batches, sha

VAULT = b"a vault."
"""The id of the vault that the catalogs belong to."""
A_TO_B = ((AddressRole.SENDER, "alice"), (AddressRole.TO, "bob"))
"""The people of a mail from Alice to Bob."""


class Breakdown(Exception):
    """The end of a transaction that must not come to its own end."""


class CatalogMaker(Protocol):
    """Makes catalogs of one implementation. Each has a folder of its own, which exists."""

    def create(self, folder: Path) -> Catalog:
        """Make a new, empty catalog of VAULT."""

    def open(self, folder: Path, *, readonly: bool = False) -> Catalog:
        """Open the catalog that was made in a folder."""

    def breaking(self) -> AbstractContextManager[None]:
        """Let `apply` and `refile` raise Breakdown when they have written all but the last."""


class SqliteMaker:
    """Makes catalogs in SQLite files."""

    FILE = "catalog.db"

    def create(self, folder: Path) -> SqliteCatalog:
        return SqliteCatalog.create(folder / self.FILE, VAULT)

    def open(self, folder: Path, *, readonly: bool = False) -> SqliteCatalog:
        return SqliteCatalog.open(folder / self.FILE, readonly)

    @contextmanager
    def breaking(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "_write_head", _break)
            patch.setattr(refiling, "PlacementMoves", _BreakingMoves)
            yield


class _BreakingMoves(PlacementMoves):
    def write(self, connection: Connection) -> None:
        super().write(connection)
        _break()


def _break(*arguments: object) -> None:
    raise Breakdown


MAKERS: dict[str, CatalogMaker] = {"sqlite": SqliteMaker()}
"""Every implementation of `Catalog`, by the name that its tests have."""


def fail_next_apply(patch: pytest.MonkeyPatch) -> None:
    """Let the next call of `SqliteCatalog.apply` fail as on a full disk; later ones work."""
    apply, calls = SqliteCatalog.apply, []

    def failing(self: SqliteCatalog, *words: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise sqlite3.OperationalError("database or disk is full")
        apply(self, *words)

    patch.setattr(SqliteCatalog, "apply", failing)


@contextmanager
def readers_across(catalog: Catalog, count: int = 3) -> Iterator[list[tuple[int, int]]]:
    """Count the messages in threads, each time before and after the block.

    Yields:
        What each thread has counted; the list is filled once the block has ended.
    """
    go_on, seen = threading.Event(), list[tuple[int, int]]()
    ready = threading.Barrier(count + 1)

    def read() -> None:
        first = catalog.totals().messages
        ready.wait(10)
        assert go_on.wait(10)
        seen.append((first, catalog.totals().messages))

    threads = [threading.Thread(target=read) for _ in range(count)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    try:
        yield seen
    finally:
        go_on.set()
        for thread in threads:
            thread.join(10)


class FilledCatalog:
    """A catalog with an own domain, and the batches that fill it."""

    def __init__(self, maker: CatalogMaker, folder: Path) -> None:
        self.maker = maker
        self.folder = folder
        folder.mkdir()
        self.catalog = maker.create(folder)
        self.batches = Batches()
        self.batches.change(set_domains(["firm.example"]))
        self.commit()

    def commit(self) -> None:
        self.catalog.apply(*self.batches.commit())

    def change(self, *changes: Change, time: int = 2000) -> None:
        for change in changes:
            self.batches.change(change, time)
        self.commit()

    def refile(self) -> int:
        return sum(self.catalog.refile())

    def number(self, name: str) -> int:
        row = self.catalog.message_by_sha(sha(name))
        assert row is not None
        return row.sequence

    def another(self, folder: Path) -> Catalog:
        """Make a catalog in another folder with all batches so far."""
        folder.mkdir()
        made = self.maker.create(folder)
        for facts, head in self.batches.done:
            made.apply(facts, head)
        return made


def filled(maker: CatalogMaker, folder: Path) -> Iterator[FilledCatalog]:
    """Make a catalog for a fixture, and close it afterwards."""
    made = FilledCatalog(maker, folder)
    yield made
    made.catalog.close()
