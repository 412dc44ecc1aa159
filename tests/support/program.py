"""The command line on a real vault, in this process or in one of its own."""

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
    """The result of one command line: exit code, standard output and standard error."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.raw.decode("utf-8")

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.raw)

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON documents, one on each line."""
        return [json.loads(line) for line in self.raw.splitlines()]


class Program:
    """The command line on the vault in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def say(self, *words: str) -> Said:
        """Run a command line in this process, and accept any result."""
        out, err = Screen(False), Screen(False)
        umask = os.umask(0o022)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = main(["--vault", str(self.folder), *words], ALONE)
        finally:
            os.umask(umask)
        return Said(code, out.written(), err.written().decode("utf-8"))

    def __call__(self, *words: str) -> Said:
        """Run a command line that must succeed."""
        result = self.say(*words)
        assert result.code == 0, result.err
        return result

    def ask(self, *words: str) -> Any:
        """Run a command with --json that must succeed; returns its JSON document."""
        at = words.index("--") if "--" in words else len(words)
        return self(*words[:at], "--json", *words[at:]).json

    def refuses(self, code: int, *words: str) -> str:
        """Run a command line that must fail with this exit code; returns its one sentence."""
        return one_sentence(self.say(*words), code)

    def spawn(self, *words: str, **options: Any) -> Said:
        """Run a command line in a separate process."""
        done = subprocess.run(command(self.folder, *words), capture_output=True, timeout=60, **options)
        return Said(done.returncode, done.stdout, done.stderr.decode("utf-8"))


def one_sentence(result: Said, code: int) -> str:
    """Check that a command line failed with this code and one line on standard error; returns that line."""
    assert result.code == code, (result.code, result.err)
    assert "Traceback" not in result.err
    assert "should not have happened" not in result.err
    assert result.err.startswith("muniment: ")
    assert len(result.err.splitlines()) == 1, result.err
    return result.err.removeprefix("muniment: ").strip()


def command(folder: Path, *words: str) -> list[str]:
    """The arguments that run this command line in a process of its own."""
    return [sys.executable, "-m", "muniment", "--vault", str(folder), *words]


def fingerprint(folder: Path, leave_out: Sequence[str] = ("lock", "work", "proof.json")) -> dict[str, str]:
    """Mode and content hash of everything below a folder, by path, except `leave_out` and SQLite's files.

    `proof.json` notes the result of each verification.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        # A reader makes SQLite's companion files; without a writer they are empty.
        if name.parts[0] in leave_out or path.name in ("catalog.db-shm", "catalog.db-wal"):
            assert not path.name.endswith("-wal") or not path.stat().st_size
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[os.fspath(name)] = f"{path.stat().st_mode:o} {content}"
    return found
