"""The catalog in SQLite: its file, its connections, and the cost of its statements."""

from __future__ import annotations

import gc
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

from muniment.archive.catalog import CatalogOutdated
from muniment.archive.catalog.sqlite import counting, listing, sql_lists
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.errors import VaultError
from muniment.mail.model import AddressRole
from support.catalogs import A_TO_B, VAULT, FilledCatalog, SqliteMaker, filled, readers_across


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[FilledCatalog]:
    yield from filled(SqliteMaker(), tmp_path / "catalog")


def file_of(archive: FilledCatalog) -> Path:
    return archive.folder / SqliteMaker.FILE


def damaged(path: Path, how: str) -> None:
    match how:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "rubbish":
            path.write_bytes(b"no database" * 1000)
        case "another schema":
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE state SET schema = 0")
            connection.close()
        case "no state":
            with sqlite3.connect(path) as connection:
                connection.execute("DELETE FROM state")
            connection.close()


@pytest.mark.parametrize("how", ["missing", "empty", "rubbish", "another schema", "no state"])
@pytest.mark.parametrize("readonly", [False, True])
def test_a_catalog_that_must_be_rebuilt_says_so(archive: FilledCatalog, how: str, readonly: bool) -> None:
    archive.catalog.close()
    damaged(file_of(archive), how)
    with pytest.raises(CatalogOutdated, match="rebuild --catalog"):
        SqliteCatalog.open(file_of(archive), readonly)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_catalog_of_a_newer_program_is_left_alone(archive: FilledCatalog, readonly: bool) -> None:
    archive.catalog.close()
    with sqlite3.connect(file_of(archive)) as connection:
        connection.execute("UPDATE state SET schema = 999")
    connection.close()
    with pytest.raises(VaultError, match="newer Muniment") as caught:
        SqliteCatalog.open(file_of(archive), readonly)
    assert not isinstance(caught.value, CatalogOutdated)


def test_a_locked_catalog_is_not_rebuilt(archive: FilledCatalog) -> None:
    archive.catalog.close()
    with sqlite3.connect(file_of(archive), isolation_level=None) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(VaultError) as caught:
            SqliteCatalog.open(file_of(archive), busy=0.0)
        assert not isinstance(caught.value, CatalogOutdated)
    other.close()


def test_a_catalog_is_not_made_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(VaultError):
        SqliteCatalog.create(tmp_path / "missing" / "catalog.db", VAULT)


def test_a_path_can_have_any_characters(tmp_path: Path) -> None:
    folder = tmp_path / "odd ?#%41 & ü"
    folder.mkdir()
    SqliteCatalog.create(folder / "catalog.db", VAULT).close()
    assert (folder / "catalog.db").is_file()
    SqliteCatalog.open(folder / "catalog.db", readonly=True).close()


def test_a_threads_connection_is_closed_with_the_thread(archive: FilledCatalog) -> None:
    """A service starts hundreds of threads between two runs of the garbage collector."""

    def read() -> None:
        assert archive.catalog.head == archive.batches.done[-1][1]

    gc.disable()
    try:
        before = psutil.Process().num_fds()
        for _ in range(20):
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
        assert psutil.Process().num_fds() < before + 5  # SQLite keeps a file or two for the next connection
    finally:
        gc.enable()


def open_files(folder: Path) -> list[str]:
    """Return the files under a folder that this process has open; removed ones end in " (deleted)"."""
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(handle.readlink()))
    return sorted(name for name in found if name.startswith(str(folder)))


def test_no_connection_outlives_the_file_that_was_replaced(archive: FilledCatalog) -> None:
    archive.batches.mail("m1", *A_TO_B)
    archive.commit()
    with readers_across(archive.catalog) as seen:
        new = SqliteCatalog.create(file_of(archive).with_name("catalog.db.new"), VAULT)
        for facts, head in archive.batches.done:
            new.apply(facts, head)
        archive.batches.mail("m2", *A_TO_B)
        new.apply(*archive.batches.commit())
        new.meta_set("which", "the new one")
        archive.catalog.replace(new)
        assert open_files(file_of(archive).parent) == []
    assert seen == [(1, 2)] * 3
    assert archive.catalog.meta_get("which") == "the new one"
    archive.batches.mail("m3", *A_TO_B)
    archive.commit()
    assert archive.catalog.totals().messages == 3
    assert not any("deleted" in name for name in open_files(file_of(archive).parent))
    assert [path.name for path in sorted(file_of(archive).parent.iterdir())][:1] == ["catalog.db"]
    archive.catalog.close()
    assert [path.name for path in file_of(archive).parent.iterdir()] == ["catalog.db"]


