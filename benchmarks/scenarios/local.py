"""From a local maildir to a searchable archive."""

from __future__ import annotations

from benchmarks.lab import Lab
from benchmarks.peers import Mu, Notmuch, from_maildir
from benchmarks.report import RACE_COLUMNS, Aim, Section, Table, megabytes, race_row, seconds, times

TEXT = """\
{count:,} journal reports of {size} MB are in a maildir, {sizes}, made by `benchmarks/corpus.py`. Muniment
unwraps, routes, stores, proves and indexes them, and syncs to disk. The peers only index, including the
text of the original inside a report, and leave the mail where it is. All start from nothing. Setting up
(`init`) is not timed; starting the program is."""


def measure(lab: Lab) -> Section:
    """Muniment compared with notmuch and mu."""
    mail = lab.mail(lab.settings.count)
    mail.warm()
    contestants = (
        from_maildir(mail.path, mail.count),
        Notmuch(mail.path, mail.count),
        Mu(mail.path, mail.count),
    )
    trials = lab.race(contestants)
    ours, notmuch, mu = (seconds(trials[one.name]) for one in contestants)
    return Section(
        "From a maildir to a searchable archive",
        TEXT.format(count=mail.count, size=megabytes(mail.bytes), sizes=mail.sizes()),
        ("muniment run bench", "notmuch new", "mu index"),
        [Table(RACE_COLUMNS, [race_row(one, mail.count, found, ours) for one, found in trials.items()])],
        [
            Aim("maildir to vault: 10x `notmuch new`", times(notmuch / ours), notmuch / ours >= 10),
            Aim("maildir to vault: 5x `mu index`", times(mu / ours), mu / ours >= 5),
        ],
    )
