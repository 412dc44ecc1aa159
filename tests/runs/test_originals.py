"""Originals that come after rewritten copies of them: the result is the same as if they had come first."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from muniment import api
from muniment.archive.catalog.sqlite.catalog import SqliteCatalog
from muniment.archive.index.index import TantivyIndex
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.reader import LedgerReader
from muniment.archive.ledger.records import read_receipts
from muniment.archive.ledger.scan import scan
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.errors import NotFound
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.pipeline.progress import RunProgress
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.run import ArchiveRun
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.factory import open_source
from support.crashpoints import CrashPoints
from support.regenerating import mailbox, regenerated
from support.reports import fork, line, plain, report
from support.soak import in_soak
from support.vaults import TestVault, put

VERIFIER = Path(__file__).parents[2] / "tools" / "verify_ledger.py"
ANNA, BOB, EVE = "anna@example.com", "bob@example.com", "eve@example.com"
BLOB = bytes(range(256)) * 400
ORIGINAL = plain(subject="Angebot", body="Anbei.\n", attachments=[("a.bin", BLOB)])
JOURNALED = report(ORIGINAL, recipients=[BOB, line("Bcc", EVE)])
COPY, ANNAS = regenerated(ORIGINAL), regenerated(ORIGINAL, "8bit")
QUERIES = (
    "", "anbei", "subject:angebot", f"user:{BOB}", f"user:{ANNA} in:Projekte", "in:kunden", "in:sent",
    f"bcc:{EVE}", "filename:a.bin", f"id:{hashlib.sha256(ORIGINAL).hexdigest()[:12]}",
)  # fmt: skip


def journal(vault: TestVault) -> None:
    vault.archive([JOURNALED])


def mailboxes(vault: TestVault) -> None:
    mailbox(vault, "bob", COPY)
    mailbox(vault, "anna", ANNAS, owner=ANNA, folder="Projekte")


def dump(vault: TestVault) -> dict[str, Any]:
    with closing(SqliteCatalog.open(vault.folder / "catalog.db", readonly=True)) as catalog:
        return catalog.dump()


def documents(vault: TestVault) -> int:
    with closing(TantivyIndex.open(vault.folder / "index", read_only=True)) as index:
        return index.docs


def found(vault: TestVault, query: str) -> list[str]:
    """The ids that a query finds; none while the folder that it names does not exist."""
    try:
        return [hit.id for hit in vault.search(query)]
    except NotFound:
        return []


def seen_by_people(vault: TestVault) -> dict[str, Any]:
    """Everything that people see of a vault, except the order of copies."""
    status = vault.status()
    shown = {}
    for hit in vault.messages():
        message = vault.show(hit.id)
        copies = sorted(vault.report(hit.id, envelope.number) for envelope in message.envelopes)
        parties = sorted((one.sha256, one.parties, one.flags) for one in message.envelopes)
        read = message.text, message.headers, message.folders, message.attachments
        shown[hit.id] = (hit, *read, copies, parties, vault.raw(hit.id))
    return {
        "tree": vault.tree(),
        "messages": shown,
        "found": {query: found(vault, query) for query in QUERIES},
        "counts": (status.messages, status.envelopes, documents(vault)),
        "verified": vault.verify(deep=True).messages,
    }


def assert_rebuilds(vault: TestVault) -> None:
    """The catalog in use is what the ledger gives, and so is the index."""
    vault.sound()
    before, people = dump(vault), seen_by_people(vault)
    vault.rebuild()
    assert dump(vault) == before
    assert seen_by_people(vault) == people
    vault.sound()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What people see when the original came first."""
    vault = TestVault(tmp_path_factory.mktemp("usual") / "vault")
    journal(vault)
    mailboxes(vault)
    return seen_by_people(vault)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with closing(WorkerPool(1)) as pool:
        yield pool


def test_an_original_that_comes_later_is_the_message(vault: TestVault, before: dict[str, Any]) -> None:
    mailboxes(vault)
    former = vault.messages()[0].id
    journal(vault)
    (hit,) = vault.messages()
    assert vault.raw(hit.id) == ORIGINAL
    assert vault.tree() == {
        ANNA: {"Projekte": 1, "Sent": 1}, BOB: {"Inbox": 1, "Kunden": 1}, EVE: {"Inbox": 1}
    }  # fmt: skip
    assert seen_by_people(vault) == before
    assert (vault.status().messages, documents(vault)) == (1, 1)
    for prefix in (former, former[:8]):
        assert vault.show(prefix).id == hit.id
    assert [one.id for one in vault.search(f"id:{former[:12]}")] == [hit.id]
    assert [vault.report(former, n) for n in (1, 2, 3)] == [COPY, ANNAS, JOURNALED]
    assert_rebuilds(vault)
    assert vault.show(former).id == hit.id
    assert [one.id for one in vault.search(f"id:{former}")] == [hit.id]


