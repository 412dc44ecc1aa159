"""The contract of every catalog: its state, how batches are applied, and how it is replaced."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from muniment.archive.catalog import EMPTY, Catalog
from muniment.archive.facts import RoutingReason
from muniment.errors import NotFound, VaultError
from muniment.mail.model import AddressRole
from muniment.people.changes import add_user, remove_user
from support.catalogs import A_TO_B, VAULT, CatalogMaker, FilledCatalog, readers_across
from support.catalogued import sha


def test_applied_batches_are_there_after_reopening(archive: FilledCatalog) -> None:
    archive.batches.mail("m", *A_TO_B)
    archive.commit()
    before, head = archive.catalog.dump(), archive.catalog.head
    archive.catalog.close()
    for readonly in (False, True):
        opened = archive.maker.open(archive.folder, readonly=readonly)
        assert opened.dump() == before
        assert opened.head == head == archive.batches.done[-1][1]
        assert opened.vault_id == VAULT
        assert opened.directory.domains == ("firm.example",)
        opened.close()
        opened.close()


def test_a_new_catalog_is_empty_and_made_once(maker: CatalogMaker, tmp_path: Path) -> None:
    catalog = maker.create(tmp_path)
    assert catalog.head == EMPTY
    assert (catalog.totals().messages, catalog.totals().records) == (0, 0)
    assert (catalog.tree(), catalog.directory.users(), catalog.configuration) == ([], [], b"")
    catalog.close()
    with pytest.raises(VaultError):
        maker.create(tmp_path)


CALLS: dict[str, Callable[[Catalog], object]] = {
    "read": lambda catalog: catalog.totals(),
    "state": lambda catalog: catalog.head,
    "apply": lambda catalog: catalog.apply([], EMPTY),
    "refile": lambda catalog: list(catalog.refile()),
    "meta": lambda catalog: catalog.meta_set("a", "b"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_catalog_refuses_every_call(archive: FilledCatalog, call: str) -> None:
    archive.catalog.close()
    archive.catalog.close()
    with pytest.raises(VaultError, match="closed"):
        CALLS[call](archive.catalog)


def test_a_catalog_opened_for_reading_can_not_be_written(archive: FilledCatalog) -> None:
    opened = archive.maker.open(archive.folder, readonly=True)
    for call in ("apply", "refile", "meta"):
        with pytest.raises(VaultError, match="reading only"):
            CALLS[call](opened)
    opened.close()


def test_a_catalog_opened_for_reading_sees_what_is_applied_later(archive: FilledCatalog) -> None:
    opened = archive.maker.open(archive.folder, readonly=True)
    assert opened.totals().messages == 0
    archive.batches.mail("m", *A_TO_B)
    archive.commit()
    assert opened.totals().messages == 1
    assert opened.snapshot() == archive.catalog.snapshot()
    opened.close()


def test_meta_stores_a_text_under_a_name(archive: FilledCatalog) -> None:
    assert archive.catalog.meta_get("shown") is None
    archive.catalog.meta_set("shown", "1")
    archive.catalog.meta_set("shown", "zwei")
    assert archive.catalog.meta_get("shown") == "zwei"


def test_readers_in_other_threads_see_each_batch(archive: FilledCatalog) -> None:
    seen: list[int] = []
    steps = [threading.Event() for _ in range(4)]

    def read() -> None:
        for turn in (0, 2):
            assert steps[turn].wait(10)
            seen.append(archive.catalog.totals().messages)
            steps[turn + 1].set()

    reader = threading.Thread(target=read)
    reader.start()
    for name, turn in (("m1", 0), ("m2", 2)):
        archive.batches.mail(name, *A_TO_B)
        archive.commit()
        steps[turn].set()
        assert steps[turn + 1].wait(10)
    reader.join(10)
    assert seen == [1, 2]


def test_readers_go_on_with_the_catalog_that_replaces_theirs(archive: FilledCatalog, tmp_path: Path) -> None:
    with readers_across(archive.catalog) as seen:
        archive.batches.mail("m", *A_TO_B)
        archive.batches.change(add_user("bob", "Bob", "bob@firm.example"))
        archive.batches.commit()
        new = archive.another(tmp_path / "new")
        new.meta_set("which", "the new one")
        archive.catalog.replace(new)
    assert seen == [(0, 1)] * 3
    assert archive.catalog.meta_get("which") == "the new one"
    assert [user.name for user in archive.catalog.directory.users()] == ["Bob"]
    archive.batches.mail("m2", *A_TO_B)
    archive.commit()
    assert archive.catalog.totals().messages == 2
    with pytest.raises(VaultError):
        new.totals()


def test_a_batch_with_a_change_that_does_not_fit_is_not_applied(archive: FilledCatalog) -> None:
    before, directory = archive.catalog.dump(), archive.catalog.directory
    archive.batches.mail("m", *A_TO_B)
    archive.batches.change(remove_user("nobody"))
    with pytest.raises(NotFound):
        archive.commit()
    assert archive.catalog.dump() == before
    assert archive.catalog.directory is directory


def test_a_returned_directory_never_changes(archive: FilledCatalog) -> None:
    directory = archive.catalog.directory
    with pytest.raises(RuntimeError, match="sealed"):
        directory.apply(add_user("bob", "Bob", "bob@firm.example"), 1)
    archive.change(add_user("bob", "Bob", "bob@firm.example"))
    assert directory.users() == []
    assert [user.name for user in archive.catalog.directory.users()] == ["Bob"]


def test_a_message_that_is_appended_again_moves(archive: FilledCatalog) -> None:
    archive.batches.mail("m", *A_TO_B)
    archive.batches.part("p")
    archive.commit()
    number = archive.number("m")
    archive.batches.mail("m", *A_TO_B)
    archive.batches.part("p")
    archive.commit()
    assert archive.number("m") == number
    positions = [f.position for f in archive.batches.done[-1][0] if hasattr(f, "position")]
    found = [archive.catalog.locate(sha(name)) for name in ("m", "m report", "p")]
    copy = archive.catalog.envelope_by_sha(sha("m report"))
    assert copy is not None
    assert [found[0], copy.position, found[2]] == positions
    assert archive.catalog.totals().messages == archive.catalog.totals().envelopes == 1


def test_hostile_text_is_accepted(archive: FilledCatalog) -> None:
    odd = "\udc80\x00\U0001f600'\"; --"
    archive.batches.message("m", subject=odd, sender=odd, to=odd * 200, notes=(odd,))
    archive.batches.envelope("e", ["m"], (AddressRole.TO, odd + "@firm.example"))
    archive.batches.receipt(
        "e",
        RoutingReason.OWNER,
        key=odd,
        owner=odd + "@firm.example",
        owner_folder=odd,
        flags=(odd,),
        profile=odd,
    )
    archive.batches.quarantine("q")
    archive.batches.receipt("q", RoutingReason.CATCH_ALL, key=odd, host=odd, mailbox=odd, folder=odd)
    archive.batches.run(json.dumps({"profile": odd}))
    archive.batches.run("no JSON")
    archive.commit()
    row = archive.catalog.message_by_sha(sha("m"))
    assert row is not None
    assert row.notes == (odd,)
    assert len(row.to) < 2500
    assert list(archive.catalog.known_keys("gw.example:110", "mbx", "", [odd])) == [odd]
    (item,) = archive.catalog.quarantine()
    assert (item.host, item.mailbox, item.folder, item.key) == (odd, odd, odd, odd)
    assert len(archive.catalog.tree()) == 1
    archive.change(add_user("x", "X", "x@firm.example"))
    archive.refile()
    archive.batches.receipt("e", RoutingReason.OWNER, owner=odd + "@firm.example", owner_folder=odd)
    archive.commit()
    assert len(archive.catalog.mentions([row.sequence])[row.sequence]) == 2


def test_totals_count_messages_once_and_copies_each(archive: FilledCatalog) -> None:
    archive.batches.mail("m", *A_TO_B, size=7000)
    archive.batches.receipt("m report", key="again", size=7000)
    archive.commit()
    archive.batches.envelope("fork", ["m"])
    archive.batches.receipt("fork", size=100)
    archive.commit()
    totals = archive.catalog.totals()
    assert (totals.messages, totals.envelopes, totals.quarantined) == (1, 2, 0)
    assert (totals.bytes, totals.message_bytes) == (7100, 5000)
    assert totals.records == archive.catalog.head.tree_size
