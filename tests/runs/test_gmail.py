"""Gmail, by a double with its extensions: each message is archived once, and deleting follows Gmail's
rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from muniment import api
from support.imap_double import ALL, SPAM, TRASH, ImapDouble, gmail
from support.reports import plain
from support.vaults import TestVault

SENT, DRAFTS, STARRED, IMPORTANT = (
    f"[Gmail]/{name}" for name in ("Sent Mail", "Drafts", "Starred", "Important")
)


@pytest.fixture
def server() -> Iterator[ImapDouble]:
    with gmail() as double:
        yield double


def fill(server: ImapDouble) -> None:
    for number, folders in enumerate(
        [
            ("INBOX",),
            ("INBOX", STARRED, IMPORTANT),
            ("INBOX", "Kunden/Alt"),
            ("Kunden", "Kunden/Alt"),
            (SENT,),
            (SENT, "Kunden"),
            (),
            (DRAFTS,),
            (SPAM,),
            (TRASH,),
        ]
    ):
        server.put(plain(subject=f"number {number}"), *folders)


def profile(vault: TestVault, server: ImapDouble, name: str = "box", **fields: Any) -> None:
    secret = vault.folder / "secret"
    secret.write_text("application password\n")
    secret.chmod(0o600)
    usual = {
        "source": "imap", "host": "127.0.0.1", "port": server.port, "security": "none", "timeout": 10,
        "mailbox": "bob@example.com", "password": {"file": str(secret)}, "journal": False, "delete": False,
    }  # fmt: skip
    vault.profile(name, **(usual | fields))


def run(vault: TestVault) -> api.RunSummary:
    summary = vault.run("box")
    assert (summary.state, summary.balanced) == ("ok", True), summary.error
    return summary


def fetched(server: ImapDouble) -> int:
    return sum(command.startswith("UID FETCH") for command in server.commands)


def test_each_message_is_archived_once_and_filed_by_its_label(vault: TestVault, server: ImapDouble) -> None:
    fill(server)
    profile(vault, server)
    summary = run(vault)
    assert (summary.listed, summary.new, summary.merged) == (7, 7, 0)
    assert vault.tree() == {
        "bob@example.com": {"Inbox": 2, "Kunden": 1, "Kunden/Alt": 1, "Sent": 2, "All Mail": 1}
    }
    # Another label makes no other message.
    server.messages[0].folders |= {"Kunden"}
    summary = run(vault)
    assert (summary.already, summary.fetched) == (7, 0)
    vault.rebuild()
    assert run(vault).already == 7
    vault.sound()


def test_spam_and_trash_are_read_in_addition_if_the_profile_says_so(
    vault: TestVault, server: ImapDouble
) -> None:
    fill(server)
    profile(vault, server, exclude=["@drafts", "Kunden"])
    summary = run(vault)
    assert summary.new == 6
    tree = vault.tree()["bob@example.com"]
    assert sum(tree.values()) == 6
    assert "Kunden" not in tree


def test_deleting_moves_messages_from_all_labels_to_the_trash(vault: TestVault, server: ImapDouble) -> None:
    fill(server)
    profile(vault, server, delete=True, folders=["@all"])
    summary = run(vault)
    assert (summary.new, summary.deleted) == (7, 7)
    assert vault.tree() == {
        "bob@example.com": {"Inbox": 2, "Kunden": 1, "Kunden/Alt": 1, "Sent": 2, "All Mail": 1}
    }
    assert [one.folders for one in server.within(TRASH)] == [{TRASH}] * 8
    assert [one.folders for one in server.within(ALL)] == [{DRAFTS}]
    assert not any("EXPUNGE" in command for command in server.commands)


def test_an_account_is_not_emptied_by_a_profile_that_names_no_folder(
    vault: TestVault, server: ImapDouble
) -> None:
    """Such a profile from before All Mail was read took messages out of labels only."""
    fill(server)
    profile(vault, server, delete=True)
    for _ in range(2):
        summary = run(vault)
        assert (summary.listed, summary.deleted) == (7, 0)
    assert len(server.within(ALL)) == 8
    assert not any("MOVE" in command or "EXPUNGE" in command for command in server.commands)


def test_a_named_label_is_read_as_a_folder_and_a_view_is_not(vault: TestVault, server: ImapDouble) -> None:
    fill(server)
    profile(vault, server, folders=["Kunden", "[Gmail]/Starred"])
    summary = vault.run("box")
    assert summary.new == 3
    assert vault.tree() == {"bob@example.com": {"Kunden": 2, "Kunden/Alt": 2}}
    assert summary.state == "failed"
    assert "matches [Gmail]/Starred" in summary.error


def test_a_profile_test_says_what_deleting_does_at_gmail(vault: TestVault, server: ImapDouble) -> None:
    fill(server)
    profile(vault, server, delete=True)
    words = list(vault.client.stream(api.TestProfile(name="box")))
    texts = [word.text for word in words if isinstance(word, api.Step)]
    assert any("this is Gmail" in one for one in texts)
    assert any("nothing is deleted in All Mail" in one for one in texts)
    profile(vault, server, "all", delete=True, folders=["@all"])
    words = list(vault.client.stream(api.TestProfile(name="all")))
    texts = [word.text for word in words if isinstance(word, api.Step)]
    assert any("deleting at Gmail moves a message to the trash" in one for one in texts)
    assert isinstance(words[-1], api.Done)


def test_nothing_is_deleted_if_the_trash_is_hidden(vault: TestVault, server: ImapDouble) -> None:
    del server.folders[TRASH]
    fill(server)
    profile(vault, server, delete=True)
    summary = vault.run("box")
    assert (summary.new, summary.deleted) == (7, 0)
    assert "shows no trash" in summary.error
    assert len(server.within(ALL)) == 8
