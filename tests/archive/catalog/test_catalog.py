"""The catalog: look-ups, lists and changes in a small archive."""

from __future__ import annotations

import gc
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace
from sqlalchemy.dialects import sqlite

from muniment.archive.catalog import EMPTY, Catalog, CatalogMention, CatalogOutdated, KnownKey, listing, sql
from muniment.archive.facts import REGENERATED, FramePosition, MessageFact, RoutingReason
from muniment.errors import NotFound, UsageError, VaultError
from muniment.mail.model import AddressRole, EnvelopeParty
from muniment.people.changes import add_address, add_user, remove_user, set_domains
from muniment.people.directory import CATCH_ALL
from support.catalogued import Batches, filed, sha

A_TO_B = ((AddressRole.SENDER, "alice"), (AddressRole.TO, "bob"))


class Archive:
    """A catalog with its directory, and the batches that fill it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.catalog = Catalog.create(path, b"the vault")
        self.batches = Batches()
        self.batches.change(set_domains(["firm.example"]))
        self.commit()

    def commit(self) -> None:
        self.catalog.apply(*self.batches.commit())

    def change(self, *changes: dict[str, Any], time: int = 2000) -> None:
        for change in changes:
            self.batches.change(change, time)
        self.commit()

    def refile(self) -> int:
        return sum(self.catalog.refile())

    def number(self, name: str) -> int:
        row = self.catalog.message_by_sha(sha(name))
        assert row is not None
        return row.sequence


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path / "catalog.db")
    yield made
    made.catalog.close()


# --- the file ------------------------------------------------------------------------------------


def test_applied_batches_are_there_after_reopening(archive: Archive) -> None:
    archive.batches.mail("m", *A_TO_B)
    archive.commit()
    before, head = archive.catalog.dump(), archive.catalog.head
    archive.catalog.close()
    for readonly in (False, True):
        opened = Catalog.open(archive.path, readonly=readonly)
        assert opened.dump() == before
        assert opened.head == head == archive.batches.done[-1][1]
        assert opened.vault_id == b"the vault"
        assert opened.directory.domains == ("firm.example",)
        opened.close()
        opened.close()


def test_a_new_catalog_is_empty(tmp_path: Path) -> None:
    catalog = Catalog.create(tmp_path / "catalog.db", b"v")
    assert catalog.head == EMPTY
    assert catalog.tree() == []
    catalog.close()
    with pytest.raises(VaultError):
        Catalog.create(tmp_path / "catalog.db", b"v")
    with pytest.raises(VaultError):
        Catalog.create(tmp_path / "missing" / "catalog.db", b"v")


def damaged(path: Path, how: str) -> None:
    match how:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "rubbish":
            path.write_bytes(b"no database" * 1000)
        case "another schema":
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE state SET schema = 0")
            connection.close()
        case "no state":
            with sqlite3.connect(path) as connection:
                connection.execute("DELETE FROM state")
            connection.close()


@pytest.mark.parametrize("how", ["missing", "empty", "rubbish", "another schema", "no state"])
@pytest.mark.parametrize("readonly", [False, True])
def test_a_catalog_that_must_be_rebuilt_says_so(archive: Archive, how: str, readonly: bool) -> None:
    archive.catalog.close()
    damaged(archive.path, how)
    with pytest.raises(CatalogOutdated, match="rebuild --catalog"):
        Catalog.open(archive.path, readonly)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_catalog_of_a_newer_program_is_left_alone(archive: Archive, readonly: bool) -> None:
    archive.catalog.close()
    with sqlite3.connect(archive.path) as connection:
        connection.execute("UPDATE state SET schema = 999")
    connection.close()
    with pytest.raises(VaultError, match="newer Muniment") as caught:
        Catalog.open(archive.path, readonly)
    assert not isinstance(caught.value, CatalogOutdated)


def test_a_locked_catalog_is_not_rebuilt(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.catalog.close()
    monkeypatch.setattr("muniment.archive.catalog.store.BUSY", 0.0)
    with sqlite3.connect(archive.path, isolation_level=None) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(VaultError) as caught:
            Catalog.open(archive.path)
        assert not isinstance(caught.value, CatalogOutdated)
    other.close()


def test_a_path_can_have_any_characters(tmp_path: Path) -> None:
    folder = tmp_path / "odd ?#%41 & ü"
    folder.mkdir()
    Catalog.create(folder / "catalog.db", b"v").close()
    assert (folder / "catalog.db").is_file()
    Catalog.open(folder / "catalog.db", readonly=True).close()


def test_a_catalog_opened_for_reading_can_not_be_written(archive: Archive) -> None:
    opened = Catalog.open(archive.path, readonly=True)
    with pytest.raises(VaultError):
        opened.meta_set("a", "b")
    opened.close()


def test_meta_stores_a_text_under_a_name(archive: Archive) -> None:
    assert archive.catalog.meta_get("shown") is None
    archive.catalog.meta_set("shown", "1")
    archive.catalog.meta_set("shown", "zwei")
    assert archive.catalog.meta_get("shown") == "zwei"


def test_a_threads_connection_is_closed_with_the_thread(archive: Archive) -> None:
    """A service starts hundreds of threads between two runs of the garbage collector."""

    def read() -> None:
        assert archive.catalog.head == archive.batches.done[-1][1]

    gc.disable()
    try:
        before = psutil.Process().num_fds()
        for _ in range(20):
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
        assert psutil.Process().num_fds() < before + 5  # SQLite keeps a file or two for the next connection
    finally:
        gc.enable()


def test_readers_in_other_threads_see_each_batch(archive: Archive) -> None:
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


def open_files(folder: Path) -> list[str]:
    """Return the files under a folder that this process has open; removed ones end in " (deleted)"."""
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(handle.readlink()))
    return sorted(name for name in found if name.startswith(str(folder)))


def test_no_connection_outlives_the_file_that_was_replaced(archive: Archive) -> None:
    archive.batches.mail("m1", *A_TO_B)
    archive.commit()
    go_on, seen = threading.Event(), list[tuple[int, int]]()
    ready = threading.Barrier(4)

    def read() -> None:
        first = archive.catalog.totals().messages
        ready.wait(10)
        assert go_on.wait(10)
        seen.append((first, archive.catalog.totals().messages))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    new = Catalog.create(archive.path.with_name("catalog.db.new"), b"the vault")
    for facts, head in archive.batches.done:
        new.apply(facts, head)
    archive.batches.mail("m2", *A_TO_B)
    new.apply(*archive.batches.commit())
    new.meta_set("which", "the new one")
    archive.catalog.replace(new)
    assert open_files(archive.path.parent) == []
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert seen == [(1, 2)] * 3
    assert archive.catalog.meta_get("which") == "the new one"
    archive.batches.mail("m3", *A_TO_B)
    archive.commit()
    assert archive.catalog.totals().messages == 3
    assert not any("deleted" in name for name in open_files(archive.path.parent))
    assert [path.name for path in sorted(archive.path.parent.iterdir())][:1] == ["catalog.db"]
    archive.catalog.close()
    assert [path.name for path in archive.path.parent.iterdir()] == ["catalog.db"]


def test_an_incomplete_new_catalog_does_not_replace_the_old_one(archive: Archive) -> None:
    """On a full disk, SQLite may be unable to merge the write-ahead log, and leaves it."""
    new = Catalog.create(archive.path.with_name("catalog.db.new"), b"the vault")
    before = archive.catalog.dump()
    left = archive.path.with_name("catalog.db.new-wal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalog, "close", lambda self: (self._store.close(), left.write_bytes(b"left")))
        with pytest.raises(VaultError, match="not complete"):
            archive.catalog.replace(new)
    assert archive.catalog.dump() == before


# --- applying ------------------------------------------------------------------------------------


def test_a_batch_with_a_change_that_does_not_fit_is_not_applied(archive: Archive) -> None:
    before, directory = archive.catalog.dump(), archive.catalog.directory
    archive.batches.mail("m", *A_TO_B)
    archive.batches.change(remove_user("nobody"))
    with pytest.raises(NotFound):
        archive.commit()
    assert archive.catalog.dump() == before
    assert archive.catalog.directory is directory


def test_a_returned_directory_never_changes(archive: Archive) -> None:
    directory = archive.catalog.directory
    with pytest.raises(RuntimeError, match="sealed"):
        directory.apply(add_user("bob", "Bob", "bob@firm.example"), 1)
    archive.change(add_user("bob", "Bob", "bob@firm.example"))
    assert directory.users() == []
    assert [user.name for user in archive.catalog.directory.users()] == ["Bob"]


def test_a_message_that_is_appended_again_moves(archive: Archive) -> None:
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


def test_hostile_text_is_accepted(archive: Archive) -> None:
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


# --- look-ups ------------------------------------------------------------------------------------


def test_messages_by_hash_prefix_and_content(archive: Archive) -> None:
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
def test_a_prefix_of_two_messages_is_ambiguous(archive: Archive, first: str) -> None:
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


def test_copies_of_a_message_are_in_order(archive: Archive) -> None:
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


def test_locate_finds_all_content(archive: Archive) -> None:
    archive.batches.mail("m")
    archive.batches.part("p")
    archive.batches.quarantine("q")
    archive.commit()
    for name in ("m", "m report", "p", "q"):
        assert isinstance(archive.catalog.locate(sha(name)), FramePosition)
    assert archive.catalog.locate(sha("x")) is None
    assert archive.catalog.part_known(sha("p"))
    assert not archive.catalog.part_known(sha("m"))


def test_keys_are_known_until_they_are_deleted_at_their_source(archive: Archive) -> None:
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


def test_quarantine_ends_by_a_record_or_when_the_item_is_archived(archive: Archive) -> None:
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


def test_runs_are_listed_newest_first(archive: Archive) -> None:
    for number in range(3):
        for profile in ("one", "two"):
            archive.batches.run(json.dumps({"profile": profile, "new": number}))
    archive.commit()
    last = archive.catalog.last_run("one")
    assert last is not None
    assert json.loads(last.summary) == {"profile": "one", "new": 2}
    assert archive.catalog.last_run("three") is None
    assert [json.loads(run.summary)["new"] for run in archive.catalog.runs("two", 2)] == [2, 1]
    assert [run.profile for run in archive.catalog.runs(limit=3)] == ["two", "one", "two"]


def test_totals_count_messages_once_and_copies_each(archive: Archive) -> None:
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


# --- folders ---------------------------------------------------------------------------------------


def test_pages_cover_every_row_once_newest_first(archive: Archive) -> None:
    for number in range(57):
        archive.batches.mail(f"m{number}", *A_TO_B, date=number * 7 % 5 - 2)
    archive.commit()
    user = archive.catalog.directory.find("bob@firm.example").id
    for limit in (1, 10, 19, 57, 100):
        found, after = [], ""
        while True:
            page = archive.catalog.page(user, "Inbox", limit, after)
            assert page.total == 57
            assert page.sequences == [row.sequence for row in page.rows]
            found += page.rows
            after = page.after
            if not after:
                break
            assert len(page.rows) == limit
        order = [(row.date, row.sequence) for row in found]
        assert order == sorted(order, reverse=True)
        assert len(set(order)) == 57


def test_a_folder_is_read_from_either_end_and_from_any_date(archive: Archive) -> None:
    for number in range(57):
        archive.batches.mail(f"m{number}", *A_TO_B, date=number * 7 % 11)
    archive.commit()
    user = archive.catalog.directory.find("bob@firm.example").id
    page = partial(archive.catalog.page, user, "Inbox")
    newest = page(100).rows
    assert (page(100).first, page(100).before) == (0, f"{newest[0].date}.{newest[0].sequence}")
    assert page(100, oldest_first=True).rows == newest[::-1]
    middle = page(5, page(20).after)
    assert (middle.rows, middle.first) == (newest[20:25], -1)
    back = page(7, middle.before, oldest_first=True)
    assert back.rows == newest[13:20][::-1]
    assert page(3, back.after, oldest_first=True).rows == newest[10:13][::-1]
    for date in (-5, 0, 4, 10, 11, 2**62, -(2**62)):
        down, up = page(5, around=date), page(5, around=date, oldest_first=True)
        later, earlier = [row.date > date for row in newest], [row.date < date for row in newest]
        assert (down.first, down.exact) == (sum(later), True)
        assert down.rows == newest[sum(later) :][:5]
        assert (up.first, up.exact) == (sum(earlier), True)
        assert up.rows == newest[::-1][sum(earlier) :][:5]


def test_the_position_of_a_date_in_a_large_folder_is_estimated(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED", 10)
    for number in range(100):
        archive.batches.mail(f"m{number}", *A_TO_B, date=number)
    archive.commit()
    user = archive.catalog.directory.find("bob@firm.example").id
    for date, first, exact in ((95, 4, True), (50, 49, False), (89, 10, False), (4, 95, True)):
        found = archive.catalog.page(user, "Inbox", 5, around=date)
        assert (found.exact, [row.date for row in found.rows]) == (exact, list(range(date, date - 5, -1)))
        assert abs(found.first - first) <= (0 if exact else 1)


PAGES = ("FIRST_PAGE", "NEXT_PAGE", "OLDEST_PAGE", "NEXT_OLDEST_PAGE", "COUNT_NEWER", "COUNT_OLDER", "SPAN")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_the_same_in_a_folder_of_any_size(archive: Archive, name: str) -> None:
    """The cost is counted in steps of SQLite's virtual machine."""
    compiled = getattr(sql, name).compile(dialect=sqlite.dialect())
    where = {"box": 1, "limit": 5, "most": 5, "date": 10, "message": 0}
    values = [where.get(key, 1) for key in compiled.positiontup]
    costs = []
    with closing(sqlite3.connect(archive.path)) as database:
        for more in (20, 800):
            for number in range(more):
                archive.batches.mail(f"m{number} of {more}", *A_TO_B, date=number)
            archive.commit()
            steps: list[int] = []
            database.set_progress_handler(partial(steps.append, 1), 1)
            assert database.execute(str(compiled), values).fetchall()
            costs.append(len(steps))
            database.set_progress_handler(None, 0)
    assert costs[1] < 1.2 * costs[0], costs


