"""Telling people, by real ways: a mail relay, a web server, a program."""

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

from muniment.config.model import Notify, NotifyCommand, NotifyMail
from muniment.errors import ConfigError
from muniment.notify.model import Event
from muniment.notify.telling import NotTold, Origin
from muniment.notify.ways import ways
from muniment.service.host.notify_tokens import Lent
from support.certs import ServerCertificate, server_certificate
from support.listeners import Relay, Web, web
from support.osusers import needs_root

SECRET = "correct-horse-battery"
ORIGIN = Origin("Harbour Ltd", "/srv/mail")
EVENT = Event(
    kind="run-failed",
    state="trouble",
    key="run-failed:gw",
    title="The run of gw failed\x1b[2J",
    text="First.\nSecond.",
    time=1_770_000_000,
)


def tell(notify: Notify, folder: Path) -> None:
    for way in ways(notify, folder, Lent()):
        way.tell(EVENT, ORIGIN)


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


def test_a_mail_comes_over_tls_with_a_login(tmp_path: Path, relay: Relay, mail: NotifyMail) -> None:
    tell(Notify(mail=mail), tmp_path)
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
    ("fields", "said"),
    [
        ({"password": {"env": "MUNIMENT_WRONG"}}, "refused login or password"),
        ({"ca_file": ""}, "certificate is not trusted"),
        ({"ca_file": "/nowhere.pem"}, "name a PEM file"),
        ({"login": "", "password": None}, "the relay answered 530 5.7.0 Authentication required"),
        ({"port": 1}, "can't be reached"),
        ({"security": "none"}, "does not offer"),
    ],
)
def test_why_a_mail_is_not_sent_is_told_without_a_secret(
    tmp_path: Path, mail: NotifyMail, fields: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    monkeypatch.setenv("MUNIMENT_WRONG", "not-the-password")
    with pytest.raises(NotTold) as raised:
        tell(Notify(mail=msgspec.structs.replace(mail, **fields)), tmp_path)
    assert said in str(raised.value)
    assert "not-the-password" not in str(raised.value)


@pytest.fixture
def listener() -> Iterator[Web]:
    with web() as running:
        yield running


def test_an_apprise_url_is_told_and_its_secret_kept(
    tmp_path: Path, listener: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "url"
    secret.write_text(f"json://ines:{SECRET}@127.0.0.1:{listener.port}/hook-{SECRET}\n")
    secret.chmod(0o600)
    notify = Notify(urls=({"file": "url"},))
    tell(notify, tmp_path)
    (post,) = listener.posts
    assert post["title"].startswith("Harbour Ltd: The run of gw failed")
    assert "\x1b" not in json.dumps(post)
    assert "Second." in post["message"]
    assert post["type"] == "warning"
    listener.status = 500
    with pytest.raises(NotTold, match="did not take it") as raised:
        tell(notify, tmp_path)
    assert SECRET in listener.paths[-1]
    assert SECRET not in str(raised.value) + caplog.text
    plain = Notify(urls=(f"nosuch://{SECRET}",))
    with pytest.raises(NotTold, match=r"URL 1 \(nosuch\)") as raised:
        tell(plain, tmp_path)
    assert SECRET not in str(raised.value) + caplog.text
    with pytest.raises(ConfigError):
        tell(Notify(urls=({"env": "MUNIMENT_NOT_SET"},)), tmp_path)


def command(folder: Path, script: str, **fields: int) -> Notify:
    return Notify(command=NotifyCommand(run=(sys.executable, "-c", script), **fields))


def test_a_program_is_given_json_and_no_arguments(tmp_path: Path) -> None:
    script = "import sys, pathlib; pathlib.Path('got').write_text(repr(sys.argv) + '\\n' + sys.stdin.read())"
    tell(command(tmp_path, script), tmp_path)
    arguments, event = (tmp_path / "got").read_text().splitlines()
    assert arguments == "['-c']"
    told = json.loads(event)
    assert told == {
        "kind": "run-failed",
        "state": "trouble",
        "key": "run-failed:gw",
        "title": "The run of gw failed\x1b[2J",
        "text": "First.\nSecond.",
        "time": 1_770_000_000,
        "organisation": "Harbour Ltd",
        "vault": "/srv/mail",
    }


def test_a_program_that_fails_hangs_or_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotTold, match="exit code 3"):
        tell(command(tmp_path, "raise SystemExit(3)"), tmp_path)
    with pytest.raises(NotTold, match="can't be started"):
        tell(Notify(command=NotifyCommand(run=("/nowhere/page",))), tmp_path)
    spawning = (
        "import subprocess, pathlib, os, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(NotTold, match="longer than 2 s"):
        tell(command(tmp_path, spawning, timeout=2), tmp_path)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert os.getpgid(0) not in pids


@needs_root
@pytest.mark.parametrize("named", ["command", "url"])
def test_root_uses_no_program_of_another_users_vault(tmp_path: Path, named: str) -> None:
    """Apprise has services that run programs, too."""
    made = {
        "command": Notify(command=NotifyCommand(run=("touch", str(tmp_path / "ran")))),
        "url": Notify(urls=("dbus://",)),
    }
    folder = tmp_path / "vault"
    folder.mkdir()
    os.chown(folder, 61_101, 61_101)
    with pytest.raises(NotTold, match="become uid 61101"):
        tell(made[named], folder)
    assert not (tmp_path / "ran").exists()


def test_a_program_that_prints_without_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(NotTold, match="printed more"):
        tell(Notify(command=NotifyCommand(run=("yes",))), tmp_path)
