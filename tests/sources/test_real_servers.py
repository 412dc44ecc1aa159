"""Each kind of mail server in Debian: it is read and emptied, and its remarks are checked."""

from __future__ import annotations

import poplib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from muniment.errors import LoginRefused, SourceError
from muniment.net.events import ServerPause
from muniment.sources.base import (
    DeletingSource,
    FetchedItem,
    MailItem,
    RemarkingSource,
    Source,
    UnfetchedItem,
)
from muniment.sources.endpoint import Event
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from muniment.sources.pop3.connection import Pop3Wire
from support.endpoints import endpoint_for
from support.real_servers import NAMES, PASSWORD, Servers, running


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """All servers, once for the session."""
    with running() as made:
        yield made


def source_of(
    servers: Servers,
    server: str,
    person: str,
    work: Path,
    *,
    sleep: Callable[[float], None] = lambda seconds: None,
    connect: bool = True,
    **more: Any,
) -> Source:
    endpoint = endpoint_for(
        kind="imap" if "imap" in server else "pop3", host="127.0.0.1", port=servers.ports[server],
        security="none", mailbox=person, work=work, timeout=20, **({"password": PASSWORD} | more),
    )  # fmt: skip
    source = open_source(endpoint, sleep=sleep)
    try:
        if connect:
            source.connect()
    except BaseException:
        source.close()
        raise
    return source


MAILS = [b"From: ann@example.org\r\nSubject: %d\r\n\r\n.dot\r\ntext of %d\r\n" % (n, n) for n in range(6)]


_ADDED = re.compile(rb"^(?:X-UIDL|X-UID|X-IMAPbase|Status): .*\r\n", re.MULTILINE)
"""Fields that GNU Mailutils adds to the mail in an mbox."""


def contents(source: Source, items: list[MailItem]) -> list[bytes]:
    answers = list(source.fetch(items))
    assert all(isinstance(one, FetchedItem) and isinstance(one.content, bytes) for one in answers), answers
    return [_ADDED.sub(b"", one.content) for one in answers]  # type: ignore[union-attr,arg-type]


def mailbox(servers: Servers, server: str, mails: list[bytes]) -> str:
    """A new account with these messages at a server; returns its name."""
    person = servers.person()
    if server.startswith(("cyrus", "nginx", "slow")):
        with servers.cyrus(person) as session:
            for mail in mails:
                session.append("INBOX", "", "", mail)
    else:
        servers.deliver(person, mails)
    return person


@pytest.mark.parametrize("server", NAMES)
def test_mail_is_read_unchanged_and_deleted_if_possible(
    servers: Servers, server: str, tmp_path: Path
) -> None:
    person = mailbox(servers, server, MAILS)
    source = source_of(servers, server, person, tmp_path / "work", deletes=server != "gnu_imap4d")
    items = list(source.listing())
    assert [one.rstrip() for one in sorted(contents(source, items))] == [
        one.rstrip() for one in sorted(MAILS)
    ]
    if isinstance(source, DeletingSource) and server == "gnu_imap4d":
        assert "no UIDPLUS" in source.undeletable()
        source.close()
        return
    assert len(source.delete(items[:4])) == 4
    left = contents(source, list(source.listing()))
    assert [one.rstrip() for one in left] == [one.rstrip() for one in MAILS[4:]]
    source.close()


def test_a_prefix_is_not_part_of_the_title(servers: Servers, tmp_path: Path) -> None:
    """Cyrus and Courier call each folder `INBOX.NAME`."""
    for server in ("cyrus_imap", "courier_imap"):
        person = mailbox(servers, server, MAILS[:1])
        with servers.imap(server, person) as session:
            for name in ("INBOX.Archive", "INBOX.Archive.2026", "INBOX.Sent"):
                session.create(name)
                assert session.append(name, "", "", MAILS[2])[0] == "OK"

        def titles(*take: str, server: str = server, person: str = person) -> dict[str, str]:
            source = source_of(servers, server, person, tmp_path / "work", folders=FolderChoice(take))
            try:
                return {item.place.title: item.place.folder for item in source.listing()}
            finally:
                source.close()

        everything = titles()
        assert set(everything) == {"Inbox", "Archive", "Archive/2026", "Sent"}
        # Keys contain the server's own names, so that they never change.
        assert everything["Archive/2026"] == "INBOX.Archive.2026"
        assert set(titles("Inbox")) == {"Inbox"}
        assert set(titles("archive")) == {"Archive", "Archive/2026"}
        with pytest.raises(SourceError, match=r"matches Archives: .* there are Archive, Archive/2026, Inbox"):
            titles("Archives")


