"""Edits of a catalog: deep verification finds and names any edit, and shallow verification most of them."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from muniment.archive.catalog.sqlite import tables
from muniment.archive.ledger.check import LedgerCheck
from muniment.archive.operations.verify import VerifyLimits, verify_vault
from muniment.archive.proof import replica
from muniment.archive.proof.compare import differences, faults, misshapen, reading
from muniment.archive.proof.tables import OWN, VIEWS
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import VaultError
from support.evidence import rich_vault


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence") / "vault"
    rich_vault(folder)
    return folder


@pytest.fixture(scope="module")
def second(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the catalog that deep verification makes from the ledger."""
    path = tmp_path_factory.mktemp("second") / "catalog.db"
    vault = open_vault(made, write=False)
    try:
        with replica._scratch(vault, 0) as folder, closing(replica._Replica(vault, folder)) as other:
            assert list(other.compared(True, lambda done, total: None, 30)) == []
            shutil.copy(folder / "catalog.db", path)
    finally:
        vault.close()
    return path


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as catalog:
        for statement in statements:
            catalog.execute(statement)
        catalog.commit()


QUICK = VerifyLimits(patience=0.5)


def problems(folder: Path, deep: bool, limits: VerifyLimits = QUICK) -> list[str]:
    vault = open_vault(folder, write=False)
    try:
        *_, found = verify_vault(vault, deep, limits=limits)
    finally:
        vault.close()
    assert isinstance(found, LedgerCheck)
    return found.problems


EDITS = {
    "arrivals changed": ("counts of arrivals", "UPDATE arrival SET copies = copies + 1"),
    "audit rows deleted": ("audit trail", "DELETE FROM audit"),
    "audit who changed": ("audit trail", "UPDATE audit SET event = replace(event, 'auditor1', 'nobody')"),
    "placements of one user deleted": (
        "messages in users' folders",
        "DELETE FROM placement WHERE box = (SELECT min(box) FROM placement)",
    ),
    "box counts": ("counts of users' folders", "UPDATE box SET messages = 0"),
    "subject changed": (
        "subject",
        "UPDATE message SET subject = 'x' WHERE subject LIKE 'Letter 1%'",
    ),
    "message row deleted": ("messages", "DELETE FROM message WHERE id = (SELECT min(id) FROM message)"),
    "parties changed": ("parties", "UPDATE envelope SET parties = ''"),
    "mention deleted": ("people named on copies", "DELETE FROM mention"),
    "directory": ("directory of users", "DELETE FROM directory"),
    "known deleted": ("keys that were fetched", "DELETE FROM known"),
    "quarantine resolved": ("quarantine", "UPDATE quarantine SET resolved = 1"),
    "meta row added": ("notes", "INSERT OR REPLACE INTO meta VALUES ('x', 'y')"),
    "run history": ("history of runs", "DELETE FROM run"),
    "message offsets": ("offset", 'UPDATE message SET "offset" = 0'),
    "one key deleted": (
        "keys that were fetched",
        "DELETE FROM known WHERE key = (SELECT max(key) FROM known)",
    ),
    "quarantine deleted": ("quarantine", "DELETE FROM quarantine"),
    "quarantined bytes": ("quarantine", "UPDATE quarantine SET sha = zeroblob(32)"),
    "part deleted": ("parts", "DELETE FROM part WHERE sha = (SELECT min(sha) FROM part)"),
    "part offsets": ("parts", 'UPDATE part SET "offset" = 0'),
    "copy offsets": ("copies", 'UPDATE envelope SET "offset" = 0'),
    "links deleted": ("links", "DELETE FROM link WHERE message = (SELECT min(message) FROM link)"),
    "profiles deleted": ("profile", "DELETE FROM profile"),
    "users deleted": ("user", "DELETE FROM user"),
    "owners deleted": ("owners of copies", "DELETE FROM owner"),
    "places deleted": ("places", "DELETE FROM place"),
    "no route": ("copies", "UPDATE envelope SET route = 0"),
    "decisions deleted": ("holds, rules, grants and approvals", "DELETE FROM decision"),
    "a hold edited": (
        "holds, rules, grants and approvals",
        "UPDATE decision SET content = replace(content, 'Case 7', 'Case 8')",
    ),
    "evidence deleted": ("evidence of senders", "DELETE FROM evidence"),
    "evidence of another message": ("evidence of senders", "UPDATE evidence SET through = through + 1"),
    "another route": ("copies", "UPDATE envelope SET route = 8 WHERE route = 1"),
}
"""Edits by someone who has the disk, each with a text that the finding must have."""
DEEP_ALONE = {"subject changed", "evidence of another message"}
"""Edits that only deep verification finds, as `docs/commands.md` says."""


@pytest.mark.parametrize("name", [name for name in EDITS if name not in DEEP_ALONE])
def test_an_edit_is_found_by_shallow_verification(copy: Path, name: str) -> None:
    edit(copy / "catalog.db", EDITS[name][1])
    assert any("catalog" in problem for problem in problems(copy, deep=False))


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_named_by_deep_verification(copy: Path, name: str) -> None:
    word, statement = EDITS[name]
    edit(copy / "catalog.db", statement)
    found = problems(copy, deep=True)
    assert any(word in problem and "muniment rebuild --catalog" in problem for problem in found), found


