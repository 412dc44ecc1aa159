"""Signatures of new messages are judged after they are kept, by keys that are kept as evidence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.senders.evidence_record import SenderEvidence, read_evidence
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.config.file import load
from muniment.net.txt_records import NO_ANSWER, TxtRecords
from muniment.service.access.roles import Caller
from muniment.service.host.sender_keeper import RECENT, SenderKeeper, last_before
from muniment.service.host.session import ClientSession
from support.asking import answers
from support.dns_server import DnsServer
from support.program import Program
from support.reports import plain, report
from support.signing import records, sealed, signed, signed_by_hand
from support.vaults import TestVault
from support.waiting import eventually

ZONE = {
    name: [("TXT", f'"{text.decode()[:200]}" "{text.decode()[200:]}"')] for name, text in records().items()
}


def letter(number: int, body: str = "The harbour is open.\r\n") -> bytes:
    return plain(sender="ada@sender.example", subject=f"Letter {number}", body=body)


MAILS = {
    "valid": signed(letter(1)),
    "ed25519": signed(letter(2), "ed25519-sha256"),
    "broken": signed(letter(3)).replace(b"is open", b"is shut"),
    "unknown": signed(letter(4)).replace(b"s=rsa1", b"s=gone"),
    "none": letter(5),
    "past": signed_by_hand(letter(6), b"t=1100000000; x=1100000900"),
    "arc": sealed(letter(7)),
    "malformed": b"DKIM-Signature: v=1; \x1b[31m; d=\xff\r\n" + letter(8),
}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[TestVault]:
    vault = TestVault(tmp_path / "vault")
    yield vault
    vault.client.close()


def allow(folder: Path, server: str, dns: bool = True) -> None:
    path = folder / "vault.toml"
    text = path.read_text().partition("\n[evidence]")[0]
    lines = f'\n[evidence]\ndns = {str(dns).lower()}\n[journaling]\nresolver = "{server}"\n'
    path.write_text(text + lines)


@contextmanager
def kept(folder: Path, **options: Any) -> Iterator[Vault]:
    """The vault, open as in a service, with a keeper."""
    with closing(open_vault(folder, write=True)) as vault:
        session = ClientSession(folder, vault)
        with SenderKeeper(session, lambda: load(folder / "vault.toml"), **({"look": 0.05} | options)):
            yield vault


def judge_all(folder: Path) -> None:
    with kept(folder) as vault:
        last = vault.catalog.messages_after(-1, 10_000)[-1].sequence
        eventually(lambda: vault.catalog.evidence_reached() >= last)


def evidence(folder: Path) -> list[SenderEvidence]:
    with closing(open_vault(folder, write=False)) as vault:
        frames = [
            one
            for one in scan(vault.segments, on_damage=lambda _: None)
            if one.kind is RecordKind.SENDER_EVIDENCE
        ]
        return [read_evidence(vault.reader.payload(frame)) for frame in frames]


def damage(folder: Path, at: int) -> None:
    """Change a byte of the ledger while it is open."""
    with next((folder / "ledger").glob("*.seg")).open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_each_result_is_shown_in_words_and_as_json(made: TestVault) -> None:
    made.archive([report(mail) for mail in MAILS.values()])
    made.client.close()
    with DnsServer(ZONE) as dns:
        allow(made.folder, dns.address)
        judge_all(made.folder)
        names = {f"{one}._domainkey.{whose}" for one, whose in [
            ("rsa1", "sender.example"), ("ed1", "sender.example"), ("gone", "sender.example"),
            ("rsa1", "relay.example"),
        ]}  # fmt: skip
        assert sorted(dns.asked) == sorted((name, "TXT") for name in names)  # each once
    program = Program(made.folder)
    hits = json.loads(program("search", "harbour", "--json").out)["hits"]
    found = {hit["subject"]: hit["id"] for hit in hits}
    expected = {
        "Letter 1": ("valid", "valid: DKIM of sender.example, by its key of 20"),
        "Letter 2": ("valid", "valid: DKIM of sender.example, by its key of 20"),
        "Letter 3": ("broken", "broken: DKIM of sender.example; its body is not what was signed"),
        "Letter 4": (
            "body intact, key unknown",
            "body intact, key unknown: DKIM of sender.example; the domain has no key of this name",
        ),
        "Letter 5": (None, "none: the message has no signature of DKIM or ARC"),
        "Letter 6": ("valid", "; the signer meant it to be used until 2004-11-09"),
        "Letter 7": ("valid", "valid: ARC of relay.example, by its key of 20"),
        "Letter 8": ("broken", "broken: DKIM of an unknown domain; its tags are malformed"),
    }
    for subject, (state, words) in expected.items():
        text = " ".join(program("show", found[subject]).out.split())
        assert "Signature " in text
        assert words in text
        assert "authentic" not in text.lower()
        shown = json.loads(program("show", found[subject], "--json").out)
        assert shown["judged"].startswith("20")
        assert [one["state"] for one in shown["signatures"]] == ([state] if state else [])
    made = TestVault(made.folder)
    made.sound()
    made.client.close()


def test_the_record_keeps_the_keys_and_what_they_gave(made: TestVault) -> None:
    made.archive([MAILS["valid"], MAILS["unknown"], MAILS["none"]], journal=False, owner="bob@example.com")
    made.client.close()
    before = int(time.time())
    with DnsServer(ZONE) as dns:
        allow(made.folder, dns.address)
        judge_all(made.folder)
    (one,) = evidence(made.folder)
    keys = {key.name: key for key in one.keys}
    assert keys["rsa1._domainkey.sender.example"].text == records()["rsa1._domainkey.sender.example"]
    assert keys["gone._domainkey.sender.example"].text is None
    assert keys["gone._domainkey.sender.example"].problem == "the domain has no key of this name"
    assert all(before <= key.asked <= time.time() and not key.authentic for key in one.keys)
    assert sorted(result.state for found in one.messages for result in found.results) == [
        "body intact, key unknown",
        "valid",
    ]


def test_nothing_is_looked_up_unless_it_is_allowed(made: TestVault) -> None:
    made.archive([MAILS["valid"]], journal=False, owner="bob@example.com")
    made.client.close()
    with DnsServer(ZONE) as dns:
        allow(made.folder, dns.address, dns=False)
        with kept(made.folder) as vault:
            time.sleep(0.5)
            assert vault.catalog.evidence_reached() == -1
            assert not dns.asked
            allow(made.folder, dns.address)
            eventually(lambda: vault.catalog.evidence_reached() >= 0)
            assert dns.asked == [("rsa1._domainkey.sender.example", "TXT")]
    program = Program(made.folder)
    id_ = json.loads(program("search", "harbour", "--json").out)["hits"][0]["id"]
    assert "valid" in program("show", id_).out


def test_a_rebuild_finds_the_evidence_again(made: TestVault) -> None:
    made.archive([MAILS["valid"], MAILS["none"]], journal=False, owner="bob@example.com")
    made.client.close()
    with DnsServer(ZONE) as dns:
        allow(made.folder, dns.address)
        judge_all(made.folder)
    made = TestVault(made.folder)
    before = [made.show(hit.id).signatures for hit in made.messages()]
    assert [len(one) for one in before].count(1) == 1
    made.rebuild()
    assert [made.show(hit.id).signatures for hit in made.messages()] == before
    made.sound()
    made.client.close()


def test_messages_are_judged_once_and_in_order(made: TestVault) -> None:
    made.archive([MAILS["valid"]], journal=False, owner="bob@example.com")
    made.client.close()
    with DnsServer(ZONE) as dns:
        allow(made.folder, dns.address)
        judge_all(made.folder)
        judge_all(made.folder)
        made = TestVault(made.folder)
        made.archive([letter(n) for n in range(20, 250)], journal=False, owner="bob@example.com")
        made.client.close()
        judge_all(made.folder)
    ranges = [(one.first, one.through) for one in evidence(made.folder)]
    assert len(ranges) == 4
    assert all(first == before + 1 for (_, before), (first, _) in pairwise(ranges))


def test_a_server_that_is_silent_delays_no_run(made: TestVault) -> None:
    """Messages are kept and shown while DNS is asked. The record then says that there was no answer."""
    made.archive([MAILS["valid"]], journal=False, owner="bob@example.com")
    made.client.close()
    with DnsServer(ZONE, silent=True) as dns:
        allow(made.folder, dns.address)
        with kept(made.folder) as vault:
            before = time.monotonic()
            vault.log([{"event": "read", "who": "ada", "uid": 7, "word": "Show", "at": 1}])
            assert time.monotonic() - before < 2
            eventually(lambda: vault.catalog.evidence_reached() >= 0, 30)
    (one,) = evidence(made.folder)
    assert one.keys[0].problem == NO_ANSWER
    assert one.messages[0].results[0].state == "body intact, key unknown"


def test_a_damaged_message_is_named_and_holds_up_nothing(made: TestVault) -> None:
    made.archive([MAILS["valid"], MAILS["none"]], journal=False, owner="bob@example.com")
    made.client.close()
    with DnsServer(ZONE) as dns:
        allow(made.folder, dns.address)
        with kept(made.folder, look=1.0) as vault:
            first, *_, last = vault.catalog.messages_after(-1, 10)
            damage(made.folder, first.position.offset + 100)
            row = first
            eventually(lambda: vault.catalog.evidence_reached() >= last.sequence)
    (one,) = evidence(made.folder)
    assert [found.problem for found in one.messages if found.message == row.sha.hex()] == [
        "its signatures could not be read"
    ]


def test_only_recent_messages_are_judged_when_look_ups_are_first_allowed(made: TestVault) -> None:
    made.archive([letter(n) for n in range(30)], journal=False, owner="bob@example.com")
    made.client.close()
    with closing(open_vault(made.folder, write=False)) as vault:
        rows = vault.catalog.messages_after(-1, 100)
        assert last_before(vault, 0) < rows[0].sequence
        assert last_before(vault, int(time.time()) - RECENT) < rows[0].sequence
        assert last_before(vault, int(time.time()) + 60) >= rows[-1].sequence


def test_a_plain_user_sees_no_result(made: TestVault) -> None:
    """The fields of signatures belong to transport, which is not in the public form."""
    made.archive([MAILS["valid"]], journal=False, owner="bob@example.com")
    made.client.close()
    toml = made.folder / "vault.toml"
    toml.write_text(
        toml.read_text() + '[access]\nauditors = ["audrey"]\nusers = { bob = "bob@example.com" }\n'
    )
    with ClientSession(made.folder).writing():  # the login is bound
        pass
    with DnsServer(ZONE) as dns:
        allow(made.folder, dns.address)
        judge_all(made.folder)
    found = {}
    with closing(open_vault(made.folder, write=True)) as vault:
        for name, uid in (("bob", 61_000), ("audrey", 61_001)):
            session = ClientSession(made.folder, vault, Caller(uid, uid, 1, name))
            (hits,) = answers(session, api.Search(query=""))
            assert isinstance(hits, api.Hits)
            (found[name],) = answers(session, api.Show(id=hits.hits[0].id))
        for reply, states in ((found["bob"], []), (found["audrey"], ["valid"])):
            assert isinstance(reply, api.Message)
            assert [one.state for one in reply.signatures] == states
            assert bool(reply.judged) == bool(states)


# --- look-ups -------------------------------------------------------------------------------------


def test_an_answer_is_used_for_an_hour() -> None:
    now = [1000.0]
    with DnsServer(ZONE) as dns:
        host, port = dns.address.split(":")
        keys = TxtRecords((host, int(port)), clock=lambda: now[0])
        first = keys.find("rsa1._domainkey.sender.example")
        assert first.texts == (records()["rsa1._domainkey.sender.example"],)
        assert first.asked == 1000
        now[0] += 3599
        assert keys.find("rsa1._domainkey.sender.example") is first
        now[0] += 2
        assert keys.find("rsa1._domainkey.sender.example").asked == 4601
        assert len(dns.asked) == 2


@pytest.mark.parametrize(
    "name", ["x" * 70 + ".example", ".".join(["abc"] * 80), "a..b", "", "\udc80.example"]
)
def test_names_that_dns_cannot_have_give_no_record(name: str) -> None:
    with DnsServer(ZONE) as dns:
        host, port = dns.address.split(":")
        found = TxtRecords((host, int(port)), seconds=1).find(name)
    assert not found.texts
    assert found.problem


def test_many_threads_may_ask() -> None:
    with DnsServer(ZONE) as dns:
        host, port = dns.address.split(":")
        keys = TxtRecords((host, int(port)))
        found: list[bool] = []
        threads = [
            threading.Thread(
                target=lambda: found.append(bool(keys.find("ed1._domainkey.sender.example").texts))
            )
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [True] * 16
