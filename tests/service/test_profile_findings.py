"""What a test of a profile finds: later failures, and remarks about the server."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from muniment import api
from muniment.errors import SourceError
from muniment.service.operations import profile_test
from support.fake_pop3 import FakePop3, multiline
from support.imap_double import ImapDouble
from support.vaults import TestVault


def tried(vault: TestVault, source: str, port: int, **more: Any) -> list[str]:
    """The steps of a test that succeeds."""
    fields = {
        "source": source, "host": "127.0.0.1", "port": port, "security": "none", "timeout": 5,
        "mailbox": "bob@example.com", "journal": False, "delete": False,
    } | more  # fmt: skip
    request = api.TestProfile(name="box", fields=fields, password="secret")
    return [reply.text for reply in vault.client.stream(request) if isinstance(reply, api.Step)]


def test_a_server_that_can_not_delete_is_found_before_a_run(vault: TestVault) -> None:
    with ImapDouble(capabilities="IMAP4rev1") as server:
        assert "listed 0 messages" in tried(vault, "imap", server.port)
        with pytest.raises(SourceError, match="no UIDPLUS"):
            tried(vault, "imap", server.port, delete=True)


def test_a_folder_that_is_read_only_is_found_before_a_run(vault: TestVault) -> None:
    def override(command: str, argument: str) -> list[str] | None:
        if command == "SELECT" and "Kept" in argument:
            return ["* 0 EXISTS", "* OK [UIDVALIDITY 7] x", "OK [READ-ONLY] done"]
        return None

    with ImapDouble(folders={"INBOX": "", "Kept": ""}, override=override) as server:
        assert "listed 0 messages" in tried(vault, "imap", server.port)
        with pytest.raises(SourceError, match="Kept is read only"):
            tried(vault, "imap", server.port, delete=True)


def test_a_folder_that_can_not_be_read_is_found(vault: TestVault) -> None:
    with (
        ImapDouble(
            folders={"INBOX": "", "Shut": ""},
            override=lambda command, name: (
                ["NO [NOPERM] no"] if command == "SELECT" and "Shut" in name else None
            ),
        ) as server,
        pytest.raises(SourceError, match="Shut"),
    ):
        tried(vault, "imap", server.port)


def test_a_filter_that_matches_nothing_is_found(vault: TestVault) -> None:
    with (
        ImapDouble(folders={"INBOX": "", "Archive": ""}) as server,
        pytest.raises(SourceError, match=r"matches Archives: .* there are Archive, Inbox"),
    ):
        tried(vault, "imap", server.port, folders=["Archives"])


def test_folders_of_others_get_a_remark(vault: TestVault) -> None:
    folders = {"INBOX": "", "shared/ann": "", "shared/ann/Team": ""}
    with ImapDouble(folders=folders, namespace='(("" "/")) (("shared/" "/")) NIL') as server:
        assert any("2 folders of others are left out" in step for step in tried(vault, "imap", server.port))
        steps = tried(vault, "imap", server.port, shared=True, delete=True)
        assert any("2 folders of others are read, and nothing is deleted there" in step for step in steps)


def test_a_slow_pop3_server_gets_a_remark(vault: TestVault) -> None:
    with FakePop3(override=lambda c: b"-ERR what?\r\n" if c == "CAPA" else None) as server:
        assert any("has no CAPA" in step for step in tried(vault, "pop3", server.port))
    with FakePop3(capabilities=["UIDL", "LOGIN-DELAY 600"]) as server:
        steps = " ".join(tried(vault, "pop3", server.port))
        assert "no PIPELINING" in steps
        assert "no TOP" in steps
        assert "600 s between two logins" in steps
    with FakePop3(
        [b"a", b"b"], override=lambda c: multiline(b"1 x", b"2 x") if c == "UIDL" else None
    ) as server:
        assert any("the same UIDL (1 times)" in step for step in tried(vault, "pop3", server.port))


def test_a_pop3_server_without_uidl_is_found(vault: TestVault) -> None:
    with (
        FakePop3(override=lambda c: b"-ERR unknown\r\n" if c == "UIDL" else None) as server,
        pytest.raises(SourceError, match=r'no UIDL \("unknown"\)'),
    ):
        tried(vault, "pop3", server.port)


def test_a_test_does_not_wait_for_as_long_as_a_run(vault: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run waits up to an hour for a server that asks for pauses, which is too long for a person."""
    monkeypatch.setattr(profile_test, "_Waits", partial(profile_test._Waits, patience=50.0))
    refusal = b"-ERR [LOGIN-DELAY] slower\r\n"
    began = time.monotonic()
    with (
        FakePop3(override=lambda c: refusal if c.startswith("PASS") else None) as server,
        pytest.raises(SourceError, match=r"asks to wait for .* s, which is too long for a test"),
    ):
        tried(vault, "pop3", server.port)
    assert time.monotonic() - began < 20
