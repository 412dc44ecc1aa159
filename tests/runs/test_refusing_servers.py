"""Whole runs over what IMAP and POP3 servers can refuse, as a table.

In each row, the books balance, everything else is archived and deleted, the refused part is named and makes
the run fail, and nothing that is still there counts as deleted. Once the server is well, the next run
archives and deletes the rest.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from muniment import api
from support.clocks import skip_waits
from support.fake_pop3 import FakePop3, multiline, stuffed
from support.imap_double import ImapDouble
from support.reports import plain
from support.soak import in_soak
from support.vaults import TestVault

_NUMBERS = itertools.count()
FOLDERS = ("INBOX", "A", "Broken", "Z")
EACH = 5
"""Messages in each folder."""
CUT: list[str] = []
BYE = ["* BYE [SERVERBUG] Internal error"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_waits(monkeypatch)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestVault]:
    """One vault for all rows, which must be sound at their end. Each row has its own mailbox."""
    made = TestVault(tmp_path_factory.mktemp("refusing") / "vault")
    yield made
    made.sound()


def mails(count: int) -> list[bytes]:
    """Messages that no other row has."""
    return [
        plain(
            subject=f"m {n}", body=f"Text {next(_NUMBERS)}.\r\n", message_id=f"<{next(_NUMBERS)}@x.example>"
        )
        for n in range(count)
    ]


def profile(vault: TestVault, kind: str, port: int, **fields: Any) -> str:
    """A profile of an account that no other row has; returns its name."""
    name = f"{kind}-{next(_NUMBERS)}"
    secret = vault.folder / "secret"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    usual = {
        "source": kind, "host": "127.0.0.1", "port": port, "security": "none", "timeout": 5,
        "mailbox": f"{name}@example.com", "password": {"file": str(secret)}, "journal": False, "delete": True,
    }  # fmt: skip
    vault.profile(name, **(usual | fields))
    return name


def run(vault: TestVault, name: str, left: Callable[[], int], state: str) -> api.RunSummary:
    there = left()
    summary = vault.run(name)
    assert (summary.state, summary.balanced) == (state, True), summary.error
    assert summary.deleted == there - left(), "a record of each deletion, and of no other"
    return summary


# --- IMAP ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    """A command that an IMAP server refuses in one folder of four, and what a run makes of it."""

    command: str
    answer: list[str]
    named: str
    """A pattern that the run's result matches."""
    new: int = 3 * EACH
    deleted: int = 3 * EACH
    everywhere: bool = False
    """Whether the command is refused regardless of the folder."""
    times: int = 1_000_000
    """How often it is refused."""


def _rows(count: int) -> list[str]:
    """A listing of the folder, without its last rows."""
    return [
        f'* {n} FETCH (UID {2 * EACH + n} RFC822.SIZE 300 INTERNALDATE " 1-Feb-2024 00:00:00 +0000" FLAGS ())'
        for n in range(1, count + 1)
    ]


BUG, LIMIT = "NO [SERVERBUG] Internal error", "NO [LIMIT] Too many open files"
ALL = 4 * EACH
IMAP = [
    Refusal("FETCH", ["OK done"], "lists only 0 of the 5 messages .* in Broken"),
    Refusal("FETCH", [*_rows(3), "OK done"], "lists only 3 of the 5 messages", new=3 * EACH + 3, deleted=18),
    Refusal("UID FETCH", ["BAD Error in MIME"], "5 could not be fetched.*Error in MIME"),
    Refusal("UID EXPUNGE", ["OK done"], "Broken, and 5 of them are still there", new=ALL),
    Refusal("LIST", ["OK done"], "lists no folder", 0, 0, everywhere=True),
]  # fmt: skip
LONG_IMAP = [
    Refusal("UID STORE", ["NO [NOPERM] Permission denied"], "Not deleted from: .*Broken.*NOPERM", new=ALL),
    Refusal("FETCH", ["NO Mailbox is corrupt"], "Broken.*Mailbox is corrupt"),
    Refusal("SELECT", [BUG], "Broken.*SERVERBUG"),
    Refusal("SELECT", [LIMIT], "Broken.*LIMIT"),
    Refusal("SELECT", ["NO [INUSE] Locked"], "Broken.*INUSE"),
    Refusal("SELECT", ["NO [NOPERM] no"], "Broken.*NOPERM"),
    Refusal("SELECT", ["BAD Internal error"], "Broken.*Internal error"),
    Refusal("SELECT", BYE, "Broken.*SERVERBUG"),
    Refusal("SELECT", CUT, "Broken.*lost"),
    Refusal("FETCH", ["BAD Internal error"], "Broken.*Internal error"),
    Refusal("FETCH", [*_rows(3), *BYE], "Broken.*SERVERBUG"),
    Refusal("FETCH", CUT, "Broken.*lost"),
    Refusal("UID FETCH", [BUG], "5 could not be fetched"),
    Refusal("UID FETCH", ["OK done"], "5 could not be fetched.*does not send it"),
    Refusal("UID FETCH", BYE, "5 could not be fetched.*SERVERBUG"),
    Refusal("UID SEARCH", [BUG], "Not deleted from: .*Broken.*SERVERBUG", new=ALL),
    Refusal("UID SEARCH", ["BAD no"], "Not deleted from: .*Broken", new=ALL),
    Refusal("UID STORE", ["BAD Internal error"], "Not deleted from: .*Broken.*Internal", new=ALL),
    Refusal("UID EXPUNGE", ["NO [CANNOT] Read-only"], "Not deleted from: .*Broken.*CANNOT", new=ALL),
    Refusal("UID EXPUNGE", [BUG], "Not deleted from: .*Broken.*SERVERBUG", new=ALL),
    Refusal("UID EXPUNGE", ["BAD Internal error"], "Not deleted from: .*Broken", new=ALL),
    Refusal("UID EXPUNGE", BYE, "Not deleted from: .*Broken", new=ALL),
    Refusal("LIST", [BUG], "could not list its folders.*SERVERBUG", 0, 0, everywhere=True),
    Refusal("LIST", BYE, "SERVERBUG", 0, 0, everywhere=True),
    Refusal("NAMESPACE", [BUG], "which folders belong to whom.*SERVERBUG", 0, 0, everywhere=True),
    Refusal("AUTHENTICATE", ["NO [LIMIT] Busy"], "LIMIT", 0, 0, everywhere=True),
]  # fmt: skip
PASSING = [
    Refusal("SELECT", [BUG], "", ALL, ALL, times=1),
    Refusal("FETCH", ["OK done"], "", ALL, ALL, times=1),
    Refusal("UID FETCH", BYE, "", ALL, ALL, times=1),
    Refusal("UID EXPUNGE", CUT, "", ALL, ALL, times=1),
]  # fmt: skip


