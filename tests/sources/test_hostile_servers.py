"""Servers with answers that are too long, invalid or too slow: a run ends, with limited memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from muniment.errors import SourceError
from muniment.net.limits import AnswerPace
from muniment.net.retry import TransientError
from muniment.sources.base import MailItem
from muniment.sources.endpoint import ImapEndpoint
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from muniment.sources.source_limits import SourceLimits
from support.certs import server_certificate
from support.hostile_servers import (
    DELETING_IMAP,
    DELETING_POP3,
    IMAP,
    MESSAGE,
    POP3,
    Answers,
    HostileServer,
)

MEMORY = 160 * 1024 * 1024
"""Bytes of address space that a session can take beyond those at the start of the program."""
DISK = 24 * 1024 * 1024
"""Bytes of any one file that a session can write."""
SECONDS = 60
TREE = (
    "folders without end",
    "a folder's name as a literal of 4 GB",
    "namespaces without end",
    "many namespaces",
    "labels without end",
)
"""Rows that concern only a profile that reads several folders."""

SESSION = """
import json, resource, sys, time
from pathlib import Path
from muniment.errors import MunimentError
from muniment.sources import pop3, imap
from muniment.sources.base import UnfetchedItem
from muniment.sources.endpoint import ImapEndpoint
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from muniment.sources.source_limits import SourceLimits

kind, port, tree, work, memory, disk = sys.argv[1:]
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(memory),) * 2)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(disk),) * 2)
endpoint = ImapEndpoint(
    kind=kind, host="127.0.0.1", port=int(port), security="none", mailbox="user", password="secret",
    work=Path(work), timeout=1, folders=FolderChoice() if tree == "tree" else None,
    limits=SourceLimits(
        spare=1024 * 1024, folder_list=1024 * 1024, lively=2, message_list=8 * 1024 * 1024,
        long=2, long_rate=10_000,
    ),
)
source = open_source(endpoint, sleep=lambda seconds: None)
answers, gone, problem = [], [], ""
try:
    source.connect()
    items = list(source.listing())
    answers = list(source.fetch(items))
    problem = next((one.reason for one in answers if isinstance(one, UnfetchedItem)), "")
    gone = [] if problem else source.delete(items)
    problem = problem or next((one.reason for one in source.refusals()), "")
except MunimentError as error:
    problem = str(error)
