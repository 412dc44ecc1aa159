"""The command prove: what it asks for, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muniment.api import Done, Prove, Step
from muniment.errors import NotFound
from support.engine_double import EngineDouble, invoke

DONE = Done(message="The proof of message 3f7a is in p.zip.")


def test_prove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    double = EngineDouble({Prove: [Step(text="proving message.eml"), DONE]})
    result = invoke(double, "prove", "3f7a91c2", "--to", "p.zip", "--reason", "case 7", "--at", "5:ab")
    path = str(tmp_path / "p.zip")
    assert double.asked == [Prove(id="3f7a91c2", path=path, reason="case 7", at="5:ab")]
    assert (result.code, result.out) == (0, "The proof of message 3f7a is in p.zip.\n")


def test_prove_as_json() -> None:
    result = invoke(EngineDouble({Prove: [DONE]}), "prove", "3f7a91c2", "--to", "p.zip", "--json")
    assert json.loads(result.out) == {"message": DONE.message, "warnings": []}


def test_a_proof_needs_a_place_and_a_message() -> None:
    assert invoke(EngineDouble({}), "prove", "3f7a91c2").code == 2
    result = invoke(EngineDouble({Prove: NotFound("no message 3f7a91c2")}), "prove", "3f7a91c2", "--to", "p")
    assert (result.code, "no message 3f7a91c2" in result.err) == (10, True)


def test_an_interrupted_proof_says_that_nothing_is_left() -> None:
    result = invoke(EngineDouble({Prove: [KeyboardInterrupt()]}), "prove", "3f7a91c2", "--to", "p")
    assert result.code == 130
    assert "An incomplete proof leaves nothing behind." in result.err
