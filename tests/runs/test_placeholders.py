"""Reports whose original is missing or replaced: each mail is listed by its envelope, as its own message."""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from muniment.archive.catalog import projection
from muniment.mail.notes import PLACEHOLDER
from muniment.parsing.tasks import CopyFacts
from support.cases import cases_dir
from support.reports import plain, report
from support.soak import in_soak
from support.vaults import TestVault

NOTICE = (
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\nThis attachment was removed because it was infected."
)
TNEF = (
    b'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + base64.encodebytes(b"\x78\x9f\x3e\x22" + bytes(3000)).replace(b"\n", b"\r\n")
)
OUTLOOK = TNEF.replace(b"application/ms-tnef", b"application/vnd.ms-outlook").replace(
    b"winmail.dat", b"mail.msg"
)
EMPTY = b"Content-Type: message/rfc822\r\n\r\n\r\n"
GENERIC = b"Content-Type: message/rfc822\r\n\r\nSubject: Message removed\r\n\r\nIt was larger than 10 MB.\r\n"
BARE = b"\r\nnothing but a line"


def replaced(
    part: bytes = NOTICE,
    number: int = 0,
    *,
    recipient: str = "To: bob@example.com",
    subject: str = "",
    message_id: str | None = None,
    sender: str = "anna@example.com",
    outer: str = "",
) -> bytes:
    """A journal report with `part` in the original's place."""
    identity = f"<p{number}@example.com>" if message_id is None else message_id
    lines = [f"Sender: {sender}", f"Subject: {subject or f'Quarterly figures {number}'}"]
    lines += [f"Message-Id: {identity}"] if identity else []
    envelope = "\r\n".join([*lines, recipient, ""]).encode()
    return b"\r\n".join([
        b"Subject: journal report",
        b"From: journal@example.com",
        b"Sender: <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>",
        f"Message-ID: <{outer or f'{number}.{recipient[-15:]}'}@journal.report.generator>".encode(),
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000",
        b"X-MS-Journal-Report:",
        b'Content-Type: multipart/mixed; boundary="_r_"',
        b"",
        b"--_r_",
        b'Content-Type: text/plain; charset="utf-8"',
        b"",
        envelope,
        b"--_r_",
        part,
        b"--_r_--",
        b"",
    ])  # fmt: skip


OTHERS = {"no-original": "j no original", "tnef-report": "j tnef report", "msg-report": "j msg report"}
JOURNALED = int(datetime(2026, 11, 2, 10, 0, 9, tzinfo=UTC).timestamp())
PARTS = {
    "virus notice": NOTICE, "winmail.dat": TNEF, "Outlook item": OUTLOOK, "empty message": EMPTY,
    "generic message": GENERIC, "bare text": BARE,
}  # fmt: skip


def test_the_cases_are_listed_by_their_envelopes(vault: TestVault) -> None:
    """Four mails with one notice; text, winmail.dat and an Outlook item in the original's place."""
    four = [(cases_dir() / "dedup" / f"placeholder{n}.eml").read_bytes() for n in range(4)]
    others = [(cases_dir() / "journal" / f"j-{name}.eml").read_bytes() for name in OTHERS]
    summary = vault.archive([*four, *others])
    assert (summary.new, summary.merged, summary.quarantined) == (7, 0, 0)
    hits = {hit.subject: hit for hit in vault.messages()}
    assert set(hits) == {*(f"different subject {n}" for n in range(4)), *OTHERS.values()}
    for subject, hit in hits.items():
        assert hit.sender == "alice@contoso.com"
        assert hit.date == JOURNALED, subject
        shown = vault.show(hit.id)
        assert PLACEHOLDER in shown.notes
        assert [one.id for one in vault.search(f'"{dict(shown.headers)["Message-ID"]}"')] == [hit.id]
    vault.sound()


@pytest.mark.parametrize(
    "name",
    [
        "virus notice",
        "winmail.dat",
        "empty message",
        *in_soak("Outlook item", "generic message", "bare text"),
    ],
)
def test_several_mails_with_the_same_placeholder_are_several_messages(vault: TestVault, name: str) -> None:
    part = PARTS[name]
    reports = [replaced(part, number) for number in range(3)]
    summary = vault.archive(reports)
    assert (summary.new, summary.merged, summary.quarantined) == (3, 0, 0)
    for _ in range(2):
        hits = {hit.subject: hit for hit in vault.messages()}
        assert set(hits) == {f"Quarterly figures {n}" for n in range(3)}
        for number, raw in enumerate(reports):
            hit = hits[f"Quarterly figures {number}"]
            assert hit.sender == "anna@example.com"
            assert [one.id for one in vault.search(f"subject:figures {number} from:anna@example.com")] == [
                hit.id
            ]
            assert [one.id for one in vault.search(f"p{number}@example.com")] == [hit.id]
            shown = vault.show(hit.id)
            assert PLACEHOLDER in shown.notes
            assert dict(shown.headers)["Message-ID"] == f"<p{number}@example.com>"
            assert vault.report(hit.id, 1) == raw
            assert part.strip() in vault.raw(hit.id)
        vault.rebuild()
    assert vault.tree() == {"anna@example.com": {"Sent": 3}, "bob@example.com": {"Inbox": 3}}
    vault.sound()


def test_the_placeholder_itself_is_read_too(vault: TestVault) -> None:
    vault.archive([replaced(NOTICE, 1), replaced(TNEF, 2), replaced(GENERIC, 3)])
    assert [hit.subject for hit in vault.search("infected")] == ["Quarterly figures 1"]
    (hit,) = vault.search("filename:winmail.dat")
    assert (hit.subject, hit.attachments) == ("Quarterly figures 2", 1)
    assert [hit.subject for hit in vault.search("larger")] == ["Quarterly figures 3"]


