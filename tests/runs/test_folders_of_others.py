"""Folders of other people on real servers: left out by default, never deleted from, filed for their owner."""

from __future__ import annotations

import imaplib
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from muniment import api
from muniment.errors import SourceError
from support.dovecot import Dovecot, Mailbox
from support.dovecot import running as running_dovecot
from support.real_servers import PASSWORD, Servers
from support.real_servers import running as running_servers
from support.reports import plain
from support.soak import in_soak
from support.vaults import TestVault

_NUMBERS = itertools.count()
ANNA, BERT = "anna@example.com", "bert@example.com"


class House:
    """A server with Anna's and Bert's mailboxes. Bert has shared his inbox and a folder with Anna."""

    port: int
    names = ("anna", "bert")
    password = PASSWORD
    anna: imaplib.IMAP4
    bert: imaplib.IMAP4

    def profile(self, vault: TestVault, name: str, **fields: Any) -> None:
        """A profile of Anna's mailbox."""
        secret = vault.folder / "secret"
        secret.write_text(self.password + "\n")
        secret.chmod(0o600)
        usual = {
            "source": "imap", "host": "127.0.0.1", "port": self.port, "security": "none", "timeout": 20,
            "mailbox": self.names[0], "password": {"file": str(secret)},
            "journal": False, "owner": ANNA, "delete": True,
        }  # fmt: skip
        vault.profile(name, **(usual | fields))

    def close(self) -> None:
        for session in (self.anna, self.bert):
            session.logout()

    def left(self, session: imaplib.IMAP4, folder: str) -> int:
        """Number of messages in a folder."""
        return int(session.select(folder, readonly=True)[1][0] or b"0")


class DovecotHouse(House):
    """Dovecot: `shared/NAME`, and names with a domain."""

    names = (ANNA, BERT)
    inbox, team = "shared/bert@example.com", "shared/bert@example.com/Team"

    def __init__(self, server: Dovecot) -> None:
        self.port = server.imap
        boxes = [self._box(server, name) for name in self.names]
        self.password = boxes[0].password
        self.anna, self.bert = (self._session(box) for box in boxes)
        fill(self.anna, "INBOX", "Archive")
        fill(self.bert, "INBOX", "Team")
        for folder in ("INBOX", "Team"):
            assert self.bert.setacl(folder, ANNA, "lrswipkxted")[0] == "OK"

    def _box(self, server: Dovecot, name: str) -> Mailbox:
        return server.mailbox(name=name, password=PASSWORD)

    def _session(self, box: Mailbox) -> imaplib.IMAP4:
        session = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        session.login(box.name, box.password)
        return session


class CyrusHouse(House):
    """Cyrus: `user.NAME`, a prefix `INBOX.` for one's own folders, and public folders without a prefix."""

    def __init__(self, servers: Servers) -> None:
        self.port = servers.ports["cyrus_imap"]
        self.names = (servers.person(), servers.person())
        self.inbox, self.team = f"user.{self.names[1]}", f"user.{self.names[1]}.Team"
        self.anna, self.bert = (servers.cyrus(name) for name in self.names)
        fill(self.anna, "INBOX", "INBOX.Archive")
        fill(self.bert, "INBOX", "INBOX.Team")
        for folder in ("INBOX", "INBOX.Team"):
            assert self.bert.setacl(folder, self.names[0], "lrswipkxted")[0] == "OK"
        with servers.cyrus("cyrus") as admin:
            admin.create("Notices")
            assert admin.setacl("Notices", self.names[0], "lrswipkxted")[0] == "OK"
        for n in range(2):
            assert self.anna.append("Notices", "", "", plain(subject=f"notice {n}"))[0] == "OK"


def fill(session: imaplib.IMAP4, *folders: str) -> None:
    """Put three messages into each folder."""
    for folder in folders:
        if folder != "INBOX":
            session.create(folder)
        for _ in range(3):
            assert session.append(folder, "", "", plain(subject=f"{folder} {next(_NUMBERS)}"))[0] == "OK"


@pytest.fixture(scope="module")
def dovecot_house() -> Iterator[House]:
    with running_dovecot(sharing=True) as server:
        house = DovecotHouse(server)
        yield house
        house.close()


@pytest.fixture(scope="module")
def cyrus_house() -> Iterator[House]:
    with running_servers() as servers:
        house = CyrusHouse(servers)
        yield house
        house.close()


def run(vault: TestVault, name: str) -> api.RunSummary:
    summary = vault.run(name)
    assert (summary.state, summary.balanced) == ("ok", True), summary.error
    return summary


@pytest.mark.parametrize(
    ("kind", "folder"), [("dovecot", "inbox"), ("dovecot", "team"), *in_soak(("cyrus", "inbox"))]
)
def test_another_persons_folder_that_is_the_only_one_is_read_and_untouched(
    kind: str, folder: str, vault: TestVault, request: pytest.FixtureRequest
) -> None:
    house = request.getfixturevalue(f"{kind}_house")
    name = getattr(house, folder)
    there = house.left(house.anna, name)
    house.profile(vault, "only", journal=True, folder=name, delete=True)
    why = f"{name} on .* belongs to {house.names[1]}.*, and nothing is ever deleted in folders of others"
    with pytest.raises(SourceError, match=why):
        list(vault.client.stream(api.TestProfile(name="only")))
    summary = vault.run("only")
    assert (summary.state, summary.balanced) == ("failed", True)
    assert re.search(why, summary.error)
    assert (summary.new, summary.deleted, house.left(house.anna, name)) == (there, 0, there)
    summary = vault.run("only")
    assert (summary.already, summary.fetched, summary.deleted) == (there, 0, 0)


def test_a_folder_of_ones_own_that_is_the_only_one_is_emptied(vault: TestVault, dovecot_house: House) -> None:
    fill(dovecot_house.anna, "Journal")
    dovecot_house.profile(vault, "only", journal=True, folder="Journal", delete=True)
    summary = run(vault, "only")
    assert (summary.new, summary.deleted) == (3, 3)


@pytest.mark.parametrize("kind", ["dovecot", "cyrus"])
def test_another_persons_folders_are_untouched(
    kind: str, vault: TestVault, request: pytest.FixtureRequest
) -> None:
    house = request.getfixturevalue(f"{kind}_house")
    house.profile(vault, "shared", shared=True, delete=True)
    house.profile(vault, "own", delete=True)
    notices = 2 if kind == "cyrus" else 0
    # With the setting, they are read, belong to their owner, and stay.
    summary = run(vault, "shared")
    assert (summary.new, summary.deleted) == (12 + notices, 6)
    tree = vault.tree()
    assert tree[ANNA] == {"Inbox": 3, "Archive": 3}
    assert tree[f"{house.names[1].partition('@')[0]}@example.com"] == {"Inbox": 3, "Team": 3}
    assert sum(tree.get("catch-all", {}).values()) == notices
    assert (house.left(house.anna, house.inbox), house.left(house.anna, house.team)) == (3, 3)
    # A further run neither deletes nor fetches them.
    summary = run(vault, "shared")
    assert (summary.fetched, summary.deleted) == (0, 0)
    # By default they are not read.
    fill(house.anna, "INBOX")
    summary = run(vault, "own")
    assert (summary.listed, summary.deleted) == (3, 3)
    assert (house.left(house.bert, "INBOX"), house.left(house.anna, house.team)) == (3, 3)
    assert house.left(house.anna, "INBOX") == 0
    vault.sound()
