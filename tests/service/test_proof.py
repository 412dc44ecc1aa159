"""The proof of a vault: its checkpoint, what is remembered of verifications and backups, one at a time."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.ledger.local_segments import segment_path
from muniment.archive.operations.stage_progress import StageProgress
from muniment.errors import NotFound, UsageError, VaultError
from muniment.service.host.proof_memory import NAME, SENTENCES, load
from muniment.service.host.proof_turn import present
from muniment.service.operations.proving import StageSteps
from support.vaults import TestVault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    """A vault with a few records and no mail."""
    made = TestVault(tmp_path / "vault")
    add_user(made, "anna")
    yield made
    made.client.close()


def add_user(vault: TestVault, name: str) -> None:
    vault.client.call(api.AddUser(name=name, addresses=(f"{name}@example.com",)), api.Done)


def proof(vault: TestVault) -> api.Proof:
    return vault.client.call(api.GetProof(), api.Proof)


def verified(vault: TestVault, **options: object) -> api.Verified:
    *_, last = vault.client.stream(api.Verify(**options))  # type: ignore[arg-type]
    assert isinstance(last, api.Verified)
    return last


def test_a_new_vault_has_a_checkpoint_and_no_past(vault: TestVault) -> None:
    found = proof(vault)
    assert found.checkpoint == vault.status().checkpoint == f"{found.tree_size}:{found.root}"
    assert abs(found.written - time.time()) < 3600
    assert (found.verified, found.deep, found.backups, found.damage, found.doing) == (None, None, (), (), "")


def test_the_last_verification_and_the_last_deep_one_are_remembered(vault: TestVault) -> None:
    verified(vault, deep=True)
    add_user(vault, "bob")
    last = verified(vault)
    found = proof(vault)
    assert found.deep is not None
    assert found.verified is not None
    assert (found.deep.deep, found.verified.deep) == (True, False)
    assert found.deep.checkpoint != found.verified.checkpoint == last.checkpoint == found.checkpoint
    assert found.deep.ok
    assert found.verified.ok
    assert found.verified.who


def test_a_problem_is_remembered_until_a_verification_finds_none(vault: TestVault) -> None:
    earlier = proof(vault).checkpoint
    path = segment_path(vault.folder / "ledger", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    assert not verified(vault).ok
    found = proof(vault).verified
    assert found is not None
    assert not found.ok
    assert "offset" in found.problems[0]
    path.write_bytes(whole)
    assert verified(vault, was=(earlier,)).ok
    found = proof(vault).verified
    assert found is not None
    assert found.ok
    assert found.problems == ()


def test_a_noted_checkpoint_says_since_when_it_is_unchanged(vault: TestVault) -> None:
    before = proof(vault)
    add_user(vault, "bob")
    (noted,) = verified(vault, was=(before.checkpoint,)).was
    assert noted.state == "unchanged"
    assert noted.time == before.written
    assert "unchanged" in noted.text


def severity(vault: TestVault) -> str:
    """How bad the health finds the last verification."""
    health = vault.client.call(api.GetHealth(), api.Health)
    return next((one.severity for one in health.problems if one.key == "verify"), "")


@pytest.mark.parametrize("place", ["proof.json", "checkpoints"])
def test_a_checkpoint_that_the_vault_had_is_remembered_as_a_problem(vault: TestVault, place: str) -> None:
    size, _, root = proof(vault).checkpoint.partition(":")
    other = f"{size}:{root[::-1]}"
    verified(vault)
    path = vault.folder / place
    path.write_text(path.read_text().replace(root, root[::-1]))
    (noted,) = verified(vault, was=(other,)).was
    assert (noted.state, noted.time) == ("rewritten", 0)
    found = proof(vault).verified
    assert found is not None
    assert not found.ok
    assert found.problems[-1] == f"{other}: {noted.text}"
    assert severity(vault) == "critical"


@pytest.mark.parametrize("mistyped", ["root", "size"])
def test_a_checkpoint_that_nothing_knows_is_refused_but_is_no_damage(vault: TestVault, mistyped: str) -> None:
    size, _, root = proof(vault).checkpoint.partition(":")
    other = f"{size}:{root[::-1]}" if mistyped == "root" else f"{size}0:{root}"
    answer = verified(vault, was=(other,))
    assert not answer.ok, "the comparison must show it"
    found = proof(vault).verified
    assert found is not None
    assert found.ok
    assert found.problems == ()
    assert found.doubts == (f"{other}: {answer.was[0].text}",)
    assert severity(vault) == "warning"
    verified(vault)
    assert severity(vault) == ""


def test_only_some_of_many_comparisons_are_remembered(vault: TestVault) -> None:
    size, _, root = proof(vault).checkpoint.partition(":")
    others = [f"{int(size) + n}:{root}" for n in range(1, SENTENCES + 50)]
    assert len(verified(vault, was=tuple(others)).was) == len(others)
    found = proof(vault).verified
    assert found is not None
    assert len(found.doubts) == SENTENCES


def test_a_backup_is_remembered_with_what_it_holds(vault: TestVault, tmp_path: Path) -> None:
    folder = str(tmp_path / "backup")
    words = list(vault.client.stream(api.Backup(path=folder)))
    steps = [word.percent for word in words if isinstance(word, api.Step) and word.percent is not None]
    assert (steps[0], steps[-1]) == (0, 100)
    (done,) = proof(vault).backups
    assert (done.path, done.ok, done.checkpoint, done.whole) == (
        folder, True, proof(vault).checkpoint, done.time,
    )  # fmt: skip


def test_a_failed_backup_is_remembered_with_the_last_whole_one(vault: TestVault, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    for _ in vault.client.stream(api.Backup(path=str(target))):
        pass
    (whole,) = proof(vault).backups
    (target / "ledger" / "vault-id").write_text("0" * 16)
    with pytest.raises(UsageError, match="another vault"):
        list(vault.client.stream(api.Backup(path=str(target))))
    (failed,) = proof(vault).backups
    assert not failed.ok
    assert "another vault" in failed.error
    assert failed.whole == whole.time


def test_a_backup_that_is_not_used_any_more_is_forgotten(vault: TestVault, tmp_path: Path) -> None:
    gone, used = str(tmp_path / "gone it"), str(tmp_path / "used")
    list(vault.client.stream(api.Backup(path=gone)))
    (tmp_path / "gone it" / "ledger" / "vault-id").write_text("0" * 16)
    with pytest.raises(UsageError):
        list(vault.client.stream(api.Backup(path=gone)))

    def problems() -> dict[str, str]:
        found = vault.client.call(api.GetHealth(), api.Health).problems
        return {one.key: one.text for one in found if one.severity and one.key.startswith("backup")}

    forget = f"`muniment backup '{gone}' --forget`"
    assert forget in problems()["backup"]
    list(vault.client.stream(api.Backup(path=used)))
    assert forget in problems()["backup-left"]
    assert "its files stay" in vault.client.call(api.ForgetBackup(path=gone), api.Done).message
    assert problems() == {}
    assert [past.path for past in proof(vault).backups] == [used]
    assert (tmp_path / "gone it" / "ledger").exists()
    with pytest.raises(NotFound, match=r"remembered: .*used"):
        vault.client.call(api.ForgetBackup(path=gone), api.Done)


def test_a_backup_is_only_said_to_be_forgotten_when_it_is(
    vault: TestVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    target = str(tmp_path / "backup")
    list(vault.client.stream(api.Backup(path=target)))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("muniment.service.host.proof_memory.write_file", full)
    with pytest.raises(VaultError, match=r"proof\.json can't be written \(No space left on device\)"):
        vault.client.call(api.ForgetBackup(path=target), api.Done)
    assert [past.path for past in proof(vault).backups] == [target]
    assert verified(vault).ok, "a verification is done, also if it can't be remembered"
    assert "proof.json can't be written" in caplog.text


def test_a_verification_and_a_backup_take_turns(vault: TestVault, tmp_path: Path) -> None:
    first = vault.client.stream(api.Verify())
    next(first)
    second = vault.client.stream(api.Backup(path=str(tmp_path / "backup")))
    waiting = next(second)
    assert isinstance(waiting, api.Step)
    assert waiting.text.startswith("waiting until a verification by ")
    found = proof(vault)
    assert found.doing.startswith("a verification by ")
    assert found.since
    list(first)
    *_, done = second
    assert isinstance(done, api.Done)
    assert present(vault.folder) is None


def test_a_verification_that_is_stopped_leaves_no_turn_and_no_trace(vault: TestVault) -> None:
    stopped = vault.client.stream(api.Verify(deep=True))
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert present(vault.folder) is None
    assert proof(vault).verified is None


def test_a_waiting_backup_can_be_stopped(vault: TestVault, tmp_path: Path) -> None:
    first = vault.client.stream(api.Verify())
    next(first)
    waiting = vault.client.stream(api.Backup(path=str(tmp_path / "backup")))
    next(waiting)
    waiting.close()  # type: ignore[attr-defined]
    assert isinstance(list(first)[-1], api.Verified)
    assert proof(vault).backups == ()


def test_a_cut_ledger_is_known_damage_without_a_verification(vault: TestVault) -> None:
    path = segment_path(vault.folder / "ledger", 1)
    path.write_bytes(path.read_bytes()[:-300])
    found = proof(vault)
    assert any("was cut" in text for text in found.damage)


@pytest.mark.parametrize("content", [b"", b"{", b'{"verified": 1}', b"[" * 100_000, b"\xff\x00"])
def test_a_memory_that_cannot_be_read_is_empty(vault: TestVault, content: bytes) -> None:
    (vault.folder / NAME).write_bytes(content)
    assert load(vault.folder).verified is None
    assert verified(vault).ok
    found = proof(vault).verified
    assert found is not None
    assert found.ok


def test_the_progress_of_a_stage_has_percent_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    shown = StageSteps()
    steps = [shown.step(StageProgress("the ledger is read", done, 1000)) for done in (0, 100, 200)]
    assert [step.percent for step in steps] == [0, 10, 20]
    assert steps[-1].left == pytest.approx(80)
    assert steps[-1].text == "20% of the ledger is read"
    other = shown.step(StageProgress("the catalog is inspected", 1, 4))
    assert (other.percent, other.left) == (25, None)
    assert shown.step("comparing the index") == api.Step(text="comparing the index")
