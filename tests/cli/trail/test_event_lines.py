"""The audit trail in words, as lines, and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from muniment import api
from muniment.archive.catalog import audit_keys
from muniment.cli.trail.event_csv import COLUMNS, csv_of
from muniment.cli.trail.event_lines import LOOK, about, act, grouped, whose
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.operations.operation import AuditRule
from support.engine_double import HOSTILE, EngineDouble, invoke

NOW = 1_767_614_400


def event(word: str = "Show", at: int = 0, **fields: Any) -> api.AuditEvent:
    """An event of ada, `at` seconds before NOW; `fields` that an event does not have are its details."""
    own: dict[str, Any] = {"event": "read", "who": "ada", "uid": 1, "role": "auditor", "kind": "read"}
    common = {name: fields.pop(name) for name in api.AuditEvent.__struct_fields__ if name in fields}
    return api.AuditEvent(
        **(own | common | {"word": word, "sequence": 1000 - at, "time": NOW - at, "detail": fields})
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (event(), "read a message"),
        (event("ReadRaw", what="report", report=2), "read a journal report"),
        (event("ReadRaw"), "read the source of a message"),
        (event("ReadAttachment", number=3), "opened attachment 3"),
        (event("ListMessages"), "listed a folder"),
        (event("Search"), "searched"),
        (event("Export", total=1234), "exported 1,234 messages"),
        (event("Export", total=1), "exported 1 message"),
        (event("Export"), "exported mail"),
        (event("PutProfile", event="changed"), "changed a profile"),
        (event("PutProfile", event="changed", new=True), "added a profile"),
        (event("Show", event="refused"), "tried to read a message"),
        (event("AddUser", event="changed"), "added a person or addresses"),
        (event("AddUser", event="changed", of="ada"), "changed a person"),
        (event("GetStatus", event="refused"), "tried to get status"),
        (event("vault.toml", event="login bound"), "bound a login to a person"),
        (event("", event="something new"), "something new"),
        (event("Verify", event="started"), "started a verification"),
        (event("Backup", event="started"), "started a backup"),
        (event("Rebuild", event="started"), "started a rebuild"),
        (event("RetryQuarantine", event="started"), "started a retry of quarantine"),
        (event("Verify", event="refused"), "tried to verify the archive"),
    ],
)
def test_acts_are_told_in_words_of_people(given: api.AuditEvent, words: str) -> None:
    assert act(given) == words


def test_stopped_work_is_named_with_its_number_and_owner() -> None:
    stopped = event("StopWork", event="changed", work="backup", number=3, owner="root")
    assert about(stopped) == "backup 3 by root"


def test_every_recorded_request_has_words() -> None:
    """This fails for a new request that is in the audit trail and has no words yet."""
    for request, operation in OPERATIONS.items():
        if operation.audit is not AuditRule.NEVER:
            kind = "changed" if operation.audit in (AuditRule.CHANGE, AuditRule.WITHIN) else "read"
            name = request.__name__
            spelt = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
            assert act(event(name, event=kind)) != spelt, name


def test_an_act_that_waits_for_a_second_person_is_not_called_done() -> None:
    asked = event("ReleaseHold", event="changed", answer="ask")
    assert act(asked) == "asked a second person to release a legal hold"
    assert act(event("ReleaseHold", event="changed")) == "released a legal hold"


def test_kinds_are_those_of_the_catalog() -> None:
    assert api.AUDIT_KINDS == audit_keys.KINDS


def test_whose_mail_it_was_is_named_or_counted() -> None:
    people = tuple(f"p{n}@example.com" for n in range(5))
    assert whose(event(people=people[:1])) == "p0@example.com"
    assert whose(event(people=people)) == "p0@example.com, p1@example.com and 3 more"
    assert whose(event(everybody=True)) == "everybody"
    assert whose(event()) == ""


def test_requests_of_one_look_are_one_line_and_none_is_lost() -> None:
    look = [event("ListMessages", at, user="dora@example.com", folder="Inbox") for at in (0, 2, 3, 9)]
    other = event("ListMessages", 4, user="dora@example.com", folder="Sent")
    eve = event("ListMessages", 5, who="eve", user="dora@example.com", folder="Inbox")
    later = event("ListMessages", 10 + LOOK, user="dora@example.com", folder="Inbox")
    events = sorted([*look, other, eve, later], key=lambda one: -one.time)
    lines = grouped(events)
    assert [[one.time - NOW for one in line.events] for line in lines] == [
        [0, -2, -3, -9], [-4], [-5], [-10 - LOOK],
    ]  # fmt: skip
    assert sorted(id(one) for line in lines for one in line.events) == sorted(map(id, events))


def test_a_search_that_was_typed_letter_by_letter_is_one_line() -> None:
    typed = [event("Search", at, query=query) for at, query in enumerate(("invoice", "invoi", "inv"))]
    another = event("Search", 5, query="salary")
    (first, second) = grouped([*typed, another])
    assert (first.about, len(first.events)) == ("invoice", 3)
    assert second.about == "salary"
    apart = grouped([event("Search", 0, query="invoice"), event("Search", 500, query="inv")])
    assert len(apart) == 2
    whole = grouped([event("Search", 0, query="a"), event("Search", 1, query="")])
    assert len(whole) == 2


def test_equal_refusals_are_counted() -> None:
    (line,) = grouped([event(at=n, event="refused", count=n + 1, refusal="not theirs") for n in range(3)])
    assert line.times == 6
    assert line.about == "6 times; refusal: not theirs"


def test_csv_is_rfc_4180_and_safe_in_a_spreadsheet() -> None:
    hostile = [
        event("Search", query='=HYPERLINK("http://x","y")', reason='a,b\n"c"'),
        event("Search", 1, query=HOSTILE, who="+ada"),
        event("Search", 2, query="\t=1", folder="-1+1"),
        event("Show", 3, messages=["ab" * 32], people=("@x", "b@example.com")),
    ]
    data = csv_of(hostile[:1], header=True) + csv_of(hostile[1:])
    assert data.endswith(b"\r\n")
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert len(rows) == 4
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["query"] == """'=HYPERLINK("http://x","y")"""
    assert rows[0]["time"] == "2026-01-05T12:00:00Z"
    assert rows[1]["reader"] == "'+ada"
    assert rows[3]["whose"] == "'@x b@example.com"
    for row in rows:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())
    assert "\x1b" not in data.decode()


