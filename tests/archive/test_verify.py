"""Verification: it names every problem, and raises no false alarm while the vault is written."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.catalog import EMPTY
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.ledger.check import LedgerCheck, check
from muniment.archive.ledger.frame import HEADER_SIZE
from muniment.archive.ledger.local_segments import segment_path
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.writer import Ledger
from muniment.archive.operations import verify
from muniment.archive.operations.stage_progress import StageProgress
from muniment.archive.operations.verify import VerifyLimits, verify_vault
from muniment.archive.proof import lookups
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from support.program import Program
from support.reports import plain, report
from support.vaults import TestVault, put


def letters(start: int, count: int) -> list[bytes]:
    return [report(plain(subject=f"Letter {n}")) for n in range(start, start + count)]


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestVault]:
    """A vault with five letters, whose segments are sealed past 2 kB."""
    for name in ("create", "open"):
        monkeypatch.setitem(getattr(Ledger, name).__func__.__kwdefaults__, "segment", 2_000)
    made = TestVault(tmp_path / "vault")
    made.archive(letters(0, 5))
    yield made
    made.client.close()


def problems(vault: Vault, limits: VerifyLimits = verify.LIMITS) -> list[str]:
    *_, found = verify_vault(vault, deep=True, limits=limits)
    assert isinstance(found, LedgerCheck)
    return found.problems


@pytest.mark.parametrize("moment", ["before", "after"])
def test_records_that_are_added_meanwhile_are_no_problem(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A run begins after the check has begun, and ends before it compares."""

    def beside(*words: Any, **named: Any) -> LedgerCheck:
        if moment == "before":
            vault.archive(letters(5, 3))
        found = check(*words, **named)
        if moment == "after":
            vault.archive(letters(5, 3))
        return found

    monkeypatch.setattr(verify, "check", beside)
    reader = open_vault(vault.folder, write=False)
    try:
        assert problems(reader) == []
    finally:
        reader.close()
    assert vault.status().messages == 8


