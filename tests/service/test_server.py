"""The service's end of the connection: garbage, incomplete requests, slow readers, abandoned streams."""

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
from muniment.api import Chunk, Done, GetStatus, Request, Step, Verify, WireWord
from muniment.client import protocol
from muniment.client.client import Client
from muniment.client.socket_path import own_folder, place_of
from muniment.client.socket_transport import PendingReply, dial
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
from muniment.service.transport.log_quota import LogQuota
from muniment.service.transport.server import ServerLimits
from support.asking import leave
from support.served import answering
from support.waiting import eventually

PATIENCE = 60.0


class Double:
    """An engine whose answers a test sets. The real engine and mail are not covered here."""

    def __init__(self) -> None:
        self.answer: Callable[[Request], WireWord] = lambda request: Done(message="done")
        self.replies: Callable[[Request], Iterator[WireWord]] = lambda request: iter(())
        self.callers: list[Caller] = []

    def open(self, caller: Caller) -> Double:
        self.callers.append(caller)
        return self

    def call(self, request: Request) -> WireWord:
        return self.answer(request)

    def stream(self, request: Request) -> Iterator[WireWord]:
        yield from self.replies(request)

    def close(self) -> None:
        """Does nothing."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in place of a vault: the transport uses only its path and its owner."""
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
    """Whether the service still answers, and soon."""
    began = time.monotonic()
    assert client.call(GetStatus(), Done).message == "done"
    return time.monotonic() - began < 5


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


# --- requests and replies -------------------------------------------------------------------------


def test_the_kernel_identifies_the_caller(client: Client, engine: Double) -> None:
    assert works(client)
    (caller,) = engine.callers
    assert (caller.uid, caller.gid, caller.pid) == (os.geteuid(), os.getegid(), os.getpid())


def test_a_reply_and_a_stream_arrive_unchanged(client: Client, engine: Double) -> None:
    sent: list[WireWord] = [
        Step(text="Größe \x1b[31m\u202e"),
        Chunk(data=bytes(range(256)) * 5000),
        Done(message=""),
    ]
    engine.replies = lambda request: iter(sent)
    assert list(client.stream(Verify(deep=True))) == sent
    engine.replies = lambda request: iter(())
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
def test_an_error_arrives_with_its_class_and_sentence(
    client: Client, engine: Double, error: MunimentError, streamed: bool
) -> None:
    def fails(request: Request) -> WireWord:
        raise error

    def fails_later(request: Request) -> Iterator[WireWord]:
        yield Step(text="so far")
        raise error

    engine.answer, engine.replies = fails, fails_later
    if streamed:
        replies = client.stream(Verify())
        assert next(replies) == Step(text="so far")
        with pytest.raises(MunimentError) as caught:
            next(replies)
    else:
        with pytest.raises(MunimentError) as caught:
            client.call(GetStatus(), Done)
    assert type(caught.value) is type(error)
    assert (str(caught.value), caught.value.exit_code) == (str(error), error.exit_code)
    assert vars(caught.value) == vars(error)


def test_a_bug_becomes_a_sentence_and_a_log_line_without_its_text(
    client: Client, engine: Double, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: Request) -> WireWord:
        raise KeyError("Dear Bob, the password is swordfish")

    engine.answer = broken
    with pytest.raises(MunimentError, match="should not have happened in the service") as caught:
        client.call(GetStatus(), Done)
    assert caught.value.exit_code == 70
    assert "swordfish" not in str(caught.value)
    assert [record.getMessage() for record in caplog.records] == ["GetStatus met a bug"]


def test_every_request_and_reply_can_be_sent() -> None:
    kinds = [k for k in vars(api).values() if isinstance(k, type) and issubclass(k, WireWord)]
    assert len(kinds) > 60
    for kind in kinds:
        if kind in (WireWord, Request):
            continue
        message = _example(kind)
        read = protocol.requests() if issubclass(kind, Request) else protocol.replies()
        assert read(msgspec.msgpack.encode(message)) == message


