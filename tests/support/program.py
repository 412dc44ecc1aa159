"""The program itself on a real vault: in this process for most tests, in one of its own for some."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muniment.__main__ import ALONE
from muniment.cli import main
from support.engine_double import Screen


@dataclass(frozen=True)
class Said:
    """What one command line came to."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.raw.decode("utf-8")

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it is."""
        return json.loads(self.raw)

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON documents, one a line."""
        return [json.loads(line) for line in self.raw.splitlines()]


class Program:
    """The command line on the vault in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def say(self, *words: str) -> Said:
        """Run a command line in this process, whatever comes of it."""
        out, err = Screen(False), Screen(False)
        umask = os.umask(0o022)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = main(["--vault", str(self.folder), *words], ALONE)
        finally:
            os.umask(umask)
        return Said(code, out.written(), err.written().decode("utf-8"))

    def __call__(self, *words: str) -> Said:
        """Run a command line that must go well."""
        said = self.say(*words)
        assert said.code == 0, said.err
        return said

    def ask(self, *words: str) -> Any:
        """The one JSON document that a command answers with."""
        at = words.index("--") if "--" in words else len(words)
        return self(*words[:at], "--json", *words[at:]).json

    def refuses(self, code: int, *words: str) -> str:
        """Run a command line that must fail with this exit code; returns the one sentence it says."""
        said = self.say(*words)
        return one_sentence(said, code)

    def spawn(self, *words: str, **options: Any) -> Said:
        """Run a command line in a process of its own."""
        done = subprocess.run(command(self.folder, *words), capture_output=True, timeout=60, **options)
        return Said(done.returncode, done.stdout, done.stderr.decode("utf-8"))


def one_sentence(said: Said, code: int) -> str:
    """The sentence of a command line that failed as it should: one line on standard error, no traceback."""
    assert said.code == code, (said.code, said.err)
    assert "Traceback" not in said.err
    assert "should not have happened" not in said.err
    assert said.err.startswith("muniment: ")
    assert len(said.err.splitlines()) == 1, said.err
    return said.err.removeprefix("muniment: ").strip()


def command(folder: Path, *words: str) -> list[str]:
    """The command line that runs the engine in a process of its own."""
    return [sys.executable, "-m", "muniment", "--vault", str(folder), *words]


def fingerprint(folder: Path, leave_out: Sequence[str] = ("lock", "work")) -> dict[str, str]:
    """Every file below a folder by its path, with mode and hash of its content; locks and drafts left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        # Where nobody writes, SQLite's companions hold nothing; whoever reads makes them.
        if name.parts[0] in leave_out or path.name in ("catalog.db-shm", "catalog.db-wal"):
            assert not path.name.endswith("-wal") or not path.stat().st_size
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[os.fspath(name)] = f"{path.stat().st_mode:o} {content}"
    return found
