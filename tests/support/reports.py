"""Builds sample mail: plain messages, their forks, and journal reports in every known form.

Everything is deterministic: the same call gives the same bytes. All text is our own. The usual way:

    original = plain(sender="anna@example.com", to=["bob@example.com"], subject="Lunch")
    wrapped = report(original, recipients=["bob@example.com", line("Bcc", "eve@example.com")])
    assert original in wrapped

The envelope follows [MS-XJRNL] 2.1. `marker` and `recipients_block` give the form of Exchange 2003.
"""

from __future__ import annotations

import base64
import hashlib
import quopri
from collections.abc import Iterable, Sequence
from email.utils import formatdate

TENANT = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com"
"""The `Sender` of a report unless another is given. In lower case it is the report's tenant."""
EPOCH = 1_700_000_000
"""2023-11-14 22:13:20 UTC, the date of sample mail unless another is given."""
MARKER = "X-MS-Journal-Report:"


def plain(
    *,
    sender: str = "Anna Berg <anna@example.com>",
    to: Sequence[str] = ("bob@example.com",),
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    subject: str = "Plan for Monday",
    body: str | bytes = "Good morning,\n\nthe plan is on the table.\n",
    message_id: str | None = None,
    date: int | str | None = EPOCH,
    headers: Iterable[str] = (),
    attachments: Iterable[tuple[str, bytes]] = (),
    eol: bytes = b"\r\n",
) -> bytes:
    """A message as a mail program sends it.

    `headers` are whole header lines put first, as transport does. `message_id` includes its angle brackets;
    None makes it from the content, and "" leaves it out. `date` is seconds since 1970 or the field's text;
    None leaves it out. Text is sent as UTF-8; `attachments` are (name, content).
    """
    text = body if isinstance(body, bytes) else _lines(body.encode(), eol)
    if message_id is None:
        seed = repr((sender, list(to), subject, text, date)).encode()
        message_id = f"<{hashlib.sha256(seed).hexdigest()[:24]}@example.com>"
    lines = [*headers, f"From: {sender}"]
    lines += [f"{name}: {', '.join(who)}" for name, who in (("To", to), ("Cc", cc), ("Bcc", bcc)) if who]
    lines.append(f"Subject: {subject}")
    if date is not None:
        lines.append(f"Date: {date if isinstance(date, str) else formatdate(date)}")
    if message_id:
        lines.append(f"Message-ID: {message_id}")
    lines.append("MIME-Version: 1.0")
    return _with_body(lines, text, list(attachments), eol)


def fork(original: bytes, number: int, eol: bytes = b"\r\n") -> bytes:
    """The same message as another fork: other trace headers in front of the same content."""
    trace = [
        f"Received: from hub{number}.example.com (10.0.0.{number % 250}) by mail.example.com with ESMTP",
        f" id {number:08x}; {formatdate(EPOCH + number)}",
        f"X-MS-Exchange-Organization-Network-Message-Id: {number:032x}",
        "X-MS-Exchange-Organization-MessageDirectionality: Originating",
        f"Authentication-Results: spf=pass (sender IP is 10.0.0.{number % 250})",
    ]
    return _join(trace, eol) + original


def line(field: str, address: str, *, expanded: str = "", forwarded: str = "") -> str:
    """One recipient line of an envelope, such as `line("To", "bob@example.com",
    expanded="all@example.com")`.
    """
    text = f"{field}: {address}"
    if expanded:
        text += f", Expanded: {expanded}"
    if forwarded:
        text += f", Forwarded: {forwarded}"
    return text


