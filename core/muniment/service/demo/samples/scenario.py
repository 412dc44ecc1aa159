"""The mails that arrive at the journal mailbox, in order, and what an archive of them must contain."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random

from muniment.service.demo.samples.files import price_list
from muniment.service.demo.samples.letter import SampleLetter, SampleRecipient, mailbox, multipart, render
from muniment.service.demo.samples.people import DOMAIN, STAFF, STRANGER
from muniment.service.demo.samples.report import report, trace
from muniment.service.demo.samples.writer import LetterWriter

COUNT = 1000
SEED = 17
OLEKSA = STAFF[3]
SHARING_QUERY = "filename:Preisliste"
SEARCHES = ("Leuchtturm", SHARING_QUERY, f"user:{OLEKSA.address} рахунок")
"""Queries for which the truth has the number of hits: a word, a file name, and a person with a word."""


@dataclass(frozen=True, slots=True)
class SampleMail:
    """One mail as it arrives at the journal mailbox."""

    data: bytes
    kind: str
    """"report", "fork", "repeat", "plain", "hostile" or "broken"."""
    sender: str
    """Sender of the SMTP envelope."""


@dataclass(slots=True)
class FolderCounts:
    """Messages in a user's folders."""

    inbox: int = 0
    sent: int = 0


@dataclass(slots=True)
class SampleTruth:
    """What an archive of the samples must contain, counted from the letters and not from their bytes."""

    reports: int = 0
    """All mails that arrive."""
    messages: int = 0
    """Distinct messages among them."""
    merged: int = 0
    """Further copies of messages that are already archived."""
    quarantined: int = 0
    catch_all: int = 0
    """Messages that concern no user."""
    users: dict[str, FolderCounts] = field(default_factory=dict)
    """Counts by primary address."""
    searches: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SEARCHES, 0))
    """Hits by query."""


@dataclass(frozen=True, slots=True)
class _Posting:
    """One mail on its way to the journal mailbox: a letter or one fork of it."""

    kind: str
    letter: SampleLetter
    recipients: tuple[SampleRecipient, ...]
    fork: int = 0
    form: str = "usual"


def samples(count: int = COUNT, seed: int = SEED) -> Iterator[SampleMail]:
    """The first `count` mails in order of arrival. The same arguments give the same bytes."""
    for posting in _postings(count, seed):
        yield SampleMail(_bytes(posting), posting.kind, posting.letter.sender.address)


def truth(count: int = COUNT, seed: int = SEED) -> SampleTruth:
    """What a vault with the domain DOMAIN must contain after `samples(count, seed)`."""
    expected = SampleTruth()
    for letter, postings in _by_letter(_postings(count, seed)):
        expected.reports += len(postings)
        if postings[0].kind == "broken":
            expected.quarantined += 1
        elif postings[0].kind == "repeat":
            expected.merged += 1
        else:
            expected.messages += 1
            expected.merged += len(postings) - 1
            _file(expected, replace(letter, recipients=sum((p.recipients for p in postings), ())))
    return expected


def _file(expected: SampleTruth, letter: SampleLetter) -> None:
    inbox, sent = letter.inbox, letter.sent
    for user in inbox:
        expected.users.setdefault(user, FolderCounts()).inbox += 1
    for user in sent:
        expected.users.setdefault(user, FolderCounts()).sent += 1
    expected.catch_all += not inbox and not sent
    words = set(re.findall(r"\w+", f"{letter.subject}\n{letter.text}".casefold()))
    found = (
        "leuchtturm" in words,
        price_list().name in {file.name for file in letter.files},
        "рахунок" in words and OLEKSA.user in inbox | sent,
    )
    for query, hit in zip(SEARCHES, found, strict=True):
        expected.searches[query] += hit


def _by_letter(postings: Iterator[_Posting]) -> Iterator[tuple[SampleLetter, list[_Posting]]]:
    """Group the mails by letter. The forks of a letter arrive one after another."""
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
    """Letters and their forks, and in each 1,000 letters some other mails that arrive at such a mailbox."""
    random = Random(seed)  # noqa: S311 - letters, not keys
    for nth, letter in enumerate(LetterWriter(random).letters(), 1):
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


def _addressed(letter: SampleLetter) -> tuple[SampleLetter, tuple[SampleRecipient, ...]]:
    return letter, letter.recipients


def _forks(letter: SampleLetter) -> list[_Posting]:
    """One report for each fork: the company's recipients (in halves if they are many), and all others."""
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


def _outside(near: SampleLetter, offset: int) -> SampleLetter:
    """A mail from outside to a person of the company, with a date near that of a letter."""
    person = STAFF[near.number % len(STAFF)]
    return SampleLetter(
        number=offset + near.number,
        sender=STRANGER,
        recipients=(SampleRecipient("To", person),),
        subject=f"Newsletter {near.number}: lamps of the month",
        text=f"Dear {person.name},\n\nthis month we present seven lamps that every lighthouse needs.\n",
        time=near.time + 30,
        to=(mailbox(person),),
    )


def _hostile(near: SampleLetter) -> SampleLetter:
    """A mail that attacks the screen that lists it: escape sequences, markup, reversed text."""
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


def _broken(letter: SampleLetter) -> bytes:
    """A mail that claims to be a journal report, but contains no message."""
    text = b"Content-Type: text/plain\r\n\r\nSender: " + letter.sender.address.encode("ascii") + b"\r\n"
    headers = (
        f"From: <postmaster@{DOMAIN}>\r\nTo: {letter.to[0]}\r\nSubject: {letter.subject}\r\n"
        f"Message-ID: <broken-{letter.number}@journal.report.generator>\r\n"
        "X-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
    )
    return headers.encode("ascii") + multipart("mixed", "_broken_", [text], closed=False)
