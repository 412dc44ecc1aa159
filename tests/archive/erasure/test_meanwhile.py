"""Erasures in many batches by one reading of the ledger, and mail that comes while one is under way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from muniment.archive.erasure import closure as closures
from muniment.archive.erasure.erase import Erasing
from muniment.archive.ledger.model import Frame, LedgerHead
from muniment.archive.ledger.scan import scan
from muniment.archive.ledger.segment_store import SegmentStore
from muniment.archive.vault.changes import PlanOutdated
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from muniment.errors import VaultError
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.run import ArchiveRun
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.files.maildir import MaildirSource
from support.erased import ORDER, erase_in, left_of, nothing_is_protected, words_in_index
from support.reports import line, plain, report
from support.vaults import TestVault, put

SHARED = random.Random(11).randbytes(40_000)
Came = Callable[[], None]


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[WorkerPool]:
    with closing(WorkerPool(1)) as made:
        yield made


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    return TestVault(tmp_path / "vault")


class Arrivals:
    """Archives mail in a vault that is open."""

    def __init__(self, vault: Vault, pool: WorkerPool) -> None:
        self._vault, self._pool, self._number = vault, pool, 0

    def __call__(self, *mails: bytes) -> None:
        self._number += 1
        box = self._vault.folder.parent / f"box-{self._number}"
        for part in ("new", "cur", "tmp"):
            (box / part).mkdir(parents=True)
        put(box / "new", mails)
        source = MaildirSource(
            FileEndpoint("maildir", self._vault.folder / "work", path=str(box)), lambda _: None
        )
        ArchiveRun(
            self._vault, source, RunPlan(f"later-{self._number}", journal=True, delete=False), self._pool
        ).execute()


def secret(number: int, *attachments: tuple[str, bytes]) -> bytes:
    body = f"zyxwvut{number} giants turn their sails at midnight {number}\n"
    return plain(subject=f"Secret {number}", body=body, attachments=list(attachments))


def numbers(vault: Vault, subject: str = "Secret") -> list[int]:
    return [row.sequence for row in vault.catalog.messages_after(-1, 100) if row.subject.startswith(subject)]


def subjects(vault: TestVault) -> list[str]:
    return sorted(hit.subject for hit in vault.messages())


def erase_while(vault: Vault, when: str, come: Came, batch: int = 1) -> Erasing:
    """Erase all secrets in batches; mail comes at the first step whose text begins with `when`."""
    erasing = Erasing(vault, ORDER, nothing_is_protected, batch=batch)
    came = False
    for step in erasing.erase(numbers(vault)):
        if not came and str(step).startswith(when):
            came = True
            come()
    assert came
    return erasing


def readings(patch: pytest.MonkeyPatch) -> list[object]:
    """Collects the places from which the ledger is read."""
    found: list[object] = []

    def counting(segments: SegmentStore, start: LedgerHead | None, **named: Any) -> Iterator[Frame]:
        found.append(start)
        return scan(segments, start, **named)

    patch.setattr(closures, "scan", counting)
    return found


def test_the_ledger_is_read_once_for_any_number_of_batches(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [secret(n, ("a.bin", SHARED)) for n in range(6)]
    reports = [report(one) for one in secrets]
    other = plain(subject="Other", body="Soup and salad are served at noon.\n")
    vault.archive([*reports, report(other)], journal=True)
    with closing(open_vault(vault.folder, write=True)) as opened:
        found = readings(monkeypatch)
        erasing = Erasing(opened, ORDER, nothing_is_protected, batch=2)
        list(erasing.erase(numbers(opened)))
        assert (erasing.result.messages, len(erasing.result.records)) == (6, 3)
        assert found.count(None) == 1
    assert left_of(vault.folder, [*secrets, *reports, SHARED], [other, report(other)]) == {}
    vault.sound()


def test_an_attachment_of_several_batches_stays_as_long_as_one_has_it(vault: TestVault) -> None:
    """The erasure is stopped after each batch in turn: what was not erased is whole."""
    secrets = [secret(n, ("a.bin", SHARED)) for n in range(3)]
    vault.archive([report(one) for one in secrets], journal=True)
    for left in (2, 1, 0):
        with closing(open_vault(vault.folder, write=True)) as opened:
            erasing = Erasing(opened, ORDER, nothing_is_protected, batch=1)
            for _ in erasing.erase(numbers(opened)):
                if erasing.result.messages:
                    break
        ids = {hit.subject: hit.id for hit in vault.messages()}
        assert len(ids) == left
        for number in range(3 - left, 3):
            assert vault.raw(ids[f"Secret {number}"]) == secrets[number]
    with closing(open_vault(vault.folder, write=True)) as opened:
        erase_in(opened, [])
    only = plain(subject="Kept", body="It is of no account.\n")
    assert left_of(vault.folder, [*secrets, SHARED], [only, report(only)]) == {}
    vault.sound()


def test_new_mail_keeps_an_attachment_that_was_about_to_go(vault: TestVault, pool: WorkerPool) -> None:
    vault.archive([report(secret(n, ("a.bin", SHARED))) for n in range(3)], journal=True)
    new = plain(subject="New", to=["carl@example.com"], attachments=[("a.bin", SHARED)])
    with closing(open_vault(vault.folder, write=True)) as opened:
        come = Arrivals(opened, pool)
        result = erase_while(opened, "erasing", lambda: come(report(new))).result
        assert result.messages == 3
    assert subjects(vault) == ["New"]
    assert vault.raw(vault.messages()[0].id) == new
    vault.sound()


@pytest.mark.parametrize("when", ["finding", "erasing", "33% of the messages"])
def test_a_new_copy_of_a_message_goes_with_it(vault: TestVault, pool: WorkerPool, when: str) -> None:
    secrets = [secret(n) for n in range(3)]
    again = report(secrets[2], recipients=[line("To", "quixote@elsewhere.test")])
    vault.archive([report(one) for one in secrets], journal=True)
    with closing(open_vault(vault.folder, write=True)) as opened:
        come = Arrivals(opened, pool)
        assert erase_while(opened, when, lambda: come(again)).result.messages == 3
    assert vault.messages() == []
    only = plain(subject="Kept", body="It is of no account.\n")
    assert left_of(vault.folder, [*secrets, again], [only, report(only)]) == {}
    vault.sound()


def test_mail_that_comes_again_and_again_ends_the_erasure(vault: TestVault, pool: WorkerPool) -> None:
    vault.archive([report(secret(0))], journal=True)
    with closing(open_vault(vault.folder, write=True)) as opened:
        come = Arrivals(opened, pool)
        erasing = Erasing(opened, ORDER, nothing_is_protected)

        def erase() -> None:
            for number, step in enumerate(erasing.erase(numbers(opened))):
                if str(step).startswith("erasing"):
                    come(report(secret(0), recipients=[line("To", f"r{number}@example.com")]))

        with pytest.raises(VaultError, match="archived again and again meanwhile"):
            erase()
        assert erasing.result.messages == 0
    assert subjects(vault) == ["Secret 0"]
    vault.sound()


def test_a_decision_about_an_earlier_state_is_refused(vault: TestVault, pool: WorkerPool) -> None:
    """Also if its caller does not look: other mail may need what it names."""
    vault.archive([report(secret(0))], journal=True)
    with closing(open_vault(vault.folder, write=True)) as opened:
        before = opened.head
        opened.log([{"event": "noted", "uid": 0, "at": 0}])
        assert opened.erase([], 1_800_000_000, before) == []
        Arrivals(opened, pool)(report(plain(subject="New")))
        head = opened.head
        with pytest.raises(PlanOutdated, match=r"mail was archived since.*nothing was erased"):
            opened.erase([], 1_800_000_000, before)
        assert opened.head == head


def test_a_message_that_is_held_meanwhile_keeps_what_it_shares(vault: TestVault) -> None:
    """Its attachment was to go with the batch of the held message, which never comes."""
    secrets = [secret(n, ("a.bin", SHARED)) for n in range(3)]
    vault.archive([report(one) for one in secrets], journal=True)
    held = list[bytes]()
    with closing(open_vault(vault.folder, write=True)) as opened:
        rows = opened.catalog.rows(numbers(opened))
        erasing = Erasing(
            opened, ORDER, lambda some: {row.sha: "held" for row in some if row.sha in held}, batch=1
        )
        for step in erasing.erase([row.sequence for row in rows]):
            if str(step).startswith("33%"):
                held.append(rows[1].sha)
        assert (erasing.result.messages, erasing.result.refused) == (2, {rows[1].sha: "held"})
    assert subjects(vault) == ["Secret 1"]
    assert vault.raw(vault.messages()[0].id) == secrets[1]
    vault.sound()


def test_a_message_goes_although_other_mail_has_it_as_an_attachment(vault: TestVault) -> None:
    inner = secret(0, ("a.bin", SHARED))
    outer = plain(subject="Forwarded", to=["carl@example.com"], attachments=[("mail.eml", inner)])
    kept = plain(subject="Kept", body="Soup and salad are served at noon.\n")
    vault.archive([report(inner)], journal=True)
    vault.archive([report(outer), report(kept)], journal=True)
    with closing(open_vault(vault.folder, write=True)) as opened:
        assert erase_in(opened, numbers(opened)).messages == 1
    assert vault.raw(next(hit.id for hit in vault.messages() if hit.subject == "Forwarded")) == outer
    vault.rebuild()
    with closing(open_vault(vault.folder, write=True)) as opened:
        assert erase_in(opened, numbers(opened, "Forwarded")).messages == 1
    assert left_of(vault.folder, [inner, outer, report(inner), report(outer)], [kept, report(kept)]) == {}
    assert words_in_index(vault, ["zyxwvut0"]) == {"zyxwvut0": 0}
    vault.sound()