def test_a_page_of_a_missing_folder_is_empty(archive: Archive) -> None:
    assert archive.catalog.page("nobody", "Inbox").rows == []
    archive.batches.mail("m", *A_TO_B)
    archive.commit()
    user = archive.catalog.directory.find("bob@firm.example").id
    assert archive.catalog.page(user, "Sent").total == 0
    assert archive.catalog.page(user, "Inbox", 0).total == 1
    for wrong in ("x", "1", "1.2.3", f"{2**63}.1", "1." + "9" * 30):
        with pytest.raises(UsageError):
            archive.catalog.page(user, "Inbox", 5, wrong)


def test_the_tree_has_the_folders_of_all_users(archive: Archive) -> None:
    archive.change(add_user("bob", "Bob", "bob@firm.example"))
    archive.batches.mail("m1", *A_TO_B)
    archive.batches.mail("m2", (AddressRole.SENDER, "bob"), (AddressRole.TO, "bob"))
    archive.batches.mail("m3", (AddressRole.TO, "x@else.example"))
    archive.batches.mail("m4", route=RoutingReason.OWNER, owner="bob@firm.example", owner_folder="Old/2020")
    archive.commit()
    assert archive.catalog.tree() == [
        ("alice@firm.example", [("Sent", 1)]),
        ("bob@firm.example", [("Inbox", 2), ("Old/2020", 1), ("Sent", 1)]),
        (CATCH_ALL, [("Inbox", 1)]),
    ]
    m1, m2, m3, m4 = (archive.number(name) for name in ("m1", "m2", "m3", "m4"))
    assert archive.catalog.folders_of([m1, m3, 999]) == {
        m1: ["alice@firm.example/Sent", "bob@firm.example/Inbox"],
        m3: ["catch-all/Inbox"],
    }
    assert archive.catalog.placed("bob", [m1, m2, m3, m4, 999]) == {m1, m2, m4}
    assert archive.catalog.placed("bob", [m1, m2, m3, m4], "inbox") == {m1, m2}
    assert archive.catalog.placed("bob", [m1, m2, m3, m4], "sent") == {m2}
    assert archive.catalog.placed(CATCH_ALL, [m1, m3]) == {m3}
    assert archive.catalog.placed("nobody", [m1]) == set()


