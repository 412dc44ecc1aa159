"""verify, rebuild, backup."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from muniment.api import Backup, Done, ForgetBackup, Rebuild, Step, StopWork, Verified, Verify
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

SOUND = Verified(ok=True, records=12_345, messages=1000, tree_size=12_346, root="ab" * 32, problems=())
BROKEN = Verified(
    ok=False, records=5, messages=1, tree_size=6, root="cd" * 32, problems=("segment 1: bad frame", HOSTILE)
)


def test_a_sound_vault_is_verified() -> None:
    double = EngineDouble({Verify: [Step(text="segment 1"), SOUND]})
    result = invoke(double, "verify", "--deep")
    assert double.asked == [Verify(deep=True)]
    assert (result.code, result.err) == (0, "")
    assert "12,345 records, 1,000 messages" in result.out
    assert "ab" * 32 in result.out


def test_verify_counts_what_is_erased() -> None:
    erased = msgspec.structs.replace(SOUND, erased=1_234)
    result = invoke(EngineDouble({Verify: [erased]}), "verify")
    assert "1,234 of the records are erased, by recorded decisions." in result.out
    assert "erased" not in invoke(EngineDouble({Verify: [SOUND]}), "verify").out


def test_verify_in_json_is_the_contract() -> None:
    data = json.loads(invoke(EngineDouble({Verify: [Step(text="x"), SOUND]}), "verify", "--json").out)
    assert data == {
        "ok": True,
        "records": 12345,
        "messages": 1000,
        "tree_size": 12346,
        "root": "ab" * 32,
        "problems": [],
        "checkpoint": "",
        "was": [],
        "notes": [],
        "erased": 0,
    }
    assert list(data)[:6] == ["ok", "records", "messages", "tree_size", "root", "problems"]


def test_a_failed_verification_exits_6_and_names_each_problem() -> None:
    result = invoke(EngineDouble({Verify: [BROKEN]}), "verify")
    assert result.code == 6
    assert "Verification FAILED" in result.out
    assert "  segment 1: bad frame\n" in result.out
    assert "2 problems were found" in result.err
    assert_shown_harmlessly(result.out)
    assert invoke(EngineDouble({Verify: [BROKEN]}), "verify", "--json").code == 6


@pytest.mark.parametrize(
    ("argv", "catalog", "index"),
    [
        ([], True, True),
        (["--catalog"], True, False),
        (["--index"], False, True),
        (["--catalog", "--index"], True, True),
    ],
)
def test_rebuild(argv: list[str], catalog: bool, index: bool) -> None:
    double = EngineDouble({Rebuild: [Step(text="x"), Done(message="Rebuilt.")]})
    result = invoke(double, "rebuild", *argv)
    assert double.asked == [Rebuild(catalog=catalog, index=index)]
    assert (result.code, result.out) == (0, "Rebuilt.\n")


@pytest.mark.parametrize(("argv", "index"), [([], True), (["--catalog"], False), (["--index"], True)])
def test_accepting_damage_rebuilds_the_catalog(argv: list[str], index: bool) -> None:
    double = EngineDouble({Rebuild: [Step(text="damaged: x", ok=False), Done(message="Rebuilt.")]})
    result = invoke(double, "rebuild", *argv, "--accept-damage")
    assert double.asked == [Rebuild(catalog=True, index=index, accept_damage=True)]
    assert result.code == 1
    assert "damaged: x" in result.err


def test_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    double = EngineDouble({Backup: [Step(text="x"), Done(message="Backup is complete.")]})
    result = invoke(double, "backup", "copy")
    assert double.asked == [Backup(path=str(tmp_path / "copy"))]
    assert (result.code, result.out) == (0, "Backup is complete.\n")


def test_ctrl_c_stops_work_that_would_go_on_in_the_service() -> None:
    words: list[Any] = [Step(text="1", work=7), KeyboardInterrupt()]
    double = EngineDouble({Verify: words, StopWork: Done(message="The verification stops.")})
    assert invoke(double, "verify").code == 130
    assert double.asked == [Verify(), StopWork(number=7)]
    double = EngineDouble({Verify: [Step(text="1"), KeyboardInterrupt()]})
    assert invoke(double, "verify").code == 130
    assert double.asked == [Verify()]


def test_a_backup_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    double = EngineDouble({ForgetBackup: Done(message="Forgotten.")})
    result = invoke(double, "backup", "copy", "--forget")
    assert double.asked == [ForgetBackup(path=str(tmp_path / "copy"))]
    assert (result.code, result.out) == (0, "Forgotten.\n")


def test_steps_are_drawn_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    words = [Step(text="segment 1 of 9"), SOUND]
    assert "segment 1 of 9" in invoke(EngineDouble({Verify: words}), "verify", terminal=True).out
    assert "segment 1 of 9" not in invoke(EngineDouble({Verify: words}), "verify").out
