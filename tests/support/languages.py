"""Text in many languages: sentences from the message catalogues of Debian's programs."""

from __future__ import annotations

import base64
import gettext
import os
import quopri
import random
import re
import shutil
import subprocess
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

INSTALLED = Path("/usr/share/locale")
PACKAGES = ("adduser", "apt", "coreutils", "debconf-i18n", "dpkg", "iso-codes", "tar")
DOMAINS = (
    *("adduser", "apt", "coreutils", "debconf", "dpkg", "dpkg-dev", "tar", "iso_3166-1", "iso_3166-3"),
    *("iso_639-2", "iso_4217", "iso_15924"),
)
NEEDED = 50
"""Least number of sentences for a language."""
CHARSETS = {
    "ar": "windows-1256", "be": "koi8-u", "bg": "windows-1251", "cs": "iso-8859-2", "da": "iso-8859-1",
    "de": "iso-8859-15", "el": "iso-8859-7", "es": "windows-1252", "et": "iso-8859-4", "fa": "utf-16",
    "fr": "iso-8859-1", "he": "windows-1255", "hu": "windows-1250", "ja": "iso-2022-jp", "ko": "euc-kr",
    "lt": "windows-1257", "pl": "iso-8859-2", "ru": "koi8-r", "th": "tis-620", "tr": "iso-8859-9",
    "uk": "koi8-u", "vi": "windows-1258", "zh_CN": "gb18030", "zh_TW": "big5",
}  # fmt: skip
"""The charset of a language's mail before UTF-8. A sentence with other letters is in UTF-8."""
_FORMAT = re.compile(r"%[-#0 +]*[0-9.*]*(?:hh|h|ll|l|j|z|t|L)?[a-zA-Z%]|[*?\"“”„\x00-\x1f]+")


def catalogues(work: Path) -> Path:
    """A folder with the catalogues of many languages: this machine's, or that of one of Debian's packages."""
    if len(list(INSTALLED.glob("*/LC_MESSAGES/iso_3166-1.mo"))) >= NEEDED:
        return INSTALLED
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("Debian's translations are absent, and no apt-get that has them")
    done = subprocess.run(["apt-get", "download", *PACKAGES], cwd=work, check=False, capture_output=True)
    if done.returncode:
        if os.environ.get("CI"):
            pytest.fail(done.stderr.decode())
        pytest.skip("Debian's translations are absent, and no way to its packages")
    for package in work.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(work)], check=True)
    return work / "usr" / "share" / "locale"


def sentences(folder: Path, language: str) -> list[str]:
    """The translated sentences of a language without placeholders, in random order."""
    found: dict[str, None] = {}
    for domain in DOMAINS:
        path = folder / language / "LC_MESSAGES" / f"{domain}.mo"
        if path.is_file():
            try:
                with path.open("rb") as file:
                    catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
            except UnicodeError:  # a catalogue in another charset than it names
                continue
            for key, text in catalogue.items():
                if key and text != key:
                    found[" ".join(_FORMAT.sub(" ", text).split())] = None
    made = [text for text in found if 3 <= len(text) <= 400]
    random.Random(language).shuffle(made)
    return made


def mail(language: str, number: int, lines: list[str]) -> bytes:
    """A mail of these lines, in the language's old charset or in UTF-8, with varying transfer encodings."""
    message = EmailMessage(policy=SMTP)
    message["From"] = "ada@example.com"
    message["To"] = "bob@example.com"
    message["Message-ID"] = f"<{language}-{number}@example.com>"
    message["Subject"] = lines[0][:200]
    text = "\n".join(lines) + "\n"
    charset = CHARSETS.get(language, "utf-8") if number % 2 else "utf-8"
    try:
        raw = text.encode(charset)
    except UnicodeError:
        charset, raw = "utf-8", text.encode()
    if number % 5 == 4:
        html = "".join(f"<p>{line.replace('&', '&amp;').replace('<', '&lt;')}</p>\n" for line in lines)
        message.set_content(html, subtype="html", charset="utf-8", cte="quoted-printable")
        return message.as_bytes()
    cte = ("8bit", "base64", "quoted-printable")[number % 3]
    if charset in ("utf-16", "iso-2022-jp"):
        cte = "base64"
    message.set_content(raw, "text", "plain", cte="base64")
    return _encoded(message, charset, cte, raw)


def _encoded(message: EmailMessage, charset: str, cte: str, raw: bytes) -> bytes:
    head = b"".join(
        f"{name}: {message.policy.fold(name, value).partition(': ')[2]}".encode("ascii")
        for name, value in message.items()
        if not name.lower().startswith("content-")
    )
    head += (
        f'Content-Type: text/plain; charset="{charset}"\r\nContent-Transfer-Encoding: {cte}\r\n\r\n'.encode()
    )
    lines = raw.replace(b"\n", b"\r\n") if charset != "utf-16" else raw
    if cte == "base64":
        return head + base64.encodebytes(lines).replace(b"\n", b"\r\n")
    return head + (quopri.encodestring(lines) if cte == "quoted-printable" else lines)