# --- the directory -----------------------------------------------------------------------------------


def test_a_known_user_gets_all_mail_of_an_address_and_a_transfer_splits_it(archive: Archive) -> None:
    for time in (100, 5000):
        archive.batches.mail(f"m{time}", (AddressRole.TO, "info"), time=time, date=time)
        archive.batches.mail(f"t{time}", (AddressRole.TO, "info+tag"), time=time, date=time)
    archive.commit()
    assert archive.catalog.tree() == [("info@firm.example", [("Inbox", 4)])]
    archive.change(
        add_user("alice", "Alice", "alice@firm.example"), add_address("alice", "info@firm.example")
    )
    assert archive.catalog.refile_pending()
    assert archive.refile() == 4
    assert archive.catalog.tree() == [("alice@firm.example", [("Inbox", 4)])]
    archive.change(
        add_user("bob", "Bob", "bob@firm.example"), add_address("bob", "info@firm.example", since=1000)
    )
    archive.refile()
    assert archive.catalog.tree() == [
        ("alice@firm.example", [("Inbox", 2)]),
        ("bob@firm.example", [("Inbox", 2)]),
    ]
    assert not archive.catalog.refile_pending()


def test_only_affected_mail_is_filed_again(archive: Archive) -> None:
    for number in range(20):
        archive.batches.mail(f"m{number}", (AddressRole.TO, f"user{number % 10}"))
    archive.commit()
    archive.change(add_user("x", "X", "user3@firm.example"))
    assert archive.refile() == 2
    archive.change(add_user("y", "Y", "never.seen@firm.example"))
    assert archive.refile() == 0
    archive.change(set_domains([]))
    assert archive.refile() == 20
    assert archive.catalog.tree() == [("user3@firm.example", [("Inbox", 2)]), (CATCH_ALL, [("Inbox", 18)])]


