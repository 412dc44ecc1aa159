"""POP3: broken sessions, faulty servers, and which deletions are confirmed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.errors import LoginRefused, SourceError
from muniment.net.retry import ATTEMPTS
from muniment.sources.base import SPOOL_ABOVE, FetchedItem, MailItem, Source, UnfetchedItem
from muniment.sources.endpoint import ServerEndpoint
from muniment.sources.factory import open_source
from muniment.sources.pop3.connection import WINDOW
from support.boxes import ServerBox, bodies, server_box
from support.dovecot import Dovecot
from support.fake_pop3 import FakePop3, multiline
from support.proxy import Proxy

MAILS = [b"Subject: %d\r\n\r\n" % n + b"text of %d\r\n" % n * 200 for n in range(300)]


@pytest.fixture
def account(dovecot: Dovecot, tmp_path: Path) -> Iterator[ServerBox]:
    """A mailbox with 300 messages, on an unencrypted connection."""
    box = server_box(dovecot, "plain-pop3", tmp_path / "work")
    box.put(MAILS)
    yield box
    box.close()


@pytest.fixture
def proxy(dovecot: Dovecot) -> Iterator[Proxy]:
    with Proxy((dovecot.host, dovecot.pop3)) as made:
        yield made


def fake_source(server: FakePop3, tmp_path: Path, waits: list[float] | None = None) -> Source:
    endpoint = ServerEndpoint(
        kind="pop3",
        host="127.0.0.1",
        port=server.port,
        security="none",
        mailbox="mbx",
        password="secret",
        work=tmp_path / "work",
        timeout=5,
    )
    return open_source(endpoint, sleep=(waits if waits is not None else []).append)


def test_an_interrupted_fetch_is_resumed(account: ServerBox, proxy: Proxy) -> None:
    source = account.connected(port=proxy.port)
    items = list(source.listing())
    proxy.cut_after(200_000)
    found = bodies(source.fetch(items))
    assert sorted(found) == sorted(MAILS)
    assert proxy.connections() == 2
    assert len(account.waits) == 1


def test_a_fetch_survives_many_interruptions_while_it_makes_progress(
    account: ServerBox, proxy: Proxy
) -> None:
    source = account.connected(port=proxy.port)
    items = list(source.listing())
    source.close()
    proxy.cut_every(80_000)
    source.connect()
    found = bodies(source.fetch(items))
    assert sorted(found) == sorted(MAILS)
    assert proxy.connections() > 2 * ATTEMPTS


def test_a_server_that_stays_away_is_given_up(account: ServerBox, proxy: Proxy) -> None:
    source = account.connected(port=proxy.port)
    items = list(source.listing())
    proxy.refuse(100)
    proxy.cut_after(1000)
    with pytest.raises(SourceError, match=r"connection to localhost:.* was lost"):
        list(source.fetch(items))
    assert proxy.connections() == 6
    assert [round(w * 2) / 2 for w in account.waits[1:3]] == [0.5, 1.0]
    assert sorted(account.waits[1:]) == account.waits[1:]


def test_an_interruption_before_quit_confirms_nothing_until_it_is_repeated(
    account: ServerBox, proxy: Proxy
) -> None:
    source = account.connected(port=proxy.port)
    items = list(source.listing())
    proxy.cut_before(b"QUIT")
    assert len(source.delete(items[:10])) == 10
    assert len(account.account.files()) == 290
    assert proxy.connections() == 2


def test_a_final_interruption_before_quit_deletes_and_confirms_nothing(
    account: ServerBox, proxy: Proxy
) -> None:
    source = account.connected(port=proxy.port)
    items = list(source.listing())
    proxy.refuse(100)
    proxy.cut_before(b"QUIT")
    with pytest.raises(SourceError):
        source.delete(items[:10])
    assert len(account.account.files()) == 300


def test_the_next_session_replaces_a_lost_answer_to_quit(account: ServerBox, proxy: Proxy) -> None:
    source = account.connected(port=proxy.port)
    items = list(source.listing())
    proxy.cut_behind(b"QUIT")
    assert sorted(i.key for i in source.delete(items[:10])) == sorted(i.key for i in items[:10])
    assert len(account.account.files()) == 290
    assert proxy.connections() == 2
    assert len(bodies(source.fetch(items[10:]))) == 290


def test_a_message_that_was_already_gone_is_not_confirmed(account: ServerBox) -> None:
    source = account.connected()
    items = list(source.listing())
    other = account.connected()
    assert len(other.delete(items[:2])) == 2
    source._drop()  # type: ignore[attr-defined]
    assert [i.key for i in source.delete(items[:4])] == [i.key for i in items[2:4]]


def test_closing_between_dele_and_quit_deletes_nothing(account: ServerBox, proxy: Proxy) -> None:
    source = account.connected(port=proxy.port)
    proxy.cut_before(b"DELE 5\r\n")
    proxy.refuse(100)
    with pytest.raises(SourceError):
        source.delete(list(source.listing()))
    source.close()
    assert len(account.account.files()) == 300


def test_a_listing_continues_in_another_session(account: ServerBox) -> None:
    source = account.connected()
    listing = iter(source.listing())
    first = [next(listing) for _ in range(5)]
    assert len(source.delete(first)) == 5
    rest = list(listing)
    assert len({i.key for i in first + rest}) == 300
    assert len(bodies(source.fetch(rest))) == 295


def test_a_mailbox_that_stays_locked_is_named(tmp_path: Path) -> None:
    locked = b"-ERR [IN-USE] Mailbox is locked by another session\r\n"
    waits: list[float] = []
    with (
        FakePop3(override=lambda c: locked if c.startswith("PASS") else None) as server,
        pytest.raises(SourceError, match="locked by another session"),
    ):
        fake_source(server, tmp_path, waits).connect()
    assert [round(w * 2) / 2 for w in waits[:2]] == [0.5, 1.0]
    assert len(waits) == 4


def test_a_released_lock_costs_only_a_wait(dovecot: Dovecot, tmp_path: Path) -> None:
    box = server_box(dovecot, "plain-pop3", tmp_path, locked=True)
    box.put(MAILS[:1])
    holder = box.connected()
    waits = []

    def release(seconds: float) -> None:
        waits.append(seconds)
        holder.close()

    waiter = open_source(box.endpoint, sleep=release)
    waiter.connect()
    assert len(list(waiter.listing())) == 1
    assert waits
    waiter.close()
    box.close()


def test_without_pipelining_each_command_waits(tmp_path: Path) -> None:
    with FakePop3(MAILS[:20]) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        assert bodies(source.fetch(list(source.listing()))) == MAILS[:20]
        source.close()
        assert not server.ahead


def test_pipelining_is_limited_to_the_window(tmp_path: Path) -> None:
    with FakePop3(MAILS, capabilities=["PIPELINING", "UIDL"]) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        items = list(source.listing())
        fetching = iter(source.fetch(items))
        next(fetching)
        time.sleep(0.3)
        assert len([c for c in server.commands if c.startswith("RETR")]) <= WINDOW
        assert len(bodies(fetching)) == len(MAILS) - 1
        source.close()
        assert server.ahead


def test_messages_are_exact_at_every_boundary_of_reads(tmp_path: Path) -> None:
    """Dots, line breaks and the end of a spooled message can be at any boundary between two reads."""
    large = b".\r\n..\r\n\r\n.x\r\r\n" * (SPOOL_ABOVE // 15 + 1000)
    mails = [b"", large, b".\r\n", b"text\r\n"]
    with FakePop3(mails) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        answers = list(source.fetch(list(source.listing())))
        source.close()
    assert isinstance(answers[1], FetchedItem)
    assert isinstance(answers[1].content, Path)
    assert answers[1].content.read_bytes() == large
    del answers[1]
    assert bodies(iter(answers)) == [b"", b".\r\n", b"text\r\n"]


def test_a_server_without_uidl_is_refused(tmp_path: Path) -> None:
    with (
        FakePop3(MAILS[:1], override=lambda c: b"-ERR what?\r\n" if c == "UIDL" else None) as server,
        pytest.raises(SourceError, match="has no UIDL"),
    ):
        fake_source(server, tmp_path).connect()


@pytest.mark.parametrize("answer", [multiline(b"nonsense"), multiline(b"x y"), multiline(b"1 ")])
def test_an_invalid_listing_is_named(tmp_path: Path, answer: bytes) -> None:
    with (
        FakePop3(MAILS[:1], override=lambda c: answer if c == "UIDL" else None) as server,
        pytest.raises(SourceError, match="invalid answer to UIDL"),
    ):
        fake_source(server, tmp_path).connect()


@pytest.mark.parametrize("greeting", [b"220 smtp ready\r\n", b"\0" * 100_000])
def test_a_server_of_another_protocol_is_named(tmp_path: Path, greeting: bytes) -> None:
    with (
        FakePop3(greeting=greeting) as server,
        pytest.raises(SourceError, match="does not speak POP3"),
    ):
        fake_source(server, tmp_path).connect()


def test_a_temporary_error_at_login_is_waited_for(tmp_path: Path) -> None:
    troubles = [b"-ERR [SYS/TEMP] later\r\n", b"-ERR [LOGIN-DELAY] slower\r\n"]

    def busy(command: str) -> bytes | None:
        return troubles.pop() if command.startswith("PASS") and troubles else None

    waits: list[float] = []
    with FakePop3(MAILS[:2], override=busy) as server:
        source = fake_source(server, tmp_path, waits)
        source.connect()
        assert len(list(source.listing())) == 2
        source.close()
    assert len(waits) == 2


def test_a_refused_login_is_not_tried_again(tmp_path: Path) -> None:
    with FakePop3(override=lambda c: b"-ERR [AUTH] no\r\n" if c.startswith("PASS") else None) as server:
        with pytest.raises(LoginRefused) as caught:
            fake_source(server, tmp_path).connect()
        assert len([c for c in server.commands if c.startswith("PASS")]) == 1
    assert "secret" not in str(caught.value)


def test_a_refused_message_does_not_stop_the_others(tmp_path: Path) -> None:
    def broken(command: str) -> bytes | None:
        return b"-ERR can't read it\r\n" if command == "RETR 2" else None

    with FakePop3(MAILS[:4], override=broken, capabilities=["PIPELINING"]) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        answers = list(source.fetch(list(source.listing())))
        source.close()
    assert [a.item.key for a in answers if isinstance(a, UnfetchedItem)] == ["key-2"]
    assert [a.gone for a in answers if isinstance(a, UnfetchedItem)] == [False]
    assert len(answers) == 4


def test_a_message_that_kills_the_server_does_not_stop_the_others(tmp_path: Path) -> None:
    def deadly(command: str) -> bytes | None:
        return b"" if command == "RETR 3" else None

    with FakePop3(MAILS[:6], override=deadly, capabilities=["PIPELINING"]) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        answers = list(source.fetch(list(source.listing())))
        source.close()
    failed = [a for a in answers if isinstance(a, UnfetchedItem)]
    assert [(a.item.key, a.gone) for a in failed] == [("key-3", False)]
    assert sorted(a.item.key for a in answers) == [f"key-{n}" for n in range(1, 7)]


def test_a_failed_quit_confirms_nothing(tmp_path: Path) -> None:
    refusal = b"-ERR some deleted messages not removed\r\n"
    with FakePop3(MAILS[:3], override=lambda c: refusal if c == "QUIT" else None) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        with pytest.raises(SourceError, match="could not remove"):
            source.delete(list(source.listing()))
        source.close()


def test_a_failed_dele_is_not_confirmed(tmp_path: Path) -> None:
    with FakePop3(MAILS[:3], override=lambda c: b"-ERR no\r\n" if c == "DELE 2" else None) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        assert [i.key for i in source.delete(list(source.listing()))] == ["key-1", "key-3"]
        source.close()


def test_a_full_work_folder_is_named_and_leaves_no_file(
    account: ServerBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.put([b"x" * 70 + b"\r\n" + b"y" * (SPOOL_ABOVE + 5) + b"\r\n"])
    source = account.connected()
    items = sorted(source.listing(), key=lambda item: item.size or 0)[-1:]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("muniment.sources.pop3.connection._unstuffed", full)
    with pytest.raises(SourceError, match="No space left"):
        list(source.fetch(items))
    assert list(account.endpoint.work.iterdir()) == []
    monkeypatch.undo()
    assert isinstance(next(iter(source.fetch(items))), FetchedItem)


def test_the_part_after_the_at_sign_is_dropped_only_for_gateways(tmp_path: Path) -> None:
    values = {"host": "h", "password": "p", "mailbox": " mbx-1@gateway.example.org", "work": tmp_path}
    place = [
        open_source(ServerEndpoint(kind=kind, **values))._place.mailbox  # type: ignore[arg-type,attr-defined]
        for kind in ("gateway", "pop3")
    ]
    assert place == ["mbx-1", " mbx-1@gateway.example.org"]


def test_items_of_an_earlier_session_are_known_by_key(account: ServerBox) -> None:
    items: list[MailItem] = list(account.connected().listing())
    other = account.connected()
    assert len(other.delete(items[:3])) == 3
    assert bodies(iter(other.fetch(items[3:6])))


def uidls(*keys: str) -> bytes:
    return multiline(*(b"%d %s" % (n, key.encode()) for n, key in enumerate(keys, 1)))


def test_twins_are_deleted_only_in_the_session_that_fetched_them(tmp_path: Path) -> None:
    """In another session another twin can have the key: here the first twin is removed in between."""
    listed = [["a", "twin", "twin"], ["a", "twin"]]
    with FakePop3(MAILS[:3], override=lambda c: uidls(*listed[0]) if c == "UIDL" else None) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        items = list(source.listing())
        assert [item.key for item in items] == ["a", "twin", "twin (2)"]
        assert bodies(source.fetch(items)) == MAILS[:3]
        source.close()
        del listed[0]
        assert [item.key for item in source.delete(items)] == ["a"]
        assert [c for c in server.commands if c.startswith("DELE")] == ["DELE 1"]
        source.close()


def test_twins_are_deleted_in_their_own_session(tmp_path: Path) -> None:
    keys = uidls("twin", "twin", "twin", "other")
    with FakePop3(MAILS[:4], override=lambda c: keys if c == "UIDL" else None) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        items = list(source.listing())
        assert bodies(source.fetch(items[1:])) == MAILS[1:4]
        # The first one was not fetched, so it can be any of them.
        assert sorted(item.key for item in source.delete(items)) == ["other", "twin (2)", "twin (3)"]
        assert sorted(c for c in server.commands if c.startswith("DELE")) == ["DELE 2", "DELE 3", "DELE 4"]
        source.close()


def test_a_lost_answer_to_quit_confirms_no_twin_while_another_is_there(tmp_path: Path) -> None:
    """The first was deleted and the second was not, and now the second has the key of the first."""
    listed = [["twin", "twin"], ["twin"]]

    def override(command: str) -> bytes | None:
        if command == "QUIT" and len(listed) > 1:
            del listed[0]
            return b""
        return uidls(*listed[0]) if command == "UIDL" else None

    with FakePop3(MAILS[:2], override=override) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        items = list(source.listing())
        assert bodies(source.fetch(items[:1])) == MAILS[:1]
        assert source.delete(items[:1]) == []
        assert [c for c in server.commands if c.startswith("DELE")] == ["DELE 1"]
        source.close()


def test_a_twin_with_another_key_is_not_gone(tmp_path: Path) -> None:
    listed = [["twin", "twin"], ["twin"]]
    with FakePop3(MAILS[:2], override=lambda c: uidls(*listed[0]) if c == "UIDL" else None) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        items = list(source.listing())
        source.close()
        del listed[0]
        answers = {a.item.key: a for a in source.fetch(items)}
        second = answers["twin (2)"]
        assert isinstance(second, UnfetchedItem)
        assert not second.gone
        source.close()


LF = [b"Subject: x\n\ntext\n", b"..\n.\n.dot\n", b"", b"Subject: y\n\n" + b"0123456789abcde\n" * 100_000]


@pytest.mark.parametrize("spooled", [False, True])
def test_a_server_with_only_lf_is_read(tmp_path: Path, spooled: bool) -> None:
    line = b"0123456789abcde\n"
    mails = [*LF, b"Subject: z\n\n" + line * (SPOOL_ABOVE // len(line))] if spooled else LF

    def override(command: str) -> bytes | None:
        verb, _, number = command.partition(" ")
        if verb == "RETR":
            message = (b"\n" + mails[int(number) - 1]).replace(b"\n.", b"\n..")[1:]
            return b"+OK\n" + message + b".\n"
        if verb in ("UIDL", "LIST"):
            return (
                b"+OK\n" + b"".join(b"%d %d\n" % (n, len(mail)) for n, mail in enumerate(mails, 1)) + b".\n"
            )
        return b"+OK\n.\n" if verb == "CAPA" else b"+OK\n"

    with FakePop3(mails, override=override, greeting=b"+OK hello\n") as server:
        source = fake_source(server, tmp_path)
        source.connect()
        answers = list(source.fetch(list(source.listing())))
        found = [
            one.content.read_bytes() if isinstance(one.content, Path) else one.content
            for one in answers
            if isinstance(one, FetchedItem)
        ]
        assert found == mails
        assert (
            any(isinstance(one, FetchedItem) and isinstance(one.content, Path) for one in answers) == spooled
        )
        source.close()


def test_utf8_is_requested_if_it_is_offered(tmp_path: Path) -> None:
    for capabilities, asked in ((["UIDL", "UTF8 USER"], True), (["UIDL", "USER"], False)):
        with FakePop3(
            MAILS[:1], capabilities=capabilities, override=lambda c: b"+OK\r\n" if c == "UTF8" else None
        ) as s:
            source = fake_source(s, tmp_path)
            source.connect()
            assert len(list(source.listing())) == 1
            source.close()
            assert ("UTF8" in s.commands) == asked
            if asked:
                assert s.commands.index("UTF8") < s.commands.index("USER mbx")


def test_a_message_that_courier_wraps_is_recognised(tmp_path: Path) -> None:
    wrapper = (
        b"From: Mail Delivery Subsystem <postmaster>\r\nSubject: Cannot display Unicode content\r\n"
        b'Mime-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="=_1-2"\r\n\r\n--=_1-2\r\n'
        b"Content-Type: text/plain\r\n\r\nsorry\r\n--=_1-2\r\nContent-Type: message/global\r\n\r\nA: b\r\n"
    )
    quoted = b"Received: by mail.example.org\r\n" + wrapper
    with FakePop3([wrapper, quoted]) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        answers = {answer.item.key: answer for answer in source.fetch(list(source.listing()))}
        first, second = answers["key-1"], answers["key-2"]
        assert isinstance(first, UnfetchedItem)
        assert "UTF8" in first.reason
        assert isinstance(second, FetchedItem)
        source.close()
    # A server that has accepted UTF8 sends the message unchanged.
    with FakePop3(
        [wrapper], capabilities=["UTF8"], override=lambda c: b"+OK\r\n" if c == "UTF8" else None
    ) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        assert bodies(source.fetch(list(source.listing()))) == [wrapper]
        source.close()


@pytest.mark.parametrize(
    ("offered", "waited"),
    [("LOGIN-DELAY 30", 30), ("LOGIN-DELAY 30 USER", 30), ("USER", 60), ("LOGIN-DELAY x", 60)],
)
def test_a_delay_between_logins_is_waited_for(tmp_path: Path, offered: str, waited: int) -> None:
    refusals = [b"-ERR [LOGIN-DELAY] not so fast\r\n"]
    waits: list[float] = []
    with FakePop3(
        MAILS[:1],
        capabilities=["UIDL", offered],
        override=lambda c: refusals.pop() if c.startswith("PASS") and refusals else None,
    ) as server:
        source = fake_source(server, tmp_path, waits)
        source.connect()
        assert len(list(source.listing())) == 1
        source.close()
    assert [waited <= one <= 1.25 * waited for one in waits] == [True]


def test_a_delay_of_hours_is_an_error(tmp_path: Path) -> None:
    waits: list[float] = []
    with (
        FakePop3(
            capabilities=["UIDL", "LOGIN-DELAY 86400"],
            override=lambda c: b"-ERR [LOGIN-DELAY] once a day\r\n" if c.startswith("PASS") else None,
        ) as server,
        pytest.raises(SourceError, match="demands 86,400 s between two logins"),
    ):
        fake_source(server, tmp_path, waits).connect()
    assert waits == []


def test_capabilities_are_asked_again_after_the_login(tmp_path: Path) -> None:
    def override(command: str) -> bytes | None:
        inside = any(c.startswith("PASS") for c in server.commands)
        return multiline(b"UIDL", *([b"PIPELINING"] if inside else [])) if command == "CAPA" else None

    with FakePop3(MAILS[:20], override=override) as server:
        source = fake_source(server, tmp_path)
        source.connect()
        assert bodies(source.fetch(list(source.listing()))) == MAILS[:20]
        assert server.ahead
        source.close()
