"""demo: shows what the engine does, and removes the vault or says where it is."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from muniment.api import Done, Folder, Hits, Step, Tree, UserFolders, Verified, WireWord
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
    assert (
        max(
            len(line)
            for line in result.out.splitlines()
            if "MUNIMENT_VAULT" not in line and "stays in" not in line
        )
        <= 80
    )


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
