"""Three users of one machine and the vault's socket: no request reveals other people's mail to a plain user.

Each user is a process that has really given up root; their names are their uids in digits.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from muniment import __version__, api
from muniment.api import Request, WireWord
from muniment.client import socket_path
from muniment.client.autostart import connected
from muniment.client.client import Client
from muniment.client.receiving import receive
from muniment.client.socket_path import SocketPlace, place_of
from muniment.client.socket_transport import dial
from muniment.errors import AccessRefused, MunimentError, NotFound, UsageError, VaultError
from muniment.service.access.roles import AccessRole
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.host.session import ClientSession
from support.freezing import freezing_requests
from support.osusers import as_user, needs_python_for_others, needs_root, open_folder
from support.pace import longest
from support.reports import line, plain, report
from support.served import line_at, line_to, served
from support.vaults import TestVault

pytestmark = needs_root

BOB, AUDREY, MALLORY = 61_101, 61_102, 61_103
PATIENCE = 60.0
FREEZES = 20
"""How often a user sends each request that would freeze the service."""
SECRETS = ("xyzzyeve", "eve@example.com", "hidden@example.com")
"""What bob must not learn: all of eve's mail, and the Bcc recipients of his own mail."""
TO_BOB = plain(to=["bob@example.com"], subject="plughbob", headers=["Bcc: hidden@example.com"])
TO_EVE = plain(
    sender="xyzzyeve <anna@example.com>", to=["eve@example.com"], subject="xyzzyeve", body="xyzzyeve",
    attachments=[("xyzzyeve.pdf", b"%PDF xyzzyeve")],
)  # fmt: skip
ACCESS = f"""
[access]
auditors = ["{AUDREY}"]
[access.users]
"{BOB}" = "bob@example.com"
"""