def test_an_unedited_catalog_has_no_problems(made: Path) -> None:
    assert problems(made, deep=True) == []
    assert problems(made, deep=False) == []
    assert not list((made / "work").glob("*/*"))


def test_every_column_of_every_table_is_compared() -> None:
    """This fails for a new table or column that the comparison lacks."""
    viewed = {view.table: {*view.key, *view.values} for view in VIEWS}
    assert viewed.keys() == tables.metadata.tables.keys()
    surrogates = {("address", "id"), ("profile", "id"), ("user", "id"), ("place", "id"), ("box", "id")}
    named = {
        ("placement", "box"): ("user", "folder"),
        ("known", "place"): ("host", "mailbox", "folder"),
        ("quarantine", "place"): ("host", "mailbox", "folder"),
    }
    for table in tables.metadata.tables.values():
        for column in table.columns:
            where = (table.name, column.name)
            wanted = set(named.get(where, (column.name,)))
            assert where in surrogates or wanted <= viewed[table.name], where


# --- any edit of any column ------------------------------------------------------------------------


def other(value: Any, chance: random.Random) -> Any:
    """Return another value, of the same type if possible."""
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, -value - 2, chance.getrandbits(40)))
    if isinstance(value, bytes):
        at = chance.randrange(len(value)) if value else 0
        flipped = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :] if value else b"?"
        return chance.choice((value + b"x", flipped))
    if isinstance(value, str):
        return chance.choice((value + "x", value[1:] + "0", "", "1", value.upper()))
    return chance.choice((7, "7", b"7"))


REFERENCES = {
    "address": "SELECT 1 FROM mention WHERE address = ?",
    "profile": "SELECT 1 FROM envelope WHERE profile = ?",
    "place": "SELECT 1 FROM known WHERE place = ?",
}
"""Tables whose numbers matter only if another row refers to them."""


def seen(row: dict[str, Any], table: str, catalog: sqlite3.Connection, column: str = "") -> bool:
    """Return whether the ledger determines a row or its column.

    It does not determine folders without messages, how far a source was listed, or unused numbers.
    """
    if column == "id" and table in REFERENCES:
        return catalog.execute(REFERENCES[table], (row["id"],)).fetchone() is not None
    if table == "meta":
        return not row["name"].startswith(OWN)
    if table == "box":
        return bool(row["messages"])
    if table == "user":
        query = "SELECT 1 FROM box WHERE user = ? AND messages <> 0"
        return catalog.execute(query, (row["id"],)).fetchone() is not None
    return True


def edited(catalog: sqlite3.Connection, table: str, column: str, chance: random.Random) -> bool:
    """Change one value of one row; returns False if there is no row, or no other value is allowed."""
    catalog.row_factory = sqlite3.Row
    rows = [dict(row) for row in catalog.execute(f'SELECT * FROM "{table}"')]
    rows = [row for row in rows if seen(row, table, catalog, column)]
    chance.shuffle(rows)
    keys = [key.name for key in tables.metadata.tables[table].primary_key]
    for row in rows[:5]:
        value = other(row[column], chance)
        if value == row[column]:
            continue
        where = " AND ".join(f'"{key}" IS ?' for key in keys)
        try:
            catalog.execute(
                f'UPDATE "{table}" SET "{column}" = ? WHERE {where}', (value, *(row[key] for key in keys))
            )
        except sqlite3.IntegrityError:
            continue
        catalog.commit()
        return True
    return False


def found(second: Path, path: Path) -> list[str]:
    with reading(second) as right, reading(path) as ours:
        return [
            *misshapen(right, ours),
            *faults(ours),
            *map(str, differences(right, ours, lambda: None)),
        ]


COLUMNS = [(t.name, c.name) for t in tables.metadata.tables.values() for c in t.columns]


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 40))])
def test_any_edit_of_any_column_is_found(made: Path, second: Path, tmp_path: Path, seed: int) -> None:
    chance, tried, path = random.Random(seed), 0, tmp_path / "catalog.db"
    for table, column in COLUMNS:
        for _ in range(1 if seed == 1 else 4):
            shutil.copy(made / "catalog.db", path)
            with closing(sqlite3.connect(path)) as catalog:
                done = edited(catalog, table, column, chance)
            if done:
                tried += 1
                assert found(second, path), (table, column)
    assert tried > len(COLUMNS) / 2


