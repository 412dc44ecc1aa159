"""What arrives at the journal mailbox, in which order, and what must come of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random

from muniment.service.demo.samples.files import price_list
from muniment.service.demo.samples.letter import Letter, Recipient, mailbox, multipart, render
from muniment.service.demo.samples.people import DOMAIN, STAFF, STRANGER
from muniment.service.demo.samples.report import report, trace
from muniment.service.demo.samples.writer import Writer

COUNT = 1000
SEED = 17
OLEKSA = STAFF[3]
SHARING_QUERY = "filename:Preisliste"
SEARCHES = ("Leuchtturm", SHARING_QUERY, f"user:{OLEKSA.address} рахунок")
"""Queries whose number of hits the truth knows: a word, a file name, a person and a word."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail as it arrives at the journal mailbox."""

    data: bytes
    kind: str
    """"report", "fork", "repeat", "plain", "hostile" or "broken"."""
    sender: str
    """The SMTP envelope's sender."""


@dataclass(slots=True)
class Counts:
    """Messages in a user's folders."""

    inbox: int = 0
    sent: int = 0


@dataclass(slots=True)
class Truth:
    """What an archive of the samples must hold, counted from the letters and never from their bytes."""

    reports: int = 0
    """Mails that arrive, whatever they are."""
    messages: int = 0
    """Distinct messages among them."""
    merged: int = 0
    """Further copies of messages that are there already."""
    quarantined: int = 0
    catch_all: int = 0
    """Messages that concern nobody of the company."""
    users: dict[str, Counts] = field(default_factory=dict)
    """Counts by primary address."""
    searches: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SEARCHES, 0))
    """Hits by query."""


@dataclass(frozen=True, slots=True)
class _Posting:
    """A letter on its way to the journal mailbox, whole or one fork of it."""

    kind: str
    letter: Letter
    recipients: tuple[Recipient, ...]
    fork: int = 0
    form: str = "usual"


def samples(count: int = COUNT, seed: int = SEED) -> Iterator[Sample]:
    """`count` mails in order of arrival; the same bytes for the same arguments."""
    for posting in _postings(count, seed):
        yield Sample(_bytes(posting), posting.kind, posting.letter.sender.address)


def truth(count: int = COUNT, seed: int = SEED) -> Truth:
    """What must come of `samples(count, seed)` in a vault whose domain is DOMAIN."""
    told = Truth()
    for letter, postings in _by_letter(_postings(count, seed)):
        told.reports += len(postings)
        if postings[0].kind == "broken":
            told.quarantined += 1
        elif postings[0].kind == "repeat":
            told.merged += 1
        else:
            told.messages += 1
            told.merged += len(postings) - 1
            _file(told, replace(letter, recipients=sum((p.recipients for p in postings), ())))
    return told


def _file(told: Truth, letter: Letter) -> None:
    inbox, sent = letter.inbox, letter.sent
    for user in inbox:
        told.users.setdefault(user, Counts()).inbox += 1
    for user in sent:
        told.users.setdefault(user, Counts()).sent += 1
    told.catch_all += not inbox and not sent
    words = set(re.findall(r"\w+", f"{letter.subject}\n{letter.text}".casefold()))
    found = (
        "leuchtturm" in words,
        price_list().name in {file.name for file in letter.files},
        "рахунок" in words and OLEKSA.user in inbox | sent,
    )
    for query, hit in zip(SEARCHES, found, strict=True):
        told.searches[query] += hit


def _by_letter(postings: Iterator[_Posting]) -> Iterator[tuple[Letter, list[_Posting]]]:
    """Postings of one letter together: forks of a letter arrive one after another."""
    held: list[_Posting] = []
    for posting in postings:
        if held and posting.kind != "fork":
            yield held[0].letter, held
            held = []
        held.append(posting)
    if held:
        yield held[0].letter, held


# --- order of arrival -----------------------------------------------------------------------------


