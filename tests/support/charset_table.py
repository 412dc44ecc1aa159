"""How text with each label is archived, listed, shown and found. A table for docs/reading-mail.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from muniment import api
from muniment.mail.charsets.labels import charset_of
from support.labelled import Labelled, letter, number_word, sample
from support.vaults import TestVault

NAME = "charsets: checked by make soak"
BEGIN = f"<!-- {NAME} -->\n"


class Outcome(NamedTuple):
    """How the message with one label fared. Each field says whether that worked."""

    one: Labelled
    archived: bool
    listed: bool
    shown: bool
    found: bool


def outcomes(vault: TestVault, labels: Sequence[Labelled]) -> list[Outcome]:
    """Archive a message with each label in one run, then list, show and find it."""
    letters = [letter(one, number) for number, one in enumerate(labels)]
    vault.archive(letters)
    hits = {hit.subject.split()[0]: hit for hit in vault.messages()}
    return [_outcome(vault, hits, number, one, letters[number]) for number, one in enumerate(labels)]


def _outcome(vault: TestVault, hits: dict[str, api.Hit], number: int, one: Labelled, sent: bytes) -> Outcome:
    mark, word = number_word(number), sample(one.codec)[1]
    hit = hits.get(mark)
    if hit is None:
        return Outcome(one, False, False, False, False)
    message = vault.client.call(api.Show(id=hit.id), api.Message)
    files = [file.filename for file in message.attachments]
    shown = f"{mark} {word}" in message.text and "zzend" in message.text and files == [f"{word}.txt"]
    subjects = [value for name, value in message.headers if name.lower() == "subject"]
    queries = (f"{mark} body:{word}", f"subject:{word} {mark}", f"filename:{word} {mark}")
    return Outcome(
        one,
        archived=vault.raw(hit.id) == sent,
        listed=hit.subject == f"{mark} {word}" and subjects == [hit.subject],
        shown=shown and not message.notes,
        found=all([found.id for found in vault.search(query)] == [hit.id] for query in queries),
    )


def table(found: Iterable[Outcome]) -> Iterator[str]:
    """The lines of a Markdown table of the outcomes, with one row for each charset and all its labels."""
    return _lines(
        sorted(found, key=lambda outcome: (charset_of(outcome.one.label), outcome.one.label.lower()))
    )


def _lines(by_charset: Sequence[Outcome]) -> Iterator[str]:
    yield "| charset | labels | written and expected | archived | listed | shown | found |"
    yield "|---|---|---|---|---|---|---|"
    for charset, group in groupby(by_charset, key=lambda outcome: charset_of(outcome.one.label)):
        rows = list(group)
        labels = " ".join(f"`{row.one.label}`" for row in rows)
        words = " ".join(sorted({"{}: {}".format(*sample(row.one.codec)) for row in rows}))
        counts = [
            f"{sum(getattr(row, what) for row in rows)} of {len(rows)}"
            for what in ("archived", "listed", "shown", "found")
        ]
        yield f"| {charset} | {labels} | {words} | {' | '.join(counts)} |"
