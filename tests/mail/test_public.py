"""The public form: the part of a header that every reader may see. It names no other recipients."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muniment.mail.content.public import (
    PUBLIC_FIELDS,
    PUBLIC_VERSION,
    hidden_bytes,
    is_public,
    public_pieces,
)
from muniment.mail.headers.routing import people_in
from muniment.mail.text.read_text import read_message

EVE = b"eve@example.com"
SECRET_NAMES = (
    *("Bcc", "BCC", "Resent-Bcc", "X-Bcc", "X-Receiver", "X-Gm-Original-To", "X-MDaemon-Deliver-To"),
    *("Delivered-To", "X-Delivered-To", "Envelope-To", "X-Envelope-To", "X-Original-To", "X-RCPT-TO"),
    *("Original-Recipient", "X-Apparently-To", "X-Real-To", "Received", "X-Anything-New", "Return-Path"),
    *("X-MS-Exchange-Organization-Recipients", "DKIM-Signature", "X-Forwarded-To", "X-To", "Errors-To"),
)
SHOWN = (
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "Content-Type",
    "Importance",
)


def public(message: bytes) -> bytes:
    return b"".join(public_pieces(message, 1000))


def text_of(message: bytes) -> str:
    """Everything that lists, searches and a plain reader take from a message, except its own Bcc."""
    summary, text = read_message(message)
    return "\n".join((summary.subject, summary.sender, summary.to, text.cc, text.body))


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize("space", ["", " ", "\t"])
@pytest.mark.parametrize("eol", ["\r\n", "\n", "\r"])
def test_a_field_that_is_not_in_the_table_is_left_out(name: str, space: str, eol: str) -> None:
    lines = [f"{one}: of bob{eol}\tand bob{eol}" for one in SHOWN]
    secret = f"{name}{space}: eve@example.com,{eol}\teve@example.com{eol}"
    whole = "".join([*lines[:4], secret, *lines[4:], eol, "body", eol])
    assert public(whole.encode()) == "".join([*lines, eol, "body", eol]).encode()
    assert hidden_bytes(whole.encode()) == len(secret)


def test_the_table_is_lower_case_and_names_each_field_once() -> None:
    assert len(set(PUBLIC_FIELDS)) == len(PUBLIC_FIELDS)
    assert all(name == name.lower() for name in PUBLIC_FIELDS)
    assert not any(is_public(name.lower().encode()) for name in SECRET_NAMES)


def test_the_access_page_shows_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
    about, _, behind = page.partition("**The public form**")[2].partition(":\n\n")
    table, _, _ = behind.partition("\n\n")
    assert f"(version {PUBLIC_VERSION}, `mail/content/public.py`)" in about
    assert sorted(table.lower().split()) == sorted(PUBLIC_FIELDS)


FOLDS = (
    "\r\n ",
    "\r\n\t",
    "\r\n \r\n ",
    "\r\n\t\r\n\t \r\n ",
    "\n ",
    "\n \n ",
    "\r ",
    "\r\r ",
    "\r\n \n ",
    " ",
)
folds = st.lists(st.sampled_from(FOLDS), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SECRET_NAMES), folds, st.sampled_from(SHOWN), st.booleans())
@example("Bcc", ["\r\n \r\n "], "Subject", True)
def test_no_fold_hides_a_recipient_in_another_field(
    name: str, between: list[str], before: str, last: bool
) -> None:
    secret = f"{name}: bob@example.com," + "".join(f"{fold}eve@example.com," for fold in between)
    shown = f"{before}: shown"
    lines = [shown, secret] if last else [secret, shown]
    message = "\r\n".join(("From: anna@example.com", *lines, "", "body", "")).encode()
    assert EVE not in public(message)
    assert b"body" in public(message)
    if "-" in name or name.lower() in ("bcc", "received"):
        assert EVE.decode() not in text_of(message)


@pytest.mark.parametrize(
    "header",
    [
        "Bcc: bob@example.com,\r\neve@example.com\r\nSubject: s\r\n",  # folded without white space
        "Bcc: bob@example.com,\r\n \r\neve@example.com\r\nSubject: s\r\n",
        "Subject: s\r\nno field\r\nBcc: eve@example.com\r\n",
        "Subject: s\r\nno field\r\nX-Receiver: eve@example.com\r\nDelivered-To: eve@example.com\r\n",
        "no field\r\nBcc: eve@example.com\r\n",
        "Subject: s\r\n \r\nno field\r\nBcc: eve@example.com,\r\n \r\n eve@example.com\r\n",
        "Bcc\x00: eve@example.com\r\nSubject: s\r\n",
        "Bcc\r\n : eve@example.com\r\nSubject: s\r\n",
        "\ufeffBcc: eve@example.com\r\nSubject: s\r\n",
        " Bcc: eve@example.com\r\nSubject: s\r\n",
        "From eve@example.com Mon Jan  1 00:00:00 2024\r\nSubject: s\r\n",
        "Subject: s\rBcc: eve@example.com\r\n",
    ],
)
def test_no_broken_header_hides_a_recipient(header: str) -> None:
    message = f"{header}\r\nbody\r\n".encode()
    assert EVE not in public(message)
    assert b"body" in public(message)
    if "\r" not in header.replace("\r\n", ""):
        assert EVE.decode() not in text_of(message)


def test_text_without_a_blank_line_before_it_is_kept() -> None:
    message = b"From: anna@example.com\nSubject: s\nHello Bob,\nNote: come at ten\nsee you\n\nmore\n"
    assert public(message) == message
    assert "come at ten" in text_of(message)


def test_the_header_of_an_attached_message_is_content() -> None:
    inner = b"From: anna@example.com\r\nBcc: eve@example.com\r\n\r\ninner\r\n"
    message = b"From: bob@example.com\r\nContent-Type: message/rfc822\r\n\r\n" + inner
    assert public(message) == message


lines = st.sampled_from(
    [
        *(f"{name}: a" for name in (*SHOWN, *SECRET_NAMES, "List-", "Toward")),
        "",
        " ",
        " folded",
        "stray",
        "To :b",
        "From a@b.example Mon Jan  1 00:00:00 2024",
        ">From a@b.example",
        "From : a@b.example",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(lines, st.sampled_from(["\r\n", "\n", "\r\n", "\r\n", "\r"])), max_size=9))
def test_the_size_of_the_public_form_is_known_without_building_it(given_lines: list[tuple[str, str]]) -> None:
    message = "".join(line + end for line, end in given_lines).encode() + b"\r\n\r\nbody\r\n"
    assert hidden_bytes(message) == len(message) - len(public(message))
    assert read_message(message)[1].people == people_in(message)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_the_public_form_of_any_bytes_is_part_of_them(message: bytes) -> None:
    form = public(message)
    assert len(form) == len(message) - hidden_bytes(message)
    rest = iter(message)
    assert all(byte in rest for byte in form)
