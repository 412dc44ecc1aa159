"""Displacement: nothing that a person does with their own mail changes what others see.

Mallory puts messages into her own mailboxes, which are archived as ordinary ones. She sends mail to others,
and a journal report of it names her as the sender, with any From. She knows every byte of what she received.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from email.utils import formatdate
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from muniment import api
from muniment.archive.ledger.check import LedgerCheck
from muniment.archive.operations.indexing import renew_index
from muniment.archive.operations.search import find
from muniment.archive.operations.verify import verify_vault
from muniment.archive.vault.open_catalog import rebuild_catalog
from muniment.archive.vault.open_vault import create_vault, open_vault
from muniment.errors import NotFound
from muniment.mail.content.content_hash import content_hash
from muniment.mail.names import name_of
from muniment.people.changes import set_domains
from muniment.runs.pipeline.archivist import Archivist
from muniment.runs.pipeline.link_copies import CopyLinks
from muniment.runs.pipeline.plan import RunPlan
from muniment.runs.prepare.worker_pool import WorkerPool
from muniment.runs.run import ArchiveRun
from muniment.sources.endpoint import FileEndpoint
from muniment.sources.files.maildir import MaildirSource
from support.machines import machine_test
from support.regenerating import mailbox, regenerated
from support.reports import EPOCH, fork, line, plain, report
from support.soak import in_soak
from support.vaults import TestVault

ANNA, BOB, MALLORY = "anna@example.com", "bob@example.com", "mallory@example.com"
BLOB = bytes(range(256)) * 20
DAY = formatdate(EPOCH)
ORIGINALS = [
    plain(
        to=[BOB, MALLORY],
        subject=f"Approve nothing {n}",
        body=f"Decision {n} as discussed.\n",
        message_id=f"<m{n}@example.com>",
        attachments=[("minutes.pdf", BLOB)],
    )
    for n in range(2)
]
FORKS = ("exact", "fork", "trace", "results", "path")
"""Changes in fields that transport adds. They are no content, but dates and judgements come from them."""
CRAFTS = (
    *FORKS, "subject", "to", "cc", "bcc", "body", "header", "reply-to", "attachment", "name",
)  # fmt: skip


LOOKALIKE = ("bcc", "header")
"""Changes in fields that a service may leave out or add when it writes a message."""


def crafted(original: bytes, how: str) -> bytes:
    """A message that Mallory makes from one that she received. Its Message-ID, From and Date stay."""
    changes = {
        "subject": (b"Subject: Approve nothing", b"Subject: Approve a bonus for Mallory"),
        "to": (b"To: bob@example.com, ", b"To: board@example.com, "),
        "cc": (b"Subject:", b"Cc: board@example.com\r\nSubject:"),
        "bcc": (b"Subject:", b"Bcc: board@example.com\r\nSubject:"),
        "body": (b"as discussed", b"as Mallory says"),
        "header": (b"Subject:", b"X-Crafted: yes\r\nSubject:"),
        "reply-to": (b"Subject:", b"Reply-To: mallory@example.com\r\nSubject:"),
        "attachment": (b"AAECAwQF", b"AQECAwQF"),
        "name": (b"minutes.pdf", b"invoice.pdf"),
    }
    forks = {
        "exact": b"",
        "fork": fork(b"", 7),
        "trace": b"Received: from a by b; Mon, 1 Jan 1990 00:00:00 +0000\r\n",
        "results": b"Authentication-Results: dkim=fail header.d=example.com\r\n",
        "path": b"Return-Path: <mallory@example.com>\r\nReceived: from evil by b; %b\r\n" % DAY.encode(),
    }
    if how in forks:
        return forks[how] + original
    was, now = changes[how]
    assert was in original
    return original.replace(was, now)


@cache
def rewritten(message: bytes, encoding: str) -> bytes:
    """The message as a service writes it. The boundary is always the same, so that the bytes are known."""
    return regenerated(message, encoding)


# --- single cases ------------------------------------------------------------------------------------

ORIGINAL = ORIGINALS[0]
COPY = rewritten(ORIGINAL, "base64")


def seen(vault: TestVault, user: str) -> dict[str, Any]:
    """Everything in one person's view."""
    found = {}
    for hit in vault.search("", user):
        shown = vault.show(hit.id)
        folders = sorted(one for one in hit.folders if one.startswith(user))
        found[hit.id] = (
            hit.subject,
            hit.sender,
            hit.to,
            folders,
            shown.text,
            shown.headers,
            vault.raw(hit.id),
        )
    return found


