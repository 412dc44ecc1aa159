"""The contract of every catalog: messages, copies, content, and what an index lacks."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from muniment.archive.catalog import CatalogMention, KnownKey, TrustedReport
from muniment.archive.facts import REGENERATED, FramePosition, MessageFact, RoutingReason
from muniment.errors import NotFound
from muniment.mail.model import AddressRole, EnvelopeParty
from support.catalogs import A_TO_B, FilledCatalog
from support.catalogued import sha


def test_messages_by_hash_prefix_and_content(archive: FilledCatalog) -> None:
    archive.batches.mail("m", *A_TO_B)
    archive.batches.message("twin", content=sha("content of m"), subject="x" * 300)
    archive.batches.message("opaque", content=b"")
    archive.commit()
    fact = next(f for f in archive.batches.done[-1][0] if isinstance(f, MessageFact))
    row = archive.catalog.message_by_sha(sha("m"))
    assert row is not None
    assert (row.sequence, row.sha, row.position, row.date, row.size) == (
        fact.sequence, fact.sha, fact.position, fact.date, fact.size,
    )  # fmt: skip
    assert (row.sender, row.to, row.subject, row.attachments) == (fact.sender, fact.to, fact.subject, 0)
    assert archive.catalog.message_by_sha(sha("other")) is None
    assert archive.catalog.messages_by_content(sha("content of m")) == [sha("m"), sha("twin")]
    assert archive.catalog.messages_by_content(b"") == []
    for length in (8, 16, 17, 64):
        assert archive.catalog.message_by_prefix(sha("m").hex()[:length].upper()) == row
    for wrong in ("", "1234567", "z" * 8, "0" * 65, sha("m").hex()[:20] + "zz", sha("none").hex()):
        with pytest.raises(NotFound):
            archive.catalog.message_by_prefix(wrong)
    rows = archive.catalog.rows([archive.number("twin"), 999, archive.number("m")])
    assert [found.sha for found in rows] == [sha("twin"), sha("m")]
    assert len(rows[0].subject) == 200


@pytest.mark.parametrize("first", ["00", "7f", "80", "ff"])
def test_a_prefix_of_two_messages_is_ambiguous(archive: FilledCatalog, first: str) -> None:
    both = [bytes.fromhex(first * 12 + end * 20) for end in ("00", "ff")]
    for number, one in enumerate(both):
        archive.batches.message(str(number))
        fact = archive.batches.facts[-1]
        assert isinstance(fact, MessageFact)
        archive.batches.facts[-1] = replace(fact, sha=one)
    archive.commit()
    for length in (8, 16, 24):
        with pytest.raises(NotFound, match="More than one"):
            archive.catalog.message_by_prefix(both[0].hex()[:length])
    for one in both:
        assert archive.catalog.message_by_prefix(one.hex()[:25]).sha == one


def test_copies_of_a_message_are_in_order(archive: FilledCatalog) -> None:
    archive.batches.message("clear")
    archive.batches.mail("m", *A_TO_B)
    archive.commit()
    archive.batches.envelope("fork", ["m", "clear"], (AddressRole.BCC, "carl"), time=77)
    archive.batches.facts[-1] = fork = archive.batches.facts[-1]
    archive.batches.receipt(
        "fork", RoutingReason.CATCH_ALL, size=88, profile="other", flags=("not this tenant",)
    )
    archive.batches.receipt("fork", RoutingReason.HEADERS, key="again", size=99, flags=("not due",))
    archive.commit()
    first, second = archive.catalog.envelopes_of(archive.number("m"))
    assert (first.sha, first.profile, first.size, first.flags) == (sha("m report"), "gateway", 6000, ())
    assert (second.sha, second.messages) == (sha("fork"), (sha("clear"), sha("m")))
    assert second.parties == (EnvelopeParty(AddressRole.BCC, "carl@firm.example"),)
    assert (second.time, second.report, second.size, second.profile) == (77, True, 88, "other")
    assert second.route == RoutingReason.CATCH_ALL | RoutingReason.HEADERS
    assert second.flags == ("not this tenant", "not due")
    assert archive.catalog.envelope_by_sha(sha("fork")) == second
    assert archive.catalog.envelope_by_sha(sha("m")) is None
    assert archive.catalog.locate(sha("fork")) == second.position
    assert second.sequence == fork.sequence


def test_locate_finds_all_content(archive: FilledCatalog) -> None:
    archive.batches.mail("m")
    archive.batches.part("p")
    archive.batches.quarantine("q")
    archive.commit()
    for name in ("m", "m report", "p", "q"):
        assert isinstance(archive.catalog.locate(sha(name)), FramePosition)
    assert archive.catalog.locate(sha("x")) is None
    assert archive.catalog.part_known(sha("p"))
    assert not archive.catalog.part_known(sha("m"))


def test_keys_are_known_until_they_are_deleted_at_their_source(archive: FilledCatalog) -> None:
    def known(*keys: str, mailbox: str = "mbx") -> dict[str, KnownKey]:
        return archive.catalog.known_keys("gw.example:110", mailbox, "", keys)

    archive.batches.mail("m", key="1")
    archive.batches.quarantine("q")
    archive.batches.receipt("q", key="2", size=5)
    archive.batches.receipt("lost", key="3")
    archive.commit()
    assert known("1", "2", "3", "4") == {
        "1": KnownKey(6000, sha("m report"), True, RoutingReason.JOURNAL),
        "2": KnownKey(5, sha("q"), True, RoutingReason(0)),
        "3": KnownKey(6000, sha("lost"), False, RoutingReason(0)),
    }
    assert known("1", mailbox="other") == {}
    archive.batches.deletion("1", "3", "never there")
    archive.batches.receipt("m report", key="3")
    archive.commit()
    assert list(known("1", "2", "3")) == ["2", "3"]
    many = [str(n) for n in range(2000)]
    for key in many:
        archive.batches.receipt("m report", key=key)
    archive.commit()
    assert set(known(*many)) == set(many)


def test_quarantine_ends_by_a_record_or_when_the_item_is_archived(archive: FilledCatalog) -> None:
    for name in ("q1", "q2", "q3"):
        archive.batches.quarantine(name)
        archive.batches.receipt(name, RoutingReason.JOURNAL, key=f"key of {name}")
    archive.commit()
    items = archive.catalog.quarantine()
    assert [(item.sha, item.reason, item.size) for item in items] == [
        (sha(name), "no original in it", 77) for name in ("q1", "q2", "q3")
    ]
    assert (items[0].profile, items[0].mailbox, items[0].key) == ("gateway", "mbx", "key of q1")
    assert archive.catalog.totals().quarantined == 3
    archive.batches.quarantine("q1", resolved=True)
    archive.batches.envelope("q2", [])
    archive.commit()
    assert [item.sha for item in archive.catalog.quarantine()] == [sha("q3")]
    assert archive.catalog.totals().quarantined == 1
    assert archive.catalog.quarantine_by_prefix(sha("q1").hex()[:8]).sha == sha("q1")
    with pytest.raises(NotFound):
        archive.catalog.quarantine_by_prefix("00000000")
    archive.batches.quarantine("q1")
    archive.commit()
    assert [item.sha for item in archive.catalog.quarantine()] == [sha("q3"), sha("q1")]
    assert archive.catalog.quarantine_by_prefix(sha("q1").hex()).profile == ""


def test_a_batch_asks_at_once_what_is_new(archive: FilledCatalog) -> None:
    archive.batches.mail("m", *A_TO_B)
    archive.batches.part("p")
    archive.commit()
    names = ("m report", "m", "content of m", "p")
    new = {sha(f"another {name}") for name in names}
    asked = [[sha(name), sha(f"another {name}")] for name in names]
    known = archive.catalog.possibly_known(*asked)
    assert {sha(name) for name in names} <= known
    assert not new & known
    assert archive.catalog.possibly_known([], [], [b""], []) == set()


def test_messages_are_found_by_the_record_that_brought_them(archive: FilledCatalog) -> None:
    archive.batches.mail("m", *A_TO_B)
    archive.commit()
    number = archive.number("m")
    (row,) = archive.catalog.rows([number])
    assert archive.catalog.message_of_record(number) == (sha("m"), row)
    assert archive.catalog.message_of_record(number + 1) == (b"", None)
    assert archive.catalog.existing([number, number + 1]) == {number}


def test_messages_are_found_by_the_name_of_their_message_id(archive: FilledCatalog) -> None:
    for name in ("m1", "m2"):
        archive.batches.message(name, name=b"12345678", sender=f"{name}@x.example")
    archive.batches.message("nameless")
    archive.commit()
    found = archive.catalog.messages_by_name(b"12345678")
    assert [(one.sha, one.sender) for one in found] == [
        (sha("m1"), "m1@x.example"), (sha("m2"), "m2@x.example"),
    ]  # fmt: skip
    assert archive.catalog.messages_by_name(b"another!") == archive.catalog.messages_by_name(b"") == []


def test_copies_tell_who_vouches_for_a_message(archive: FilledCatalog) -> None:
    archive.batches.mail("m", *A_TO_B, time=5, flags=("a flag",))
    archive.batches.envelope("forged", ["m"], (AddressRole.SENDER, "boss"), time=6)
    archive.batches.receipt("forged", RoutingReason.CATCH_ALL)
    archive.commit()
    since = archive.catalog.head.tree_size
    archive.batches.envelope("own", ["m"], *A_TO_B, time=7)
    archive.batches.receipt("own", RoutingReason.OWNER, owner="carl@firm.example", owner_folder="Old")
    archive.commit()
    number = archive.number("m")
    parties = tuple(EnvelopeParty(role, f"{name}@firm.example") for role, name in A_TO_B)
    assert archive.catalog.trusted_reports(number) == [TrustedReport(5, parties, ("a flag",))]
    assert archive.catalog.has_copy_of_owner(number, "carl@firm.example")
    assert not archive.catalog.has_copy_of_owner(number, "bob@firm.example")
    (copy,) = archive.catalog.copies_since([number], since)[number]
    assert (copy.time, copy.owner, copy.owner_folder) == (7, "carl@firm.example", "Old")
    assert archive.catalog.copies_since([number], since + 100) == {}


def test_mentions_are_those_of_all_copies(archive: FilledCatalog) -> None:
    archive.batches.mail("m", *A_TO_B, (AddressRole.EXPANDED, "all"), time=5)
    archive.batches.envelope("forged", ["m"], (AddressRole.SENDER, "boss"), time=6)
    archive.batches.receipt("forged", RoutingReason.CATCH_ALL)
    archive.batches.envelope("own", ["m"], *A_TO_B, time=7)
    archive.batches.receipt("own", RoutingReason.OWNER, owner="carl@firm.example", owner_folder="Old")
    archive.commit()
    number = archive.number("m")
    assert archive.catalog.mentions([number, 999]) == {
        number: [
            CatalogMention(
                AddressRole.SENDER, "alice@firm.example", 5, True, senders=("alice@firm.example",)
            ),
            CatalogMention(AddressRole.TO, "bob@firm.example", 5, True, senders=("alice@firm.example",)),
            CatalogMention(
                AddressRole.EXPANDED, "all@firm.example", 5, True, senders=("alice@firm.example",)
            ),
            CatalogMention(AddressRole.SENDER, "boss@firm.example", 6, False),
            CatalogMention(AddressRole.SENDER, "alice@firm.example", 7, False),
            CatalogMention(AddressRole.TO, "bob@firm.example", 7, False),
            CatalogMention(AddressRole.RECIPIENT, "carl@firm.example", 7, True, "Old"),
        ]
    }


def test_the_catalog_says_what_an_index_lacks(archive: FilledCatalog) -> None:
    archive.batches.mail("m1", *A_TO_B)
    archive.batches.mail("m2", *A_TO_B)
    archive.commit()
    watermark = archive.catalog.head.tree_size
    assert archive.catalog.index_behind(0) == 2
    assert archive.catalog.index_behind(watermark) == 0
    assert archive.catalog.index_changes(watermark, 10) == []
    archive.batches.receipt("m1 report", key="the same again")
    archive.commit()
    assert archive.catalog.index_behind(watermark) == 0
    archive.batches.receipt("m1 report", RoutingReason.OWNER, owner="bob@firm.example", owner_folder="Old")
    archive.batches.mail("m3", *A_TO_B)
    archive.commit()
    changes = archive.catalog.index_changes(watermark, 1)
    assert [change.message for change in changes] == [archive.number("m1")]
    changes = archive.catalog.index_changes(changes[-1].upto, 1)
    assert [change.message for change in changes] == [archive.number("m3")]
    assert archive.catalog.index_behind(changes[-1].upto) == 0
    bob = archive.catalog.directory.find("bob@firm.example").id
    assert archive.catalog.unindexed_of(bob, watermark) == [archive.number("m1"), archive.number("m3")]
    assert archive.catalog.unindexed_of(bob, archive.catalog.head.tree_size) == []
    assert archive.catalog.unindexed_of("nobody", 0) == []


def test_messages_that_share_a_receipt_record_are_in_one_page(archive: FilledCatalog) -> None:
    for number in range(5):
        archive.batches.message(f"m{number}")
        archive.batches.envelope(f"e{number}", [f"m{number}"])
    shared = archive.batches.sequence
    for number in range(5):
        archive.batches.sequence = shared
        archive.batches.receipt(f"e{number}")
    archive.commit()
    changes = archive.catalog.index_changes(0, 2)
    assert [change.upto for change in changes] == [shared] * 4 + [shared + 1]


# --- displacement ------------------------------------------------------------------------------------

REWRITTEN: dict[str, Any] = {
    "flags": (REGENERATED, "and more"),
    "route": RoutingReason.OWNER,
    "owner": "bob@firm.example",
}


def test_the_id_of_a_displaced_message_leads_to_the_original(archive: FilledCatalog) -> None:
    archive.batches.mail("copy", owner_folder="Kunden", **REWRITTEN)
    archive.batches.part("part")
    archive.commit()
    catalog, former = archive.catalog, archive.number("copy")
    position, size = catalog.locate(sha("copy")), catalog.totals().message_bytes
    archive.batches.mail("m", *A_TO_B)
    archive.batches.original("m", "copy")
    archive.commit()
    (row,) = catalog.rows([archive.number("m"), former])
    assert catalog.message_by_sha(sha("copy")) is None
    assert catalog.displaced_by([row.sequence, former]) == {row.sequence: [(former, sha("copy"))]}
    for id_ in (sha("copy").hex(), sha("copy").hex()[:8], sha("m").hex()[:8]):
        assert catalog.message_by_prefix(id_) == row
        assert catalog.messages_by_prefix(id_) == [row]
    assert catalog.locate(sha("copy")) == position
    assert [copy.messages for copy in catalog.envelopes_of(row.sequence)] == [(sha("m"),)] * 2
    folders = {folder for _, found in catalog.tree() for folder, _ in found}
    assert folders == {"Inbox", "Sent", "Kunden"}
    totals = catalog.totals()
    assert (totals.messages, totals.moved_messages, totals.envelopes) == (1, 1, 2)
    assert totals.message_bytes == size
    assert catalog.index_behind(former + 3) == 1, "the original must be indexed again"


@pytest.mark.parametrize("lost", ["m", "copy"])
def test_if_the_original_or_the_copy_is_lost_the_other_stays(archive: FilledCatalog, lost: str) -> None:
    kept = {"m": "copy", "copy": "m"}[lost]
    archive.batches.mail(kept, *A_TO_B)
    archive.batches.original("m", "copy")
    archive.batches.original("m", "m")
    archive.commit()
    assert archive.catalog.totals().messages == 1
    assert archive.catalog.message_by_prefix(sha(kept).hex()).sha == sha(kept)


def test_messages_that_are_known_only_by_regenerated_copies_are_found(archive: FilledCatalog) -> None:
    name = b"12345678"
    for n in range(4):
        archive.batches.message(f"m{n}", name=name)
        archive.batches.envelope(f"e{n}", [f"m{n}"])
    assert not archive.catalog.regenerated
    archive.batches.receipt("e0", **REWRITTEN)
    archive.batches.receipt("e1", flags=("regenerated",))
    archive.batches.receipt("e2")
    archive.batches.message("bare", name=name)
    archive.batches.envelope("e3 too", ["m3"])
    archive.batches.receipt("e3", **REWRITTEN)
    archive.batches.receipt("e3 too")
    archive.commit()
    assert archive.catalog.regenerated
    assert [one.sha for one in archive.catalog.regenerated_by_name(name)] == [sha("m0")]
    assert archive.catalog.regenerated_by_name(b"another!") == []
    assert archive.catalog.known_names([name, b"another!", b""]) == {name}


def test_numbers_of_messages_are_paged_in_order(archive: FilledCatalog) -> None:
    for name in "abcde":
        archive.batches.mail(name, *A_TO_B)
        archive.commit()
    every = [archive.number(name) for name in "abcde"]
    assert archive.catalog.numbers(0, 10_000, 10) == every == sorted(every)
    assert archive.catalog.numbers(0, 10_000, 2) == every[:2]
    assert archive.catalog.numbers(every[1] + 1, every[4], 10) == every[2:4]
    assert archive.catalog.numbers(every[4] + 1, 1 << 62, 10) == []


def test_messages_are_paged_by_number(archive: FilledCatalog) -> None:
    for name in "abc":
        archive.batches.mail(name, *A_TO_B)
    archive.commit()
    numbers = [archive.number(name) for name in "abc"]
    pages = [archive.catalog.messages_after(after, 2) for after in (-1, numbers[1], numbers[2], 10**6)]
    assert [[row.sequence for row in page] for page in pages] == [numbers[:2], numbers[2:], [], []]


def test_profiles_and_what_an_index_lacks(archive: FilledCatalog) -> None:
    archive.batches.mail("a", *A_TO_B)
    archive.batches.mail("b", *A_TO_B)
    archive.commit()
    before = archive.catalog.head.tree_size
    archive.batches.envelope("fork", ["b"], *A_TO_B)
    archive.batches.receipt("fork", profile="other")
    archive.commit()
    a, b = archive.number("a"), archive.number("b")
    assert archive.catalog.profiles_of([a, b, 999]) == {a: {"gateway"}, b: {"gateway", "other"}}
    assert archive.catalog.unindexed([a, b, 999], before) == {b}
    assert archive.catalog.unindexed([a, b], 0) == {a, b}
    assert archive.catalog.unindexed([a], before + 99) == set()


def test_an_original_was_received_when_the_first_it_displaced_was(archive: FilledCatalog) -> None:
    for name, received in (("first", 50), ("second", 70), ("whole", 90)):
        archive.batches.message(name, received=received)
        archive.batches.envelope(name + " copy", [name], *A_TO_B)
        archive.batches.receipt(name + " copy")
    archive.commit()
    archive.batches.original("second", "first")
    archive.commit()
    archive.batches.original("whole", "second")
    archive.batches.message("whole", received=99)
    archive.commit()
    (row,) = archive.catalog.messages_after(-1, 10)
    assert (row.sha, row.received) == (sha("whole"), 50)
