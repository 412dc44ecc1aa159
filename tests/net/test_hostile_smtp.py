"""Mail relays with replies that are too long or too slow: sending and asking end, with limited memory."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import muniment
from support.certs import server_certificate
from support.hostile_servers import Chunks
from support.hostile_smtp import OTHERS, REPLIES, STAGES, HostileSmtp

MEMORY = 100 * 1024 * 1024
"""Bytes of address space that a session can take beyond those at the start of the program."""
LIMIT = 0.4
"""Seconds that a reply can take."""
SLOW = 6.0
"""Most seconds of a session, on a busy machine."""
ROWS: dict[str, tuple[str, Callable[[], Chunks]]] = {
    **{
        f"{stage or 'greeting'}: {name}": (stage, partial(reply, code))
        for stage, code in STAGES.items()
        for name, reply in REPLIES.items()
    },
    **OTHERS,
}

SESSION = """
import json, resource, sys, time
from pathlib import Path
from muniment.config.model import NotifyMail
from muniment.errors import MunimentError
from muniment.notify import mail, online
from muniment.notify.model import NotifyEvent
from muniment.notify.telling import ArchiveOrigin
from muniment.setup import smtp

what, ports, folder, memory, limit = sys.argv[1:]
limit = float(limit)
online.token = lambda mail, folder, renew: "token"
event = NotifyEvent(kind="test", state="note", key="test", title="A test", text="It is one.", time=1)
(Path(folder) / "secret").write_text("correct-horse")
(Path(folder) / "secret").chmod(0o600)

def send(port, stage, **more):
    more.setdefault("security", "starttls" if stage == "STARTTLS" else "none")
    settings = NotifyMail(host="localhost", port=port, login="anna", to=("bob@example.com",), **more)
    mail.MailWay(settings, Path(folder), limit).send(event, ArchiveOrigin("Harbour", "/srv/mail"))

def ask(port, stage):
    findings = list(smtp.delivers("127.0.0.1", port, "bob@example.com", "localhost", seconds=limit))
    bad = [one.text for one in findings if one.verdict is not smtp.FindingVerdict.FINE]
    if bad and "offers no STARTTLS" not in bad[-1]:
        raise MunimentError(bad[-1])

asked = {
    "password": lambda port, stage: send(port, stage, password={"file": "secret"}),
    "token": lambda port, stage: send(port, stage, auth="app"),
    "tls": lambda port, stage: send(port, stage, security="tls", ca_file=folder + "/ca.pem"),
    "ask": ask,
}
asked[what](*json.loads(ports)[0])
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(memory),) * 2)
for port, stage in json.loads(ports)[1:]:
    began, problem = time.monotonic(), ""
    try:
        asked[what](port, stage)
    except MunimentError as error:
        problem = str(error)
    print(json.dumps({"problem": problem, "seconds": time.monotonic() - began}))
"""
ASKED = {
    "password": set(STAGES),
    "token": {"EHLO", "AUTH"},
    "tls": {"", "EHLO", ".", "QUIT"},
    "ask": {"", "EHLO", "STARTTLS", "MAIL", "RCPT", "QUIT"},
}
"""The stages that each client reaches."""


def meet(what: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The results of a client with each such relay, in a process with limited memory."""
    made = server_certificate(folder / "certificates")
    (folder / "ca.pem").write_bytes(made.authority.read_bytes())
    rows = {name: row for name, row in ROWS.items() if row[0] in ASKED[what]}
    with ExitStack() as servers:
        certificate = made.certificate if what == "tls" else None
        # The first relay is honest, so that every module is loaded before memory is limited.
        relays: list[tuple[str, Callable[[], Chunks]]] = [("none", list), *rows.values()]
        ports = [
            (servers.enter_context(HostileSmtp(stage, reply, certificate)).port, stage)
            for stage, reply in relays
        ]
        ended = subprocess.run(
            [sys.executable, "-c", SESSION, what, json.dumps(ports), str(folder), str(MEMORY), str(LIMIT)],
            capture_output=True,
            text=True,
            timeout=len(rows) * SLOW,
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return dict(zip(rows, map(json.loads, ended.stdout.splitlines()), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("what", ASKED)
def test_a_hostile_relay_gives_one_sentence(what: str, tmp_path: Path) -> None:
    found = meet(what, tmp_path)
    assert not {row: one for row, one in found.items() if one["seconds"] > SLOW}
    assert all(len(one["problem"]) < 600 for one in found.values())
    silent = {row for row, one in found.items() if not one["problem"]}
    # A mail that a relay has accepted is sent, whatever follows.
    assert silent == {row for row in found if ROWS[row][0] == "QUIT"}
    unexplained = [one["problem"] for one in found.values() if "SMTPServerDisconnected" in one["problem"]]
    assert not unexplained


def test_every_smtp_client_has_limits() -> None:
    """smtplib itself has none."""
    for path in Path(muniment.__file__).parent.rglob("*.py"):
        named = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "smtplib"
        }
        assert path.name == "smtp.py" or not named & {"SMTP", "SMTP_SSL", "LMTP"}, path
