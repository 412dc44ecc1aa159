"""Services over HTTP with answers that are too long, invalid or too slow: Graph, EWS and tokens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.certs import server_certificate
from support.hostile_servers import HTTP, HostileHttp, there
from support.soak import in_soak

MEMORY = 300 * 1024 * 1024
"""Bytes of address space that a session can take beyond those at the start of the program."""
SECONDS = 90

SESSION = """
import json, resource, sys
from pathlib import Path
from muniment.errors import MunimentError
from muniment.net.oauth import TokenGrant, tokens
from muniment.sources.endpoint import EwsEndpoint
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from muniment.sources.base import MailItem, MailPlace
from muniment.sources.ews.connection import EwsWire
from muniment.sources.ews.http import make_auth
from muniment.sources.graph.answers import GraphCall
from muniment.sources.graph.connection import GraphWire
from muniment.sources.source_limits import SourceLimits

what, ports, authority, work, memory = sys.argv[1:]
limits = SourceLimits(largest_message=32 * 1024 * 1024, least_rate=100_000)
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(memory),) * 2)
Path(work).mkdir()
port = 0

class Token:
    def token(self, renew=False):
        return "token"

def endpoint(**more):
    return EwsEndpoint(
        host="localhost", port=int(port), mailbox="anna@example.com", work=Path(work), timeout=0.5,
        ca_file=authority, limits=limits, **more,
    )

def graph(ask):
    return ask(GraphWire(endpoint(kind="graph", tokens=Token()), Token(), lambda seconds: None, 2))

def ews():
    source = open_source(
        endpoint(kind="ews", security="tls", scheme="basic", password="secret", folders=FolderChoice()),
        sleep=lambda seconds: None,
    )
    source.connect()
    return list(source.listing())

def ews_delete():
    basic = endpoint(kind="ews", security="tls", scheme="basic", password="secret")
    return EwsWire(basic, make_auth(basic)).delete("", ["AAAA"])

def graph_delete():
    source = open_source(endpoint(kind="graph", tokens=Token()), sleep=lambda seconds: None)
    gone = source.delete([MailItem(MailPlace("localhost", "anna@example.com", "inbox"), "one")])
    assert not gone
    for refusal in source.refusals():
        raise MunimentError(refusal.reason)

def everybody():
    source = open_source(
        endpoint(kind="graph", tokens=Token(), mailboxes=("*",), folders=FolderChoice()),
        sleep=lambda seconds: None
    )
    source.connect()
    return list(source.listing())

def token():
    grant = TokenGrant(
        way="app", scopes=("https://graph.microsoft.com/.default",), directory="contoso", client_id="id",
        secret="secret", authority=f"https://localhost:{port}", ca_file=authority, timeout=0.5,
        limits=limits,
    )
    return tokens(grant).token()

asked = {
    "page": lambda: graph(lambda wire: wire.page("", "/users")),
    "mime": lambda: graph(lambda wire: wire.mime("", "/messages/1")),
    "batch": lambda: graph(lambda wire: wire.batch("", [GraphCall("GET", "/me")])),
    "everybody": everybody,
    "ews": ews,
    "ews delete": ews_delete,
    "graph delete": graph_delete,
    "token": token,
}

def met():
    try:
        asked[what]()
    except MunimentError as error:
        return str(error)
    return ""

for port in json.loads(ports):
    problem = met()
    kept = sum(path.stat().st_size for path in Path(work).rglob("*") if path.is_file())
    print(json.dumps({"problem": problem, "kept": kept}))
"""

ASKED = ("page", "mime", "batch", "everybody", "ews", "token", "ews delete", "graph delete")
ALIKE = ("mime", "batch", "everybody", "ews delete", "graph delete")
"""Those that are read by the same code as others."""
MESSAGES = ("brackets without end", "no JSON and no XML", "a list that is none", "a number of 5,000 digits",
            "entries without ids")  # fmt: skip
"""Rows that are accepted as a strange message."""
FINE = {
    *(("mime", row) for row in MESSAGES),
    ("page", "entries without ids"),
}
"""Pairs of service and row that cause no error."""


def meet(what: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The results of sessions with each such service, in a process with limited memory."""
    made = server_certificate(folder / "certificates")
    with ExitStack() as servers:
        ports = [
            servers.enter_context(HostileHttp(answer, made.certificate, there)).port
            for answer in HTTP.values()
        ]
        ended = subprocess.run(
            [sys.executable, "-c", SESSION, what, json.dumps(ports), str(made.authority),
             str(folder / "work"), str(MEMORY)],
            capture_output=True, text=True, timeout=SECONDS, env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    return dict(zip(HTTP, map(json.loads, ended.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(
    "what", [*(one for one in ASKED if one not in ALIKE), *in_soak(*(one for one in ASKED if one in ALIKE))]
)
def test_hostile_services_give_one_sentence(what: str, tmp_path: Path) -> None:
    found = meet(what, tmp_path)
    assert not [row for row, result in found.items() if result["kept"]], "nothing is left in the work folder"
    silent = {(what, row) for row, result in found.items() if not result["problem"]}
    assert silent == {pair for pair in FINE if pair[0] == what}
    assert all(len(result["problem"]) < 600 for result in found.values())
