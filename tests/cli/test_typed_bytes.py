"""Arguments that are not UTF-8: a text is refused with one sentence, the name of a file works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment import api
from muniment.cli.root import root
from muniment.client import protocol
from muniment.system.paths import as_path, as_text, readable, typed
from support.program import Program, command, one_sentence
from support.reports import plain
from support.services import end, muniment, service_of
from support.vaults import TestVault, put

BYTES = b"M\xfcller"
TYPED = os.fsdecode(BYTES)
"""These bytes as an argument in Python, in a UTF-8 locale."""
GIVEN: dict[str, tuple[str, ...]] = {
    "profile add": ("new", "--source", "eml"),
    "profile copy": ("box", "new"),
    "profile edit": ("box",),
    "profile rename": ("box", "new"),
    "users add": ("Ann", "ann@example.com"),
    "users remove": ("Ann",),
    "users bind": ("ann",),
    "export": ("word", "--to", "out"),
    "restore": ("word", "--to", "ann@example.com"),
    "list": ("Ann/Inbox",),
    "search": ("word",),
    "show": ("00000000",),
    "init": (),
    "history": (),
}
"""The arguments that a command needs besides the tested option, where `x` for each will not do."""
NEVER = {"service", "demo", "watch"}
"""Commands that run until they are stopped, which these tests leave out."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        found = group.get_command(ctx, name)
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        elif found is not None:
            yield " ".join((*path, name)), found


def places() -> Iterator[Any]:
    """Every argument and every option with a value, of every command."""
    for name, found in commands(root):
        for param in found.params:
            if param.name == "vault" or getattr(param, "is_flag", False):
                continue
            shown = param.opts[0] if isinstance(param, click.Option) else param.name or ""
            yield pytest.param(name, found, param, id=f"{name} {shown}")


def needed(found: click.Command, param: click.Parameter) -> list[str]:
    """The arguments and options that a command can't do without; the tested argument is TYPED."""
    words = [TYPED if one is param else "x" for one in found.params if isinstance(one, click.Argument)]
    for one in found.params:
        if isinstance(one, click.Option) and one.required and one is not param and one.name != "to":
            words += [one.opts[0], one.type.choices[0] if isinstance(one.type, click.Choice) else "x"]
    return words


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    made = TestVault(tmp_path_factory.mktemp("bytes") / "vault")
    put(made.maildir("box"), [plain(subject="word")])
    made.run("box")
    yield made
    made.client.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("name", "found", "param"), list(places()))
@pytest.mark.usefixtures("here")
def test_an_argument_that_is_not_utf_8_is_refused_or_is_a_path(
    vault: TestVault, name: str, found: click.Command, param: click.Parameter
) -> None:
    if isinstance(param, click.Option):
        words = [*(GIVEN[name] if name in GIVEN else needed(found, param)), param.opts[0], TYPED]
    else:
        words = needed(found, param)
        words += ["--to", "a@x.example"] if name == "restore" else []
        words += ["--to", "out"] if name == "export" else ["--source", "eml"] if name == "profile add" else []
    result = Program(vault.folder).say(*name.split(), *words)
    if isinstance(param.type, click.File):  # a path as well, of a file that is not there
        assert "No such file" in one_sentence(result, 2)
        return
    if isinstance(param.type, click.Path):
        assert result.code not in (70, 2) or "is not UTF-8" not in result.err, result.err
        assert "should not have happened" not in result.err
        return
    sentence = one_sentence(result, 2)
    if not isinstance(param.type, click.Choice | click.types.IntParamType | click.types.FloatParamType):
        assert "is not UTF-8" in sentence


@pytest.mark.parametrize(
    "words", [(TYPED,), ("search", f"--{TYPED}", "x"), ("profile", TYPED), (f"--{TYPED}",)]
)
def test_a_command_that_is_not_utf_8_is_unknown(vault: TestVault, words: tuple[str, ...]) -> None:
    Program(vault.folder).refuses(2, *words)


def test_which_arguments_are_paths() -> None:
    found = {f"{name} {param.name}" for name, one in commands(root) for param in one.params
             if isinstance(param.type, click.Path) and param.name != "vault"}  # fmt: skip
    assert found >= {
        "export path", "backup folder", "users import file", "setup to", "service install writable",
        *(f"profile {verb} {field}" for verb in ("add", "edit", "copy")
          for field in ("path", "ca_file", "certificate", "password_file")),
    }  # fmt: skip


# --- names of files -------------------------------------------------------------------------------------


def strange(folder: Path, name: bytes = BYTES) -> Path:
    return folder / os.fsdecode(name)


