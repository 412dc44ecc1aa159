"""Real ways to notify people: a mail relay, a web server, a program."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from muniment.config.model import NotifyCommand, NotifyMail, NotifySection
from muniment.errors import ConfigError
from muniment.notify.model import NotifyEvent
from muniment.notify.telling import ArchiveOrigin, NotifyFailed
from muniment.notify.ways import ways
from support.certs import ServerCertificate, server_certificate
from support.listeners import Relay, Web, web
from support.osusers import needs_root

SECRET = "correct-horse-battery"
ORIGIN = ArchiveOrigin("Harbour Ltd", "/srv/mail")
EVENT = NotifyEvent(
    kind="run-failed",
    state="trouble",
    key="run-failed:gw",
    title="The run of gw failed\x1b[2J",
    text="First.\nSecond.",
    time=1_770_000_000,
)


def send(notify: NotifySection, folder: Path) -> None:
    for way in ways(notify, folder):
        way.send(EVENT, ORIGIN)


@pytest.fixture
def certificate(tmp_path: Path) -> ServerCertificate:
    return server_certificate(tmp_path / "tls")


@pytest.fixture
def relay(certificate: ServerCertificate) -> Iterator[Relay]:
    with Relay(certificate, "archive", SECRET) as running:
        yield running


@pytest.fixture
def mail(tmp_path: Path, relay: Relay, certificate: ServerCertificate) -> NotifyMail:
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "secret").chmod(0o600)
    return NotifyMail(
        host="127.0.0.1",
        port=relay.port,
        login="archive",
        password={"file": "secret"},
        ca_file=str(certificate.authority),
        sender="archive@harbour.example",
        to=("ines@harbour.example", "ops@harbour.example"),
    )


def test_a_mail_is_sent_over_tls_with_a_login(tmp_path: Path, relay: Relay, mail: NotifyMail) -> None:
    send(NotifySection(mail=mail), tmp_path)
    (received,) = relay.mails
    assert relay.recipients == [["ines@harbour.example", "ops@harbour.example"]]
    assert received["From"] == "archive@harbour.example"
    assert received["Subject"].startswith("Harbour Ltd: The run of gw failed")
    assert received["Subject"].isprintable()
    assert received["Auto-Submitted"] == "auto-generated"
    lines = received.get_content().splitlines()
    assert lines[2:4] == ["First.", "Second."]
    assert "Vault /srv/mail" in received.get_content()


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"password": {"env": "MUNIMENT_WRONG"}}, "refused the login or password"),
        ({"ca_file": ""}, "certificate is not trusted"),
        ({"ca_file": "/nowhere.pem"}, "name a PEM file"),
        ({"login": "", "password": None}, "the relay answered 530 5.7.0 Authentication required"),
        ({"port": 1}, "can't be reached"),
        ({"security": "none"}, "does not offer"),
    ],
)
def test_why_a_mail_is_not_sent_is_explained_without_a_secret(
    tmp_path: Path, mail: NotifyMail, fields: dict[str, object], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    monkeypatch.setenv("MUNIMENT_WRONG", "not-the-password")
    with pytest.raises(NotifyFailed) as raised:
        send(NotifySection(mail=msgspec.structs.replace(mail, **fields)), tmp_path)
    assert part in str(raised.value)
    assert "not-the-password" not in str(raised.value)


@pytest.fixture
def listener() -> Iterator[Web]:
    with web() as running:
        yield running


def test_an_apprise_url_gets_the_event_and_its_secret_stays_hidden(
    tmp_path: Path, listener: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "url"
    secret.write_text(f"json://ines:{SECRET}@127.0.0.1:{listener.port}/hook-{SECRET}\n")
    secret.chmod(0o600)
    notify = NotifySection(urls=({"file": "url"},))
    send(notify, tmp_path)
    (post,) = listener.posts
    assert post["title"].startswith("Harbour Ltd: The run of gw failed")
    assert "\x1b" not in json.dumps(post)
    assert "Second." in post["message"]
    assert post["type"] == "warning"
    listener.status = 500
    with pytest.raises(NotifyFailed, match="did not accept it") as raised:
        send(notify, tmp_path)
    assert SECRET in listener.paths[-1]
    assert SECRET not in str(raised.value) + caplog.text
    plain = NotifySection(urls=(f"nosuch://{SECRET}",))
    with pytest.raises(NotifyFailed, match=r"URL 1 \(nosuch\)") as raised:
        send(plain, tmp_path)
    assert SECRET not in str(raised.value) + caplog.text
    with pytest.raises(ConfigError):
        send(NotifySection(urls=({"env": "MUNIMENT_NOT_SET"},)), tmp_path)


def command(folder: Path, script: str, **fields: int) -> NotifySection:
    return NotifySection(command=NotifyCommand(run=(sys.executable, "-c", script), **fields))


def test_a_program_gets_json_and_no_arguments(tmp_path: Path) -> None:
    script = "import sys, pathlib; pathlib.Path('got').write_text(repr(sys.argv) + '\\n' + sys.stdin.read())"
    send(command(tmp_path, script), tmp_path)
    arguments, event = (tmp_path / "got").read_text().splitlines()
    assert arguments == "['-c']"
    data = json.loads(event)
    assert data == {
        "kind": "run-failed",
        "state": "trouble",
        "key": "run-failed:gw",
        "title": "The run of gw failed\x1b[2J",
        "text": "First.\nSecond.",
        "time": 1_770_000_000,
        "organisation": "Harbour Ltd",
        "vault": "/srv/mail",
    }


def test_a_program_that_fails_hangs_or_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotifyFailed, match="exit code 3"):
        send(command(tmp_path, "raise SystemExit(3)"), tmp_path)
    with pytest.raises(NotifyFailed, match="can't be started"):
        send(NotifySection(command=NotifyCommand(run=("/nowhere/page",))), tmp_path)
    spawning = (
        "import subprocess, pathlib, os, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(NotifyFailed, match="longer than 2 s"):
        send(command(tmp_path, spawning, timeout=2), tmp_path)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert os.getpgid(0) not in pids


@needs_root
@pytest.mark.parametrize("named", ["command", "url"])
def test_root_runs_no_program_of_another_users_vault(tmp_path: Path, named: str) -> None:
    """Some services of Apprise also run programs."""
    made = {
        "command": NotifySection(command=NotifyCommand(run=("touch", str(tmp_path / "ran")))),
        "url": NotifySection(urls=("dbus://",)),
    }
    folder = tmp_path / "vault"
    folder.mkdir()
    os.chown(folder, 61_101, 61_101)
    with pytest.raises(NotifyFailed, match="become uid 61101"):
        send(made[named], folder)
    assert not (tmp_path / "ran").exists()


def test_a_program_that_prints_endlessly_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(NotifyFailed, match="printed more"):
        send(NotifySection(command=NotifyCommand(run=("yes",))), tmp_path)
