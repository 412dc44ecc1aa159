"""How fast a vault answers searches and pages."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from benchmarks.corpus import SHARED, SPAN, START, Corpus
from benchmarks.lab import Lab
from benchmarks.measure import percentile, run
from benchmarks.peers import from_maildir, muniment, vault_of
from benchmarks.report import Aim, Section, Table
from muniment import api
from muniment.archive.vault.open_vault import open_vault
from muniment.service.dispatch.table import OPERATIONS
from muniment.service.host.session import ClientSession

SEARCH_LIMIT = 0.010
PAGE_LIMIT = 0.005
WARM_UP = 20
COMMANDS = 5
DAY = 86_400
KINDS = {
    "a frequent word": ("{common}", ""),
    "a usual word": ("{usual}", ""),
    "a rare word": ("{rare}", ""),
    "two words": ("{common} {usual}", ""),
    "a phrase": ('"{common} {usual}"', ""),
    "a word but not another": ("{common} -{usual}", ""),
    "a sender": ("from:{someone}", ""),
    "a user": ("user:{someone}", ""),
    "a week": ("{week}", ""),
    "a word and a user": ("{common} user:{someone}", ""),
    "a word and a week": ("{common} {week}", ""),
    "a user and a week": ("user:{someone} {week}", ""),
    "a word, a user and a week": ("{common} user:{someone} {week}", ""),
    "a word, in one user's mail": ("{common}", "{someone}"),
    "a week, in one user's mail": ("{week}", "{someone}"),
}
"""The kinds of questions: the query, and whose mail is searched."""
COLUMNS = ("", "Hits, mean", "p50, ms", "p99, ms", "Longest, ms")
TEXT = """\
A vault of {count:,} reports is asked {queries:,} different questions of each kind, for 50 hits, newest
first, with senders, subjects and folders of the hits. The time is that of the engine's call in its own
process, with the vault open and warm, as in a service: the query is parsed, users are expanded to their
addresses, the index is searched, and the rows are read. A page is 50 messages of the folder `{folder}`,
which has {size:,}. A whole command, including the start of the program, takes {command:.0f} ms (median of
{commands})."""


@dataclass(frozen=True)
class Timed:
    """One kind of question: the duration of each in seconds, and the number of hits."""

    seconds: Sequence[float]
    found: float

    def row(self, name: str) -> tuple[str, ...]:
        """The row in the report."""
        figures = (percentile(self.seconds, 50), percentile(self.seconds, 99), max(self.seconds))
        return (name, f"{self.found:,.0f}", *(f"{one * 1000:.2f}" for one in figures))

    @property
    def p99(self) -> float:
        """The duration, in seconds, that 99 of 100 do not exceed."""
        return percentile(self.seconds, 99)


def measure(lab: Lab) -> Section:
    """Searches of many kinds, and pages at the beginning, in the middle and at the end of a folder."""
    mail = lab.mail(lab.settings.large)
    contestant = from_maildir(mail.path, mail.count)
    with lab.scratch() as folder:
        contestant.prepare(folder)
        used = [run(command, folder) for command in contestant.commands(folder)]
        contestant.check(folder, used[-1].output)
        os.sync()
        with Desk(vault_of(folder)) as desk:
            searches = {kind: desk.searches(ask) for kind, ask in questions(lab.settings.queries).items()}
            pages, size = desk.pages(lab.settings.queries)
        command = _command(folder)
    rows = [one.row(kind) for kind, one in {**searches, **pages}.items()]
    slowest, page = max(one.p99 for one in searches.values()), max(one.p99 for one in pages.values())
    text = TEXT.format(
        count=mail.count,
        queries=lab.settings.queries,
        folder=f"{SHARED}/Inbox",
        size=size,
        command=command * 1000,
        commands=COMMANDS,
    )
    return Section(
        "Search",
        text,
        ("muniment search QUERY", "muniment list USER/FOLDER"),
        [Table(COLUMNS, rows)],
        [
            Aim("search: p99 of every kind under 10 ms", f"{slowest * 1000:.1f} ms", slowest < SEARCH_LIMIT),
            Aim("a folder's page, anywhere: p99 under 5 ms", f"{page * 1000:.1f} ms", page < PAGE_LIMIT),
        ],
    )


class Desk:
    """Sends requests to an open vault, and times the answers."""

    def __init__(self, folder: Path) -> None:
        self._vault = open_vault(folder, write=False)
        self._session = ClientSession(folder, self._vault)

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self._vault.close()

    def searches(self, requests: Sequence[api.Search]) -> Timed:
        """Ask each question once, after some questions to warm up."""
        for request in requests[:WARM_UP]:
            self._ask(request)
        found = [self._timed(request) for request in requests]
        return Timed([one for one, _ in found], mean(hits.total for _, hits in found))

    def pages(self, count: int) -> tuple[dict[str, Timed], int]:
        """Pages of the largest folder at three places, and the number of its messages."""
        marks = list(self._marks())
        size = self._page(marks[0]).total
        places = {"first": marks[0], "middle": marks[len(marks) // 2], "last": marks[-1]}
        return {f"page: the {name}": self._paged(mark, count) for name, mark in places.items()}, size

    def _paged(self, mark: str, count: int) -> Timed:
        request = _page_request(mark)
        found = [self._timed(request) for _ in range(count)]
        return Timed([one for one, _ in found], len(found[0][1].hits))

    def _marks(self) -> Iterator[str]:
        """The beginning of each page of the folder."""
        mark = ""
        while True:
            yield mark
            if not (mark := self._page(mark).after):
                return

    def _page(self, mark: str) -> api.Hits:
        return self._ask(_page_request(mark))

    def _timed(self, request: api.Request) -> tuple[float, api.Hits]:
        began = time.perf_counter()
        hits = self._ask(request)
        return time.perf_counter() - began, hits

    def _ask(self, request: api.Request) -> api.Hits:
        hits = OPERATIONS[type(request)].handler(self._session, request)
        assert isinstance(hits, api.Hits)
        return hits


def _page_request(mark: str) -> api.ListMessages:
    return api.ListMessages(user=SHARED, folder="Inbox", after=mark)


def _command(folder: Path) -> float:
    """Seconds of a whole command."""
    word = Corpus().words[40]
    return median(run(muniment(folder, "search", word, "--json"), folder).seconds for _ in range(COMMANDS))


def questions(count: int) -> dict[str, list[api.Search]]:
    """The given number of questions of each kind, always the same ones."""
    corpus = Corpus()
    rng = random.Random(11)
    pools = {
        "common": corpus.words[20:200],
        "usual": corpus.words[200:2000],
        "rare": corpus.words[2000:30_000],
    }
    pools["someone"] = [*corpus.users, SHARED]

    def fill(pattern: str) -> str:
        first = START + rng.randrange(0, SPAN - 7 * DAY)
        week = f"after:{_date(first)} before:{_date(first + 7 * DAY)}"
        return pattern.format(week=week, **{name: rng.choice(words) for name, words in pools.items()})

    return {
        kind: [api.Search(query=fill(query), user=fill(user)) for _ in range(count)]
        for kind, (query, user) in KINDS.items()
    }


def _date(when: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(when))