def test_a_folder_of_journal_reports_is_found_without_its_prefix(servers: Servers, tmp_path: Path) -> None:
    person = mailbox(servers, "cyrus_imap", [])
    with servers.imap("cyrus_imap", person) as session:
        session.create("INBOX.Journal")
        session.append("INBOX.Journal", "", "", MAILS[0])
    source = source_of(servers, "cyrus_imap", person, tmp_path / "work", folder="Journal")
    (item,) = source.listing()
    assert item.place.folder == "INBOX.Journal"
    assert contents(source, [item]) == [MAILS[0]]
    source.close()
    with pytest.raises(SourceError, match=r"can't open the folder Nowhere .* there are Inbox, Journal"):
        source_of(servers, "cyrus_imap", person, tmp_path / "work", folder="Nowhere")


TWINS = [MAILS[0], MAILS[1], MAILS[0], MAILS[0]]


@pytest.mark.parametrize("server", ["popa3d", "solid_pop3d"])
def test_messages_with_the_same_uidl_are_all_read_and_deleted(
    servers: Servers, server: str, tmp_path: Path
) -> None:
    """These servers compute the UIDL from the header, so copies of a message share it."""
    person = mailbox(servers, server, TWINS)
    source = source_of(servers, server, person, tmp_path / "work", deletes=True)
    items = list(source.listing())
    assert len({item.key for item in items}) == 4
    assert len(contents(source, items)) == 4
    assert isinstance(source, RemarkingSource)
    assert any("the same UIDL (1 times)" in remark for remark in source.remarks())
    assert len(source.delete(items)) == 4
    assert list(source.listing()) == []
    source.close()


def test_courier_sends_utf8_unchanged(servers: Servers, tmp_path: Path) -> None:
    """Without the command UTF8 (RFC 6856) it puts such a message into one of its own."""
    mail = "From: ann@example.org\r\nSubject: Grüße\r\n\r\nhello\r\n".encode()
    person = mailbox(servers, "courier_pop3", [mail])
    source = source_of(servers, "courier_pop3", person, tmp_path / "work")
    assert contents(source, list(source.listing())) == [mail]
    source.close()


def test_a_message_that_courier_wraps_is_neither_archived_nor_deleted(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pop3Wire, "_ask_for_utf8", lambda wire: None)
    mail = "From: ann@example.org\r\nSubject: Grüße\r\n\r\nhello\r\n".encode()
    person = mailbox(servers, "courier_pop3", [MAILS[0], mail])
    source = source_of(servers, "courier_pop3", person, tmp_path / "work", deletes=True)
    answers = list(source.fetch(list(source.listing())))
    assert [answer.content for answer in answers if isinstance(answer, FetchedItem)] == [MAILS[0]]
    (refused,) = (answer for answer in answers if isinstance(answer, UnfetchedItem))
    assert not refused.gone
    assert "use IMAP" in refused.reason
    source.close()


def test_capabilities_behind_a_proxy_are_asked_after_the_login(servers: Servers, tmp_path: Path) -> None:
    """nginx has no PIPELINING, but Cyrus behind it has."""
    person = mailbox(servers, "nginx_pop3", MAILS)
    source = source_of(servers, "nginx_pop3", person, tmp_path / "work")
    list(source.listing())
    assert isinstance(source, RemarkingSource)
    assert source.remarks() == []
    source.close()


@pytest.mark.parametrize("server", ["popa3d", "solid_pop3d"])
def test_a_server_without_capa_gets_a_remark(servers: Servers, server: str, tmp_path: Path) -> None:
    source = source_of(servers, server, mailbox(servers, server, MAILS[:1]), tmp_path / "work")
    assert len(contents(source, list(source.listing()))) == 1
    assert isinstance(source, RemarkingSource)
    assert any("no CAPA" in remark for remark in source.remarks())
    source.close()


def test_the_delay_between_two_logins_is_waited_for(servers: Servers, tmp_path: Path) -> None:
    """Cyrus with `popminpoll`: one minute."""
    person = mailbox(servers, "slow_pop3", MAILS[:1])
    events: list[ServerPause] = []
    waits: list[float] = []

    def on_event(event: Event) -> None:
        if isinstance(event, ServerPause):
            events.append(event)

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        raise _Enough

    first = poplib.POP3("127.0.0.1", servers.ports["slow_pop3"], timeout=20)
    first.user(person)
    first.pass_(PASSWORD)
    first.quit()
    again = source_of(
        servers, "slow_pop3", person, tmp_path / "work", sleep=sleep, connect=False, on_event=on_event
    )
    with pytest.raises(_Enough):
        again.connect()
    assert [event.seconds for event in events] == [60]
    assert "60 s between two logins" in events[0].reason
    assert 60 <= waits[0] <= 75


class _Enough(Exception):
    """Raised in place of a real wait."""


@pytest.mark.soak
@pytest.mark.parametrize("server", NAMES[:8])
def test_a_refused_login_quotes_the_server(servers: Servers, server: str, tmp_path: Path) -> None:
    person = mailbox(servers, server, [])
    with pytest.raises(LoginRefused) as caught:
        source_of(servers, server, person, tmp_path / "work", password="wrong-one")
    assert '("' in str(caught.value) or "no reason given" in str(caught.value)
    assert "wrong-one" not in str(caught.value)
