"""On a terminal no word of a sentence is broken; elsewhere a sentence is one line."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import termios
from collections.abc import Callable
from contextlib import redirect_stderr

import msgspec
import pytest
from rich.cells import cell_len

from muniment.api import (
    AddUser,
    Done,
    GetHealth,
    GetSetup,
    GetStatus,
    HealthProblem,
    ListQuarantine,
    Quarantine,
    QuarantineItem,
    Request,
    Run,
    Setup,
    SetupField,
    SetupStep,
    Show,
    Step,
    Verified,
    Verify,
)
from muniment.api import (
    TestNotify as TryNotify,
)
from muniment.api import (
    TestProfile as TryProfile,
)
from muniment.cli.output import CommandOutput, complain
from support.engine_double import Answer, EngineDouble, Screen, invoke
from support.words import message, state_of_health, status, summary

LONG = "The mail server of the organisation answers that it can't be used as it is set up. " * 3
WORDS = LONG.split()
STEP = SetupStep(
    key="users", title="Users", state="to do", guide=LONG, detail=LONG,
    fields=(SetupField(name="domains", label="Domains", value="", choices=(), hint=LONG),),
)  # fmt: skip
ITEM = QuarantineItem(id="ab" * 32, time=0, size=1, reason=LONG, profile="gw")
PROVEN = Verified(
    ok=True, records=1, messages=1, tree_size=1, root="00", problems=(LONG,), notes=(LONG,)
)  # fmt: skip
CALLS: list[tuple[str, dict[type[Request], Answer]]] = [
    ("status", {GetStatus: status(), GetHealth: state_of_health(HealthProblem("x", "warning", LONG))}),
    ("show x", {Show: msgspec.structs.replace(message(LONG), headers=(("Subject", LONG),), notes=(LONG,))}),
    ("show x --text", {Show: message(LONG)}),
    ("verify", {Verify: [PROVEN]}),
    ("run gw", {Run: [summary(passed=({"reason": LONG, "count": 1, "examples": ["a"]},))]}),
    ("profile test gw", {TryProfile: [Step(text=LONG), Done(message=LONG)]}),
    ("notify test", {TryNotify: [Step(text=LONG), Done(message=LONG)]}),
    ("setup users", {GetSetup: Setup(platform="other", steps=(STEP,))}),
    ("users add A a@b.example", {AddUser: Done(message=LONG)}),
    ("quarantine show abababab", {ListQuarantine: Quarantine(items=(ITEM,))}),
]
"""Commands, with answers that have long sentences."""
PIPED = [call for call in CALLS if call[0] != "setup users"]
"""Without those whose text is always wrapped."""


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(("words", "answers"), CALLS, ids=[words for words, _ in CALLS])
def test_a_terminal_gets_whole_words(
    words: str, answers: dict[type[Request], Answer], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    shown = invoke(EngineDouble(answers), *words.split(), terminal=True).out
    assert " ".join(WORDS) in " ".join(shown.split())
    for line in shown.splitlines():
        assert cell_len(line) <= columns or " " not in line.strip(), line


@pytest.mark.parametrize(("words", "answers"), PIPED, ids=[words for words, _ in PIPED])
def test_a_pipe_gets_each_sentence_on_one_line(words: str, answers: dict[type[Request], Answer]) -> None:
    shown = invoke(EngineDouble(answers), *words.split()).out
    assert any(LONG.strip() in line for line in shown.splitlines())


class Errors(io.StringIO):
    """Standard error on a terminal."""

    def __init__(self, handle: int) -> None:
        super().__init__()
        self._handle = handle

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._handle


def test_an_error_is_wrapped_at_words() -> None:
    ends = os.openpty()
    fcntl.ioctl(ends[1], termios.TIOCSWINSZ, struct.pack("4H", 24, 60, 0, 0))
    errors = Errors(ends[1])
    try:
        with redirect_stderr(errors):
            complain("the profile gw is not tested yet: run `muniment profile test gw`, and then run it")
    finally:
        for end in ends:
            os.close(end)
    assert errors.getvalue() == (
        "muniment: the profile gw is not tested yet: run\n  `muniment profile test gw`, and then run it\n"
    )


def typed(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")


def closed() -> io.TextIOWrapper:
    stream = typed(b"y\n")
    stream.close()
    return stream


def without_its_terminal() -> io.TextIOWrapper:
    ours, theirs = os.openpty()
    os.close(ours)
    return open(theirs, encoding="utf-8")  # noqa: PTH123 - a descriptor is no path


@pytest.mark.parametrize(
    ("make", "yes", "enter"),
    [
        (lambda: typed(b"y\n"), True, True),
        (lambda: typed(b"\n"), False, True),
        (lambda: typed(b""), False, False),
        (lambda: typed(b"\xff\xfe\n"), False, True),
        (closed, False, False),
        (without_its_terminal, False, False),
        (lambda: None, False, False),
    ],
    ids=["yes", "enter", "end", "undecodable", "closed", "lost terminal", "none"],
)
def test_a_line_that_cannot_be_read_is_no_consent(
    make: Callable[[], io.TextIOWrapper | None], yes: bool, enter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = CommandOutput(Screen(True))
    for ask, expected in ((out.confirm, yes), (out.await_enter, enter)):
        stream = make()
        monkeypatch.setattr("sys.stdin", stream)
        assert ask("Go on?") is expected
        assert out.interactive is False
        if stream is not None:
            stream.close()