def test_every_file_can_have_any_name(here: Path) -> None:
    program = Program(strange(here))
    program("init", "--domain", "example.com")
    mail = strange(here, b"mail\xff")
    mail.mkdir()
    strange(mail, b"\xfe.eml").write_bytes(plain(subject="word"))
    strange(mail, b"\xfe.txt").write_bytes(b"x")
    secret = strange(here, b"secret\xff")
    secret.write_text("x\n")
    secret.chmod(0o600)
    program("profile", "add", "in", "--source", "eml", "--path", str(mail), "--password-file", str(secret))
    shown = program.ask("profile", "show", "in")
    assert shown["fields"]["path"] == f"file://{here}/mail%FF"
    assert shown["fields"]["password"] == {"file": f"file://{here}/secret%FF"}
    assert "listed 1 message" in program("profile", "test", "in").out
    run = program.ask("run", "in")
    assert (run["new"], run["passed"][0]["examples"]) == (1, ["\ufffd.txt"])
    program("profile", "edit", "in", "--path", f"file://{here}/mail%FF")
    assert program.ask("run", "in")["already"] == 1
    (hit,) = program.ask("search", "word")["hits"]
    assert hit["subject"] == "word"
    people = strange(here, b"people\xff.csv")
    people.write_text("name,address\nBob Ray,bob@example.com\n")
    program("users", "import", str(people))
    for name in (b"out\xff", b"out\xff.zip", b"out\xff.mbox"):
        result = program("export", "word", "--to", str(strange(here, name)))
        assert "\ufffd" in result.out
        assert strange(here, name).exists()
    program("backup", str(strange(here, b"backup\xff")))
    program("rebuild")
    assert "whole" in program("verify", "--deep").out
    copy = Program(strange(here, b"backup\xff"))
    copy("rebuild")
    assert [hit["id"] for hit in copy.ask("search", "word")["hits"]] == [hit["id"]]


def test_any_name_reaches_the_service(here: Path) -> None:
    vault = strange(here)
    made = TestVault(vault)
    put(made.maildir("box"), [plain(subject="word")])
    made.client.close()
    try:
        assert muniment(vault, "run", "box").code == 0
        result = muniment(vault, "export", "word", "--to", str(strange(here, b"out\xff")))
        assert (result.code, result.err) == (0, "")
        assert len(list(strange(here, b"out\xff").glob("*.eml"))) == 1
        assert muniment(vault, "backup", str(strange(here, b"backup\xff"))).code == 0
        assert (strange(here, b"backup\xff") / "vault.toml").exists()
        result = muniment(
            vault, "profile", "add", "in", "--source", "eml", "--path", str(strange(here, b"no\xff"))
        )
        assert result.code == 0
        result = muniment(vault, "profile", "test", "in")
        assert "no\ufffd" in one_sentence(result, result.code)
        assert "is not UTF-8" in one_sentence(muniment(vault, "search", TYPED), 2)
    finally:
        if pid := service_of(vault):
            end(pid)


def test_a_reply_with_such_a_name_can_be_sent() -> None:
    word = api.Step(text=f"/x/{TYPED} is there")
    frame = protocol.encoded(word)
    assert protocol.replies()(frame[protocol.LENGTH.size :]) == api.Step(text="/x/M\ufffdller is there")


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_no_byte_of_a_path_is_lost(name: bytes) -> None:
    path = os.fsdecode(b"/" + name)
    text = as_text(path)
    text.encode()
    assert os.fsencode(as_path(text)) == b"/" + name
    readable(path).encode()


def test_arguments_in_another_locale_are_decoded_as_utf_8() -> None:
    assert typed("Müller") == "Müller"
    assert typed("Müller".encode().decode("ascii", "surrogateescape")) == "Müller"
    assert typed(TYPED) is None


# --- terminals that are not UTF-8 -------------------------------------------------------------------------

ASCII = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    "terminal", [ASCII, {"PYTHONIOENCODING": "latin-1:strict"}], ids=["ascii", "latin-1"]
)
def test_output_of_any_terminal_never_breaks(tmp_path: Path, terminal: dict[str, str]) -> None:
    made = TestVault(tmp_path / "vault")
    made.archive([plain(subject="Grüße 漢字 😀", body="Ein Wort für Łódź 漢字\n")])
    made.client.close()
    for words, code in ((("search", "grüße"), 0), (("show", "ü漢"), 10)):
        line = command(tmp_path / "vault", *words)
        done = subprocess.run(line, capture_output=True, timeout=60, env=os.environ | terminal)
        assert done.returncode == code, (words, done.stderr)
        assert b"Traceback" not in done.stderr
        assert code or b"Gr" in done.stdout