def _example(kind: type[msgspec.Struct]) -> msgspec.Struct:
    """A message with a value in each field that it must have."""
    fields = [field for field in msgspec.structs.fields(kind) if field.required]
    return kind(
        **{
            field.name: _example(field.type)
            if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
            else _sample(str(field.type))
            for field in fields
        }
    )


def _sample(kind: str) -> object:
    known = {"str": "ä", "int": 7, "float": 0.5, "bool": True, "bytes": b"\0\xff", "typing.Any": "ä"}
    for name, value in known.items():
        if kind in (name, f"<class '{name}'>"):
            return value
    return {} if "dict" in kind and "tuple" not in kind else None if "None" in kind else ()


def test_the_size_of_a_page_is_limited(client: Client, engine: Double) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> WireWord:
        seen.append(request)
        return Done(message="")

    engine.answer = answer
    for limit in (50, 10**12):
        client.call(api.Search(query="", limit=limit), Done)
    assert [request.limit for request in seen if isinstance(request, api.Search)] == [50, 10_000]


# --- garbage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
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
def test_garbage_is_refused_and_the_service_goes_on(
    client: Client, folder: Path, data: bytes, status: bytes
) -> None:
    with connection(folder) as made:
        with suppress(BrokenPipeError, ConnectionResetError):
            made.sendall(data)
            made.shutdown(socket.SHUT_WR)
        answer = all_of(made)
    assert status in answer.partition(b"\r\n")[0]
    assert b"Traceback" not in answer
    assert works(client)


def test_a_request_that_is_too_large_is_refused(client: Client) -> None:
    text = "x" * (server.REQUEST_LIMIT + 1)
    with pytest.raises(MunimentError, match="larger than 8 MiB"):
        client.call(api.ImportUsers(text=text), Done)
    assert works(client)


def test_half_a_request_is_dropped_after_a_while(folder: Path, engine: Double) -> None:
    with answering(folder, engine.open, ServerLimits(half_sent=0.2)) as client:
        whole = post("/call", msgspec.msgpack.encode(GetStatus()))
        for part in (b"", whole[:10], whole[:-3]):
            with connection(folder) as made:
                made.sendall(part)
                assert b" 200 " not in all_of(made)
        assert works(client)


def test_the_service_survives_connections_that_end_abruptly(
    client: Client, folder: Path, engine: Double
) -> None:
    engine.replies = lambda request: (Chunk(data=b"x" * 100_000) for _ in range(1000))
    whole = post("/stream", msgspec.msgpack.encode(Verify()))
    for length in (0, 5, len(whole) - 2, len(whole)):
        for _ in range(5):
            with connection(folder) as made:
                made.sendall(whole[:length])
    assert works(client)


def test_a_client_of_another_version_learns_the_version(client: Client, folder: Path) -> None:
    with connection(folder) as made:
        made.sendall(post("/call", msgspec.msgpack.encode(GetStatus()), version="0.0.1"))
        answer = all_of(made)
    (reply,) = [protocol.replies()(answer.partition(b"\r\n\r\n")[2][4:])]
    assert reply == protocol.Other(version=protocol.VERSION, pid=os.getpid(), implicit=False)


def test_a_service_that_no_client_started_is_not_retired(client: Client, folder: Path) -> None:
    with pytest.raises(MunimentError, match="in use"):
        list(PendingReply(dial(place_of(folder)), protocol.RETIRE, None).words())
    assert works(client)


# --- slow readers, and clients that leave ---------------------------------------------------------


class Endless:
    """A stream that counts the replies that were requested, and notes its end."""

    def __init__(self, size: int = 100_000) -> None:
        self.made = 0
        self.closed = threading.Event()
        self._size = size

    def replies(self, request: Request) -> Iterator[WireWord]:
        try:
            while True:
                self.made += 1
                yield Chunk(data=b"x" * self._size)
        finally:
            self.closed.set()


