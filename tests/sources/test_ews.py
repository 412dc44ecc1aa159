"""EWS: mailboxes of an Exchange Server (a double of one, driven by exchangelib)."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from muniment.errors import CertificateRefused, LoginRefused, SourceError
from muniment.net import retry
from muniment.net.dial import ServerUnreachable
from muniment.net.events import LineSecured, LoggedIn, ServerConnected
from muniment.net.oauth import TokenGrant, tokens
from muniment.net.retry import ATTEMPTS
from muniment.sources.base import SPOOL_ABOVE, MailItem, MailPlace, UnfetchedItem
from muniment.sources.endpoint import MailboxesLeftOut
from muniment.sources.ews.mime_reader import MimeReader
from muniment.sources.ews.source import ELSEWHERE, GROUPS, EwsSource
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from muniment.sources.remote import OBEYED_FOR
from support.boxes import held
from support.entra import CLIENT_ID, DIRECTORY, SECRET, Entra
from support.ews_double import Exchange
from support.ews_mailboxes import FRENCH, GERMAN, JAPANESE, RUSSIAN, Person
from support.exchanges import ANNA, BOB, PASSWORD, endpoint

ALL = FolderChoice()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as server:
        server.offers = ('Basic realm="double"',)
        yield server
        assert server.unknown == [], "a request that no public page describes"


@pytest.fixture
def anna(exchange: Exchange) -> Person:
    return exchange.person(ANNA, PASSWORD)


class Opened:
    """A source on the double; its waits are recorded and not made."""

    def __init__(self, exchange: Exchange, work: Path, **more: Any) -> None:
        self.waits: list[float] = []
        self.events: list[object] = []
        made = open_source(
            endpoint(exchange, work, on_event=self.events.append, **more), sleep=self.waits.append
        )
        assert isinstance(made, EwsSource)
        self.source = made

    def connect(self) -> EwsSource:
        self.source.connect()
        return self.source


@contextmanager
def opened(exchange: Exchange, work: Path, **more: Any) -> Iterator[EwsSource]:
    one = Opened(exchange, work, **{"folders": ALL} | more)
    try:
        yield one.connect()
    finally:
        one.source.close()


def mail(subject: str) -> bytes:
    return f"From: ann@example.org\r\nSubject: {subject}\r\n\r\ntext\r\n".encode()


def mails(count: int) -> list[bytes]:
    return [mail(f"number {n}") for n in range(count)]


def titled(items: list[MailItem]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        found[item.place.title] = found.get(item.place.title, 0) + 1
    return found


def fetched(source: EwsSource, items: list[MailItem]) -> list[bytes]:
    return [held(one) for one in source.fetch(items)]


# --- logging in ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["password", "ntlm", "basic"])
def test_a_password_is_sent_by_ntlm_or_basic(tmp_path: Path, scheme: str) -> None:
    with Exchange(tmp_path / "tls") as server:
        server.person(ANNA, PASSWORD).put(mails(3))
        one = Opened(server, tmp_path / "work", scheme=scheme)
        source = one.connect()
        assert len(fetched(source, list(source.listing()))) == 3
        assert [type(event) for event in one.events] == [ServerConnected, LineSecured, LoggedIn]
        source.close()


@pytest.mark.parametrize("scheme", ["password", "ntlm", "basic"])
def test_a_wrong_password_is_refused_at_once(exchange: Exchange, tmp_path: Path, scheme: str) -> None:
    exchange.offers = ("NTLM", "Basic realm=x")
    exchange.person(ANNA, "another")
    one = Opened(exchange, tmp_path, scheme=scheme)
    with pytest.raises(LoginRefused, match=r"refused the login of anna@example.com"):
        one.connect()
    assert one.waits == []


def test_no_password_is_sent_to_a_server_that_accepts_none(exchange: Exchange, tmp_path: Path) -> None:
    exchange.offers = ("Bearer",)
    with pytest.raises(SourceError, match="use OAuth 2"):
        Opened(exchange, tmp_path).connect()


@pytest.mark.parametrize(
    "host", ["outlook.office365.com", "OUTLOOK.OFFICE365.COM.", "outlook.office.com", "x.prod.outlook.com"]
)
def test_exchange_online_is_refused_first(exchange: Exchange, tmp_path: Path, host: str) -> None:
    one = Opened(exchange, tmp_path, host=host, security="tls")
    with pytest.raises(SourceError, match=r"blocked since 2026-10-01.*2027-04-01.*graph"):
        one.connect()
    assert one.events == []


def test_a_certificate_is_checked_or_pinned(tmp_path: Path) -> None:
    with Exchange(tmp_path / "tls") as server:
        server.person(ANNA, PASSWORD)
        with pytest.raises(CertificateRefused, match="not trusted"):
            Opened(server, tmp_path, ca_file="").connect()
        with pytest.raises(CertificateRefused, match="not the pinned one"):
            Opened(server, tmp_path, ca_file="", fingerprint="ab" * 32).connect()
        assert server.asked.total() == 0
        assert server.certificates
        der = ssl.PEM_cert_to_DER_cert(server.certificates.certificate.read_text().partition("-----END")[0]
                                       + "-----END CERTIFICATE-----\n")  # fmt: skip
        Opened(server, tmp_path, ca_file="", fingerprint=hashlib.sha256(der).hexdigest()).connect().close()


def test_an_expired_or_revoked_token_is_renewed(exchange: Exchange, tmp_path: Path) -> None:
    (tmp_path / "entra").mkdir()
    with Entra(tmp_path / "entra") as entra:
        exchange.offers, exchange.good = ("Bearer",), entra.good
        exchange.impersonators.add("application")
        exchange.person(ANNA).put(mails(300))
        had = tokens(
            TokenGrant("app", ("https://localhost/.default",), DIRECTORY, CLIENT_ID, SECRET,
                authority=entra.authority, ca_file=str(entra.certificates.authority))
        )  # fmt: skip
        app = {"mailbox": "", "password": None, "tokens": had, "mailboxes": (ANNA,)}
        with opened(exchange, tmp_path, access="impersonation", **app) as source:
            entra.revoked.add(had.token())
            items = list(source.listing())
            entra.revoked.add(had.token())
            assert len(fetched(source, items)) == 300
            assert entra.asked["client_credentials"] == 3
            exchange.good = lambda token: False
            with pytest.raises(SourceError, match="refused the login of the application"):
                list(source.fetch(items))


def test_a_server_without_ews_is_named(exchange: Exchange, tmp_path: Path) -> None:
    exchange.fail = [(404, {})]
    with pytest.raises(SourceError, match="There is no EWS"):
        Opened(exchange, tmp_path).connect()


# --- which mailboxes -------------------------------------------------------------------------------


def test_several_mailboxes_are_opened_by_impersonation(exchange: Exchange, tmp_path: Path) -> None:
    exchange.logins["EXAMPLE\\svc"] = PASSWORD
    exchange.impersonators.add("EXAMPLE\\svc")
    for address in (ANNA, BOB):
        exchange.person(address).put([mail(address)])
    named = {"mailbox": "EXAMPLE\\svc", "mailboxes": (ANNA, BOB), "access": "impersonation"}
    with opened(exchange, tmp_path, **named) as source:
        items = list(source.listing())
        assert {(item.place.mailbox, item.place.owner) for item in items} == {(ANNA, ANNA), (BOB, BOB)}
        assert sorted(fetched(source, items)) == sorted([mail(ANNA), mail(BOB)])
        assert len(source.delete(items)) == 2
    exchange.impersonators.clear()
    source = Opened(exchange, tmp_path, **named).connect()
    with pytest.raises(SourceError, match=r"does not open the mailbox anna.*ErrorImpersonateUserDenied"):
        list(source.listing())
    source.close()


def test_a_closed_mailbox_does_not_stop_the_others(exchange: Exchange, tmp_path: Path) -> None:
    exchange.logins["svc"] = PASSWORD
    for address in (ANNA, BOB):
        exchange.person(address).put([mail(address)])
    exchange.people[BOB].delegates.add("svc")
    named = {"mailbox": "svc", "mailboxes": (ANNA, BOB, "nobody@example.com"), "access": "delegate"}
    with opened(exchange, tmp_path, **named) as source:
        assert [item.place.mailbox for item in source.listing()] == [BOB]
        assert [one.where for one in source.refusals()] == [ANNA, "nobody@example.com"]


def test_a_mailbox_that_is_closed_during_a_run_does_not_stop_the_others(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.logins["svc"] = PASSWORD
    for address in (ANNA, BOB):
        exchange.person(address).put(mails(600))
        exchange.people[address].delegates.add("svc")

    def meanwhile(operation: str) -> None:
        if operation == "SyncFolderItems":
            exchange.people[ANNA].delegates.clear()

    exchange.after = meanwhile
    named = {"mailbox": "svc", "mailboxes": (ANNA, BOB), "access": "delegate"}
    with opened(exchange, tmp_path, **named) as source:
        listing = source.listing()
        found = [next(listing).place.owner for _ in range(512 + 600)]
        assert (found.count(ANNA), found.count(BOB)) == (512, 600)
        assert list(listing) == []
        (refusal,) = source.refusals()
        assert refusal.where == ANNA
        assert "ErrorAccessDenied" in refusal.reason


def test_a_star_means_all_searchable_mailboxes(exchange: Exchange, tmp_path: Path) -> None:
    exchange.logins["svc"] = PASSWORD
    exchange.impersonators.add("svc")
    for address in (ANNA, BOB):
        exchange.person(address).put([mail(address)])
    named = {"mailbox": "svc", "mailboxes": ("*",), "access": "impersonation"}
    with pytest.raises(SourceError, match="Discovery Management"):
        Opened(exchange, tmp_path, **named).connect()
    exchange.searchers.add("svc")
    with opened(exchange, tmp_path, **named) as source:
        assert {item.place.mailbox for item in source.listing()} == {ANNA, BOB}


# --- folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [GERMAN, FRENCH, RUSSIAN, JAPANESE])
def test_well_known_folders_are_recognised_in_every_language(
    exchange: Exchange, tmp_path: Path, names: tuple[str, ...]
) -> None:
    anna = exchange.person(ANNA, PASSWORD, names)
    for known in ("inbox", "sentitems", "drafts", "junkemail", "deleteditems", "outbox"):
        anna.put([mail(known)], anna.known(known))
        anna.put([mail(known)], anna.folder(anna.known(known).name, "2020"))
    with opened(exchange, tmp_path) as source:
        assert titled(list(source.listing())) == {
            "Inbox": 1, "Sent": 1, f"{names[0]}/2020": 1, f"{names[1]}/2020": 1,
        }  # fmt: skip
    with opened(exchange, tmp_path, folders=FolderChoice(take=("@junk", "@deleted"))) as source:
        assert titled(list(source.listing())) == {
            names[3]: 1, names[4]: 1, f"{names[3]}/2020": 1, f"{names[4]}/2020": 1,
        }  # fmt: skip


ODD = [
    "a/b",
    "back\\slash",
    "per%2Fcent",
    "😀 fun",
    "tab\there",
    "bell\x07",
    'say "<hi>" & go',
    "顧客",
    "Проекты",
]


def test_two_hundred_folders_deep_and_wide(exchange: Exchange, anna: Person, tmp_path: Path) -> None:
    deep = [tuple(f"d{n}" for n in range(depth)) for depth in range(1, 21)]
    paths = [*deep, *(("wide", f"w{n}") for n in range(171)), *(("odd", name, name) for name in ODD)]
    for path in paths:
        anna.put([mail("/".join(path))], anna.folder(*path))
    with opened(exchange, tmp_path) as source:
        items = list(source.listing())
        found = titled(items)
        assert len(found) == 200
        assert found["/".join(deep[-1])] == 1
        escaped = [n.replace("\\", "\\\\").replace("/", "\\/").replace("\x07", "\ufffd") for n in ODD]
        assert {title for title in found if title.startswith("odd")} == {f"odd/{n}/{n}" for n in escaped}
        assert len(fetched(source, items)) == 200


def test_only_folders_and_items_of_mail_are_read(exchange: Exchange, anna: Person, tmp_path: Path) -> None:
    for kind in ("IPF.Appointment", "IPF.Contact", "IPF.Notebook", "IPF.Note.Sub", None, "IPF.Imap"):
        anna.put([mail("x")], anna.folder(f"of {kind}", kind=kind))
    anna.put([mail("meeting")], tag="MeetingRequest")
    anna.put([mail("contact")], tag="Contact")
    with opened(exchange, tmp_path) as source:
        assert titled(list(source.listing())) == {
            "Inbox": 1, "of IPF.Note.Sub": 1, "of None": 1, "of IPF.Imap": 1,
        }  # fmt: skip


def test_a_folder_keeps_its_place_when_it_is_renamed(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    folder = anna.folder("Old")
    anna.put(mails(2), folder)
    with opened(exchange, tmp_path) as source:
        before = list(source.listing())
        folder.name = "New"
        assert len(fetched(source, before)) == 2
        after = list(source.listing())
        assert after == before
        assert titled(after) == {"New": 2}


def test_folders_that_disappear_do_not_stop_the_others(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    folders = {name: anna.folder(name) for name in "ABC"}
    for folder in folders.values():
        anna.put(mails(700), folder)
    with opened(exchange, tmp_path) as source:
        listing = source.listing()
        items = [next(listing) for _ in range(1000)]
        anna.remove_folder(folders["B"])
        items += listing
        assert titled(items) == {"A": 700, "B": 512, "C": 700}
        gone = [one for one in source.fetch(items) if isinstance(one, UnfetchedItem)]
        assert {(one.item.place.title, one.gone) for one in gone} == {("B", True)}
        assert {place.title for place in source.marks()} == {"Inbox", "Sent Items", "A", "C"} - {
            "Sent Items"
        } | {"Sent"}


# --- marks -----------------------------------------------------------------------------------------


def test_only_what_came_since_a_mark_is_listed(exchange: Exchange, anna: Person, tmp_path: Path) -> None:
    anna.put(mails(600))
    with opened(exchange, tmp_path) as source:
        assert len(list(source.listing())) == source.expected == 600
        marks: dict[MailPlace, str] = source.marks()
    anna.remove(anna.inbox, next(iter(anna.inbox.items)))
    anna.put([mail("late")])
    with opened(exchange, tmp_path) as source:
        source.resume(lambda place: marks.get(place, ""))
        (item,) = source.listing()
        assert source.expected is None
        assert fetched(source, [item]) == [mail("late")]
    with opened(exchange, tmp_path) as source:
        source.resume(lambda place: "gone stale")
        assert len(list(source.listing())) == 600


def test_changes_during_a_listing_cause_no_duplicates(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    anna.put(mails(1500))

    def meanwhile(operation: str) -> None:
        if operation == "SyncFolderItems" and exchange.asked[operation] == 1:
            for mail_id in list(anna.inbox.items)[:300]:
                anna.remove(anna.inbox, mail_id)
            anna.put([mail("late")])

    exchange.after = meanwhile
    with opened(exchange, tmp_path, folders=None) as source:
        keys = [item.key for item in source.listing()]
        assert len(keys) == len(set(keys)) == 1501
        assert set(anna.inbox.items) <= set(keys)


# --- errors ----------------------------------------------------------------------------------------


def test_a_busy_server_is_waited_for_as_it_says(exchange: Exchange, anna: Person, tmp_path: Path) -> None:
    anna.put(mails(300))
    one = Opened(exchange, tmp_path)
    source = one.connect()
    items = list(source.listing())
    exchange.busy = [7000] * 20
    assert len(fetched(source, items)) == 300
    assert len(one.waits) == 20
    assert all(7.0 <= wait <= 8.75 for wait in one.waits)
    one.waits.clear()
    exchange.fail = [(503, {"Retry-After": "9"}), (503, {}), (500, {}), (429, {"Retry-After": "3"})]
    assert len(fetched(source, items)) == 300
    nine, three, *others = sorted(one.waits, reverse=True)
    assert 9.0 <= nine <= 11.25
    assert 3.0 <= three <= 3.75
    assert max(others) < 3.0
    source.close()


def test_a_server_that_stays_busy_is_given_up_after_an_hour(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    anna.put(mails(3))
    one = Opened(exchange, tmp_path)
    source = one.connect()
    exchange.busy = [600_000] * 1000
    with pytest.raises(SourceError, match="busy"):
        list(source.listing())
    assert 3000 <= sum(one.waits) <= 4500
    source.close()


def _of_many(exchange: Exchange, work: Path, people: list[str]) -> tuple[EwsSource, Opened]:
    exchange.logins["svc"] = PASSWORD
    for who in people:
        person = exchange.person(who, "other")
        person.delegates.add("svc")
        person.put(mails(1))
    named = {"mailbox": "svc", "mailboxes": tuple(people), "access": "delegate", "folders": ALL}
    one = Opened(exchange, work, **named)
    return one.connect(), one


def test_a_server_that_is_always_busy_is_not_waited_for_at_each_mailbox(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty mailboxes with a wait of a quarter of an hour each would take all day."""
    people = [f"p{n}@example.org" for n in range(30)]
    source, one = _of_many(exchange, tmp_path, people)
    monkeypatch.setattr(retry, "now", lambda: time.monotonic() + sum(one.waits))
    exchange.busy = [60_000] * 10_000
    with pytest.raises(SourceError, match="busy"):
        list(source.listing())
    assert sum(one.waits) <= 4 * OBEYED_FOR
    exchange.busy = [60_000] * 3
    assert len(list(source.listing())) >= 27
    source.close()


