"""The truth of the samples, counted from the letters, agrees with what is read from their bytes."""

import base64
from collections import Counter, defaultdict

import pytest

from muniment.mail.content.content_hash import content_hash
from muniment.mail.headers.routing import read_routing
from muniment.mail.journal.report import read_report
from muniment.mail.model import UnwrapError
from muniment.people.changes import set_domains
from muniment.people.directory import Directory
from muniment.people.importer import import_csv
from muniment.people.routing import RoutedEnvelope, route_message
from muniment.service.demo.samples import DOMAIN, samples, truth, users_csv

JOURNAL, HEADERS = 1, 2


@pytest.fixture(scope="module")
def directory() -> Directory:
    made = Directory()
    for change in (set_domains([DOMAIN]), *import_csv(users_csv(), made)):
        made.apply(change, 0)
    return made


def read(data: bytes) -> tuple[bytes, RoutedEnvelope] | None:
    """Content hash and envelope of the message in a report; None if it can't be unwrapped."""
    try:
        report = read_report(data)
    except UnwrapError:
        return None
    if report is None:
        envelope = read_routing(data)
        return content_hash(data), RoutedEnvelope(HEADERS, 0, envelope.parties)
    (span,) = report.originals
    original = data[span.start : span.end]
    if span.encoding == "base64":
        original = base64.b64decode(original)
    return content_hash(original), RoutedEnvelope(JOURNAL, 0, report.envelope.parties)


def test_reading_the_bytes_gives_the_truth(directory: Directory) -> None:
    expected, messages, broken = truth(), defaultdict[bytes, list[RoutedEnvelope]](list), 0
    for sample in samples():
        copy = read(sample.data)
        if copy is None:
            broken += 1
        else:
            messages[copy[0]].append(copy[1])
    assert (broken, len(messages)) == (expected.quarantined, expected.messages)

    folders: Counter[tuple[str, str]] = Counter()
    for envelopes in messages.values():
        folders.update(
            (directory.user(user).primary, folder) for user, folder in route_message(envelopes, directory)
        )
    due = {(user, "Inbox"): counts.inbox for user, counts in expected.users.items()}
    due |= {(user, "Sent"): counts.sent for user, counts in expected.users.items()}
    assert folders == due