def report(
    original: bytes,
    *,
    recipients: Sequence[str] = ("bob@example.com",),
    sender: str = "anna@example.com",
    on_behalf_of: str = "",
    subject: str | None = None,
    message_id: str | None = None,
    extra_fields: Iterable[str] = (),
    subject_first: bool = True,
    recipients_block: bool = False,
    envelope: str | bytes | None = None,
    charset: str = "us-ascii",
    envelope_encoding: str = "7bit",
    original_encoding: str = "",
    text_part: bool = True,
    part_headers: bool = True,
    second: bytes | None = None,
    closing: bool = True,
    preamble: bytes = b"",
    epilogue: bytes = b"",
    marker: str | None = MARKER,
    tenant: str = TENANT,
    date: int = EPOCH + 1,
    boundary: str = "_0b9a3a52-7c1e-4d0e-9a54-report_",
    content_type: str | None = None,
    headers: Iterable[str] = (),
    eol: bytes = b"\r\n",
) -> bytes:
    """A journal report that wraps `original`, whose bytes stay as they are.

    recipients          addresses (sent as `Recipient: address`) or whole lines made by `line`
    subject, message_id of the envelope; taken from the original when None, left out when ""
    extra_fields        further envelope lines (`Label: ...`, `SentUtc: ...`) before the recipients
    subject_first       Subject before Message-Id, as Exchange Online has it
    recipients_block    Exchange 2003: `Recipients:` and one address a line
    envelope            the whole text of the envelope, in place of all of the above
    charset, envelope_encoding   of the text part: 7bit, 8bit, quoted-printable or base64
    original_encoding   of the rfc822 part: "" (no header), base64 or quoted-printable
    text_part, part_headers, closing   False leaves out the text part, the headers of both parts
                        (the original then has none to be known by), the closing delimiter
    second              a second rfc822 part, as journal report decryption adds
    marker              the header line that marks a report; None for a report that lost it
    content_type        the value of the outer Content-Type in full, for odd ways to write a boundary
    headers             further header lines of the report, put first
    eol                 line end of the report's own lines
    """
    head = _report_head(original, marker, tenant, date, boundary, content_type, headers)
    fields = _envelope(
        original,
        sender,
        on_behalf_of,
        subject,
        message_id,
        extra_fields,
        subject_first,
        recipients,
        recipients_block,
    )
    text = fields if envelope is None else envelope
    raw = (
        text
        if isinstance(text, bytes)
        else _lines(text.encode("utf-8" if charset == "us-ascii" else charset), eol)
    )
    parts = []
    if text_part:
        parts.append(_text_part(raw, charset, envelope_encoding, part_headers, eol))
    inner = [original] if second is None else [original, second]
    parts += [_rfc822_part(each, original_encoding, part_headers, eol) for each in inner]
    delimiter = b"--" + boundary.encode()
    body = preamble + b"".join(delimiter + eol + part + eol for part in parts)
    return _join(head, eol) + eol + body + (delimiter + b"--" + eol if closing else b"") + epilogue


def ndr(wrapped: bytes, *, eol: bytes = b"\r\n", boundary: str = "_ndr-4711_") -> bytes:
    """A non-delivery report (RFC 3464) that returns a journal report as its third part."""
    head = [
        "From: postmaster@example.com",
        "To: journal-ndr@example.com",
        "Subject: Undeliverable: journal report",
        f"Date: {formatdate(EPOCH + 60)}",
        "Message-ID: <ndr-1@example.com>",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
    ]
    status = [
        "Reporting-MTA: dns;mail.example.com",
        "",
        "Final-Recipient: rfc822;journal@example.net",
        "Action: failed",
    ]
    parts = [
        _join(["Content-Type: text/plain", "", "The journal mailbox could not be reached."], eol),
        _join(["Content-Type: message/delivery-status", "", *status], eol),
        _join(["Content-Type: message/rfc822", ""], eol) + wrapped,
    ]
    delimiter = b"--" + boundary.encode()
    return (
        _join(head, eol)
        + eol
        + b"".join(delimiter + eol + part + eol for part in parts)
        + delimiter
        + b"--"
        + eol
    )