@pytest.mark.parametrize("way", ["rewritten", *in_soak("plain", "sent")])
def test_crafted_messages_displace_nothing(vault: TestVault, way: str) -> None:
    """Anna's copy was archived from her mailbox. The message in her folder stays unchanged."""
    mailbox(vault, "anna", COPY, owner=ANNA, folder="Ablage")
    before = seen(vault, ANNA)
    attack(vault, way, CRAFTS)
    for _ in range(2):
        assert {id_: seen(vault, ANNA).get(id_) for id_ in before} == before
        assert [hit.id for hit in vault.search("in:ablage", ANNA)] == list(before)
        assert [hit.id for hit in vault.search('subject:"approve nothing 0" in:ablage', ANNA)] == list(before)
        vault.rebuild()
    vault.sound()


@pytest.mark.parametrize("way", ["rewritten", *in_soak("plain", "sent")])
def test_crafted_messages_are_no_originals(vault: TestVault, way: str) -> None:
    """They come first. Bob then sees the message of his own mailbox."""
    attack(vault, way, CRAFTS if way != "rewritten" else CRAFTS[2:])
    mailbox(vault, "bob", COPY)
    (hit,) = vault.search("in:kunden", BOB)
    assert vault.raw(hit.id) == COPY
    vault.archive([report(fork(ORIGINAL, 3), recipients=[BOB, MALLORY])])
    for _ in range(2):
        (hit,) = vault.search("in:kunden", BOB)
        assert content_hash(vault.raw(hit.id)) == content_hash(ORIGINAL)
        vault.rebuild()
    vault.sound()


def attack(vault: TestVault, way: str, crafts: Iterable[str]) -> None:
    messages = [crafted(ORIGINAL, how) for how in crafts]
    if way == "plain":
        vault.archive(messages, journal=False, owner=MALLORY)
    elif way == "rewritten":
        mailbox(
            vault, "mallory", *(rewritten(one, "8bit") for one in messages), owner=MALLORY, folder="Ablage"
        )
    else:
        vault.archive([report(one, sender=MALLORY, recipients=[BOB]) for one in messages])


def test_a_reported_original_displaces_although_its_bytes_were_known(vault: TestVault) -> None:
    """Mallory has the exact bytes, and had them archived before their report came."""
    vault.archive([ORIGINAL], journal=False, owner=MALLORY)
    mailbox(vault, "bob", COPY)
    assert vault.raw(vault.search("in:kunden", BOB)[0].id) == COPY
    vault.archive([report(fork(ORIGINAL, 3), recipients=[BOB])])
    (hit,) = vault.search("", BOB)
    assert vault.raw(hit.id) == fork(ORIGINAL, 3)
    assert set(hit.folders) == {f"{ANNA}/Sent", f"{BOB}/Inbox", f"{BOB}/Kunden", f"{MALLORY}/Inbox"}
    vault.sound()


@pytest.mark.parametrize(
    ("way", "how", "dated"),
    [
        *(ALWAYS := [("plain", "trace", True), ("sent", "results", False), ("no report", "path", True)]),
        *in_soak(
            *(
                one
                for one in itertools.product(("plain", "sent", "no report"), FORKS[1:], (True, False))
                if one not in ALWAYS
            )
        ),
    ],
)
def test_a_fork_of_the_attacker_is_not_the_base_of_what_a_report_brings(
    vault: TestVault, way: str, how: str, dated: bool
) -> None:
    """It comes first. The bytes and the date of the reported message are shown, to everybody and once."""
    original = ORIGINAL if dated else ORIGINAL.replace(f"Date: {DAY}\r\n".encode(), b"")
    forged, true = crafted(original, how), fork(original, 3)
    if way == "plain":
        vault.archive([forged], journal=False, owner=MALLORY)
    elif way == "sent":
        vault.archive([report(forged, sender=MALLORY, recipients=[BOB])])
    else:
        vault.archive([forged])
    vault.archive([true], journal=False, owner=BOB)
    vault.archive([report(true, recipients=[BOB, MALLORY])])
    for _ in range(2):
        (hit,) = vault.search("", BOB)
        assert vault.raw(hit.id) == true
        assert hit.date == (EPOCH if dated else EPOCH + 3)
        assert [one.id for one in vault.messages()] == [hit.id]
        assert forged in [vault.report(hit.id, n) for n in (1, 2, 3)] or way == "sent"
        vault.rebuild()
    vault.sound()


