"""erase and certificate: the question, what is said, exit codes."""

import io
import json
from pathlib import Path

import pytest

from muniment.api import (
    CheckErasure,
    Erase,
    Erasure,
    ErasureCertificate,
    ErasurePreview,
    GetErasureCertificate,
    PassedOver,
    RefusedErasure,
    Step,
)
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke

ID, OTHER = "3f9a21c0" + "0" * 56, "9be1770c" + "0" * 56
HELD = RefusedErasure(id=OTHER, reason="legal hold Fall 7")
PREVIEW = ErasurePreview(messages=2, copies=5, bytes=12_000, oldest=1_700_000_000, newest=1_710_000_000)
DONE = Erasure(messages=2, records=(20417,), erased=9, bytes=3_000)
BASIS = ("--basis", "Art. 17")


class Keyboard(io.StringIO):
    """What a person types on a terminal."""

    def isatty(self) -> bool:
        return True


def engine(preview: ErasurePreview = PREVIEW, done: Erasure = DONE) -> EngineDouble:
    return EngineDouble({CheckErasure: preview, Erase: [Step(text="erasing 9 records"), done]})


def asked(double: EngineDouble) -> list[Erase]:
    return [one for one in double.asked if isinstance(one, Erase)]


@pytest.mark.parametrize(("answer", "erased"), [("y", True), ("yes", True), ("", False), ("n", False)])
def test_it_asks_first_and_enter_means_no(answer: str, erased: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    double = engine()
    monkeypatch.setattr("sys.stdin", Keyboard(f"{answer}\n"))
    result = invoke(double, "erase", ID, *BASIS, terminal=True)
    assert "Erase 2 messages for ever? Nothing brings them back. [y/N]" in result.out
    assert "with 5 copies" in result.out
    assert (result.code, len(asked(double))) == ((0, 1) if erased else (1, 0))
    assert ("Nothing was erased." in result.out) is not erased


def test_yes_must_name_the_exact_number() -> None:
    double = engine()
    result = invoke(double, "erase", ID, *BASIS, "--yes", "3")
    assert (result.code, asked(double)) == (2, [])
    assert "2 messages would be erased, not 3" in result.err
    result = invoke(double, "erase", ID, *BASIS, "--yes", "2")
    assert result.code == 0
    assert asked(double) == [Erase(ids=(ID,), basis="Art. 17")]
    assert "2 messages erased: 9 records of 3.0 kB." in result.out
    assert "muniment certificate 20417" in result.out


def test_without_a_terminal_it_erases_nothing_unasked() -> None:
    double = engine()
    for more in ([], ["--json"]):
        result = invoke(double, "erase", ID, *BASIS, *more)
        assert (result.code, asked(double)) == (2, [])
        assert "add --yes 2 to erase 2 messages" in result.err


def test_a_basis_and_a_message_are_needed() -> None:
    assert invoke(engine(), "erase", ID).code == 2
    assert invoke(engine(), "erase", *BASIS).code == 2


def test_ids_come_from_a_file_as_well(tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(f"# found by ada\n{ID}\n\n  {OTHER}  \n")
    double = engine()
    assert (
        invoke(double, "erase", "abcdef01", "--from-file", str(tmp_path / "ids"), *BASIS, "--yes", "2").code
        == 0
    )
    assert asked(double)[0].ids == ("abcdef01", ID, OTHER)
    assert asked(double)[0].pass_over
    (tmp_path / "ids").write_bytes(b"\xff\xfe")
    result = invoke(engine(), "erase", "--from-file", str(tmp_path / "ids"), *BASIS, "--yes", "2")
    assert result.code == 2
    assert "UTF-8" in result.err


UNKNOWN = PassedOver(id="12345678", reason="there is no message 12345678")
GONE = PassedOver(id=OTHER, reason="message 9be1770c0000 was erased on 2026-09-21", erased=True)


@pytest.mark.parametrize(
    ("passed", "refused", "code"),
    [((GONE,), (), 16), ((GONE, UNKNOWN), (), 10), ((GONE, UNKNOWN), (HELD,), 17), ((), (), 0)],
)
def test_each_id_of_a_file_that_is_passed_over_is_named(
    passed: tuple[PassedOver, ...], refused: tuple[RefusedErasure, ...], code: int, tmp_path: Path
) -> None:
    (tmp_path / "ids").write_text(f"{ID}\n{OTHER}\n12345678\n")
    command = ("erase", "--from-file", str(tmp_path / "ids"), *BASIS)
    preview = ErasurePreview(
        messages=1, copies=1, bytes=1, oldest=0, newest=0, passed=passed, refused=refused
    )
    done = Erasure(messages=1, records=(7,), erased=2, bytes=9, passed=passed, refused=refused)
    result = invoke(engine(preview, done), *command, "--yes", "1")
    assert result.code == code
    for one in passed:
        assert f"{one.id} is passed over: {one.reason}." in result.err
    none = ErasurePreview(messages=0, copies=0, bytes=0, oldest=0, newest=0, passed=passed, refused=refused)
    double = engine(none)
    result = invoke(double, *command, "--json")
    assert (result.code, asked(double)) == (code, [])
    assert [one["id"] for one in json.loads(result.out)["passed"]] == [one.id for one in passed]


def test_a_typed_id_is_never_passed_over() -> None:
    double = engine()
    invoke(double, "erase", ID, *BASIS, "--yes", "2")
    assert not asked(double)[0].pass_over


def test_protected_messages_are_named_and_the_exit_code_says_so() -> None:
    preview = ErasurePreview(messages=1, copies=1, bytes=1, oldest=0, newest=0, refused=(HELD,))
    done = Erasure(messages=1, records=(7,), erased=2, bytes=9, refused=(HELD,), needed=1, unreadable=70)
    result = invoke(engine(preview, done), "erase", ID, OTHER, *BASIS, "--yes", "1")
    assert result.code == 17
    assert "9be1770c0000 stays: legal hold Fall 7" in result.err
    assert "still stored" in result.err
    assert "not known" in result.err
    none = ErasurePreview(messages=0, copies=0, bytes=0, oldest=0, newest=0, refused=(HELD,) * 22)
    double = engine(none)
    result = invoke(double, "erase", OTHER, *BASIS)
    assert (result.code, asked(double)) == (17, [])
    assert "2 more stay" in result.err
    result = invoke(engine(none), "erase", OTHER, *BASIS, "--json")
    assert json.loads(result.out)["refused"][0] == {"id": OTHER, "reason": "legal hold Fall 7"}


def test_erase_in_json() -> None:
    result = invoke(engine(), "erase", ID, *BASIS, "--yes", "2", "--json")
    assert json.loads(result.out) == {
        "messages": 2, "records": [20417], "erased": 9, "bytes": 3000, "refused": [], "needed": 0,
        "unreadable": 0, "traces": "", "message": "", "approval": "", "passed": [],
    }  # fmt: skip


def test_certificate() -> None:
    full = ErasureCertificate(
        text="CERTIFICATE\nline\n", value={"record": 7}, note="CERTIFICATE\n\n— key x\n"
    )
    double = EngineDouble({GetErasureCertificate: full})
    assert invoke(double, "certificate", "7").out == "CERTIFICATE\nline\n"
    assert double.asked == [GetErasureCertificate(name="7")]
    assert invoke(double, "certificate", "7", "--note").out == "CERTIFICATE\n\n— key x\n"
    assert json.loads(invoke(double, "certificate", "7", "--json").out) == {"record": 7, "note": full.note}
    unsigned = EngineDouble({GetErasureCertificate: ErasureCertificate(text="x\n")})
    assert invoke(unsigned, "certificate", "7", "--note").code == 2


def test_hostile_texts_are_harmless() -> None:
    refused = (RefusedErasure(id=ID, reason=HOSTILE),)
    done = Erasure(messages=1, records=(7,), erased=2, bytes=9, refused=refused, traces=HOSTILE)
    result = invoke(engine(PREVIEW, done), "erase", ID, *BASIS, "--yes", "2")
    assert_shown_harmlessly(result.out + result.err)
    shown = EngineDouble({GetErasureCertificate: ErasureCertificate(text=HOSTILE)})
    assert_shown_harmlessly(invoke(shown, "certificate", "7").out)
