"""IMAP and POP3 through the whole engine: one refused folder, poisoned messages, a server that dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from muniment import api
from support.clocks import skip_waits
from support.fake_pop3 import FakePop3
from support.imap_double import ImapDouble
from support.reports import plain
from support.vaults import TestVault

MAILS = [plain(subject=f"message {n}") for n in range(60)]
POISONED = range(21, 25)
"""Numbers of adjacent messages at which the server breaks the connection."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_waits(monkeypatch)


def run(vault: TestVault, kind: str, port: int, **fields: Any) -> api.RunSummary:
    secret = vault.folder / "secret"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    usual = {
        "source": kind, "host": "127.0.0.1", "port": port, "security": "none", "timeout": 5,
        "mailbox": "bob@example.com", "password": {"file": str(secret)}, "journal": False, "delete": False,
    }  # fmt: skip
    vault.profile("box", **(usual | fields))
    summary = vault.run("box")
    assert summary.balanced
    return summary


def test_one_sick_folder_stops_only_itself(vault: TestVault) -> None:
    bug = "NO [SERVERBUG] Internal error occurred. Refer to server log for more information."
    double = ImapDouble(
        folders=dict.fromkeys(("INBOX", "A", "Broken", "Z"), ""),
        override=lambda command, name: [bug] if command == "SELECT" and "Broken" in name else None,
    )
    for n, mail in enumerate(MAILS[:20]):
        double.put(mail, list(double.folders)[n % 4])
    with double as server:
        summary = run(vault, "imap", server.port, delete=True)
    assert (summary.state, summary.listed, summary.new, summary.deleted) == ("failed", 15, 15, 15)
    assert "Broken" in summary.error
    assert "SERVERBUG" in summary.error
    assert vault.tree() == {"bob@example.com": {"Inbox": 5, "A": 5, "Z": 5}}
    assert len(server.within("Broken")) == 5
    vault.sound()


def imap_that_breaks_at(numbers: range) -> ImapDouble:
    def override(command: str, argument: str) -> list[str] | None:
        if command != "UID FETCH":
            return None
        wanted: set[int] = set()
        for part in argument.split()[0].split(","):
            first, _, last = part.partition(":")
            wanted.update(range(int(first), int(last or first) + 1))
        return [] if wanted & set(numbers) else None

    double = ImapDouble(override=override)
    for mail in MAILS:
        double.put(mail, "INBOX")
    return double


def pop3_that_breaks_at(numbers: range) -> FakePop3:
    poison = {f"RETR {n}" for n in numbers}
    return FakePop3(MAILS, capabilities=["PIPELINING"], override=lambda c: b"" if c in poison else None)


@pytest.mark.parametrize(("kind", "make"), [("imap", imap_that_breaks_at), ("pop3", pop3_that_breaks_at)])
def test_poisoned_messages_stop_only_themselves(
    vault: TestVault, kind: str, make: Callable[[range], ImapDouble | FakePop3]
) -> None:
    with make(POISONED) as server:
        summary = run(vault, kind, server.port)
    assert (summary.new, summary.failed, summary.pending) == (56, 4, 0)
    assert len(vault.messages()) == 56
    vault.sound()


def test_mail_fetched_before_an_imap_server_died_is_kept(vault: TestVault) -> None:
    def override(command: str, argument: str) -> list[str] | None:
        dead = sum(one.startswith("UID FETCH") for one in server.commands)
        if command == "UID FETCH":
            return [_literal(n) for n in range(1, 41)] + ["* BYE Server shutting down"]
        return [] if dead else None

    with ImapDouble(override=override) as server:
        for mail in MAILS:
            server.put(mail, "INBOX")
        summary = run(vault, "imap", server.port)
    assert summary.state == "failed"
    assert (summary.listed, summary.new, summary.pending) == (60, 40, 20)
    assert len(vault.messages()) == 40
    vault.sound()


def _literal(number: int) -> str:
    body = MAILS[number - 1]
    return f"* {number} FETCH (UID {number} BODY[] {{{len(body)}}}\r\n{body.decode()})"


def test_mail_fetched_before_a_pop3_server_died_is_kept(vault: TestVault) -> None:
    def override(command: str) -> bytes | None:
        return b"" if "RETR 41" in server.commands else None

    with FakePop3(MAILS, override=override) as server:
        summary = run(vault, "pop3", server.port)
    assert summary.state == "failed"
    assert (summary.listed, summary.new, summary.pending) == (60, 40, 20)
    assert len(vault.messages()) == 40
    vault.sound()


def test_a_filter_that_matches_nothing_fails_the_run_that_archives_the_rest(vault: TestVault) -> None:
    with ImapDouble(folders={"INBOX": "", "Kunden": ""}) as server:
        for mail in MAILS[:3]:
            server.put(mail, "Kunden")
        summary = run(vault, "imap", server.port, folders=["Kunden", "Archiv"])
    assert (summary.state, summary.new) == ("failed", 3)
    assert "matches Archiv" in summary.error
    assert "Inbox, Kunden" in summary.error


def test_keys_survive_a_change_of_titles(vault: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault from before prefixes were hidden fetches nothing again, and files nothing twice."""
    folders = {"INBOX": "", "INBOX/Archive": ""}
    with ImapDouble(folders=folders) as server:
        for n, mail in enumerate(MAILS[:6]):
            server.put(mail, list(folders)[n % 2])
        assert run(vault, "imap", server.port).new == 6
        assert vault.tree() == {"bob@example.com": {"Inbox": 3, "INBOX/Archive": 3}}
        server.namespace = '(("INBOX/" "/")) NIL NIL'
        summary = vault.run("box")
        assert (summary.state, summary.already, summary.fetched) == ("ok", 6, 0)
        server.put(MAILS[7], "INBOX/Archive")
        assert vault.run("box").new == 1
    assert vault.tree() == {"bob@example.com": {"Inbox": 3, "INBOX/Archive": 3, "Archive": 1}}
    vault.sound()
