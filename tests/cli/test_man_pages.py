"""The manual pages: each command and option is there, and man reads them without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hatchling.builders.wheel import WheelBuilder

from muniment.cli.root import EXIT_CODES, root

sys.path.append(str(Path(__file__).resolve().parents[2]))

from tools.man_pages import ROOT, SECTION, check, pages, released, write

ESCAPES = {
    "\\-": "-",
    "\\(ga": "`",
    "\\(aq": "'",
    "\\(ha": "^",
    "\\(ti": "~",
    "\\fB": "",
    "\\fR": "",
    "\\&": "",
}
PAGES = pages()


def plain(text: str) -> str:
    """A page as it is read, on one line."""
    for escape, meaning in ESCAPES.items():
        text = text.replace(escape, meaning)
    return " ".join(text.replace("\\e", "\\").split())


def commands(
    group: click.Group = root, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize(
    ("path", "command"),
    list(commands()),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_command_and_option_has_its_help_text(path: tuple[str, ...], command: click.Command) -> None:
    page = plain(PAGES[f"muniment-{path[0]}"])
    assert f"muniment {' '.join(path)} " in page
    for option in command.params:
        if isinstance(option, click.Option):
            assert all(name in page for name in option.opts + option.secondary_opts)
            assert option.help
            assert plain(option.help.replace("`", "")) in page.replace("`", "")
    for line in (command.help or "").splitlines():
        if line.strip() not in ("", "\b", "Example:"):
            assert " ".join(line.split()).replace("`", "") in page.replace("`", ""), line


def test_the_first_page_lists_commands_exit_codes_and_the_environment() -> None:
    page = plain(PAGES["muniment"])
    for name, command in root.commands.items():
        assert f"muniment-{name}(1)" in page
        assert command.help
        assert command.help.split("\n")[0] in page
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning[0].upper()}{meaning[1:]}" in page
    assert "MUNIMENT_VAULT The folder of the vault" in page
    assert sorted(PAGES) == sorted(["muniment", *(f"muniment-{name}" for name in root.commands)])


def test_no_text_acts_on_man() -> None:
    requests = {".TH", ".SH", ".SS", ".PP", ".TP", ".RS", ".RE", ".nf", ".fi", ".BR"}
    for text in PAGES.values():
        assert {line.split()[0] for line in text.splitlines() if line.startswith(".")} <= requests
        assert not [line for line in text.splitlines() if line.startswith("'")]
        assert not re.search(r"\\(?!e|-|\((?:ga|aq|ha|ti)|f[BR]|&)", text)


def test_the_date_is_that_of_the_build_or_of_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert re.search(rf"^## \[[\d.]+\] - {released()}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert released() == "1970-01-02"


def test_mandoc_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is absent")
    write(tmp_path)
    assert check(tmp_path) == []


def test_man_reads_every_page_without_a_warning(tmp_path: Path) -> None:
    if not shutil.which("man") or not shutil.which("groff"):
        pytest.skip("man or groff is absent")
    for path in write(tmp_path):
        read = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", str(path)],
            env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert read.stderr == "", path.name
        assert path.stem.upper() in read.stdout


@pytest.mark.slow
def test_a_wheel_installs_the_pages(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        names = [name for name in wheel.namelist() if f".data/data/{SECTION}/" in name]
        texts = {Path(name).stem: wheel.read(name).decode() for name in names}
    assert texts == PAGES