def test_between_two_copies_it_is_the_message_as_well(vault: TestVault, before: dict[str, Any]) -> None:
    mailbox(vault, "bob", COPY)
    journal(vault)
    assert mailbox(vault, "anna", ANNAS, owner=ANNA, folder="Projekte").merged == 1
    assert seen_by_people(vault) == before
    assert_rebuilds(vault)


def test_rewritten_copies_that_come_later_are_copies_of_it(vault: TestVault) -> None:
    mailbox(vault, "bob", COPY)
    journal(vault)
    vault.archive([report(fork(ORIGINAL, 1), recipients=["carl@example.com"])])
    assert mailbox(vault, "again", COPY, owner="carl@example.com", folder="Alt").merged == 1
    assert mailbox(vault, "other", regenerated(ORIGINAL, "quoted-printable")).merged == 1
    assert mailbox(vault, "bob").already == 1
    assert vault.archive([JOURNALED]).merged == 1
    (hit,) = vault.messages()
    assert len(vault.show(hit.id).envelopes) == 4
    assert vault.tree()["carl@example.com"] == {"Alt": 1, "Inbox": 1}
    assert_rebuilds(vault)


def test_a_plain_user_keeps_what_they_had(vault: TestVault) -> None:
    """Bob sees his own copy, in his folder, by its former id, and nothing of the Bcc."""
    mailboxes(vault)
    former = vault.messages()[0].id
    journal(vault)
    with closing(open_vault(vault.folder, write=False)) as opened:
        catalog, bob = opened.catalog, opened.directory.find(BOB)
        rows = catalog.messages_by_prefix(former[:9])
        assert catalog.placed(bob.id, [row.sequence for row in rows]) == {rows[0].sequence}
        assert catalog.own_folders(bob.id, [rows[0].sequence]) == {rows[0].sequence: ["Inbox", "Kunden"]}


def test_its_attachment_is_kept_once(vault: TestVault) -> None:
    mailboxes(vault)
    before = vault.status().bytes_ledger
    journal(vault)
    assert vault.status().bytes_ledger - before < len(JOURNALED) / 4


def test_large_copies_are_found_as_well(vault: TestVault) -> None:
    large = plain(attachments=[("a.bin", b"0123456789abcdef" * 600_000)])
    copy = regenerated(large)
    assert mailbox(vault, "bob", copy).new == 1
    vault.archive([report(large)])
    (hit,) = vault.messages()
    assert (vault.raw(hit.id), vault.report(hit.id, 1)) == (large, copy)
    vault.sound()


def test_a_message_that_says_something_else_stays_a_message(vault: TestVault) -> None:
    edited = plain(subject="Angebot", body="Storno.\n", message_id="<1@example.com>")
    original = plain(subject="Angebot", body="Anbei.\n", message_id="<1@example.com>")
    changed = regenerated(edited)
    assert mailbox(vault, "bob", changed, regenerated(original)).new == 2
    vault.archive([report(original)])
    assert {vault.raw(hit.id) for hit in vault.messages()} == {changed, original}
    assert len(instead(vault)) == 1
    assert_rebuilds(vault)


def test_a_copy_that_another_source_also_brought_is_itself_an_original(vault: TestVault) -> None:
    mailbox(vault, "bob", COPY)
    vault.archive([report(COPY)])
    journal(vault)
    assert {vault.raw(hit.id) for hit in vault.messages()} == {COPY, ORIGINAL}
    assert instead(vault) == {}
    vault.sound()


def test_a_displaced_copy_that_another_source_brings_is_a_message_again(vault: TestVault) -> None:
    mailbox(vault, "bob", COPY)
    (former,) = vault.messages()
    journal(vault)
    vault.archive([report(COPY)])
    assert {vault.raw(hit.id) for hit in vault.messages()} == {COPY, ORIGINAL}
    assert vault.show(former.id).id == vault.show(former.id[:8]).id == former.id
    assert vault.tree()[BOB] == {"Inbox": 2, "Kunden": 1}
    assert_rebuilds(vault)


def test_the_first_of_several_originals_takes_the_copies(vault: TestVault) -> None:
    """The second has the same Message-ID and text, but its own header.

    It comes in the same batch, or later.
    """
    mailbox(vault, "bob", COPY)
    others = [b"X-List: %d\r\n" % n + ORIGINAL for n in range(3)]
    vault.archive([report(ORIGINAL), report(others[0])])
    vault.archive([report(other) for other in others])
    assert len(vault.messages()) == 4
    assert instead(vault) == {hashlib.sha256(COPY).digest(): hashlib.sha256(ORIGINAL).digest()}
    (hit,) = vault.search("in:kunden")
    assert vault.raw(hit.id) == ORIGINAL
    assert_rebuilds(vault)


