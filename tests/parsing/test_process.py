"""A worker process: what it gets, what it can't do, and that it never blocks its caller."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from muniment.parsing.process import PASSED_ON, WorkerDied, WorkerProcess

ANY: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Any)


@pytest.fixture(autouse=True)
def find_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker doubles are modules of the tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


@contextmanager
def worker(module: str, decoder: msgspec.msgpack.Decoder[Any] = ANY) -> Iterator[WorkerProcess[Any]]:
    """A worker process that runs a module."""
    process = WorkerProcess(module, decoder)
    try:
        yield process
    finally:
        process.end()


def probed() -> dict[str, Any]:
    """What a worker can do by its own report, while a port of this machine accepts connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server, worker("support.probing_worker") as one:
        found: dict[str, Any] = one.ask(server.getsockname()[1], timeout=30)
        return found


def test_a_worker_gets_no_password_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PASSWORD", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example.com")
    monkeypatch.setenv("PYTHONSTARTUP", "/secret")
    environment = probed()["environment"]
    assert "secret" not in repr(environment)
    assert environment["PATH"] == os.environ["PATH"]
    assert set(environment) <= {*PASSED_ON, "LC_CTYPE"}  # Python may set LC_CTYPE itself


def test_the_security_page_lists_the_variables_that_a_worker_gets() -> None:
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    listed = page.partition("A worker keeps the variables")[2].partition("\n\n")[0]
    assert re.findall(r"`([A-Z_0-9]+)`", listed) == list(PASSED_ON)


def test_a_worker_gets_its_pipes_and_no_other_file_of_the_service(tmp_path: Path) -> None:
    with (tmp_path / "ledger").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        found = probed()
    # 0 to 2, the copies for frames, the one that lists them; and the socket for files.
    assert [number for number in found["files"] if number > 5] in ([], [found["socket"]])
    assert (found["umask"], found["session"]) == (0o077, True)


def test_a_worker_leaves_no_core_file_and_can_start_nothing() -> None:
    found = probed()
    assert found["core"] == [0, 0]
    if os.geteuid():  # the kernel sets root no limit
        assert found["fork"] == "BlockingIOError"
        assert found["thread"] == "RuntimeError"
    assert found["memory"] == "MemoryError"
    assert found["no_new_privileges"] == "1"
    assert int(found["capabilities"], 16) == 0


def test_a_worker_has_no_network() -> None:
    found = probed()
    if found["connect"] == "works" and not _namespaces_allowed():
        pytest.skip("this kernel or container allows no network namespace")
    assert found["connect"] == "OSError"


def _namespaces_allowed() -> bool:
    return os.system("unshare -Un true 2>/dev/null") == 0 or os.system("unshare -n true 2>/dev/null") == 0


def test_a_worker_that_ends_or_is_silent_is_an_error_in_time() -> None:
    for module, reason in (
        ("muniment.no_such_module", "ended with status 1"),
        ("support.silent_worker", "no answer within"),
    ):
        with worker(module) as one:
            began = time.monotonic()
            with pytest.raises(WorkerDied, match=reason):
                one.ask(1, timeout=2 if "silent" in module else 30)
            assert time.monotonic() - began < 30


@pytest.mark.parametrize("answer", ["half", "endless", "rubbish", "huge", "wrong"])
def test_hostile_answers_block_no_thread_and_take_no_memory(answer: str) -> None:
    with (
        worker("support.lying_worker", msgspec.msgpack.Decoder(dict[str, int])) as one,
        pytest.raises(WorkerDied),
    ):
        one.ask(answer, timeout=2)


def test_a_worker_that_does_not_read_is_an_error_in_time() -> None:
    with worker("support.silent_worker") as one, pytest.raises(WorkerDied, match="no answer within"):
        one.ask(1, [bytes(8 * 1024 * 1024)], timeout=2)


def test_the_kernel_ends_a_worker_that_exceeds_the_time_of_a_mail() -> None:
    with worker("support.busy_worker") as one:
        began = time.monotonic()
        with pytest.raises(WorkerDied, match="too much processor time") as death:
            one.ask(0.3, timeout=60)
        assert death.value.timed_out
        assert time.monotonic() - began < 60


def test_the_time_of_a_mail_counts_only_while_it_is_worked_on() -> None:
    with worker("support.busy_worker") as one:
        assert one.ask(-0.3, timeout=60) == "works"
