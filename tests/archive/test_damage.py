"""Damage in the ledger: it is found and named, nothing is cut off, the rest is read, and mail that is fetched
again repairs it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from muniment import api
from muniment.archive.facts import DAMAGED
from muniment.archive.ledger.frame import HEADER_SIZE
from muniment.archive.ledger.local_segments import segment_path
from muniment.archive.ledger.model import Frame, RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.writer import Ledger
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import LedgerDamaged, MailUnreadable
from muniment.parsing.pool import ReaderPool
from muniment.parsing.reader import OpenMail
from muniment.parsing.tasks import CopyFacts
from support.reports import line, plain, report
from support.soak import in_soak
from support.vaults import TestVault, put


def letters(start: int, count: int) -> list[bytes]:
    """Reports that hardly compress, so that they fill segments."""
    return [
        report(
            plain(subject=f"Letter {n}", body=f"word{n} {os.urandom(1000).hex()}\n"),
            recipients=["bob@example.com", line("Bcc", "eve@example.com")],
        )
        for n in range(start, start + count)
    ]


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestVault]:
    """A vault whose segments are sealed past 20 kB."""
    for name in ("create", "open"):
        monkeypatch.setitem(getattr(Ledger, name).__func__.__kwdefaults__, "segment", 20_000)
    made = TestVault(tmp_path / "vault")
    yield made
    made.client.close()


def frames(vault: TestVault, kind: RecordKind) -> list[Frame]:
    """Return the records of a kind."""
    return [frame for frame in scan(segments_of(vault.folder)) if frame.kind is kind]


def flip(vault: TestVault, frame: Frame, within: int = HEADER_SIZE) -> None:
    """Flip a bit in the payload of a record, or in its header."""
    path = segment_path(vault.folder / "ledger", frame.position.segment)
    with path.open("r+b") as file:
        file.seek(frame.position.offset + within)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def rebuild(vault: TestVault, **what: bool) -> list[str]:
    """Rebuild the projections; returns the text of the steps that failed."""
    words = vault.client.stream(api.Rebuild(**what))
    return [word.text for word in words if isinstance(word, api.Step) and not word.ok]


def of_sha(vault: TestVault, sha: bytes) -> api.Hit:
    (hit,) = [hit for hit in vault.messages() if hit.id == sha.hex()]
    return hit


@pytest.fixture
def damaged(vault: TestVault) -> tuple[TestVault, Frame]:
    """A vault with one flipped byte in a message of a sealed segment."""
    vault.archive(letters(0, 10))
    vault.archive(letters(10, 10))
    assert len(segments_of(vault.folder).numbers()) > 1
    message = frames(vault, RecordKind.MESSAGE)[3]
    assert message.position.segment == 1
    flip(vault, message)
    return vault, message


def test_the_index_is_built_despite_a_damaged_message(damaged: tuple[TestVault, Frame]) -> None:
    vault, message = damaged
    rebuild(vault, catalog=False)
    assert len(vault.messages()) == 20
    assert vault.status().behind == 0
    assert [hit.subject for hit in vault.search("word7")] == ["Letter 7"]
    assert vault.search("word3") == []
    assert of_sha(vault, message.sha).id in {hit.id for hit in vault.search("from:anna@example.com")}
    assert vault.archive(letters(20, 2)).state == "ok"
    assert len(vault.search("word20")) == 1


@pytest.mark.parametrize("how", ["rebuild", "lost", "outdated"])
def test_the_catalog_is_built_despite_a_damaged_message(damaged: tuple[TestVault, Frame], how: str) -> None:
    vault, message = damaged
    before = vault.tree()
    if how == "rebuild":
        for step in rebuild(vault, index=False):
            assert f"segment 1, offset {message.position.offset}" in step
            assert message.sha.hex() in step
    else:
        for path in vault.folder.glob("catalog.db*"):
            path.unlink() if how == "lost" else path.write_bytes(b"not a catalog")
        assert vault.archive(letters(30, 1)).state == "ok"
    if how == "rebuild":
        # The envelope can still be read, although it refers to the message.
        assert vault.tree() == before
    row = of_sha(vault, message.sha)
    assert (row.subject, row.size) == ("", message.size)
    assert set(row.folders) == {"anna@example.com/Sent", "bob@example.com/Inbox", "eve@example.com/Inbox"}
    assert "word7" in vault.show(vault.search("word7")[0].id).text
    problems = vault.verify().problems
    assert any(f"offset {message.position.offset}" in problem for problem in problems)
    assert any("built without" in problem for problem in problems)


def test_a_damaged_message_that_is_fetched_again_is_repaired(vault: TestVault) -> None:
    mails = letters(0, 10)
    vault.archive(mails)
    message = frames(vault, RecordKind.MESSAGE)[3]
    flip(vault, message)
    rebuild(vault)
    summary = vault.archive(mails[3:4], delete=True)
    assert (summary.state, summary.deleted) == ("ok", 1)
    (hit,) = vault.search("word3")
    assert (hit.id, hit.subject) == (message.sha.hex(), "Letter 3")
    assert vault.report(hit.id) == mails[3]
    assert not {DAMAGED} & set(vault.show(hit.id).notes)
    assert len(vault.messages()) == 10
    # The damage is still reported, and nothing else.
    assert all("offset" in problem for problem in vault.verify().problems)
    rebuild(vault)
    (again,) = vault.search("word3")
    assert (again.id, again.subject, again.folders) == (hit.id, "Letter 3", hit.folders)
    assert len(vault.messages()) == 10


@pytest.mark.parametrize(
    "kind",
    [
        RecordKind.MESSAGE,
        RecordKind.DIRECTORY,
        *in_soak(RecordKind.ENVELOPE, RecordKind.RECEIPT, RecordKind.COMMIT),
    ],
)
@pytest.mark.parametrize("within", [45, *in_soak(HEADER_SIZE)])
def test_after_damage_of_any_record_the_rest_is_read(vault: TestVault, kind: RecordKind, within: int) -> None:
    mails = letters(0, 10)
    new = vault.maildir("box")
    put(new, mails[:5])
    vault.run("box")
    vault.client.call(api.AddUser(name="Bob", addresses=("bob@example.com", "b@example.com")), api.Done)
    vault.archive(mails[5:])
    vault.archive(letters(10, 8))
    flip(vault, frames(vault, kind)[1], within)
    assert rebuild(vault)
    assert len(vault.messages()) >= 17
    assert len(vault.search("word8")) == 1
    assert vault.status().behind == 0
    assert vault.archive(mails, delete=True).state == "ok"
    if kind is not RecordKind.DIRECTORY:
        assert {vault.report(hit.id) for hit in vault.messages()} >= set(mails)
    assert len({hit.id for hit in vault.messages()}) == len(vault.messages()) == 18
    rebuild(vault)
    assert len(vault.messages()) == 18
    if kind is not RecordKind.DIRECTORY:
        assert {vault.report(hit.id) for hit in vault.messages()} >= set(mails)


def test_the_text_of_a_message_with_a_damaged_attachment_is_read(vault: TestVault) -> None:
    mail = report(plain(subject="Scan", body="please file\n", attachments=[("a.pdf", os.urandom(3000))]))
    vault.archive([mail])
    vault.archive(letters(0, 12))
    flip(vault, frames(vault, RecordKind.PART)[0])
    rebuild(vault)
    (hit,) = vault.search("file filename:a.pdf")
    assert (hit.subject, hit.folders) == ("Scan", ("anna@example.com/Sent", "bob@example.com/Inbox"))
    with pytest.raises(LedgerDamaged):
        vault.raw(hit.id)
    assert vault.archive([mail], delete=True).deleted == 1
    assert vault.report(hit.id) == mail


@pytest.fixture
def end_damaged(vault: TestVault) -> tuple[TestVault, list[bytes]]:
    mails = letters(0, 4)
    new = vault.maildir("end", delete=False)
    for mail in mails:
        put(new, [mail])
        vault.run("end")
    assert segments_of(vault.folder).numbers() == [1]
    flip(vault, frames(vault, RecordKind.MESSAGE)[1])
    return vault, mails


def test_damage_at_the_end_is_for_an_administrator_to_decide(
    end_damaged: tuple[TestVault, list[bytes]],
) -> None:
    vault, mails = end_damaged
    segment = segment_path(vault.folder / "ledger", 1)
    before = segment.read_bytes()
    for attempt in (lambda: vault.archive(mails), lambda: rebuild(vault)):
        with pytest.raises(LedgerDamaged, match="--accept-damage"):
            attempt()
    assert segment.read_bytes() == before
    assert rebuild(vault, accept_damage=True)
    assert segment.read_bytes() == before
    assert segments_of(vault.folder).numbers() == [1, 2]
    (note,) = frames_past_damage(vault, RecordKind.AUDIT)
    assert note.position.segment == 2
    assert vault.archive(mails[1:2], delete=True).deleted == 1
    assert {vault.report(hit.id) for hit in vault.messages()} == set(mails)
    open_vault(vault.folder, write=True).close()


def frames_past_damage(vault: TestVault, kind: RecordKind) -> list[Frame]:
    found = scan(segments_of(vault.folder), on_damage=lambda damage: None)
    return [frame for frame in found if frame.kind is kind]


def test_accepting_damage_without_any_changes_nothing(vault: TestVault) -> None:
    vault.archive(letters(0, 3))
    before = (vault.folder / "ledger" / "000000000001.seg").read_bytes()
    assert rebuild(vault, accept_damage=True) == []
    assert (vault.folder / "ledger" / "000000000001.seg").read_bytes() == before
    vault.sound()


def test_a_parser_that_became_stricter_does_not_stop_a_rebuild(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.archive(letters(0, 3))

    class Strict(ReaderPool):
        def copies(self, mails: Iterable[tuple[OpenMail, bool]]) -> Iterator[CopyFacts | MailUnreadable]:
            for found in super().copies((mail, False) for mail, _ in mails):
                assert isinstance(found, CopyFacts)
                yield structs.replace(found, problem="no longer understood")

    with closing(Strict()) as reader:
        monkeypatch.setattr("muniment.archive.catalog.projection.mail_reader", lambda: reader)
        rebuild(vault, index=False)
    assert len(vault.messages()) == 3
    assert any("no longer understood" in note for note in vault.show(vault.messages()[0].id).notes)
    monkeypatch.undo()


@pytest.mark.parametrize(
    "kind",
    [
        RecordKind.MESSAGE,
        *in_soak(RecordKind.PART, RecordKind.RECEIPT, RecordKind.ENVELOPE, RecordKind.QUARANTINE),
    ],
)
def test_damaged_mail_is_fetched_again_from_a_source_that_keeps_it(
    vault: TestVault, kind: RecordKind
) -> None:
    scanned = report(plain(subject="Scan", body="please file\n", attachments=[("a.pdf", os.urandom(3000))]))
    broken = report(b"", recipients=["bob@example.com"])
    mails = [*letters(0, 4), scanned]
    put(vault.maildir("box", delete=False), [*mails, broken])
    assert vault.run("box").quarantined == 1
    vault.archive(letters(10, 15))
    flip(vault, frames(vault, kind)[0])
    rebuild(vault)
    again = vault.run("box")
    assert (again.state, again.listed) == ("ok", 6)
    assert {vault.report(hit.id) for hit in vault.messages()} >= set(mails)
    (item,) = vault.client.call(api.ListQuarantine(), api.Quarantine).items
    assert vault.quarantined(item.id) == broken
    assert vault.run("box").fetched == 0
    rebuild(vault)
    assert vault.run("box").fetched == 0
    assert {vault.report(hit.id) for hit in vault.messages()} >= set(mails)