@pytest.mark.parametrize("how", FORKS[1:])
def test_a_fork_of_the_attacker_gives_no_date_to_another_mailbox(vault: TestVault, how: str) -> None:
    """No report says what is true: a message with another date is kept besides."""
    vault.archive([crafted(ORIGINAL, how)], journal=False, owner=MALLORY)
    vault.archive([fork(ORIGINAL, 3)], journal=False, owner=BOB)
    (hit,) = vault.search("", BOB)
    assert hit.date == EPOCH
    assert len(vault.messages()) == (2 if how == "trace" else 1)
    vault.sound()


def test_a_report_of_another_sender_replaces_nothing(vault: TestVault) -> None:
    """Mallory sends on, with forged fields, what Anna's and Bob's reports or mailboxes brought."""
    vault.archive([ORIGINAL], journal=False, owner=BOB)
    vault.archive([report(ORIGINALS[1])])
    for n, how in itertools.product(range(2), FORKS):
        vault.archive([report(crafted(ORIGINALS[n], how), sender=MALLORY, recipients=[MALLORY])])
    assert {hit.subject: vault.raw(hit.id) for hit in vault.search("", BOB)} == {
        "Approve nothing 0": ORIGINAL,
        "Approve nothing 1": ORIGINALS[1],
    }
    vault.sound()


def test_a_flood_of_one_message_id_hides_no_original(vault: TestVault) -> None:
    flood = [plain(subject=f"{n}", message_id="<m0@example.com>", to=[BOB]) for n in range(70)]
    vault.archive(flood, journal=False, owner=MALLORY)
    vault.archive([report(one, sender=MALLORY) for one in flood[:60]])
    mailbox(vault, "bob", COPY)
    vault.archive([report(ORIGINAL)])
    mailbox(vault, "anna", regenerated(ORIGINAL, "8bit"), owner=ANNA, folder="Ablage")
    (hit,) = vault.search('"approve nothing"')
    assert vault.raw(hit.id) == ORIGINAL
    assert set(hit.folders) == {f"{ANNA}/Ablage", f"{ANNA}/Sent", f"{BOB}/Inbox", f"{BOB}/Kunden"}


@pytest.mark.parametrize(
    "fields",
    [
        {"sender": MALLORY},
        {"sender": MALLORY, "on_behalf_of": "carl@example.com"},
        {"text_part": False},
        {"tenant": "other@example.com"},
        {"envelope": f"Subject: x\r\nMessage-Id: <m0@example.com>\r\nTo: {BOB}\r\n"},
    ],
)
def test_only_a_report_that_vouches_displaces(vault: TestVault, fields: dict[str, Any]) -> None:
    """Not a report of another sender or tenant, without an envelope, or without a sender."""
    mailbox(vault, "bob", COPY)
    vault.archive(
        [report(ORIGINAL, recipients=[BOB], **fields)],
        tenant="MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com",
    )
    assert vault.raw(vault.search("in:kunden", BOB)[0].id) == COPY
    assert len(vault.messages()) == 2


@pytest.mark.parametrize(
    "fields", [{"sender": "berg@example.com"}, {"sender": "boss@example.com", "on_behalf_of": ANNA}]
)
def test_a_sender_may_have_several_addresses_and_a_delegate(vault: TestVault, fields: dict[str, Any]) -> None:
    vault.client.call(api.AddUser(name="Anna", addresses=(ANNA, "berg@example.com")), api.Done)
    mailbox(vault, "bob", COPY)
    vault.archive([report(ORIGINAL, **fields)])
    (hit,) = vault.messages()
    assert vault.raw(hit.id) == ORIGINAL


