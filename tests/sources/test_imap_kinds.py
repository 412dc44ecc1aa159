"""Unusual IMAP servers: only IMAP4rev2, lines that end with LF, PREAUTH, folders that can't be opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from muniment.errors import CertificateRefused, SourceError
from muniment.sources.base import FetchedItem, PartialSource, Source, UnfetchedItem
from muniment.sources.endpoint import ImapEndpoint
from muniment.sources.factory import open_source
from muniment.sources.folders import FolderChoice
from support.boxes import held
from support.certs import server_certificate
from support.imap_double import ImapDouble

MAILS = [b"Subject: %d\r\n\r\ntext\r\n" % n for n in range(4)]


def connected(server: ImapDouble, work: Path, **more: Any) -> Source:
    endpoint = ImapEndpoint(
        kind="imap", host="127.0.0.1", port=server.port, security="none", mailbox="anna", password="secret",
        work=work, timeout=5,
    )  # fmt: skip
    source = open_source(replace(endpoint, **more), sleep=lambda seconds: None)
    try:
        source.connect()
    except BaseException:
        source.close()
        raise
    return source


def filled(server: ImapDouble) -> ImapDouble:
    for mail in MAILS:
        server.put(mail, "INBOX")
    return server


def read(source: Source) -> list[bytes]:
    answers = list(source.fetch(list(source.listing())))
    return [held(one) for one in answers if isinstance(one, FetchedItem)]


@pytest.mark.parametrize("capabilities", ["IMAP4rev2 AUTH=PLAIN", "IMAP4rev2"])
def test_a_server_with_only_imap4rev2_is_read_and_emptied(capabilities: str, tmp_path: Path) -> None:
    with filled(ImapDouble(capabilities=capabilities)) as server:
        source = connected(server, tmp_path)
        assert read(source) == MAILS
        items = list(source.listing())
        assert source.delete(items[:2]) == items[:2]
        assert [one.body for one in server.within("INBOX")] == MAILS[2:]
        # A message that the server keeps is not confirmed, according to ESEARCH.
        server.override = lambda command, _: ["OK done"] if command == "UID EXPUNGE" else None
        assert source.delete(items[2:]) == []
        source.close()


def test_lines_that_end_with_only_lf_are_read(tmp_path: Path) -> None:
    """GNU imap4d ends its answer to AUTHENTICATE like this."""
    with filled(ImapDouble(capabilities="IMAP4rev1 AUTH=PLAIN UIDPLUS", eol=b"\n")) as server:
        source = connected(server, tmp_path)
        assert read(source) == MAILS
        source.close()


def test_preauth_is_accepted_only_with_tls(tmp_path: Path) -> None:
    made = server_certificate(tmp_path / "certificates")
    greeting = "* PREAUTH welcome, anna"
    with filled(ImapDouble(greeting=greeting, certificate=made.certificate)) as server:
        source = connected(server, tmp_path, security="tls", ca_file=str(made.authority))
        assert read(source) == MAILS
        assert not any(command.startswith(("LOGIN", "AUTH")) for command in server.commands)
        source.close()
    with filled(ImapDouble(greeting=greeting)) as server:
        with pytest.raises(CertificateRefused, match="PREAUTH"):
            connected(server, tmp_path)
        with pytest.raises(CertificateRefused, match="PREAUTH"):
            connected(server, tmp_path, security="starttls")


def tree(**more: Any) -> ImapDouble:
    """Four folders with a message each."""
    server = ImapDouble(folders=dict.fromkeys(("INBOX", "A", "Broken", "Z"), ""), **more)
    for name, mail in zip(server.folders, MAILS, strict=True):
        server.put(mail, name)
    return server


BUG = "NO [SERVERBUG] Internal error occurred. Refer to server log for more information."


@pytest.mark.parametrize("answer", [BUG, "NO [NOPERM] Permission denied", "NO Mailbox is corrupt"])
def test_a_folder_that_can_not_be_opened_is_named_and_the_others_are_read(
    answer: str, tmp_path: Path
) -> None:
    with tree(
        override=lambda command, name: [answer] if command == "SELECT" and "Broken" in name else None
    ) as server:
        source = connected(server, tmp_path, folders=FolderChoice())
        assert read(source) == [MAILS[0], MAILS[1], MAILS[3]]
        assert isinstance(source, PartialSource)
        (refusal,) = source.refusals()
        assert refusal.where == "anna/Broken"
        assert answer[3:] in refusal.reason
        source.close()


def test_a_folder_that_fails_after_the_listing_does_not_stop_the_others(tmp_path: Path) -> None:
    with tree() as server:
        source = connected(server, tmp_path, folders=FolderChoice())
        items = list(source.listing())
        server.override = lambda command, name: [BUG] if command == "SELECT" and "Broken" in name else None
        answers = list(source.fetch(items))
        assert [one.item.place.title for one in answers if isinstance(one, UnfetchedItem)] == ["Broken"]
        assert len(answers) == 4
        assert isinstance(source, PartialSource)
        assert [one.where for one in source.refusals()] == ["anna/Broken"]
        assert [one.place.title for one in source.delete(items)] == ["Inbox", "A", "Z"]
        assert [one.deleting for one in source.refusals()] == [True]
        source.close()


def test_a_deleted_folder_is_no_error(tmp_path: Path) -> None:
    with tree() as server:
        source = connected(server, tmp_path, folders=FolderChoice())

        def gone(command: str, name: str) -> list[str] | None:
            if command == "SELECT" and "Broken" in name:
                server.folders.pop("Broken", None)
                return ["NO [NONEXISTENT] No such mailbox"]
            return None

        server.override = gone
        assert read(source) == [MAILS[0], MAILS[1], MAILS[3]]
        assert isinstance(source, PartialSource)
        assert source.refusals() == []
        source.close()


@pytest.mark.parametrize(
    ("take", "found"),
    [
        (("Projects",), {"Projects/A/x", "Projects/B"}),
        (("Projects/A",), {"Projects/A/x"}),
        (("*/B",), {"Projects/B"}),
    ],
)
def test_patterns_can_name_folders_that_can_not_be_selected(
    take: tuple[str, ...], found: set[str], tmp_path: Path
) -> None:
    folders = {
        "INBOX": "",
        "Projects": "\\Noselect",
        "Projects/A": "\\Noselect",
        "Projects/A/x": "",
        "Projects/B": "",
    }
    server = ImapDouble(folders=folders)
    for name in folders:
        server.put(MAILS[0], name)
    with server:
        source = connected(server, tmp_path, folders=FolderChoice(take))
        assert {item.place.title for item in source.listing()} == found
        source.close()


@pytest.mark.parametrize("take", [("Archiv",), ("Archiv", "INBOX"), ("@junk",), ("@inbox", "@junk")])
def test_a_pattern_that_matches_nothing_is_an_error(take: tuple[str, ...], tmp_path: Path) -> None:
    with tree() as server:
        source = connected(server, tmp_path, folders=FolderChoice(take))
        with pytest.raises(SourceError, match=r"matches (?:Archiv|@junk): .* A, Broken, Inbox, Z"):
            list(source.listing())
        source.close()


def test_complete_messages_of_a_broken_batch_are_kept(tmp_path: Path) -> None:
    with filled(ImapDouble()) as server:
        source = connected(server, tmp_path)
        items = list(source.listing())

        def dying(command: str, argument: str) -> list[str] | None:
            if command != "UID FETCH":
                return [] if sum(one.startswith("LOGIN") for one in server.commands) > 1 else None
            lines = [
                f"* {n} FETCH (UID {n} BODY[] {{{len(MAILS[n - 1])}}}\r\n{MAILS[n - 1].decode()})"
                for n in (1, 2)
            ]
            return [*lines, "* 3 FETCH (UID 3 BODY[] {500}\r\ncut", "* BYE dying"]

        server.override = dying
        answers = source.fetch(items)
        assert [held(next(answers)) for _ in range(2)] == MAILS[:2]
        with pytest.raises(SourceError):
            next(answers)
        source.close()


# --- owners of folders, and confirmed deletions -----------------------------------------------------


def test_without_an_answer_to_namespace_nothing_is_read(tmp_path: Path) -> None:
    """Otherwise all folders of others would be read as the owner's, and emptied."""
    folders = {"INBOX": "", "shared/bert": ""}
    with ImapDouble(folders=folders, namespace='(("" "/")) (("shared/" "/")) NIL') as server:
        server.put(MAILS[0], "shared/bert")
        source = connected(server, tmp_path, folders=FolderChoice(), deletes=True)
        server.override = lambda command, _: ["NO [SERVERBUG] later"] if command == "NAMESPACE" else None
        with pytest.raises(SourceError, match=r"does not say which folders belong to whom .*SERVERBUG"):
            list(source.listing())
        server.override = lambda command, _: None
        assert list(source.listing()) == []
        source.close()


