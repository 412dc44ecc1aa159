"""Erasures that are stopped or killed: what is decided is done to its end, and the rest is whole."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path

import pytest

from muniment import api
from muniment.archive.erasure.erase import Erasing, ErasureStopped, finish_erasing
from muniment.archive.erasure.unfinished import ERASING
from muniment.archive.ledger.local_segments import TORN
from muniment.archive.ledger.model import RecordKind
from muniment.archive.ledger.scan import scan
from muniment.archive.vault.layout import segments_of
from muniment.archive.vault.open_vault import open_vault
from muniment.archive.vault.vault import Vault
from support.erased import ORDER, erase, erase_in, left_of, nothing_is_protected
from support.reports import plain, report
from support.vaults import TestVault

SECRETS = [
    plain(subject=f"Secret {n}", body=f"zyxwvut{n} giants turn sails at midnight {n}\n") for n in range(3)
]
OTHER = plain(subject="Other", body="Soup and salad are served at noon.\n")
REPORTS = [report(one) for one in SECRETS]


@pytest.fixture
def vault(tmp_path: Path) -> TestVault:
    made = TestVault(tmp_path / "vault")
    made.archive([*REPORTS, report(OTHER)], journal=True)
    return made


def secrets(opened: Vault) -> list[int]:
    rows = opened.catalog.rows(range(opened.head.tree_size))
    return [row.sequence for row in rows if row.subject.startswith("Secret")]


def finish(vault: TestVault) -> None:
    with closing(open_vault(vault.folder, write=True)) as opened:
        for _ in finish_erasing(opened):
            pass


def goes_or_is_whole(vault: TestVault) -> int:
    """Each secret is erased without a trace, or whole; returns how many are left."""
    left = {hit.subject: hit.id for hit in vault.messages() if hit.subject != "Other"}
    kept = [n for n in range(3) if f"Secret {n}" in left]
    gone = [n for n in range(3) if n not in kept]
    for number in kept:
        assert vault.raw(left[f"Secret {number}"]) == SECRETS[number]
    if gone:
        stay = [OTHER, report(OTHER), *(SECRETS[n] for n in kept), *(REPORTS[n] for n in kept)]
        erased = [*(SECRETS[n] for n in gone), *(REPORTS[n] for n in gone)]
        assert left_of(vault.folder, erased, stay) == {}
    assert not (vault.folder / ERASING).exists()
    vault.sound()
    return len(kept)


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 5])
def test_a_stop_at_any_time_leaves_whole_messages_or_nothing(vault: TestVault, asked: int) -> None:
    counter = itertools.count()
    with closing(open_vault(vault.folder, write=True)) as opened:
        erasing = Erasing(opened, ORDER, nothing_is_protected, lambda: next(counter) >= asked, batch=1)
        with pytest.raises(ErasureStopped):
            list(erasing.erase(secrets(opened)))
        done = erasing.result.messages
    finish(vault)
    assert goes_or_is_whole(vault) == 3 - done


@pytest.mark.parametrize("steps", range(1, 12))
def test_a_process_that_ends_after_any_step_is_made_good(vault: TestVault, steps: int) -> None:
    with closing(open_vault(vault.folder, write=True)) as opened:
        words = Erasing(opened, ORDER, nothing_is_protected, batch=2).erase(secrets(opened))
        for _ in itertools.islice(words, steps):
            pass
        words.close()  # type: ignore[attr-defined]
    (profile,) = vault.client.call(api.ListProfiles(), api.Profiles).profiles
    vault.run(profile.name)  # any job finishes what an erasure has left
    goes_or_is_whole(vault)


@pytest.mark.parametrize("noted", ["", "[]", '[1, "00", 1]', "\xff"])
def test_a_damaged_note_means_that_everything_is_looked_for_again(vault: TestVault, noted: str) -> None:
    with closing(open_vault(vault.folder, write=True)) as opened:
        erase_in(opened, secrets(opened)[:1])
    (vault.folder / ERASING).write_text(noted)
    finish(vault)
    assert goes_or_is_whole(vault) == 2


def beside(vault: TestVault, name: str, content: bytes) -> Path:
    path = vault.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def frames_of(vault: TestVault, message: bytes) -> bytes:
    """The bytes of the frame of a message, as a torn tail has them."""
    segments = segments_of(vault.folder)
    whole = segments.open(1)
    with closing(open_vault(vault.folder, write=False)) as opened:
        found = [
            whole.read(frame.position.offset, frame.next_offset - frame.position.offset)
            for frame in scan(segments)
            if frame.kind is RecordKind.MESSAGE and b"".join(opened.reader.content_of(frame)) == message
        ]
    return b"".join(found)


def test_other_files_lose_erased_mail_alone(vault: TestVault) -> None:
    secret, other = frames_of(vault, SECRETS[0]), frames_of(vault, OTHER)
    gone = [
        beside(vault, f"ledger/{TORN}/000000000001-99-1.bin", other + secret[:90]),
        beside(vault, f"ledger/{TORN}/000000000001-99-2.bin", other + b"no frame"),
        beside(vault, "work/99999999-dead/fetched", OTHER),
        beside(vault, "spool/new/1.2", REPORTS[0]),
        beside(vault, "spool/delivered/1.2.json", b'{"envelope": {}}'),
        beside(vault, "index.broken-20260101T000000/0/x.term", b"zyxwvut0"),
    ]
    kept = [
        beside(vault, f"ledger/{TORN}/000000000001-99-3.bin", other),
        beside(vault, "spool/new/2.2", report(OTHER)),
    ]
    (id_,) = [hit.id for hit in vault.messages() if hit.subject == "Secret 0"]
    result = erase(vault, [id_])
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    traces = result.traces
    assert (traces.torn, traces.temporary, traces.spooled, traces.indexes) == (2, 0, 1, 1)
    (event,) = [one for one in _events(vault) if one.event == "traces erased"]
    assert event.detail["said"] == (
        "2 uncommitted tails of the ledger, 1 messages in the spool, 1 damaged indexes"
    )
    vault.sound()


def _events(vault: TestVault) -> tuple[api.AuditEvent, ...]:
    return vault.client.call(api.GetAudit(), api.Audit).events
