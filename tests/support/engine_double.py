"""An engine that answers from a table, for tests of the clients."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from muniment.api import Request, WireWord
from muniment.cli import EngineDoors, main
from muniment.cli.engine_port import VaultUnits, WitnessDesk
from muniment.service.daemon.install import UnitInstaller
from muniment.witness.desk import FolderDesk

HOSTILE = "\x1b]0;owned\x07\x1b[2J[/x][bold red]won\x9b31m \u202egnp.tset\u202c\u200b\x00\r\nFrom: me"
"""What a mail's subject, name or file name can contain."""
FORBIDDEN = [chr(n) for n in (*range(0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0))]
FORBIDDEN += list("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""What must never reach a terminal."""

Answer = WireWord | Exception | Sequence[WireWord | BaseException] | Callable[[Request], Iterator[WireWord]]


@dataclass
class EngineDouble:
    """A transport that answers each kind of request from `answers`, and records the requests in `asked`.

    It keeps no state and checks nothing: it also accepts requests that the real engine refuses. If a
    stream is closed early, its request is added to `cancelled`.
    """

    answers: dict[type[Request], Answer] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    opened: list[Path] = field(default_factory=list)
    cancelled: list[Request] = field(default_factory=list)
    closed: int = 0
    serve: Callable[[Path, Callable[[str], None]], int] = lambda vault, say: 0
    demo: Callable[[Path], Iterator[WireWord]] = lambda vault: iter(())
    installer: Callable[[], VaultUnits] = UnitInstaller
    witness: Callable[[], WitnessDesk] = FolderDesk

    look: Callable[[Path], int] | None = None
    held: dict[type[Request], threading.Event] = field(default_factory=dict)
    """Answers to these requests come only after their event is set."""

    @property
    def doors(self) -> EngineDoors:
        return EngineDoors(
            connect=self._connect,
            serve=self.serve,
            demo=self.demo,
            installer=self.installer,
            witness=self.witness,
            look=self.look,
        )

    def _connect(self, vault: Path) -> EngineDouble:
        self.opened.append(vault)
        return self

    def call(self, request: Request) -> WireWord:
        self.asked.append(request)
        if type(request) in self.held:
            assert self.held[type(request)].wait(60), f"{type(request).__name__} is held for ever"
        answer = self.answers[type(request)]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, WireWord)
        return answer

    def stream(self, request: Request) -> Iterator[WireWord]:
        self.asked.append(request)
        answer = self.answers[type(request)]
        if callable(answer):
            return answer(request)
        return self._stream(request, [answer] if isinstance(answer, WireWord | Exception) else answer)

    def _stream(self, request: Request, words: Sequence[WireWord | BaseException]) -> Iterator[WireWord]:
        try:
            for word in words:
                if isinstance(word, BaseException):
                    raise word
                yield word
        except GeneratorExit:
            self.cancelled.append(request)
            raise

    def close(self) -> None:
        self.closed += 1


class Screen(io.TextIOWrapper):
    """Standard output whose content a test can read; `terminal` is what its `isatty` says."""

    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def written(self) -> bytes:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


@dataclass(frozen=True)
class Result:
    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode("utf-8")


def invoke(engine: EngineDouble, *argv: str, terminal: bool = False, vault: str = "/v") -> Result:
    """Run a command line with a double as its engine; `vault` is the value of --vault, "" for none."""
    out, err = Screen(terminal), Screen(False)
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*(("--vault", vault) if vault else ()), *argv], engine.doors)
    assert sys.stdout is not out
    return Result(code, out.written(), err.written().decode("utf-8"))


def assert_harmless(text: str) -> None:
    """Check that a text has no control character but the line end, and none that reorders or hides text."""
    found = [hex(ord(character)) for character in FORBIDDEN if character in text]
    assert not found, f"{found} in {text!r}"


def assert_shown_harmlessly(text: str) -> None:
    """Check that a text shows HOSTILE, or its beginning, and is harmless."""
    assert "[/x]" in text, f"the hostile text is not shown: {text!r}"
    assert_harmless(text)
