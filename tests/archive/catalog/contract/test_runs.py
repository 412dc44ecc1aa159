"""The contract of every catalog: the history of runs, and the audit trail."""

from __future__ import annotations

import json
from typing import Any

from muniment.archive.facts import RoutingReason
from muniment.archive.ledger.model import DECISIONS, RecordKind
from muniment.mail.model import AddressRole
from support.catalogs import A_TO_B, FilledCatalog
from support.catalogued import sha


def test_runs_are_listed_newest_first(archive: FilledCatalog) -> None:
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


def test_runs_are_chosen_by_state_place_and_events(archive: FilledCatalog) -> None:
    quiet = {"profile": "one", "state": "ok", "fetched": 0, "deleted": 0, "skipped": 2, "passed_over": 2}
    events: list[dict[str, object]] = [{}, {"state": "failed"}, {"skipped": 3}, {"fetched": 1}, {}]
    for number, more in enumerate(events):
        archive.batches.run(json.dumps(quiet | more | {"number": number}))
    archive.commit()

    def numbers(**chosen: object) -> list[int]:
        return [json.loads(run.summary)["number"] for run in archive.catalog.runs(**chosen)]  # type: ignore[arg-type]

    assert numbers() == [4, 3, 2, 1, 0]
    assert numbers(state="failed") == [1]
    assert numbers(eventful=True) == [3, 2, 1]
    third = archive.catalog.runs(limit=3)[-1].sequence
    assert numbers(before=third) == [1, 0]
    assert numbers(before=third, state="ok", limit=5) == [0]


def test_the_first_and_the_last_report_of_a_profile_are_found(archive: FilledCatalog) -> None:
    archive.batches.mail("untrusted", *A_TO_B, route=RoutingReason.CATCH_ALL)
    archive.batches.mail("m1", *A_TO_B)
    archive.commit()
    first = archive.catalog.first_report("gateway")
    assert first is not None
    assert (first.sha, first.messages) == (sha("m1 report"), (sha("m1"),))
    assert archive.catalog.first_report("other") is None
    after = archive.catalog.head.tree_size
    assert archive.catalog.last_reports() == {"gateway": first.sequence}
    assert archive.catalog.last_reports(after) == {}
    archive.batches.mail("m2", *A_TO_B, profile="other")
    archive.commit()
    last = archive.catalog.envelope_by_sha(sha("m2 report"))
    assert last is not None
    assert archive.catalog.last_reports(after) == {"other": last.sequence}


def test_copies_with_flags_are_listed_newest_first(archive: FilledCatalog) -> None:
    for number in range(3):
        archive.batches.mail(f"m{number}", *A_TO_B, time=number, flags=(f"flag {number}",))
    archive.batches.mail("plain", *A_TO_B)
    archive.commit()
    assert archive.catalog.flagged(2) == [(2, ("flag 2",)), (1, ("flag 1",))]


def test_the_audit_trail_is_read_backwards(archive: FilledCatalog) -> None:
    for number in range(3):
        archive.batches.audit(json.dumps({"event": number}))
    archive.commit()
    events = archive.catalog.audited()
    assert [json.loads(row.event)["event"] for row in events] == [2, 1, 0]
    assert archive.catalog.audited(1, events[0].sequence) == events[1:2]
    assert archive.catalog.count_audits() == (archive.catalog.head, 3)


def test_audit_events_are_found_by_their_keys_in_both_directions(archive: FilledCatalog) -> None:
    for number in range(6):
        who = "ada" if number % 2 else "eve"
        archive.batches.audit(json.dumps({"event": "read", "word": "Show", "who": who, "n": number}))
    archive.batches.audit(json.dumps({"event": "refused", "who": "\ud800", "user": "Anna@Example.com"}))
    archive.commit()

    def numbers(**chosen: Any) -> list[int]:
        return [json.loads(row.event)["n"] for row in archive.catalog.audited(**chosen)]

    assert numbers(keys=["who:ada"]) == [5, 3, 1]
    assert numbers(keys=["who:ada"], oldest_first=True, limit=2) == [1, 3]
    assert numbers(keys=["who:ada", "who:eve"], limit=4) == [5, 4, 3, 2]
    third = archive.catalog.audited(keys=["who:ada"])[1].sequence
    assert numbers(keys=["who:ada"], before=third) == [1]
    assert numbers(keys=["who:ada"], after=third) == [5]
    assert numbers(keys=["who:nobody"]) == []
    assert len(archive.catalog.audited(keys=["address:anna@example.com"])) == 1
    assert archive.catalog.audit_keys("who:") == ["who:\\ud800", "who:ada", "who:eve"]
    assert archive.catalog.audit_keys("kind:") == ["kind:read", "kind:refused"]
    assert archive.catalog.audit_keys("kind:read") == ["kind:read"]
    assert archive.catalog.audit_keys("who:\ud800x") == archive.catalog.audit_keys("z") == []
    every = [row.sequence for row in archive.catalog.audited()]
    assert archive.catalog.audit_span(9, 10) == (every[-1], every[0])
    assert archive.catalog.audit_span(10, 99) == (0, -1)


