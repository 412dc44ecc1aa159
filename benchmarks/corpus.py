"""A deterministic corpus of journal reports that resembles a company's mail.

It imitates what influences a rate or a ratio: sizes (median near 12 KB, mean near 23 KB, a long tail), words
by Zipf's law in three scripts, threads that quote earlier mail, an HTML alternative in two thirds, 7bit,
quoted-printable and base64 text, attachments from a shared pool, one report in twelve a fork of an earlier
message, and incompressible headers (signatures, ids). All words are invented.
"""

from __future__ import annotations

import base64
import itertools
import quopri
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import Header
from html import escape
from pathlib import Path
from time import gmtime, strftime

DOMAIN = "werft.example"
TENANT = "MicrosoftExchange0123456789abcdef@werft.example"
SHARED = f"office@{DOMAIN}"
"""A mailbox that receives a quarter of the mail, so that one folder is large."""
START = 1_735_689_600
"""2025-01-01, in seconds since 1970 UTC."""
SPAN = 365 * 86_400
EOL = "\r\n"
VERDICTS = tuple(
    (f"{subject}-{aspect}", verdict)
    for subject in (
        "Antispam-Report",
        "AuthSource",
        "ContentConversion",
        "Journaling",
        "Routing",
        "Transport",
    )
    for aspect, verdict in (
        ("Version", "15.20.8000.0"),
        ("Mechanism", "04"),
        ("Processed-By-Agents", "Journal Agent, Malware Agent, Routing Agent"),
        ("Directionality", "Originating"),
        ("Result", "CIP:255.255.255.255;CTRY:;LANG:en;SFV:NSPM;H:;PTR:;CAT:NONE;SFTY:;SFS:;DIR:INB;SFP:;"),
        ("Tenant-Attributed", "true"),
    )
)
"""Headers that Exchange adds and that are the same in every message. Usually there are 60 to 80."""
STYLE = "".join(
    f'{name}\r\n\t{{margin:0cm;\r\n\tfont-size:11.0pt;\r\n\tfont-family:"Calibri",sans-serif;\r\n\t'
    "mso-fareast-language:EN-US;}\r\n"
    for name in (
        "p.MsoNormal, li.MsoNormal, div.MsoNormal",
        "p.MsoListParagraph",
        "span.EmailStyle18",
        "a:link",
        "p.msonormal0",
        "span.EmailStyle20",
        "div.WordSection1",
        ".MsoChpDefault",
    )
)
"""The style sheet that a mail program puts into every message."""


@dataclass(frozen=True)
class Tongue:
    """A language: its words, the frequent ones first, and their cumulative weights."""

    words: list[str]
    weights: list[float]


@dataclass
class Thread:
    """A conversation."""

    tongue: Tongue
    subject: str
    people: list[tuple[str, str]]
    quoted: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


def tongue(rng: random.Random, onsets: list[str], vowels: list[str], size: int) -> Tongue:
    """An invented language of `size` words."""
    words: dict[str, None] = {}
    while len(words) < size:
        syllables = rng.choices((1, 2, 3, 4), (2, 5, 4, 2))[0]
        word = "".join(rng.choice(onsets) + rng.choice(vowels) for _ in range(syllables))
        words[word + (rng.choice(onsets) if rng.random() < 0.4 else "")] = None
    listed = list(words)
    listed[:50] = sorted(listed[:50], key=len)
    return Tongue(listed, list(itertools.accumulate(1 / (rank + 2) ** 1.05 for rank in range(size))))