def instead(vault: TestVault) -> dict[bytes, bytes]:
    """The displacements in the ledger's receipts."""
    found: dict[bytes, bytes] = {}
    with closing(LedgerReader(segments_of(vault.folder), lambda sha: None)) as reader:
        for frame in scan(segments_of(vault.folder)):
            if frame.kind is RecordKind.RECEIPT:
                for receipt in read_receipts(reader.payload(frame)).receipts:
                    assert not found.keys() & receipt.instead.keys()
                    found |= receipt.instead
    return found


def test_the_stand_alone_verifier_knows_such_a_ledger(vault: TestVault, tmp_path: Path) -> None:
    mailboxes(vault)
    journal(vault)
    done = subprocess.run(
        [sys.executable, str(VERIFIER), str(vault.folder), "--extract", str(tmp_path / "out")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "all is well" in done.stdout
    copies = {path.read_bytes() for path in (tmp_path / "out" / "copies").iterdir()}
    assert copies == {COPY, ANNAS, JOURNALED}


def test_a_vault_without_rewritten_copies_gets_no_further_queries(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*arguments: object) -> None:
        raise AssertionError("looked for copies where there are none")

    monkeypatch.setattr(SqliteCatalog, "known_names", asked)
    monkeypatch.setattr(SqliteCatalog, "regenerated_by_name", asked)
    vault.archive([JOURNALED, report(plain(subject="other"))])
    assert vault.archive([b"X-List: 1\r\n" + ORIGINAL]).new == 1
    assert instead(vault) == {}
    assert dump(vault)["regenerated"] == 0
    assert_rebuilds(vault)


def test_ordinary_mail_costs_one_query_for_many(vault: TestVault, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox(vault, "bob", COPY)
    asked: list[bytes] = []

    def regenerated_by_name(self: SqliteCatalog, name: bytes) -> list[Any]:
        asked.append(name)
        return []

    monkeypatch.setattr(SqliteCatalog, "regenerated_by_name", regenerated_by_name)
    assert vault.archive([report(plain(subject=f"{n}")) for n in range(40)]).new == 40
    assert asked == []


def journal_run(
    vault: TestVault, pool: WorkerPool, points: CrashPoints, point: str, fault: bool
) -> RunProgress:
    """Archive the report again. If a point is given, the vault crashes or fails there once it is open."""
    path = vault.folder.parent / "journal"
    for part in ("new", "cur", "tmp"):
        (path / part).mkdir(parents=True, exist_ok=True)
    if not any((path / "new").iterdir()):
        put(path / "new", [JOURNALED])
    source = open_source(FileEndpoint("maildir", vault.folder.parent / "work", path=str(path)))
    with closing(open_vault(vault.folder, write=True)) as opened, points.armed(point, 1, fault):
        return ArchiveRun(opened, source, RunPlan("journal", True, False), pool).execute()


@pytest.mark.parametrize(
    ("point", "fault"),
    [("sync:after", False), ("apply:before", True), *in_soak(("write:middle", False), ("apply:after", False),
     ("index-commit:before", False), ("sync:before", True), ("index-add:before", True))],
)  # fmt: skip
def test_a_crash_during_displacement_loses_nothing(
    vault: TestVault, before: dict[str, Any], pool: WorkerPool, point: str, fault: bool
) -> None:
    mailboxes(vault)
    with tempfile.TemporaryDirectory() as copies:
        points = CrashPoints([vault.folder], Path(copies))
        with points.watching():
            journal_run(vault, pool, points, point, fault)
            if points.dead:
                points.aftermath()
            assert vault.tree()[BOB]["Kunden"] == 1
            assert vault.status().messages in (1, 2)  # either the original, or a copy in each mailbox
            assert journal_run(vault, pool, points, "", False).state == "ok"
    assert seen_by_people(vault) == before
    assert_rebuilds(vault)


def test_the_copy_is_the_message_if_the_original_is_lost(vault: TestVault) -> None:
    """The head of the original's record is damaged, so nothing of it is left."""
    mailboxes(vault)
    journal(vault)
    sha = hashlib.sha256(ORIGINAL).digest()
    (frame,) = [
        one for one in scan(segments_of(vault.folder)) if one.sha == sha and one.kind is RecordKind.MESSAGE
    ]
    segment = next((vault.folder / "ledger").glob("*.seg"))
    with segment.open("r+b") as file:
        file.seek(frame.position.offset + 30)
        file.write(b"\xff\xff")
    for _ in vault.client.stream(api.Rebuild(catalog=True, index=True, accept_damage=True)):
        pass
    assert {vault.raw(hit.id) for hit in vault.messages()} == {COPY, ANNAS}
    assert vault.tree()[BOB] == {"Kunden": 1}
    with pytest.raises(NotFound):
        vault.show(sha.hex())
