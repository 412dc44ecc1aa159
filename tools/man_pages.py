"""Writes the manual pages from the help texts of the commands.

    man_pages.py FOLDER       write muniment.1 and a page for each command
    man_pages.py --check      print what mandoc, if it is installed, says about them

The build of a wheel runs this module as a hook of hatchling. So an installed Muniment has the pages of its
own version in share/man/man1.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "core"))

import click  # noqa: E402 - the path of the commands comes first

from muniment import __version__  # noqa: E402
from muniment.cli.root import EXIT_CODES, TASKS, root  # noqa: E402

PROGRAM = "muniment"
SECTION = "share/man/man1"
"""The folder of the pages below the folder in which Muniment is installed."""
ENVIRONMENT = {
    "MUNIMENT_VAULT": "The folder of the vault, for commands without --vault.",
    "MUNIMENT_IDLE": "Seconds without a request after which a service that a command started ends; "
    "the default is 300.",
    "MUNIMENT_RUNTIME": "The folder of the sockets of services; the default is /run/muniment or "
    "/tmp/muniment-UID.",
    "MUNIMENT_DEBUG": "If it is set, an internal error shows its details.",
    "TZ": "Your time zone, in which dates are read and shown.",
    "NO_COLOR": "If it is set, nothing has a colour.",
}
"""The environment variables that users may set."""
_WIDTH = 78
_SPECIAL = {"\\": "\\e", "-": "\\-", "`": "\\(ga", "'": "\\(aq", "^": "\\(ha", "~": "\\(ti"}
_COMMAND = re.compile(r"`([^`]+)`")
_RELEASE = re.compile(r"^## \[\d[^\]]*\] - (\d{4}-\d{2}-\d{2})$", re.MULTILINE)


class ManPageHook(BuildHookInterface[Any]):
    """Adds the manual pages to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the pages to a temporary folder, from which the wheel is built."""
        self._folder = tempfile.TemporaryDirectory(prefix="muniment-man-")
        for path in write(Path(self._folder.name)):
            build_data["shared_data"][str(path)] = f"{SECTION}/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        self._folder.cleanup()


def write(folder: Path) -> list[Path]:
    """Write all pages to a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in pages().items():
        path = folder / f"{name}.1"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        paths.append(path)
    return paths


def pages() -> dict[str, str]:
    """The text of each page, by its name without the section."""
    made = {PROGRAM: _page(PROGRAM, _overview())}
    for name, command in sorted(root.commands.items()):
        made[f"{PROGRAM}-{name}"] = _page(f"{PROGRAM}-{name}", _command_page(name, command))
    return made


