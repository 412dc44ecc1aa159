"""The commands for signed checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muniment.api import (
    CheckpointVerdict,
    Done,
    GetCheckpoint,
    NewCheckpointKey,
    NoteSigner,
    PublishCheckpoint,
    SignedCheckpoint,
    Step,
    VerifyCheckpoint,
)
from support.engine_double import HOSTILE, EngineDouble, assert_harmless, invoke

NOTE = "example.com/a\n9\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/a AAAAAAAA\n"
SHOWN = SignedCheckpoint(
    origin="example.com/a",
    keys=("example.com/a+01020304+AAAA",),
    key_file="/var/lib/key",
    signs=True,
    note=NOTE,
    size=9,
    root="0a" * 32,
    written=1_700_000_000,
    cosigners=("w.example/1",),
)


def test_the_last_note_is_shown_as_it_is() -> None:
    shown = invoke(EngineDouble({GetCheckpoint: SHOWN}), "checkpoint", "show")
    assert shown.code == 0
    assert shown.out.startswith(NOTE)
    for text in ("9 records", "w.example/1", "example.com/a+01020304+AAAA", "/var/lib/key"):
        assert text in shown.out
    as_json = invoke(EngineDouble({GetCheckpoint: SHOWN}), "checkpoint", "show", "--json")
    assert json.loads(as_json.out)["note"] == NOTE


def test_without_a_note_it_says_what_to_do() -> None:
    none = SignedCheckpoint(origin="", keys=(), key_file="/k", signs=False)
    shown = invoke(EngineDouble({GetCheckpoint: none}), "checkpoint", "show")
    assert "sign = true" in shown.out


def test_an_alarm_exits_with_6() -> None:
    alarm = SignedCheckpoint(
        **{**{f: getattr(SHOWN, f) for f in SHOWN.__struct_fields__}, "alarms": (HOSTILE,)}
    )
    shown = invoke(EngineDouble({GetCheckpoint: alarm}), "checkpoint", "show")
    assert (shown.code, "ALARM" in shown.out) == (6, True)
    assert_harmless(shown.out)


def test_a_request_for_a_witness_is_printed_alone() -> None:
    double = EngineDouble({GetCheckpoint: SignedCheckpoint("o", (), "/k", True, request="old 3\n\nnote\n")})
    shown = invoke(double, "checkpoint", "show", "--from", "3")
    assert (shown.code, shown.out) == (0, "old 3\n\nnote\n")
    assert double.asked == [GetCheckpoint(since=3)]


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_publishing_names_each_place(ok: bool, code: int) -> None:
    words = [Step(text="signed"), Step(text="the folder /x", ok=ok), Done(message="Checkpoint of 9 records.")]
    shown = invoke(EngineDouble({PublishCheckpoint: words}), "checkpoint", "publish")
    assert shown.code == code
    assert "the folder /x" in shown.out
    as_json = invoke(EngineDouble({PublishCheckpoint: words}), "checkpoint", "publish", "--json")
    assert [step["ok"] for step in json.loads(as_json.out)["steps"]] == [True, ok]


def test_a_file_is_compared(tmp_path: Path) -> None:
    file = tmp_path / "9.note"
    file.write_text(NOTE)
    signers = (NoteSigner(name="example.com/a", kind="archive", time=None), NoteSigner("w", "witness", 1))
    good = CheckpointVerdict(ok=True, state="unchanged", text="grown", size=9, root="00", signers=signers)
    double = EngineDouble({VerifyCheckpoint: good})
    shown = invoke(double, "checkpoint", "verify", str(file), "--key", "K")
    assert (shown.code, double.asked) == (0, [VerifyCheckpoint(note=NOTE, keys=("K",))])
    assert "signed by the archive example.com/a" in shown.out
    bad = CheckpointVerdict(ok=False, state="rewritten", text="others", size=9, root="00")
    refused = invoke(EngineDouble({VerifyCheckpoint: bad}), "checkpoint", "verify", str(file))
    assert (refused.code, "REWRITTEN" in refused.out) == (6, True)
    file.write_bytes(b"\xff")
    assert invoke(double, "checkpoint", "verify", str(file)).code == 2
    assert invoke(double, "checkpoint", "verify", str(tmp_path / "none")).code == 2


def test_a_new_key_needs_a_reason() -> None:
    double = EngineDouble({NewCheckpointKey: SHOWN})
    assert invoke(double, "checkpoint", "new-key").code == 2
    shown = invoke(double, "checkpoint", "new-key", "--reason", "burnt")
    assert (shown.code, double.asked) == (0, [NewCheckpointKey(reason="burnt")])
    assert "example.com/a+01020304+AAAA" in shown.out
