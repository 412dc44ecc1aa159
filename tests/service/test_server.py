"""The service's end of the line: garbage, half-sent requests, slow readers, streams that are left."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from muniment import api
from muniment.api import Chunk, Done, GetStatus, Request, Step, Verify, Word
from muniment.client import protocol
from muniment.client.client import Client
from muniment.client.socket_path import own_folder, place_of
from muniment.client.socket_transport import Answer, dial
from muniment.errors import (
    AccessRefused,
    LedgerDamaged,
    MunimentError,
    NotFound,
    QueryError,
    VaultLocked,
)
from muniment.service.access.roles import Caller
from muniment.service.transport import server
from muniment.service.transport.log_quota import Quota
from support.served import answering

PATIENCE = 20.0


class Double:
    """An engine that answers as a test says; not the real one, so nothing of mail is tried here."""

    def __init__(self) -> None:
        self.answer: Callable[[Request], Word] = lambda request: Done(message="done")
        self.words: Callable[[Request], Iterator[Word]] = lambda request: iter(())
        self.callers: list[Caller] = []

    def open(self, caller: Caller) -> Double:
        self.callers.append(caller)
        return self

    def call(self, request: Request) -> Word:
        return self.answer(request)

    def stream(self, request: Request) -> Iterator[Word]:
        yield from self.words(request)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What stands for a vault: the line looks only at where it is and whose."""
    made = tmp_path / "vault"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def engine() -> Double:
    return Double()


@pytest.fixture
def client(folder: Path, engine: Double) -> Iterator[Client]:
    with answering(folder, engine.open) as made:
        yield made


def works(client: Client) -> bool:
    """Whether it still serves, and soon."""
    began = time.monotonic()
    assert client.call(GetStatus(), Done).message == "done"
    return time.monotonic() - began < 5


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def connection(folder: Path) -> Iterator[socket.socket]:
    with dial(place_of(folder)) as made:
        made.settimeout(PATIENCE)
        yield made


def all_of(made: socket.socket) -> bytes:
    data = b""
    with suppress(ConnectionResetError):
        while more := made.recv(65536):
            data += more
    return data


def post(path: str, body: bytes, length: int | None = None, version: str = protocol.VERSION) -> bytes:
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.0\r\n{protocol.VERSION_HEADER}: {version}\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


# --- words ---------------------------------------------------------------------------------------


def test_the_caller_is_who_the_kernel_says(client: Client, engine: Double) -> None:
    assert works(client)
    (caller,) = engine.callers
    assert (caller.uid, caller.gid, caller.pid) == (os.geteuid(), os.getegid(), os.getpid())


def test_a_reply_and_a_stream_arrive_as_they_were_said(client: Client, engine: Double) -> None:
    said: list[Word] = [
        Step(text="Größe \x1b[31m\u202e"),
        Chunk(data=bytes(range(256)) * 5000),
        Done(message=""),
    ]
    engine.words = lambda request: iter(said)
    assert list(client.stream(Verify(deep=True))) == said
    engine.words = lambda request: iter(())
    assert list(client.stream(Verify())) == []


