"""demo: shows what the engine does, and removes the vault or says where it is."""

import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from muniment.api import Done, Folder, Hits, Step, Tree, UserFolders, Verified, WireWord
from muniment.cli.demo import program_name
from muniment.errors import RunFailed
from support.engine_double import EngineDouble, assert_harmless, invoke
from support.words import hit, hostile_hit, progress, summary

WORDS = (
    Step(text="A new vault. " + "It takes in mail over SMTP. " * 5),
    progress(),
    summary(),
    Tree(users=(UserFolders(user="ada@q.example", folders=(Folder(name="Inbox", count=3),)),)),
    Hits(total=57, behind=0, hits=(hostile_hit(), *(hit() for _ in range(9)))),
    Verified(ok=True, records=9, messages=5, tree_size=10, root="ab" * 32, problems=()),
    Done(message="Everything is there."),
)


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("MUNIMENT_VAULT", "/must/not/be/touched")


def engine(words: Sequence[WireWord | Exception] = WORDS, made: list[Path] | None = None) -> EngineDouble:
    def demo(vault: Path) -> Iterator[WireWord]:
        if made is not None:
            made.append(vault)
        for word in words:
            if isinstance(word, Exception):
                raise word
            yield word

    return EngineDouble(demo=demo)


def test_the_app_opens_on_the_vault_if_there_is_an_app(tmp_path: Path) -> None:
    made: list[Path] = []
    looked: list[Path] = []

    def look(vault: Path) -> int:
        looked.append(vault)
        return 7

    double = engine(made=made)
    double.look = look
    assert invoke(double, "demo", vault="").code == 7
    assert looked == made
    for words in (["demo", "--remove"], ["demo", "--json"]):
        assert invoke(double, *words, vault="").code == 0
    assert looked == made[:1]


class Keyboard(io.StringIO):
    """Standard input of a person at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "opens"), [("\n", True), ("", False)])
def test_on_a_terminal_the_app_waits_for_enter(
    typed: str, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    double = engine()

    def look(vault: Path) -> int:
        looked.append(vault)
        return 0

    double.look = look
    monkeypatch.setattr("sys.stdin", Keyboard(typed))
    result = invoke(double, "demo", vault="", terminal=True)
    assert result.code == 0
    assert "Enter opens the app" in result.out
    assert bool(looked) is opens


@pytest.mark.parametrize("found", [True, False])
def test_the_commands_to_try_can_be_typed_as_they_are(
    found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "muniment"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", str(program.parent) if found else "/nowhere")
    assert program_name() == ("muniment" if found else str(program))


def test_each_step_and_its_results_are_shown(tmp_path: Path) -> None:
    made: list[Path] = []
    result = invoke(engine(made=made), "demo", vault="")
    assert result.code == 0
    assert made[0].parent == tmp_path
    assert made[0].is_dir()
    assert f"export MUNIMENT_VAULT={made[0]}" in result.out
    for text in (
        "The books balance.",
        "ada@q.example",
        "57 messages.",
        "whole and unchanged",
        "Everything is there.",
    ):
        assert text in result.out
    assert result.out.count("3f7a91c20b44") == 3
    assert_harmless(result.out)


def test_a_terminal_of_80_columns_shows_whole_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    out = invoke(engine(), "demo", vault="", terminal=True).out
    long = [line for line in out.splitlines() if len(line) > 80]
    assert [line for line in long if str(tmp_path) not in line] == []  # a path is one word, however long
    assert out.count("mail over SMTP.") == 5


def test_the_vault_can_be_removed_at_the_end(tmp_path: Path) -> None:
    result = invoke(engine(), "demo", "--remove", vault="")
    assert result.code == 0
    assert not list(tmp_path.iterdir())
    assert "removed" in result.out


def test_the_results_in_json() -> None:
    data = json.loads(invoke(engine(), "demo", "--json", vault="").out)
    assert data["run"]["balanced"]
    assert data["tree"][0]["user"] == "ada@q.example"
    assert data["searches"][0]["total"] == 57
    assert data["verify"]["ok"]
    assert data["vault"]
    assert data["seconds"] >= 0


def test_the_vault_can_be_named(tmp_path: Path) -> None:
    made: list[Path] = []
    invoke(engine(made=made), "demo", vault=str(tmp_path / "here"))
    assert made == [tmp_path / "here"]


def test_an_error_of_the_engine_is_shown() -> None:
    result = invoke(
        engine((*WORDS[:3], RunFailed("the vault does not hold what was sent"))), "demo", vault=""
    )
    assert (result.code, result.err) == (12, "muniment: the vault does not hold what was sent\n")
