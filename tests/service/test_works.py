"""Verifications, backups and rebuilds go on in the service, watched or not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from muniment import api
from muniment.client.client import Client
from muniment.errors import AccessRefused, NotFound, VaultError
from muniment.service.access.roles import Caller
from muniment.service.dispatch.engine import Engine
from muniment.service.host.run_host import RunHost
from muniment.service.host.session import ClientSession
from muniment.service.host.works import MOST, MOST_OWN, Work, WorkRegister
from support.served import served
from support.vaults import TestVault
from support.waiting import eventually

ADA, BOSS = Caller(62_000, 62_000, 1, "ada"), Caller(0, 0, 1, "root")
LONG = 60


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client of the service of a vault without mail."""
    made = TestVault(tmp_path / "vault")
    made.client.close()
    with served(tmp_path / "vault") as (client, _):
        yield client


def left(words: Iterator[api.WireWord]) -> api.Step:
    """The first step of a stream, which the client then leaves."""
    first = next(words)
    assert isinstance(first, api.Step)
    words.close()  # type: ignore[attr-defined]
    return first


def proof(client: Client) -> api.Proof:
    return client.call(api.GetProof(), api.Proof)


def test_a_verification_goes_on_without_its_client(client: Client) -> None:
    first = left(client.stream(api.Verify(deep=True)))
    assert first.work
    eventually(lambda: proof(client).deep is not None)
    eventually(lambda: not proof(client).works)


def test_a_backup_waits_for_its_turn_without_its_client(client: Client, tmp_path: Path) -> None:
    words = client.stream(api.Verify(deep=True))
    next(words)
    folder = str(tmp_path / "backup")
    left(client.stream(api.Backup(path=folder)))
    list(words)
    eventually(lambda: [one.path for one in proof(client).backups] == [folder])


