"""The screen of what outsiders hold: the last checkpoint, notes from elsewhere, certificates of erasure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from muniment import api
from muniment.errors import NotFound, UsageError
from muniment_tui.proof.evidence import EvidenceScreen
from support.engine_double import HOSTILE, EngineDouble, assert_harmless
from support.screens import LARGE, NOW, SMALL, app_on, drive, settled, shows, text_of

NOTE = (
    "example.com/muniment/4f2a\n20852\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com Az3g\n"
)
SIGNED = api.SignedCheckpoint(
    origin="example.com/muniment/4f2a", keys=("example.com/muniment/4f2a+8d66cf3f+AQ",), key_file="/k",
    signs=True, note=NOTE, size=20_852, root="ab" * 32, written=NOW, cosigners=("w.example/w1",),
    problems=("the witness https://w2.example can't be reached (timeout)",),
)  # fmt: skip
VERDICT = api.CheckpointVerdict(
    ok=True, state="unchanged", text="the ledger has grown from it by 12 records, unchanged", size=20_840,
    root="cd" * 32, stamped=NOW - 3600, stamped_by="CN=TSA",
    signers=(
        api.NoteSigner(name="example.com", kind="archive", time=None),
        api.NoteSigner(name="w.example/w1", kind="witness", time=NOW - 60),
    ),
)  # fmt: skip
CERTIFICATE = api.ErasureCertificate(text="CERTIFICATE OF ERASURE\nrecord 77\n", note="signed")


def engine(**answers: Any) -> EngineDouble:
    known: dict[Any, Any] = {
        api.GetCheckpoint: SIGNED, api.VerifyCheckpoint: VERDICT, api.GetErasureCertificate: CERTIFICATE,
    }  # fmt: skip
    return EngineDouble(known | {getattr(api, name): answer for name, answer in answers.items()})


async def open_it(pilot: Pilot[Any]) -> None:
    await pilot.app.push_screen(EvidenceScreen())
    await shows(pilot, "Last signed checkpoint")
    await settled(pilot)


async def paste(pilot: Pilot[Any], text: str) -> None:
    pilot.app.post_message(events.Paste(text))
    await settled(pilot)


def test_the_last_checkpoint_has_its_witnesses_stamp_and_problems(folder: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_it(pilot)
        await shows(pilot, "signed 2026")
        text = text_of(pilot.app)
        for part in ("20,852 records", "w.example/w1", "by CN=TSA", "https://w2.example can't be reached"):
            assert part in text

    double = engine()
    drive(app_on(double, folder), script, LARGE)
    assert api.VerifyCheckpoint(note=NOTE) in double.asked


@pytest.mark.parametrize("ends", ["\n", "\r", "\r\n"])
def test_a_pasted_note_is_compared_whole(folder: Path, ends: str) -> None:
    double = engine()

    async def script(pilot: Pilot[Any]) -> None:
        await open_it(pilot)
        double.asked.clear()
        await paste(pilot, NOTE.replace("\n", ends))
        await shows(pilot, "The ledger has grown from it by 12 records, unchanged.")

    drive(app_on(double, folder), script, LARGE)
    compared = [one for one in double.asked if isinstance(one, api.VerifyCheckpoint)]
    assert compared == [api.VerifyCheckpoint(note=NOTE)]


def test_a_note_in_a_file_is_compared_and_what_is_no_note_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "1.note").write_text(NOTE)
    double = engine()

    async def script(pilot: Pilot[Any]) -> None:
        await open_it(pilot)
        await pilot.press("o", *str(tmp_path / "1.note"), "enter")
        await shows(pilot, "Note of")
        await pilot.press("o", *str(tmp_path / "2.note"), "enter")
        await shows(pilot, "can't be read: No such file")
        double.answers[api.VerifyCheckpoint] = UsageError("this is no note")
        await paste(pilot, "hello")
        await shows(pilot, "this is no note")

    drive(app_on(double, folder), script, LARGE)
    assert double.asked[-1] == api.VerifyCheckpoint(note="hello\n")


def test_a_certificate_is_shown_by_record_or_id(folder: Path) -> None:
    double = engine()

    async def script(pilot: Pilot[Any]) -> None:
        await open_it(pilot)
        await pilot.press("c", *"77", "enter")
        await shows(pilot, "CERTIFICATE OF ERASURE")
        double.answers[api.GetErasureCertificate] = NotFound("nothing was erased by it")
        await pilot.press("c", *"88", "enter")
        await shows(pilot, "nothing was erased by it")

    drive(app_on(double, folder), script, LARGE)
    assert api.GetErasureCertificate(name="77") in double.asked


def test_hostile_texts_are_harmless(folder: Path) -> None:
    signed = api.SignedCheckpoint(
        origin=HOSTILE, keys=(HOSTILE,), key_file="", signs=True, note=NOTE, size=1, root=HOSTILE, written=1,
        problems=(HOSTILE,), alarms=(HOSTILE,),
    )  # fmt: skip
    verdict = api.CheckpointVerdict(
        ok=False, state="cut", text=HOSTILE, size=1, root="", stamped=1, stamped_by=HOSTILE,
        signers=(api.NoteSigner(name=HOSTILE, kind="witness", time=1),),
    )  # fmt: skip
    certificate = api.ErasureCertificate(text=HOSTILE)

    async def script(pilot: Pilot[Any]) -> None:
        await open_it(pilot)
        await paste(pilot, NOTE)
        assert_harmless(text_of(pilot.app))
        await pilot.press("c", "7", "enter")
        await settled(pilot)
        assert_harmless(text_of(pilot.app))

    double = engine(GetCheckpoint=signed, VerifyCheckpoint=verdict, GetErasureCertificate=certificate)
    drive(app_on(double, folder), script, LARGE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def test_the_picture_of_the_evidence(picture: Any, folder: Path) -> None:
    async def script(pilot: Pilot[Any]) -> None:
        await open_it(pilot)
        await paste(pilot, NOTE)
        await shows(pilot, "has grown from it")

    picture("proof-evidence", lambda: app_on(engine(), folder), script, (SMALL, LARGE))