def test_the_command_follows_pages_until_there_are_enough_events() -> None:
    asked: list[api.GetAudit] = []

    class Pages(EngineDouble):
        def call(self, request: api.Request) -> api.WireWord:
            assert isinstance(request, api.GetAudit)
            asked.append(request)
            few = tuple(event(at=1000 - (request.after or 1000) + n) for n in range(2))
            return api.Audit(events=few, after=few[-1].sequence if few[-1].sequence > 990 else 0)

    filters = ("--person", "d@x.example", "--from", "7d", "--kind", "read", "--kind", "export")
    more = ("--reader", "ada", "--until", "today", "--word", "case 9")
    result = invoke(Pages(), "audit", "--limit", "5", *filters, *more)
    assert result.code == 0, result.err
    assert [(one.limit, one.after) for one in asked][:2] == [(5, 0), (3, 999)]
    wanted = asked[0]
    assert (wanted.person, wanted.since, wanted.until, wanted.reader) == ("d@x.example", "7d", "today", "ada")
    assert (wanted.kinds, wanted.word) == (("read", "export"), "case 9")
    asked.clear()
    printed = invoke(Pages(), "audit", "--csv")
    assert asked[-1].after
    assert len(printed.raw.splitlines()) == 1 + 2 * len(asked)
    assert printed.raw.startswith(b"time,reader,")
