"""The contract of every catalog: the users, and the folders of their mail."""

from __future__ import annotations

from functools import partial

import pytest

from muniment.archive.facts import RoutingReason
from muniment.errors import UsageError
from muniment.mail.model import AddressRole
from muniment.people.changes import add_address, add_user, set_domains
from muniment.people.directory import CATCH_ALL
from support.catalogs import A_TO_B, Breakdown, FilledCatalog
from support.catalogued import filed


def test_pages_cover_every_row_once_newest_first(archive: FilledCatalog) -> None:
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


def test_a_folder_is_read_from_either_end_and_from_any_date(archive: FilledCatalog) -> None:
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


def test_a_page_of_a_missing_folder_is_empty(archive: FilledCatalog) -> None:
    assert archive.catalog.page("nobody", "Inbox").rows == []
    archive.batches.mail("m", *A_TO_B)
    archive.commit()
    user = archive.catalog.directory.find("bob@firm.example").id
    assert archive.catalog.page(user, "Sent").total == 0
    assert archive.catalog.page(user, "Inbox", 0).total == 1
    for wrong in ("x", "1", "1.2.3", f"{2**63}.1", "1." + "9" * 30):
        with pytest.raises(UsageError):
            archive.catalog.page(user, "Inbox", 5, wrong)


def test_the_tree_has_the_folders_of_all_users(archive: FilledCatalog) -> None:
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
    assert archive.catalog.own_folders("bob", [m1, m2, m3, m4]) == {
        m1: ["Inbox"], m2: ["Inbox", "Sent"], m3: [], m4: ["Old/2020"],
    }  # fmt: skip
    assert archive.catalog.folders("bob") == [("Inbox", 2), ("Old/2020", 1), ("Sent", 1)]
    assert archive.catalog.folders("nobody") == []
    assert archive.catalog.placed("bob", [m1, m2, m3, m4, 999]) == {m1, m2, m4}
    assert archive.catalog.placed("bob", [m1, m2, m3, m4], "inbox") == {m1, m2}
    assert archive.catalog.placed("bob", [m1, m2, m3, m4], "sent") == {m2}
    assert archive.catalog.placed(CATCH_ALL, [m1, m3]) == {m3}
    assert archive.catalog.placed("nobody", [m1]) == set()


# --- the directory -----------------------------------------------------------------------------------


def test_a_known_user_gets_all_mail_of_an_address_and_a_transfer_splits_it(archive: FilledCatalog) -> None:
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


def test_only_affected_mail_is_filed_again(archive: FilledCatalog) -> None:
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


def test_filing_again_goes_on_after_a_crash_and_with_new_mail(archive: FilledCatalog) -> None:
    for number in range(30):
        archive.batches.mail(f"m{number}", *A_TO_B, time=number)
    archive.commit()
    archive.change(add_user("ann", "Ann", "bob@firm.example"))
    steps = archive.catalog.refile(batch=7)
    assert [next(steps), next(steps)] == [7, 7]
    with archive.maker.breaking(), pytest.raises(Breakdown):
        next(steps)
    archive.catalog.close()
    archive.catalog = archive.maker.open(archive.folder)
    assert archive.catalog.refile_pending()
    archive.batches.mail("new", *A_TO_B)
    archive.commit()
    assert list(archive.catalog.refile(batch=7)) == [7, 7, 3]
    facts = [fact for batch, _ in archive.batches.done for fact in batch]
    assert set(archive.catalog.dump()["placements"]) == filed(facts, archive.catalog.directory)


def test_labels_follow_the_directory(archive: FilledCatalog) -> None:
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


def test_the_directory_of_a_moment_has_the_changes_up_to_then(archive: FilledCatalog) -> None:
    archive.batches.change(add_user("x", "X", "x@else.example"), 5_000)
    archive.batches.change(add_user("y", "Y", "y@else.example"), 6_000)
    archive.commit()
    for time, known in ((4_999, set()), (5_000, {"x"}), (5_999, {"x"}), (6_000, {"x", "y"})):
        found = archive.catalog.directory_on(time)
        assert {user for user in ("x", "y") if found.holder(f"{user}@else.example")} == known
    assert archive.catalog.directory_on(6_000).users() == archive.catalog.directory.users()
