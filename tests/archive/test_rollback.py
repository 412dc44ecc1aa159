"""Loss of a part of the ledger: it is an alarm until an administrator has decided.

Until then no run starts, and no rebuild or other command writes, with or without catalog and index. A loss
that is accepted is recorded in the ledger.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest

from muniment.archive.ledger.check import check
from muniment.archive.ledger.codec import PayloadDecoder, RecordEncoder
from muniment.archive.ledger.frame import HEADER_SIZE
from muniment.archive.ledger.local_segments import LocalSegments, segment_path
from muniment.archive.ledger.model import Frame, LedgerRecord, RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.known_roots import CheckpointFile, alarms, read_file, require_whole
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.shown_alarms import KEPT, shown_alarms
from muniment.errors import LedgerDamaged, VaultError
from support.program import Program, fingerprint
from support.reports import plain, report
from support.rewriting import as_it_is, cut, heads, rewrite
from support.soak import in_soak
from support.vaults import TestVault


def letters(start: int, count: int) -> list[bytes]:
    return [report(plain(subject=f"Letter {n}", body=f"word{n}\n" * 50)) for n in range(start, start + count)]


SEGMENT = 3_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with five letters in several segments, and a backup of the first three."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        small_segments(patch)
        vault = TestVault(folder / "vault")
        vault.archive(letters(0, 3))
        Program(vault.folder)("backup", str(folder / "backup"))
        vault.archive(letters(3, 2))
        vault.client.close()
    return folder


def small_segments(patch: pytest.MonkeyPatch) -> None:
    for name in ("create", "open"):
        patch.setitem(getattr(Ledger, name).__func__.__kwdefaults__, "segment", SEGMENT)


@pytest.fixture
def vault(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestVault]:
    """A copy of the vault and its backup."""
    small_segments(monkeypatch)
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    copy = TestVault(tmp_path / "vault")
    yield copy
    copy.client.close()


# --- attacks on the disk ----------------------------------------------------------------------------


def cut_commits(vault: TestVault, count: int = 3) -> None:
    ledger = vault.folder / "ledger"
    cut(ledger, heads(ledger)[-1 - count])


def remove_segment(vault: TestVault) -> None:
    segment_path(vault.folder / "ledger", segments_of(vault.folder).numbers()[-1]).unlink()


def restore_ledger(vault: TestVault) -> None:
    shutil.rmtree(vault.folder / "ledger")
    shutil.copytree(vault.folder.parent / "backup" / "ledger", vault.folder / "ledger")


def restore_backup(vault: TestVault) -> None:
    shutil.copytree(vault.folder.parent / "backup", vault.folder, dirs_exist_ok=True)
    for number in segments_of(vault.folder).numbers():
        if not segment_path(vault.folder.parent / "backup" / "ledger", number).exists():
            segment_path(vault.folder / "ledger", number).unlink()


def damage_last_commit(vault: TestVault) -> None:
    """Flip a bit in the last commit, so that its batch looks like a torn tail."""
    ledger = vault.folder / "ledger"
    last = heads(ledger)[-1]
    path = segment_path(ledger, last.segment)
    data = bytearray(path.read_bytes()[: last.offset])
    data[-1] ^= 1
    path.write_bytes(data)


def without_a_message(vault: TestVault) -> None:
    """Rewrite the ledger without one message and its copy; every root is right."""
    ledger = vault.folder / "ledger"
    gone = {
        [frame.sha for frame in scan(LocalSegments(ledger)) if frame.kind is kind][1]
        for kind in (RecordKind.MESSAGE, RecordKind.ENVELOPE)
    }

    def edit(frame: Frame) -> LedgerRecord | None:
        return None if frame.sha in gone else as_it_is(frame)

    rewrite(ledger, edit, segment=SEGMENT)


def same_length(vault: TestVault) -> None:
    """Change a number in the record of a run, so that the ledger keeps its length."""
    ledger = vault.folder / "ledger"
    run = next(frame for frame in scan(LocalSegments(ledger)) if frame.kind is RecordKind.RUN)

    def edit(frame: Frame) -> LedgerRecord | None:
        if frame.sequence != run.sequence:
            return as_it_is(frame)
        return RecordEncoder().encode(
            RecordKind.RUN, PayloadDecoder().payload(frame).replace(b'"new":3', b'"new":4')
        )

    rewrite(ledger, edit, segment=SEGMENT)


def other_ledger(vault: TestVault) -> None:
    other = TestVault(vault.folder.parent / "other")
    other.archive(letters(0, 9))
    shutil.rmtree(vault.folder / "ledger")
    shutil.copytree(other.folder / "ledger", vault.folder / "ledger")


LOSSES: dict[str, Callable[[TestVault], None]] = {
    "the last commits cut": cut_commits,
    "one commit cut": lambda vault: cut_commits(vault, 1),
    "all but one commit cut": lambda vault: cut_commits(vault, len(heads(vault.folder / "ledger")) - 1),
    "the last segment removed": remove_segment,
    "an older ledger restored": restore_ledger,
    "an older backup restored": restore_backup,
    "the last commit damaged": damage_last_commit,
    "rewritten without a message": without_a_message,
    "rewritten at the same length": same_length,
    "another vault's ledger": other_ledger,
}

PLACES = ("catalog.db", "index", "checkpoints", "notify.json")
"""The files that remember states of the ledger."""


def forget(vault: TestVault, places: tuple[str, ...]) -> None:
    for place in places:
        if (vault.folder / place).is_dir():
            shutil.rmtree(vault.folder / place)
        for path in vault.folder.glob(f"{place}*"):
            path.unlink()


def remember(vault: TestVault) -> None:
    """Write the memory of notices as a service does a minute after a run."""
    with_notices = open_vault(vault.folder, write=False)
    head, vault_id = with_notices.head, with_notices.catalog.vault_id
    with_notices.close()
    state = {"vault": vault_id.hex(), "tree_size": head.tree_size, "root": head.root.hex()}
    state |= {"segment": head.segment, "offset": head.offset}
    (vault.folder / "notify.json").write_text(json.dumps({"version": 1, "checkpoint": state}))


WRITING = (
    ("rebuild",),
    ("rebuild", "--catalog"),
    ("rebuild", "--index"),
    ("users", "add", "Z", "z@example.com"),
)


BEYOND_THE_INDEX = (
    "one commit cut",
    "the last segment removed",
    "the last commit damaged",
    "another vault's ledger",
)
"""Losses that the index does not show: it is committed before the run's record, and belongs to one vault."""
SHORT = "the last commits cut"
"""The loss that an ordinary run of the tests tries with each single place."""
MEMORIES = [
    pytest.param(
        loss, left, marks=() if left == PLACES or loss == "the last commits cut" else pytest.mark.soak
    )
    for loss in LOSSES
    for left in (PLACES, *((place,) for place in PLACES))
    if not (left == ("index",) and loss in BEYOND_THE_INDEX)
]


