"""Exit codes, errors as sentences, the place of --vault, and the help texts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Group

from muniment import __version__, errors
from muniment.api import GetStatus, GetTree, Hits, Request, Search, Tree, Verified, Verify, WireWord
from muniment.cli.root import EXIT_CODES, TASKS, root
from muniment.errors import MunimentError
from support.engine_double import HOSTILE, Answer, EngineDouble, assert_harmless, invoke
from support.words import hit

EMPTY = Tree(users=())


def engine(answer: Answer = EMPTY, request: type[Request] = GetTree) -> EngineDouble:
    return EngineDouble({request: answer})


def kinds(base: type[MunimentError] = MunimentError) -> list[type[MunimentError]]:
    """The errors of `muniment.errors`; those of other rooms are there only if a test has loaded them."""
    subs = [sub for sub in base.__subclasses__() if sub.__module__ == errors.__name__]
    return [base, *(kind for sub in subs for kind in kinds(sub))]


@pytest.mark.parametrize("kind", kinds())
def test_every_error_is_a_sentence_and_its_exit_code(kind: type[MunimentError]) -> None:
    result = invoke(engine(kind("the vault is full: make room")), "tree")
    assert (result.code, result.raw) == (kind.exit_code, b"")
    assert result.err == "muniment: the vault is full: make room\n"
    assert kind.exit_code in EXIT_CODES


def test_an_error_can_not_act_on_the_terminal() -> None:
    result = invoke(engine(errors.NotFound(HOSTILE)), "tree")
    assert_harmless(result.err)
    assert result.err.count("\n") == 1


def test_a_wrong_query_gets_a_caret_below_the_mistake() -> None:
    wrong = errors.QueryError("a date is YYYY-MM-DD", "звіт before:tomorrow", 12)
    result = invoke(engine(wrong, Search), "search", "звіт before:tomorrow")
    assert result.code == 11
    sentence, query, caret = result.err.splitlines()
    assert "a date is YYYY-MM-DD" in sentence
    assert query[caret.index("^") :] == "tomorrow"


def test_a_caret_is_placed_below_wide_characters() -> None:
    wrong = errors.QueryError("no", "漢字 (", 3)
    *_, caret = invoke(engine(wrong, Search), "search", "漢字 (").err.splitlines()
    assert caret == " " * 2 + " " * 5 + "^"


def test_a_bug_becomes_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUNIMENT_DEBUG", raising=False)
    result = invoke(engine(ZeroDivisionError(HOSTILE)), "tree")
    assert result.code == 70
    assert "ZeroDivisionError" in result.err
    assert "MUNIMENT_DEBUG=1" in result.err
    assert "Traceback" not in result.err


def test_a_bug_shows_its_details_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUNIMENT_DEBUG", "1")
    result = invoke(engine(ZeroDivisionError(HOSTILE)), "tree")
    assert result.code == 70
    assert "Traceback" in result.err
    assert_harmless(result.err)


@pytest.mark.parametrize(
    "argv", [["nonsense"], ["tree", "--nonsense"], ["list"], ["search", "--limit", "0", "x"]]
)
def test_a_wrong_command_line_exits_2_and_names_help(argv: list[str]) -> None:
    result = invoke(engine(), *argv)
    assert result.code == 2
    assert "--help" in result.err
    assert result.err.count("\n") == 1


def test_a_hostile_command_line_is_made_harmless() -> None:
    assert_harmless(invoke(engine(), "\x1b[2J\x9b31m").err)


def test_the_vault_can_be_named_before_and_after_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MUNIMENT_VAULT", str(tmp_path / "env"))
    for argv, folder in (
        (["--vault", str(tmp_path / "a"), "tree"], "a"),
        (["tree", "--vault", str(tmp_path / "b")], "b"),
        (["--vault", str(tmp_path / "a"), "tree", "--vault", str(tmp_path / "b")], "b"),
        (["tree"], "env"),
    ):
        double = engine()
        assert invoke(double, *argv, vault="").code == 0
        assert double.opened == [tmp_path / folder]


def test_a_relative_vault_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    double = engine()
    invoke(double, "--vault", "mail", "tree", vault="")
    assert double.opened == [tmp_path / "mail"]


def test_no_vault_is_a_wrong_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUNIMENT_VAULT", raising=False)
    result = invoke(engine(), "tree", vault="")
    assert result.code == 2
    assert "MUNIMENT_VAULT" in result.err


def test_the_connection_is_closed_after_success_and_after_errors() -> None:
    for answer in (EMPTY, errors.NotFound("no"), ZeroDivisionError()):
        double = engine(answer)
        invoke(double, "tree")
        assert double.closed == 1


def test_without_arguments_the_help_is_shown() -> None:
    result = invoke(engine(), vault="")
    assert result.code == 0
    assert "Exit codes" in result.out


def test_the_version_is_printed() -> None:
    result = invoke(engine(), "--version", vault="")
    assert (result.code, result.out) == (0, f"muniment {__version__}\n")


def test_every_command_is_listed_under_a_task() -> None:
    assert sorted(name for _, names in TASKS for name in names) == sorted(root.commands)


def commands(group: Group = root, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help_has_an_example_and_fits_80_columns(path: tuple[str, ...]) -> None:
    result = invoke(engine(), *path, "--help", vault="")
    assert result.code == 0
    assert "Example:" in result.out
    assert "--vault DIR" in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    command = root.commands[path[0]]
    only_family = len(path) == 1 and isinstance(command, Group) and not command.invoke_without_command
    assert ("--json" in result.out) is not only_family


def test_top_level_help_documents_exit_codes_and_fits_80_columns() -> None:
    out = invoke(engine(), "--help", vault="").out
    for code, meaning in EXIT_CODES.items():
        assert f"  {code:<4} {meaning}" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "..." not in out.replace("[ARGS]...", "")


def test_a_closed_output_ends_the_command_quietly(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from support.engine_double import EngineDouble\n"
        "from support.words import hit\n"
        "from muniment.api import Hits, Search\n"
        "from muniment.cli import main\n"
        "many = Hits(total=1, behind=0, hits=tuple(hit() for _ in range(5000)))\n"
        "sys.exit(main(['--vault', '/v', 'search', '--json', 'x'], EngineDouble({Search: many}).doors))\n"
    )
    root_folder = Path(__file__).parents[2]
    paths = os.pathsep.join(
        [str(root_folder / "tests"), str(root_folder / "core"), os.environ.get("PYTHONPATH", "")]
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.read(10) == b'{"total": '
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 141
    assert stderr == b""


def test_json_on_a_terminal_is_ascii() -> None:
    page = Hits(total=1, behind=0, hits=(hit(subject="é\x9b\u202e"),))
    shown = invoke(engine(page, Search), "search", "--json", "x", terminal=True).raw
    assert shown.isascii()
    piped = invoke(engine(page, Search), "search", "--json", "x").out
    assert "é\x9b\u202e" in piped


def test_a_lone_surrogate_can_be_printed() -> None:
    page = Hits(total=1, behind=0, hits=(hit(subject="\udc80"),))
    assert "\\udc80" in invoke(engine(page, Search), "search", "--json", "x").out
    assert invoke(engine(page, Search), "search", "x").code == 0


def test_an_interrupt_exits_130_with_one_sentence() -> None:
    def interrupted(request: Request) -> Iterator[WireWord]:
        raise KeyboardInterrupt

    result = invoke(EngineDouble({Verify: interrupted}), "verify")
    assert (result.code, result.err) == (130, "muniment: Stopped.\n")


def test_a_command_sends_only_its_own_request() -> None:
    double = EngineDouble({GetTree: EMPTY, GetStatus: errors.VaultError("no")})
    invoke(double, "tree")
    assert double.asked == [GetTree()]


def test_a_stream_without_its_end_is_a_bug() -> None:
    assert invoke(EngineDouble({Verify: []}), "verify").code == 70
    proven = Verified(ok=True, records=1, messages=1, tree_size=1, root="00", problems=())
    assert invoke(EngineDouble({Verify: [proven]}), "verify").code == 0


def test_the_help_says_what_the_program_does_without_a_command_and_which_zone_dates_have() -> None:
    said = " ".join(invoke(engine(), "--help", vault="").out.split())
    assert "Open the app: muniment Try it out" in said
    assert "Without a command, `muniment` opens the app" in said
    assert "Dates that you type and dates that are shown are in your time zone" in said
    search = " ".join(invoke(engine(), "search", "--help", vault="").out.split())
    assert "Days begin in your time zone (TZ), in which dates are shown as well." in search