class ImapRoom:
    """A mailbox of four folders, in one of which a command is refused."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal, self.well, self._selected, self._times = refusal, False, "", 0
        self.double = ImapDouble(
            folders=dict.fromkeys(FOLDERS, ""),
            capabilities="IMAP4rev1 AUTH=PLAIN UIDPLUS NAMESPACE",
            override=self._answer,
        )
        for folder, mail in zip((one for one in FOLDERS for _ in range(EACH)), mails(ALL), strict=True):
            self.double.put(mail, folder)

    def _answer(self, command: str, argument: str) -> list[str] | None:
        if command == "SELECT":
            self._selected = argument.split('"')[1]
        there = self.refusal.everywhere or self._selected == "Broken"
        if self.well or command != self.refusal.command or not there or self._times >= self.refusal.times:
            return None
        self._times += 1
        return self.refusal.answer

    def left(self) -> int:
        return sum(len(self.double.within(folder)) for folder in FOLDERS)


def _id(refusal: Refusal) -> str:
    return f"{refusal.command}: {(refusal.answer or ['cut'])[-1]}"


@pytest.mark.parametrize("refusal", [*IMAP, *in_soak(*LONG_IMAP)], ids=_id)
def test_a_refusal_of_an_imap_server_costs_only_what_it_refuses(vault: TestVault, refusal: Refusal) -> None:
    room = ImapRoom(refusal)
    with room.double as server:
        name = profile(vault, "imap", server.port)
        summary = run(vault, name, room.left, "failed")
        assert (summary.new, summary.deleted) == (refusal.new, refusal.deleted), summary.error
        assert re.search(refusal.named, summary.error), summary.error
        room.well = True
        summary = run(vault, name, room.left, "ok")
        assert (summary.new, room.left()) == (ALL - refusal.new, 0)


@pytest.mark.parametrize("refusal", [PASSING[1], *in_soak(PASSING[0], *PASSING[2:])], ids=_id)
def test_a_passing_refusal_of_an_imap_server_costs_nothing(vault: TestVault, refusal: Refusal) -> None:
    room = ImapRoom(refusal)
    with room.double as server:
        summary = run(vault, profile(vault, "imap", server.port), room.left, "ok")
    assert (summary.new, room.left()) == (ALL, 0)


# --- POP3 ------------------------------------------------------------------------------------------


class Pop3Room(FakePop3):
    """A mailbox whose messages go at QUIT, if they were marked by DELE."""

    def __init__(self, count: int) -> None:
        self.there = {f"key-{n}": mail for n, mail in enumerate(mails(count), 1)}
        self.rule: Callable[[str], bytes | None] = lambda command: None
        self._keys: list[str] = []
        self._marked: list[str] = []
        self.quits = 0
        super().__init__(capabilities=["UIDL", "PIPELINING"], override=self._by_rule)

    def _by_rule(self, command: str) -> bytes | None:
        verb, _, argument = command.partition(" ")
        if verb == "PASS":
            self._keys, self._marked = list(self.there), []
        refused = self.rule(command)
        if refused is not None:
            return refused
        key = self._keys[int(argument) - 1] if argument.isdecimal() else ""
        if verb == "STAT":
            return b"+OK %d 9\r\n" % len(self._keys)
        if verb == "UIDL":
            return multiline(*(b"%d %s" % (n, one.encode()) for n, one in enumerate(self._keys, 1)))
        if verb == "LIST":
            return multiline(*(b"%d %d" % (n, len(self.there[one])) for n, one in enumerate(self._keys, 1)))
        if verb == "RETR":
            return b"+OK here\r\n" + stuffed(self.there[key]) + b".\r\n"
        if verb == "DELE":
            self._marked.append(key)
        elif verb == "QUIT":
            self.remove(len(self._marked))
        return None

    def remove(self, count: int) -> None:
        """Remove the first of the messages that were marked."""
        for key in self._marked[:count]:
            self.there.pop(key, None)

    def left(self) -> int:
        return len(self.there)


def _refuses(*commands: str, answer: bytes = b"-ERR no\r\n") -> Callable[[Pop3Room, str], bytes | None]:
    return lambda room, command: answer if command in commands else None


def _half_at_quit(room: Pop3Room, command: str) -> bytes | None:
    """RFC 1939, 6: some of the marked messages are not removed."""
    if command == "QUIT":
        room.remove(3)
        return b"-ERR some deleted messages not removed\r\n"
    return None


def _short_after_quit(room: Pop3Room, command: str) -> bytes | None:
    """The first QUIT removes nothing, and then the list is short: what is absent there may not be gone."""
    if command == "QUIT":
        room.quits += 1
        return b"-ERR no\r\n" if room.quits == 1 else None
    return multiline(b"2 key-2", b"3 key-3") if command == "UIDL" and room.quits else None


@dataclass(frozen=True)
class Pop3Refusal:
    """What a POP3 server refuses, and what a run over 20 messages makes of it."""

    name: str
    rule: Callable[[Pop3Room, str], bytes | None]
    named: str
    new: int
    deleted: int


POP3 = [
    Pop3Refusal("DELE", _refuses("DELE 7"), "Not deleted from: pop3-.*could not be deleted", 20, 19),
    Pop3Refusal("UIDL too short", _refuses("UIDL", answer=multiline(b"2 key-2", b"3 key-3")),
                "lists only 2 of the 20 messages", 2, 2),
    Pop3Refusal("a short UIDL after QUIT", _short_after_quit, "lists only 2 of the 20 messages", 20, 2),
    Pop3Refusal("QUIT", _refuses("QUIT"), "could not remove messages.*no", 20, 0),
    Pop3Refusal("RETR", _refuses("RETR 7", "RETR 8"), "2 could not be fetched.*refuses to send", 18, 18),
]  # fmt: skip
LONG_POP3 = [
    Pop3Refusal("every DELE", _refuses(*(f"DELE {n}" for n in range(1, 21))), "could not be deleted", 20, 0),
    Pop3Refusal("UIDL", _refuses("UIDL"), "has no UIDL", 0, 0),
    Pop3Refusal("LIST", _refuses("LIST"), "no", 0, 0),
    Pop3Refusal("PASS", _refuses("PASS secret", answer=b"-ERR [IN-USE] locked\r\n"), "IN-USE", 0, 0),
    Pop3Refusal("RETR SYS/TEMP", _refuses("RETR 7", answer=b"-ERR [SYS/TEMP] disk\r\n"), "SYS/TEMP", 19, 19),
    Pop3Refusal("RETR cut", _refuses("RETR 7", answer=b""), "1 could not be fetched", 19, 19),
    Pop3Refusal("QUIT cut", _refuses("QUIT", answer=b""), "lost", 20, 0),
]  # fmt: skip


@pytest.mark.parametrize("refusal", [*POP3, *in_soak(*LONG_POP3)], ids=lambda one: one.name)
def test_a_refusal_of_a_pop3_server_costs_only_what_it_refuses(
    vault: TestVault, refusal: Pop3Refusal
) -> None:
    with Pop3Room(20) as room:
        room.rule = lambda command: refusal.rule(room, command)
        name = profile(vault, "pop3", room.port)
        summary = run(vault, name, room.left, "failed")
        assert (summary.new, summary.deleted) == (refusal.new, refusal.deleted), summary.error
        assert re.search(refusal.named, summary.error), summary.error
        room.rule = lambda command: None
        summary = run(vault, name, room.left, "ok")
        assert (summary.new, room.left()) == (20 - refusal.new, 0)


@pytest.mark.soak
def test_a_pop3_server_that_removes_only_some_messages_at_a_time(vault: TestVault) -> None:
    with Pop3Room(10) as room:
        room.rule = lambda command: _half_at_quit(room, command)
        summary = run(vault, profile(vault, "pop3", room.port), room.left, "ok")
    assert (summary.new, room.left()) == (10, 0)
