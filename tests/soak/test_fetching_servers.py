"""Every kind of mail server through the whole engine: mail is archived, recognised and deleted, large mail
too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from muniment import api
from muniment.errors import LoginRefused
from support.real_servers import NAMES, PASSWORD, Servers, running
from support.reports import plain
from support.vaults import TestVault

pytestmark = pytest.mark.soak

COUNT = 300
LARGE = plain(subject="large", body="0123456789abcdef\r\n" * 700_000)
"""12 MB, so that the message is fetched in pieces and kept in a file."""
AWKWARD = [
    plain(subject="dots", body=".\r\n..\r\n.dot\r\n...\r\nend"),
    plain(subject="Grüße", body="Łódź, 你好"),
    plain(subject="a long line", body="x" * 3000),
]
MAILS = [
    *(plain(subject=f"message {n}", body=f"Text {n}.\r\n" * (n % 50 + 1)) for n in range(COUNT)),
    *AWKWARD,
    LARGE,
]
NO_DELETION = ("gnu_imap4d",)
"""Servers without UIDPLUS."""
_ADDED = re.compile(rb"^(?:X-UIDL|X-UID|X-IMAPbase|Status): .*\r\n", re.MULTILINE)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with running() as made:
        yield made


def profile(vault: TestVault, servers: Servers, server: str, person: str, name: str, *, delete: bool) -> None:
    secret = vault.folder / "secret"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    vault.profile(
        name, source="imap" if "imap" in server else "pop3", host="127.0.0.1", port=servers.ports[server],
        security="none", mailbox=person, password={"file": str(secret)}, timeout=60,
        journal=False, owner="bob@example.com", delete=delete,
    )  # fmt: skip


def run(vault: TestVault, name: str) -> api.RunSummary:
    summary = vault.run(name)
    assert summary.balanced, summary.error
    return summary


@pytest.mark.parametrize("server", NAMES)
def test_a_mailbox_is_archived_known_and_emptied(servers: Servers, server: str, vault: TestVault) -> None:
    person = servers.person()
    if server.startswith(("cyrus", "nginx")):
        with servers.cyrus(person) as session:
            for mail in MAILS:
                assert session.append("INBOX", "", "", mail)[0] == "OK"
    else:
        servers.deliver(person, MAILS)
    profile(vault, servers, server, person, "kept", delete=False)
    profile(vault, servers, server, person, "emptied", delete=True)
    summary = run(vault, "kept")
    assert (summary.state, summary.new, summary.failed) == ("ok", len(MAILS), 0), summary.error
    summary = run(vault, "kept")
    assert (summary.state, summary.fetched) == ("ok", 0)
    summary = run(vault, "emptied")
    if server in NO_DELETION:
        assert (summary.state, summary.deleted) == ("failed", 0)
        assert "no UIDPLUS" in summary.error
    else:
        assert (summary.state, summary.new, summary.deleted) == ("ok", 0, len(MAILS)), summary.error
        assert run(vault, "kept").listed == 0
    hits = {hit.subject: hit.id for hit in vault.messages()}
    assert len(hits) == len(MAILS)
    for mail, subject in ((AWKWARD[0], "dots"), (AWKWARD[1], "Grüße"), (AWKWARD[2], "a long line")):
        assert _ADDED.sub(b"", vault.raw(hits[subject])).rstrip() == mail.rstrip()
    vault.sound()


@pytest.mark.parametrize("server", NAMES)
def test_a_wrong_password_is_recognised(servers: Servers, server: str, vault: TestVault) -> None:
    person = servers.person()
    if server.startswith(("cyrus", "nginx")):
        servers.cyrus(person).logout()
    profile(vault, servers, server, person, "box", delete=False)
    (vault.folder / "secret").write_text("wrong-one\n")
    if server.startswith("nginx"):  # it believes its own authority here, and hangs up when Cyrus refuses
        assert vault.run("box").state == "failed"
        return
    with pytest.raises(LoginRefused) as caught:
        list(vault.client.stream(api.TestProfile(name="box")))
    assert "wrong-one" not in str(caught.value)