def test_a_message_that_others_moved_is_not_confirmed_as_deleted(tmp_path: Path) -> None:
    with filled(ImapDouble(folders={"INBOX": "", "Archive": ""})) as server:
        source = connected(server, tmp_path)
        items = list(source.listing())
        server.messages[1].folders = {"Archive"}
        assert source.delete(items) == [items[0], *items[2:]]
        assert [one.body for one in server.within("Archive")] == [MAILS[1]]
        source.close()


def test_a_deletion_is_confirmed_even_if_its_answer_is_lost(tmp_path: Path) -> None:
    with filled(ImapDouble()) as server:
        source = connected(server, tmp_path)
        items = list(source.listing())

        def cut(command: str, argument: str) -> list[str] | None:
            if command != "UID EXPUNGE" or len(server.within("INBOX")) < len(MAILS):
                return None
            for message in server.messages[:2]:
                message.folders = set()
            return []

        server.override = cut
        gone = source.delete(items[:2])
        assert gone == items[:2]
        source.close()


@pytest.mark.parametrize("pattern", ["INBOX/Private", "inbox/priv*", "Private"])
def test_a_folder_can_still_be_left_out_by_its_name_with_the_prefix(tmp_path: Path, pattern: str) -> None:
    """Titles had the prefix in older versions: with such settings, no folder must now be read and emptied."""
    folders = {"INBOX": "", "INBOX/Private": "", "INBOX/Private/Deep": "", "INBOX/Work": ""}
    with ImapDouble(folders=folders, namespace='(("INBOX/" "/")) NIL NIL') as server:
        for name in folders:
            server.put(MAILS[0], name)
        source = connected(server, tmp_path, folders=FolderChoice((), (pattern,)))
        assert [one.place.title for one in source.listing()] == ["Inbox", "Work"]
        source.close()
        source = connected(server, tmp_path, folders=FolderChoice((pattern,)))
        assert [one.place.title for one in source.listing()] == ["Private", "Private/Deep"]
        source.close()