def _postings(count: int, seed: int) -> Iterator[_Posting]:
    return islice(_endless(seed), count)


def _endless(seed: int) -> Iterator[_Posting]:
    """Letters and their forks; and among each 1,000 letters, what else arrives at such a mailbox."""
    random = Random(seed)  # noqa: S311 - letters, not keys
    for nth, letter in enumerate(Writer(random).letters(), 1):
        forks = _forks(letter)
        yield from forks
        place = nth % 1000
        if place == 5:
            yield _Posting("hostile", *_addressed(_hostile(letter)))
        elif place == 25:
            yield _Posting("broken", *_addressed(_outside(letter, 90_000_000)))
        elif place in (15, 45, 75, 105):
            yield _Posting("plain", *_addressed(_outside(letter, 80_000_000)))
        elif place in (35, 65, 95):
            yield replace(forks[0], kind="repeat")


def _addressed(letter: Letter) -> tuple[Letter, tuple[Recipient, ...]]:
    return letter, letter.recipients


def _forks(letter: Letter) -> list[_Posting]:
    """One report a fork: the company's own recipients, in halves when they are many, and the others."""
    own = tuple(r for r in letter.recipients if r.person.user)
    others = tuple(r for r in letter.recipients if not r.person.user)
    groups = [own[: len(own) // 2], own[len(own) // 2 :]] if len(own) > 4 else [own]
    groups = [group for group in (*groups, others) if group]
    form = _form(letter.number)
    return [
        _Posting("fork" if fork else "report", letter, group, fork, form) for fork, group in enumerate(groups)
    ]


def _form(number: int) -> str:
    for every, form in ((29, "base64"), (31, "unclosed"), (37, "2003"), (11, "transport")):
        if number % every == 0:
            return form
    return "usual"


def _outside(near: Letter, offset: int) -> Letter:
    """A note from a stranger to one of the company, dated as a letter near it."""
    person = STAFF[near.number % len(STAFF)]
    return Letter(
        number=offset + near.number,
        sender=STRANGER,
        recipients=(Recipient("To", person),),
        subject=f"Newsletter {near.number}: lamps of the month",
        text=f"Dear {person.name},\n\nthis month we present seven lamps that every lighthouse needs.\n",
        time=near.time + 30,
        to=(mailbox(person),),
    )


def _hostile(near: Letter) -> Letter:
    """A mail made to harm whoever lists it: escape sequences, markup, text turned around."""
    attacker = replace(STRANGER, name="[bold red]Prize[/x] Office")
    return replace(
        _outside(near, 70_000_000),
        sender=attacker,
        subject="\x1b]0;owned\x07\x1b[2J[/x] [link=file:///x]You won\x9b31m \u202egnp.tset\u202c\u200b",
        text="Read this aloud: \x1b[1;31mred\x1b[0m \x1b]52;c;cHduZWQ=\x07 [bold]markup[/nothing]\n",
    )


def _bytes(posting: _Posting) -> bytes:
    letter = posting.letter
    original = render(letter, trace(letter, posting.fork))
    if posting.kind == "plain":
        return f"Delivered-To: {letter.recipients[0].person.address}\r\n".encode("ascii") + original
    if posting.kind == "broken":
        return _broken(letter)
    return report(letter, original, posting.recipients, posting.fork, posting.form)


def _broken(letter: Letter) -> bytes:
    """Says that it is a journal report, and holds no message."""
    text = b"Content-Type: text/plain\r\n\r\nSender: " + letter.sender.address.encode("ascii") + b"\r\n"
    headers = (
        f"From: <postmaster@{DOMAIN}>\r\nTo: {letter.to[0]}\r\nSubject: {letter.subject}\r\n"
        f"Message-ID: <broken-{letter.number}@journal.report.generator>\r\n"
        "X-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
    )
    return headers.encode("ascii") + multipart("mixed", "_broken_", [text], closed=False)