def test_slow_readers_use_no_memory_and_delay_nobody(folder: Path, engine: Double) -> None:
    with answering(folder, engine.open, ServerLimits(own_streams=1000)) as client:
        streams: list[Endless] = []

        def replies(request: Request) -> Iterator[WireWord]:
            streams.append(Endless())
            return streams[-1].replies(request)

        engine.replies = replies
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

    def replies(request: Request) -> Iterator[WireWord]:
        streams.append(Endless(10))
        return streams[-1].replies(request)

    engine.replies = replies
    open_ = [client.stream(Verify()) for _ in range(server.OWN_STREAMS)]
    for one in open_:
        next(one)
    late: list[WireWord] = []
    more = client.stream(Verify())
    thread = threading.Thread(target=lambda: late.append(next(more)), daemon=True)
    thread.start()
    assert works(client)
    assert len(streams) == server.OWN_STREAMS
    assert not late
    leave(open_[0])
    thread.join(PATIENCE)
    assert late
    for one in (*open_, more):
        leave(one)


def test_leaving_a_stream_ends_its_work_before_close_returns(client: Client, engine: Double) -> None:
    endless = Endless()
    engine.replies = endless.replies
    replies = client.stream(Verify())
    for _ in range(5):
        next(replies)
    leave(replies)
    assert endless.closed.is_set()
    assert works(client)


def test_a_stream_that_is_silent_for_long_stays_open(folder: Path, engine: Double) -> None:
    with answering(folder, engine.open, ServerLimits(beat=0.05), silence=0.5) as client:
        go = threading.Event()

        def replies(request: Request) -> Iterator[WireWord]:
            go.wait(PATIENCE)
            yield Done(message="at last")

        engine.replies = replies
        threading.Timer(1.2, go.set).start()
        assert [*client.stream(Verify())] == [Done(message="at last")]


def test_a_service_that_ends_ends_its_streams_with_an_error(folder: Path, engine: Double) -> None:
    engine.replies = Endless(10).replies
    with answering(folder, engine.open) as client:
        replies = client.stream(Verify())
        next(replies)
    with pytest.raises(MunimentError, match="stopping"):
        for _ in replies:
            pass


def test_one_user_cannot_have_all_connections(
    folder: Path, engine: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(folder, engine.open, ServerLimits(connections=3)) as client:
        monkeypatch.setattr(server, "trusted", tuple)
        held = [dial(place_of(folder)) for _ in range(3)]
        with pytest.raises(MunimentError, match="too many requests"):
            client.call(GetStatus(), Done)
        for one in held:
            one.close()
        eventually(lambda: _quiet(client))


def test_connections_beyond_the_refused_ones_are_aborted(
    folder: Path, engine: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(folder, engine.open, ServerLimits(connections=3)) as client:
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


def test_a_client_that_waits_for_its_turn_gets_empty_frames(folder: Path, engine: Double) -> None:
    with answering(folder, engine.open, ServerLimits(beat=0.05), silence=1.0) as client:
        endless = Endless(10)
        engine.replies = endless.replies
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


def test_a_client_that_leaves_while_waiting_frees_its_place(folder: Path, engine: Double) -> None:
    with answering(folder, engine.open, ServerLimits(beat=0.05)) as client:
        engine.replies = Endless(10).replies
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


def test_a_client_waits_when_the_queue_of_the_socket_is_full(folder: Path) -> None:
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
    quota = LogQuota(2, 60.0, lambda: now[0])
    assert [quota.allows(1) for _ in range(4)] == [True, True, False, False]
    assert quota.allows(2)
    now[0] = 60.0
    assert quota.allows(1)


def _quiet(client: Client) -> bool:
    try:
        return works(client)
    except MunimentError:
        return False


def test_a_decoder_is_made_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """msgspec crashes the process if two threads make a decoder at the same time."""
    making, most = [], []

    def slow(kinds: list[type[WireWord]]) -> Any:
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