@pytest.mark.parametrize(("loss", "left"), MEMORIES)
def test_every_loss_is_found(vault: TestVault, loss: str, left: tuple[str, ...]) -> None:
    """As long as one place remembers the ledger, every command that writes is refused without a change."""
    remember(vault)
    program, noted = Program(vault.folder), vault.status().checkpoint
    LOSSES[loss](vault)
    forget(vault, tuple(place for place in PLACES if place not in left))
    before = fingerprint(vault.folder)
    commands = WRITING if left == PLACES else WRITING[:1]
    for command in commands:
        message = program.refuses(6, *command)
        assert "--accept-damage" in message
        assert "no run starts" in message
    assert fingerprint(vault.folder) == before
    found = program.say("verify", "--was", noted, "--json").json
    assert not found["ok"]
    assert found["problems"]
    assert found["was"][0]["state"] in ("cut", "rewritten")


@pytest.mark.parametrize("loss", [*list(LOSSES)[:3], *in_soak(*list(LOSSES)[3:])])
def test_an_accepted_loss_is_recorded(vault: TestVault, loss: str) -> None:
    remember(vault)
    program, noted = Program(vault.folder), vault.status().checkpoint
    size, root = noted.split(":")
    LOSSES[loss](vault)
    program("rebuild", "--accept-damage")
    event = program.ask("audit")["events"][0]
    assert event["event"] == "loss accepted"
    assert event["uid"] == vault.folder.stat().st_uid
    assert event["at"] if "at" in event else event["time"]
    assert {"source": "the catalog", "tree_size": int(size), "root": root} in [
        {name: one[name] for name in ("source", "tree_size", "root")} for one in event["known"]
    ]
    held = event["held"]["tree_size"]
    assert event["lost"] == max(0, int(size) - held)
    assert check(segments_of(vault.folder), deep=True).problems == []
    # Everything works again, and a checkpoint that is kept elsewhere still shows the loss.
    assert vault.archive(letters(20, 1)).state == "ok"
    assert vault.verify().problems == ()
    assert program.say("verify", "--was", noted).code == 6
    assert "known" in json.loads(json.dumps(event))


