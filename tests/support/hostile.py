"""Mail that attacks the person who views it, and a judge of the bytes that reach a terminal.

The judge shares nothing with the sanitiser: it follows ECMA-48 and Unicode's categories.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterable, Iterator

from support.reports import EPOCH, line, plain, report

ATTACKS = (
    "\x1b]52;c;NDcwMQ==\x07",  # clipboard
    "\x1b]2;title-4702\x1b\\",
    "\x1b]8;;http://4703.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[4704;4705H",
    "\x1b[4706m",
    "\x1b[?4707h",
    "\x1b[>4708u",
    "\x1bP4709q\x1b\\",
    "\x1b_4710\x1b\\",
    "\x1b^4711\x1b\\",
    "\x1bX4712\x1b\\",
    "\x9b4713m",
    "\x9d2;4714\x9c",
    "\x904715q\x9c",
    "\x1bc",
    "\x1b(0",
    "\x1b#8",
    "\x1b[6n",
    "\x1b[4716",  # never ends
    "\x1b",
    "\x00\x05\x07\x08\x0e\x0f\x7f\x84\x85",
    "\u202etxt.exe\u202c\u2066\u2069\u200e\u200f\u061c",
    "\u200b\u200d\u2060\ufeff\u00ad\u2028\u2029\U000e0041",
    "[/x][bold red]$error[link='http://4717.example']",
    "漢字\U0001f469\u200d\U0001f4bb\uff37\uff49\uff44\uff45",
    "e" + "\u0301" * 9,
)
"""Strings that mail may contain, each with a number that none of our programs sends."""
MARKS = [mark.encode() for mark in ("NDcwMQ==", *(str(number) for number in range(4701, 4718)))]
SUBJECT, NAME, BODY, PAGE, FILE, INSIDE, HEADER, LOST = (
    "Wsubject", "Wname", "Wbody", "Wpage", "Wfile", "Winside", "Wheader", "Wlost",
)  # fmt: skip
"""A harmless word behind each attack, which shows where the attack was displayed."""
VICTIM = "ada@example.com"


def hostile(word: str) -> str:
    """Every attack in one line, between two harmless words."""
    return f"{word} {''.join(ATTACKS)} {word}"


def encoded(text: str) -> str:
    """A header's value that decodes to `text` (RFC 2047)."""
    data = text.encode()
    parts = (base64.b64encode(data[at : at + 42]).decode() for at in range(0, len(data), 42))
    return "\r\n ".join(f"=?utf-8?b?{part}?=" for part in parts)


def letter(number: int = 0, body: str = "") -> bytes:
    """A message that is hostile in every place."""
    page = f"<p title='{hostile(PAGE)}'>{hostile(PAGE)}</p><script>4718</script>".encode()
    made = plain(
        sender=f"{encoded(hostile(NAME))} <evil@else.example>",
        to=[f'"{raw(NAME)}" <{VICTIM}>'],
        cc=[f"{encoded(hostile(NAME))} <bob@example.com>"],
        subject=encoded(hostile(SUBJECT)),
        headers=[f"X-Hostile: {raw(HEADER)}"],
        body=f"{body}{hostile(BODY)}\n" * 3,
        date=EPOCH + number,
        attachments=[(raw(FILE) + ".txt", hostile(INSIDE).encode()), (f"{raw(FILE)}.html", page)],
    )
    for kind in (b"text/plain; charset=utf-8", b"text/html; charset=utf-8"):
        made = made.replace(b"application/octet-stream", kind, 1)
    return made


def raw(word: str) -> str:
    """The same as `hostile`, in a form that does not break a header."""
    return hostile(word).replace('"', "").replace("\x85", "").replace("\u2028", "").replace("\u2029", "")


def reports() -> list[bytes]:
    """Journal reports of such messages: an ordinary one, one with a hostile envelope, and a broken one."""
    envelope = [line("Recipient", VICTIM), line("To", "bob@example.com", expanded=f"{raw(NAME)}@example.com")]
    fields = [raw(HEADER)]
    broken = f"Subject: {raw(SUBJECT)}\r\nX-MS-Journal-Report:\r\n{HEADER}: x\r\n\r\n{hostile(LOST)}\r\n"
    return [
        report(letter(), recipients=[VICTIM], sender="evil@else.example"),
        report(letter(1), recipients=envelope, sender="evil@else.example", subject=raw(SUBJECT)),
        report(letter(2), recipients=[VICTIM], sender=f"{raw(NAME)}@else.example", extra_fields=fields),
        broken.encode(),
    ]


# --- the judge ------------------------------------------------------------------------------------

_TOKENS = re.compile(
    # A control sequence; a control string with its end, if it has one; any other escape.
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
COLOURS = re.compile(r"\x1b\[(?:\d{1,3}(?:;\d{1,3})*)?m")
"""Sequences that any program may send to colour its words."""
_SILENT = frozenset(("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"))


def strays(data: bytes, own: Iterable[re.Pattern[str]] = ()) -> Iterator[str]:
    """Everything but harmless text, line ends, and the sequences of the program's `own`.

    Raises:
        UnicodeDecodeError: the data is no UTF-8, so a terminal may do anything with it.
    """
    allowed = (COLOURS, *own)
    text = data.decode("utf-8")
    for token in _TOKENS.findall(text):
        if not any(pattern.fullmatch(token) for pattern in allowed):
            yield f"sequence {token[:60]!r}"
    for character in sorted(set(_TOKENS.sub("", text)) - {"\r", "\n"}):
        if unicodedata.category(character) in _SILENT:
            yield f"character {character!a}"


def sequences(data: bytes) -> list[bytes]:
    """The control sequences and strings in the data."""
    return [token.encode() for token in _TOKENS.findall(data.decode("utf-8"))]


def judge(data: bytes, own: Iterable[re.Pattern[str]] = ()) -> None:
    """Assert that only harmless text and the program's own sequences reached the terminal."""
    assert not (found := list(strays(data, own))), found
    acting = [one for one in sequences(data) if any(mark in one for mark in MARKS)]
    assert not acting, acting
