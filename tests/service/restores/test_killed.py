"""A restore that is killed again and again: each message comes once, byte for byte, with date and flags."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from muniment import api
from support.dovecot import Dovecot, Mailbox
from support.imap_mail import StoredMail, stored
from support.reports import EPOCH, plain
from support.vaults import TestVault

RESTORE = """
import sys
from pathlib import Path
from muniment import api
from muniment.client.client import Client
from muniment.service.dispatch.engine import connect
client = Client(connect(Path(sys.argv[1])))
for word in client.stream(api.Restore(to="ada@example.com", query="user:ada@example.com")):
    pass
"""
KILLS = 5
LETTERS = {"\\Seen": "S", "\\Answered": "R", "\\Flagged": "F"}
FLAGS = (("\\Seen",), ("\\Answered", "\\Seen"), ("\\Flagged",), ())


def archived(folder: Path, server: Dovecot, box: Mailbox, many: int) -> tuple[TestVault, list[StoredMail]]:
    """A vault with mail that was in ada's mailbox, and is deleted there."""
    mails = [
        StoredMail(
            plain(
                subject=f"number {n}", to=["ada@example.com"], body=f"text {n % 7}\n",
                message_id=f"<{n // 2}@x>",
            ),
            EPOCH + 60 * n,
            frozenset(FLAGS[n % len(FLAGS)]),
        )
        for n in range(many)
    ]  # fmt: skip
    for number, mail in enumerate(mails):
        letters = "".join(sorted(LETTERS[flag] for flag in mail.flags))
        path = box.path / "cur" / f"{mail.date}.{number}.test:2,{letters}"
        path.write_bytes(mail.content)
    vault = TestVault(folder / "vault")
    (folder / "secret").write_text(box.password)
    (folder / "secret").chmod(0o600)
    vault.profile(
        "office", source="imap", host="127.0.0.1", port=server.imap, security="none", mailbox=box.name,
        owner="ada@example.com", journal=False, password={"file": str(folder / "secret")}, enabled=False,
    )  # fmt: skip
    return vault, mails


def given(box: Mailbox) -> int:
    """How many messages the mailbox's folder has, as the server's files say."""
    folder = box.path / ".Restored"
    return sum(len(list((folder / part).iterdir())) for part in ("new", "cur") if (folder / part).exists())


def killed_and_resumed(tmp_path: Path, server: Dovecot, many: int) -> None:
    """Restore `many` messages, and kill the process KILLS times on the way."""
    box = server.mailbox()
    vault, mails = archived(tmp_path, server, box, many)
    for mail, path in zip(mails, sorted((box.path / "cur").iterdir()), strict=True):
        os.utime(path, (mail.date, mail.date))
        if box.owner:
            os.chown(path, *box.owner)
    assert vault.run("office").new == many
    for path in list((box.path / "cur").iterdir()):
        path.unlink()
    vault.client.close()
    for kill in range(1, KILLS + 1):
        process = subprocess.Popen([sys.executable, "-c", RESTORE, str(vault.folder)])
        while given(box) < kill * many // (KILLS + 1) and process.poll() is None:
            time.sleep(0.001)
        assert process.poll() is None, "it ended before it could be killed"
        process.kill()
        process.wait()
    vault = TestVault(vault.folder)
    *_, answer = vault.client.stream(api.Restore(to="ada@example.com", query="user:ada@example.com"))
    assert isinstance(answer, api.Restored)
    assert (answer.total, answer.missed) == (many, 0)
    found = stored(server, box, "Restored")
    assert Counter(found) == Counter(mails)
    logged = [
        sha for event in vault.client.call(api.GetAudit(limit=10_000), api.Audit).events
        if event.event == "restored" for sha in event.detail["messages"]
    ]  # fmt: skip
    assert Counter(logged) == Counter(hit.id for hit in vault.search("user:ada@example.com"))
    vault.sound()
    vault.client.close()


def test_a_restore_that_is_killed_five_times_gives_each_message_once(
    tmp_path: Path, dovecot: Dovecot
) -> None:
    killed_and_resumed(tmp_path, dovecot, 120)


@pytest.mark.soak
def test_the_same_with_1000_messages(tmp_path: Path, dovecot: Dovecot) -> None:
    killed_and_resumed(tmp_path, dovecot, 1000)