def test_an_accepted_loss_is_in_the_audit_trail(vault: TestVault) -> None:
    cut_commits(vault)
    program = Program(vault.folder)
    program("rebuild", "--accept-damage")
    assert "accepted a loss" in program("audit").out
    assert "the ledger was cut" in program("audit", "--json").out


# --- no losses ---------------------------------------------------------------------------------------


def test_removing_catalog_and_index_is_no_loss(vault: TestVault) -> None:
    forget(vault, ("catalog.db", "index"))
    program = Program(vault.folder)
    program("users", "add", "Z", "z@example.com")
    program("rebuild", "--index")
    vault.sound()
    assert [event["event"] for event in program.ask("audit")["events"]] == []


def test_a_backup_restored_elsewhere_is_no_loss(vault: TestVault) -> None:
    again = vault.folder.parent / "again"
    shutil.copytree(vault.folder.parent / "backup", again)
    Program(again)("rebuild")
    assert Program(again)("verify", "--deep").code == 0
    assert [note.head.tree_size for note in read_file(again)] == [heads(again / "ledger")[-1].tree_size]


def test_a_ledger_that_was_compressed_again_is_no_loss(vault: TestVault) -> None:
    """Its frames moved and prove the same; the catalog's positions are wrong, so it is rebuilt."""
    last = [frame for frame in scan(segments_of(vault.folder)) if frame.codec & 0xF][-1]

    def edit(frame: Frame) -> LedgerRecord | None:
        if frame.sequence != last.sequence:
            return as_it_is(frame)
        return LedgerRecord(
            frame.kind, frame.sha, frame.size, frame.codec & ~0xF, PayloadDecoder().payload(frame)
        )

    before = heads(vault.folder / "ledger")
    rewrite(vault.folder / "ledger", edit, segment=SEGMENT)
    after = heads(vault.folder / "ledger")
    assert [(head.tree_size, head.root) for head in before] == [(head.tree_size, head.root) for head in after]
    assert before != after
    assert alarms(vault.folder) == []
    Program(vault.folder)("rebuild")
    vault.sound()


def test_damage_in_a_noted_commit_is_damage(vault: TestVault) -> None:
    """A flipped bit in the commit frame of a checkpoint is not reported as a loss."""
    ledger = vault.folder / "ledger"
    noted = read_file(vault.folder)[-1].head
    vault.archive(letters(5, 3))
    forget(vault, ("checkpoints",))
    CheckpointFile(vault.folder, open_vault(vault.folder, write=False).catalog.vault_id).now(noted)
    path = segment_path(ledger, noted.segment)
    data = bytearray(path.read_bytes())
    data[noted.offset - 5] ^= 1
    path.write_bytes(data)
    assert alarms(vault.folder) == []


# --- the file ------------------------------------------------------------------------------------------


def test_the_file_has_the_last_state_of_the_ledger(vault: TestVault) -> None:
    ledger = vault.folder / "ledger"
    assert read_file(vault.folder)[-1].head == heads(ledger)[-1]
    assert (vault.folder / "checkpoints").stat().st_mode & 0o777 == 0o600
    for n in range(6, 9):
        vault.archive(letters(n, 1))
        assert read_file(vault.folder)[-1].head == heads(ledger)[-1]


@pytest.mark.parametrize("how", ["removed", "emptied", "garbage", "no checkpoint in it"])
def test_a_removed_or_damaged_file_is_named_and_recorded(vault: TestVault, how: str) -> None:
    path = vault.folder / "checkpoints"
    text = {"emptied": "", "garbage": "\0\xff{", "no checkpoint in it": ""}.get(how)
    if how == "removed":
        path.unlink()
    elif how == "no checkpoint in it":
        path.write_text(json.dumps(json.loads(path.read_text()) | {"checkpoints": []}))
    else:
        path.write_text(text or "")
    (problem,) = vault.verify(deep=False).problems
    assert "the file checkpoints" in problem
    assert "the catalog knows" in problem
    program = Program(vault.folder)
    program("users", "add", "Z", "z@example.com")
    (event,) = program.ask("audit")["events"]
    assert event["event"] == "checkpoints lost"
    assert "the file checkpoints" in event["said"]
    vault.sound()