def released() -> str:
    """The date of the pages: that of the build (SOURCE_DATE_EPOCH), or of the last release."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    changes = ROOT / "CHANGELOG.md"
    found = _RELEASE.search(changes.read_text(encoding="utf-8")) if changes.exists() else None
    return found[1] if found else "1970-01-01"


# --- pages ------------------------------------------------------------------------------------------


def _page(name: str, lines: Iterable[str]) -> str:
    head = f'.TH {_escaped(name.upper())} 1 {released()} "Muniment {__version__}" "Muniment"'
    return "\n".join([head, *lines]) + "\n"


def _overview() -> Iterator[str]:
    """The page of the program."""
    yield from _name(PROGRAM, root)
    yield from _synopsis(root, (PROGRAM,))
    yield from _described(root, ".SH")
    yield from _options(root, ".SH OPTIONS")
    yield ".SH COMMANDS"
    for task, names in TASKS:
        yield f".SS {_escaped(task)}"
        for name in names:
            yield from _entry(f"\\fB{_escaped(f'{PROGRAM}-{name}')}\\fR(1)", _first(root.commands[name]))
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from _entry(f"\\fB{code}\\fR", f"{meaning[:1].upper()}{meaning[1:]}.")
    yield ".SH ENVIRONMENT"
    for variable, meaning in ENVIRONMENT.items():
        yield from _entry(f"\\fB{variable}\\fR", meaning)
    yield ".SH SEE ALSO"
    yield ",\n".join(f".BR {_escaped(f'{PROGRAM}-{name}')} (1)" for name in sorted(root.commands))


def _command_page(name: str, command: click.Command) -> Iterator[str]:
    """The page of a command, with the commands of its family."""
    path = (PROGRAM, name)
    yield from _name("-".join(path), command)
    yield from _synopsis(command, path)
    yield from _described(command, ".SH")
    yield from _options(command, ".SH OPTIONS")
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for each, member in command.commands.items():
            yield f".SS {_escaped(' '.join((*path, each)))}"
            yield from _usage(member, (*path, each))
            yield from _described(member, "")
            yield from _options(member, "")
    yield ".SH EXIT STATUS"
    yield from _paragraph("0 if all went well; the other codes are listed in")
    yield f".BR {PROGRAM} (1)."
    yield ".SH SEE ALSO"
    yield f".BR {PROGRAM} (1)"


# --- parts of a page --------------------------------------------------------------------------------


def _name(name: str, command: click.Command) -> Iterator[str]:
    first = _first(command)
    said = first if first[1:2].isupper() else first[:1].lower() + first[1:]
    yield from (".SH NAME", f"{_escaped(name)} \\- {_escaped(said.rstrip('.'))}")


def _synopsis(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    yield ".SH SYNOPSIS"
    yield from _usage(command, path)


def _usage(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    """How a command is called."""
    pieces = command.collect_usage_pieces(_context(command))
    yield f"\\fB{_escaped(' '.join(path))}\\fR {_escaped(' '.join(pieces))}"


def _described(command: click.Command, heading: str) -> Iterator[str]:
    """The help text; with a heading, its examples have a section of their own."""
    examples: list[str] = []
    if heading:
        yield f"{heading} DESCRIPTION"
    for number, paragraph in enumerate(_paragraphs(command)):
        kept, lines = paragraph
        if kept and lines[0].startswith("Example"):
            examples += lines[1:]
        elif kept:
            yield ".PP"
            yield from _kept(lines)
        else:
            if number or not heading:
                yield ".PP"
            yield from _paragraph(" ".join(lines))
    if examples:
        yield f"{heading} EXAMPLES" if heading else ".PP\nExamples:"
        yield from _kept(textwrap.dedent("\n".join(examples)).split("\n"))


def _paragraphs(command: click.Command) -> Iterator[tuple[bool, list[str]]]:
    """The paragraphs of a help text: whether its lines stay as they are, and the lines."""
    for block in inspect.cleandoc(command.help or "").split("\n\n"):
        lines = block.strip("\n").split("\n")
        kept = lines[0].strip() == "\b"
        if lines := lines[kept:]:
            yield kept, lines


def _options(command: click.Command, heading: str) -> Iterator[str]:
    """The options, with what each of them does."""
    context = _context(command)
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    records = [found for option in options if (found := option.get_help_record(context))]
    if records and heading:
        yield heading
    for names, about in records:
        yield from _entry(f"\\fB{_escaped(names)}\\fR", about)


def _entry(term: str, about: str) -> Iterator[str]:
    yield from (".TP", term)
    yield from _paragraph(about)


def _paragraph(text: str) -> Iterator[str]:
    """Text that man wraps; commands in backticks are bold."""
    parts = _COMMAND.split(text)
    shown = "".join(
        f"\\fB{_escaped(part)}\\fR" if place % 2 else _escaped(part) for place, part in enumerate(parts)
    )
    yield _begun(shown)


def _kept(lines: Iterable[str]) -> Iterator[str]:
    """Lines that stay as they are, such as examples."""
    yield from (".RS 4", ".nf")
    for line in lines:
        yield _begun(_escaped(line.rstrip())) or "\\&"
    yield from (".fi", ".RE")


def _context(command: click.Command) -> click.Context:
    """What click knows when it shows the help of a command."""
    above = click.Context(root, info_name=PROGRAM, **root.context_settings)
    return above if command is root else click.Context(command, parent=above)


def _first(command: click.Command) -> str:
    """The first sentence of a help text."""
    return " ".join(next(lines for _, lines in _paragraphs(command)))


def _escaped(text: str) -> str:
    """A text in which no character means anything to man."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _begun(line: str) -> str:
    """A line that man does not take for a request."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


# --- as a program -----------------------------------------------------------------------------------


def check(folder: Path) -> list[str]:
    """What mandoc says about the pages in a folder; empty if nothing, or if it is not installed."""
    if not shutil.which("mandoc"):
        return []
    paths = sorted(map(str, folder.glob("*.1")))
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", *paths], capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr).splitlines()


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; returns the exit code."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    if arguments[0] != "--check":
        write(Path(arguments[0]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        found = check(Path(folder))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