source.close()
kept = sum(path.stat().st_size for path in Path(work).rglob("*") if path.is_file())
print(json.dumps({"problem": problem, "kept": kept, "answers": len(answers), "gone": len(gone)}))
"""


def meet(protocol: str, answers: Answers, folder: Path, *, tree: bool = False) -> dict[str, Any]:
    """The result of a session with such a server, in a process with limited memory."""
    with HostileServer(protocol, answers) as server:
        command = [sys.executable, "-c", SESSION, protocol, str(server.port), "tree" if tree else "one"]
        ended = subprocess.run(
            [*command, str(folder / "work"), str(MEMORY), str(DISK)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def require_sentence(found: dict[str, Any]) -> None:
    assert found["gone"] == 0
    assert found["problem"], found
    assert len(found["problem"]) < 600
    assert found["kept"] == 0, "nothing is left in the work folder"


@pytest.mark.parametrize("row", POP3)
def test_a_hostile_pop3_server_gives_one_sentence(row: str, tmp_path: Path) -> None:
    require_sentence(meet("pop3", POP3[row], tmp_path))


@pytest.mark.parametrize("row", IMAP)
def test_a_hostile_imap_server_gives_one_sentence(row: str, tmp_path: Path) -> None:
    require_sentence(meet("imap", IMAP[row], tmp_path, tree=row in TREE))


@pytest.mark.slow
@pytest.mark.parametrize("row", DELETING_POP3)
def test_a_hostile_answer_to_a_deletion_by_pop3_gives_one_sentence(row: str, tmp_path: Path) -> None:
    found = meet("pop3", DELETING_POP3[row], tmp_path)
    require_sentence(found)
    assert found["answers"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("row", DELETING_IMAP)
def test_a_hostile_answer_to_a_deletion_by_imap_gives_one_sentence(row: str, tmp_path: Path) -> None:
    found = meet("imap", DELETING_IMAP[row], tmp_path)
    require_sentence(found)
    assert found["answers"] == 1


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_the_same_server_is_read_if_it_is_honest(protocol: str, tmp_path: Path) -> None:
    found = meet(protocol, {}, tmp_path)
    assert found == {"problem": "", "kept": 0, "answers": 1, "gone": 1}


def test_an_invalid_date_is_left_out(tmp_path: Path) -> None:
    row = b'* 1 FETCH (UID 1 RFC822.SIZE %d INTERNALDATE "99-Jan-0000 99:99:99 +9999" FLAGS ())\r\n'
    found = meet("imap", {"FETCH": lambda: [row % len(MESSAGE), b"OK\r\n"]}, tmp_path)
    assert found == {"problem": "", "kept": 0, "answers": 1, "gone": 1}


def listed(answers: Answers, folder: Path) -> list[MailItem]:
    """The items of a profile that reads several folders, with STARTTLS."""
    made = server_certificate(folder / "certificates")
    with HostileServer("imap", answers, made.certificate) as server:
        endpoint = ImapEndpoint(
            kind="imap",
            host="127.0.0.1",
            port=server.port,
            security="starttls",
            mailbox="user",
            password="secret",
            ca_file=str(made.authority),
            work=folder / "work",
            timeout=5,
            folders=FolderChoice(),
        )
        source = open_source(endpoint, sleep=lambda seconds: None)
        try:
            source.connect()
            return list(source.listing())
        finally:
            source.close()
            assert not [command for command in server.commands if command == "LOGIN"][1:]


INJECTED = [
    b'* LIST (\\HasNoChildren) "/" "injected"\r\n',
    b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SPECIAL-USE\r\n",
    b"* SEARCH 1 2 3\r\n",
]


@pytest.mark.parametrize("line", INJECTED)
def test_lines_before_tls_are_forgotten_after_it(line: bytes, tmp_path: Path) -> None:
    (item,) = listed({"STARTTLS": lambda: [line, b"OK\r\n"]}, tmp_path)
    assert item.place.folder == "INBOX"


@pytest.mark.parametrize("line", INJECTED)
def test_unencrypted_data_after_starttls_ends_the_session(line: bytes, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="before TLS"):
        listed({"STARTTLS": lambda: [b"OK+" + line]}, tmp_path)


def test_a_server_that_keeps_sending_lines_is_waited_for() -> None:
    """Dovecot does this every two minutes while it works on a long command."""
    now = [0.0]

    def after(seconds: float, count: int) -> Callable[[], int]:
        def read() -> int:
            now[0] += seconds
            return count

        return read

    pace = AnswerPace(
        ImapEndpoint(kind="imap", host="127.0.0.1", work=Path("/"), timeout=300), clock=lambda: now[0]
    )
    pace.begin()
    for _ in range(20):
        pace.receive(after(120, 30))  # 2,400 s of 3,000
        pace.line()
    pace.receive(after(500, 30))
    with pytest.raises(TransientError, match="less than 64 bytes a second"):
        pace.receive(after(120, 30))
    pace.begin()
    pace.receive(after(299, 1))
    with pytest.raises(TransientError):
        pace.receive(after(2, 1))


def test_a_long_answer_must_be_faster() -> None:
    """A message of 2 GiB at 65 bytes a second would take a year."""
    now = [0.0]

    def read(count: int) -> int:
        now[0] += 60
        return count

    pace = AnswerPace(
        ImapEndpoint(kind="imap", host="127.0.0.1", work=Path("/"), timeout=300), clock=lambda: now[0]
    )
    pace.begin()
    for _ in range(60):
        pace.receive(lambda: read(65 * 60))
    with pytest.raises(TransientError, match="less than 8,192 bytes a second"):
        pace.receive(lambda: read(65 * 60))
    pace.begin()
    for _ in range(200):
        pace.receive(lambda: read(10_000 * 60))


def mailbox(keys: int) -> Answers:
    """An honest POP3 mailbox with so many messages."""
    lines = b"".join(b"%d key-%d\r\n" % (number, number) for number in range(1, keys + 1))
    return {
        "STAT": lambda: [b"+OK %d 1\r\n" % keys],
        "UIDL": lambda: [b"+OK\r\n" + lines + b".\r\n"],
    }


def test_a_long_list_does_not_fill_the_disk(tmp_path: Path) -> None:
    """With an unbelievable reserve, the disk is always nearly full."""
    limits = SourceLimits(free_space=2**62, unchecked=64 * 1024)
    for keys, fits in ((100, True), (5000, False)):
        with HostileServer("pop3", mailbox(keys)) as server:
            endpoint = ImapEndpoint(
                kind="pop3", host="127.0.0.1", port=server.port, security="none", mailbox="user",
                password="secret", work=tmp_path, limits=limits,
            )  # fmt: skip
            source = open_source(endpoint, sleep=lambda seconds: None)
            with nullcontext() if fits else pytest.raises(SourceError, match="is nearly full"):
                source.connect()
                assert len(list(source.listing())) == keys
            source.close()