@dataclass
class House:
    """A vault with a running service."""

    folder: Path
    ids: dict[str, str]
    public: tuple[str, ...] = ()
    """The public ids of bob's messages."""

    def send(self, uid: int, request: Request) -> list[WireWord]:
        """All replies to a user of the machine."""
        return as_user(uid, lambda: answered(self.folder, request))

    def traced(self, holds: Callable[[api.AuditEvent], bool]) -> list[api.AuditEvent]:
        """The events of the audit trail that match, as soon as there is one, within two seconds."""
        deadline = time.monotonic() + PATIENCE
        while not (found := [one for one in self.trail() if holds(one)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def trail(self) -> list[api.AuditEvent]:
        """The audit trail, as the owner reads it."""
        return list(Client(line_to(self.folder)).call(api.GetAudit(limit=10_000), api.Audit).events)


def answered(folder: Path, request: Request) -> list[WireWord]:
    """All replies to a request, sent as a call or as a stream."""
    transport = line_to(folder)
    if OPERATIONS[type(request)].streams:
        replies = transport.stream(request)
        return list(itertools.islice(replies, 200 if isinstance(request, api.WatchRuns) else None))
    return [transport.call(request)]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with open_folder() as shared:
        vault = TestVault(shared / "vault")
        vault.archive(
            [
                report(TO_BOB, recipients=[line("To", "bob@example.com"), line("Bcc", "hidden@example.com")]),
                report(TO_EVE, recipients=[line("To", "eve@example.com")]),
                b"X-MS-Journal-Report:\r\nSubject: xyzzyeve\r\n\r\nno report",
            ]
        )
        with (vault.folder / "vault.toml").open("a") as file:
            file.write(ACCESS)
        with ClientSession(vault.folder).writing():
            pass
        ids = {hit.subject: hit.id for hit in vault.messages()}
        with served(vault.folder):
            made = House(vault.folder, ids)
            (found,) = made.send(BOB, api.Search(query=""))
            assert isinstance(found, api.Hits)
            made.public = tuple(hit.id for hit in found.hits)
            yield made


def values(house: House, name: str, kind: str) -> list[Any]:
    """The values that a curious user tries in a field, by its name and type."""
    known: dict[str, list[Any]] = {
        "id": [house.ids["xyzzyeve"], house.ids["plughbob"], *house.public],
        "ids": [(house.ids["xyzzyeve"],), ()],
        "user": ["", "eve@example.com", "bob@example.com"],
        "folder": ["Inbox", ""],
        "query": ["", "xyzzyeve", "bcc:hidden@example.com", "user:eve@example.com", "-plughbob"],
        "what": ["message", "headers", "report", "quarantine"],
        "path": ["/tmp/never-made/x.zip"],
        "profile": ["", "x"],
    }  # fmt: skip
    if name in known:
        return known[name]
    simple = {"str": "x", "int": 1, "bool": True, "float": 1.0}
    for one, value in simple.items():
        if kind in (one, f"<class '{one}'>"):
            return [value]
    return [{}] if "dict" in kind and "tuple" not in kind else [()] if "tuple" in kind else [None]


def attempts(house: House, kind: type[Request]) -> Iterator[Request]:
    """A request with all values that might reveal others. New fields and requests are tried automatically."""
    fields = [
        field
        for field in msgspec.structs.fields(kind)
        if field.required or field.name in ("id", "ids", "user", "folder", "query", "what", "path", "report")
    ]
    for chosen in itertools.product(*(values(house, field.name, str(field.type)) for field in fields)):
        yield kind(**{field.name: value for field, value in zip(fields, chosen, strict=True)})


def everything(house: House, kind: type[Request]) -> list[tuple[Request, list[WireWord] | MunimentError]]:
    """The result of every attempt with a request, in the process of the caller."""
    found: list[tuple[Request, list[WireWord] | MunimentError]] = []
    for request in attempts(house, kind):
        try:
            found.append((request, answered(house.folder, request)))
        except MunimentError as error:
            found.append((request, error))
    return found


def as_text(replies: list[WireWord]) -> str:
    """All replies as text."""
    return b"".join(map(msgspec.msgpack.encode, replies)).decode("latin-1").lower()


REQUESTS = sorted(Request.__subclasses__(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", REQUESTS)
def test_no_request_reveals_other_peoples_mail_to_a_plain_user(house: House, kind: type[Request]) -> None:
    tried = as_user(BOB, partial(everything, house, kind))
    assert tried
    refused = 0
    for request, answer in tried:
        typed = as_text([request])
        if isinstance(answer, MunimentError):
            refused += isinstance(answer, (AccessRefused, NotFound))
            text = str(answer).lower()
        else:
            text = as_text(answer)
            assert OPERATIONS[kind].role is AccessRole.USER, request
        assert not [secret for secret in SECRETS if secret in text and secret not in typed], request
        if not isinstance(answer, MunimentError):
            assert not [hit for one in answer if isinstance(one, api.Hits) for hit in one.hits
                        if hit.subject != "plughbob"]  # fmt: skip
    if refused:
        mine = house.traced(lambda one: (one.word, one.uid) == (kind.__name__, BOB))
        assert {one.event for one in mine} == {"refused"}
        assert sum(one.detail["count"] for one in mine) >= 1


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_caller_without_a_role_is_refused_every_request(house: House, kind: type[Request]) -> None:
    tried = as_user(MALLORY, partial(everything, house, kind))
    for request, answer in tried:
        assert isinstance(answer, AccessRefused), request
        assert not [secret for secret in SECRETS if secret in str(answer)]
    assert house.traced(lambda one: (one.word, one.uid) == (kind.__name__, MALLORY))


def test_a_user_reads_their_own_mail_and_an_auditor_all_with_an_event(house: House) -> None:
    (own,) = house.send(BOB, api.Show(id=house.public[0]))
    assert isinstance(own, api.Message)
    (others,) = house.send(AUDREY, api.Show(id=house.ids["xyzzyeve"], reason="case 7"))
    assert isinstance(others, api.Message)
    assert others.text.strip() == "xyzzyeve"
    newest = next(one for one in house.trail() if one.event == "read")
    assert (newest.uid, newest.role, newest.word) == (AUDREY, "auditor", "Show")
    assert newest.detail["messages"] == [house.ids["xyzzyeve"]]
    assert newest.detail["reason"] == "case 7"
    with pytest.raises(AccessRefused):
        house.send(AUDREY, api.RunAll())
    assert not [one for one in house.trail() if (one.event, one.uid) == ("read", BOB)]


def test_an_export_belongs_to_its_caller(house: House) -> None:
    with open_folder() as shared:
        target = shared / "of-bob"
        target.mkdir()
        os.chown(target, BOB, BOB)
        path = target / "mine"

        def export() -> WireWord:
            replies = line_to(house.folder).stream(api.Export(query="", path=str(path)))
            return list(receive(replies, path))[-1]

        assert isinstance(as_user(BOB, export), api.Done)
        mails = list(path.glob("*.eml"))
        assert len(mails) == 1
        assert mails[0].stat().st_uid == BOB
        assert b"hidden" not in mails[0].read_bytes()


def test_the_status_of_another_user_takes_no_second_while_a_user_sends_freezing_requests(
    house: House,
) -> None:
    def freeze() -> int:
        """Send each request several times, all at the same time. Returns how many were refused."""
        with ThreadPoolExecutor(len(freezing_requests())) as threads:
            return sum(threads.map(partial(refusals, house.folder), freezing_requests()))

    hostile = ThreadPoolExecutor(1)
    refused = hostile.submit(as_user, BOB, freeze)
    hostile.shutdown(wait=False)
    owner = Client(line_to(house.folder))
    slowest, count = longest(lambda: owner.call(api.GetStatus(), api.Status), lambda: not refused.done(), 1.0)
    assert slowest < 1.0
    assert count > 3  # all requests may be refused within a few calls
    assert refused.result() == FREEZES * len(freezing_requests())


def refusals(folder: Path, request: Request) -> int:
    """Send a request several times. Returns how often it was refused for its length."""
    transport = line_to(folder)
    count, end = 0, time.monotonic() + PATIENCE
    while count < FREEZES and time.monotonic() < end:
        with pytest.raises(UsageError, match="at most"):
            transport.call(request)
        count += 1
    return count


def test_headers_of_a_client_do_not_change_its_identity(house: House) -> None:
    """A request that another user sends with every header that might make them root."""

    def forged() -> bytes:
        body = msgspec.msgpack.encode(api.Show(id=house.ids["xyzzyeve"]))
        with dial(place_of(house.folder)) as made:
            made.sendall(
                f"POST /call HTTP/1.0\r\nMuniment-Version: {__version__}\r\n".encode()
                + b"X-Remote-User: root\r\nX-Uid: 0\r\nForwarded: for=root\r\n"
                + b"Authorization: Basic cm9vdDo=\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            return made.makefile("rb").read()

    answer = as_user(MALLORY, forged)
    assert b"AccessRefused" in answer
    assert b"xyzzyeve" not in answer


# --- the way to the socket ---------------------------------------------------------------------------


def nowhere(folder: Path) -> Any:
    raise AssertionError("no engine is opened in this process")


def test_other_users_can_not_start_a_service_and_learn_whom_to_ask() -> None:
    with open_folder() as shared:
        folder = TestVault(shared / "vault").folder
        call: Callable[[], WireWord] = lambda: connected(folder, nowhere).call(api.GetTree())  # noqa: E731
        with pytest.raises(VaultError, match="ask root to start it"):
            as_user(BOB, call)
        (shared / "vault").chmod(0o700)
        shared.chmod(0o700)
        with pytest.raises(VaultError, match="can't be reached"):
            as_user(BOB, call)


def test_the_command_of_another_user(house: House) -> None:
    needs_python_for_others()
    command = [sys.executable, "-m", "muniment_tui", "--vault", str(house.folder), "search", ""]
    done = subprocess.run(command, user=BOB, group=BOB, extra_groups=[], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "plughbob" in done.stdout
    assert "xyzzyeve" not in done.stdout


def place_in(shared: Path, vault: Path) -> SocketPlace:
    """The place of a vault on a machine whose folders for sockets are in `shared`."""
    return structs.replace(place_of(vault), system=shared / "system", common=shared)


def test_a_client_does_not_talk_to_a_socket_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket of mallory's in the place of bob's: once in mallory's folder, once in bob's own."""
    monkeypatch.delenv(socket_path.RUNTIME, raising=False)
    with open_folder() as shared:
        shared.chmod(0o1777)
        folder, squatted = shared / "vault", shared / f"muniment-{BOB}"
        for made, uid in ((folder, BOB), (squatted, MALLORY)):
            made.mkdir()
            os.chown(made, uid, uid)
        (folder / "vault.toml").touch()
        where = place_in(shared, folder)
        with socket.socket(socket.AF_UNIX) as listener:
            path = squatted / where.name
            as_user(MALLORY, lambda: listener.bind(str(path)))
            as_user(MALLORY, lambda: listener.listen())
            path.chmod(0o666)
            call: Callable[[], WireWord] = lambda: line_at(place_in(shared, folder)).call(api.GetTree())  # noqa: E731
            with pytest.raises(VaultError, match="ended several times"):
                as_user(AUDREY, call)
            monkeypatch.setenv(socket_path.RUNTIME, str(squatted))
            with pytest.raises(VaultError, match="others can write to it"):
                as_user(BOB, lambda: str(socket_path.own_folder(where)))
            monkeypatch.delenv(socket_path.RUNTIME, raising=False)
            os.chown(squatted, BOB, BOB)
            with pytest.raises(VaultError, match=f"another user .uid {MALLORY}"):
                as_user(AUDREY, call)


def test_a_socket_folder_of_another_user_does_not_stop_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client finds the folder that the owner has made beside it, among any number of mallory's."""
    monkeypatch.delenv(socket_path.RUNTIME, raising=False)
    with open_folder() as shared:
        shared.chmod(0o1777)
        folder = shared / "vault"
        folder.mkdir()
        os.chown(folder, BOB, BOB)
        (folder / "vault.toml").touch()
        for name in (f"muniment-{BOB}", *(f"muniment-{BOB}.{n:08}" for n in range(50))):
            (shared / name).mkdir(mode=0o777)
            os.chown(shared / name, MALLORY, MALLORY)
        where = place_in(shared, folder)
        made = Path(as_user(BOB, lambda: str(socket_path.own_folder(where))))
        assert made.stat().st_uid == BOB
        assert made.stat().st_mode & 0o777 == 0o755
        assert as_user(BOB, lambda: str(socket_path.own_folder(where))) == str(made), "one is enough"
        assert as_user(AUDREY, lambda: [str(path) for path in where.sockets()]) == [str(made / where.name)]
