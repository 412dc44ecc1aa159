"""Journal reports of sample letters, in the forms that servers send ([MS-XJRNL])."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from muniment.service.demo.samples.letter import (
    SampleLetter,
    SampleRecipient,
    in_lines,
    mailbox,
    multipart,
    stamp,
    written,
)
from muniment.service.demo.samples.people import DOMAIN

REPORTER = f"MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@{DOMAIN}"
"""The address in the `Sender` field of the tenant's reports."""

FORMS = ("usual", "base64", "unclosed", "2003", "transport")


def trace(letter: SampleLetter, fork: int) -> str:
    """The header fields that transport adds to one fork of a letter; they differ between forks."""
    hop = f"mx{fork + 1}.{DOMAIN}"
    lines = [
        f"Received: from relay{fork}.{DOMAIN} by {hop} with ESMTPS id {letter.number:06d}{fork};\r\n"
        f"\t{stamp(letter.time + fork)}",
        f"X-MS-Exchange-Organization-Network-Message-Id: {letter.number:08x}-{fork:04x}",
        f"X-MS-Exchange-Organization-AuthSource: {hop}",
    ]
    if letter.sent:
        lines.append("X-MS-Exchange-Organization-MessageDirectionality: Originating")
    else:
        lines.append("X-MS-Exchange-Organization-MessageDirectionality: Incoming")
        lines.append(f"Authentication-Results: {hop}; spf=pass; dkim=none")
    return "".join(line + "\r\n" for line in lines)


def report(
    letter: SampleLetter,
    original: bytes,
    recipients: Sequence[SampleRecipient],
    fork: int = 0,
    form: str = "usual",
) -> bytes:
    """A journal report: the envelope with some recipients of a letter, and the original.

    Args:
        letter: the letter.
        original: the bytes of the letter.
        recipients: the recipients that the envelope names.
        fork: number of the fork, from 0.
        form: "usual", "base64" (encoding of the inner part), "unclosed" (without the last delimiter), "2003"
            (marker and fields of Exchange 2003) or "transport" (the marker's name inside transport).
    """
    envelope = _envelope(letter, recipients, form).encode("utf-8")
    text = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + envelope
    if form == "base64":
        encoding, original = b"Content-Transfer-Encoding: base64\r\n", in_lines(base64.b64encode(original))
    else:
        encoding = b""
    inner = b"Content-Type: message/rfc822\r\n" + encoding + b"\r\n" + original
    boundary = f"_report_{letter.number:06d}_{fork}_"
    return _headers(letter, fork, form) + multipart("mixed", boundary, [text, inner], form != "unclosed")


def _headers(letter: SampleLetter, fork: int, form: str) -> bytes:
    marker = {
        "2003": "Content-Identifier: ExJournalReport",
        "transport": "X-MS-Exchange-Organization-Journal-Report:",
    }.get(form, "X-MS-Journal-Report:")
    lines = [
        f"From: {mailbox(letter.behalf or letter.sender)}",
        f"Sender: <{REPORTER}>",
        "To: " + ",\r\n ".join(letter.to),
        f"Subject: {written(letter.subject)}",
        f"Date: {stamp(letter.time + 2 + fork)}",
        f"Message-ID: <{letter.number:08x}-{fork:04x}-{letter.time:012x}@journal.report.generator>",
        f"X-MS-Exchange-Parent-Message-Id: {letter.message_id}",
        "Auto-Submitted: auto-generated",
        marker,
        "MIME-Version: 1.0",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _envelope(letter: SampleLetter, recipients: Sequence[SampleRecipient], form: str) -> str:
    lines = [f"Sender: {letter.sender.address}"]
    if letter.behalf:
        lines.append(f"On-Behalf-Of: {letter.behalf.address}")
    lines += [f"Subject: {letter.subject}", f"Message-ID: {letter.message_id}"]
    if form == "2003":
        lines += ["Recipients:", *(r.person.address for r in recipients)]
    else:
        lines += [_line(letter, recipient) for recipient in recipients]
    return "".join(line + "\r\n" for line in lines)


def _line(letter: SampleLetter, recipient: SampleRecipient) -> str:
    kind = recipient.kind if letter.sent else "Recipient"
    note = f", {recipient.note}" if recipient.note else ""
    return f"{kind}: {recipient.person.address}{note}"
