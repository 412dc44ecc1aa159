"""run and service: the books, progress, cancelling."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from muniment.api import CancelRun, Done, Request, Run, RunAll, RunSummary, WireWord
from muniment.cli.books import KEYS
from muniment.errors import VaultLocked
from support.engine_double import HOSTILE, EngineDouble, assert_shown_harmlessly, invoke
from support.words import progress, summary


def test_a_run_ends_with_the_books() -> None:
    result = invoke(EngineDouble({Run: [progress(), summary()]}), "run", "gw")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "gw: ok, 23.4 MB in 12.3 s, 81/s",
        "  listed   1,010 = 1,000 fetched + 10 already",
        "  fetched  1,000 = 900 new + 99 merged + 1 quarantined",
        "  deleted  1,010 at the source, each kept here",
        "  The books balance.",
    ]


def test_run_in_json_has_exactly_the_keys_of_the_contract() -> None:
    double = EngineDouble({Run: [progress(), summary()]})
    lines = invoke(double, "run", "a", "b", "--json").out.splitlines()
    assert double.asked == [Run(profile="a"), Run(profile="b")]
    assert [list(json.loads(line)) for line in lines] == [list(KEYS)] * 2
    assert ", ".join(KEYS) == (
        "profile, state, listed, fetched, already, skipped, pending, new, merged, quarantined, left, failed, "
        "deleted, bytes, seconds, balanced"
    )


def test_run_all_prints_the_books_of_each_profile() -> None:
    double = EngineDouble({RunAll: [summary(), progress(profile="b"), summary(profile="b")]})
    out = invoke(double, "run", "--all").out
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        "gw: ok, 23.4 MB in 12.3 s, 81/s",
        "b: ok, 23.4 MB in 12.3 s, 81/s",
    ]


def test_a_failed_run_says_why_and_the_others_still_run() -> None:
    def stream(request: Request) -> Iterator[WireWord]:
        assert isinstance(request, Run)
        failed = {"state": "failed", "error": "the server is not reached", "exit_code": 7}
        yield summary(profile=request.profile, **(failed if request.profile == "a" else {}))

    result = invoke(EngineDouble({Run: stream}), "run", "a", "b", "--json")
    assert result.code == 7
    assert result.err == "muniment: a: the server is not reached\n"
    a, b = map(json.loads, result.out.splitlines())
    assert a["error"] == "the server is not reached"
    assert "error" not in b


def test_books_that_do_not_balance_are_a_failed_run() -> None:
    result = invoke(EngineDouble({Run: [summary(balanced=False)]}), "run", "gw")
    assert result.code == 12
    assert "DO NOT BALANCE" in result.out


def test_an_empty_run_has_books() -> None:
    empty = dict.fromkeys(KEYS[2:13], 0) | {"bytes": 0, "seconds": 0.0}
    out = invoke(EngineDouble({Run: [summary(**empty)]}), "run", "gw").out
    assert "  listed   0 = 0 fetched\n" in out


def test_a_locked_vault() -> None:
    result = invoke(EngineDouble({Run: VaultLocked("pid 7 owns the vault")}), "run", "gw")
    assert (result.code, result.err) == (5, "muniment: pid 7 owns the vault\n")


@pytest.mark.parametrize("argv", [["run"], ["run", "gw", "--all"]])
def test_a_run_needs_names_or_all(argv: list[str]) -> None:
    assert invoke(EngineDouble(), *argv).code == 2


def interrupted(number: int, *summaries: RunSummary) -> EngineDouble:
    """An engine whose run sends this signal to the program, and then the summaries if it is cancelled."""

    def stream(request: Request) -> Iterator[WireWord]:
        yield progress()
        os.kill(os.getpid(), number)
        yield progress(seconds=4.0)
        if any(isinstance(asked, CancelRun) for asked in double.asked):
            yield from summaries

    double = EngineDouble({Run: stream, RunAll: stream, CancelRun: Done(message="Stopping.")})
    return double


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_cancels_and_prints_the_books(number: int, code: int) -> None:
    before = signal.getsignal(number)
    double = interrupted(number, summary(state="cancelled", fetched=650, new=650, merged=0, pending=350))
    result = invoke(double, "run", "gw", "next", "--json")
    assert signal.getsignal(number) is before
    assert result.code == code
    assert double.asked == [Run(profile="gw"), CancelRun(profile="gw")]
    (line,) = result.out.splitlines()
    data = json.loads(line)
    assert (data["state"], data["fetched"]) == ("cancelled", 650)


def test_ctrl_c_cancels_all_requested_runs() -> None:
    others = [summary(profile=name, state="cancelled", listed=0) for name in ("b", "c")]
    double = interrupted(signal.SIGINT, summary(state="cancelled"), *others)
    result = invoke(double, "run", "--all")
    assert result.code == 130
    assert double.asked == [RunAll(), CancelRun()]
    assert [line for line in result.out.splitlines() if not line.startswith(" ")] == [
        "gw: cancelled, 23.4 MB in 12.3 s, 81/s"
    ]


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    def stream(request: Request) -> Iterator[WireWord]:
        yield progress()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        yield progress()

    result = invoke(EngineDouble({Run: stream}), "run", "gw")
    assert (result.code, result.err) == (130, "muniment: Stopped.\n")


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    results = []
    thread = threading.Thread(
        target=lambda: results.append(invoke(EngineDouble({Run: [summary()]}), "run", "gw"))
    )
    thread.start()
    thread.join()
    assert results[0].code == 0


def test_progress_is_drawn_on_a_terminal_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = invoke(EngineDouble({Run: [progress(), summary()]}), "run", "gw", terminal=True).out
    assert "fetched              512       160/s" in out
    assert "\x1b[K" in out
    assert out.endswith("  The books balance.\n")


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_gets_only_the_books(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    out = invoke(EngineDouble({Run: [progress(), summary()]}), "run", "gw", terminal=True).out
    assert "\x1b" not in out
    assert "512" not in out


def test_json_on_a_terminal_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = invoke(EngineDouble({Run: [progress(), summary()]}), "run", "gw", "--json", terminal=True).out
    assert json.loads(out)["state"] == "ok"


def test_hostile_strings_in_a_run() -> None:
    failed = summary(profile=HOSTILE, state="failed", error=HOSTILE, exit_code=7)
    result = invoke(EngineDouble({Run: [progress(stage=HOSTILE), failed]}), "run", "x")
    assert_shown_harmlessly(result.out)
    assert_shown_harmlessly(result.err)


def test_service_runs_until_it_ends(tmp_path: Path) -> None:
    def serve(vault: Path, say: Callable[[str], None]) -> int:
        say(str(vault))
        say(f"{HOSTILE} end")
        return 4

    double = EngineDouble(serve=serve)
    result = invoke(double, "service", vault=str(tmp_path))
    assert result.code == 4
    assert result.out.startswith(f"{tmp_path}\n")
    assert result.out.endswith(" end\n")
    assert_shown_harmlessly(result.out)
    lines = invoke(double, "service", "--json", vault=str(tmp_path)).out.splitlines()
    assert json.loads(lines[0]) == {"line": str(tmp_path)}