def test_an_incomplete_new_catalog_does_not_replace_the_old_one(archive: FilledCatalog) -> None:
    """On a full disk, SQLite may be unable to merge the write-ahead log, and leaves it."""
    new = SqliteCatalog.create(file_of(archive).with_name("catalog.db.new"), VAULT)
    before = archive.catalog.dump()
    left = file_of(archive).with_name("catalog.db.new-wal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteCatalog, "close", lambda self: (self._store.close(), left.write_bytes(b"left")))
        with pytest.raises(VaultError, match="not complete"):
            archive.catalog.replace(new)
    assert archive.catalog.dump() == before


def test_the_position_of_a_date_in_a_large_folder_is_estimated(archive: FilledCatalog) -> None:
    for number in range(100):
        archive.batches.mail(f"m{number}", *A_TO_B, date=number)
    archive.commit()
    user = archive.catalog.directory.find("bob@firm.example").id
    store = SqliteCatalog.of(archive.catalog)._store
    for date, first, exact in ((95, 4, True), (50, 49, False), (89, 10, False), (4, 95, True)):
        found = store.read(listing.page, user, "Inbox", 5, "", around=date, counted=10)
        assert (found.exact, [row.date for row in found.rows]) == (exact, list(range(date, date - 5, -1)))
        assert abs(found.first - first) <= (0 if exact else 1)


@pytest.mark.parametrize("dated", [10, 80])
def test_users_with_a_new_report_are_found_at_a_cost_without_regard_to_their_mail(
    archive: FilledCatalog, dated: int
) -> None:
    """`dated` is the day of the other mail: long ago, or in the days in which mail may be on its way."""
    day, costs = 86_400, []
    archive.batches.mail("new", *A_TO_B, date=100 * day, time=100 * day)
    archive.commit()
    store = SqliteCatalog.of(archive.catalog)._store

    def counted(connection: Connection) -> int:
        steps: list[int] = []
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_progress_handler(partial(steps.append, 1), 1)
        assert len(counting.reported_users(connection, 99 * day, ["Inbox", "Sent"])) == 2
        raw.set_progress_handler(None, 0)
        return len(steps)

    for more in (20, 800):
        for number in range(more):
            at = dated * day + number
            archive.batches.mail(f"m{number} of {more}", *A_TO_B, date=at, time=at)
        archive.commit()
        costs.append(store.read(counted))
    assert costs[1] < 1.2 * costs[0], costs


PAGES = ("FIRST_PAGE", "NEXT_PAGE", "OLDEST_PAGE", "NEXT_OLDEST_PAGE", "COUNT_NEWER", "COUNT_OLDER", "SPAN")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_the_same_in_a_folder_of_any_size(archive: FilledCatalog, name: str) -> None:
    """The cost is counted in steps of SQLite's virtual machine."""
    compiled = getattr(sql_lists, name).compile(dialect=sqlite.dialect())
    where = {"box": 1, "limit": 5, "most": 5, "date": 10, "message": 0}
    values = [where.get(key, 1) for key in compiled.positiontup]
    costs = []
    with closing(sqlite3.connect(file_of(archive))) as database:
        for more in (20, 800):
            for number in range(more):
                archive.batches.mail(f"m{number} of {more}", *A_TO_B, date=number)
            archive.commit()
            steps: list[int] = []
            database.set_progress_handler(partial(steps.append, 1), 1)
            assert database.execute(str(compiled), values).fetchall()
            costs.append(len(steps))
            database.set_progress_handler(None, 0)
    assert costs[1] < 1.2 * costs[0], costs


def test_a_copy_has_nothing_of_erased_mail(archive: FilledCatalog, tmp_path: Path) -> None:
    for number in range(400):
        archive.batches.message(f"m{number}", subject=f"Quixotry {number} {'x' * (number % 150)}")
        archive.batches.envelope(f"e{number}", [f"m{number}"], (AddressRole.TO, f"person{number}"))
        archive.batches.receipt(f"e{number}")
        if number % 50 == 49:
            archive.commit()
    names = [f"m{number}" for number in range(400) if number % 7]
    for start in range(0, len(names), 40):
        archive.batches.erase(names[start : start + 40])
        archive.commit()
    copy = SqliteCatalog.of(archive.catalog).copied(tmp_path / "copy.db")
    assert copy.dump() == archive.catalog.dump()
    copy.close()
    data = (tmp_path / "copy.db").read_bytes()
    kept = {number for number in range(400) if not number % 7}
    assert {number for number in range(400) if f"Quixotry {number} ".encode() in data} == kept
    assert {number for number in range(400) if f"person{number}@".encode() in data} == kept
