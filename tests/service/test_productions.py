"""Productions in a service: who may make them, what is recorded before the first file, and their writing by
the caller's own client.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from muniment import api
from muniment.api import WireWord
from muniment.archive.catalog.audit_keys import NUMBERED, PRODUCED, decoded
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.cli.trail.event_lines import about, act
from muniment.client.receiving import receive
from muniment.errors import AccessRefused, ReasonNeeded, UsageError, VaultError
from muniment.service.access import audit_trail
from muniment.service.access.audit_events import api_event
from muniment.service.access.roles import Caller
from muniment.service.dispatch import guard
from muniment.service.host.session import ClientSession
from muniment.service.operations import reading
from support.asking import answers, leave
from support.productions import native, read_dat, read_manifest, verified
from support.reports import line, plain, report
from support.vaults import TestVault

AUDITOR, BOB = (Caller(61_000 + n, 61_000, 1, name) for n, name in enumerate(("audrey", "bob")))
MAILS = [plain(subject=f"number {n}", attachments=[("a.txt", b"words")]) for n in range(3)]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    made = TestVault(tmp_path / "vault")
    made.archive([report(mail, recipients=[line("Bcc", "bob@example.com")]) for mail in MAILS])
    made.client.close()
    with (made.folder / "vault.toml").open("a") as file:
        file.write('[access]\nauditors = ["audrey"]\n[access.users]\nbob = "bob@example.com"\n')
    with closing(open_vault(made.folder, write=True)) as opened:
        yield opened


def ask(path: Path | str, **fields: str) -> api.Export:
    return api.Export(query="", path=str(path), form=fields.pop("form", "dat"), bates="A", **fields)  # type: ignore[arg-type]


def stream(vault: Vault, caller: Caller, request: api.Export) -> Iterator[WireWord]:
    return guard.stream(ClientSession(vault.folder, vault, caller), request)


def events(vault: Vault) -> list[dict[str, object]]:
    """The events of exports that are on the disk, oldest first."""
    return [decoded(row.event) for row in vault.catalog.audited(keys=["kind:export"], oldest_first=True)]


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_the_client_of_an_auditor_writes_the_production(vault: Vault, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    words = answers(ClientSession(vault.folder, vault, AUDITOR), ask(target, reason="case 7"))
    assert not target.exists()
    assert {type(word) for word in words} == {api.ExportFile, api.Chunk, api.Step, api.Done}
    assert isinstance(words[-1], api.Done)
    assert "6 documents of 3 messages" in words[-1].message
    assert list(receive(iter(words), target))[-1] == words[-1]
    assert "3 messages, 3 of them proven" in verified(target)
    if name == "out":
        rows = read_dat(target / "loadfile.dat")
        assert [native(target, row) for row in rows if not row["PARENTID"]] == MAILS
        assert rows[0]["ENVELOPETO"] == "bcc:bob@example.com"


def test_events_are_on_the_disk_before_the_first_file(vault: Vault, tmp_path: Path) -> None:
    words = stream(vault, AUDITOR, ask(tmp_path / "out", reason="case 7"))
    first = next(words)
    assert isinstance(first, api.ExportFile)
    read, numbered = events(vault)
    assert (read["event"], read["word"], read["reason"], read["total"]) == ("read", "Export", "case 7", 3)
    assert (read["form"], read["bates"]) == ("dat", "A")
    assert (numbered["event"], numbered["who"], numbered["uid"]) == (NUMBERED, "audrey", AUDITOR.uid)
    assert (numbered["prefix"], numbered["first"], numbered["last"]) == ("A", 1, 1000)
    leave(words)
    stopped = events(vault)[-1]
    assert (stopped["event"], stopped["last"], stopped["stopped"]) == (NUMBERED, 2, True)
    list(stream(vault, AUDITOR, ask(tmp_path / "out")))
    made = events(vault)[-1]
    assert (made["event"], made["first"], made["last"], made["documents"]) == (PRODUCED, 3, 8, 6)


def test_the_trail_says_what_was_numbered(vault: Vault, tmp_path: Path) -> None:
    words = stream(vault, AUDITOR, api.Export(query="", path=str(tmp_path / "out"), form="csv", bates="B"))
    next(words)
    leave(words)
    (row,) = vault.catalog.audited(1, keys=["kind:export"])
    assert act(api_event(vault, row)) == "stopped a production"
    assert "B 1 to 2" in about(api_event(vault, row))
    list(stream(vault, AUDITOR, ask(tmp_path / "out")))
    rows = vault.catalog.audited(2, keys=["kind:export"])
    finished, reserved = (api_event(vault, row) for row in rows)
    assert (act(finished), act(reserved)) == ("finished a production", "reserved Bates numbers")
    assert "A 1 to 6" in about(finished)
    assert (finished.kind, finished.everybody) == ("export", True)


def test_a_production_of_named_messages_concerns_those_who_have_them(vault: Vault, tmp_path: Path) -> None:
    (row,) = vault.catalog.rows(
        [vault.catalog.page(vault.directory.find("bob@example.com").id, "Inbox").sequences[0]]
    )
    request = api.Export(query="", ids=(row.sha.hex(),), path=str(tmp_path / "out"), form="edrm")
    list(stream(vault, AUDITOR, request))
    (made,) = vault.catalog.audited(1, keys=["kind:export"])
    event = api_event(vault, made)
    assert event.people == ("anna@example.com", "bob@example.com")
    assert not event.everybody


def test_a_production_says_that_the_index_is_behind(vault: Vault, tmp_path: Path) -> None:
    words = list(receive(stream(vault, AUDITOR, ask(tmp_path / "whole")), tmp_path / "whole"))
    assert isinstance(words[-1], api.Done)
    assert words[-1].warnings == ()
    assert "behind" not in read_manifest(tmp_path / "whole")[0]
    vault.close()
    shutil.rmtree(vault.folder / "index")
    with closing(open_vault(vault.folder, write=True)) as again:
        words = list(receive(stream(again, AUDITOR, ask(tmp_path / "part")), tmp_path / "part"))
    assert isinstance(words[-1], api.Done)
    (warning,) = words[-1].warnings
    assert warning.startswith("3 messages that the archive has kept may be missing")
    assert read_manifest(tmp_path / "part")[0]["behind"] == 3


def test_a_grant_opens_no_production(vault: Vault, tmp_path: Path) -> None:
    """It lets someone read as the person does, who gets none either."""
    root, ben = Caller(0, 0, 1, "root"), Caller(61_009, 61_009, 1, "ben")
    granted = api.GrantAccess(login="ben", user="bob@example.com", reason="Case 7")
    answers(ClientSession(vault.folder, vault, root), granted)
    with pytest.raises(AccessRefused, match="name all recipients"):
        list(stream(vault, ben, ask(tmp_path / "out", user="bob@example.com")))


@pytest.mark.parametrize("form", ["dat", "csv", "edrm", "gobd", "other"])
def test_a_plain_user_gets_no_production(vault: Vault, tmp_path: Path, form: str) -> None:
    with pytest.raises(AccessRefused, match="name all recipients"):
        list(stream(vault, BOB, ask(tmp_path / "out", form=form)))
    with pytest.raises(AccessRefused, match="name all recipients"):
        list(stream(vault, BOB, api.Export(query="", path=str(tmp_path / "out"), bates="A")))
    audit_trail.trail_of(vault)._flush()
    refused = [
        row for row in vault.catalog.audited(keys=["kind:refused"]) if decoded(row.event)["who"] == "bob"
    ]
    assert refused
    assert events(vault) == []


def test_a_reason_is_required_where_the_vault_wants_one(vault: Vault, tmp_path: Path) -> None:
    path = vault.folder / "vault.toml"
    path.write_text(path.read_text().replace("[access]\n", "[access]\nrequire_reason = true\n"))
    with pytest.raises(ReasonNeeded, match="--reason"):
        list(stream(vault, AUDITOR, ask(tmp_path / "out")))
    assert events(vault) == []
    assert list(stream(vault, AUDITOR, ask(tmp_path / "out", reason="case 9")))


@pytest.mark.parametrize("path", ["..", "/", "/tmp/..", "a\0b", "x.mbox"])
def test_a_path_that_can_not_be_used_uses_no_number(vault: Vault, path: str) -> None:
    with pytest.raises(UsageError, match=r"can't be the name|not an mbox"):
        list(stream(vault, AUDITOR, ask(path)))
    assert [event["event"] for event in events(vault)] == ["read"]


def test_two_productions_with_one_prefix_do_not_mix(vault: Vault, tmp_path: Path) -> None:
    first = stream(vault, AUDITOR, ask(tmp_path / "out"))
    next(first)
    with pytest.raises(VaultError, match="wait until it ends"):
        next(stream(vault, AUDITOR, ask(tmp_path / "other")))
    leave(first)
    assert list(stream(vault, AUDITOR, ask(tmp_path / "other")))


def test_a_full_disk_stops_a_production_before_its_first_number(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "disk_usage", lambda folder: SimpleNamespace(free=reading.ROOM - 1))
    with pytest.raises(VaultError, match="too little space"):
        list(stream(vault, AUDITOR, ask(tmp_path / "out")))
    assert [event["event"] for event in events(vault)] == ["read"]


def test_a_vault_that_can_not_be_written_numbers_nothing(vault: Vault, tmp_path: Path) -> None:
    vault.close()
    with closing(open_vault(vault.folder, write=False)) as reader:
        session = ClientSession(reader.folder, reader)
        with pytest.raises(VaultError, match="open for reading only"):
            list(guard.stream(session, ask(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "choice", [{"query": ""}, {"query": "number"}, {"folder": "Sent", "user": "anna@example.com"}]
)
@pytest.mark.parametrize("form", ["dat", "gobd"])
def test_a_production_leaves_sealed_mail_out(
    vault: Vault, tmp_path: Path, choice: dict[str, Any], form: str
) -> None:
    root = Caller(0, 0, 1, "root")
    session = ClientSession(vault.folder, vault, root)
    (row,) = vault.catalog.rows(
        [vault.catalog.page(vault.directory.find("bob@example.com").id, "Inbox").sequences[0]]
    )
    answers(session, api.SealMail(user="bob@example.com", logins=("carla",), reason="doctor"))
    request = api.Export(**{"query": "", **choice}, path=str(tmp_path / "out"), form=form)
    done = list(receive(stream(vault, AUDITOR, request), tmp_path / "out"))[-1]
    assert isinstance(done, api.Done)
    assert "has no documents" in done.message
    assert done.warnings == ("messages that are sealed from you, if there are any, are left out",)
    assert "sealed" in read_manifest(tmp_path / "out")[0]["left_out"]
    assert not (tmp_path / "out/NATIVES").exists()
    named = api.Export(query="", ids=(row.sha.hex(),), path=str(tmp_path / "named"), form=form)
    with pytest.raises(AccessRefused, match="sealed"):
        list(stream(vault, AUDITOR, named))