def _report_head(
    original: bytes,
    marker: str | None,
    tenant: str,
    date: int,
    boundary: str,
    content_type: str | None,
    headers: Iterable[str],
) -> list[str]:
    copied = [f"{name}: {value}" for name in ("Subject", "To", "From") if (value := _header(original, name))]
    digest = hashlib.sha256(original).hexdigest()
    stated = content_type or f'multipart/mixed; boundary="{boundary}"'
    head = [
        *headers,
        f"Content-Type: {stated}",
        *copied,
        "MIME-Version: 1.0",
    ]
    if tenant:
        head += ["Sender:", f"\t<{tenant}>"]
    head += [
        f"Message-ID: <{digest[:8]}-{digest[8:12]}@journal.report.generator>",
        f"Date: {formatdate(date)}",
    ]
    if marker is not None:
        head.append(marker)
    return [*head, "Auto-Submitted: auto-generated"]


def _envelope(
    original: bytes,
    sender: str,
    on_behalf_of: str,
    subject: str | None,
    message_id: str | None,
    extra_fields: Iterable[str],
    subject_first: bool,
    recipients: Sequence[str],
    recipients_block: bool,
) -> str:
    about = [
        ("Subject", _header(original, "Subject") if subject is None else subject),
        ("Message-Id", _header(original, "Message-ID") if message_id is None else message_id),
    ]
    lines = [f"Sender: {sender}"] if sender else []
    lines += [f"On-Behalf-Of: {on_behalf_of}"] if on_behalf_of else []
    ordered = about if subject_first else reversed(about)
    lines += [f"{name}: {value}" for name, value in ordered if value]
    lines += extra_fields
    if recipients_block:
        lines += ["Recipients:", *recipients]
    else:
        lines += [each if ":" in each else f"Recipient: {each}" for each in recipients]
    return "".join(each + "\n" for each in lines)


def _text_part(raw: bytes, charset: str, encoding: str, with_headers: bool, eol: bytes) -> bytes:
    content = _encode(raw, encoding, eol)
    if not with_headers:
        return eol + content
    head = [f'Content-Type: text/plain; charset="{charset}"', f"Content-Transfer-Encoding: {encoding}", ""]
    return _join(head, eol) + content


def _rfc822_part(original: bytes, encoding: str, with_headers: bool, eol: bytes) -> bytes:
    content = _encode(original, encoding, eol)
    if not with_headers:
        return eol + content
    head = ["Content-Type: message/rfc822"]
    head += [f"Content-Transfer-Encoding: {encoding}"] if encoding else []
    return _join([*head, ""], eol) + content


def _with_body(lines: list[str], text: bytes, attachments: list[tuple[str, bytes]], eol: bytes) -> bytes:
    plain_type = ['Content-Type: text/plain; charset="utf-8"', "Content-Transfer-Encoding: 8bit", ""]
    if not attachments:
        return _join([*lines, *plain_type], eol) + text
    delimiter = "--_parts-of-a-sample_"
    out = _join([*lines, f'Content-Type: multipart/mixed; boundary="{delimiter[2:]}"', ""], eol)
    out += _join([delimiter, *plain_type], eol) + text
    for name, content in attachments:
        head = [
            delimiter,
            f'Content-Type: application/octet-stream; name="{name}"',
            f'Content-Disposition: attachment; filename="{name}"',
            "Content-Transfer-Encoding: base64",
            "",
        ]
        out += eol + _join(head, eol) + _encode(content, "base64", eol)
    return out + eol + _join([delimiter + "--"], eol)


def _header(message: bytes, name: str) -> str:
    head = _lines(message, b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace")
    for each in head.replace("\n ", " ").replace("\n\t", " ").split("\n"):
        key, _, value = each.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return ""


def _encode(content: bytes, encoding: str, eol: bytes) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(content).replace(b"\n", eol)
    if encoding == "quoted-printable":
        return quopri.encodestring(_lines(content, b"\n")).replace(b"\n", eol)
    return content


def _lines(content: bytes, eol: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", eol)


def _join(lines: Iterable[str], eol: bytes) -> bytes:
    return b"".join(each.encode() + eol for each in lines)


def letters(*numbers: int) -> list[bytes]:
    """Journal reports of different messages: "Letter N" with the text "Text N"."""
    return [report(plain(subject=f"Letter {n}", body=f"Text {n}\n")) for n in numbers]
