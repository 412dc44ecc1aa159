"""The sample mail: deterministic, well formed, and in agreement with its truth."""

import email
import re
import zlib
from collections import Counter
from email.message import Message
from random import Random

from muniment.service.demo.samples import COUNT, STAFF, samples, truth, users_csv
from muniment.service.demo.samples.files import csv, pdf, png, price_list
from muniment.service.demo.samples.scenario import SHARING_QUERY


def inner(data: bytes) -> bytes:
    """The original inside a report, in any form except base64."""
    start = data.index(b"message/rfc822\r\n\r\n") + len(b"message/rfc822\r\n\r\n")
    end = data.rindex(b"\r\n--_report_")
    return data[start : end if end > start else None]


def test_the_same_bytes_every_time() -> None:
    assert [s.data for s in samples(120)] == [s.data for s in samples(120)]
    assert [s.data for s in samples(120)] == [s.data for s in samples()][:120]


def test_every_mail_can_be_sent_over_smtp() -> None:
    for sample in samples():
        assert sample.data.endswith(b"\r\n")
        assert max(map(len, sample.data.split(b"\r\n"))) < 998
        rest = sample.data.replace(b"\r\n", b"")
        assert b"\r" not in rest
        assert b"\n" not in rest


def test_the_kinds_of_mail_that_arrive() -> None:
    kinds = Counter(sample.kind for sample in samples())
    assert sum(kinds.values()) == COUNT == 1000
    assert (kinds["broken"], kinds["hostile"], kinds["plain"], kinds["repeat"]) == (1, 1, 4, 3)
    assert kinds["fork"] > 150


def test_forks_differ_only_in_trace_headers() -> None:
    by_message: dict[bytes, set[bytes]] = {}
    for sample in samples(300):
        if (
            sample.kind in ("report", "fork")
            and b"Content-Transfer-Encoding: base64\r\n\r\n"
            not in (sample.data.partition(b"message/rfc822\r\n")[2][:60])
        ):
            original = inner(sample.data)
            message_id = re.search(rb"\r\nMessage-ID: (\S+)", original)
            assert message_id is not None
            by_message.setdefault(message_id[1], set()).add(original)
    forks = [copies for copies in by_message.values() if len(copies) > 1]
    assert len(forks) > 20
    for copies in forks:
        assert len({copy[copy.index(b"From: ") :].rstrip(b"\r\n-") for copy in copies}) == 1


def test_truth_counts_every_report_once() -> None:
    expected = truth()
    assert expected.reports == COUNT
    assert expected.reports == expected.messages + expected.merged + expected.quarantined
    assert expected.quarantined == 1
    assert all(hits > 5 for hits in expected.searches.values())
    assert expected.searches[SHARING_QUERY] == 50
    assert {person.address for person in STAFF} < set(expected.users)
    assert all(counts.inbox > 10 and counts.sent > 0 for counts in expected.users.values())


def test_truth_agrees_with_the_bytes() -> None:
    """Compares the truth with Message-IDs that the standard library reads from the bytes."""
    ids = set()
    for sample in samples():
        outer = email.message_from_bytes(sample.data)
        if sample.kind == "plain":
            ids.add(outer["Message-ID"])
        elif sample.kind != "broken":
            ids.add(outer["X-MS-Exchange-Parent-Message-Id"])
    assert len(ids) == truth().messages


def test_three_languages_and_all_forms() -> None:
    text = b"".join(sample.data for sample in samples()).decode()
    assert "Kind regards" in text
    assert "Viele Grüße" in text
    assert "З повагою" in text
    for mark in ("Bcc: ", "Expanded: ", "Forwarded: ", "On-Behalf-Of: ", "ExJournalReport", "text/html"):
        assert mark in text


def test_the_hostile_sample_is_hostile() -> None:
    (hostile,) = (s.data.decode() for s in samples() if s.kind == "hostile")
    assert "\x1b]0;owned\x07" in hostile
    assert "\u202e" in hostile
    assert "[/x]" in hostile


def test_users_csv_lists_the_whole_staff() -> None:
    header, *rows = users_csv().splitlines()
    assert header == "name,address,alias"
    assert [row.split(",")[1] for row in rows] == [person.address for person in STAFF]


def test_attachments_have_their_stated_type() -> None:
    assert price_list().data == price_list().data
    paper = pdf("a.pdf", "Title", ["one"]).data
    start = int(paper.split(b"startxref\n")[1].split(b"\n")[0])
    assert paper[start : start + 4] == b"xref"
    assert csv("a.csv", Random(1), 3).data.count(b"\r\n") == 4
    picture = png("a.png", Random(1), 8).data
    pixels = picture[picture.index(b"IDAT") + 4 : picture.index(b"IEND") - 8]
    assert len(zlib.decompress(pixels)) == 8 * 9


def test_every_part_of_a_report_can_be_read() -> None:
    def walk(message: Message) -> int:
        return sum(1 for part in message.walk() if not part.is_multipart() and part.get_payload(decode=True))

    assert all(walk(email.message_from_bytes(sample.data)) for sample in samples(100))