@pytest.mark.parametrize("page", [1, lookups.PAGE])
def test_keys_that_are_deleted_before_or_meanwhile_are_no_problem(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    vault.archive(letters(5, 3), delete=True)
    new = vault.maildir("later", delete=False)
    put(new, letters(8, 3))
    vault.run("later")

    def beside(*words: Any, **named: Any) -> LedgerCheck:
        fields = {"source": "maildir", "path": str(new.parent), "delete": True, "enabled": True}
        vault.client.call(api.PutProfile(name="later", fields=fields, new=False), api.Done)
        assert vault.run("later").deleted == 3
        return check(*words, **named)

    monkeypatch.setattr(verify, "check", beside)
    reader = open_vault(vault.folder, write=False)
    try:
        assert problems(reader, VerifyLimits(page=page)) == []
    finally:
        reader.close()


@pytest.mark.parametrize("call", ["totals", "index_behind"])
def test_mail_archived_while_the_index_is_compared_is_no_problem(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A batch is committed before or after each number that the comparison reads."""
    for moment in ("before", "after"):
        reader = open_vault(vault.folder, write=False)
        asked: Callable[..., Any] = getattr(SqliteCatalog, call)
        waiting = [letters(vault.status().messages, 2)]

        def beside(
            catalog: SqliteCatalog,
            *arguments: Any,
            asked: Callable[..., Any] = asked,
            waiting: list[list[bytes]] = waiting,
            moment: str = moment,
        ) -> Any:
            if waiting and moment == "before":
                vault.archive(waiting.pop())
            found = asked(catalog, *arguments)
            if waiting:
                vault.archive(waiting.pop())
            return found

        try:
            with monkeypatch.context() as patch:
                patch.setattr(SqliteCatalog, call, beside)
                assert verify.index_problems(reader) == []
        finally:
            reader.close()
        assert not waiting


def test_records_that_the_catalog_lacks_are_counted(vault: TestVault, tmp_path: Path) -> None:
    shutil.copy(vault.folder / "catalog.db", tmp_path / "old.db")
    shutil.copytree(vault.folder / "index", tmp_path / "index")
    vault.archive(letters(5, 3))
    for path in vault.folder.glob("catalog.db*"):
        path.unlink()
    shutil.rmtree(vault.folder / "index")
    shutil.copy(tmp_path / "old.db", vault.folder / "catalog.db")
    shutil.copytree(tmp_path / "index", vault.folder / "index")
    (problem,) = vault.verify().problems
    assert "records behind the ledger: run `muniment rebuild --catalog`" in problem
    vault.rebuild()
    vault.sound()


def test_a_catalog_that_lost_a_copy_is_a_problem(vault: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = SqliteCatalog.apply

    def losing(self: SqliteCatalog, facts: Any, *rest: Any) -> None:
        apply(self, [fact for fact in facts if type(fact).__name__ != "EnvelopeFact"], *rest)

    monkeypatch.setattr(SqliteCatalog, "apply", losing)
    vault.archive(letters(5, 1))
    assert any("records of copies" in problem for problem in vault.verify().problems)


def test_a_message_that_was_appended_again_is_counted_once(vault: TestVault) -> None:
    mails = letters(0, 5)
    message = next(frame for frame in scan(segments_of(vault.folder)) if frame.kind is RecordKind.MESSAGE)
    segment = segment_path(vault.folder / "ledger", message.position.segment)
    whole = segment.read_bytes()
    at = message.position.offset + HEADER_SIZE
    segment.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert vault.archive(mails[:1], delete=True).deleted == 1
    segment.write_bytes(whole)  # as if restored from a backup
    assert sum(frame.kind is RecordKind.MESSAGE for frame in scan(segments_of(vault.folder))) == 6
    found = vault.verify()
    assert (found.problems, found.messages) == ((), 5)
    vault.rebuild()
    found = vault.verify()
    assert (found.problems, found.messages) == ((), 5)


def test_closing_the_generator_stops_the_check() -> None:
    """The check would never end by itself; it stops in its next call of `progress`."""
    ended = threading.Event()

    def endless(progress: Callable[[int, int], None]) -> LedgerCheck:
        try:
            while True:
                progress(1, 4)
                time.sleep(0.001)
        finally:
            ended.set()

    steps = verify._stoppable(endless, every=0.01)
    while str(next(steps)) != "25% of the ledger is read":
        pass
    steps.close()
    assert ended.is_set()


class Stopped(Exception):
    """Raised by a caller that no longer waits for a check."""


def stop(done: int, total: int) -> None:
    raise Stopped


def test_the_comparison_of_the_index_is_stopped_between_shards(vault: TestVault) -> None:
    with closing(open_vault(vault.folder, write=False)) as reader:
        seen: list[tuple[int, int]] = []
        assert verify.index_problems(reader, True, lambda *far: seen.append(far)) == []
        assert seen == [(0, 2), (1, 2)], "the files of one shard, and its documents"
        for deep in (False, True):
            with pytest.raises(Stopped):
                verify.index_problems(reader, deep, stop)


def test_the_search_for_deleted_keys_is_stopped_between_records(vault: TestVault) -> None:
    with closing(open_vault(vault.folder, write=False)) as reader:
        looked_up = lookups.CatalogLookups(reader.segments, reader.catalog)
        looked_up._missing[("host", "mailbox", "folder"), "key"] = None
        with pytest.raises(Stopped):
            looked_up.differences(EMPTY, stop)


@pytest.mark.parametrize(
    ("part", "stage"),
    [("index_problems", "the index is compared"), ("CatalogLookups", "content and keys are looked up")],
)
def test_each_long_part_of_a_verification_can_be_stopped(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch, part: str, stage: str
) -> None:
    ended = threading.Event()

    def endless(*_: object, progress: Callable[[int, int], None]) -> list[str]:
        try:
            while True:
                progress(0, 0)
                time.sleep(0.001)
        finally:
            ended.set()

    class Endless(lookups.CatalogLookups):
        differences = endless  # type: ignore[assignment]

    monkeypatch.setattr(verify, part, endless if part == "index_problems" else Endless)
    with closing(open_vault(vault.folder, write=False)) as reader:
        words = verify_vault(reader, deep=False)
        assert any(isinstance(word, StageProgress) and word.what == stage for word in words)
        words.close()  # type: ignore[attr-defined]
    assert ended.is_set()


def test_a_checkpoint_proves_everything_before_it(vault: TestVault) -> None:
    program = Program(vault.folder)
    first = vault.status().checkpoint
    assert first == vault.verify().checkpoint
    vault.archive(letters(5, 3))
    found = program("verify", "--was", first, "--json").json
    assert (found["ok"], [one["state"] for one in found["was"]]) == (True, ["unchanged"])
    size = int(first.partition(":")[0])
    forged = f"{size}:{'ab' * 32}"
    beyond = f"{size + 1000}:{'ab' * 32}"
    output = program.say("verify", "--was", first, "--was", forged, "--was", beyond)
    assert output.code == 6
    assert "Verification FAILED" in output.out
    assert f"{first[:32]}: the ledger has grown from it" in output.out
    assert f"{forged[:32]}: the ledger was rewritten" in output.out
    assert f"{beyond[:32]}: the ledger was cut or set back" in output.out
    assert "2 problems were found" in output.err
    found = program.say("verify", "--was", first, "--was", forged, "--json").json
    assert [one["state"] for one in found["was"]] == ["unchanged", "rewritten"]
    assert (found["ok"], found["problems"]) == (False, [])
    assert "give SIZE:ROOT" in program.refuses(2, "verify", "--was", "12")


def test_a_checkpoint_is_compared_without_a_catalog(vault: TestVault) -> None:
    noted = vault.status().checkpoint
    for path in vault.folder.glob("catalog.db*"):
        path.unlink()
    found = Program(vault.folder).say("verify", "--was", noted, "--was", f"3:{'ab' * 32}", "--json").json
    assert [one["state"] for one in found["was"]] == ["unchanged", "rewritten"]


def test_a_checkpoint_after_the_catalogs_head_is_compared(vault: TestVault, tmp_path: Path) -> None:
    """A catalog may be behind its ledger, and the checkpoint is newer than the catalog."""
    shutil.copy(vault.folder / "catalog.db", tmp_path / "old.db")
    vault.archive(letters(5, 3))
    noted = vault.status().checkpoint
    for path in vault.folder.glob("catalog.db*"):
        path.unlink()
    shutil.copy(tmp_path / "old.db", vault.folder / "catalog.db")
    found = Program(vault.folder).say("verify", "--was", noted, "--json").json
    assert [one["state"] for one in found["was"]] == ["unchanged"]
