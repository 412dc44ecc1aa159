"""A damaged catalog file: the error says what to do, and a rebuild repairs it."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.client.client import Client
from muniment.errors import MunimentError, NotFound, VaultError
from support.reports import plain, report
from support.served import served
from support.vaults import TestVault, put

PAGE = 4096
MENDS = "muniment rebuild --catalog"
EDITS = {
    "a text that is not UTF-8": "UPDATE message SET subject = CAST(x'fffe80' AS TEXT)",
    "boxes that are no numbers": "UPDATE message SET boxes = 'x y'",
    "a box that is not there": "UPDATE message SET boxes = '998 999'",
    "parties of no kind": "UPDATE envelope SET parties = '77 88 99'",
    "parties without an address": "UPDATE envelope SET parties = '1 998 999'",
    "notes that are no JSON": "UPDATE message SET notes = '{'",
    "flags that are no list": "UPDATE envelope SET flags = '7'",
    "a hash that is too short": "UPDATE message SET rest = x'00'",
    "a date that is a text": "UPDATE message SET date = 'yesterday'",
    "a subject that is missing": "PRAGMA ignore_check_constraints = ON; UPDATE message SET size = 'x'",
    "a run that is no JSON": "UPDATE run SET summary = '{'",
    "no state": "DELETE FROM state",
    "a state of nothing": "UPDATE state SET root = 7, tree_size = 'x'",
    "no directory": "DELETE FROM directory",
    "a directory that is no JSON": "UPDATE directory SET change = '{'",
    "a directory of strangers": """UPDATE directory SET change = '{"op":"remove-user","user":"x","v":1}'""",
    "what is to be filed is no JSON": "UPDATE state SET affected = '{'",
    "a damage that is no JSON": "INSERT OR REPLACE INTO meta VALUES ('damage', '{')",
    "a configuration that is no hash": "INSERT OR REPLACE INTO meta VALUES ('configuration', 'x')",
    "a table that is gone": "DROP TABLE placement",
    "another that is gone": "DROP TABLE mention",
    "a column that is gone": "DROP INDEX envelope_flagged; ALTER TABLE envelope DROP COLUMN flags",
    "no users": "DELETE FROM user",
    "no addresses": "DELETE FROM address",
    "no profiles": "DELETE FROM profile",
}  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with mail, which the tests copy."""
    made = TestVault(tmp_path_factory.mktemp("template") / "vault")
    made.client.call(api.AddUser(name="Bob", addresses=("bob@example.com",)), api.Done)
    put(
        made.maildir("box", enabled=False),
        [
            report(plain(subject=f"Letter {n}", body="A series\n"), recipients=["bob@example.com"])
            for n in range(6)
        ],
    )
    made.run("box")
    made.client.close()
    return made.folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A copy of the vault."""
    return Path(shutil.copytree(template, tmp_path / "vault"))


REQUESTS: tuple[api.Request, ...] = (
    api.GetStatus(),
    api.GetTree(),
    api.ListUsers(),
    api.ListMessages(user="bob@example.com", folder="Inbox"),
    api.Search(query="series"),
    api.Search(query="user:bob@example.com"),
    api.GetHistory(),
    api.GetAudit(),
    api.ListQuarantine(),
    api.AddUser(name="Carol", addresses=("carol@example.com",)),
    api.RemoveUser(user="carol@example.com"),
    api.PutProfile(name="box", fields={"every": 400}),
    api.PutProfile(name="box", fields={"every": 500}),
)
"""All requests that read the catalog, and some that write it."""
_numbers = itertools.count()


def survey(client: Client, path: Path) -> list[str]:
    """Send all requests; returns the sentences of the errors. No other exception may be raised."""
    streams = (
        api.Verify(deep=True),
        api.Export(query="series", path=str(path / f"export-{next(_numbers)}.zip")),
        api.Run(profile="box"),
    )
    asked = [_refusal(partial(client.call, request, api.WireWord)) for request in REQUESTS]
    asked += [_refusal(partial(_streamed, client, stream)) for stream in streams]
    sentences = [sentence for sentence in asked if sentence]
    for sentence in sentences:
        assert "should not have happened" not in sentence
        assert "unexpected" not in sentence
    return sentences


def _refusal(ask: Callable[[], object]) -> str:
    try:
        ask()
    except NotFound:
        return ""
    except MunimentError as error:
        return str(error)
    return ""


def _streamed(client: Client, request: api.Request) -> None:
    """Read a stream to its end; the error of a run is raised."""
    for reply in client.stream(request):
        if isinstance(reply, api.RunSummary) and reply.error:
            raise VaultError(reply.error)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(edit, id=name, marks=[pytest.mark.soak] if number % 9 else [])
        for number, (name, edit) in enumerate(EDITS.items())
    ],
)
def test_a_catalog_that_contradicts_itself_gives_an_error_that_helps(
    folder: Path, tmp_path: Path, edit: str
) -> None:
    with served(folder) as (client, _):
        with closing(sqlite3.connect(folder / "catalog.db", isolation_level=None)) as database:
            database.executescript(edit)
        for sentence in survey(client, tmp_path):
            assert MENDS in sentence, sentence
        *_, done = client.stream(api.Rebuild(catalog=True, index=False))
        assert isinstance(done, api.Done)
        assert survey(client, tmp_path) == []


@pytest.mark.parametrize("every", [41, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("running", [False, True], ids=["at rest", "in use"])
def test_overwritten_pages_of_the_catalog_give_an_error_that_helps(
    folder: Path, tmp_path: Path, running: bool, every: int
) -> None:
    """Overwrite each page in turn with noise or zeros; outside the long run only each `every`th page."""
    open_vault(folder, write=True).close()
    whole = (folder / "catalog.db").read_bytes()
    noise = random.Random(7).randbytes(PAGE)
    pages = range(len(whole) // PAGE)
    for number in pages[::every]:
        damaged = tmp_path / f"page-{number}"
        shutil.copytree(folder, damaged)
        at = number * PAGE
        junk = noise if number % 2 else bytes(PAGE)
        if running:
            with served(damaged) as (client, _):
                (damaged / "catalog.db").write_bytes(whole[:at] + junk + whole[at + PAGE :])
                mended(client, tmp_path)
        else:
            (damaged / "catalog.db").write_bytes(whole[:at] + junk + whole[at + PAGE :])
            mended(TestVault(damaged).client, tmp_path)


def mended(client: Client, path: Path) -> None:
    """Check that the error says what to do, and that doing it helps."""
    for sentence in survey(client, path):
        assert MENDS in sentence, sentence
    *_, done = client.stream(api.Rebuild(catalog=True, index=False))
    assert isinstance(done, api.Done)
    assert survey(client, path) == []