class Corpus:
    """Generates reports. The same seed gives the same bytes."""

    def __init__(self, seed: int = 7, attachments: int = 1500) -> None:
        self._rng = rng = random.Random(seed)
        latin = [*"bcdfghjklmnprstvw", "st", "tr", "ch", "pl"]
        self._tongues = [
            tongue(rng, latin, list("aeiou"), 40_000),
            tongue(rng, [*latin, "sch", "pf"], [*"aeiouäöü", "ei", "au"], 30_000),
            tongue(rng, list("бвгджзклмнпрстфх"), list("аеиоуыя"), 20_000),
        ]
        self._staff = [self._person(DOMAIN) for _ in range(300)]
        partners = [f"{word}.example" for word in self._tongues[0].words[600:900]]
        self._outside = [self._person(rng.choice(partners)) for _ in range(3000)]
        self._files = [self._attachment(number) for number in range(attachments)]
        self._threads: list[Thread] = []
        self._recent: list[bytes] = []

    def reports(self, count: int) -> Iterator[bytes]:
        """The first reports, in the order in which they would arrive."""
        for number in range(count):
            when = START + SPAN * number // max(count, 1)
            if self._recent and self._rng.random() < 0.08:
                inner = self._fork(self._rng.choice(self._recent))
            else:
                inner = self._message(when)
                self._recent = [*self._recent[-30:], inner]
            yield self._report(inner, when)

    @property
    def words(self) -> list[str]:
        """The words of the most common language, the frequent ones first."""
        return self._tongues[0].words

    @property
    def users(self) -> list[str]:
        """Addresses of the company's people."""
        return [address for _, address in self._staff]

    # --- people and words -----------------------------------------------------------------

    def _person(self, domain: str) -> tuple[str, str]:
        first, last = (self._rng.choice(self._tongues[0].words[300:6000]) for _ in range(2))
        return f"{first.capitalize()} {last.capitalize()}", f"{first}.{last}@{domain}"

    def _words(self, tongue_: Tongue, count: int) -> list[str]:
        return self._rng.choices(tongue_.words, cum_weights=tongue_.weights, k=count)

    def _paragraphs(self, tongue_: Tongue, count: int) -> list[str]:
        words = iter(self._words(tongue_, count))
        paragraphs = []
        while chunk := list(itertools.islice(words, self._rng.randint(12, 90))):
            sentences = []
            while chunk:
                cut = self._rng.randint(5, 16)
                sentences.append(" ".join(chunk[:cut]).capitalize() + self._rng.choice("....?!"))
                chunk = chunk[cut:]
            paragraphs.append(" ".join(sentences))
        return paragraphs

    def _token(self, size: int) -> str:
        return base64.b64encode(self._rng.randbytes(size)).decode()

    # --- parts ------------------------------------------------------------------------------

    def _attachment(self, number: int) -> str:
        rng = self._rng
        size = int(min(110_000, max(1500, rng.lognormvariate(10.1, 0.9))))
        kind, media = rng.choice(
            [
                ("pdf", "application/pdf"),
                ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
                ("png", "image/png"),
                ("csv", "text/csv"),
            ]
        )
        if kind == "csv":
            row = "{};{};{:.2f}\r\n"
            data = "".join(
                row.format(rng.randint(1, 9999), rng.choice(self._tongues[0].words), rng.uniform(0, 9999))
                for _ in range(size // 20)
            ).encode()
        else:
            text = " ".join(self._words(self._tongues[0], size // 30)).encode()
            data = rng.randbytes(size * 2 // 3) + text
        name = f"{rng.choice(self._tongues[0].words)}-{number}.{kind}"
        head = [
            f'Content-Type: {media}; name="{name}"',
            f'Content-Disposition: attachment; filename="{name}"; size={len(data)}',
            "Content-Transfer-Encoding: base64",
        ]
        body = base64.encodebytes(data).decode().replace("\n", EOL)
        return EOL.join(head) + EOL + EOL + body

    def _text_part(self, media: str, text: str) -> str:
        raw = text.encode()
        choice = self._rng.random()
        if text.isascii() and choice < 0.4 and max(map(len, text.split(EOL))) < 900:
            encoding, body = "7bit", text
        elif choice < 0.75:
            encoding = "quoted-printable"
            body = quopri.encodestring(raw.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n").decode()
        else:
            encoding, body = "base64", base64.encodebytes(raw).decode().replace("\n", EOL)
        head = f'Content-Type: {media}; charset="utf-8"{EOL}Content-Transfer-Encoding: {encoding}'
        return head + EOL + EOL + body + EOL

    def _html(self, paragraphs: list[str]) -> str:
        style = f"<style><!--{EOL}{STYLE}--></style>"
        rows = "".join(
            '<p class="MsoNormal"><span lang="EN-US" style="font-size:11.0pt;mso-fareast-language:EN-US">'
            f"{escape(one)}<o:p></o:p></span></p>{EOL}"
            for one in paragraphs
        )
        return f"<html><head>{style}</head>{EOL}<body>{EOL}{rows}</body></html>"

    def _multipart(self, kind: str, parts: list[str]) -> str:
        mark = f"_{self._rng.randbytes(12).hex()}_"
        body = "".join(f"--{mark}{EOL}{part}{EOL}" for part in parts)
        return f'Content-Type: multipart/{kind}; boundary="{mark}"{EOL}{EOL}{body}--{mark}--{EOL}'

    # --- messages ---------------------------------------------------------------------------

    def _thread(self) -> Thread:
        rng = self._rng
        if self._threads and rng.random() < 0.6:
            return rng.choice(self._threads[-200:])
        language = rng.choices(self._tongues, (70, 22, 8))[0]
        size = rng.choice((1, 1, 2, 3, 5))
        people = [rng.choice(self._staff)] + [
            rng.choice(self._staff if rng.random() < 0.6 else self._outside) for _ in range(size)
        ]
        thread = Thread(language, " ".join(self._words(language, rng.randint(2, 7))).capitalize(), people)
        self._threads = [*self._threads[-400:], thread]
        return thread

    def _message(self, when: int) -> bytes:
        rng = self._rng
        thread = self._thread()
        sender, *others = rng.sample(thread.people, len(thread.people))
        words = int(min(6000, max(10, rng.lognormvariate(4.3, 1.1))))
        fresh = [*self._paragraphs(thread.tongue, words), "-- ", sender[0], f"{DOMAIN} | +43 1 5550"]
        paragraphs = [*fresh, *(f"> {line}" for line in thread.quoted[-60:])]
        text = self._text_part("text/plain", (EOL + EOL).join(paragraphs))
        if rng.random() < 0.67:
            html = self._text_part("text/html", self._html(paragraphs))
            text = self._multipart("alternative", [text, html])
        if rng.random() < 0.2:
            files = [
                self._files[int(len(self._files) * rng.random() ** 2)] for _ in range(rng.choice((1, 1, 2)))
            ]
            text = self._multipart("mixed", [text, *files])
        message_id = f"<{rng.randbytes(14).hex().upper()}@{sender[1].partition('@')[2]}>"
        head = self._headers(thread, sender, others, message_id, when)
        thread.quoted = [*fresh, *thread.quoted][:60]
        thread.ids.append(message_id)
        return (head + text).encode()

    def _headers(
        self,
        thread: Thread,
        sender: tuple[str, str],
        others: list[tuple[str, str]],
        message_id: str,
        when: int,
    ) -> str:
        subject = thread.subject if not thread.ids else f"RE: {thread.subject}"
        if not subject.isascii():
            subject = Header(subject, "utf-8", maxlinelen=70).encode(linesep=EOL)
        stamp = strftime("%a, %d %b %Y %H:%M:%S +0000", gmtime(when))
        domain = sender[1].partition("@")[2]
        lines = [
            *self._trace(stamp),
            f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=s1;{EOL}\tb={self._token(128)}",
            f'From: "{sender[0]}" <{sender[1]}>',
            "To: " + f",{EOL}\t".join(f'"{name}" <{address}>' for name, address in others[:2]),
            *([f"Cc: {', '.join(address for _, address in others[2:])}"] if others[2:] else []),
            f"Subject: {subject}",
            f"Date: {stamp}",
            f"Message-ID: {message_id}",
            *(
                [f"In-Reply-To: {thread.ids[-1]}", f"References: {' '.join(thread.ids[-4:])}"]
                if thread.ids
                else []
            ),
            "MIME-Version: 1.0",
        ]
        return EOL.join(lines) + EOL

    def _trace(self, stamp: str) -> list[str]:
        token = self._token
        spam = self._rng.randint(-1, 5)
        verdicts = [
            f"X-MS-Exchange-Organization-{name}: {value}"
            for name, value in (
                *VERDICTS,
                ("SCL", spam),
                ("MessageLatency", f"SRV=hub.{DOMAIN}:TOTAL=0.{spam + 1}"),
            )
        ]
        return [
            f"Received: from mail{self._rng.randint(1, 9)}.{DOMAIN} (10.0.0.{self._rng.randint(1, 250)}) by "
            f"hub.{DOMAIN}{EOL} with ESMTPS id {token(9)}; {stamp}",
            f"ARC-Seal: i=1; a=rsa-sha256; s=arc; d={DOMAIN};{EOL} b={token(96)}",
            f"X-MS-Exchange-Organization-Network-Message-Id: {self._rng.randbytes(16).hex()}",
            "X-MS-Exchange-Organization-MessageDirectionality: Originating",
            f"X-MS-Exchange-CrossTenant-Id: {'0123456789abcdef' * 2}",
            f"X-MS-Exchange-Transport-EndToEndLatency: 00:00:0{self._rng.randint(0, 9)}",
            *verdicts,
        ]

    def _fork(self, inner: bytes) -> bytes:
        cut = inner.index(b"DKIM-Signature:")
        stamp = strftime("%a, %d %b %Y %H:%M:%S +0000", gmtime(START))
        return (EOL.join(self._trace(stamp)) + EOL).encode() + inner[cut:]

    def _report(self, inner: bytes, when: int) -> bytes:
        rng = self._rng
        header = inner[: inner.index(b"\r\n\r\n")].decode()
        lines = header.split(EOL)
        sender = next(line for line in lines if line.startswith("From: ")).rpartition("<")[2].rstrip(">")
        message_id = next(line for line in lines if line.startswith("Message-ID: ")).removeprefix(
            "Message-ID: "
        )
        recipients = [rng.choice(self._staff)[1] for _ in range(rng.choice((1, 1, 2, 2, 3)))]
        if rng.random() < 0.25:
            recipients.append(SHARED)
        envelope = [
            f"Sender: {sender}",
            "Subject: made up",
            f"Message-Id: {message_id}",
            *(f"Recipient: {address}" for address in recipients),
        ]
        mark = f"_{rng.randbytes(16).hex()}_"
        stamp = strftime("%a, %d %b %Y %H:%M:%S +0000", gmtime(when))
        head = [
            f"Received: from hub.{DOMAIN} by journal.{DOMAIN} with ESMTPS id {self._token(9)}; {stamp}",
            *(line for line in lines if line.startswith(("From: ", "To: ", "Cc: "))),
            f"Sender: <{TENANT}>",
            "Subject: made up",
            f"Date: {stamp}",
            f"Message-ID: <{rng.randbytes(16).hex()}@journal.report.generator>",
            "X-MS-Journal-Report:",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/mixed; boundary="{mark}"',
        ]
        to = next(
            (index for index, line in enumerate(head) if line.startswith("To: ") and line.endswith(",")), None
        )
        if to is not None:
            head[to] = head[to].rstrip(",")
        front = (
            EOL.join(head) + EOL * 2 + f"--{mark}{EOL}Content-Type: text/plain; charset=us-ascii{EOL * 2}"
            + EOL.join(envelope) + EOL * 2 + f"--{mark}{EOL}Content-Type: message/rfc822{EOL * 2}"
        )  # fmt: skip
        return front.encode() + inner + f"{EOL}--{mark}--{EOL}".encode()


def write_maildir(folder: Path, count: int, seed: int = 7) -> int:
    """Write `count` reports as a maildir, and return their size in bytes. An existing maildir of that
    count is kept."""
    done = folder / f".complete-{count}-{seed}"
    if done.exists():
        return int(done.read_text())
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    total = 0
    for number, report in enumerate(Corpus(seed).reports(count)):
        (folder / "cur" / f"{number:07d}.bench:2,S").write_bytes(report)
        total += len(report)
    done.write_text(str(total))
    return total