def test_the_holders_of_messages_are_users_with_a_folder(archive: FilledCatalog) -> None:
    archive.batches.mail("m1", *A_TO_B)
    archive.batches.mail("m2", *A_TO_B, route=RoutingReason.CATCH_ALL)
    archive.commit()
    first, second = (archive.catalog.message_by_sha(sha(name)) for name in ("m1", "m2"))
    assert first is not None
    assert second is not None
    placed = archive.catalog.holders([first.sequence])
    assert placed
    assert all(archive.catalog.placed(user, [first.sequence]) for user in placed)
    assert archive.catalog.holders([second.sequence]) == {"catch-all"}
    assert archive.catalog.holders([]) == set()


def test_the_last_configuration_counts(archive: FilledCatalog) -> None:
    archive.batches.configuration("old")
    archive.batches.configuration("new")
    archive.commit()
    assert archive.catalog.configuration == sha("new")


def test_arrivals_are_counted_by_the_quarter_of_an_hour_of_their_report(archive: FilledCatalog) -> None:
    hour = 1_700_000_000 // 3600 * 3600
    for number, time in enumerate((hour, hour + 899, hour + 900, hour - 1)):
        archive.batches.mail(f"m{number}", *A_TO_B, time=time)
        archive.commit()
    assert archive.catalog.arrivals(hour, hour + 3600) == [(hour, 2, 0), (hour + 900, 1, 0)]
    assert archive.catalog.arrivals(hour - 1, hour) == [(hour - 900, 1, 0)]
    assert archive.catalog.arrivals(hour + 3600, hour + 7200) == []
    archive.batches.receipt("m1 report", key="again")  # fetched again, which is no arrival
    archive.commit()
    assert archive.catalog.arrivals(hour, hour + 900) == [(hour, 2, 0)]


def test_the_oldest_and_the_newest_report_are_known_and_the_future_does_not_count(
    archive: FilledCatalog,
) -> None:
    assert (archive.catalog.newest_report(2**40), archive.catalog.oldest_report()) == (0, 0)
    for number, time in enumerate((4000, 5000, 2**40)):
        archive.batches.mail(f"m{number}", *A_TO_B, time=time)
    archive.commit()
    assert archive.catalog.newest_report(6000) == 5000
    assert archive.catalog.newest_report(2**41) == 2**40
    assert archive.catalog.oldest_report() == 3600


def test_users_are_known_by_trusted_reports_in_their_usual_folders(archive: FilledCatalog) -> None:
    day = 86400
    archive.batches.mail("old", *A_TO_B, date=10 * day, time=10 * day)
    archive.batches.mail("late", (AddressRole.TO, "carl"), date=80 * day, time=100 * day)
    archive.batches.mail("dora", (AddressRole.TO, "dora"), date=100 * day, time=100 * day,
                         route=RoutingReason.CATCH_ALL)  # fmt: skip
    archive.batches.mail("own", route=RoutingReason.OWNER, owner="erik@firm.example", owner_folder="Inbox",
                         date=100 * day, time=100 * day)  # fmt: skip
    archive.commit()
    ids = {
        name: archive.catalog.directory.find(f"{name}@firm.example").id for name in ("alice", "bob", "carl")
    }
    usual = ("Inbox", "Sent")
    assert archive.catalog.reported_users(99 * day, usual) == {ids["carl"]}
    assert archive.catalog.reported_users(10 * day, usual) == set(ids.values())
    assert archive.catalog.reported_users(10 * day, ["Sent"]) == {ids["alice"]}
    assert archive.catalog.reported_users(101 * day, usual) == set()


def test_mail_that_was_on_its_way_for_more_than_30_days_makes_no_user_known(archive: FilledCatalog) -> None:
    day = 86400
    archive.batches.mail("in time", (AddressRole.TO, "carl"), date=70 * day, time=100 * day)
    archive.batches.mail("too late", (AddressRole.TO, "dora"), date=70 * day - 1, time=100 * day)
    archive.commit()
    carl = archive.catalog.directory.find("carl@firm.example").id
    assert archive.catalog.reported_users(100 * day, ["Inbox"]) == {carl}


def test_decisions_are_listed_by_kind_oldest_first(archive: FilledCatalog) -> None:
    for number in range(2):
        for kind in DECISIONS:
            archive.batches.decision(kind, json.dumps({"kind": kind, "number": number}))
    archive.commit()
    for kind in DECISIONS:
        found = [json.loads(row.content) for row in archive.catalog.decisions(kind)]
        assert found == [{"kind": kind, "number": number} for number in range(2)]
    assert archive.catalog.decisions(RecordKind.AUDIT) == []
    first, second = archive.catalog.decisions(RecordKind.HOLD)
    assert archive.catalog.decisions(RecordKind.HOLD, limit=1) == [first]
    assert archive.catalog.decisions(RecordKind.HOLD, first.sequence, 5) == [second]
    assert archive.catalog.decisions(RecordKind.HOLD, second.sequence) == []