def test_a_rebuild_goes_on_without_its_client(client: Client) -> None:
    left(client.stream(api.Rebuild()))
    *_, last = client.stream(api.Rebuild())
    assert isinstance(last, api.Done)
    eventually(lambda: not proof(client).works)


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Holds works of `stages` until it is set."""
    gate = threading.Event()
    yield gate
    gate.set()


def stages(gate: threading.Event) -> Generator[api.WireWord, None, None]:
    """Work of two stages; the second one takes until the gate is open."""
    yield api.Step(text="one")
    yield api.Step(text="10% of one", percent=10)
    yield api.Step(text="two")
    for percent in range(50, 90):
        yield api.Step(text="two", percent=percent)
    while not gate.wait(0.01):
        yield api.Step(text="two", percent=90)
    yield api.Done(message="Done.")


class Hosted:
    """Engines of one service, whose works a test begins itself."""

    def __init__(self, folder: Path) -> None:
        made = TestVault(folder)
        made.client.close()
        settings = folder / "vault.toml"
        settings.write_text(settings.read_text() + '[access]\nauditors = ["ada", "eve"]\n')
        self.folder = folder
        self.host = RunHost(ClientSession(folder), in_service=True)

    def send(self, caller: Caller, request: api.Request) -> api.WireWord:
        return Engine(ClientSession(self.folder, None, caller, self.host)).call(request)

    def trail(self) -> list[api.AuditEvent]:
        answer = self.send(BOSS, api.GetAudit(limit=100))
        assert isinstance(answer, api.Audit)
        return list(answer.events)

    def watch(self, number: int) -> Iterator[api.WireWord]:
        return Engine(ClientSession(self.folder, None, ADA, self.host)).stream(api.WatchWork(number=number))

    def begin(self, gate: threading.Event, caller: Caller = BOSS) -> Work:
        return self.host.works.begin(api.Backup(path="/x"), "backup", caller, stages(gate))


@pytest.fixture
def hosted(tmp_path: Path, held: threading.Event) -> Iterator[Hosted]:
    made = Hosted(tmp_path / "vault")
    yield made
    held.set()
    made.host.close()


def test_another_connection_sees_the_stages_so_far_and_the_result(
    hosted: Hosted, held: threading.Event
) -> None:
    work = hosted.begin(held)
    eventually(lambda: work._progress is not None and work._progress.percent == 90)
    words = hosted.watch(work.number)
    seen = [next(words), next(words), next(words)]
    assert [(one.text, one.percent) for one in seen if isinstance(one, api.Step)] == [
        ("one", None), ("two", None), ("two", 90),
    ]  # fmt: skip
    answer = hosted.send(ADA, api.GetProof())
    assert isinstance(answer, api.Proof)
    (shown,) = answer.works
    assert (shown.number, shown.kind, shown.who, shown.waits) == (work.number, "backup", "root", False)
    held.set()
    *_, last = words
    assert last == api.Done(message="Done.")
    with pytest.raises(NotFound):
        next(hosted.watch(work.number))


def test_work_is_stopped_by_its_number(hosted: Hosted, held: threading.Event) -> None:
    work = hosted.begin(held)
    words = hosted.watch(work.number)
    next(words)
    hosted.send(BOSS, api.StopWork(number=work.number))
    (event,) = (one for one in hosted.trail() if one.word == "StopWork")
    assert (event.detail["work"], event.detail["owner"], event.detail["number"]) == ("backup", "root", 1)
    with pytest.raises(VaultError, match="backup was stopped"):
        list(words)
    with pytest.raises(NotFound):
        hosted.send(BOSS, api.StopWork(number=work.number))


def test_an_auditor_stops_only_their_own_work(hosted: Hosted, held: threading.Event) -> None:
    of_boss, own = hosted.begin(held), hosted.begin(held, ADA)
    with pytest.raises(AccessRefused, match="of root"):
        hosted.send(ADA, api.StopWork(number=of_boss.number))
    hosted.send(ADA, api.StopWork(number=own.number))
    own.join()
    assert not of_boss._over


def test_the_end_of_a_service_stops_its_works(hosted: Hosted, held: threading.Event) -> None:
    work = hosted.begin(held)
    assert hosted.host.busy
    hosted.host.close()
    assert isinstance(work.error, VaultError)
    assert not hosted.host.busy
    with pytest.raises(VaultError, match="stopping"):
        hosted.begin(held)


class Waiting:
    since = 0


def test_the_same_request_watches_the_work_that_waits() -> None:
    turn, over = Waiting(), threading.Event()
    register = silent()

    def begin(caller: Caller = BOSS, path: str = "/x") -> Work:
        return register.begin(api.Backup(path=path), "backup", caller, stages(over), turn)

    first = begin()
    assert begin() is first
    others = [begin(ADA), begin(path="/y")]
    assert first not in others
    turn.since = 1
    assert begin() is not first
    over.set()
    register.close()


def test_a_work_that_was_stopped_while_it_waits_is_not_given_to_the_next_request() -> None:
    go_on = threading.Event()

    def words() -> Generator[api.WireWord, None, None]:
        go_on.wait(LONG)
        yield api.Done(message="Done.")

    register = silent()
    first, second = (
        stopped(register.begin(api.Backup(path="/x"), "backup", BOSS, words(), Waiting())) for _ in range(2)
    )
    assert first is not second
    go_on.set()
    register.close()


def silent() -> WorkRegister:
    return WorkRegister(lambda text, level: None)


def stopped(work: Work) -> Work:
    work.stop()
    return work


def test_works_are_limited_for_a_user_and_in_total(held: threading.Event) -> None:
    register = silent()

    def begin(uid: int) -> Work:
        caller = Caller(uid, uid, 1, f"user{uid}")
        return register.begin(api.Backup(path="/x"), "backup", caller, stages(held))

    own = [begin(1) for _ in range(MOST_OWN)]
    for refused in (begin, lambda uid: register.check_room(api.Verify(), Caller(uid, uid, 1, "user1"))):
        with pytest.raises(VaultError, match="you have 4 verifications"):
            refused(1)
    others = [begin(2 + number // MOST_OWN) for number in range(MOST - MOST_OWN)]
    with pytest.raises(VaultError, match="the service has 16 verifications"):
        begin(9)
    assert len(register.present()) == MOST
    stopped(own[0]).join()
    begin(9)
    held.set()
    register.close()
    assert all(work._over for work in others)


def test_a_work_too_many_is_no_event(hosted: Hosted, held: threading.Event) -> None:
    for _ in range(MOST_OWN):
        hosted.begin(held)
    engine = Engine(ClientSession(hosted.folder, None, BOSS, hosted.host))
    for request in (api.Verify(), api.Rebuild(), api.Backup(path="/y")):
        with pytest.raises(VaultError, match="you have 4"):
            next(engine.stream(request))
    assert not [event for event in hosted.trail() if event.event == "started"]


def test_a_thread_that_can_not_start_leaves_no_work(monkeypatch: pytest.MonkeyPatch, hosted: Hosted) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(VaultError, match="no more threads"):
            hosted.begin(threading.Event())
        with pytest.raises(VaultError, match="no more threads"):
            hosted.host.retry(())
    assert not hosted.host.busy
    hosted.host.close()


def test_the_end_of_a_service_waits_for_its_works_only_so_long() -> None:
    go_on = threading.Event()

    def words() -> Generator[api.WireWord, None, None]:
        go_on.wait(LONG)
        yield api.Step(text="late")

    register = silent()
    work = register.begin(api.Backup(path="/x"), "backup", BOSS, words())
    register.close(longest=0.01)
    assert not work._over
    go_on.set()
    register.close()
    assert work._over


def test_watchers_see_the_end_although_the_line_for_the_log_fails() -> None:
    def announce(text: str, level: str) -> None:
        threading.excepthook = lambda _: None
        raise BrokenPipeError

    before = threading.excepthook
    open_ = threading.Event()
    open_.set()
    try:
        work = WorkRegister(announce).begin(api.Backup(path="/x"), "backup", BOSS, stages(open_))
        *_, last = work.replies()
        assert work.join(LONG)
    finally:
        threading.excepthook = before
    assert last == api.Done(message="Done.")


def test_a_closed_standard_output_does_not_stop_what_writes_to_it(tmp_path: Path) -> None:
    made = TestVault(tmp_path / "vault")
    made.client.close()

    def say(line: str) -> None:
        raise BrokenPipeError

    with closing(RunHost(ClientSession(made.folder), say=say, in_service=True)) as host:
        host.announce("a line")
        assert "a line" in [line.text for line in host.lines.newest()]


def test_a_sentence_that_is_repeated_is_kept_once_and_sent_again() -> None:
    go_on = threading.Event()

    def words() -> Generator[api.WireWord, None, None]:
        while not go_on.wait(0.001):
            yield api.Step(text="waiting")
        yield api.Step(text="damaged", ok=False)
        yield api.Done(message="Done.")

    work = silent().begin(api.Backup(path="/x"), "backup", BOSS, words())
    seen = work.replies(quiet=0.01)
    assert [next(seen) for _ in range(5)] == [api.Step(text="waiting", work=work.number)] * 5
    go_on.set()
    rest = list(seen)
    assert [word for word in rest if not isinstance(word, api.Step) or not word.ok] == [
        api.Step(text="damaged", ok=False, work=work.number), api.Done(message="Done."),
    ]  # fmt: skip
    assert len(work._kept) == 3


@pytest.mark.parametrize(
    ("last", "line"),
    [
        (lambda: api.Done(message="Backup is complete."), "backup by root: Backup is complete."),
        (lambda: error(VaultError("no room")), "backup by root: no room"),
        (lambda: error(KeyError("mail")), "backup by root: it failed (KeyError)"),
    ],
)
def test_the_end_of_work_is_in_the_log(last: Callable[[], api.WireWord], line: str) -> None:
    lines: list[str] = []
    register = WorkRegister(lambda text, level: lines.append(text))

    def words() -> Generator[api.WireWord, None, None]:
        yield last()

    register.begin(api.Backup(path="/x"), "backup", BOSS, words()).join()
    assert lines == [line]


def error(what: Exception) -> api.WireWord:
    raise what
