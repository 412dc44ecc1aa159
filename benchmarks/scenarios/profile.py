"""Where the time of a run goes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.lab import Lab, Mail
from benchmarks.peers import from_maildir, vault_of
from benchmarks.report import MEGA, Section, Table
from benchmarks.sampler import Sampler
from muniment import api
from muniment.archive.vault import Vault
from muniment.runs.copy import Job
from muniment.runs.prepare import Preparer
from muniment.service.engine import connect

SHOWN = 12
"""Functions that are listed of each part."""
LABELS = {
    "run": "archivist: dedup, append, commit, catalog",
    "fetch": "fetcher: lists and reads the mail",
    "worker": "threads that pass batches to the workers",
    "index": "indexer: builds documents",
    "native": "Tantivy's and other native threads",
    "MainThread": "command line",
}
TEXT = """\
CPU of {count:,} reports of a maildir, in µs a message, taken by looking at each thread's clock and
place every millisecond. The workers' part is taken from one `Preparer` in this process, with the
vault's compression dictionaries. A function's figure is its own and that of the libraries it calls."""


def measure(lab: Lab) -> Section:
    """CPU by process and thread, and by function in those that matter."""
    mail = lab.mail(lab.settings.profiled)
    with lab.scratch() as folder:
        run = _profiled_run(mail, folder)
        worker = _profiled_worker(mail, vault_of(folder))
    per = MEGA / mail.count
    parts = Counter({"workers: unwrap, split, compress, read text": worker.total})
    for thread, places in run.threads.items():
        parts[_label(thread)] += places.total()
    tables = [
        Table(("Part", "CPU, µs/message"), _rows(parts, per, len(parts))),
        Table(("In a worker", "CPU, µs/message"), _rows(worker.places(), per, SHOWN)),
        Table(("In the archivist", "CPU, µs/message"), _rows(run.places("run"), per, SHOWN)),
        Table(("In the indexer", "CPU, µs/message"), _rows(run.places("index"), per, SHOWN)),
    ]
    return Section("Where the time goes", TEXT.format(count=mail.count), (), tables)


def _profiled_run(mail: Mail, folder: Path) -> Sampler:
    """A run in this process; its workers are processes of their own."""
    contestant = from_maildir(mail.path, mail.count)
    contestant.prepare(folder)
    engine = connect(vault_of(folder))
    with Sampler() as sampler:
        *_, summary = engine.stream(api.Run(profile="bench"))
    engine.close()
    assert isinstance(summary, api.RunSummary)
    assert summary.state == "ok", summary.error
    return sampler


def _profiled_worker(mail: Mail, folder: Path) -> Sampler:
    """What workers do, in this thread."""
    vault = Vault.open(folder, write=False)
    preparer = Preparer(vault.dictionaries)
    vault.close()
    jobs = [Job(path.read_bytes(), "", True) for path in mail.files()]
    with Sampler() as sampler:
        for job in jobs:
            preparer.prepare(job)
    return sampler


def _label(thread: str) -> str:
    return LABELS.get(thread.partition("-")[0], thread)


def _rows(places: Counter[str], per: float, shown: int) -> list[tuple[str, str]]:
    """The dearest places, and the rest as one line."""
    rows = [(name, f"{seconds * per:,.0f}") for name, seconds in places.most_common(shown)]
    if rest := sum(seconds for _, seconds in places.most_common()[shown:]):
        rows.append(("the rest", f"{rest * per:,.0f}"))
    return [*rows, ("all", f"{places.total() * per:,.0f}")]
