"""The commands of a witness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from muniment.evidence.note_keys import read_verifier
from muniment.evidence.signed_note import read_signatures, verified
from support.engine_double import EngineDouble, Result, invoke
from support.witnesses import SmallLog, leaves

HISTORY = leaves(20)


def witness(folder: Path, *words: str) -> Result:
    return invoke(EngineDouble(), "witness", words[0], "--folder", str(folder / "w"), *words[1:], vault="")


def answer(result: Result) -> Any:
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    assert witness(tmp_path, "init", "w.example/1").code == 0
    return tmp_path


def test_a_witness_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    shown = witness(tmp_path, "init", "w.example/1", "--json")
    keys = [read_verifier(one) for one in answer(shown)["keys"]]
    assert {key.name for key in keys} == {"w.example/1"}
    kept = tmp_path / "w" / "key"
    assert kept.stat().st_mode & 0o777 == 0o600
    before = kept.read_bytes()
    again = witness(tmp_path, "init", "w.example/2")
    assert (again.code, kept.read_bytes()) == (2, before)
    assert "PRIVATE" not in shown.out + again.err


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\x1b[31m"])
def test_a_name_that_no_key_can_have_is_refused(tmp_path: Path, name: str) -> None:
    assert witness(tmp_path, "init", name).code == 2
    assert not (tmp_path / "w" / "key").exists()


def test_archives_are_trusted_by_their_keys(made: Path) -> None:
    log = SmallLog(HISTORY)
    key = str(log.key.verifier)
    assert answer(witness(made, "trust", key, key, "--json")) == {"new": [key]}
    assert answer(witness(made, "trust", key, "--json")) == {"new": []}
    assert witness(made, "trust", key[:-3]).code == 1
    assert (made / "w" / "logs").read_text().splitlines()[1:] == [key]
    (made / "w" / "logs").write_text("# a comment\n\nno key\n")
    refused = witness(made, "status")
    assert refused.code == 3
    assert "line 3" in refused.err


def test_a_file_is_judged_as_the_server_judges(made: Path) -> None:
    log = SmallLog(HISTORY)
    file = made / "request"
    file.write_bytes(log.request(0, 9))
    assert witness(made, "add", str(file)).code == 10
    witness(made, "trust", str(log.key.verifier))
    signed = answer(witness(made, "add", str(file), "--json"))["signatures"]
    keys = [read_verifier(one) for one in answer(witness(made, "status", "--json"))["keys"]]
    lines = read_signatures("".join(f"{line}\n" for line in signed))
    assert set(verified(log.note(9).with_signatures(lines), keys)) == set(keys)

    again = witness(made, "add", str(file))
    assert again.code == 2
    assert "--from 9" in again.err
    assert witness(made, "status").code == 0

    file.write_bytes(SmallLog(leaves(20, b"other"), log.key).request(9, 12))
    refused = witness(made, "add", str(file))
    assert refused.code == 6
    assert "rewritten" in refused.err
    shown = witness(made, "status")
    assert shown.code == 6
    assert "REFUSED" in shown.out
    assert witness(made, "add", str(made / "none")).code == 2


def test_a_silent_archive_is_named(made: Path) -> None:
    log = SmallLog(HISTORY)
    assert "trusts no archive" in witness(made, "status").out
    witness(made, "trust", str(log.key.verifier))
    silent = witness(made, "status")
    assert (silent.code, "no checkpoint" in silent.err) == (1, True)
    (made / "request").write_bytes(log.request(0, 9))
    witness(made, "add", str(made / "request"))
    assert witness(made, "status").code == 0
    assert witness(made, "status", "--silent", "0").code == 1


@pytest.mark.parametrize("words", [("trust", "a+b+c"), ("status",), ("add", "/dev/null"), ("serve",)])
def test_without_a_witness_each_command_says_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    refused = witness(tmp_path, *words)
    assert refused.code != 0
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize("listen", ["8472", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "256.0.0.1:1"])
def test_an_address_that_is_none_is_refused(made: Path, listen: str) -> None:
    assert witness(made, "serve", "--listen", listen).code == 2