@pytest.mark.parametrize("table", list(tables.metadata.tables))
def test_a_removed_or_added_row_is_found(made: Path, second: Path, tmp_path: Path, table: str) -> None:
    path = tmp_path / "catalog.db"
    shutil.copy(made / "catalog.db", path)
    with closing(sqlite3.connect(path)) as catalog:
        catalog.row_factory = sqlite3.Row
        rows = [dict(row) for row in catalog.execute(f'SELECT * FROM "{table}"')]
        rows = [row for row in rows if seen(row, table, catalog)]
        keys = [key.name for key in tables.metadata.tables[table].primary_key]
        for row in rows[:3]:
            catalog.execute(
                f'DELETE FROM "{table}" WHERE ' + " AND ".join(f'"{key}" IS ?' for key in keys),
                [row[key] for key in keys],
            )
        catalog.commit()
    if rows:
        assert found(second, path)
    if table == "user":
        return  # a user without a folder is never shown
    shutil.copy(made / "catalog.db", path)
    with closing(sqlite3.connect(path)) as catalog:
        row = {**_blank(table), **({"messages": 3} if table == "box" else {})}
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        catalog.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', list(row.values()))
        catalog.commit()
    assert found(second, path)


def _blank(table: str) -> dict[str, Any]:
    kinds = {"INTEGER": 990011, "TEXT": "990011", "BLOB": b"990011"}
    return {column.name: kinds[str(column.type)] for column in tables.metadata.tables[table].columns}


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("CREATE TRIGGER quiet AFTER INSERT ON audit BEGIN DELETE FROM audit; END", "trigger quiet"),
        ("CREATE VIEW more AS SELECT * FROM audit", "view more"),
        ("CREATE TABLE more (id INTEGER)", "table more"),
        ("DROP INDEX message_key", "lacks the index message_key"),
        ("ALTER TABLE audit ADD COLUMN seen INTEGER", "table audit"),
        ("CREATE INDEX more ON audit (time)", "index more"),
    ],
)
def test_a_foreign_object_in_the_file_is_named(
    made: Path, second: Path, tmp_path: Path, statement: str, word: str
) -> None:
    path = tmp_path / "catalog.db"
    shutil.copy(made / "catalog.db", path)
    edit(path, statement)
    assert any(word in problem for problem in found(second, path))


def test_an_index_that_lacks_a_row_is_found(made: Path, second: Path, tmp_path: Path) -> None:
    """The table is right, but a look-up by the index finds nothing: only SQLite's own check shows that."""
    path = tmp_path / "catalog.db"
    shutil.copy(made / "catalog.db", path)
    schema = "UPDATE sqlite_master SET sql = replace(sql, '{}', '{}') WHERE name = 'message_key'"
    edit(path, "PRAGMA writable_schema = ON", schema.format(")", ") WHERE id < 0"))
    edit(path, "REINDEX message_key")
    edit(path, "PRAGMA writable_schema = ON", schema.format(" WHERE id < 0", ""))
    assert any("damaged" in problem for problem in found(second, path))


# --- circumstances ---------------------------------------------------------------------------------


def test_too_little_space_is_refused_with_a_sentence(made: Path) -> None:
    with pytest.raises(VaultError, match="free space, or verify without --deep"):
        problems(made, deep=True, limits=VerifyLimits(spare=1 << 60))


def test_a_damaged_catalog_is_a_problem_and_no_crash(copy: Path) -> None:
    """There are pages of zeros in the middle of the file."""
    path = copy / "catalog.db"
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 3 * 4096] = bytes(3 * 4096)
    path.write_bytes(data)
    found = problems(copy, deep=True)
    assert any("catalog" in problem and "rebuild --catalog" in problem for problem in found)


def test_text_from_the_file_is_sanitised(made: Path, second: Path, tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    shutil.copy(made / "catalog.db", path)
    edit(path, "UPDATE address SET address = char(27) || ']0;x' || char(7) WHERE id = 0")
    texts = found(second, path)
    assert texts
    for problem in texts:
        assert problem.isprintable(), problem


ODD = {"text": "'x'", "blob": "x'00ff'", "null": "NULL", "negative": "-1", "large": "9223372036854775807"}
"""Values that a damaged or edited file may have in any column."""
SAMPLED = {("message", "date"), ("audit", "event"), ("message", "touched")}


def columns() -> list[Any]:
    """Every column of every table, with each odd value; most of them in the long tests."""
    return [
        pytest.param(
            table.name,
            column.name,
            value,
            id=f"{table.name}.{column.name} {name}",
            marks=() if (table.name, column.name) in SAMPLED and name == "text" else [pytest.mark.soak],
        )
        for table in tables.metadata.sorted_tables
        for column in table.columns
        for name, value in ODD.items()
    ]


@pytest.mark.parametrize(("table", "column", "value"), columns())
def test_a_column_of_odd_values_stops_no_verification(
    copy: Path, table: str, column: str, value: str
) -> None:
    """Each check ends with a report, or with a sentence that says what to do."""
    try:
        edit(copy / "catalog.db", f"UPDATE {table} SET {column} = {value}")
    except sqlite3.Error:
        pytest.skip("the table does not accept this value")
    for deep in (False, True):
        refused = refusal(copy, deep)
        assert not refused or "rebuild --catalog" in refused


def refusal(folder: Path, deep: bool) -> str:
    """Why a vault could not be verified; "" where it was."""
    try:
        problems(folder, deep)
    except VaultError as error:
        return str(error)
    return ""