def test_an_unreachable_server_ends_the_run_soon(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [f"p{n}@example.org" for n in range(30)]
    source, _ = _of_many(exchange, tmp_path, people)
    dialled = 0

    def nobody(_: object) -> None:
        nonlocal dialled
        dialled += 1
        raise ServerUnreachable("nobody answers there")

    listing = source.listing()
    next(listing)
    source._drop()
    monkeypatch.setattr("muniment.sources.ews.source.dial", nobody)
    with pytest.raises(ServerUnreachable):
        list(listing)
    assert dialled <= ATTEMPTS
    source.close()


def test_a_login_refused_later_is_tried_again(exchange: Exchange, anna: Person, tmp_path: Path) -> None:
    anna.put(mails(300))
    one = Opened(exchange, tmp_path)
    source = one.connect()
    exchange.fail = [(401, {})]
    items = list(source.listing())
    exchange.fail = [(401, {}), (401, {})]
    assert len(fetched(source, items)) == 300
    asked = len(one.waits)
    exchange.logins[ANNA] = "changed"
    source.close()
    with pytest.raises(SourceError, match="refused the login"):
        list(source.fetch(items))
    assert len(one.waits) - asked <= 3
    source.close()


@pytest.mark.parametrize("every", [3, 4, 7])
def test_a_connection_that_breaks_regularly(
    exchange: Exchange, anna: Person, tmp_path: Path, every: int
) -> None:
    sent = mails(2000)
    anna.put(sent)
    one = Opened(exchange, tmp_path)
    source = one.connect()
    exchange.cut_every = every
    items = list(source.listing())
    assert len(items) == 2000
    assert sorted(fetched(source, items)) == sorted(sent)
    assert len(source.delete(items)) == 2000
    exchange.cut_every = 0
    assert list(source.listing()) == []
    source.close()


def test_broken_items_are_named_and_do_not_stop_the_others(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    anna.put(mails(300))
    bad = list(anna.inbox.items.values())
    bad[7].error, bad[123].error = "ErrorMimeContentConversionFailed", "ErrorItemCorrupt"
    bad[200].error, bad[201].mime = "ErrorInternalServerError", False
    with opened(exchange, tmp_path) as source:
        items = list(source.listing())
        answers = list(source.fetch(items))
        failed = {one.item.key: one for one in answers if isinstance(one, UnfetchedItem)}
        assert len(answers) == 300
        assert set(failed) == {bad[n].id for n in (7, 123, 200, 201)}
        assert "ErrorMimeContentConversionFailed" in failed[bad[7].id].reason
        assert not any(one.gone for one in failed.values())


def test_an_item_that_makes_the_server_fail_does_not_stop_the_others(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    anna.put(mails(250))
    poison = list(anna.inbox.items.values())[130]
    served = exchange.mime

    def mime(mail: Any) -> bytes:
        if mail is poison:
            raise ConnectionResetError
        return served(mail)

    exchange.mime = mime  # type: ignore[method-assign]
    with opened(exchange, tmp_path) as source:
        answers = list(source.fetch(list(source.listing())))
        assert len(answers) == 250
        assert [one.item.key for one in answers if isinstance(one, UnfetchedItem)] == [poison.id]


def test_a_large_message_is_spooled_while_it_arrives(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    large = mail("large") + b"0123456789abcdef" * (20 * 1024 * 64)
    anna.put([mail("small"), large, b""])
    with opened(exchange, tmp_path / "work") as source:
        answers = {str(one.item.size): one for one in source.fetch(list(source.listing()))}
        content = answers[str(len(large))].content  # type: ignore[union-attr]
        assert isinstance(content, Path)
        assert content.stat().st_size > SPOOL_ABOVE
        assert content.read_bytes() == large
        content.unlink()
        assert list((tmp_path / "work").iterdir()) == []
        exchange.cut_every = 1
        with pytest.raises(SourceError):
            list(source.fetch([one.item for one in answers.values()] * 3))
    assert list((tmp_path / "work").iterdir()) == []


def test_a_refused_deletion_is_named(exchange: Exchange, anna: Person, tmp_path: Path) -> None:
    exchange.logins["svc"] = PASSWORD
    anna.delegates.add("svc")
    anna.put(mails(2))
    named = {"mailbox": "svc", "mailboxes": (ANNA,), "access": "delegate"}
    with opened(exchange, tmp_path, **named) as source:
        items = list(source.listing())
        anna.delegates.clear()
        assert source.delete(items) == []
        (refusal,) = source.refusals()
        assert refusal.deleting
        assert "does not let this login delete" in refusal.reason


def test_only_confirmed_deletions_count(exchange: Exchange, anna: Person, tmp_path: Path) -> None:
    """One item is moved before the request, which changes its id; one can't be deleted."""
    anna.put(mails(6))
    moved, stays, *_ = anna.inbox.items.values()
    with opened(exchange, tmp_path) as source:
        items = list(source.listing())
        anna.remove(anna.inbox, moved.id)
        anna.put([moved.content], anna.folder("Elsewhere"))
        stays.stays = "ErrorCannotDeleteObject"
        assert {item.key for item in source.delete(items)} == {one.key for one in items} - {
            moved.id,
            stays.id,
        }
        (refusal,) = source.refusals()
        assert refusal.deleting
        assert "ErrorCannotDeleteObject" in refusal.reason


def test_a_deletion_counts_even_if_its_answer_was_lost(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    anna.put(mails(6))
    with opened(exchange, tmp_path) as source:
        items = list(source.listing())
        answered = exchange._answers
        exchange.cut_every = answered + 1
        assert len(source.delete(items)) == 6
        assert anna.inbox.items == {}


def test_a_missing_item_is_gone_only_if_its_folder_can_be_read(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    """ErrorItemNotFound can also mean that the login can't see the item (Microsoft, ResponseCode)."""
    anna.put(mails(2))
    with opened(exchange, tmp_path) as source:
        items = list(source.listing())
        (first, _) = anna.inbox.items
        del exchange.where[first]
        assert [one.gone for one in source.fetch(items) if isinstance(one, UnfetchedItem)] == [True]
        anna.inbox.sick = "ErrorAccessDenied"
        assert [one.gone for one in source.fetch(items) if isinstance(one, UnfetchedItem)] == [False]


def test_groups_and_mailboxes_of_other_servers_are_left_out_and_named(
    exchange: Exchange, tmp_path: Path
) -> None:
    exchange.logins["svc"] = PASSWORD
    exchange.impersonators.add("svc")
    exchange.searchers.add("svc")
    exchange.groups, exchange.external = ["AllStaff@example.com"], ["cloud@example.com"]
    exchange.person(ANNA).put([mail(ANNA)])
    named = {"mailbox": "svc", "mailboxes": ("*",), "access": "impersonation", "folders": ALL}
    one = Opened(exchange, tmp_path, **named)
    source = one.connect()
    assert [item.place.mailbox for item in source.listing()] == [ANNA]
    assert source.refusals() == []
    source.close()
    left = {event.kind: event.names for event in one.events if isinstance(event, MailboxesLeftOut)}
    assert left == {GROUPS: ("allstaff@example.com",), ELSEWHERE: ("cloud@example.com",)}


@pytest.mark.parametrize("bad", ["QUJD\u00e9RA==", "QUJD*", "Q"])
def test_invalid_base64_gives_no_message(tmp_path: Path, bad: str) -> None:
    """No character in it makes the reader raise an exception."""
    reader = MimeReader(tmp_path)
    reader.feed(f"<a><MimeContent>{bad}</MimeContent><MimeContent>QUJD</MimeContent></a>".encode())
    reader.close()
    assert (reader.take(0), reader.take(1)) == (None, b"ABC")


def test_a_slow_server_is_waited_for_no_longer_than_the_timeout(
    exchange: Exchange, anna: Person, tmp_path: Path
) -> None:
    anna.put(mails(2))
    with opened(exchange, tmp_path, timeout=0.2) as source:
        items = list(source.listing())
        exchange.slow = 0.5
        with pytest.raises(SourceError, match="sent nothing for"):
            list(source.fetch(items))
        exchange.slow = 0.0
        assert len(fetched(source, items)) == 2