@pytest.mark.parametrize(
    "error",
    [
        QueryError("no such thing", "from:(", 6),
        NotFound("there is none"),
        AccessRefused("ask root"),
        VaultLocked("process 7 has it"),
        LedgerDamaged("segment 1, offset 2"),
        MunimentError("what else"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_arrives_as_what_it_was(
    client: Client, engine: Double, error: MunimentError, streamed: bool
) -> None:
    def fails(request: Request) -> Word:
        raise error

    def fails_later(request: Request) -> Iterator[Word]:
        yield Step(text="so far")
        raise error

    engine.answer, engine.words = fails, fails_later
    if streamed:
        words = client.stream(Verify())
        assert next(words) == Step(text="so far")
        with pytest.raises(MunimentError) as caught:
            next(words)
    else:
        with pytest.raises(MunimentError) as caught:
            client.call(GetStatus(), Done)
    assert type(caught.value) is type(error)
    assert (str(caught.value), caught.value.exit_code) == (str(error), error.exit_code)
    assert vars(caught.value) == vars(error)


def test_a_bug_becomes_a_sentence_and_a_line_without_what_it_said(
    client: Client, engine: Double, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: Request) -> Word:
        raise KeyError("Dear Bob, the password is swordfish")

    engine.answer = broken
    with pytest.raises(MunimentError, match="should not have happened in the service") as caught:
        client.call(GetStatus(), Done)
    assert caught.value.exit_code == 70
    assert "swordfish" not in str(caught.value)
    assert [record.getMessage() for record in caplog.records] == ["GetStatus met a bug"]


def test_every_word_of_the_api_travels() -> None:
    kinds = [k for k in vars(api).values() if isinstance(k, type) and issubclass(k, Word)]
    assert len(kinds) > 60
    for kind in kinds:
        if kind in (Word, Request):
            continue
        values = {f.name: _sample(str(f.type)) for f in msgspec.structs.fields(kind) if f.required}
        word = kind(**values)
        read = protocol.requests() if issubclass(kind, Request) else protocol.replies()
        assert read(msgspec.msgpack.encode(word)) == word


def _sample(kind: str) -> object:
    known = {"str": "ä", "int": 7, "float": 0.5, "bool": True, "bytes": b"\0\xff"}
    for name, value in known.items():
        if kind in (name, f"<class '{name}'>"):
            return value
    return {} if "dict" in kind and "tuple" not in kind else None if "None" in kind else ()


def test_no_page_is_larger_than_it_may_be(client: Client, engine: Double) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Word:
        seen.append(request)
        return Done(message="")

    engine.answer = answer
    for limit in (50, 10**12):
        client.call(api.Search(query="", limit=limit), Done)
    assert [request.limit for request in seen if isinstance(request, api.Search)] == [50, 10_000]


# --- who says nothing sensible ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\0\xff\x16\x03\x01garbage\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (post("/elsewhere", b""), b"404"),
        (post("/call", b""), b"400"),
        (post("/call", b"\xc1\xff\x00"), b"400"),
        (post("/call", msgspec.msgpack.encode({"type": "NoSuchWord"})), b"400"),
        (post("/call", msgspec.msgpack.encode({"type": "Done", "message": "a reply"})), b"400"),
        (post("/call", msgspec.msgpack.encode({"type": "Show", "id": 7})), b"400"),
        (post("/stream", msgspec.msgpack.encode({"type": "Show"})), b"400"),
        (post("/call", b"\x82\xa4type\xabPutProfile\xa6fields" + b"\x81\xa1x" * 100_000), b"400"),
        (b"POST /call HTTP/1.0\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"400"),
    ],
)
def test_garbage_is_refused_and_it_goes_on(client: Client, folder: Path, data: bytes, says: bytes) -> None:
    with connection(folder) as made:
        with suppress(BrokenPipeError, ConnectionResetError):
            made.sendall(data)
            made.shutdown(socket.SHUT_WR)
        said = all_of(made)
    assert says in said.partition(b"\r\n")[0]
    assert b"Traceback" not in said
    assert works(client)


def test_a_request_that_is_too_large_is_refused(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "x" * (server.REQUEST_LIMIT + 1)
    with pytest.raises(MunimentError, match="larger than 8 MiB"):
        client.call(api.ImportUsers(text=text), Done)
    assert works(client)


def test_half_a_request_is_given_up(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HALF_SENT", 0.2)
    whole = post("/call", msgspec.msgpack.encode(GetStatus()))
    for part in (b"", whole[:10], whole[:-3]):
        with connection(folder) as made:
            made.sendall(part)
            assert b" 200 " not in all_of(made)
    assert works(client)


def test_abrupt_ends_leave_it_serving(client: Client, folder: Path, engine: Double) -> None:
    engine.words = lambda request: (Chunk(data=b"x" * 100_000) for _ in range(1000))
    whole = post("/stream", msgspec.msgpack.encode(Verify()))
    for length in (0, 5, len(whole) - 2, len(whole)):
        for _ in range(5):
            with connection(folder) as made:
                made.sendall(whole[:length])
    assert works(client)


def test_another_version_is_told(client: Client, folder: Path) -> None:
    with connection(folder) as made:
        made.sendall(post("/call", msgspec.msgpack.encode(GetStatus()), version="0.0.1"))
        said = all_of(made)
    (word,) = [protocol.replies()(said.partition(b"\r\n\r\n")[2][4:])]
    assert word == protocol.Other(version=protocol.VERSION, pid=os.getpid(), implicit=False)


def test_one_that_was_not_started_by_a_client_is_not_retired(client: Client, folder: Path) -> None:
    with pytest.raises(MunimentError, match="in use"):
        list(Answer(dial(place_of(folder)), protocol.RETIRE, None).words())
    assert works(client)


# --- slow readers, and those who leave ---------------------------------------------------------------


class Endless:
    """A stream that counts how far it was asked to go, and notes its end."""

    def __init__(self, size: int = 100_000) -> None:
        self.made = 0
        self.closed = threading.Event()
        self._size = size

    def words(self, request: Request) -> Iterator[Word]:
        try:
            while True:
                self.made += 1
                yield Chunk(data=b"x" * self._size)
        finally:
            self.closed.set()


@pytest.fixture
def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """One user may have as many streams as there are."""
    monkeypatch.setattr(server, "OWN_STREAMS", 1000)


@pytest.mark.usefixtures("generous")
def test_slow_readers_make_nothing_grow_and_hold_nobody_up(
    folder: Path, engine: Double, request: pytest.FixtureRequest
) -> None:
    client: Client = request.getfixturevalue("client")
    streams: list[Endless] = []

    def words(request: Request) -> Iterator[Word]:
        streams.append(Endless())
        return streams[-1].words(request)

    engine.words = words
    readers = [dial(place_of(folder)) for _ in range(2 * server.STREAMS - 10)]
    try:
        for reader in readers:
            reader.sendall(post("/stream", msgspec.msgpack.encode(Verify())))
        eventually(lambda: len(streams) == len(readers))
        seen = -1
        while seen != (seen := sum(stream.made for stream in streams)):
            time.sleep(0.3)
        assert max(stream.made for stream in streams) < 30
        assert works(client)
    finally:
        for reader in readers:
            reader.close()
    eventually(lambda: all(stream.closed.is_set() for stream in streams))


def test_more_streams_of_one_user_wait_for_their_turn(client: Client, folder: Path, engine: Double) -> None:
    streams: list[Endless] = []

    def words(request: Request) -> Iterator[Word]:
        streams.append(Endless(10))
        return streams[-1].words(request)

    engine.words = words
    open_ = [client.stream(Verify()) for _ in range(server.OWN_STREAMS)]
    for one in open_:
        next(one)
    late: list[Word] = []
    more = client.stream(Verify())
    thread = threading.Thread(target=lambda: late.append(next(more)), daemon=True)
    thread.start()
    assert works(client)
    assert len(streams) == server.OWN_STREAMS
    assert not late
    open_[0].close()
    thread.join(PATIENCE)
    assert late
    for one in (*open_, more):
        one.close()


def test_leaving_a_stream_ends_its_work_before_close_returns(client: Client, engine: Double) -> None:
    endless = Endless()
    engine.words = endless.words
    words = client.stream(Verify())
    for _ in range(5):
        next(words)
    words.close()
    assert endless.closed.is_set()
    assert works(client)


def test_a_stream_that_is_silent_for_long_is_not_taken_for_dead(
    client: Client, engine: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BEAT", 0.05)
    monkeypatch.setattr(protocol, "SILENCE", 0.5)
    go = threading.Event()

    def words(request: Request) -> Iterator[Word]:
        go.wait(PATIENCE)
        yield Done(message="at last")

    engine.words = words
    threading.Timer(1.2, go.set).start()
    assert [*client.stream(Verify())] == [Done(message="at last")]


def test_its_end_ends_streams_with_a_sentence(folder: Path, engine: Double) -> None:
    engine.words = Endless(10).words
    with answering(folder, engine.open) as client:
        words = client.stream(Verify())
        next(words)
    with pytest.raises(MunimentError, match="stopping"):
        for _ in words:
            pass


def test_one_user_cannot_have_all_connections(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    monkeypatch.setattr(server, "trusted", tuple)
    held = [dial(place_of(folder)) for _ in range(3)]
    with pytest.raises(MunimentError, match="too many requests"):
        client.call(GetStatus(), Done)
    for one in held:
        one.close()
    eventually(lambda: _quiet(client))


def test_connections_past_those_that_are_told_so_are_cut_off(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 3)
    monkeypatch.setattr(server, "trusted", tuple)
    held = [dial(place_of(folder)) for _ in range(6)]
    eventually(lambda: _cut_off(folder))
    for one in held:
        one.close()
    eventually(lambda: _quiet(client))


def _cut_off(folder: Path) -> bool:
    with dial(place_of(folder)) as more:
        more.settimeout(0.2)
        with suppress(TimeoutError):
            return more.recv(1) == b""
    return False


def test_who_waits_for_a_turn_is_told_that_it_is_at_work(
    client: Client, engine: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BEAT", 0.05)
    monkeypatch.setattr(protocol, "SILENCE", 1.0)
    endless = Endless(10)
    engine.words = endless.words
    open_ = [client.stream(Verify()) for _ in range(server.OWN_STREAMS)]
    for one in open_:
        next(one)
    leaves = threading.Timer(1.6, open_[0].close)  # type: ignore[attr-defined]
    leaves.start()
    late = client.stream(Verify())
    assert next(late) == Chunk(data=b"x" * 10)
    leaves.join()
    for one in (*open_, late):
        one.close()  # type: ignore[attr-defined]
    assert works(client)


def test_who_leaves_while_they_wait_gives_their_turn_to_the_next(
    client: Client, folder: Path, engine: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BEAT", 0.05)
    engine.words = Endless(10).words
    open_ = [client.stream(Verify()) for _ in range(server.OWN_STREAMS)]
    for one in open_:
        next(one)
    for _ in range(5):
        with connection(folder) as made:
            made.sendall(post("/stream", msgspec.msgpack.encode(Verify())))
            made.recv(1)
    assert len(engine.callers) == server.OWN_STREAMS
    for one in open_:
        one.close()  # type: ignore[attr-defined]
    more = [client.stream(Verify()) for _ in range(server.OWN_STREAMS)]
    for one in more:
        assert next(one)
        one.close()  # type: ignore[attr-defined]


def test_where_more_wait_than_a_socket_queues_one_waits_as_well(folder: Path) -> None:
    place = place_of(folder)
    path = own_folder(place) / place.name
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        with dial(place), ThreadPoolExecutor() as pool:
            waits = pool.submit(dial, place)
            with pytest.raises(TimeoutError):
                waits.result(0.3)
            listener.accept()[0].close()
            waits.result(PATIENCE).close()
    path.unlink()


def test_one_user_cannot_fill_the_log() -> None:
    now = [0.0]
    quota = Quota(2, 60.0, lambda: now[0])
    assert [quota.allows(1) for _ in range(4)] == [True, True, False, False]
    assert quota.allows(2)
    now[0] = 60.0
    assert quota.allows(1)


def _quiet(client: Client) -> bool:
    try:
        return works(client)
    except MunimentError:
        return False


def test_a_decoder_is_made_once_whoever_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """msgspec ends the process where two threads make one at a time."""
    making, most = [], []

    def slow(kinds: list[type[Word]]) -> Any:
        making.append(kinds)
        most.append(len(making))
        time.sleep(0.05)
        making.pop()
        return msgspec.msgpack.Decoder(kinds[0]).decode

    monkeypatch.setattr(protocol, "_decoder", slow)
    protocol._replies.cache_clear()
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: protocol.replies(), range(4)))
    finally:
        protocol._replies.cache_clear()
    assert most == [1]
    assert all(one is found[0] for one in found)
