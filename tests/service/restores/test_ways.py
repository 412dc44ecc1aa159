"""The ways into a mailbox: by an Exchange Server, and by SMTP if there is no other."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.errors import ConfigError
from muniment.service.operations.restores.journal import RestoreJournal, target_key
from support.certs import server_certificate
from support.ews_double import Exchange
from support.exchanges import ANNA, BOB, PASSWORD, exchange_profile
from support.listeners import Relay
from support.reports import plain, report
from support.vaults import TestVault

HOSTILE = plain(subject="=?utf-8?q?a=0D=0ABcc=3A_eve=40x.example=1B=5B2J?=", to=[ANNA])


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[TestVault]:
    made = TestVault(tmp_path / "vault")
    yield made
    made.client.close()


def restored(vault: TestVault, **fields: Any) -> api.Restored:
    *_, answer = vault.client.stream(api.Restore(**fields))
    assert isinstance(answer, api.Restored)
    return answer


def test_mail_of_an_exchange_mailbox_goes_back_there(vault: TestVault) -> None:
    with Exchange() as exchange:
        exchange.offers = ('Basic realm="double"',)
        anna, bob = exchange.person(ANNA, PASSWORD), exchange.person(BOB)
        exchange.impersonators.add(ANNA)
        mails = [plain(subject=f"number {n}", to=[ANNA]) for n in range(3)]
        anna.put(mails, days_ago=30)
        dates = [item.received for item in anna.inbox.items.values()]
        exchange_profile(vault, exchange, journal=False, access="impersonation", mailboxes=[ANNA])
        assert vault.run("box").new == 3
        for item in list(anna.inbox.items):
            anna.remove(anna.inbox, item)
        with pytest.raises(ConfigError, match="nothing says how to reach"):
            restored(vault, to=BOB, query="number")
        assert restored(vault, to=ANNA, query="number").given == 3
        items = list(anna.folder("Restored").items.values())
        assert sorted(item.content for item in items) == sorted(mails)
        assert sorted(int(item.received) for item in items) == sorted(map(int, dates))
        assert restored(vault, to=ANNA, query="number", profile="box").before == 3
        (vault.folder / "restores.sqlite").unlink()
        assert restored(vault, to=ANNA, query="number", profile="box").there == 3
        assert restored(vault, to=f"{BOB}/Inbox", query="subject:number", profile="box").public == 3
        assert len(bob.inbox.items) == 3
        assert exchange.unknown == []


def relay_of(vault: TestVault, folder: Path) -> Relay:
    """A relay that the vault's notifications use."""
    certificate = server_certificate(folder / "tls")
    relay = Relay(certificate, "archive", "secret")
    (folder / "relay-secret").write_text("secret")
    (folder / "relay-secret").chmod(0o600)
    relay.__enter__()
    with (vault.folder / "vault.toml").open("a") as file:
        file.write(
            f'[notify.mail]\nhost = "127.0.0.1"\nport = {relay.port}\nlogin = "archive"\n'
            f'ca_file = "{certificate.authority}"\nto = ["admin@example.com"]\n'
            f'password = {{ file = "{folder / "relay-secret"}" }}\n'
        )
    return relay


def test_by_mail_it_comes_as_an_attachment_and_never_twice(vault: TestVault, tmp_path: Path) -> None:
    vault.archive([report(HOSTILE, recipients=[ANNA])])
    relay = relay_of(vault, tmp_path)
    try:
        (hit,) = vault.messages()
        assert restored(vault, to=ANNA, ids=(hit.id,), profile="mail").given == 1
        assert restored(vault, to=ANNA, ids=(hit.id,), profile="mail").before == 1
        (mail,) = relay.mails
        assert relay.recipients == [[ANNA]]
        assert (mail["Bcc"], "\x1b" in str(mail["Subject"])) == (None, False)
        parts = message_from_bytes(bytes(mail)).get_payload()
        assert isinstance(parts, list)
        assert isinstance(parts[1], Message)
        key = target_key("mail", "127.0.0.1", ANNA)
        journal = RestoreJournal(vault.folder)  # as a crash before the relay's answer leaves it
        journal.begin(key, [bytes.fromhex(hit.id)], "{}")
        journal.close()
        unsure = restored(vault, to=ANNA, ids=(hit.id,), profile="mail")
        assert (unsure.given, unsure.missed) == (0, 1)
        assert "may have been sent already" in unsure.failed[0].reason
        assert len(relay.mails) == 1
        assert restored(vault, to=ANNA, ids=(hit.id,), profile="mail", again=True).given == 1
        assert len(relay.mails) == 2
    finally:
        relay.__exit__()