def test_a_message_that_an_older_version_displaced_wrongly_comes_back(
    vault: TestVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild decides again what a receipt of the older rule says.

    What today's rule would do as well stays.
    """
    other = ORIGINALS[1]
    mailbox(vault, "anna", COPY, regenerated(other), owner=ANNA, folder="Ablage")
    before = seen(vault, ANNA)

    def by_name_alone(
        links: CopyLinks, fetched: Any, message: Any, by: Any, stored: bytes
    ) -> tuple[bytes, ...]:
        name = name_of(message.summary.message_id)
        return tuple(one.sha for one in links._vault.catalog.regenerated_by_name(name))

    monkeypatch.setattr(CopyLinks, "remakes_of", by_name_alone)
    monkeypatch.setattr("muniment.runs.run.Archivist", partial(Archivist, rule=1))
    vault.archive([crafted(ORIGINAL, "subject")], journal=False, owner=MALLORY)
    vault.archive([report(other)])
    monkeypatch.undo()
    (forged,) = vault.search("in:ablage bonus", ANNA)
    assert b"bonus for Mallory" in vault.raw(forged.id), "as the older version did it"
    vault.rebuild()
    found = {hit.subject: vault.raw(hit.id) for hit in vault.search("in:ablage", ANNA)}
    assert found == {"Approve nothing 0": COPY, "Approve nothing 1": other}
    assert vault.search('in:ablage subject:"nothing 0"', ANNA)[0].id in before
    vault.sound()


# --- any order -----------------------------------------------------------------------------------------

PLANS = {
    "journal": RunPlan("journal", journal=True, delete=False),
    "bob": RunPlan("bob", False, False, owner=BOB, owner_folder="Kunden", regenerated=True),
    "anna": RunPlan("anna", False, False, owner=ANNA, owner_folder="Ablage", regenerated=True),
    "own": RunPlan("own", False, False, owner=MALLORY),
    "rewritten": RunPlan("rewritten", False, False, owner=MALLORY, regenerated=True),
}
FOLDERS = {BOB: "Kunden", ANNA: "Ablage"}
ENCODINGS = {BOB: ("base64", "8bit"), ANNA: ("quoted-printable",)}
WHICH = st.integers(0, len(ORIGINALS) - 1)
HOW = st.sampled_from(FORKS) | st.sampled_from(CRAFTS)


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[WorkerPool]:
    """Worker processes, shared by all runs."""
    Machine.pool = WorkerPool(1)
    yield Machine.pool
    Machine.pool.close()


class Machine(RuleBasedStateMachine):
    """Honest mail by reports and from mailboxes, among everything that Mallory does, in any order."""

    pool: WorkerPool

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.base = Path(self.temporary.name)
        self.folder, self.numbers = self.base / "vault", itertools.count(1)
        for box, part in itertools.product(PLANS, ("new", "cur", "tmp")):
            (self.base / box / part).mkdir(parents=True)
        self.folder.mkdir(mode=0o700)
        self.vault = create_vault(self.folder)
        self.journaled: set[int] = set()
        self.sent_on: set[int] = set()
        """Originals that Mallory sent on to Bob unchanged."""
        self.boxed: set[tuple[int, str]] = set()
        self.lookalike: set[int] = set()
        """Originals that read exactly like a message in Bob's mailbox."""
        self.honest = {
            rewritten(raw, how): n
            for n, raw in enumerate(ORIGINALS)
            for hows in ENCODINGS.values()
            for how in hows
        }
        self.contents = {content_hash(raw): n for n, raw in enumerate(ORIGINALS)}

    @initialize()
    def begin(self) -> None:
        self.vault.change_directory(lambda _: [set_domains(["example.com"])], EPOCH)

    def teardown(self) -> None:
        try:
            *_, found = verify_vault(self.vault, deep=True)
            assert isinstance(found, LedgerCheck)
            assert found.problems == []
            self.rebuild()
        finally:
            self.vault.close()
            self.temporary.cleanup()

    def bring(self, box: str, *mails: bytes) -> None:
        for mail in mails:
            (self.base / box / "new" / f"{next(self.numbers):06d}.test").write_bytes(mail)
        endpoint = FileEndpoint("maildir", self.folder / "work", path=str(self.base / box))
        progress = ArchiveRun(
            self.vault, MaildirSource(endpoint, lambda _: None), PLANS[box], self.pool
        ).execute()
        assert (progress.state, progress.error, progress.books.balanced) == ("ok", "", True)

    # --- what happens -------------------------------------------------------------------------------

    @rule(n=WHICH, forked=st.booleans())
    def a_message_is_journaled(self, n: int, forked: bool) -> None:
        message = fork(ORIGINALS[n], 1) if forked else ORIGINALS[n]
        self.bring("journal", report(message, sender=ANNA, recipients=[BOB, line("To", MALLORY)]))
        self.journaled.add(n)
        self.check()

    @rule(n=WHICH, who=st.sampled_from([ANNA, BOB]), data=st.data())
    def a_mailbox_brings_it(self, n: int, who: str, data: st.DataObject) -> None:
        how = data.draw(st.sampled_from(ENCODINGS[who]))
        self.bring("bob" if who == BOB else "anna", rewritten(ORIGINALS[n], how))
        self.boxed.add((n, who))
        self.check()

    @rule(n=WHICH, how=HOW, by_a_service=st.booleans())
    def mallory_fills_her_mailbox(self, n: int, how: str, by_a_service: bool) -> None:
        message = crafted(ORIGINALS[n], how)
        self.bring(*(("rewritten", rewritten(message, "7bit")) if by_a_service else ("own", message)))
        self.check()

    @rule(n=WHICH, how=HOW, delivered=st.booleans())
    def mallory_sends_it_to_bob(self, n: int, how: str, delivered: bool) -> None:
        message = crafted(ORIGINALS[n], how)
        self.bring("journal", report(message, sender=MALLORY, recipients=[BOB]))
        if how in FORKS:
            self.sent_on.add(n)
        elif delivered:
            self.bring("bob", rewritten(message, "8bit"))
            if how in LOOKALIKE:
                self.lookalike.add(n)
        self.check()

    @rule()
    def restart(self) -> None:
        self.vault.close()
        self.vault = open_vault(self.folder, write=True)

    @rule()
    def rebuild(self) -> None:
        before = self.vault.catalog.dump()
        self.vault.close()
        rebuild_catalog(self.folder)
        self.vault = open_vault(self.folder, write=True)
        assert self.vault.catalog.dump() == before
        for _ in renew_index(self.vault):
            pass
        self.check()

    # --- what must hold -----------------------------------------------------------------------------

    def check(self) -> None:
        """Anna and Bob see each honest message once, unchanged, where it belongs; and they find it."""
        rows: Counter[tuple[str, str, str, int]] = Counter()
        dump = self.vault.catalog.dump()
        honest: dict[str, int] = {}
        for user, folder, date, sha in dump["placements"]:
            if user in (f"auto:{ANNA}", f"auto:{BOB}"):
                kind, n = self.kind(bytes.fromhex(sha))
                if n >= 0:
                    honest[sha] = n
                    place = user.removeprefix("auto:"), folder, kind, n
                    rows[place] += 1
                    if n in self.journaled or kind == "copy":
                        assert date == EPOCH
                    else:
                        rows[place] = 1  # what Mallory sent with several dates is kept several times
        assert rows == Counter(self.expected())
        for n in set(honest.values()):
            shas: set[str] = set()
            with suppress(NotFound):  # Bob is created with his first mail
                found = find(self.vault, f'subject:"approve nothing {n}"', user=BOB, limit=100)
                shas = {row.sha.hex() for row in self.vault.catalog.rows(found.ids)}
            placed = {sha for user, _, _, sha in dump["placements"] if user == f"auto:{BOB}"}
            assert {sha for sha, number in honest.items() if number == n} & placed <= shas

    def kind(self, sha: bytes) -> tuple[str, int]:
        raw = self.vault.reader.content_bytes(sha)
        if (n := self.contents.get(content_hash(raw))) is not None:
            true = raw in (ORIGINALS[n], fork(ORIGINALS[n], 1))
            return "original" if true or n not in self.journaled else "forged", n
        return "copy", self.honest.get(raw, -1)

    def expected(self) -> Iterator[tuple[str, str, str, int]]:
        for n in range(len(ORIGINALS)):
            if n in self.journaled:
                yield ANNA, "Sent", "original", n
            if n in self.journaled or n in self.sent_on:
                yield BOB, "Inbox", "original", n
            kind = "original" if n in self.journaled else "copy"
            boxed = {who for number, who in self.boxed if number == n}
            if n in self.journaled and n in self.lookalike:
                boxed.add(BOB)
            yield from ((who, FOLDERS[who], kind, n) for who in boxed)


OPTIONS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


BRIEF = settings(OPTIONS, max_examples=5, stateful_step_count=12)
"""As much as a test run has time for, the same each time."""
LONG = settings(OPTIONS, derandomize=False, max_examples=200, stateful_step_count=30, phases=list(Phase))
"""Much more, and different each time."""
TestMachine = machine_test(Machine, BRIEF)
TestMachineLong = pytest.mark.soak(pytest.mark.timeout(7200)(machine_test(Machine, LONG)))
