"""The place of measurements: folders, corpora, and the turns of the contestants."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from types import TracebackType
from typing import Self

from benchmarks import corpus
from benchmarks.corpus import write_maildir
from benchmarks.giant import write_large_report
from benchmarks.measure import Usage, run
from benchmarks.peers import Contestant
from benchmarks.settings import Settings

FOLDER_VARIABLE = "MUNIMENT_BENCH_DIR"
OPEN = 0o755
"""Mode of the folders. A peer that refuses to run as root must be able to enter them. The mail is
invented."""


@dataclass(frozen=True)
class Mail:
    """A maildir of reports."""

    path: Path
    count: int
    bytes: int

    def files(self) -> list[Path]:
        """Its messages, in order."""
        return sorted((self.path / "cur").iterdir())

    def sizes(self) -> str:
        """A description of the messages' sizes."""
        sizes = [path.stat().st_size for path in self.files()]
        return f"{median(sizes) / 1000:.0f} KB in the median, {mean(sizes) / 1000:.0f} KB in the mean"

    def warm(self) -> None:
        """Read all files once, so that every contestant finds them in the page cache."""
        for path in self.files():
            path.read_bytes()


def _edition() -> str:
    """Identifies the version of the code that generates a corpus."""
    return hashlib.sha256(Path(corpus.__file__).read_bytes()).hexdigest()[:8]


@dataclass(frozen=True)
class Trial:
    """One turn of a contestant."""

    seconds: float
    cpu: float


class Lab:
    """Corpora and temporary folders, as a context manager.

    The folder is temporary and removed at the end. With MUNIMENT_BENCH_DIR, it is that folder, and its
    corpora are kept.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        kept = os.environ.get(FOLDER_VARIABLE)
        self._kept = bool(kept)
        self.folder = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="muniment-bench-"))
        self.work = self.folder / "work"

    def __enter__(self) -> Self:
        self.work.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder, self.work):
            folder.chmod(OPEN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.work if self._kept else self.folder, ignore_errors=True)

    def mail(self, count: int) -> Mail:
        """The first `count` reports of the corpus, as a maildir."""
        path = self.folder / f"mail-{_edition()}-{count}"
        return Mail(path, count, write_maildir(path, count))

    def mail_with_giant(self, count: int, size: int) -> Mail:
        """Like `mail`, with an additional report in the middle, of a message of `size` bytes."""
        path = self.folder / f"mail-{_edition()}-{count}-giant"
        total = write_maildir(path, count)
        return Mail(
            path, count + 1, total + write_large_report(path / "cur" / f"{count // 2:07d}.giant:2,S", size)
        )

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new folder, removed at the end."""
        with tempfile.TemporaryDirectory(dir=self.work, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            folder.chmod(OPEN)
            yield folder

    def race(self, contestants: Sequence[Contestant]) -> dict[str, list[Trial]]:
        """Let contestants take turns (A B C, A B C, ...), each from nothing every time. Returns the trials
        by name."""
        trials: dict[str, list[Trial]] = {one.name: [] for one in contestants}
        for _ in range(self.settings.runs):
            for contestant in contestants:
                trial = self.turn(contestant)
                trials[contestant.name].append(trial)
                rate = contestant.count / trial.seconds
                print(f"  {contestant.name}: {trial.seconds:.1f} s, {rate:.0f}/s", flush=True)
        return trials

    def turn(self, contestant: Contestant) -> Trial:
        """One turn, in a fresh folder. The result is checked afterwards.

        Raises:
            CommandFailed: a command ended with an error.
            WrongResult: it did not process all the mail.
        """
        with self.scratch() as folder:
            contestant.prepare(folder)
            os.sync()
            used: list[Usage] = [run(command, folder) for command in contestant.commands(folder)]
            contestant.check(folder, used[-1].output)
        return Trial(sum(one.seconds for one in used), sum(one.cpu for one in used))