@pytest.mark.parametrize("field", ["tree_size", "root"])
@pytest.mark.parametrize("place", ["checkpoints", "notify.json"])
def test_an_edited_note_is_an_alarm(vault: TestVault, place: str, field: str) -> None:
    remember(vault)
    path = vault.folder / place
    value = json.loads(path.read_text())
    note = value["checkpoint"] if place == "notify.json" else value["checkpoints"][-1]
    note[field] = note[field] + 7 if field == "tree_size" else "ab" * 32
    path.write_text(json.dumps(value))
    assert "--accept-damage" in Program(vault.folder).refuses(6, "rebuild")
    assert any(place in problem for problem in vault.verify(deep=False).problems)


def test_a_file_of_a_newer_program_is_not_changed(vault: TestVault) -> None:
    path = vault.folder / "checkpoints"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    before = path.read_bytes()
    assert "newer Muniment" in Program(vault.folder).refuses(4, "users", "add", "Z", "z@example.com")
    assert path.read_bytes() == before


def test_the_last_checkpoint_of_each_day_is_kept_with_any_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vault: TestVault
) -> None:
    """The clock may go back; checkpoints are in the order of the ledger, and the newest always stays."""
    from muniment.archive.vault import known_roots

    class Clock(datetime):
        day_now = 1

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2026, 5, cls.day_now, tzinfo=UTC)

    monkeypatch.setattr(known_roots, "datetime", Clock)
    states = heads(vault.folder / "ledger")
    kept = CheckpointFile(vault.folder, read_file(vault.folder)[0].vault)
    kept.begin()
    for n, state in enumerate(states):
        Clock.day_now = (5, 5, 4, 3)[n % 4]
        kept.now(state)
    found = [note.head for note in read_file(vault.folder)]
    assert found == sorted(found, key=lambda head: head.tree_size)
    assert found[-1] == states[-1]
    assert len(found) == 3


# --- as screens show it -------------------------------------------------------------------------------


def test_screens_read_an_altered_ledger_once_until_it_changes(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[object] = []

    def counted(segments: SegmentStore, **given: Any) -> Any:
        readings.append(given)
        return check(segments, **given)

    monkeypatch.setattr("muniment.archive.vault.known_roots.check", counted)
    now = [0.0]

    def texts() -> list[str]:
        return [one.text for one in shown_alarms(vault.folder, lambda: now[0])]

    assert texts() == []
    assert readings == []
    same_length(vault)
    first = texts()
    with ThreadPoolExecutor(4) as pool:
        shown = list(pool.map(lambda _: texts(), range(8)))
    assert first
    assert shown == [first] * 8
    assert len(readings) == 1
    now[0] += KEPT
    assert texts() == first
    assert len(readings) == 2, "bytes may have changed unseen"
    for _ in range(2):  # each writer looks for itself
        with pytest.raises(LedgerDamaged):
            require_whole(vault.folder)
    assert len(readings) == 4
    remove_segment(vault)
    assert texts() != first


# --- while a service writes -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cut", "removed", "replaced"])
def test_a_ledger_that_is_changed_while_it_is_written_is_not_written_further(
    vault: TestVault, how: str
) -> None:
    """Otherwise a run would go on, and delete mail at the source that is stored nowhere else."""
    writer = open_vault(vault.folder, write=True)
    try:
        writer.log([{"event": "read"}])
        head = writer.ledger.head
        path = segment_path(vault.folder / "ledger", head.segment)
        if how == "cut":
            path.write_bytes(path.read_bytes()[: head.offset - HEADER_SIZE])
        elif how == "removed":
            path.unlink()
        else:
            copy = path.with_suffix(".copy")
            shutil.copy(path, copy)
            copy.replace(path)
        with pytest.raises(VaultError, match="by another program"):
            writer.log([{"event": "read"}])
        assert writer.dead
    finally:
        writer.close()


def test_a_rebuild_in_a_service_accepts_no_loss(vault: TestVault) -> None:
    """The ledger is cut while the service has it open; the old catalog stays in use."""
    writer = open_vault(vault.folder, write=True)
    try:
        writer.renew_catalog()
        before = writer.catalog.head
        cut_commits(vault)
        with pytest.raises(LedgerDamaged, match="--accept-damage"):
            writer.renew_catalog()
        assert writer.catalog.head == before
    finally:
        writer.close()


def test_a_renamed_segment_is_damage(vault: TestVault) -> None:
    ledger = vault.folder / "ledger"
    last = LocalSegments(ledger).numbers()[-1]
    segment_path(ledger, last).rename(segment_path(ledger, last + 1))
    message = Program(vault.folder).refuses(6, "users", "add", "Z", "z@example.com")
    assert "the file was renamed" in message
    assert any("the file is missing" in problem for problem in vault.verify(deep=False).problems)
