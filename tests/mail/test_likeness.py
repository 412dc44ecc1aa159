"""Likeness: copies that a service wrote anew are like their original, other messages are not."""

from __future__ import annotations

import pytest

from muniment.mail.likeness import likeness, name_of
from support.regenerating import regenerated
from support.reports import plain

ORIGINAL = plain(
    subject="Grüße",
    body="Guten Tag,\n\nanbei die Übersicht.\n",
    attachments=[("Übersicht.pdf", bytes(range(256)) * 40), ("b.bin", b"\0" * 3000)],
)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_what_was_written_anew_is_like_its_original(encoding: str) -> None:
    copy = regenerated(ORIGINAL, encoding)
    assert copy != ORIGINAL
    assert likeness(copy) == likeness(ORIGINAL) != b""


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b"From: Anna Berg <anna@", b"From: Anna Berg <anne@"),
        (b"Date: Tue, 14 Nov 2023 22:13:20", b"Date: Tue, 14 Nov 2023 22:13:21"),
        (b"Guten Tag", b"Guten Abend"),
        (b"Message-ID: <", b"Message-ID: <1"),
    ],
)
def test_other_messages_are_not(was: bytes, now: bytes) -> None:
    assert was in ORIGINAL
    assert likeness(ORIGINAL.replace(was, now)) != likeness(ORIGINAL)


def test_another_attachment_makes_another_message() -> None:
    more = plain(subject="x", message_id="<a@b>", attachments=[("a.bin", b"1" * 2000)])
    other = plain(subject="x", message_id="<a@b>", attachments=[("a.bin", b"2" * 2000)])
    assert likeness(more) != likeness(other)
    assert likeness(more) != likeness(plain(subject="x", message_id="<a@b>"))


def test_without_a_message_id_nothing_is_alike() -> None:
    assert likeness(plain(message_id="")) == b""
    assert name_of("") == b""
    assert name_of(" <a@b>\r\n ") == name_of("<a@b>") != name_of("<A@b>")


def test_an_edited_subject_tells_two_reads_of_one_item_apart() -> None:
    mail = plain(subject="Offer")
    edited = mail.replace(b"Subject: Offer", b"Subject: Void")
    assert likeness(mail) == likeness(edited)
    assert likeness(mail, unnamed=True) != likeness(edited, unnamed=True)
    assert likeness(mail, unnamed=True) == likeness(regenerated(mail), unnamed=True)
