"""Passwords: every way to give one, and that none is ever shown."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import string
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from muniment.config.file import interpret
from muniment.config.secrets import COMMAND_SECONDS, Secret, resolve
from muniment.errors import ConfigError
from support.keyrings import MemoryKeyring, memory_keyring
from support.osusers import needs_root

PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "
PASSWORDS = st.text(PRINTABLE, min_size=32, max_size=32)


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    with memory_keyring() as made:
        yield made


def private(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def refusal(spec: dict[str, Any], base: Path, seconds: float = COMMAND_SECONDS) -> str:
    """The message of a refusal, after a check that nothing of the error contains the password."""
    with pytest.raises(ConfigError) as caught:
        resolve(spec, base, seconds=seconds)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert "hunter2" not in shown
    return str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(password=PASSWORDS)
@example(password="\"'\\`$(){}[]<>|&;*?~#%^!=+-_ ,.:/@\\")
@example(password=" " * 32)
def test_every_way_returns_the_exact_password(tmp_path: Path, ring: MemoryKeyring, password: str) -> None:
    private(tmp_path / "secret", password.encode() + b"\n")
    os.environ["MUNIMENT_TEST_SECRET"] = password
    ring.set_password("https://mail/x", "anna", password)
    ways: list[dict[str, Any]] = [
        {"file": "secret"},
        {"env": "MUNIMENT_TEST_SECRET"},
        {"keyring": "https://mail/x/anna"},
    ]
    for spec in ways:
        assert resolve(spec, tmp_path).reveal() == password


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5, deadline=None)
@given(password=PASSWORDS)
@example(password="\"'\\`$(){}[]<>|&;*?~#%^!=+-_ ,.:/@\\")
def test_commands_in_vault_toml_return_the_exact_password(tmp_path: Path, password: str) -> None:
    private(tmp_path / "secret", password.encode() + b"\n")
    words = ["printf", "%s\\n", password]
    listed = "[" + ", ".join(quoted(word) for word in words) + "]"
    for command in (listed, quoted("cat secret"), quoted(f"cat '{tmp_path}/secret'")):
        text = f'[profile.p]\nsource = "spool"\npassword = {{ command = {command} }}\n'
        (profile,) = interpret(text, "vault.toml").profiles
        assert profile.password is not None
        assert resolve(profile.password, tmp_path).reveal() == password


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"a\n", "a"), (b"a\r\n", "a"), (b"a", "a"), (b" a \n", " a "), (b"a\t", "a\t"),
        ("ünï\n".encode(), "ünï"),
    ],
)  # fmt: skip
def test_only_one_line_end_is_removed(tmp_path: Path, content: bytes, password: str) -> None:
    private(tmp_path / "secret", content)
    assert resolve({"file": str(tmp_path / "secret")}, Path("/")).reveal() == password
    assert resolve({"command": ["cat", "secret"]}, tmp_path).reveal() == password


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\n\n", "more than one line"),
        (b"hunter2\r\nDELE 1\r\n", "more than one line"),
        (b"hunter2\0", "more than one line"),
        (b"hunter2\xff", "not UTF-8"),
        (b"hunter2" * 1000, "longer than"),
    ],
)
def test_an_invalid_password(tmp_path: Path, content: bytes, part: str) -> None:
    private(tmp_path / "secret", content)
    assert part in refusal({"file": "secret"}, tmp_path)
    assert part in refusal({"command": "cat secret"}, tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o601])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    private(tmp_path / "secret", b"hunter2").chmod(mode)
    assert f"chmod 600 {tmp_path}/secret" in refusal({"file": "secret"}, tmp_path)


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    assert "No such file" in refusal({"file": "missing"}, tmp_path)
    assert "not a regular file" in refusal({"file": "."}, tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a regular file" in refusal({"file": "pipe"}, tmp_path)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({}, "exactly one of keyring, file, env, command"),
        ({"file": "a", "env": "B"}, "exactly one of"),
        ({"plain": "hunter2"}, "exactly one of"),
        ({"env": 5}, "env must be text"),
        ({"file": ""}, "file must be text"),
        ({"env": "MUNIMENT_TEST_UNSET"}, "MUNIMENT_TEST_UNSET is not set"),
        ({"keyring": "service"}, '"service/user"'),
        ({"command": []}, "list of words"),
        ({"command": ["cat", 1]}, "list of words"),
        ({"command": "cat 'hunter2"}, "quote"),
        ({"command": ["/nowhere/program", "hunter2"]}, "program can't be started"),
        ({"command": "false hunter2"}, "false failed (exit code 1)"),
        ({"command": ["cat", "hunter2\0"]}, "can't be started"),
    ],
)
def test_a_wrong_way(tmp_path: Path, spec: dict[str, Any], part: str) -> None:
    assert part in refusal(spec, tmp_path)


def test_the_error_output_of_a_command_is_discarded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    message = refusal({"command": ["sh", "-c", "echo hunter2 >&2; echo hunter2; exit 3"]}, tmp_path)
    assert "exit code 3" in message
    assert capfd.readouterr() == ("", "")


def test_a_command_runs_without_a_shell(tmp_path: Path) -> None:
    assert resolve({"command": "echo $HOME ; x"}, tmp_path).reveal() == "$HOME ; x"


def test_a_command_that_waits_is_killed_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    words = ["sh", "-c", "sleep 60 & echo $! > child; sleep 60"]
    message = refusal({"command": words}, tmp_path, seconds=0.3)
    assert "took longer than 0.3 s" in message
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_keyrings_without_the_password(tmp_path: Path, ring: MemoryKeyring) -> None:
    assert "keyring set mail anna" in refusal({"keyring": "mail/anna"}, tmp_path)
    ring.locked = True
    with pytest.raises(ConfigError, match="can't be read") as caught:
        resolve({"keyring": "mail/anna"}, tmp_path)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    keyring.set_keyring(keyring.backends.fail.Keyring())
    assert "no keyring on this machine" in refusal({"keyring": "mail/anna"}, tmp_path)


def test_the_keyring_is_not_imported_before_it_is_used() -> None:
    import subprocess

    code = "import sys, muniment.config.secrets; sys.exit('keyring' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
    )


def test_a_secret_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("hunter2")
    logging.getLogger("test").warning("%s %r %s", secret, secret, [secret])
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>9}",
        f"{secret:s}",
        f"{secret}",
        caplog.text,
    ]
    assert not any("hunter2" in text for text in shown)
    for store in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="must not be stored"):
            store(secret)
    assert not hasattr(secret, "__dict__")
    assert secret.reveal() == "hunter2"


@needs_root
@pytest.mark.parametrize("way", ["keyring", "file", "env", "command"])
def test_root_reads_no_secret_for_another_users_vault(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the owner of vault.toml could have root run a program, or send root's file to a server."""
    folder = tmp_path / "vault"
    folder.mkdir()
    os.chown(folder, 61_101, 61_101)
    file = tmp_path / "only-for-root"
    file.write_text("hunter2")
    file.chmod(0o600)
    monkeypatch.setenv("ONLY_FOR_ROOT", "hunter2")
    named = {
        "keyring": "service/user",
        "file": str(file),
        "env": "ONLY_FOR_ROOT",
        "command": ["touch", str(tmp_path / "ran")],
    }
    with pytest.raises(ConfigError, match="become uid 61101"):
        resolve({way: named[way]}, folder)
    assert not (tmp_path / "ran").exists()


def test_a_command_that_prints_endlessly_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="longer than 4096 bytes"):
        resolve({"command": ["yes"]}, tmp_path)


def test_children_of_a_command_are_killed(tmp_path: Path) -> None:
    script = "sleep 300 >/dev/null 2>&1 & echo $! > left; echo hunter2"
    assert resolve({"command": ["sh", "-c", script]}, tmp_path).reveal() == "hunter2"
    left = int((tmp_path / "left").read_text())
    deadline = time.monotonic() + 10
    while psutil.pid_exists(left) and psutil.Process(left).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_command_has_ended_even_if_a_child_keeps_its_output_open(tmp_path: Path) -> None:
    assert resolve({"command": ["sh", "-c", "sleep 300 & echo hunter2"]}, tmp_path).reveal() == "hunter2"
