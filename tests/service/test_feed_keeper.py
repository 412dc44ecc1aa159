"""The audit feed of a service: every event at least once, in order, whatever stops in between."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.config.file import load
from muniment.notify.findings import findings
from muniment.notify.model import ArchiveFacts
from muniment.service.host.feed_cursor import NAME
from muniment.service.host.feed_keeper import FeedKeeper, feed_keeper_of
from muniment.service.host.session import ClientSession
from muniment.service.operations.feed_state import feed_facts
from support.asking import answers
from support.certs import ServerCertificate, server_certificate
from support.services import end, muniment, service_of
from support.syslog_receivers import Receiver, SyslogNg, require_syslog_ng
from support.vaults import TestVault
from support.waiting import eventually

PAGE = 100
"""Events of a page."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificate:
    return server_certificate(tmp_path_factory.mktemp("certificate"))


class House:
    """A vault that is open as in a service, and what its feed says."""

    def __init__(self, vault: Vault) -> None:
        self.vault, self.folder = vault, vault.folder
        self.lines: list[tuple[str, str]] = []
        self._path = vault.folder / "vault.toml"
        self._bare = self._path.read_text()

    def log(self, *queries: str) -> None:
        """Commit an event for each query."""
        event = {
            "event": "read",
            "who": "ada",
            "uid": 7,
            "role": "auditor",
            "word": "Search",
            "at": 1_769_824_800,
        }
        self.vault.log([event | {"query": query} for query in queries])

    def configure(self, lines: str) -> None:
        """Write an [audit_feed]; "" for none."""
        new = self._path.with_suffix(".new")
        new.write_text(f"{self._bare}\n[audit_feed]\n{lines}\n" if lines else self._bare)
        new.replace(self._path)  # never half of it

    def keeper(self, **options: Any) -> FeedKeeper:
        fast: dict[str, Any] = {"look": 0.02, "first_wait": 0.02, "ending": 10.0} | options
        session = ClientSession(self.folder, self.vault)
        return FeedKeeper(session, lambda: load(self._path), lambda *line: self.lines.append(line), **fast)

    def cursor(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            value: dict[str, Any] = json.loads((self.folder / NAME).read_text())
            return value
        return {}

    def sent(self, number: int) -> bool:
        return self.cursor().get("number") == number


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    TestVault(tmp_path / "vault").client.close()
    with closing(open_vault(tmp_path / "vault", write=True)) as vault:
        yield House(vault)


def at(receiver: Receiver | SyslogNg, certificate: ServerCertificate) -> str:
    return f'syslog = "tls://127.0.0.1:{receiver.port}"\nca_file = "{certificate.authority}"'


def numbers(receiver: Receiver) -> list[int]:
    return [int(one.split(b'sequenceId="')[1].split(b'"')[0]) for one in receiver.received]


def queries(receiver: Receiver) -> list[str]:
    return [one.split(b'query="')[1].split(b'"')[0].decode() for one in receiver.received]


@pytest.fixture
def real(certificate: ServerCertificate, tmp_path: Path) -> SyslogNg:
    require_syslog_ng()
    return SyslogNg(tmp_path / "syslog-ng", certificate)


def test_a_real_receiver_gets_all_in_order_over_its_and_our_restarts(
    house: House, real: SyslogNg, certificate: ServerCertificate
) -> None:
    house.configure(at(real, certificate))
    house.log(*(f'"{n}" ]\\ é' for n in range(1, 2 * PAGE + 51)))
    with real.running(), house.keeper():
        eventually(lambda: house.sent(2 * PAGE + 50))
    with house.keeper() as keeper:
        house.log("251")
        eventually(lambda: keeper.problem)
        with real.running():
            eventually(lambda: house.sent(251))
    house.log("252")
    with real.running(), house.keeper():
        eventually(lambda: house.sent(252))
        eventually(lambda: len(real.events()) >= 252)
    assert list(dict.fromkeys(real.numbers())) == [*range(1, 253)]
    event = real.events()[0]
    own = event["_SDATA"]["muniment@32473"]
    assert (own["query"], own["who"], own["uid"]) == ('"1" ]\\ é', "ada", "7")
    assert event["MESSAGE"] == "read: ada (auditor), Search, mail of everybody"
    assert (event["PROGRAM"], event["MSGID"], event["PRIORITY"]) == ("muniment", "search", "info")


def test_a_real_receiver_can_ask_for_our_certificate(
    house: House, certificate: ServerCertificate, tmp_path: Path
) -> None:
    require_syslog_ng()
    real = SyslogNg(tmp_path / "syslog-ng", certificate, clients=certificate.authority)
    house.log("one")
    house.configure(at(real, certificate))
    with real.running(), house.keeper() as keeper:
        eventually(lambda: keeper.problem)
        assert house.cursor() == {}
        house.configure(f'{at(real, certificate)}\ncertificate = "{certificate.certificate}"')
        eventually(lambda: house.sent(1))
        eventually(lambda: keeper.problem == "")
        eventually(lambda: set(real.numbers()) == {1})


def test_events_go_on_after_the_last_one_that_was_confirmed(
    house: House, certificate: ServerCertificate
) -> None:
    with Receiver(certificate) as receiver:
        house.configure(at(receiver, certificate))
        with house.keeper() as keeper:
            assert feed_keeper_of(house.folder) is keeper
            house.log("one", "two")
            eventually(lambda: house.sent(2))
            receiver.behaviour = "deaf"
            house.log("three")
            eventually(lambda: keeper.problem)
            assert house.sent(2)
            receiver.behaviour = "whole"
            eventually(lambda: house.sent(3))
            eventually(lambda: keeper.problem == "")
        assert queries(receiver) == ["one", "two", "three"]
    assert feed_keeper_of(house.folder) is None
    said = [line for line, level in house.lines]
    assert [level for _, level in house.lines] == ["info", "error", "info"]
    assert "goes to tls://127.0.0.1" in said[0]
    assert "events again" in said[2]


def test_many_events_are_confirmed_in_steps(house: House, certificate: ServerCertificate) -> None:
    house.log(*(str(n) for n in range(3 * PAGE)))
    with Receiver(certificate) as receiver:
        house.configure(at(receiver, certificate))
        with house.keeper(at_once=PAGE):
            eventually(lambda: house.sent(3 * PAGE))
        assert numbers(receiver) == [*range(1, 3 * PAGE + 1)]
        assert receiver.connections == 3


def test_settings_are_taken_up_and_nothing_runs_without_them(
    house: House, certificate: ServerCertificate
) -> None:
    house.log("one")
    with Receiver(certificate) as first, Receiver(None) as second, house.keeper() as keeper:
        house.configure(at(first, certificate))
        eventually(lambda: house.sent(1))
        house.configure(f'syslog = "tcp://127.0.0.1:{second.port}"\nplain = true')
        eventually(lambda: len(house.lines) == 2)
        house.log("two")
        eventually(lambda: house.sent(2))
        house.configure("")
        eventually(lambda: "is off" in house.lines[-1][0])
        house.log("three")
        assert (queries(first), queries(second)) == (["one"], ["two"])
        assert feed_facts(house.folder, load(house.folder / "vault.toml")) is None
        assert keeper.problem == ""


def trouble(house: House) -> tuple[bool | None, str]:
    """What notifications and health find about the feed."""
    facts = ArchiveFacts(now=0, feed=feed_facts(house.folder, load(house.folder / "vault.toml")))
    settings = load(house.folder / "vault.toml").notify
    (found,) = [one for one in findings(facts, settings) if one.kind == "feed-stopped"]
    return found.trouble, found.text


def test_a_refused_certificate_is_a_problem_at_once_and_sends_nothing(
    house: House, certificate: ServerCertificate, tmp_path: Path
) -> None:
    house.log("one")
    other = server_certificate(tmp_path / "other", "elsewhere.example")
    with Receiver(other) as receiver:
        house.configure(at(receiver, certificate))
        assert trouble(house)[0] is None
        with house.keeper() as keeper:
            eventually(lambda: keeper.lasts)
            stands, text = trouble(house)
            assert stands
            assert "another host name" in text
            assert "vault.toml" in text
        assert receiver.received == []
    assert house.cursor() == {}


def test_a_receiver_that_is_away_is_a_problem_after_a_while(
    house: House, certificate: ServerCertificate
) -> None:
    house.log("one")
    with Receiver(certificate, "deaf") as receiver:
        house.configure(at(receiver, certificate))
        with house.keeper(standing=0.5) as keeper:
            eventually(lambda: keeper.problem)
            eventually(lambda: trouble(house)[0])
            receiver.behaviour = "whole"
            eventually(lambda: trouble(house)[0] is False)
        with house.keeper(standing=1000) as keeper:
            receiver.behaviour = "deaf"
            house.log("two")
            eventually(lambda: keeper.problem)
            assert trouble(house)[0] is None


def test_a_vault_that_was_set_back_is_said_and_not_skipped_over(
    house: House, certificate: ServerCertificate, tmp_path: Path
) -> None:
    house.log("one")
    house.vault.close()
    earlier = shutil.copytree(house.folder, tmp_path / "earlier")
    with Receiver(certificate) as receiver, closing(open_vault(house.folder, write=True)) as vault:
        later = House(vault)
        later.log("two")
        later.configure(at(receiver, certificate))
        with later.keeper():
            eventually(lambda: later.sent(2))
        shutil.copy(later.folder / NAME, earlier / NAME)
        with closing(open_vault(earlier, write=True)) as back:
            house = House(back)
            house.log("another")
            house.configure(at(receiver, certificate))
            with house.keeper() as keeper:
                eventually(lambda: keeper.lasts)
                assert "was set back or replaced" in trouble(house)[1]
                assert queries(receiver) == ["one", "two"]
                (house.folder / NAME).unlink()
                eventually(lambda: house.sent(2))
            assert queries(receiver) == ["one", "two", "one", "another"]


def test_events_that_the_catalog_hides_are_said(house: House, certificate: ServerCertificate) -> None:
    house.log("one", "two", "three")
    with closing(sqlite3.connect(house.folder / "catalog.db")) as catalog, catalog:
        catalog.execute("DELETE FROM audit WHERE event LIKE '%two%'")
    with Receiver(certificate) as receiver:
        house.configure(at(receiver, certificate))
        with house.keeper() as keeper:
            eventually(lambda: keeper.lasts)
            assert keeper.problem.startswith("1 audit events of the ledger were not sent")
            house.log("four")
            eventually(lambda: house.sent(4))
            assert keeper.lasts
        assert queries(receiver) == ["one", "three", "four"]
        assert numbers(receiver) == [1, 2, 4]


def test_a_service_that_is_killed_before_the_cursor_sends_again(
    certificate: ServerCertificate, tmp_path: Path
) -> None:
    vault = TestVault(tmp_path / "vault")
    vault.client.close()
    killed = threading.Event()

    def kill() -> None:
        if not killed.is_set():
            end(service_of(vault.folder), signal.SIGKILL)
            killed.set()

    with Receiver(certificate) as receiver:
        receiver.on_read = kill
        with (vault.folder / "vault.toml").open("a") as file:
            file.write(f"\n[audit_feed]\n{at(receiver, certificate)}\n")
        try:
            assert muniment(vault.folder, "search", "one").code == 0
            eventually(killed.is_set)
            assert not (vault.folder / NAME).exists()
            assert muniment(vault.folder, "search", "two").code == 0
            eventually(lambda: cursor_at(vault.folder, 2))
        finally:
            end_service(vault.folder)
        found = numbers(receiver)
        assert found[0] == found[1] == 1
        assert [*dict.fromkeys(found)] == [1, 2]
        assert [*dict.fromkeys(queries(receiver))] == ["one", "two"]


def cursor_at(folder: Path, number: int) -> bool:
    with suppress(FileNotFoundError):
        return bool(json.loads((folder / NAME).read_text())["number"] == number)
    return False


def end_service(folder: Path) -> None:
    if pid := service_of(folder):
        end(pid)


def test_the_service_says_a_feed_that_stands_in_its_health(
    certificate: ServerCertificate, house: House
) -> None:
    house.log("one")
    with Receiver(None, "talks") as receiver:
        house.configure(at(receiver, certificate))
        with house.keeper() as keeper:
            eventually(lambda: keeper.lasts)
            state = health(house)
    (problem,) = [one for one in state.problems if one.key == "feed-stopped"]
    assert (problem.severity, problem.area) == ("warning", "settings")
    assert "does not speak TLS" in problem.text


def health(house: House) -> api.Health:
    (state,) = answers(ClientSession(house.folder, house.vault), api.GetHealth())
    assert isinstance(state, api.Health)
    return state
