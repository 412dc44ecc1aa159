"""A sample letter as a value, and as the bytes of a mail."""

from __future__ import annotations

import base64
import html
import quopri
import time
from dataclasses import dataclass
from email.header import Header

from muniment.service.demo.samples.files import SampleFile
from muniment.service.demo.samples.people import SamplePerson


@dataclass(frozen=True, slots=True)
class SampleRecipient:
    """One recipient of a letter, as on its envelope."""

    kind: str
    """"To", "Cc" or "Bcc"."""
    person: SamplePerson
    note: str = ""
    """How they were reached, such as `Expanded: alle@nordlicht.example`."""


@dataclass(frozen=True, slots=True)
class SampleLetter:
    """One message as values."""

    number: int
    sender: SamplePerson
    recipients: tuple[SampleRecipient, ...]
    subject: str
    text: str
    time: int
    """Seconds since 1970 UTC."""
    to: tuple[str, ...]
    """Addresses of the To header, which may be distribution lists. Bcc recipients are in neither header."""
    cc: tuple[str, ...] = ()
    behalf: SamplePerson | None = None
    """The person on whose behalf the sender wrote."""
    files: tuple[SampleFile, ...] = ()
    replies_to: str = ""
    """Message-ID of the letter that this one answers."""
    style: str = "plain"
    """"plain", "alternative" (text and HTML) or "html" (only HTML)."""
    encoding: str = "8bit"
    """"8bit", "quoted-printable" or "base64"."""

    @property
    def message_id(self) -> str:
        """Unique, and always the same for the same letter."""
        return f"<{self.number:06d}.{self.time:x}@{self.sender.address.partition('@')[2]}>"

    @property
    def inbox(self) -> set[str]:
        """Addresses of the users whose Inbox the letter belongs in."""
        return {r.person.user for r in self.recipients if r.person.user}

    @property
    def sent(self) -> set[str]:
        """Addresses of the users whose Sent folder the letter belongs in."""
        return {p.user for p in (self.sender, self.behalf) if p and p.user}


def stamp(seconds: int) -> str:
    """A Date header's value (RFC 5322)."""
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(seconds))


def written(text: str) -> str:
    """The text of a header field, encoded (RFC 2047) if it is not ASCII."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=70).encode(linesep="\r\n")


def mailbox(person: SamplePerson) -> str:
    """A person as in From and To: name and address."""
    name = person.name if not person.name.isascii() else f'"{person.name}"'
    return f"{written(name)} <{person.address}>"


def render(letter: SampleLetter, trace: str = "") -> bytes:
    """The bytes of the mail with CRLF line ends, after `trace`, the header fields that transport added."""
    author = letter.behalf or letter.sender
    headers = [f"From: {mailbox(author)}"]
    if letter.behalf:
        headers.append(f"Sender: {mailbox(letter.sender)}")
    headers.append("To: " + ",\r\n ".join(letter.to))
    if letter.cc:
        headers.append("Cc: " + ",\r\n ".join(letter.cc))
    headers += [
        f"Subject: {written(letter.subject)}",
        f"Date: {stamp(letter.time)}",
        f"Message-ID: {letter.message_id}",
    ]
    if letter.replies_to:
        headers += [f"In-Reply-To: {letter.replies_to}", f"References: {letter.replies_to}"]
    headers.append("MIME-Version: 1.0")
    return (trace + "\r\n".join(headers) + "\r\n").encode("ascii") + _content(letter)


def _content(letter: SampleLetter) -> bytes:
    body = _body(letter)
    if not letter.files:
        return body
    return multipart("mixed", f"=_m{letter.number:08d}", [body, *map(_attachment, letter.files)])


def _body(letter: SampleLetter) -> bytes:
    plain = _leaf("text/plain", letter.text, letter.encoding)
    if letter.style == "plain":
        return plain
    rich = _leaf("text/html", _as_html(letter.text), letter.encoding)
    if letter.style == "html":
        return rich
    return multipart("alternative", f"=_a{letter.number:08d}", [plain, rich])


def multipart(subtype: str, boundary: str, parts: list[bytes], closed: bool = True) -> bytes:
    """A multipart entity that begins with its Content-Type header; with its last delimiter if `closed`."""
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode("ascii")
    line = f"--{boundary}".encode("ascii")
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts)
    return head + body + (line + b"--\r\n" if closed else b"")


def _leaf(content_type: str, text: str, encoding: str) -> bytes:
    data = text.replace("\n", "\r\n").encode("utf-8")
    if encoding == "base64":
        data = in_lines(base64.b64encode(data))
    elif encoding == "quoted-printable":
        data = quopri.encodestring(text.encode("utf-8")).replace(b"\n", b"\r\n")
    head = f"Content-Type: {content_type}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + data


def _attachment(file: SampleFile) -> bytes:
    head = (
        f'Content-Type: {file.content_type}; name="{file.name}"\r\n'
        f'Content-Disposition: attachment; filename="{file.name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode("ascii") + in_lines(base64.b64encode(file.data))


def in_lines(data: bytes, width: int = 76) -> bytes:
    """Base64 in lines of `width`, each ended by CRLF."""
    return b"".join(data[at : at + width] + b"\r\n" for at in range(0, len(data), width))


def _as_html(text: str) -> str:
    paragraphs = (html.escape(p).replace("\n", "<br>\n") for p in text.strip().split("\n\n"))
    shown = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<html><head><style>p {{ margin: 1em 0 }}</style></head>\n<body>\n{shown}\n</body></html>\n"