def test_filing_again_goes_on_after_a_crash_and_with_new_mail(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        archive.batches.mail(f"m{number}", *A_TO_B, time=number)
    archive.commit()
    archive.change(add_user("ann", "Ann", "bob@firm.example"))
    steps = archive.catalog.refile(batch=7)
    assert [next(steps), next(steps)] == [7, 7]
    with monkeypatch.context() as patch:
        patch.setattr("muniment.archive.catalog.filing.PlacementMoves.write", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            next(steps)
    archive.catalog.close()
    archive.catalog = Catalog.open(archive.path)
    assert archive.catalog.refile_pending()
    archive.batches.mail("new", *A_TO_B)
    archive.commit()
    assert list(archive.catalog.refile(batch=7)) == [7, 7, 3]
    facts = [fact for batch, _ in archive.batches.done for fact in batch]
    assert set(archive.catalog.dump()["placements"]) == filed(facts, archive.catalog.directory)


def test_labels_follow_the_directory(archive: Archive) -> None:
    archive.change(add_user("bob", "Bob", "bob@firm.example"))
    archive.batches.mail("m", *A_TO_B)
    archive.commit()
    archive.change(add_user("bob", "Robert", "robert@firm.example"))
    archive.refile()
    assert [user for user, _ in archive.catalog.tree()] == ["alice@firm.example", "robert@firm.example"]
    assert archive.catalog.folders_of([archive.number("m")]).popitem()[1] == [
        "alice@firm.example/Sent",
        "robert@firm.example/Inbox",
    ]


# --- the index ------------------------------------------------------------------------------------------


def test_the_catalog_says_what_an_index_lacks(archive: Archive) -> None:
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


def test_messages_that_share_a_receipt_record_are_in_one_page(archive: Archive) -> None:
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


def test_mentions_are_those_of_all_copies(archive: Archive) -> None:
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


# --- displacement ------------------------------------------------------------------------------------

REWRITTEN: dict[str, Any] = {
    "flags": (REGENERATED, "and more"),
    "route": RoutingReason.OWNER,
    "owner": "bob@firm.example",
}


def test_the_id_of_a_displaced_message_leads_to_the_original(archive: Archive) -> None:
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
def test_if_the_original_or_the_copy_is_lost_the_other_stays(archive: Archive, lost: str) -> None:
    kept = {"m": "copy", "copy": "m"}[lost]
    archive.batches.mail(kept, *A_TO_B)
    archive.batches.original("m", "copy")
    archive.batches.original("m", "m")
    archive.commit()
    assert archive.catalog.totals().messages == 1
    assert archive.catalog.message_by_prefix(sha(kept).hex()).sha == sha(kept)


def test_messages_that_are_known_only_by_regenerated_copies_are_found(archive: Archive) -> None:
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