def test_two_reports_of_one_such_mail_are_one_message(vault: TestVault) -> None:
    """With the same notice, or with another one for each recipient."""
    first = replaced(NOTICE, recipient="To: bob@example.com")
    same = replaced(NOTICE, recipient="Bcc: eve@example.com")
    other = replaced(
        NOTICE.replace(b"infected", b"infected, says another scanner"), recipient="To: kim@example.com"
    )
    assert vault.archive([first]).new == 1
    summary = vault.archive([same, other, first])
    assert (summary.new, summary.merged) == (0, 3)
    (hit,) = vault.messages()
    assert {vault.report(hit.id, number) for number in (1, 2, 3)} == {first, same, other}
    people = {"anna@example.com": {"Sent": 1}}
    assert vault.tree() == people | {f"{who}@example.com": {"Inbox": 1} for who in ("bob", "eve", "kim")}
    vault.rebuild()
    assert [one.id for one in vault.messages()] == [hit.id]
    assert vault.search("eve") == vault.search("bob") == [], "the message itself names no recipient"
    vault.sound()


@pytest.mark.parametrize(
    "other",
    [
        {"message_id": "<another@example.com>"}, {"subject": "another"}, {"sender": "mallory@example.com"},
        {"message_id": "<P0@example.com>"},
    ],
)  # fmt: skip
def test_another_envelope_is_another_mail(vault: TestVault, other: dict[str, Any]) -> None:
    assert vault.archive([replaced(), replaced(**other)]).new == 2
    vault.sound()


def test_without_a_message_id_each_report_is_another_mail(vault: TestVault) -> None:
    reports = [replaced(message_id="", outer=outer) for outer in ("one", "two")]
    assert vault.archive(reports).new == 2
    assert vault.archive(reports).merged == 2
    vault.sound()


def test_an_untrusted_report_is_never_merged_with_another(vault: TestVault) -> None:
    """A stranger first sends a false report of the same mail. Its notice is not shown for the mail."""
    forged = replaced(NOTICE.replace(b"infected", b"forged"))
    vault.archive([forged], tenant="somebody@else.example")
    vault.archive([replaced()])
    assert len(vault.messages()) == 2
    (hit,) = vault.search("infected")
    assert hit.folders == ("anna@example.com/Sent", "bob@example.com/Inbox")
    vault.rebuild()
    assert len(vault.messages()) == 2


def test_the_original_itself_is_another_message(vault: TestVault) -> None:
    """It may come in another report, or from a mailbox. Both messages are kept."""
    original = plain(subject="Quarterly figures 0", message_id="<p0@example.com>")
    vault.archive([replaced(), report(original)])
    vault.archive([original], journal=False, owner="bob@example.com")
    assert sorted(vault.raw(hit.id) == original for hit in vault.messages()) == [False, True]


def test_an_original_without_a_message_type_is_still_an_original(vault: TestVault) -> None:
    original = plain(subject="real")
    for part in (
        b"\r\n" + original,
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(original),
        b"Content-Type: message/rfc822\r\n\r\n" + original,
    ):
        vault.archive([replaced(part, outer=str(len(part)))])
        (hit,) = vault.messages()
        assert (vault.raw(hit.id), vault.show(hit.id).notes.count(PLACEHOLDER)) == (original, 0)


def test_a_poor_original_is_accepted_if_the_envelope_names_no_message_id(vault: TestVault) -> None:
    vault.archive([replaced(GENERIC, message_id="")])
    (hit,) = vault.messages()
    assert vault.raw(hit.id) == GENERIC.partition(b"\r\n\r\n")[2]


def test_hostile_words_in_an_envelope_make_no_header(vault: TestVault) -> None:
    subject = (
        "=?utf-8?B?" + base64.b64encode(b"a\r\nBcc: eve@example.com\r\n\r\n--x \xc3\xbc =?x?").decode() + "?="
    )
    vault.archive([replaced(subject=subject), replaced(number=1, subject="ü" * 3000)])
    subjects = sorted(hit.subject for hit in vault.messages())
    assert subjects[0] == "a Bcc: eve@example.com --x ü =?x?"
    assert set(subjects[1]) == {"ü"}
    assert all("Bcc" not in dict(vault.show(hit.id).headers) for hit in vault.messages())
    vault.sound()


def test_a_large_placeholder_is_kept_in_parts(vault: TestVault) -> None:
    part = (
        TNEF.partition(b"\r\n\r\n")[0]
        + b"\r\n\r\n"
        + base64.encodebytes(bytes(9_000_000)).replace(b"\n", b"\r\n")
    )
    raw = replaced(part)
    vault.archive([raw])
    (hit,) = vault.messages()
    assert (hit.subject, hit.attachments, vault.report(hit.id)) == ("Quarterly figures 0", 1, raw)
    vault.rebuild()
    vault.sound()


def test_the_log_and_the_state_of_health_mention_placeholders(
    vault: TestVault, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "muniment.run"):
        vault.archive([replaced(), report(plain())])
    assert [PLACEHOLDER in line for line in caplog.messages] == [True]


@pytest.mark.parametrize("noted", [True, False])
def test_placeholders_of_an_older_version_stay_unchanged(noted: bool) -> None:
    """Its receipt has no note of a placeholder, and the message is the part's bytes."""
    notes = (PLACEHOLDER,) if noted else ()
    facts = CopyFacts(True, "", None, (), ("x", PLACEHOLDER), key=b"key")
    found = projection.copy_content(b"s", True, notes, facts)
    assert (found.notes, found.key) == ((("x", PLACEHOLDER), b"key") if noted else (("x",), b""))
